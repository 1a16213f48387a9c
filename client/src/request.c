#include "client/src/request.h"

#include <stdlib.h>

#include "common/assert.h"

enum {
    PAGE_REQUESTS = 256,
    PAGES_MAX = GG_REQUESTS_MAX / PAGE_REQUESTS,
    KEPT_BYTES_MAX = 2048, /* A larger buffer is freed with its request. */
    COMMAND_BYTES_MAX = 1 << 30,
};

enum gg_err gg_requests_init(struct gg_requests *table)
{
    *table = (struct gg_requests){0};
    table->pages = calloc(PAGES_MAX, sizeof *table->pages);
    if (table->pages == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    gg_list_init(&table->free);
    return GG_OK;
}

void gg_requests_fini(struct gg_requests *table)
{
    for (uint32_t p = 0; p < table->page_count; p++) {
        for (uint32_t i = 0; i < PAGE_REQUESTS; i++) {
            gg_buf_fini(&table->pages[p][i].bytes);
            gg_blob_unref(&table->pages[p][i].large);
        }
        free(table->pages[p]);
    }
    free(table->pages);
    *table = (struct gg_requests){0};
}

static bool add_page(struct gg_requests *table)
{
    if (table->page_count == PAGES_MAX) {
        return false;
    }
    struct gg_request *page = calloc(PAGE_REQUESTS, sizeof *page);
    if (page == NULL) {
        return false;
    }
    uint32_t base = table->page_count * PAGE_REQUESTS;
    for (uint32_t i = 0; i < PAGE_REQUESTS; i++) {
        gg_buf_init(&page[i].bytes, COMMAND_BYTES_MAX);
        page[i].sequence = base + i; /* While free: its place in the table. */
        gg_list_push_back(&table->free, &page[i].link);
    }
    table->pages[table->page_count++] = page;
    return true;
}

struct gg_request *gg_requests_take(struct gg_requests *table)
{
    if (gg_list_empty(&table->free) && !add_page(table)) {
        return NULL;
    }
    struct gg_request *request = GG_CONTAINER(gg_list_first(&table->free),
                                              struct gg_request, link);
    gg_list_remove(&request->link);
    request->uses++;
    if (request->uses == 0) {
        request->uses = 1;
    }
    request->number = (uint64_t)request->uses << 16 | request->sequence;
    request->sequence = 0;
    table->count++;
    return request;
}

void gg_requests_give(struct gg_requests *table, struct gg_request *request)
{
    GG_ASSERT(request->number != 0 && !gg_list_linked(&request->link));
    GG_ASSERT(!gg_heap_has(&request->deadline));
    gg_blob_unref(&request->large);
    if (request->bytes.room > KEPT_BYTES_MAX) {
        gg_buf_fini(&request->bytes);
    }
    struct gg_buf bytes = request->bytes;
    gg_buf_clear(&bytes);
    *request = (struct gg_request){
        .bytes = bytes, .uses = request->uses, .sequence = request->number & 0xffff};
    /* The one just used comes next: it is still in the cache. */
    gg_list_push_front(&table->free, &request->link);
    table->count--;
}

struct gg_request *gg_requests_find(const struct gg_requests *table, uint64_t number)
{
    uint64_t place = number & 0xffff;
    if (place / PAGE_REQUESTS >= table->page_count) {
        return NULL;
    }
    struct gg_request
        *request = &table->pages[place / PAGE_REQUESTS][place % PAGE_REQUESTS];
    return number != 0 && request->number == number ? request : NULL;
}

void gg_request_own_id(struct gg_request *request)
{
    const uint8_t *id = request->id.bytes;
    size_t end = request->bytes.len - sizeof request->id.bytes;
    size_t at = 0; /* It stands near the beginning: memmem() would take longer. */
    while (at < end && memcmp(request->bytes.data + at, id, GG_ID_BYTES) != 0) {
        at++;
    }
    GG_ASSERT(memcmp(request->bytes.data + at, id, GG_ID_BYTES) == 0);
    request->own_id_at = (uint32_t)at;
}

static enum gg_fit fit_job(const struct gg_request *request,
                           const struct gg_job_info *job)
{
    bool ended = job->state >= GG_JOB_SUCCEEDED && job->state <= GG_JOB_EVICTED;
    if (request->code == GG_CMD_WAIT || request->until_end) {
        return ended ? GG_FIT_LAST : GG_FIT_MORE;
    }
    bool fits = request->code == GG_CMD_SUBMIT || request->code == GG_CMD_GET ||
                request->code == GG_CMD_RETRY;
    return fits ? GG_FIT_LAST : GG_FIT_NONE;
}

/* The answers of all but jobs and errors: what is asked, what answers. */
static const struct {
    uint8_t asked;
    uint8_t answer;
    uint8_t fit;
} answers[] = {
    {GG_CMD_SUBMIT_MANY, GG_CMD_JOBS, GG_FIT_LAST},
    {GG_CMD_WAIT, GG_CMD_PROGRESS, GG_FIT_MORE},
    {GG_CMD_WAIT, GG_CMD_PARTIAL, GG_FIT_MORE},
    {GG_CMD_CANCEL, GG_CMD_CANCELLED, GG_FIT_LAST},
    {GG_CMD_LIST_JOBS, GG_CMD_JOBS, GG_FIT_LAST},
    {GG_CMD_HISTORY, GG_CMD_MOMENTS, GG_FIT_LAST},
    {GG_CMD_WHY, GG_CMD_REASONS, GG_FIT_LAST},
    {GG_CMD_LIST_QUEUES, GG_CMD_QUEUES, GG_FIT_LAST},
    {GG_CMD_PAUSE, GG_CMD_DONE, GG_FIT_LAST},
    {GG_CMD_RESUME, GG_CMD_DONE, GG_FIT_LAST},
    {GG_CMD_PURGE, GG_CMD_DONE, GG_FIT_LAST},
    {GG_CMD_LIST_WORKERS, GG_CMD_WORKERS, GG_FIT_LAST},
    {GG_CMD_STEER, GG_CMD_DONE, GG_FIT_LAST},
    {GG_CMD_GET_STATS, GG_CMD_STATS, GG_FIT_LAST},
    {GG_CMD_GET_BROKER, GG_CMD_BROKER, GG_FIT_LAST},
    {GG_CMD_SUBSCRIBE, GG_CMD_EVENT, GG_FIT_MORE},
    {GG_CMD_BACKUP, GG_CMD_DONE, GG_FIT_LAST},
};

enum gg_fit gg_request_fit(const struct gg_request *request,
                           const struct gg_command *command)
{
    if (command->code == GG_CMD_JOB) {
        return fit_job(request, &command->as.job);
    }
    if (command->code == GG_CMD_ERROR) {
        return GG_FIT_LAST;
    }
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (answers[i].asked == request->code && answers[i].answer == command->code) {
            return (enum gg_fit)answers[i].fit;
        }
    }
    return GG_FIT_NONE;
}

/* Replace the bytes by a command on one job; on failure the old ones stay. */
static enum gg_err rewrite(struct gg_request *request, enum gg_command_code code,
                           const struct gg_target *target)
{
    struct gg_buf bytes;
    gg_buf_init(&bytes, COMMAND_BYTES_MAX);
    gg_command_write(&bytes, code, request->number, target, NULL);
    if (bytes.failed) {
        gg_buf_fini(&bytes);
        return GG_ERR_NO_MEMORY;
    }
    gg_buf_fini(&request->bytes);
    request->bytes = bytes;
    return GG_OK;
}

enum gg_err gg_request_become_wait(struct gg_request *request)
{
    GG_ASSERT(request->accepted);
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = request->id;
    target.epoch = request->epoch;
    target.durability = request->durability;
    target.want_result = true;
    enum gg_err err = rewrite(request, GG_CMD_WAIT, &target);
    if (err == GG_OK) {
        gg_blob_unref(&request->large);
        request->payload_bytes = 0;
        request->code = GG_CMD_WAIT;
    }
    return err;
}

enum gg_err gg_request_set_epoch(struct gg_request *request, uint64_t epoch)
{
    struct gg_reader reader = gg_reader_of(gg_buf_slice(&request->bytes));
    struct gg_token head;
    bool whole = true;
    for (int i = 0; i < 3; i++) { /* The array's head, the code, the request. */
        whole = gg_reader_next(&reader, &head) && whole;
    }
    GG_ASSERT(whole);
    struct gg_slice record = gg_slice_of(reader.at, (size_t)(reader.end - reader.at));
    struct gg_target target;
    struct gg_fault fault;
    if (gg_record_read(record, GG_RECORD_TARGET, &target, &fault) != GG_OK) {
        GG_BUG("a command of our own cannot be read");
    }
    if (target.epoch != 0) {
        return GG_OK;
    }
    target.epoch = epoch;
    return rewrite(request, (enum gg_command_code)request->code, &target);
}
