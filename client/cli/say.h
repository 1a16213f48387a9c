/* say.h - what is said to a person, on standard error. Data goes to standard output. */
#ifndef GG_CLIENT_CLI_SAY_H
#define GG_CLIENT_CLI_SAY_H

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses, the same as those that ganger_err_exit() gives. */
enum gg_exit {
    GG_EXIT_DONE = 0,
    GG_EXIT_NO = 1,
    GG_EXIT_UNKNOWN = 2,
    GG_EXIT_STATE = 3,
    GG_EXIT_TIME = 4,
    GG_EXIT_NO_BROKER = 5,
    GG_EXIT_NOT_ALLOWED = 6,
    GG_EXIT_USAGE = 64,
    GG_EXIT_INPUT = 65,
    GG_EXIT_FAULT = 70,
    GG_EXIT_CONFIG = 78,
    GG_EXIT_INTERRUPTED = 130,
};

/* "ganger: …" on a line of its own. Control characters are escaped. */
__attribute__((format(printf, 1, 2))) void gg_say(const char *format, ...);

/* "try: …", after a gg_say(). */
__attribute__((format(printf, 1, 2))) void gg_say_try(const char *format, ...);

/* gg_say() and, as a help, where to read about usage. Returns GG_EXIT_USAGE. */
__attribute__((format(printf, 1, 2))) int gg_say_usage(const char *format, ...);

/* `pointer`, or the end of the process where it is NULL: there is no memory. */
void *gg_say_need(void *pointer);

/* A line on a terminal that is written over by the next one: "42 % summing". Nothing
 * where standard error is not a terminal. An empty text wipes it. */
void gg_say_status(const char *text);
bool gg_say_to_terminal(void);

/* Ask on the terminal; only "y" and "yes" are yes. False where there is no terminal. */
bool gg_say_ask(const char *question);

/* From now on an interrupt (Ctrl-C, TERM) ends the process with status 130, and says
 * `what` on a line of its own: what goes on without us. "": nothing. */
void gg_say_when_interrupted(const char *what);

#endif
