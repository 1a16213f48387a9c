/* request.h - the requests in flight: a table by number, and what is needed to send
 * each of them again.
 *
 * A request's number holds its place in the table in its low 16 bits and a count of the
 * uses of that place above them, so that an answer finds its request without a search
 * and a late answer to an older request finds nothing. The bytes of the command are
 * kept until the answer: sending it again is a copy. A place keeps its buffer for the
 * next request, so in steady state nothing is allocated.
 */
#ifndef GG_CLIENT_SRC_REQUEST_H
#define GG_CLIENT_SRC_REQUEST_H

#include "common/codec.h"
#include "common/heap.h"
#include "common/list.h"

enum { GG_REQUESTS_MAX = 65536 };

enum gg_request_state {
    GG_REQUEST_FREE = 0,
    GG_REQUEST_QUEUED, /* To be sent when the session and its window allow. */
    GG_REQUEST_SENT,   /* Sent in this session; not answered. */
};

struct gg_reply;
typedef void gg_reply_fn(void *ctx, const struct gg_reply *reply);

/* Who asks: `fn` is called with each reply; `hook` is for the asker alone. */
struct gg_asker {
    gg_reply_fn *fn;
    void *ctx;
    void (*hook)(void);
};

struct gg_request {
    uint64_t number; /* 0 while free. */
    struct gg_link link;
    struct gg_heap_node deadline;
    struct gg_asker asker;
    struct gg_buf bytes;    /* The command as it goes over the wire. */
    struct gg_blob *large;  /* Its large payload, for the second frame; NULL: none. */
    struct gg_id id;        /* Once accepted: the job's. */
    uint64_t epoch;         /* Once accepted: of the broker that did. */
    uint64_t sequence;      /* Of the message that carried it last. */
    uint32_t payload_bytes; /* To compare with the broker's limit. */
    uint32_t own_id_at;     /* Where in `bytes` an id of our own making is; 0: none. */
    uint16_t uses;          /* Of this place in the table. */
    uint8_t code;           /* enum gg_command_code */
    uint8_t state;          /* enum gg_request_state */
    uint8_t durability;     /* As asked; once accepted: as it was; 0: not known. */
    uint8_t doom;           /* Not GG_OK: it is not sent again but ended with this. */
    bool until_end;         /* A submission that waits for the job's end. */
    bool accepted;          /* … and the broker has said that it has the job. */
    bool end_only;          /* … or will not say so: */
    bool taken;             /* it read the submission, and the session ended. */
};

struct gg_requests {
    struct gg_request **pages; /* Of GG_REQUEST_PAGE each; they never move. */
    uint32_t page_count;
    struct gg_link free;
    uint32_t count; /* In use. */
};

GG_MUST_USE enum gg_err gg_requests_init(struct gg_requests *table);
void gg_requests_fini(struct gg_requests *table);

/* A place for a new request, with its number set and its buffer empty. NULL: all are
 * taken or there is no memory. */
struct gg_request *gg_requests_take(struct gg_requests *table);

/* Give a request back; it must be out of every list and heap. */
void gg_requests_give(struct gg_requests *table, struct gg_request *request);

/* The request in flight with that number, or NULL. */
struct gg_request *gg_requests_find(const struct gg_requests *table, uint64_t number);

/* The id of that submission is of our own making, and nobody has seen it yet: it may be
 * made anew until it is sent. */
void gg_request_own_id(struct gg_request *request);

/* Does `command` answer `request`, and is it the last answer? */
enum gg_fit { GG_FIT_NONE = 0, GG_FIT_MORE, GG_FIT_LAST };
enum gg_fit gg_request_fit(const struct gg_request *request,
                           const struct gg_command *command);

/* Make the bytes anew as a wait for the accepted job, whose submission must not be sent
 * again. GG_ERR_NO_MEMORY changes nothing. */
GG_MUST_USE enum gg_err gg_request_become_wait(struct gg_request *request);

/* Put `epoch` into a command on one job that has none. */
GG_MUST_USE enum gg_err gg_request_set_epoch(struct gg_request *request,
                                             uint64_t epoch);

#endif
