/* A strict JSON scanner (RFC 8259) over bytes in place: what mm_feed.c reads messages with; never
 * installed.
 *
 * It works on words of eight bytes. A word at the end of the text is filled up with zero bytes, and
 * a zero byte is allowed nowhere in JSON: so the end needs no test of its own, and nothing outside
 * the text is read. Functions take the place to read at and return the place behind what they read,
 * or NULL after a fault, which the reader then holds. Text that is skipped is checked as strictly
 * as text that is read, except that its bytes over 0x7F need not be UTF-8. Time is linear in the
 * bytes, memory constant. */
#ifndef MM_JSON_H
#define MM_JSON_H

#include "mm_internal.h"

#include <string.h>

/* Containers within containers, the outermost included. */
enum { JSON_DEPTH_MAX = 64 };

typedef struct {
    const char *text;
    const char *end;
    const char *last_word; /* end - 8: the last place of a whole word */
    const char *fault_at;
    mm_status status;
} json_reader;

typedef enum {
    JSON_NONE = 0,
    JSON_STRING,  /* without escapes */
    JSON_ESCAPED, /* a string with escapes, not decoded */
    JSON_INTEGER,
    JSON_HUGE, /* an integer that does not fit int64 */
    JSON_REAL, /* a number with a fraction or an exponent */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
    JSON_OBJECT,
    JSON_ARRAY
} json_kind;

typedef struct {
    const char *at; /* of a string: behind the quote; else the first byte */
    union {
        int64_t integer;
        size_t bytes; /* of a string */
    } value;
    json_kind kind;
} json_token;

/* ---- Words ---- */

#define JSON_REPEAT(byte) (UINT64_C(0x0101010101010101) * (uint64_t)(byte))

/* Up to eight characters as the low bytes of a word. */
#define JSON_CHARS2(a, b) ((uint64_t)(a) | (uint64_t)(b) << 8)
#define JSON_CHARS3(a, b, c) (JSON_CHARS2(a, b) | (uint64_t)(c) << 16)

/* The eight bytes at p, the first one lowest. */
static inline uint64_t json_word(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline void json_word_store(uint64_t word, char *out)
{
    memcpy(out, &word, sizeof word);
}

/* The same wherever p stands in the text, or at its end. */
static inline uint64_t json_peek_word(const json_reader *reader, const char *p)
{
    if (MM_LIKELY(p <= reader->last_word)) {
        return json_word(p);
    }
    size_t past = (size_t)(p - reader->last_word);
    return past >= 8 ? 0 : json_word(reader->last_word) >> (8 * past);
}

static inline char json_peek(const json_reader *reader, const char *p)
{
    return p < reader->end ? *p : '\0';
}

/* Index (0..7) of the lowest byte with its top bit set; flags != 0. */
static inline uint32_t json_first_flag(uint64_t flags)
{
    return (uint32_t)__builtin_ctzll(flags) >> 3;
}

/* ---- Faults ---- */

static inline const char *json_fault(json_reader *reader, mm_status status, const char *at)
{
    MM_ASSERT(status < 0);
    MM_ASSERT(at >= reader->text && at <= reader->end);
    reader->status = status;
    reader->fault_at = at;
    return NULL;
}

/* ---- Digits ---- */

/* From a word of text to the values of its digits; flags (top bit of a byte) tell where none
 * stands. Only the lowest flag is exact: those above it may be too many. */
static inline uint64_t json_digits(uint64_t word)
{
    return word ^ JSON_REPEAT('0');
}

static inline uint64_t json_digits_stop(uint64_t digits)
{
    return ((digits + JSON_REPEAT(0x76)) | digits) & JSON_REPEAT(0x80);
}

/* The number of eight digits, the first in the lowest byte: pairs, then fours, then all. */
static inline uint64_t json_digits_value(uint64_t digits)
{
    const uint64_t pairs = UINT64_C(0x000000FF000000FF);
    digits = digits * 10 + (digits >> 8);
    return ((digits & pairs) * (100 + (UINT64_C(1000000) << 32)) +
            (digits >> 16 & pairs) * (1 + (UINT64_C(10000) << 32))) >>
           32;
}

/* The first `count` (1..8) digits of a word as a number. */
static inline uint64_t json_digits_first(uint64_t digits, uint32_t count)
{
    return json_digits_value(digits << (64 - 8 * count));
}

/* The longest decimal json_decimal_short reads, with the word behind it. */
enum { JSON_DECIMAL_READ_BYTES = 11 + 1 + 8 + 8 };

/* Eleven digits before a point, the most that int64 can hold in counts of 1e-8, when the first
 * eight are known to be digits. Returns the place behind them, or NULL when they are more, or too
 * large. */
static inline const char *json_units_long(const json_reader *reader, const char *p, uint64_t *units)
{
    static const uint64_t powers[4] = {1, 10, 100, 1000};
    uint64_t high = json_digits_value(json_digits(json_peek_word(reader, p)));
    uint64_t low = json_digits(json_peek_word(reader, p + 8));
    uint64_t stop = json_digits_stop(low);
    uint32_t count = stop == 0 ? 8 : json_first_flag(stop);
    if (count > 3) {
        return NULL;
    }
    *units = high * powers[count] + (count == 0 ? 0 : json_digits_first(low, count));
    return *units < INT64_MAX / MM_ONE_E8 ? p + 8 + count : NULL;
}

/* Up to 11 digits at p. Returns the place behind them; NULL when there are none, or too many. */
static MM_ALWAYS_INLINE const char *json_units(const json_reader *reader, const char *p, bool checked, uint64_t *units)
{
    uint64_t whole = json_digits(checked ? json_peek_word(reader, p) : json_word(p));
    uint64_t stop = json_digits_stop(whole);
    if (MM_UNLIKELY(stop == 0)) {
        return json_units_long(reader, p, units);
    }
    uint32_t count = json_first_flag(stop);
    if (MM_UNLIKELY(count == 0)) {
        return NULL;
    }
    *units = json_digits_first(whole, count);
    return p + count;
}

/* As json_units, where `count` (1..7) digits and a point are expected: what follows does not have to wait
 * until the point is found. NULL when it is not so. Eight bytes behind p must be readable. */
static MM_ALWAYS_INLINE const char *json_units_expected(const char *p, uint32_t count, uint64_t *units)
{
    uint64_t digits = (json_digits(json_word(p)) << (56 - 8 * count)) ^ (uint64_t)('.' ^ '0') << 56;
    if (MM_UNLIKELY((json_digits_stop(digits) | digits >> 56) != 0)) {
        return NULL;
    }
    *units = json_digits_value(digits << 8);
    return p + count;
}

/* What stands behind the units at p: nothing, or a point and up to 8 digits. Returns the place behind it, or NULL. */
static MM_ALWAYS_INLINE const char *json_part(const json_reader *reader, const char *p, bool checked, uint64_t units,
                                              int64_t *value_e8)
{
    char point = checked ? json_peek(reader, p) : *p;
    if (MM_UNLIKELY(point != '.')) {
        *value_e8 = (int64_t)(units * MM_ONE_E8);
        return p;
    }
    p++;
    uint64_t part = json_digits(checked ? json_peek_word(reader, p) : json_word(p));
    uint64_t stop = json_digits_stop(part);
    uint32_t count = 8;
    if (MM_UNLIKELY(stop != 0)) {
        count = json_first_flag(stop);
        if (MM_UNLIKELY(count == 0)) {
            return NULL;
        }
        part &= ((stop & (0 - stop)) >> 7) - 1; /* what is not said is zero */
    }
    *value_e8 = (int64_t)(units * MM_ONE_E8 + json_digits_value(part));
    return p + count;
}

/* A decimal as the exchange writes it, as a count of 1e-8: up to 11 digits, and behind a point up
 * to 8. Returns the place behind it, where a quote has to stand, or NULL when it is not written so
 * (no fault: mm_fixed_parse judges it). Unless `checked`, JSON_DECIMAL_READ_BYTES behind p must be
 * readable. */
static MM_ALWAYS_INLINE const char *json_decimal_short(const json_reader *reader, const char *p, bool checked,
                                                       int64_t *value_e8)
{
    uint64_t units = 0;
    p = json_units(reader, p, checked, &units);
    return MM_LIKELY(p != NULL) ? json_part(reader, p, checked, units, value_e8) : NULL;
}

/* ---- Blanks ---- */

static inline const char *json_skip_blanks(const json_reader *reader, const char *p)
{
    while (p < reader->end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) {
        p++;
    }
    return p;
}

/* The next byte that is no blank, from *p on, which it is moved to; zero at the end. */
static inline char json_next(const json_reader *reader, const char **p)
{
    char c = json_peek(reader, *p);
    if (MM_UNLIKELY((unsigned char)c <= ' ')) {
        *p = json_skip_blanks(reader, *p);
        c = json_peek(reader, *p);
    }
    return c;
}

/* ---- Strings ---- */

/* Four hexadecimal digits at p; -1 when they are not. */
static inline int32_t json_hex4(const json_reader *reader, const char *p)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = json_peek(reader, p + i);
        int32_t digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* The code point of a \u escape (a surrogate pair is two of them) at p, which stands at the
 * backslash; -1 when it is malformed or a surrogate alone. *bytes = how long it is. */
static inline int32_t json_unicode(const json_reader *reader, const char *p, size_t *bytes)
{
    int32_t high = json_hex4(reader, p + 2);
    *bytes = 6;
    if (high < 0xD800 || high > 0xDFFF) {
        return high;
    }
    if (high > 0xDBFF || json_peek(reader, p + 6) != '\\' || json_peek(reader, p + 7) != 'u') {
        return -1;
    }
    int32_t low = json_hex4(reader, p + 8);
    *bytes = 12;
    return low < 0xDC00 || low > 0xDFFF ? -1 : 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00);
}

/* Skips the escape at p. */
static inline const char *json_escape(json_reader *reader, const char *p)
{
    size_t bytes = 2;
    switch (json_peek(reader, p + 1)) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + bytes;
    case 'u':
        if (json_unicode(reader, p, &bytes) >= 0) {
            return p + bytes;
        }
        break;
    default:
        break;
    }
    return json_fault(reader, MM_E_SYNTAX, p);
}

/* Flags the bytes of a word that a string cannot hold as they are: quote, backslash, control
 * characters. With bit 1 turned, the quote joins the control characters below 0x21, and the blank
 * leaves them. */
static inline uint64_t json_string_stop(uint64_t word)
{
    uint64_t low = word ^ JSON_REPEAT(0x02);
    uint64_t slash = word ^ JSON_REPEAT('\\');
    return (((low - JSON_REPEAT(0x21)) & ~low) | ((slash - JSON_REPEAT(1)) & ~slash)) &
           JSON_REPEAT(0x80);
}

/* From a byte that stops a string, and is not its closing quote, to that quote. */
static inline const char *json_string_rest(json_reader *reader, const char *p)
{
    for (;;) { /* each turn moves p on, at the latest to the end, which stops it */
        char c = json_peek(reader, p);
        if (c == '"') {
            return p;
        }
        if (c != '\\') {
            return json_fault(reader, MM_E_SYNTAX, p); /* a control character, or the end */
        }
        p = json_escape(reader, p);
        if (p == NULL) {
            return NULL;
        }
        uint64_t stop = json_string_stop(json_peek_word(reader, p));
        while (stop == 0) {
            p += 8;
            stop = json_string_stop(json_peek_word(reader, p));
        }
        p += json_first_flag(stop);
    }
}

/* p stands behind the opening quote. */
static inline const char *json_string(json_reader *reader, const char *p, json_token *token)
{
    token->at = p;
    token->kind = JSON_STRING;
    uint64_t word = json_peek_word(reader, p);
    uint64_t stop = json_string_stop(word);
    while (stop == 0) {
        p += 8;
        word = json_peek_word(reader, p);
        stop = json_string_stop(word);
    }
    uint32_t index = json_first_flag(stop);
    p += index;
    if (MM_UNLIKELY((word >> (8 * index) & 0xFF) != '"')) {
        token->kind = JSON_ESCAPED;
        p = json_string_rest(reader, p);
        if (p == NULL) {
            return NULL;
        }
    }
    token->value.bytes = (size_t)(p - token->at);
    return p + 1;
}

/* ---- Numbers ---- */

/* Skips digits; a fault when there is none. */
static inline const char *json_skip_digits(json_reader *reader, const char *p)
{
    const char *start = p;
    while (json_peek(reader, p) >= '0' && json_peek(reader, p) <= '9') {
        p++;
    }
    return p > start ? p : json_fault(reader, MM_E_SYNTAX, p);
}

/* The rest of a number at p: fraction and exponent. */
static inline const char *json_number_rest(json_reader *reader, const char *p)
{
    if (json_peek(reader, p) == '.') {
        p = json_skip_digits(reader, p + 1);
    }
    if (p != NULL && (json_peek(reader, p) | 0x20) == 'e') {
        p++;
        if (json_peek(reader, p) == '+' || json_peek(reader, p) == '-') {
            p++;
        }
        p = json_skip_digits(reader, p);
    }
    return p;
}

/* An integer of any length, digit by digit. */
static inline const char *json_integer_long(json_reader *reader, const char *p, uint64_t *magnitude,
                                            bool *huge)
{
    uint64_t value = 0;
    const char *start = p;
    for (; json_peek(reader, p) >= '0' && json_peek(reader, p) <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        *huge = *huge || value > (INT64_MAX - digit) / 10;
        value = *huge ? 0 : value * 10 + digit;
    }
    *magnitude = value;
    return p > start ? p : json_fault(reader, MM_E_SYNTAX, p);
}

/* What is not an integer of up to 15 digits. */
static inline const char *json_number_long(json_reader *reader, const char *p, json_token *token)
{
    bool negative = *p == '-';
    bool huge = false;
    uint64_t magnitude = 0;
    const char *first = p + (negative ? 1 : 0);
    p = json_integer_long(reader, first, &magnitude, &huge);
    if (p == NULL) {
        return NULL;
    }
    if (*first == '0' && p - first > 1) {
        return json_fault(reader, MM_E_SYNTAX, first); /* JSON has no leading zeros */
    }
    token->kind = huge ? JSON_HUGE : JSON_INTEGER;
    token->value.integer = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    char c = json_peek(reader, p);
    if (c == '.' || c == 'e' || c == 'E') {
        token->kind = JSON_REAL;
        p = json_number_rest(reader, p);
    }
    return p;
}

/* p stands at the minus or the first digit. */
static inline const char *json_number(json_reader *reader, const char *p, json_token *token)
{
    static const uint64_t powers[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    token->at = p;
    token->kind = JSON_INTEGER;
    uint64_t digits = json_digits(json_peek_word(reader, p));
    uint64_t stop = json_digits_stop(digits);
    uint64_t value = 0;
    uint32_t count = 0;
    if (stop == 0) {
        value = json_digits_value(digits);
        p += 8;
        digits = json_digits(json_peek_word(reader, p));
        stop = json_digits_stop(digits);
        if (stop == 0) {
            return json_number_long(reader, token->at, token);
        }
        count = json_first_flag(stop);
        value *= powers[count];
    } else {
        count = json_first_flag(stop);
    }
    if (count > 0) {
        value += json_digits_first(digits, count);
    }
    p += count;
    char c = json_peek(reader, p);
    bool plain =
        (*token->at != '0' || p == token->at + 1) && p > token->at && c != '.' && (c | 0x20) != 'e';
    if (MM_UNLIKELY(!plain)) {
        return json_number_long(reader, token->at, token);
    }
    token->value.integer = (int64_t)value;
    return p;
}

/* ---- Values ---- */

static inline const char *json_literal(json_reader *reader, const char *p, json_token *token)
{
    const uint64_t four = 0xFFFFFFFF;
    uint64_t word = json_peek_word(reader, p);
    token->at = p;
    if ((word & four) == (JSON_CHARS3('t', 'r', 'u') | (uint64_t)'e' << 24)) {
        token->kind = JSON_TRUE;
        return p + 4;
    }
    if ((word & four) == (JSON_CHARS3('n', 'u', 'l') | (uint64_t)'l' << 24)) {
        token->kind = JSON_NULL;
        return p + 4;
    }
    if ((word & (four << 8 | 0xFF)) == (JSON_CHARS3('f', 'a', 'l') | JSON_CHARS2('s', 'e') << 24)) {
        token->kind = JSON_FALSE;
        return p + 5;
    }
    return json_fault(reader, MM_E_SYNTAX, p);
}

/* A value that is no container. */
static inline const char *json_scalar(json_reader *reader, const char *p, json_token *token)
{
    char c = json_peek(reader, p);
    if (c == '"') {
        return json_string(reader, p + 1, token);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return json_number(reader, p, token);
    }
    return json_literal(reader, p, token);
}

/* From the opening quote of a key to its value. */
static inline const char *json_key(json_reader *reader, const char *p, json_token *key)
{
    if (MM_UNLIKELY(json_peek(reader, p) != '"')) {
        return json_fault(reader, MM_E_SYNTAX, p);
    }
    p = json_string(reader, p + 1, key);
    if (MM_UNLIKELY(p == NULL)) {
        return NULL;
    }
    if (MM_UNLIKELY(json_next(reader, &p) != ':')) {
        return json_fault(reader, MM_E_SYNTAX, p);
    }
    return json_skip_blanks(reader, p + 1);
}

/* Skips the object or array at p with all it holds, when no more than `depth_max` containers lie
 * within each other. What is open is kept as one bit a level: 1 = object. */
static inline const char *json_skip_container(json_reader *reader, const char *p, int depth_max)
{
    enum { FIRST, NEXT, SEPARATOR } want = FIRST;
    uint64_t objects = json_peek(reader, p) == '{' ? 1 : 0;
    int depth = 1;
    json_token ignored;
    MM_ASSERT(depth_max >= 1 && depth_max <= JSON_DEPTH_MAX);
    MM_ASSERT(*p == '{' || *p == '[');
    p++;
    while (p != NULL) { /* each turn takes a byte at least, or ends */
        char c = json_next(reader, &p);
        bool in_object = (objects & 1) != 0;
        if (want != NEXT && c == (in_object ? '}' : ']')) {
            p++;
            objects >>= 1;
            want = SEPARATOR;
            if (--depth == 0) {
                return p;
            }
            continue;
        }
        if (want == SEPARATOR) {
            p = c == ',' ? p + 1 : json_fault(reader, MM_E_SYNTAX, p);
            want = NEXT;
            continue;
        }
        if (in_object) {
            p = json_key(reader, p, &ignored);
            c = p == NULL ? '\0' : json_peek(reader, p);
        }
        if (c == '{' || c == '[') {
            if (depth == depth_max) {
                return json_fault(reader, MM_E_SYNTAX, p);
            }
            depth++;
            objects = objects << 1 | (c == '{' ? 1U : 0U);
            want = FIRST;
            p++;
        } else if (p != NULL) {
            p = json_scalar(reader, p, &ignored);
            want = SEPARATOR;
        }
    }
    return NULL;
}

#endif /* MM_JSON_H */
