/* scratch.h - an empty folder for a test, and its removal. */
#ifndef GG_TESTS_LIB_SCRATCH_H
#define GG_TESTS_LIB_SCRATCH_H

/* A name for a folder that does not exist yet, in a new folder of the test's own.
 * Valid until scratch_remove(). */
const char *scratch_new(void);

/* The folder above it. */
const char *scratch_above(void);

/* Remove all of it; harmless when there is none. */
void scratch_remove(void);

/* Remove a file or a folder with all that is in it. */
void scratch_remove_tree(const char *path);

/* Copy a folder with all that is in it to the new folder `to`; aborts if it cannot. */
void scratch_copy_tree(const char *from, const char *to);

#endif
