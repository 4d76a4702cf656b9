/* Decimal text and arithmetic on counts of 1e-8 against 128 bits and plain loops. */
#include "fixed_twin.h"
#include "mm_internal.h"

#include <math.h>

/* ---- Text ---- */

static void check_parse(const uint8_t *text, size_t bytes)
{
    int64_t untouched = INT64_C(-7700000077), value_e8 = untouched, wanted_e8 = untouched;
    mm_status wanted = slow_syntax(text, bytes) ? slow_value(text, bytes, &wanted_e8) : MM_E_SYNTAX;
    FUZZ_EQUAL(mm_fixed_parse((const char *)text, bytes, &value_e8), wanted);
    FUZZ_EQUAL(value_e8, wanted == MM_OK ? wanted_e8 : untouched);
}

/* Text that is nearly always a number: digits, a point, now and then a byte that does not belong. */
static void parse_built(fuzz_input *in)
{
    static const char letters[] = "0123456789.-000999 +eE_\n/:";
    uint8_t text[48];
    size_t bytes = fuzz_u8(in) % sizeof text;
    uint8_t rare = fuzz_u8(in);
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = fuzz_u8(in);
        text[i] = (uint8_t)letters[byte % (rare < 200 ? 10u : (uint32_t)sizeof letters - 1)];
    }
    if (bytes > 0 && rare < 220) {
        text[rare % bytes] = '.';
        text[0] = (rare & 1) != 0 ? '-' : text[0];
    }
    uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
    FUZZ_CHECK(exact != NULL);
    memcpy(exact, text, bytes);
    check_parse(exact, bytes);
    free(exact);
}

static void check_format(int64_t value_e8, int32_t decimals_min)
{
    char *text = malloc(MM_FIXED_TEXT_MAX);
    FUZZ_CHECK(text != NULL);
    int64_t back_e8 = 0;
    size_t bytes = mm_fixed_format(value_e8, decimals_min, text);
    FUZZ_CHECK(bytes <= MM_FIXED_TEXT_MAX && slow_syntax((const uint8_t *)text, bytes));
    FUZZ_EQUAL(slow_value((const uint8_t *)text, bytes, &back_e8), MM_OK);
    FUZZ_EQUAL(back_e8, value_e8);
    FUZZ_EQUAL(mm_fixed_parse(text, bytes, &back_e8), MM_OK);
    FUZZ_EQUAL(back_e8, value_e8);
    const char *point = memchr(text, '.', bytes);
    size_t decimals = point == NULL ? 0 : (size_t)(text + bytes - point - 1);
    FUZZ_CHECK(decimals >= (size_t)decimals_min);
    FUZZ_CHECK(decimals == (size_t)decimals_min || text[bytes - 1] != '0'); /* the shortest */
    size_t sign = text[0] == '-' ? 1 : 0;
    FUZZ_CHECK(text[sign] != '0' || sign + 1 == bytes || text[sign + 1] == '.');
    free(text);
}

/* ---- Arithmetic ---- */

/* numerator / divisor to the count the rounding says; divisor != 0. */
static fuzz_i128 slow_round(fuzz_i128 numerator, fuzz_i128 divisor, int32_t rounding)
{
    fuzz_i128 quotient = numerator / divisor, rest = numerator % divisor;
    bool exact = rest == 0, below_zero = (numerator < 0) != (divisor < 0);
    fuzz_i128 size = rest < 0 ? -rest : rest, whole = divisor < 0 ? -divisor : divisor;
    fuzz_i128 away = below_zero ? -1 : 1;
    bool up = false;
    switch (rounding) {
    case MM_ROUND_FLOOR:
        up = below_zero;
        break;
    case MM_ROUND_CEIL:
        up = !below_zero;
        break;
    case MM_ROUND_HALF_EVEN:
        up = size > whole - size || (size == whole - size && (quotient & 1) != 0);
        break;
    default:
        break;
    }
    return !exact && up ? quotient + away : quotient;
}

static mm_status slow_fit(fuzz_i128 value, int64_t *result)
{
    if (value < INT64_MIN || value > INT64_MAX) {
        return MM_E_OVERFLOW;
    }
    *result = (int64_t)value;
    return MM_OK;
}

static void check_sums(int64_t a, int64_t b)
{
    int64_t value = 0, wanted = 0;
    mm_status status = slow_fit((fuzz_i128)a + b, &wanted);
    FUZZ_EQUAL(mm_fixed_add(a, b, &value), status);
    FUZZ_EQUAL(status == MM_OK ? value : wanted, wanted);
    status = slow_fit((fuzz_i128)a - b, &wanted);
    FUZZ_EQUAL(mm_fixed_sub(a, b, &value), status);
    FUZZ_EQUAL(status == MM_OK ? value : wanted, wanted);
}

static void check_product(int64_t a, int64_t b, int64_t c, int32_t rounding)
{
    int64_t value = 0, wanted = 0;
    mm_status status = c == 0 ? MM_E_ARGUMENT : slow_fit(slow_round((fuzz_i128)a * b, c, rounding), &wanted);
    FUZZ_EQUAL(mm_fixed_muldiv(a, b, c, rounding, &value), status);
    FUZZ_EQUAL(status == MM_OK ? value : wanted, wanted);
    status = slow_fit(slow_round((fuzz_i128)a * b, MM_ONE_E8, rounding), &wanted);
    FUZZ_EQUAL(mm_fixed_mul(a, b, rounding, &value), status);
    FUZZ_EQUAL(status == MM_OK ? value : wanted, wanted);
    status = b == 0 ? MM_E_ARGUMENT : slow_fit(slow_round((fuzz_i128)a * MM_ONE_E8, b, rounding), &wanted);
    FUZZ_EQUAL(mm_fixed_div(a, b, rounding, &value), status);
    FUZZ_EQUAL(status == MM_OK ? value : wanted, wanted);
}

static void check_step(int64_t value, int64_t step, int32_t rounding)
{
    int64_t result = 0, wanted = 0;
    mm_status status = step <= 0 ? MM_E_ARGUMENT : slow_fit(slow_round(value, step, rounding) * step, &wanted);
    FUZZ_EQUAL(mm_fixed_to_step(value, step, rounding, &result), status);
    FUZZ_EQUAL(status == MM_OK ? result : wanted, wanted);
}

/* What the rounding of a double has to be: on the step, inside, on the right side of it and nowhere nearer. */
static void check_double(double value, int64_t low, int64_t high, int64_t step, int32_t rounding)
{
    int64_t result = 0;
    bool asked = step > 0 && low <= high && isfinite(value) && value >= (double)low && value <= (double)high;
    mm_status status = mm_fixed_from_double(value, low, high, step, rounding, &result);
    FUZZ_CHECK(status == MM_OK || status == MM_E_ARGUMENT || status == MM_E_OVERFLOW);
    if (!asked) {
        FUZZ_CHECK(status != MM_OK);
        return;
    }
    if (status == MM_OK) {
        FUZZ_CHECK(result % step == 0 && result >= low && result <= high);
    }
    if (fabs(value) < 4503599627370496.0) { /* 2^52: the parts of a count are exact */
        int64_t below = (int64_t)floor(value);
        fuzz_i128 twice = (fuzz_i128)below * 2 + (value > (double)below ? 1 : 0); /* any part stands for itself but at a tie */
        fuzz_i128 floor_to = slow_round(below, step, MM_ROUND_FLOOR) * step;
        fuzz_i128 ceil_to = (double)floor_to == value ? floor_to : floor_to + step;
        fuzz_i128 wanted = rounding == MM_ROUND_FLOOR  ? floor_to
                           : rounding == MM_ROUND_CEIL ? ceil_to
                           : value < 0.0               ? ceil_to
                                                       : floor_to;
        if (rounding == MM_ROUND_HALF_EVEN) {
            fuzz_i128 middle = floor_to * 2 + step; /* twice the tie */
            bool tie = twice == middle && (value == (double)below || value * 2.0 == (double)middle);
            bool up = tie ? ((floor_to / step) & 1) != 0 : twice > middle || (twice == middle && value * 2.0 > (double)middle);
            wanted = up ? ceil_to : floor_to;
        }
        bool inside = wanted >= low && wanted <= high;
        FUZZ_EQUAL(status, inside ? MM_OK : MM_E_ARGUMENT);
        FUZZ_CHECK(!inside || result == (int64_t)wanted);
    }
}

static double take_double(fuzz_input *in)
{
    uint8_t kind = fuzz_u8(in);
    if (kind < 100) {
        return (double)fuzz_i64(in);
    }
    if (kind < 200) {
        return (double)fuzz_i64(in) / (double)(1 + fuzz_u8(in));
    }
    uint64_t bits = fuzz_bytes(in, 8);
    double value = 0.0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void check_grid(int64_t step, int64_t value)
{
    mm_grid grid;
    bool allowed = step >= 1 && step <= INT64_C(1) << 62;
    FUZZ_EQUAL(mm_grid_init(&grid, step), allowed ? MM_OK : MM_E_ARGUMENT);
    if (allowed) {
        FUZZ_EQUAL(grid.step_e8, step);
        value = value < 0 ? -(value + 1) : value;
        FUZZ_EQUAL(mm__grid_steps(&grid, value), value / step);
        FUZZ_EQUAL(mm__grid_floor(&grid, value), value - value % step);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    check_parse(data, size);
    while (in.left > 0) {
        int32_t rounding = fuzz_u8(&in) & 3;
        int64_t a = fuzz_i64(&in), b = fuzz_i64(&in), c = fuzz_i64(&in);
        check_sums(a, b);
        check_product(a, b, c, rounding);
        check_step(a, b, rounding);
        check_grid(b, a);
        check_format(a, (int32_t)fuzz_below(&in, 9));
        check_double(take_double(&in), b, c, 1 + (a & 0xFFFF), rounding);
        parse_built(&in);
    }
    return 0;
}
