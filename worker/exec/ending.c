#include "worker/exec/ending.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { EXIT_REJECTED = 65 }; /* EX_DATAERR of sysexits.h. */

void gg_ending_set_text(struct gg_ending *ending, struct gg_slice text)
{
    size_t len = text.len < sizeof ending->text - 1 ? text.len
                                                    : sizeof ending->text - 1;
    while (len > 0 && len < text.len && (text.data[len] & 0xc0) == 0x80) {
        len--; /* Not in the middle of a character. */
    }
    if (len > 0) {
        memcpy(ending->text, text.data, len);
    }
    ending->text[len] = '\0';
    bool utf8 = gg_utf8_valid(gg_slice_of(ending->text, len));
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)ending->text[i];
        if (c < 0x20 || c == 0x7f || (!utf8 && c >= 0x80)) {
            ending->text[i] = '?';
        }
    }
}

/* The last line of `output` that is not empty. */
static struct gg_slice last_line(struct gg_slice output)
{
    size_t end = output.len;
    while (end > 0 && (output.data[end - 1] == '\n' || output.data[end - 1] == '\r' ||
                       output.data[end - 1] == ' ')) {
        end--;
    }
    size_t start = end;
    while (start > 0 && output.data[start - 1] != '\n') {
        start--;
    }
    return gg_slice_of(output.data + start, end - start);
}

/* "exit status 3: the last line it said". */
static void set_reason(struct gg_ending *ending, const char *what,
                       struct gg_slice output)
{
    char text[GG_ENDING_TEXT_BYTES];
    struct gg_slice said = output.len > 0 ? last_line(output) : output;
    int len = said.len > 0 ? snprintf(text, sizeof text, "%s: %.*s", what,
                                      (int)(said.len < 400 ? said.len : 400),
                                      (const char *)said.data)
                           : snprintf(text, sizeof text, "%s", what);
    size_t room = sizeof text - 1;
    gg_ending_set_text(ending, gg_slice_of(text, len < 0              ? 0
                                                 : (size_t)len > room ? room
                                                                      : (size_t)len));
}

static void judge_exit(const struct gg_process_facts *facts, struct gg_ending *out)
{
    int status = WEXITSTATUS(facts->wait_status);
    char what[64];
    (void)snprintf(what, sizeof what, "exit status %d", status);
    out->exit_status = (uint64_t)status;
    if (status == 0) {
        out->kind = facts->snoozed ? GG_OUTCOME_SNOOZED : GG_OUTCOME_SUCCEEDED;
        out->snooze_ms = facts->snoozed ? facts->snooze_ms : 0;
        return;
    }
    out->kind = status == EXIT_REJECTED ? GG_OUTCOME_REJECTED : GG_OUTCOME_FAILED;
    set_reason(out, what, facts->output);
}

static void judge_signal(const struct gg_process_facts *facts, struct gg_ending *out)
{
    int number = WTERMSIG(facts->wait_status);
    const char *name = sigabbrev_np(number);
    char what[64];
    (void)snprintf(what, sizeof what, "ended by signal %d (SIG%s)", number,
                   name != NULL ? name : "?");
    out->kind = GG_OUTCOME_CRASHED;
    out->signal = (uint64_t)number;
    set_reason(out, what, facts->output);
}

void gg_ending_judge(const struct gg_process_facts *facts, struct gg_ending *out)
{
    *out = (struct gg_ending){.exit_status = GG_UNSAID,
                              .keeper_killed = facts->keeper_killed};
    if (WIFSIGNALED(facts->wait_status)) {
        judge_signal(facts, out);
    } else {
        judge_exit(facts, out);
    }
    if (facts->result_too_large) {
        out->kind = GG_OUTCOME_FAILED;
        out->exit_status = GG_UNSAID;
        out->signal = 0;
        (void)snprintf(out->text, sizeof out->text,
                       "the result is larger than the limit of %llu bytes "
                       "(result_bytes_max)",
                       (unsigned long long)facts->result_bytes_max);
    }
    if (facts->ran_out_bytes > 0 && out->exit_status != 0) {
        out->kind = GG_OUTCOME_CRASHED;
        (void)snprintf(out->text, sizeof out->text,
                       "killed at its memory limit of %llu bytes (cgroup_memory)",
                       (unsigned long long)facts->ran_out_bytes);
    }
    if (facts->keeper_killed) {
        out->kind = GG_OUTCOME_LOST;
        (void)snprintf(out->text, sizeof out->text, "%s",
                       facts->keeper_lost
                           ? "killed with the keeper of its agent, which had died"
                           : "killed because its lease could not be renewed in time");
    }
}

void gg_ending_not_started(const char *stage, int error, struct gg_ending *out)
{
    *out = (struct gg_ending){.kind = GG_OUTCOME_NOT_STARTED, .exit_status = GG_UNSAID};
    char text[GG_ENDING_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%.300s: %s", stage, strerror(error));
    gg_ending_set_text(out, gg_slice_text(text));
}
