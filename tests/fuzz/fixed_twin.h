/* Decimal text digit by digit in 128 bits. */
#ifndef FIXED_TWIN_H
#define FIXED_TWIN_H

#include "mm_fuzz.h"

static inline bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* [-]digits[.digits] and nothing else. */
static inline bool slow_syntax(const uint8_t *text, size_t bytes)
{
    size_t at = bytes > 0 && text[0] == '-' ? 1 : 0;
    size_t whole = 0, part = 0;
    for (; at < bytes && is_digit(text[at]); at++) {
        whole++;
    }
    bool point = at < bytes && text[at] == '.';
    for (at += point; point && at < bytes && is_digit(text[at]); at++) {
        part++;
    }
    return at == bytes && whole > 0 && point == (part > 0);
}

/* The value of well-formed text digit by digit; what is too large stops growing beyond int64. */
static inline mm_status slow_value(const uint8_t *text, size_t bytes, int64_t *value_e8)
{
    const fuzz_u128 enough = (fuzz_u128)1 << 100;
    bool negative = text[0] == '-', behind_point = false, lost = false;
    fuzz_u128 value = 0;
    size_t decimals = 0;
    for (size_t i = negative ? 1 : 0; i < bytes; i++) {
        if (text[i] == '.') {
            behind_point = true;
        } else if (behind_point && decimals == 8) {
            lost |= text[i] != '0';
        } else {
            value = value < enough ? value * 10 + (fuzz_u128)(text[i] - '0') : value;
            decimals += behind_point;
        }
    }
    for (; decimals < 8; decimals++) {
        value = value < enough ? value * 10 : value;
    }
    if (lost) {
        return MM_E_PRECISION;
    }
    if (value > (fuzz_u128)INT64_MAX + (negative ? 1 : 0)) {
        return MM_E_OVERFLOW;
    }
    *value_e8 = (int64_t)(negative ? 0 - (uint64_t)value : (uint64_t)value);
    return MM_OK;
}

#endif /* FIXED_TWIN_H */
