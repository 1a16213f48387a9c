/* store.h - where records survive a restart. One interface, several backends.
 *
 * The core never sees this header: the shell carries out its effects through it. Every
 * record has the number that the core gave it; a number is durable once it and all
 * below it would survive a power cut. Nothing may be shown to the world before the
 * number that it waits for is durable.
 *
 * put and del only append to the open group; commit closes the group and begins to make
 * it durable; durable says how far that has come. A group is kept whole or not at all.
 * A backend with a writer thread answers later and makes its descriptor readable; one
 * without answers at once. Within what has gathered while the last commit was on its
 * way only the last word on a key is written: a job that comes and goes in that time
 * costs the disk nothing.
 *
 * Large payloads and results are blobs: bytes beside the records, written once, loaded
 * when somebody needs them.
 *
 * One thread calls all of it. Every backend must pass tests/contract/test_store.c.
 * After the first GG_ERR_STORE a store stays failed: the caller stops taking work, says
 * gg_store_error(), and exits.
 */
#ifndef GG_BROKER_STORE_STORE_H
#define GG_BROKER_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"

/* What records are about. The numbers are on disk: add at the end, never renumber,
 * never reuse. How a value is laid out is the core's affair and has a version of its
 * own. META holds what the broker is itself: its epoch, counters, the mark of time. */
/* clang-format off */
/*    symbol              number  name in reports */
#define GG_STORE_KIND_LIST(X) \
    X(GG_STORE_META,           1, "meta") \
    X(GG_STORE_JOB,            2, "job") \
    X(GG_STORE_QUEUE,          3, "queue") \
    X(GG_STORE_AGENT,          4, "agent") \
    X(GG_STORE_KEY,            5, "key") \
    X(GG_STORE_REMEMBERED,     6, "remembered") \
    X(GG_STORE_REALM,          7, "realm") \
    X(GG_STORE_MUTEX,          8, "mutex") \
    X(GG_STORE_SCHEDULE,       9, "schedule") \
    X(GG_STORE_FLAG,          10, "flag") \
    X(GG_STORE_GROUP,         11, "group") \
    X(GG_STORE_LIMIT,         12, "limit")
/* clang-format on */

enum gg_store_kind {
#define X(symbol, number, name)                                                        \
    symbol = number, /* NOLINT(bugprone-macro-parentheses) */
    GG_STORE_KIND_LIST(X)
#undef X
        GG_STORE_KIND_COUNT
};

/* The name of `kind`, e.g. "job"; "unknown" for a number that is none. Static. */
const char *gg_store_kind_name(uint8_t kind);

struct gg_store_key {
    uint8_t kind; /* enum gg_store_kind */
    struct gg_id id;
};

static inline struct gg_store_key gg_store_key_of(enum gg_store_kind kind,
                                                  const struct gg_id *id)
{
    return (struct gg_store_key){.kind = (uint8_t)kind, .id = *id};
}

/* The key of what has a name instead of an id: a 128-bit hash of it, the same on every
 * machine and for ever. The record itself holds the name in full. */
struct gg_store_key gg_store_key_named(enum gg_store_kind kind, struct gg_slice name);

/* Which blob: of which object, and which of its blobs (`part`: any number the caller
 * likes, payload, result, third checkpoint). Written once: new contents take a new
 * part, or the same one after gg_store_del_blob() and a commit. */
struct gg_store_blob_key {
    struct gg_id id;
    uint32_t part;
};

/* Called once a record by gg_store_scan(). `value` is valid during the call only.
 * Anything but GG_OK ends the scan and becomes its result. */
typedef enum gg_err gg_store_visit_fn(void *ctx, const struct gg_store_key *key,
                                      struct gg_slice value);

/* May new work be taken? */
enum gg_store_space {
    GG_STORE_SPACE_OK = 0,
    GG_STORE_SPACE_LOW,    /* The disk is nearly full: only what ends work is taken. */
    GG_STORE_SPACE_BEHIND, /* More waits to be written than the bound allows. */
};

enum { GG_STORE_TEXT_BYTES = 512 };

/* What a question that takes time has come to. */
struct gg_store_answer {
    uint64_t ticket; /* The asker's. */
    enum gg_err err; /* GG_ERR_NOT_FOUND: no such blob; GG_ERR_STORE: see `text`. */
    struct gg_blob *blob; /* Of a load that went well: the caller's to unref. */
    char text[GG_STORE_TEXT_BYTES]; /* Why not, with the path. "" if all went well. */
};

/* How the store is, for operators. */
struct gg_store_status {
    const char *backend; /* "sqlite"; static. */
    const char *path;    /* The data folder, "" in memory; as long as the store. */
    uint64_t disk_bytes; /* Of all its files, blobs included. */
    uint64_t free_bytes; /* Of its disk, usable; 0 in memory. */
    uint64_t record_count;
    uint64_t record_bytes; /* Room that they take, free pages not counted. */
    uint64_t blob_count;
    uint64_t blob_bytes;
    uint64_t group_count;        /* Commits since the store was opened. */
    uint64_t waiting_bytes;      /* Appended and not yet durable. */
    struct gg_wall committed_at; /* End of the last commit; 0: none yet. */
    uint64_t commit_p50_us;      /* Of the commits since it was opened. */
    uint64_t commit_p99_us;
    enum gg_store_space space;
};

struct gg_store; /* Each backend has its own contents behind it. */

/* What a backend provides. All slots are required. */
struct gg_store_ops {
    const char *name;
    enum gg_err (*put)(struct gg_store *store, uint64_t number,
                       const struct gg_store_key *key, struct gg_slice value);
    enum gg_err (*del)(struct gg_store *store, uint64_t number,
                       const struct gg_store_key *key);
    enum gg_err (*put_blob)(struct gg_store *store, uint64_t number,
                            const struct gg_store_blob_key *key, struct gg_blob *blob);
    enum gg_err (*del_blob)(struct gg_store *store, uint64_t number,
                            const struct gg_store_blob_key *key);
    enum gg_err (*scan)(struct gg_store *store, enum gg_store_kind kind,
                        gg_store_visit_fn *visit, void *ctx);
    enum gg_err (*commit)(struct gg_store *store);
    enum gg_err (*sync)(struct gg_store *store);
    enum gg_err (*durable)(struct gg_store *store, uint64_t *out_number);
    int (*descriptor)(const struct gg_store *store);
    enum gg_err (*load)(struct gg_store *store, uint64_t ticket,
                        const struct gg_store_blob_key *key);
    enum gg_err (*backup)(struct gg_store *store, uint64_t ticket, const char *path);
    bool (*answered)(struct gg_store *store, struct gg_store_answer *out_answer);
    enum gg_store_space (*space)(const struct gg_store *store);
    void (*status)(struct gg_store *store, struct gg_store_status *out_status);
    void (*error)(struct gg_store *store, char text[GG_STORE_TEXT_BYTES]);
    void (*close)(struct gg_store *store);
};

/* First member of every backend's own struct. */
struct gg_store {
    const struct gg_store_ops *ops;
    uint64_t number; /* Highest one appended so far, or found at open. */
    uint64_t closed; /* Highest one in a closed group, or found at open. */
};

/* ---- records ---- */

/* Append: save `value` under `key`, replacing what was there, as record `number`. A
 * number is never below the one before, and above all those of closed groups (several
 * records of one group may share one). The value is copied.
 *   GG_ERR_NO_MEMORY  no room for the copy; nothing changed
 *   GG_ERR_STORE      the store has failed, now or earlier */
GG_MUST_USE enum gg_err gg_store_put(struct gg_store *store, uint64_t number,
                                     const struct gg_store_key *key,
                                     struct gg_slice value);

/* Append: remove `key`. Removing what is not there is GG_OK, so that a replay is
 * harmless. Errors as gg_store_put(). */
GG_MUST_USE enum gg_err gg_store_del(struct gg_store *store, uint64_t number,
                                     const struct gg_store_key *key);

/* Visit every record of `kind` once, in no certain order, as it stands after all that
 * was appended; waits for that. A damaged record ends the scan with GG_ERR_STORE, and
 * gg_store_error() names it. Do not change the store meanwhile. */
GG_MUST_USE enum gg_err gg_store_scan(struct gg_store *store, enum gg_store_kind kind,
                                      gg_store_visit_fn *visit, void *ctx);

/* Close the open group and begin to make it durable. Does not wait. */
GG_MUST_USE enum gg_err gg_store_commit(struct gg_store *store);

/* Commit, and wait until all that was appended is durable. */
GG_MUST_USE enum gg_err gg_store_sync(struct gg_store *store);

/* The highest number that is durable. GG_ERR_STORE: a commit has failed, and nothing
 * above the number told last may be relied on. *out_number is untouched then. */
GG_MUST_USE enum gg_err gg_store_durable(struct gg_store *store, uint64_t *out_number);

/* The highest number appended, or found in the folder at open: the next is above it. */
static inline uint64_t gg_store_number(const struct gg_store *store)
{
    return store->number;
}

/* Readable when gg_store_durable(), gg_store_answered() or gg_store_space() may say
 * something new; -1 for a store that answers at once. Only to be polled: the store
 * reads it, in gg_store_durable(). */
int gg_store_descriptor(const struct gg_store *store);

/* ---- blobs ---- */

/* Append: save the bytes of `blob` under `key`. They are on disk and synced before any
 * record with a number >= `number` is durable. Takes a reference of its own and gives
 * it up, in the caller's thread, once the blob is durable. Errors as gg_store_put(). */
GG_MUST_USE enum gg_err gg_store_put_blob(struct gg_store *store, uint64_t number,
                                          const struct gg_store_blob_key *key,
                                          struct gg_blob *blob);

/* Append: remove a blob; what is not there is GG_OK. Its room is given back once the
 * group is durable. Errors as gg_store_put(). */
GG_MUST_USE enum gg_err gg_store_del_blob(struct gg_store *store, uint64_t number,
                                          const struct gg_store_blob_key *key);

/* Ask for a blob; gg_store_answered() brings it. Errors as gg_store_put(); a damaged or
 * missing blob is the answer's error, and the store goes on. */
GG_MUST_USE enum gg_err gg_store_load(struct gg_store *store, uint64_t ticket,
                                      const struct gg_store_blob_key *key);

/* ---- the rest ---- */

/* Ask for a copy of everything, blobs included, as of one consistent moment, into the
 * new file `path`; what is durable at this call is in it. gg_store_answered() says when
 * it is there and synced. The store goes on meanwhile. GG_ERR_BUSY: one is being made;
 * GG_ERR_NOT_DURABLE: this store is not on disk. */
GG_MUST_USE enum gg_err gg_store_backup(struct gg_store *store, uint64_t ticket,
                                        const char *path);

/* The next answer, in no certain order; false: none now. */
bool gg_store_answered(struct gg_store *store, struct gg_store_answer *out_answer);

/* May new work be taken? Cheap: ask before each. */
enum gg_store_space gg_store_space(const struct gg_store *store);

/* Fill in *out_status, as of a moment ago. Looks at files: not for each job. */
void gg_store_status(struct gg_store *store, struct gg_store_status *out_status);

/* Why the store has failed: the call, the reason, the path. "" while it has not. */
void gg_store_error(struct gg_store *store, char text[GG_STORE_TEXT_BYTES]);

/* Release *store_p and set it to NULL. Open groups are lost, closed ones are finished.
 * Answers not taken are dropped. Safe on NULL. */
void gg_store_close(struct gg_store **store_p);

/* Records in this process's memory, gone with it. On success the caller owns
 * *out_store; GG_ERR_NO_MEMORY leaves it untouched. */
GG_MUST_USE enum gg_err gg_store_open_memory(struct gg_store **out_store);

/* For backends only: fill in the base, checking that no slot was forgotten. */
void gg_store_init(struct gg_store *store, const struct gg_store_ops *ops);

#endif
