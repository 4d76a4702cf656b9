/* mm_fixed.c against arithmetic by hand: digit strings for text, 32-bit limbs and
 * shift-and-subtract for products and quotients. The references share neither code nor method with
 * the library. */
#include "mmcore.h"

#include "mm_test.h"

enum { ROUNDS = 200000 };

static const int32_t roundings[] = {MM_ROUND_FLOOR, MM_ROUND_CEIL, MM_ROUND_ZERO,
                                    MM_ROUND_HALF_EVEN};

/* Ends of the range, ends of what fits 32 bits, and the small numbers where rounding goes wrong. */
static const int64_t corners[] = {INT64_MIN,
                                  INT64_MIN + 1,
                                  -4611686018427387904,
                                  -4294967296,
                                  -100000001,
                                  -100000000,
                                  -99999999,
                                  -10,
                                  -3,
                                  -2,
                                  -1,
                                  0,
                                  1,
                                  2,
                                  3,
                                  10,
                                  99999999,
                                  100000000,
                                  100000001,
                                  4294967295,
                                  4294967296,
                                  1LL << 62,
                                  INT64_MAX - 1,
                                  INT64_MAX};

static int64_t any_value(void)
{
    return mm_test_below(8) == 0 ? corners[mm_test_below(MM_TEST_COUNT(corners))]
                                 : mm_test_any_magnitude();
}

/* ---- Reference: 128 bits by hand ---- */

typedef struct {
    uint64_t high;
    uint64_t low;
} wide;

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? (uint64_t)(-(value + 1)) + 1 : (uint64_t)value;
}

static wide wide_product(uint64_t a, uint64_t b)
{
    uint64_t a0 = a & UINT32_MAX;
    uint64_t a1 = a >> 32;
    uint64_t b0 = b & UINT32_MAX;
    uint64_t b1 = b >> 32;
    uint64_t middle = a1 * b0 + ((a0 * b0) >> 32);
    uint64_t carry = (middle & UINT32_MAX) + a0 * b1;
    wide product = {a1 * b1 + (middle >> 32) + (carry >> 32), a * b};
    return product;
}

/* Bit by bit; the remainder stays below 2^63 twice over, since divisors are at most 2^63. */
static wide wide_quotient(wide dividend, uint64_t divisor, uint64_t *remainder)
{
    wide quotient = {0, 0};
    uint64_t rest = 0;
    for (int bit = 127; bit >= 0; bit--) {
        uint64_t word = bit >= 64 ? dividend.high : dividend.low;
        rest = (rest << 1) | ((word >> (bit & 63)) & 1);
        quotient.high = (quotient.high << 1) | (quotient.low >> 63);
        quotient.low <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient.low |= 1;
        }
    }
    *remainder = rest;
    return quotient;
}

static mm_status reference_muldiv(int64_t a, int64_t b, int64_t c, int32_t rounding,
                                  int64_t *result)
{
    if (c == 0) {
        return MM_E_ARGUMENT;
    }
    bool negative = (a < 0) != ((b < 0) != (c < 0));
    uint64_t rest = 0;
    wide quotient = wide_quotient(wide_product(magnitude(a), magnitude(b)), magnitude(c), &rest);
    bool up = false; /* away from zero */
    if (rest != 0) {
        uint64_t missing = magnitude(c) - rest;
        bool nearer_up = rest > missing || (rest == missing && (quotient.low & 1) != 0);
        up = (rounding == MM_ROUND_FLOOR && negative) || (rounding == MM_ROUND_CEIL && !negative) ||
             (rounding == MM_ROUND_HALF_EVEN && nearer_up);
    }
    if (up) {
        quotient.low++;
        quotient.high += quotient.low == 0 ? 1 : 0;
    }
    uint64_t limit = negative ? UINT64_C(1) << 63 : (UINT64_C(1) << 63) - 1;
    if (quotient.high != 0 || quotient.low > limit) {
        return MM_E_OVERFLOW;
    }
    *result = negative ? -(int64_t)(quotient.low / 2) - (int64_t)(quotient.low - quotient.low / 2)
                       : (int64_t)quotient.low;
    return MM_OK;
}

/* Equal status, equal value on success, and an untouched result on failure. */
static void check_same(mm_status status, const int64_t *value, mm_status wanted,
                       int64_t wanted_value)
{
    MM_CHECK_INT(status, ==, wanted);
    MM_CHECK_INT(*value, ==, wanted == MM_OK ? wanted_value : INT64_C(-777));
}

static void check_muldiv(int64_t a, int64_t b, int64_t c)
{
    for (size_t i = 0; i < MM_TEST_COUNT(roundings); i++) {
        int64_t value = -777;
        int64_t wanted_value = 0;
        mm_status wanted = reference_muldiv(a, b, c, roundings[i], &wanted_value);
        check_same(mm_fixed_muldiv(a, b, c, roundings[i], &value), &value, wanted, wanted_value);
    }
}

static void muldiv_equals_long_division_at_every_corner(void)
{
    for (size_t i = 0; i < MM_TEST_COUNT(corners); i++) {
        for (size_t j = 0; j < MM_TEST_COUNT(corners); j++) {
            for (size_t k = 0; k < MM_TEST_COUNT(corners); k++) {
                check_muldiv(corners[i], corners[j], corners[k]);
            }
        }
    }
}

static void muldiv_equals_long_division_on_random_values(void)
{
    for (int i = 0; i < ROUNDS / 4; i++) {
        check_muldiv(any_value(), any_value(), any_value());
    }
}

static void mul_and_div_are_muldiv_with_one(void)
{
    for (int i = 0; i < ROUNDS / 8; i++) {
        int64_t a = any_value();
        int64_t b = any_value();
        int32_t rounding = roundings[mm_test_below(MM_TEST_COUNT(roundings))];
        int64_t value = -777;
        int64_t wanted_value = 0;
        mm_status wanted = reference_muldiv(a, b, MM_ONE_E8, rounding, &wanted_value);
        check_same(mm_fixed_mul(a, b, rounding, &value), &value, wanted, wanted_value);
        value = -777;
        wanted = reference_muldiv(a, MM_ONE_E8, b, rounding, &wanted_value);
        check_same(mm_fixed_div(a, b, rounding, &value), &value, wanted, wanted_value);
    }
}

static void ties_go_to_the_even_quotient(void)
{
    static const struct {
        int64_t value;
        int64_t wanted;
    } rows[] = {{-5, -2}, {-3, -2}, {-1, 0}, {1, 0}, {3, 2}, {5, 2}, {7, 4}};
    for (size_t i = 0; i < MM_TEST_COUNT(rows); i++) {
        int64_t result = -777;
        MM_CHECK_INT(mm_fixed_muldiv(rows[i].value, 1, 2, MM_ROUND_HALF_EVEN, &result), ==, MM_OK);
        MM_CHECK_INT(result, ==, rows[i].wanted);
    }
}

/* ---- Sums ---- */

static void add_and_sub_are_exact_or_overflow(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int64_t a = any_value();
        int64_t b = any_value();
        bool above = b > 0 && a > INT64_MAX - b;
        bool below = b < 0 && a < INT64_MIN - b;
        int64_t sum = -777;
        mm_status wanted = above || below ? MM_E_OVERFLOW : MM_OK;
        mm_status status = mm_fixed_add(a, b, &sum);
        check_same(status, &sum, wanted, wanted == MM_OK ? a + b : 0);
        if (wanted == MM_OK) {
            int64_t back = -777;
            check_same(mm_fixed_sub(sum, b, &back), &back, MM_OK, a);
        }
    }
    int64_t difference = -777;
    MM_CHECK_INT(mm_fixed_sub(0, INT64_MIN, &difference), ==, MM_E_OVERFLOW);
    MM_CHECK_INT(mm_fixed_sub(-2, INT64_MAX, &difference), ==, MM_E_OVERFLOW);
    MM_CHECK_INT(difference, ==, -777);
    MM_CHECK_INT(mm_fixed_sub(-1, INT64_MIN, &difference), ==, MM_OK);
    MM_CHECK_INT(difference, ==, INT64_MAX);
}

/* ---- Steps ---- */

static void to_step_is_muldiv_by_the_step_and_back(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int64_t value = any_value();
        int64_t step = any_value();
        int32_t rounding = roundings[mm_test_below(MM_TEST_COUNT(roundings))];
        int64_t quotient = 0;
        int64_t wanted_value = 0;
        mm_status wanted = MM_E_ARGUMENT;
        if (step > 0) {
            wanted = reference_muldiv(value, 1, step, rounding, &quotient);
            if (wanted == MM_OK) {
                wanted = reference_muldiv(quotient, step, 1, MM_ROUND_ZERO, &wanted_value);
            }
        }
        int64_t result = -777;
        check_same(mm_fixed_to_step(value, step, rounding, &result), &result, wanted, wanted_value);
    }
}

/* ---- Text ---- */

enum { TEXT_MAX = 64 };

/* By the digit string: eight decimals behind the whole digits, without leading zeros, is the count;
 * it fits when it is shorter than, or sorts not behind, the digits of the limit. */
static mm_status reference_parse(const char *text, size_t bytes, int64_t *value_e8)
{
    char digits[2 * TEXT_MAX];
    size_t count = 0;
    size_t at = bytes > 0 && text[0] == '-' ? 1 : 0;
    bool negative = at == 1;
    size_t whole_start = at;
    for (; at < bytes && text[at] >= '0' && text[at] <= '9'; at++) {
        digits[count++] = text[at];
    }
    if (at == whole_start) {
        return MM_E_SYNTAX;
    }
    size_t decimals = 0;
    bool inexact = false;
    if (at < bytes) {
        size_t point = at++;
        for (; at < bytes && text[at] >= '0' && text[at] <= '9'; at++) {
            if (decimals < 8) {
                digits[count++] = text[at];
                decimals++;
            } else {
                inexact = inexact || text[at] != '0';
            }
        }
        if (text[point] != '.' || at == point + 1 || at < bytes) {
            return MM_E_SYNTAX;
        }
    }
    for (; decimals < 8; decimals++) {
        digits[count++] = '0';
    }
    digits[count] = '\0';
    const char *first = digits;
    while (*first == '0' && first[1] != '\0') {
        first++;
    }
    const char *limit = negative ? "9223372036854775808" : "9223372036854775807";
    size_t length = strlen(first);
    bool fits = length < 19 || (length == 19 && strcmp(first, limit) <= 0);
    if (inexact) {
        return MM_E_PRECISION;
    }
    if (!fits) {
        return MM_E_OVERFLOW;
    }
    int64_t value = 0;
    for (; *first != '\0'; first++) {
        value = value * 10 - (*first - '0'); /* downwards, where the range has one more */
    }
    *value_e8 = negative ? value : -value;
    return MM_OK;
}

static void check_parse(const char *text, size_t bytes)
{
    int64_t value = -777;
    int64_t wanted_value = 0;
    mm_status wanted = reference_parse(text, bytes, &wanted_value);
    check_same(mm_fixed_parse(text, bytes, &value), &value, wanted, wanted_value);
}

static void parse_equals_the_digit_string_on_random_numbers(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        char text[TEXT_MAX];
        size_t bytes = 0;
        if (mm_test_below(3) == 0) {
            text[bytes++] = '-';
        }
        for (uint64_t n = mm_test_below(16); n > 0; n--) {
            text[bytes++] = (char)('0' + (mm_test_below(4) == 0 ? 0 : mm_test_below(10)));
        }
        if (mm_test_below(4) != 0) {
            text[bytes++] = '.';
            for (uint64_t n = mm_test_below(13); n > 0; n--) {
                text[bytes++] = (char)('0' + (mm_test_below(3) == 0 ? 0 : mm_test_below(10)));
            }
        }
        check_parse(text, bytes);
    }
}

static void parse_equals_the_digit_string_on_broken_text(void)
{
    static const char alphabet[] = "0123456789..--+eE, \t_xN\"";
    for (int i = 0; i < ROUNDS; i++) {
        char text[TEXT_MAX];
        size_t bytes = mm_test_below(12);
        for (size_t j = 0; j < bytes; j++) {
            text[j] = alphabet[mm_test_below(sizeof alphabet)]; /* its zero byte too */
        }
        check_parse(text, bytes);
    }
}

static void parse_refuses_what_is_no_plain_decimal(void)
{
    static const char *const texts[] = {
        "",    "-",     ".",   ".5",   "5.",    "-.5",  "--1",  "+1",  "1e8", "1E-8",
        " 1",  "1 ",    "1,5", "0x10", "1.2.3", "1.-2", "1_0",  "NaN", "inf", "1.5f",
        "\n1", "1.5\n", "1\"", "0.1-", "1..5",  "-+1",  "1.e5", "١",   "1．5"};
    for (size_t i = 0; i < MM_TEST_COUNT(texts); i++) {
        int64_t value = -777;
        MM_CHECK_INT(mm_fixed_parse(texts[i], strlen(texts[i]), &value), ==, MM_E_SYNTAX);
        MM_CHECK_INT(value, ==, -777);
    }
}

static void parse_reads_no_byte_beyond_its_count(void)
{
    static const char text[] = "12.5999";
    int64_t value = -777;
    MM_CHECK_INT(mm_fixed_parse(text, 4, &value), ==, MM_OK);
    MM_CHECK_INT(value, ==, 1250000000);
    MM_CHECK_INT(mm_fixed_parse(NULL, 0, &value), ==, MM_E_SYNTAX);
}

static void parse_tells_precision_from_overflow_at_the_ends_of_the_range(void)
{
    static const struct {
        const char *text;
        mm_status status;
        int64_t value;
    } rows[] = {
        {"92233720368.54775807", MM_OK, INT64_MAX},
        {"92233720368.54775808", MM_E_OVERFLOW, 0},
        {"-92233720368.54775808", MM_OK, INT64_MIN},
        {"-92233720368.54775809", MM_E_OVERFLOW, 0},
        {"92233720368.5477580700000", MM_OK, INT64_MAX},
        {"184467440737.09551616", MM_E_OVERFLOW, 0},
        {"18446744073709551616", MM_E_OVERFLOW, 0},
        {"99999999999999999999999999999999", MM_E_OVERFLOW, 0},
        {"00000000000000000000000000000001.5", MM_OK, 150000000},
        {"0.000000000000000000000000000000", MM_OK, 0},
        {"0.000000001", MM_E_PRECISION, 0},
        {"99999999999999999999.000000001", MM_E_PRECISION, 0},
        {"-0", MM_OK, 0},
        {"-0.00000001", MM_OK, -1},
        {"0.00000001", MM_OK, 1},
    };
    for (size_t i = 0; i < MM_TEST_COUNT(rows); i++) {
        int64_t value = -777;
        mm_status status = mm_fixed_parse(rows[i].text, strlen(rows[i].text), &value);
        check_same(status, &value, rows[i].status, rows[i].value);
    }
}

/* By printf: all eight decimals, then zeros off the end down to decimals_min. */
static size_t reference_format(int64_t value_e8, int32_t decimals_min, char *out)
{
    uint64_t count = magnitude(value_e8);
    int bytes = snprintf(out, TEXT_MAX, "%s%" PRIu64 ".%08" PRIu64, value_e8 < 0 ? "-" : "",
                         count / MM_ONE_E8, count % MM_ONE_E8);
    int32_t decimals = 8;
    while (decimals > decimals_min && out[bytes - 1] == '0') {
        bytes--;
        decimals--;
    }
    return (size_t)(decimals == 0 ? bytes - 1 : bytes);
}

static void format_equals_printf_and_parses_back(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int64_t value = any_value();
        if (mm_test_below(2) == 0) { /* with zeros at the end */
            value -= value % (mm_test_below(2) == 0 ? 1000 : MM_ONE_E8);
        }
        int32_t decimals_min = (int32_t)mm_test_below(9);
        char text[TEXT_MAX];
        char wanted[TEXT_MAX];
        size_t bytes = mm_fixed_format(value, decimals_min, text);
        MM_CHECK_UINT(bytes, ==, reference_format(value, decimals_min, wanted));
        MM_CHECK_UINT(bytes, <=, MM_FIXED_TEXT_MAX);
        MM_CHECK_BYTES(text, wanted, bytes);
        int64_t back = -777;
        check_same(mm_fixed_parse(text, bytes, &back), &back, MM_OK, value);
    }
}

static void format_writes_no_byte_beyond_its_promise(void)
{
    for (size_t i = 0; i < MM_TEST_COUNT(corners); i++) {
        for (int32_t decimals_min = 0; decimals_min <= 8; decimals_min++) {
            char text[TEXT_MAX];
            memset(text, '#', sizeof text);
            size_t bytes = mm_fixed_format(corners[i], decimals_min, text);
            MM_CHECK_UINT(bytes, <=, MM_FIXED_TEXT_MAX);
            MM_CHECK_INT(text[bytes], ==, '#');
        }
    }
    char longest[TEXT_MAX];
    MM_CHECK_UINT(mm_fixed_format(INT64_MIN, 0, longest), ==, MM_FIXED_TEXT_MAX);
    MM_CHECK_BYTES(longest, "-92233720368.54775808", MM_FIXED_TEXT_MAX);
}

/* ---- From floating point ---- */

/* |value| < 2^40 with 12 binary decimals and steps below 2^40 keep every difference below exact in
 * a double, so that nearness is judged without rounding. */
static double small_double(void)
{
    int64_t count = mm_test_between(-(INT64_C(1) << 52), INT64_C(1) << 52);
    return (double)(count >> mm_test_below(40)) / 4096.0;
}

static void from_double_gives_the_right_multiple_next_to_the_value(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        double value = small_double();
        int64_t step = 1 + (int64_t)(mm_test_random() >> (24 + mm_test_below(39)));
        if (mm_test_below(8) == 0) { /* a tie, or next to one */
            double half = (double)step / 2 * (double)mm_test_between(-9, 9);
            value = half + (double)mm_test_between(-1, 1) / 4096.0;
        }
        for (size_t j = 0; j < MM_TEST_COUNT(roundings); j++) {
            int64_t result = 0;
            MM_REQUIRE(mm_fixed_from_double(value, INT64_MIN, INT64_MAX, step, roundings[j],
                                            &result) == MM_OK);
            double above = (double)result - value; /* exact */
            MM_CHECK_INT(result % step, ==, 0);
            MM_CHECK_F64(fabs(above), <, (double)step);
            switch (roundings[j]) {
            case MM_ROUND_FLOOR:
                MM_CHECK_F64(above, <=, 0);
                break;
            case MM_ROUND_CEIL:
                MM_CHECK_F64(above, >=, 0);
                break;
            case MM_ROUND_ZERO:
                MM_CHECK_F64(value < 0 ? above : -above, >=, 0);
                break;
            default:
                MM_CHECK_F64(fabs(above), <=, (double)step / 2);
                if (fabs(above) + fabs(above) >= (double)step) {
                    MM_CHECK_INT(result / step % 2, ==, 0);
                }
            }
        }
    }
}

static void from_double_equals_to_step_on_whole_counts(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int64_t whole = any_value();
        double value = (double)whole;
        if (value >= 9223372036854775808.0) {
            continue;
        }
        int64_t step = (int64_t)(mm_test_random() >> (1 + mm_test_below(63)));
        int32_t rounding = roundings[mm_test_below(MM_TEST_COUNT(roundings))];
        int64_t wanted_value = 0;
        mm_status wanted = mm_fixed_to_step((int64_t)value, step, rounding, &wanted_value);
        int64_t result = -777;
        mm_status status =
            mm_fixed_from_double(value, INT64_MIN, INT64_MAX, step, rounding, &result);
        check_same(status, &result, wanted == MM_OK ? MM_OK : MM_E_ARGUMENT, wanted_value);
    }
}

static void from_double_refuses_what_is_outside_or_no_number(void)
{
    static const struct {
        double value;
        int64_t low;
        int64_t high;
        int64_t step;
        mm_status status;
    } rows[] = {
        {(double)NAN, INT64_MIN, INT64_MAX, 1, MM_E_ARGUMENT},
        {(double)INFINITY, INT64_MIN, INT64_MAX, 1, MM_E_ARGUMENT},
        {-(double)INFINITY, INT64_MIN, INT64_MAX, 1, MM_E_ARGUMENT},
        {9223372036854775808.0, INT64_MIN, INT64_MAX, 1, MM_E_ARGUMENT},
        {9223372036854774784.0, INT64_MIN, INT64_MAX, 1, MM_OK},
        {-9223372036854775808.0, INT64_MIN, INT64_MAX, 1, MM_OK},
        {-9223372036854777856.0, INT64_MIN, INT64_MAX, 1, MM_E_ARGUMENT},
        {1e300, INT64_MIN, INT64_MAX, 1, MM_E_ARGUMENT},
        {99.999, 100, 200, 1, MM_E_ARGUMENT},
        {100.0, 100, 200, 1, MM_OK},
        {200.0, 100, 200, 1, MM_OK},
        {200.0001, 100, 200, 1, MM_E_ARGUMENT},
        {201.0, 100, 200, 1, MM_E_ARGUMENT},
        {150.0, 200, 100, 1, MM_E_ARGUMENT},
        {150.0, 100, 200, 0, MM_E_ARGUMENT},
        {150.0, 100, 200, -1, MM_E_ARGUMENT},
    };
    for (size_t i = 0; i < MM_TEST_COUNT(rows); i++) {
        for (size_t j = 0; j < MM_TEST_COUNT(roundings); j++) {
            int64_t result = -777;
            mm_status status = mm_fixed_from_double(rows[i].value, rows[i].low, rows[i].high,
                                                    rows[i].step, roundings[j], &result);
            check_same(status, &result, rows[i].status, (int64_t)rows[i].value);
        }
    }
}

static void from_double_does_not_round_out_of_its_limits(void)
{
    int64_t result = -777;
    MM_CHECK_INT(mm_fixed_from_double(104.0, 103, 197, 10, MM_ROUND_FLOOR, &result), ==,
                 MM_E_ARGUMENT);
    MM_CHECK_INT(mm_fixed_from_double(196.0, 103, 197, 10, MM_ROUND_CEIL, &result), ==,
                 MM_E_ARGUMENT);
    MM_CHECK_INT(result, ==, -777);
    MM_CHECK_INT(mm_fixed_from_double(104.0, 103, 197, 10, MM_ROUND_CEIL, &result), ==, MM_OK);
    MM_CHECK_INT(result, ==, 110);
}

/* ---- Mistakes of the caller ---- */

static void a_rounding_or_decimals_outside_the_list_is_a_mistake(void)
{
    int64_t result = 0;
    char text[TEXT_MAX];
    MM_CHECK_PANICS(mm_fixed_muldiv(1, 1, 1, 4, &result));
    MM_CHECK_PANICS(mm_fixed_to_step(1, 1, -1, &result));
    MM_CHECK_PANICS(mm_fixed_from_double(1.0, 0, 2, 1, 4, &result));
    MM_CHECK_PANICS(mm_fixed_format(1, 9, text));
    MM_CHECK_PANICS(mm_fixed_format(1, -1, text));
}

#if defined(NDEBUG)
static void decimals_outside_the_list_write_nothing(void)
{
    char out[MM_FIXED_TEXT_MAX] = "x";
    size_t bytes = 1;
    MM_CHECK_SURVIVES(bytes = mm_fixed_format(1, -1, out));
    MM_CHECK_UINT(bytes, ==, 0);
    MM_CHECK_SURVIVES(bytes = mm_fixed_format(1, 9, out));
    MM_CHECK_UINT(bytes, ==, 0);
    MM_CHECK_INT(out[0], ==, 'x');
}
#endif

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(muldiv_equals_long_division_at_every_corner),
        MM_TEST(muldiv_equals_long_division_on_random_values),
        MM_TEST(mul_and_div_are_muldiv_with_one),
        MM_TEST(ties_go_to_the_even_quotient),
        MM_TEST(add_and_sub_are_exact_or_overflow),
        MM_TEST(to_step_is_muldiv_by_the_step_and_back),
        MM_TEST(parse_equals_the_digit_string_on_random_numbers),
        MM_TEST(parse_equals_the_digit_string_on_broken_text),
        MM_TEST(parse_refuses_what_is_no_plain_decimal),
        MM_TEST(parse_reads_no_byte_beyond_its_count),
        MM_TEST(parse_tells_precision_from_overflow_at_the_ends_of_the_range),
        MM_TEST(format_equals_printf_and_parses_back),
        MM_TEST(format_writes_no_byte_beyond_its_promise),
        MM_TEST(from_double_gives_the_right_multiple_next_to_the_value),
        MM_TEST(from_double_equals_to_step_on_whole_counts),
        MM_TEST(from_double_refuses_what_is_outside_or_no_number),
        MM_TEST(from_double_does_not_round_out_of_its_limits),
        MM_TEST(a_rounding_or_decimals_outside_the_list_is_a_mistake),
#if defined(NDEBUG)
        MM_TEST(decimals_outside_the_list_write_nothing),
#endif
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
