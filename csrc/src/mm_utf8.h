/* Well-formed UTF-8 (RFC 3629), for what comes in from outside; never installed. */
#ifndef MM_UTF8_H
#define MM_UTF8_H

#include "mm_internal.h"

#include <string.h>

/* Bytes (1..4) of the well-formed sequence that starts at text[0], 0 when there is none: a stray or
 * missing continuation byte, an overlong form, a surrogate, a value over U+10FFFF, a cut end.
 * text_bytes > 0. */
static inline size_t mm__utf8_sequence(const uint8_t *text, size_t text_bytes)
{
    uint8_t lead = text[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (lead < 0xC2 || lead > 0xF4 || text_bytes < bytes) {
        return 0;
    }
    /* Only the second byte has bounds of its own: they keep out overlong forms, surrogates and what
     * lies beyond the last code point. */
    uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (text[1] < low || text[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < bytes; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return bytes;
}

/* True when all of text[0..text_bytes) is well-formed. Market data is ASCII, which goes 32 bytes a
 * step. */
static inline bool mm__utf8_valid(const uint8_t *text, size_t text_bytes)
{
    size_t at = 0;
    while (at < text_bytes) {
        uint64_t words[4];
        if (text_bytes - at >= sizeof words) {
            memcpy(words, text + at, sizeof words);
            uint64_t any = words[0] | words[1] | words[2] | words[3];
            if ((any & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof words;
                continue;
            }
        }
        size_t bytes = mm__utf8_sequence(text + at, text_bytes - at);
        if (bytes == 0) {
            return false;
        }
        at += bytes;
    }
    return true;
}

#endif /* MM_UTF8_H */
