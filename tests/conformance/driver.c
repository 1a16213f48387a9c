/* driver.c - the C client under the conformance suite: a line of JSON in, a line out.
 * README.md has the contract. The worker is ganger-worker with handler.c in it. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ganger/client.h>

enum {
    TAGS_MAX = 16,
    DELAYS_MAX = 32,
    JOBS_MAX = 1000,
    CALL_MS = 20000,
    KEPT_MAX = 4096
};
#define EXACT_MAX 9007199254740991ULL /* Above it JSON numbers are texts. */

static ganger *handle;

/* ---- values ---- */

static unsigned nibble(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* Bytes of a hex text, kept until the line has been answered. */
static void *kept[KEPT_MAX];
static size_t kept_count;

static ganger_bytes bytes_of(const json_t *request, const char *name)
{
    const char *hex = json_string_value(json_object_get(request, name));
    size_t len = hex == NULL ? 0 : strlen(hex) / 2;
    unsigned char *bytes = kept_count < KEPT_MAX ? malloc(len + 1) : NULL;
    if (len == 0 || bytes == NULL) {
        free(bytes);
        return (ganger_bytes){0};
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (unsigned char)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
    kept[kept_count++] = bytes;
    return (ganger_bytes){bytes, len};
}

static void free_kept(void)
{
    while (kept_count > 0) {
        free(kept[--kept_count]);
    }
}

static const char *text_of(const json_t *request, const char *name)
{
    return json_string_value(json_object_get(request, name));
}

static uint64_t number_of(const json_t *request, const char *name, uint64_t absent)
{
    const json_t *value = json_object_get(request, name);
    if (json_is_string(value)) {
        return strtoull(json_string_value(value), NULL, 10);
    }
    return value == NULL ? absent : (uint64_t)json_integer_value(value);
}

static bool flag_of(const json_t *request, const char *name)
{
    return json_is_true(json_object_get(request, name));
}

static int timeout_of(const json_t *request)
{
    return (int)number_of(request, "timeout_ms", CALL_MS);
}

static ganger_id id_of(const json_t *request)
{
    ganger_id id = {{0}};
    ganger_bytes bytes = bytes_of(request, "id");
    if (bytes.len == sizeof id.bytes) {
        memcpy(id.bytes, bytes.data, sizeof id.bytes);
    }
    return id;
}

static json_t *hex(const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    char *text = malloc(2 * len + 1);
    if (text == NULL) {
        return json_null();
    }
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    json_t *value = json_stringn(text, 2 * len);
    free(text);
    return value;
}

static json_t *number(uint64_t value)
{
    char text[24];
    if (value <= EXACT_MAX) {
        return json_integer((json_int_t)value);
    }
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return json_string(text);
}

static void put(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value);
}

static json_t *error(ganger_err err, const char *text)
{
    json_t *answer = json_object();
    put(answer, "error", json_string(ganger_err_name(err)));
    put(answer, "number", json_integer(err));
    put(answer, "text", json_string(text));
    put(answer, "retry_ms", json_integer(ganger_retry_ms(handle)));
    return answer;
}

static json_t *answer_of(ganger_err err, const char *name, json_t *value)
{
    if (err != GANGER_OK) {
        json_decref(value);
        return error(err, ganger_last_error(handle));
    }
    json_t *answer = json_object();
    if (name != NULL) {
        put(answer, name, value);
    }
    return answer;
}

static json_t *job_of(const ganger_job *job)
{
    json_t *out = json_object();
    put(out, "id", hex(job->id.bytes, sizeof job->id.bytes));
    put(out, "realm", json_string(job->realm == NULL ? "" : job->realm));
    put(out, "queue", json_string(job->queue == NULL ? "" : job->queue));
    put(out, "key", hex(job->key.data, job->key.len));
    put(out, "existing", json_boolean(job->existing));
    put(out, "cancelling", json_boolean(job->cancelling));
    put(out, "state", json_string(ganger_state_name(job->state)));
    put(out, "durability", json_integer(job->durability));
    put(out, "attempt", json_integer(job->attempt));
    put(out, "attempts_max", json_integer(job->max_attempts));
    put(out, "priority", json_integer(job->priority));
    put(out, "error", json_string(ganger_err_name(job->error)));
    put(out, "error_text", json_string(job->error_text == NULL ? "" : job->error_text));
    put(out, "result_gone", json_boolean(job->result_gone));
    put(out, "result_bytes", number(job->result_bytes));
    put(out, "run_at", number((uint64_t)job->run_at));
    put(out, "fence", number(job->fence));
    put(out, "epoch", number(job->epoch));
    if (job->has_result) {
        put(out, "result", hex(job->result.data, job->result.len));
    }
    json_t *tags = json_array();
    for (size_t i = 0; i < job->tag_count; i++) {
        json_array_append_new(tags, json_string(job->tags[i]));
    }
    put(out, "tags", tags);
    return out;
}

static json_t *moment_of(const ganger_moment *moment)
{
    json_t *out = json_object();
    put(out, "kind", json_string(moment->name));
    put(out, "id", hex(moment->id.bytes, sizeof moment->id.bytes));
    put(out, "queue", json_string(moment->queue));
    put(out, "attempt", json_integer(moment->attempt));
    put(out, "error", json_string(ganger_err_name(moment->error)));
    put(out, "text", json_string(moment->text));
    put(out, "seq", number(moment->seq));
    return out;
}

/* ---- what is asked ---- */

/* Arrays that a submission points into. */
struct lent {
    const char *tags[TAGS_MAX];
    uint64_t delays[DELAYS_MAX];
};

static ganger_submission submission_of(const json_t *from, struct lent *lent)
{
    ganger_submission out = GANGER_SUBMIT_INIT;
    out.id = id_of(from);
    out.queue = text_of(from, "queue");
    out.realm = text_of(from, "realm");
    out.payload = bytes_of(from, "payload");
    out.key = bytes_of(from, "key");
    out.unique = flag_of(from, "unique");
    out.end_only = flag_of(from, "end_only");
    out.priority = (unsigned)number_of(from, "priority", out.priority);
    out.delay_ms = number_of(from, "delay_ms", 0);
    out.run_at = (int64_t)number_of(from, "run_at", 0);
    out.expires_ms = number_of(from, "expires_ms", 0);
    out.run_timeout_ms = number_of(from, "run_timeout_ms", 0);
    out.attempts = (unsigned)number_of(from, "attempts", 0);
    out.backoff = (int)number_of(from, "backoff", 0);
    out.backoff_ms = number_of(from, "backoff_ms", 0);
    out.backoff_max_ms = number_of(from, "backoff_max_ms", 0);
    out.keep_ms = number_of(from, "keep_ms", GANGER_DEFAULT);
    out.keep_failed_ms = number_of(from, "keep_failed_ms", GANGER_DEFAULT);
    out.unique_until = (int)number_of(from, "unique_until", 0);
    out.durability = (int)number_of(from, "durability", 0);
    const json_t *list = json_object_get(from, "tags");
    for (; out.tag_count < json_array_size(list) && out.tag_count < TAGS_MAX;
         out.tag_count++) {
        lent->tags[out.tag_count] = json_string_value(
            json_array_get(list, out.tag_count));
    }
    out.tags = lent->tags;
    list = json_object_get(from, "backoff_list");
    for (; out.backoff_count < json_array_size(list) && out.backoff_count < DELAYS_MAX;
         out.backoff_count++) {
        lent->delays[out.backoff_count] = (uint64_t)json_integer_value(
            json_array_get(list, out.backoff_count));
    }
    out.backoff_list = lent->delays;
    return out;
}

static ganger_target target_of(const json_t *from)
{
    return (ganger_target){
        .id = id_of(from),
        .realm = text_of(from, "realm"),
        .queue = text_of(from, "queue"),
        .key = bytes_of(from, "key"),
        .epoch = number_of(from, "epoch", 0),
    };
}

static json_t *on_open(const json_t *request)
{
    const ganger_options options = {
        .endpoint = text_of(request, "endpoint"),
        .key_file = text_of(request, "key_file"),
        .server_key = text_of(request, "server_key"),
        .name = text_of(request, "name"),
    };
    ganger_close(&handle);
    return answer_of(ganger_open(&options, &handle), NULL, NULL);
}

static json_t *on_close(const json_t *request)
{
    (void)request;
    ganger_close(&handle);
    return json_object();
}

static json_t *on_submit(const json_t *request)
{
    struct lent lent;
    ganger_job job;
    ganger_submission submission = submission_of(request, &lent);
    ganger_err err = ganger_submit(handle, &submission, timeout_of(request), &job);
    return answer_of(err, "job", err == GANGER_OK ? job_of(&job) : NULL);
}

static json_t *on_run(const json_t *request)
{
    struct lent lent;
    ganger_job job;
    ganger_submission submission = submission_of(request, &lent);
    ganger_err err = ganger_run(handle, &submission, timeout_of(request), &job);
    return answer_of(err, "job", err == GANGER_OK ? job_of(&job) : NULL);
}

static json_t *on_submit_many(const json_t *request)
{
    static ganger_submission submissions[JOBS_MAX];
    static struct lent lent[JOBS_MAX];
    static ganger_job jobs[JOBS_MAX];
    const json_t *list = json_object_get(request, "jobs");
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < JOBS_MAX; i++) {
        submissions[i] = submission_of(json_array_get(list, i), &lent[i]);
    }
    ganger_err err = ganger_submit_many(handle, submissions, count, timeout_of(request),
                                        jobs);
    json_t *out = json_array();
    for (size_t i = 0; err == GANGER_OK && i < count; i++) {
        json_array_append_new(out, job_of(&jobs[i]));
    }
    return answer_of(err, "jobs", out);
}

static json_t *on_get(const json_t *request)
{
    ganger_job job;
    ganger_target target = target_of(request);
    ganger_err err = ganger_get(handle, &target, flag_of(request, "want_result"), false,
                                timeout_of(request), &job);
    return answer_of(err, "job", err == GANGER_OK ? job_of(&job) : NULL);
}

static json_t *on_wait(const json_t *request)
{
    ganger_job job;
    ganger_target target = target_of(request);
    ganger_err err = ganger_wait(handle, &target, timeout_of(request), &job);
    return answer_of(err, "job", err == GANGER_OK ? job_of(&job) : NULL);
}

struct gathered {
    json_t *jobs;  /* By place. */
    json_t *order; /* As they came. */
};

static bool gather(void *ctx, size_t index, const ganger_job *job)
{
    struct gathered *gathered = ctx;
    json_array_set_new(gathered->jobs, index, job_of(job));
    json_array_append_new(gathered->order, json_integer((json_int_t)index));
    return true;
}

static json_t *on_wait_many(const json_t *request)
{
    static ganger_target targets[JOBS_MAX];
    struct gathered gathered = {json_array(), json_array()};
    const json_t *list = json_object_get(request, "targets");
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < JOBS_MAX; i++) {
        targets[i] = target_of(json_array_get(list, i));
        json_array_append_new(gathered.jobs, json_null());
    }
    ganger_err err = ganger_wait_many(handle, targets, count, timeout_of(request),
                                      gather, &gathered);
    json_t *answer = answer_of(err, "jobs", gathered.jobs);
    put(answer, "order", gathered.order);
    return answer;
}

static json_t *on_cancel(const json_t *request)
{
    static const char *const names[] = {"none", "cancelled", "cancelling", "too_late"};
    ganger_verdict verdict = 0;
    ganger_target target = target_of(request);
    ganger_err err = ganger_cancel(handle, &target, text_of(request, "reason"),
                                   timeout_of(request), &verdict, NULL);
    return answer_of(err, "verdict", json_string(names[verdict & 3]));
}

static json_t *on_retry(const json_t *request)
{
    ganger_job job;
    ganger_target target = target_of(request);
    ganger_err err = ganger_retry(handle, &target, text_of(request, "reason"),
                                  timeout_of(request), &job);
    return answer_of(err, "job", err == GANGER_OK ? job_of(&job) : NULL);
}

static bool list_job(void *ctx, const ganger_job *job)
{
    json_array_append_new(ctx, job_of(job));
    return true;
}

static unsigned states_of(const json_t *request)
{
    unsigned states = 0;
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(request, "states"), i, name)
    {
        for (unsigned state = GANGER_SCHEDULED; state <= GANGER_EVICTED; state++) {
            if (strcmp(json_string_value(name), ganger_state_name(state)) == 0) {
                states |= 1U << state;
            }
        }
    }
    return states;
}

static json_t *on_list(const json_t *request)
{
    json_t *jobs = json_array();
    const ganger_filter filter = {
        .realm = text_of(request, "realm"),
        .queue = text_of(request, "queue"),
        .states = states_of(request),
        .tag = text_of(request, "tag"),
        .key = bytes_of(request, "key"),
        .error_has = text_of(request, "error_has"),
    };
    ganger_err err = ganger_list(handle, &filter, timeout_of(request), list_job, jobs);
    return answer_of(err, "jobs", jobs);
}

static bool list_moment(void *ctx, const ganger_moment *moment)
{
    json_array_append_new(ctx, moment_of(moment));
    return true;
}

static json_t *on_history(const json_t *request)
{
    json_t *moments = json_array();
    ganger_target target = target_of(request);
    ganger_err err = ganger_history(handle, &target, false, timeout_of(request),
                                    list_moment, moments);
    return answer_of(err, "moments", moments);
}

/* ---- what comes bit by bit ---- */

struct watched {
    json_t *answer; /* Once it is over. */
    json_t *progress;
    char *partial;
    size_t partial_len;
};

static void on_news(void *ctx, const ganger_answer *news)
{
    struct watched *watched = ctx;
    if (news->partial.len > 0) {
        watched->partial = realloc(watched->partial,
                                   watched->partial_len + news->partial.len);
        memcpy(watched->partial + watched->partial_len, news->partial.data,
               news->partial.len);
        watched->partial_len += news->partial.len;
    } else if (!news->final && news->job != NULL && news->job->progress > 0) {
        json_t *one = json_object();
        put(one, "progress_ppm",
            json_integer((json_int_t)(news->job->progress * 1e6 + 0.5)));
        put(one, "progress_text", json_string(news->job->progress_text));
        json_array_append_new(watched->progress, one);
    }
    if (news->final) {
        watched->answer = news->err != GANGER_OK
                              ? error(news->err, news->text)
                              : json_pack("{s:o}", "job", job_of(news->job));
    }
}

static json_t *on_watch(const json_t *request)
{
    struct watched watched = {.progress = json_array()};
    ganger_target target = target_of(request);
    if (ganger_wait_start(handle, &target, true, true, timeout_of(request), on_news,
                          &watched) == 0) {
        return error(GANGER_USAGE, ganger_last_error(handle));
    }
    while (watched.answer == NULL) {
        (void)ganger_poll(handle, 1000);
    }
    put(watched.answer, "progress", watched.progress);
    put(watched.answer, "partial", hex(watched.partial, watched.partial_len));
    free(watched.partial);
    return watched.answer;
}

static json_t *events; /* Those that nobody has asked for. */

static void on_event(void *ctx, const ganger_answer *news)
{
    (void)ctx;
    if (news->err != GANGER_OK) {
        json_array_append_new(events, error(news->err, news->text));
    } else if (news->moment != NULL) {
        json_array_append_new(events,
                              json_pack("{s:o}", "moment", moment_of(news->moment)));
    }
}

static json_t *on_events(const json_t *request)
{
    json_array_clear(events);
    uint64_t number_ = ganger_events_start(handle, text_of(request, "realm"),
                                           text_of(request, "queue"), NULL, on_event,
                                           NULL);
    return answer_of(number_ == 0 ? GANGER_USAGE : GANGER_OK, NULL, NULL);
}

static json_t *on_next_event(const json_t *request)
{
    (void)request;
    while (json_array_size(events) == 0) {
        (void)ganger_poll(handle, 1000);
    }
    json_t *event = json_incref(json_array_get(events, 0));
    json_array_remove(events, 0);
    return event;
}

/* ---- lines ---- */

static json_t *answer_line(const json_t *request)
{
    static const struct {
        const char *name;
        json_t *(*answer)(const json_t *request);
    } calls[] = {
        {"open", on_open},
        {"close", on_close},
        {"submit", on_submit},
        {"submit_many", on_submit_many},
        {"run", on_run},
        {"get", on_get},
        {"wait", on_wait},
        {"wait_many", on_wait_many},
        {"watch", on_watch},
        {"cancel", on_cancel},
        {"retry", on_retry},
        {"list", on_list},
        {"history", on_history},
        {"events", on_events},
        {"next_event", on_next_event},
    };
    const char *name = text_of(request, "op");
    for (size_t i = 0; name != NULL && i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(name, calls[i].name) == 0) {
            return calls[i].answer(request);
        }
    }
    return error(GANGER_USAGE, "no such op");
}

static int client(void)
{
    char *line = NULL;
    size_t room = 0;
    events = json_array();
    while (getline(&line, &room, stdin) > 0) {
        json_t *request = json_loads(line, 0, NULL);
        json_t *answer = answer_line(request);
        char *text = json_dumps(answer, JSON_COMPACT | JSON_PRESERVE_ORDER);
        (void)printf("%s\n", text);
        (void)fflush(stdout);
        free(text);
        json_decref(answer);
        json_decref(request);
        free_kept();
    }
    free(line);
    json_decref(events);
    ganger_close(&handle);
    return 0;
}

/* ---- the worker: ganger-worker, and a word once it is connected ---- */

static pid_t agent;

static void pass_on(int signal_number)
{
    (void)kill(agent, signal_number);
}

static _Noreturn void be_agent(char **argv, const int ends[2])
{
    char queues[128];
    char program[4096];
    const char *folder = getenv("GG_BIN_DIR");
    (void)snprintf(queues, sizeof queues, "%s.*", argv[4]);
    (void)snprintf(program, sizeof program, "%s/ganger-worker",
                   folder == NULL ? "." : folder);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(ends[1], STDERR_FILENO);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)execl(program, program, "--broker", argv[2], "--name", argv[3], "--queue",
                queues, "--slots", "4", "--handler", getenv("GG_CONFORMANCE_HANDLER"),
                (char *)NULL);
    (void)fprintf(stderr, "%s: %s\n", program, strerror(errno));
    _exit(70);
}

static int worker(char **argv)
{
    int ends[2];
    char line[4096];
    int status = 0;
    if (pipe(ends) != 0 || (agent = fork()) < 0) {
        perror("driver");
        return 70;
    }
    if (agent == 0) {
        be_agent(argv, ends);
    }
    (void)close(ends[1]);
    const struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    FILE *lines = fdopen(ends[0], "r");
    bool ready = false;
    while (lines != NULL && fgets(line, sizeof line, lines) != NULL) {
        (void)fputs(line, stderr);
        if (!ready && strstr(line, "event=connected") != NULL) {
            ready = true;
            (void)printf("ready\n");
            (void)fflush(stdout);
        }
    }
    while (waitpid(agent, &status, 0) < 0 && errno == EINTR) {
    }
    if (lines != NULL) {
        (void)fclose(lines);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 70;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "client") == 0) {
        return client();
    }
    if (argc == 5 && strcmp(argv[1], "worker") == 0) {
        return worker(argv);
    }
    (void)fprintf(stderr, "usage: driver client | worker ENDPOINT NAME PREFIX\n");
    return 64;
}
