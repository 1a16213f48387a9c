/* assert.h - checks on ourselves, on in every build.
 *
 * GG_ASSERT is for what only a bug of ours can cause. What a peer, a file, a user or
 * the kernel can cause is an enum gg_err (common/err.h), never an assertion.
 */
#ifndef GG_COMMON_ASSERT_H
#define GG_COMMON_ASSERT_H

/* Print where and why on standard error and abort. Never returns. */
_Noreturn void gg_assert_fail(const char *what, const char *file, int line,
                              const char *func);

/* Stop the process when `cond` is false: carrying on would turn one bug into lost jobs.
 * Never put work inside the condition. */
#define GG_ASSERT(cond)                                                                \
    ((cond) ? (void)0 : gg_assert_fail(#cond, __FILE__, __LINE__, __func__))

/* For the branch that cannot be reached: an enum value the switch does not know. */
#define GG_BUG(text) gg_assert_fail(text, __FILE__, __LINE__, __func__)

#endif
