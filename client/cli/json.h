/* json.h - what the broker says, as JSON: the one wrapper of jansson.
 *
 * Every field of an object is always there; what is not known is null. Names are those
 * of design and protocol, times RFC 3339 in UTC, integers exact, bytes a string where
 * they are UTF-8 and else {"base64": "…"}. Names are never changed, only added.
 */
#ifndef GG_CLIENT_CLI_JSON_H
#define GG_CLIENT_CLI_JSON_H

#include <ganger/client.h>
#include <jansson.h>
#include <stdbool.h>

#include "client/cli/option.h"

json_t *gg_json_bytes(ganger_bytes bytes);
json_t *gg_json_time(int64_t wall_ms);  /* 0: null */
json_t *gg_json_text(const char *text); /* "": null */

json_t *gg_json_submitted(const ganger_job *job); /* As answered to a submission. */
json_t *gg_json_job(const ganger_job *job);
json_t *gg_json_reason(const ganger_reason *reason);
json_t *gg_json_moment(const ganger_moment *moment, bool with_output);
json_t *gg_json_queue(const ganger_queue *queue);
json_t *gg_json_worker(const ganger_worker *worker, bool with_running);
/* A pool, and the name of its agent. */
json_t *gg_json_pool(const ganger_worker *worker, const ganger_pool *pool);
json_t *gg_json_stat(const ganger_stat *stat);
json_t *gg_json_acted(const ganger_id *id, const char *answer, unsigned waiters);
json_t *gg_json_touched(const ganger_touched *touched, bool dry_run);
json_t *gg_json_key(const char *name, const char *key, const char *roles,
                    const char *realms, const char *queues);
json_t *gg_json_finding(const char *check, const char *level, const char *text,
                        const char *advice);
json_t *gg_json_error(ganger_err err);
json_t *gg_json_broker(const ganger_broker *broker);

/* Whether the broker's store takes new work: a word, and a sentence (broker.c). */
const char *gg_space_name(int space);
const char *gg_space_text(int space);

/* A measured value; below 0: not known. */
struct gg_json_measure {
    const char *name;
    double value;
    bool whole;
};
json_t *gg_json_measures(const struct gg_json_measure *measures, size_t count);

/* Print one object and free it. */
void gg_json_print(json_t *object, bool on_one_line);

/* One object as one line, to be printed later; frees the object. The caller frees. */
char *gg_json_line(json_t *object);

/* A list that is printed entry by entry: an array, or a line each (jsonl). */
struct gg_json_list {
    enum gg_format format;
    size_t count;
};
void gg_json_list_add(struct gg_json_list *list, json_t *entry);
void gg_json_list_end(struct gg_json_list *list);

/* True for json and jsonl. */
static inline bool gg_json_wanted(enum gg_format format)
{
    return format == GG_FORMAT_JSON || format == GG_FORMAT_JSONL;
}

#endif
