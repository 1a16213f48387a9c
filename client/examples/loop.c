/* loop.c - the asynchronous side in a poll() loop: each line of the standard input
 * becomes a job, each result is printed as it comes: loop QUEUE < lines
 *
 * The same shape fits libuv, GLib or epoll: watch ganger_fd() for reading, set a timer
 * to ganger_wait_ms(), and call ganger_process() when either fires. */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <ganger/client.h>

enum { WINDOW = 1000 };

static void on_answer(void *ctx, const ganger_answer *answer)
{
    int *failed = ctx;
    if (!answer->final) {
        return; /* Accepted; the end is still to come. */
    }
    if (answer->err != GANGER_OK) {
        fprintf(stderr, "loop: %s\n", answer->text);
        ++*failed;
    } else if (answer->job->state != GANGER_SUCCEEDED) {
        fprintf(stderr, "loop: %s: %s\n", ganger_state_name(answer->job->state),
                answer->job->error_text);
        ++*failed;
    } else {
        printf("%.*s\n", (int)answer->job->result.len,
               (const char *)answer->job->result.data);
    }
}

static void on_state(void *ctx, bool connected, ganger_err why, const char *sentence)
{
    (void)ctx;
    (void)why;
    fprintf(stderr, "loop: %s: %s\n", connected ? "up" : "down", sentence);
}

/* Submit what can be read; false at the end of the input. */
static bool read_lines(ganger *handle, const char *queue, int *failed)
{
    char line[4096];
    while (ganger_in_flight(handle) < WINDOW) {
        if (fgets(line, sizeof line, stdin) == NULL) {
            return false;
        }
        ganger_submission submission = GANGER_SUBMIT_INIT;
        submission.queue = queue;
        submission.payload = (ganger_bytes){line, strcspn(line, "\n")};
        if (ganger_submit_start(handle, &submission, true, 60000, on_answer, failed) ==
            0) {
            fprintf(stderr, "loop: %s\n", ganger_last_error(handle));
            ++*failed;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    ganger *handle = NULL;
    int failed = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: loop QUEUE < lines\n");
        return 64;
    }
    if (ganger_open(NULL, &handle) != GANGER_OK) {
        fprintf(stderr, "loop: %s\n", ganger_last_error(NULL));
        return 1;
    }
    ganger_on_state(handle, on_state, NULL);

    bool more = true;
    while (more || ganger_in_flight(handle) > 0) {
        more = more && read_lines(handle, argv[1], &failed);
        struct pollfd ready = {.fd = ganger_fd(handle), .events = POLLIN};
        int wait_ms = ganger_wait_ms(handle);
        if (wait_ms > 0) {
            (void)poll(&ready, 1, wait_ms);
        }
        (void)ganger_process(handle);
    }
    ganger_close(&handle);
    return failed == 0 ? 0 : 1;
}
