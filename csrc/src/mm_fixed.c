/* Exact decimal arithmetic on counts of 1e-8. Every result is the true one or an error: no function
 * here wraps, and each rounds at most once, where and how its caller names it. */
#include "mm_internal.h"

__extension__ typedef __int128 int128;

enum { DECIMALS = 8 };

static const uint64_t powers_of_ten[DECIMALS + 1] = {1,      10,      100,      1000,     10000,
                                                     100000, 1000000, 10000000, 100000000};

static MM_INVARIANT bool rounding_is_known(int32_t rounding)
{
    return rounding >= MM_ROUND_FLOOR && rounding <= MM_ROUND_HALF_EVEN;
}

/* ---- Text ---- */

/* The largest magnitude that takes one more digit without leaving 64 bits. */
static const uint64_t magnitude_with_room = (UINT64_MAX - 9) / 10;

typedef struct {
    uint64_t magnitude; /* of the digits kept */
    int32_t decimals;   /* of them behind the point */
    bool overflow;
    bool inexact; /* a digit that is not zero stands behind the eighth decimal */
} parsed_digits;

/* Digits from text[*at] on, up to the first other byte. False if there are none. */
static bool parse_digits(const char *text, size_t text_bytes, size_t *at, bool behind_point,
                         parsed_digits *digits)
{
    size_t start = *at;
    size_t i = start;
    for (; i < text_bytes; i++) {
        uint32_t digit = (uint32_t)(unsigned char)text[i] - '0';
        if (digit > 9) {
            break;
        }
        if (behind_point && digits->decimals == DECIMALS) {
            digits->inexact |= digit != 0;
        } else if (digits->magnitude <= magnitude_with_room) {
            digits->magnitude = digits->magnitude * 10 + digit;
            digits->decimals += behind_point ? 1 : 0;
        } else {
            /* Too large already: the digits left can only add zeros or more. */
            digits->overflow = true;
            digits->decimals += behind_point ? 1 : 0;
        }
    }
    *at = i;
    return i > start;
}

/* The signed count of a magnitude with its sign apart; false if it does not fit. */
static bool signed_value(uint64_t magnitude, bool negative, int64_t *value)
{
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1U : 0U)) {
        return false;
    }
    /* In unsigned arithmetic, so that the magnitude of INT64_MIN needs no special case. */
    *value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

mm_status mm_fixed_parse(const char *text, size_t text_bytes, int64_t *value_e8)
{
    MM_ASSERT(text != NULL || text_bytes == 0);
    MM_ASSERT(value_e8 != NULL);
    parsed_digits digits = {0, 0, false, false};
    bool negative = text_bytes > 0 && text[0] == '-';
    size_t at = negative ? 1 : 0;
    if (!parse_digits(text, text_bytes, &at, false, &digits)) {
        return MM_E_SYNTAX;
    }
    if (at < text_bytes) {
        if (text[at] != '.') {
            return MM_E_SYNTAX;
        }
        at++;
        if (!parse_digits(text, text_bytes, &at, true, &digits) || at < text_bytes) {
            return MM_E_SYNTAX;
        }
    }
    if (digits.inexact) {
        return MM_E_PRECISION;
    }
    uint64_t magnitude = 0;
    if (digits.overflow ||
        __builtin_mul_overflow(digits.magnitude, powers_of_ten[DECIMALS - digits.decimals],
                               &magnitude)) {
        return MM_E_OVERFLOW;
    }
    return signed_value(magnitude, negative, value_e8) ? MM_OK : MM_E_OVERFLOW;
}

size_t mm_fixed_format(int64_t value_e8, int32_t decimals_min, char *out)
{
    bool decimals_known = decimals_min >= 0 && decimals_min <= DECIMALS;
    MM_ASSERT(out != NULL);
    MM_ASSERT(decimals_known);
    if (!decimals_known) {
        return 0;
    }
    uint64_t magnitude = value_e8 < 0 ? 0 - (uint64_t)value_e8 : (uint64_t)value_e8;
    uint64_t whole = magnitude / powers_of_ten[DECIMALS];
    uint64_t fraction = magnitude % powers_of_ten[DECIMALS];
    int32_t decimals = DECIMALS;
    while (decimals > decimals_min && fraction % 10 == 0) {
        fraction /= 10;
        decimals--;
    }
    /* From the last character to the first, then moved to the front. */
    char reversed[MM_FIXED_TEXT_MAX];
    size_t bytes = 0;
    for (int32_t i = 0; i < decimals; i++) {
        reversed[bytes++] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    if (decimals > 0) {
        reversed[bytes++] = '.';
    }
    do {
        reversed[bytes++] = (char)('0' + whole % 10);
        whole /= 10;
    } while (whole > 0);
    if (value_e8 < 0) {
        reversed[bytes++] = '-';
    }
    MM_ASSERT(bytes <= MM_FIXED_TEXT_MAX);
    for (size_t i = 0; i < bytes; i++) {
        out[i] = reversed[bytes - 1 - i];
    }
    return bytes;
}

/* ---- Arithmetic ---- */

mm_status mm_fixed_add(int64_t a, int64_t b, int64_t *sum)
{
    int64_t exact = 0;
    if (__builtin_add_overflow(a, b, &exact)) {
        return MM_E_OVERFLOW;
    }
    *sum = exact;
    return MM_OK;
}

mm_status mm_fixed_sub(int64_t a, int64_t b, int64_t *difference)
{
    int64_t exact = 0;
    if (__builtin_sub_overflow(a, b, &exact)) {
        return MM_E_OVERFLOW;
    }
    *difference = exact;
    return MM_OK;
}

/* By how much the quotient truncated towards zero moves: -1, 0 or 1. `remainder` and `divisor` are
 * magnitudes, remainder < divisor; `negative` is the sign of the true quotient, `odd` the parity of
 * the truncated one. */
static int32_t rounding_step(uint64_t remainder, uint64_t divisor, bool negative, bool odd,
                             int32_t rounding)
{
    MM_ASSERT(remainder < divisor);
    if (remainder == 0) {
        return 0;
    }
    bool away = false;
    switch (rounding) {
    case MM_ROUND_FLOOR:
        away = negative;
        break;
    case MM_ROUND_CEIL:
        away = !negative;
        break;
    case MM_ROUND_HALF_EVEN: {
        uint64_t missing = divisor - remainder;
        away = remainder > missing || (remainder == missing && odd);
        break;
    }
    default:
        MM_ASSERT(rounding == MM_ROUND_ZERO);
        break;
    }
    if (!away) {
        return 0;
    }
    return negative ? -1 : 1;
}

static uint64_t magnitude_of(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

mm_status mm_fixed_muldiv(int64_t a, int64_t b, int64_t c, int32_t rounding, int64_t *result)
{
    MM_ASSERT(result != NULL);
    MM_ASSERT(rounding_is_known(rounding));
    if (c == 0) {
        return MM_E_ARGUMENT;
    }
    int128 product = (int128)a * b;
    int128 quotient = 0;
    int64_t remainder = 0;
    /* The usual product fits 64 bits, where a division costs a third of the wide one. */
    int64_t narrow = (int64_t)product;
    if (MM_LIKELY(narrow == product && c > 0)) {
        quotient = narrow / c;
        remainder = narrow % c;
    } else {
        quotient = product / c;
        remainder = (int64_t)(product % c);
    }
    bool negative = (product < 0) != (c < 0);
    quotient += rounding_step(magnitude_of(remainder), magnitude_of(c), negative,
                              (quotient & 1) != 0, rounding);
    if (quotient > INT64_MAX || quotient < INT64_MIN) {
        return MM_E_OVERFLOW;
    }
    *result = (int64_t)quotient;
    return MM_OK;
}

mm_status mm_fixed_mul(int64_t a_e8, int64_t b_e8, int32_t rounding, int64_t *product_e8)
{
    return mm_fixed_muldiv(a_e8, b_e8, MM_ONE_E8, rounding, product_e8);
}

mm_status mm_fixed_div(int64_t a_e8, int64_t b_e8, int32_t rounding, int64_t *quotient_e8)
{
    return mm_fixed_muldiv(a_e8, MM_ONE_E8, b_e8, rounding, quotient_e8);
}

mm_status mm_fixed_to_step(int64_t value, int64_t step, int32_t rounding, int64_t *result)
{
    MM_ASSERT(result != NULL);
    MM_ASSERT(rounding_is_known(rounding));
    if (step <= 0) {
        return MM_E_ARGUMENT;
    }
    int64_t quotient = value / step;
    int64_t remainder = value % step;
    /* With a step of 1 the remainder is 0, so the quotient has room for the move. */
    quotient += rounding_step(magnitude_of(remainder), (uint64_t)step, value < 0,
                              (quotient & 1) != 0, rounding);
    int64_t exact = 0;
    if (__builtin_mul_overflow(quotient, step, &exact)) {
        return MM_E_OVERFLOW;
    }
    *result = exact;
    return MM_OK;
}

/* ---- From floating point ---- */

/* -(2^63) and 2^63: the doubles next to the ends of int64 on the inner and the outer side. */
static const double int64_low = -9223372036854775808.0;
static const double int64_beyond = 9223372036854775808.0;

mm_status mm_fixed_from_double(double value_e8, int64_t low, int64_t high, int64_t step,
                               int32_t rounding, int64_t *result)
{
    MM_ASSERT(result != NULL);
    MM_ASSERT(rounding_is_known(rounding));
    /* A NaN fails both comparisons. */
    if (step <= 0 || !(value_e8 >= int64_low && value_e8 < int64_beyond)) {
        return MM_E_ARGUMENT;
    }
    /* value = below + fraction, both exact; the limits are integers, so the two decide exactly. */
    int64_t below = (int64_t)value_e8;
    below -= (double)below > value_e8 ? 1 : 0;
    double fraction = value_e8 - (double)below;
    if (below < low || below > high || (below == high && fraction > 0)) {
        return MM_E_ARGUMENT;
    }
    /* The step below (quotient, remainder + fraction) and whether to take the one above. */
    int64_t quotient = below / step;
    int64_t remainder = below % step;
    if (remainder < 0) {
        remainder += step;
        quotient--;
    }
    bool exact = remainder == 0 && !(fraction > 0);
    bool up = rounding == MM_ROUND_CEIL || (rounding == MM_ROUND_ZERO && below < 0);
    if (rounding == MM_ROUND_HALF_EVEN) {
        /* Twice the distance down against the step: 2 * fraction against step - 2 * remainder. The
         * right side is exact wherever it is near the left one, which is below 2. */
        double twice = fraction + fraction;
        double rest = (double)(step - remainder - remainder);
        up = twice > rest || (!(twice < rest) && (quotient & 1) != 0);
    }
    quotient += up && !exact ? 1 : 0;
    int64_t rounded = 0;
    if (__builtin_mul_overflow(quotient, step, &rounded) || rounded < low || rounded > high) {
        return MM_E_ARGUMENT;
    }
    *result = rounded;
    return MM_OK;
}
