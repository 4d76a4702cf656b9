/* The one place of the library that allocates: memory for mm_X_new, before the first event. */
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* posix_memalign */
#endif

#include "mm_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *mm__memory_new(size_t bytes)
{
    void *memory = NULL;
    MM_ASSERT(bytes > 0);
    int failure = posix_memalign(&memory, MM_CACHE_PAIR_BYTES, bytes);
    if (failure != 0) {
        errno = failure;
        return NULL;
    }
    /* Touches every page now, so that no event pays for a page fault later. */
    memset(memory, 0, bytes);
    return memory;
}

void mm__memory_free(void *memory)
{
    free(memory);
}
