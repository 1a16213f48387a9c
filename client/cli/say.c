#include "client/cli/say.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/cli/text.h"

enum { LINE_BYTES_MAX = 8192 };

static bool status_shown;

__attribute__((format(printf, 2, 0))) static void write_line(const char *prefix,
                                                             const char *format,
                                                             va_list args)
{
    char line[LINE_BYTES_MAX];
    (void)vsnprintf(line, sizeof line, format, args);
    gg_say_status("");
    (void)fflush(stdout);
    (void)fputs(prefix, stderr);
    gg_text_print(stderr, line, strlen(line));
    (void)fputc('\n', stderr);
}

void gg_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("ganger: ", format, args);
    va_end(args);
}

void gg_say_try(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("try: ", format, args);
    va_end(args);
}

int gg_say_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("ganger: ", format, args);
    va_end(args);
    return GG_EXIT_USAGE;
}

void *gg_say_need(void *pointer)
{
    if (pointer == NULL) {
        (void)fputs("ganger: no memory\n", stderr);
        exit(GG_EXIT_FAULT);
    }
    return pointer;
}

bool gg_say_to_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}

static size_t columns(void)
{
    struct winsize size = {0};
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    return known ? size.ws_col - 1U : 79U;
}

void gg_say_status(const char *text)
{
    if (!gg_say_to_terminal() || (text[0] == '\0' && !status_shown)) {
        return;
    }
    char *safe = gg_text_safe(text, strlen(text));
    size_t len = strlen(safe);
    size_t most = columns();
    while (len > most ||
           (len > 0 && len < strlen(safe) && (safe[len] & 0xc0) == 0x80)) {
        len--;
    }
    (void)fprintf(stderr, "\r\033[K%.*s", (int)len, safe);
    (void)fflush(stderr);
    status_shown = text[0] != '\0';
    free(safe);
}

bool gg_say_ask(const char *question)
{
    if (isatty(STDIN_FILENO) != 1 || !gg_say_to_terminal()) {
        return false;
    }
    char answer[16] = "";
    (void)fprintf(stderr, "%s [y/N] ", question);
    if (fgets(answer, sizeof answer, stdin) == NULL) {
        return false;
    }
    answer[strcspn(answer, "\n")] = '\0';
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

/* What the handler writes: prepared before, because a handler may only write. */
static struct {
    char text[256];
    size_t len;
} farewell;

static void on_interrupt(int signal)
{
    (void)signal;
    if (farewell.len > 0 && write(STDERR_FILENO, farewell.text, farewell.len) < 0) {
        _exit(GG_EXIT_INTERRUPTED);
    }
    _exit(GG_EXIT_INTERRUPTED);
}

void gg_say_when_interrupted(const char *what)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    farewell.len = 0; /* The handler may run between these lines. */
    if (what[0] != '\0') {
        int len = snprintf(farewell.text, sizeof farewell.text, "%sganger: %s\n",
                           gg_say_to_terminal() ? "\n" : "", what);
        farewell.len = len > 0 && (size_t)len < sizeof farewell.text ? (size_t)len : 0;
    }
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}
