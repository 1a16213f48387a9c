#include "tests/lib/scarce.h"

#include <stdlib.h>

/* The linker's --wrap: the product's calls come here, __real_ is the library. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t items, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t items, size_t size);
void *__wrap_realloc(void *old, size_t size);

static uint64_t wanted = UINT64_MAX;
static uint64_t count;
static bool looking;
static bool failed;

void gg_scarce_set(uint64_t n)
{
    wanted = n;
    count = 0;
    failed = false;
}

bool gg_scarce_has_failed(void)
{
    return failed;
}

uint64_t gg_scarce_count(void)
{
    return count;
}

void gg_scarce_look(bool look)
{
    looking = look;
}

static bool fails(void)
{
    bool now = looking && count == wanted;
    count += looking;
    failed = failed || now;
    return now;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t items, size_t size)
{
    return fails() ? NULL : __real_calloc(items, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}
