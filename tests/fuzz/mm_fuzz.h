/* What the fuzz targets share: one executable per file, each with one LLVMFuzzerTestOneInput, which libFuzzer (clang's
 * -fsanitize=fuzzer) and AFL++ both call with bytes of their own choosing.
 *
 * A target reads its input front to back as a list of decisions and ends when nothing is left; behind the end everything reads
 * as 0. It compares the library with something that was written plainly and apart from it; FUZZ_CHECK stops the program where
 * the two differ, and a failed MM_ASSERT of the library stops it too. */
#ifndef MM_FUZZ_H
#define MM_FUZZ_H

#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* posix_memalign */
#endif

#include "mmcore.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 fuzz_u128;
__extension__ typedef __int128 fuzz_i128;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- Checks ---- */

static inline void fuzz_check(bool passed, const char *file, int line, const char *text)
{
    if (!passed) {
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, text);
        abort();
    }
}

static inline void fuzz_check_equal(int64_t actual, int64_t wanted, const char *file, int line, const char *text)
{
    if (actual != wanted) {
        fprintf(stderr, "%s:%d: failed: %s: %" PRId64 " against %" PRId64 "\n", file, line, text, actual, wanted);
        abort();
    }
}

#define FUZZ_CHECK(condition) fuzz_check((condition), __FILE__, __LINE__, #condition)
#define FUZZ_EQUAL(actual, wanted) \
    fuzz_check_equal((int64_t)(actual), (int64_t)(wanted), __FILE__, __LINE__, #actual " is " #wanted)

static void fuzz_panic(const char *expression, const char *file, int32_t line)
{
    fuzz_check(false, file, (int)line, expression);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    mm_panic_set(fuzz_panic);
    return 0;
}

/* Cleared memory of exactly this size, so that AddressSanitizer sees the first byte beyond it. */
static inline void *fuzz_memory(size_t bytes)
{
    void *memory = NULL;
    FUZZ_CHECK(bytes > 0 && posix_memalign(&memory, 64, bytes) == 0);
    memset(memory, 0, bytes);
    return memory;
}

/* ---- Decisions ---- */

typedef struct fuzz_input {
    const uint8_t *at;
    size_t left;
} fuzz_input;

static inline uint8_t fuzz_u8(fuzz_input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->at++;
}

static inline uint64_t fuzz_bytes(fuzz_input *in, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value << 8 | fuzz_u8(in);
    }
    return value;
}

/* A number of [0, bound), bound > 0, from as few bytes as it needs. */
static inline uint64_t fuzz_below(fuzz_input *in, uint64_t bound)
{
    size_t bytes = bound <= 256 ? 1 : bound <= 65536 ? 2 : bound <= UINT64_C(1) << 32 ? 4 : 8;
    return fuzz_bytes(in, bytes) % bound;
}

/* A number of [low, high], low <= high. */
static inline int64_t fuzz_between(fuzz_input *in, int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)high - (uint64_t)low;
    uint64_t step = span == UINT64_MAX ? fuzz_bytes(in, 8) : fuzz_below(in, span + 1);
    return (int64_t)((uint64_t)low + step);
}

static inline bool fuzz_bool(fuzz_input *in)
{
    return (fuzz_u8(in) & 1) != 0;
}

/* Any int64: small and large ones, those beside powers of two and of ten, and the ends. */
static inline int64_t fuzz_i64(fuzz_input *in)
{
    static const size_t bytes[8] = {0, 1, 2, 3, 4, 5, 6, 8};
    uint8_t shape = fuzz_u8(in);
    uint64_t value = 0;
    if ((shape & 0x40) == 0) {
        value = fuzz_bytes(in, bytes[shape & 7]);
    } else if ((shape & 0x20) == 0) {
        value = (uint64_t)1 << fuzz_below(in, 64);
    } else {
        value = 1;
        for (uint64_t tens = fuzz_below(in, 20); tens > 0; tens--) {
            value *= 10;
        }
    }
    value += (shape & 0x10) != 0 ? 1 : 0;
    value -= (shape & 0x08) != 0 ? 1 : 0;
    return (int64_t)((shape & 0x80) != 0 ? 0 - value : value);
}

/* The same within [low, high]: what lies outside comes out at the nearer end. */
static inline int64_t fuzz_i64_in(fuzz_input *in, int64_t low, int64_t high)
{
    int64_t value = fuzz_i64(in);
    return value < low ? low : value > high ? high : value;
}

#endif /* MM_FUZZ_H */
