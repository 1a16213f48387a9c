#include "tests/integration/worker/fake_broker.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "tests/lib/scratch.h"

enum { ARGUMENTS_MAX = 32 };

void fake_open(struct fake_broker *broker)
{
    size_t len = sizeof broker->endpoint;
    int linger = 0;
    memset(broker, 0, sizeof *broker);
    (void)scratch_new();
    broker->folder = scratch_above();
    (void)setenv("XDG_RUNTIME_DIR", broker->folder, 1); /* For the agents' locks. */
    (void)snprintf(broker->config, sizeof broker->config, "%s/agent.conf",
                   broker->folder);
    fake_close_gate(broker);
    broker->context = zmq_ctx_new();
    broker->router = zmq_socket(broker->context, ZMQ_ROUTER);
    (void)zmq_setsockopt(broker->router, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal(zmq_bind(broker->router, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(
        zmq_getsockopt(broker->router, ZMQ_LAST_ENDPOINT, broker->endpoint, &len), 0);
    gg_rng_seed(&broker->rng);
    broker->confirms = true;
    broker->answers = true;
    broker->beats = true;
    broker->welcomes = true;
    broker->next_fence = UINT64_C(7) << 40;
    broker->agent_log = -1;
    gg_record_default(GG_RECORD_WELCOME, &broker->welcome);
    broker->welcome.version = 1;
    broker->welcome.epoch = 7;
    broker->welcome.heartbeat_ms = 100;
    broker->welcome.dead_after_ms = 1000;
    broker->welcome.lease_ms = 5000;
    broker->welcome.frame_bytes_max = 1 << 26;
    broker->welcome.result_bytes_max = 1 << 20;
    broker->welcome.requests_max = 1000;
    broker->welcome.durability = 1;
    broker->welcome.grace_ms = 300;
}

void fake_close(struct fake_broker *broker)
{
    if (broker->agent > 0) {
        (void)kill(broker->agent, SIGKILL);
        (void)kill(broker->agent, SIGCONT);
        (void)waitpid(broker->agent, NULL, 0);
    }
    if (broker->agent_log >= 0) {
        (void)close(broker->agent_log);
    }
    (void)zmq_close(broker->router);
    (void)zmq_ctx_term(broker->context);
    scratch_remove();
}

int fake_setup(void **state)
{
    struct fake_broker *broker = malloc(sizeof *broker);
    assert_non_null(broker);
    fake_open(broker);
    *state = broker;
    return 0;
}

int fake_teardown(void **state)
{
    fake_close(*state);
    free(*state);
    return 0;
}

/* ---- what jobs wait for ---- */

void fake_close_gate(struct fake_broker *broker)
{
    (void)snprintf(broker->gate, sizeof broker->gate, "%s/gate.%u", broker->folder,
                   broker->gates++);
}

void fake_open_gate(const struct fake_broker *broker)
{
    FILE *file = fopen(broker->gate, "we");
    assert_non_null(file);
    (void)fclose(file);
}

const char *fake_gated(struct fake_broker *broker, const char *first, const char *then)
{
    int len = snprintf(broker->script, sizeof broker->script,
                       "%s; while [ ! -e '%s' ]; do sleep 0.02; done; %s", first,
                       broker->gate, then);
    assert_in_range(len, 1, sizeof broker->script - 1);
    return broker->script;
}

/* ---- the agent's process ---- */

static _Noreturn void become_agent(const struct fake_broker *broker, int log,
                                   const char *const *more)
{
    char path[512];
    char *arguments[ARGUMENTS_MAX];
    int count = 0;
    const char *folder = getenv("GG_BIN_DIR");
    (void)snprintf(path, sizeof path, "%s/ganger-worker",
                   folder != NULL ? folder : ".");
    arguments[count++] = path;
    (void)setenv("GANGER_BROKER", broker->endpoint, 1);
    while (*more != NULL && count < ARGUMENTS_MAX - 1) {
        arguments[count++] = strdup(*more++);
    }
    arguments[count] = NULL;
    (void)dup2(log, STDERR_FILENO);
    (void)execv(path, arguments);
    _exit(127);
}

void fake_start_agent(struct fake_broker *broker, const char *const *arguments)
{
    int ends[2];
    uint32_t before = broker->hellos;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    broker->agent = fork();
    if (broker->agent == 0) {
        become_agent(broker, ends[1], arguments);
    }
    (void)close(ends[1]);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    if (broker->agent_log >= 0) {
        (void)close(broker->agent_log);
    }
    broker->agent_log = ends[0];
    broker->log_len = 0;
    fake_until(broker, broker->hellos > before);
}

const char *fake_log(struct fake_broker *broker)
{
    ssize_t got = 0;
    do {
        size_t room = sizeof broker->log - 1 - broker->log_len;
        got = broker->agent_log < 0 || room == 0
                  ? 0
                  : read(broker->agent_log, broker->log + broker->log_len, room);
        broker->log_len += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    broker->log[broker->log_len] = '\0';
    return broker->log;
}

void fake_wait(struct fake_broker *broker, int64_t limit_ms, const char *condition)
{
    if (gg_mono_now().ms > limit_ms) {
        fail_msg("never: %s\nlog of the agent:\n%s", condition, fake_log(broker));
    }
    fake_turn(broker, 20);
}

int fake_wait_agent(struct fake_broker *broker)
{
    int status = 0;
    fake_until(broker, waitpid(broker->agent, &status, WNOHANG) == broker->agent);
    broker->agent = 0;
    return status;
}

/* ---- sending ---- */

static void send_typed(struct fake_broker *broker, enum gg_message_type type,
                       enum gg_command_code code, const void *record)
{
    static const uint8_t prefix[GG_PREFIX_BYTES];
    struct gg_buf buf;
    struct gg_slice lent = {0};
    gg_buf_init(&buf, 1 << 26);
    gg_buf_append(&buf, prefix, sizeof prefix);
    gg_command_write(&buf, code, 0, record, &lent);
    assert_false(buf.failed);
    struct gg_header header = {.version = 1,
                               .type = (uint8_t)type,
                               .session = broker->session,
                               .sequence = ++broker->sent,
                               .acked = broker->received};
    gg_prefix_write(&header, 1, buf.data);
    (void)zmq_send(broker->router, broker->peer, broker->peer_len, ZMQ_SNDMORE);
    (void)zmq_send(broker->router, buf.data, buf.len,
                   lent.data != NULL ? ZMQ_SNDMORE : 0);
    if (lent.data != NULL) {
        (void)zmq_send(broker->router, lent.data, lent.len, 0);
    }
    gg_buf_fini(&buf);
}

void fake_send(struct fake_broker *broker, enum gg_command_code code,
               const void *record)
{
    send_typed(broker, GG_MESSAGE_COMMANDS, code, record);
}

struct fake_job *fake_assign(struct fake_broker *broker, const char *payload,
                             const struct gg_assign *more)
{
    struct gg_assign assign;
    assert_true(broker->job_count < FAKE_JOBS_MAX);
    struct fake_job *job = &broker->jobs[broker->job_count++];
    gg_record_default(GG_RECORD_ASSIGN, &assign);
    if (more != NULL) {
        assign = *more;
    }
    memset(job, 0, sizeof *job);
    job->id = gg_id_is_none(&assign.id) ? gg_id_new(gg_wall_now(), &broker->rng)
                                        : assign.id;
    job->fence = ++broker->next_fence;
    assign.id = job->id;
    assign.fence = job->fence;
    assign.pool = assign.pool == 0 ? 1 : assign.pool;
    assign.attempt = assign.attempt == 0 ? 1 : assign.attempt;
    assign.queue = gg_slice_text("reports");
    assign.payload = gg_slice_text(payload);
    fake_send(broker, GG_CMD_ASSIGN, &assign);
    return job;
}

void fake_stop(struct fake_broker *broker, const struct fake_job *job,
               enum gg_stop reason, uint64_t grace_ms)
{
    struct gg_stop_info stop = {
        .id = job->id, .fence = job->fence, .reason = reason, .grace_ms = grace_ms};
    fake_send(broker, GG_CMD_STOP, &stop);
}

void fake_confirm(struct fake_broker *broker, const struct fake_job *job)
{
    struct gg_confirm confirm = {.id = job->id, .fence = job->fence};
    fake_send(broker, GG_CMD_CONFIRM, &confirm);
}

void fake_forget_session(struct fake_broker *broker)
{
    broker->session = 0;
}

/* ---- receiving ---- */

static struct fake_job *job_of(struct fake_broker *broker, uint64_t fence)
{
    for (uint32_t i = 0; i < broker->job_count; i++) {
        if (broker->jobs[i].fence == fence) {
            return &broker->jobs[i];
        }
    }
    fail_msg("the agent speaks of fence %llu, which was never given",
             (unsigned long long)fence);
    abort(); /* Not reached: the test has failed. */
}

static void on_outcome(struct fake_broker *broker,
                       const struct gg_outcome_info *outcome)
{
    struct fake_job *job = job_of(broker, outcome->fence);
    job->outcomes++;
    job->kind = outcome->kind;
    job->exit_status = outcome->exit_status;
    job->signal = outcome->signal;
    job->snooze_ms = outcome->snooze_ms;
    job->never_started = outcome->never_started;
    job->result_len = outcome->result.len;
    job->ended_ms = gg_mono_now().ms;
    gg_slice_copy(outcome->text, job->text, sizeof job->text);
    gg_slice_copy(outcome->result, job->result, sizeof job->result);
    gg_slice_copy(outcome->output, job->output, sizeof job->output);
    if (broker->confirms) {
        fake_confirm(broker, job);
    }
}

static void on_heartbeat(struct fake_broker *broker, const struct gg_heartbeat *beat)
{
    struct gg_list pools = beat->pools;
    struct gg_pool_info pool;
    struct gg_fault fault;
    broker->heartbeats++;
    broker->draining = beat->draining;
    if (gg_list_next_record(&pools, GG_RECORD_POOL, &pool, &fault)) {
        broker->slots = pool.slots;
    }
    if (broker->beats) {
        struct gg_heartbeat answer;
        gg_record_default(GG_RECORD_HEARTBEAT, &answer);
        fake_send(broker, GG_CMD_HEARTBEAT, &answer);
    }
}

static void append_text(char *text, size_t room, struct gg_slice more)
{
    size_t len = strlen(text);
    gg_slice_copy(more, text + len, room - len);
}

/* A flat switch over what an agent says. */
static void on_command(struct fake_broker *broker, const struct gg_command *command)
{
    struct fake_job *job = NULL;
    switch (command->code) {
    case GG_CMD_HEARTBEAT:
        on_heartbeat(broker, &command->as.heartbeat);
        return;
    case GG_CMD_STARTED:
        job_of(broker, command->as.started.fence)->started = true;
        return;
    case GG_CMD_PROGRESS:
        job = job_of(broker, command->as.progress.fence);
        job->ppm = command->as.progress.progress_ppm;
        gg_slice_copy(command->as.progress.progress_text, job->progress,
                      sizeof job->progress);
        return;
    case GG_CMD_PARTIAL:
        job = job_of(broker, command->as.partial.fence);
        assert_int_equal(command->as.partial.offset, strlen(job->partial));
        append_text(job->partial, sizeof job->partial, command->as.partial.data);
        return;
    case GG_CMD_CHECKPOINT:
        job = job_of(broker, command->as.checkpoint.fence);
        gg_slice_copy(command->as.checkpoint.data, job->checkpoint,
                      sizeof job->checkpoint);
        return;
    case GG_CMD_OUTCOME:
        on_outcome(broker, &command->as.outcome);
        return;
    case GG_CMD_REPORT:
        return;
    case GG_CMD_BYE:
        broker->bye = true;
        return;
    default:
        fail_msg("an agent does not say command %u", command->code);
    }
}

static void on_hello(struct fake_broker *broker, const struct gg_hello *hello,
                     const struct gg_header *header)
{
    assert_int_equal(hello->kind, GG_PEER_AGENT);
    broker->session = header->session;
    broker->received = header->sequence;
    broker->sent = 0;
    broker->hello_held = hello->held.count;
    broker->hellos++;
    if (!broker->welcomes) {
        return;
    }
    broker->welcome.now_at = (uint64_t)gg_wall_now().ms;
    send_typed(broker, GG_MESSAGE_WELCOME, GG_CMD_WELCOME, &broker->welcome);
}

static void on_frame(struct fake_broker *broker, struct gg_slice frame,
                     struct gg_slice attachment)
{
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    assert_int_equal(gg_message_open(frame, attachment, &message, &fault), GG_OK);
    bool hello = message.header.type == GG_MESSAGE_HELLO;
    if (!hello && message.header.session != broker->session) {
        struct gg_reset reset = {.error = GG_ERR_NO_SESSION};
        uint64_t kept = broker->session;
        broker->session = message.header.session;
        send_typed(broker, GG_MESSAGE_RESET, GG_CMD_RESET, &reset);
        broker->session = kept;
        return;
    }
    if (!hello) {
        assert_int_equal(message.header.sequence, broker->received + 1);
        broker->received = message.header.sequence;
    }
    while (gg_message_next(&message, &command, &fault)) {
        assert_int_equal(fault.err, GG_OK);
        if (hello) {
            on_hello(broker, &command.as.hello, &message.header);
        } else {
            on_command(broker, &command);
        }
    }
}

/* One message of up to three frames: routing id, frame, attachment. */
static bool receive(struct fake_broker *broker)
{
    zmq_msg_t frames[3];
    int count = 0;
    bool more = true;
    while (more && count < 3) {
        (void)zmq_msg_init(&frames[count]);
        if (zmq_msg_recv(&frames[count], broker->router, ZMQ_DONTWAIT) < 0) {
            return false;
        }
        more = zmq_msg_more(&frames[count]) != 0;
        count++;
    }
    assert_true(count >= 2 && !more);
    const void *peer = zmq_msg_data(&frames[0]);
    broker->peer_len = zmq_msg_size(&frames[0]);
    assert_true(peer != NULL && broker->peer_len <= sizeof broker->peer);
    memcpy(broker->peer, peer, broker->peer_len);
    struct gg_slice attachment = {0};
    if (count == 3) {
        attachment = gg_slice_of(zmq_msg_data(&frames[2]), zmq_msg_size(&frames[2]));
    }
    on_frame(broker, gg_slice_of(zmq_msg_data(&frames[1]), zmq_msg_size(&frames[1])),
             attachment);
    for (int i = 0; i < count; i++) {
        (void)zmq_msg_close(&frames[i]);
    }
    return true;
}

void fake_turn(struct fake_broker *broker, int ms)
{
    zmq_pollitem_t item = {.socket = broker->router, .events = ZMQ_POLLIN};
    (void)zmq_poll(&item, broker->answers ? 1 : 0, ms);
    for (int i = 0; broker->answers && i < 100 && receive(broker); i++) {
    }
    (void)fake_log(broker);
}

/* ---- the machine ---- */

static bool has_mark(const char *pid, const char *mark)
{
    char path[64];
    char text[4096];
    (void)snprintf(path, sizeof path, "/proc/%.16s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = read(fd, text, sizeof text);
    (void)close(fd);
    return len > 0 && memmem(text, (size_t)len, mark, strlen(mark)) != NULL;
}

uint32_t fake_count_processes(const char *mark)
{
    uint32_t count = 0;
    DIR *processes = opendir("/proc");
    assert_non_null(processes);
    for (const struct dirent *entry = readdir(processes); entry != NULL;
         entry = readdir(processes)) {
        bool self = strtol(entry->d_name, NULL, 10) == (long)getpid();
        if (isdigit((unsigned char)entry->d_name[0]) && !self) {
            count += has_mark(entry->d_name, mark) ? 1 : 0;
        }
    }
    (void)closedir(processes);
    return count;
}
