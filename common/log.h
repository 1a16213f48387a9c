/* log.h - one line an event on standard error: `level event=name key=value …`.
 *
 * Levels: error (someone must act), warn (someone may want to), info (life cycle),
 * debug (trace). Log per event, never per job at info. Values that may hold anything
 * are given as key="…"; control characters never reach the terminal.
 */
#ifndef GG_COMMON_LOG_H
#define GG_COMMON_LOG_H

enum gg_log_level { GG_LOG_ERROR, GG_LOG_WARN, GG_LOG_INFO, GG_LOG_DEBUG };

/* Lines above this level are not written. The level is the process's own; set it once,
 * before threads start. Default: info. */
void gg_log_set_level(enum gg_log_level level);

/* Write one line: "<level> event=<event> <format…>". The format may be "". */
__attribute__((format(printf, 3, 4))) void gg_log(enum gg_log_level level,
                                                  const char *event, const char *format,
                                                  ...);

#endif
