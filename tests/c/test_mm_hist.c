/* The histogram against sorted lists of the values themselves. */
#include "mm_test.h"

#include "mm_internal.h"

#include <pthread.h>

enum { VALUES_MAX = 2000 };

static mm_hist hist;
static mm_hist other;
static int64_t values[VALUES_MAX];

static int compare_i64(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* What a histogram with this one value says the value is. */
static int64_t reported(int64_t value)
{
    mm_hist_init(&hist);
    mm_hist_add(&hist, value);
    hist.max_ns = INT64_MAX; /* takes the cap away, so that the bucket's own bound is seen */
    return mm_hist_quantile(&hist, 1.0);
}

/* upper - value <= value / 32, in whole numbers. */
static bool is_close(int64_t upper, int64_t value)
{
    return upper >= value && upper - value <= value / 32;
}

static void an_empty_histogram_says_0(void)
{
    mm_hist_init(&hist);
    MM_CHECK_INT(hist.count, ==, 0);
    MM_CHECK_INT(hist.max_ns, ==, 0);
    MM_CHECK_INT(mm_hist_quantile(&hist, 0.0), ==, 0);
    MM_CHECK_INT(mm_hist_quantile(&hist, 1.0), ==, 0);
}

static void values_below_64_are_kept_exactly(void)
{
    for (int64_t value = 0; value < 64; value++) {
        MM_CHECK_INT(reported(value), ==, value);
    }
}

static void no_bound_is_off_by_more_than_a_thirty_second(void)
{
    for (int bit = 0; bit < 63; bit++) {
        /* The edges of each power and of the buckets inside it. */
        int64_t power = INT64_C(1) << bit;
        for (int64_t part = 0; part < 32; part++) {
            int64_t edge = power + power / 32 * part;
            MM_CHECK(is_close(reported(edge), edge));
            MM_CHECK(is_close(reported(edge - 1), edge - 1));
        }
    }
    for (int i = 0; i < 20000; i++) {
        int64_t value = mm_test_any_magnitude();
        value = value < 0 ? -(value + 1) : value;
        MM_CHECK(is_close(reported(value), value));
    }
    MM_CHECK_INT(reported(INT64_MAX), ==, INT64_MAX);
}

static void bounds_never_fall_as_values_rise(void)
{
    int64_t last = 0;
    for (int64_t value = 0; value < 5000; value++) {
        int64_t bound = reported(value);
        MM_CHECK(bound >= last);
        last = bound;
    }
}

static void negative_values_count_as_0(void)
{
    mm_hist_init(&hist);
    mm_hist_add(&hist, -5);
    mm_hist_add(&hist, INT64_MIN);
    MM_CHECK_INT(hist.count, ==, 2);
    MM_CHECK_INT(hist.buckets[0], ==, 2);
    MM_CHECK_INT(hist.max_ns, ==, 0);
    MM_CHECK_INT(hist.sum_ns, ==, 0);
}

/* The value that a share `quantile` of the sorted values does not exceed. */
static int64_t exact_quantile(size_t count, double quantile)
{
    size_t rank = (size_t)ceil(quantile * (double)count);
    return values[rank == 0 ? 0 : rank - 1];
}

static void quantiles_are_those_of_the_sorted_values(void)
{
    const double quantiles[] = {0.0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0};
    for (int turn = 0; turn < 60; turn++) {
        size_t count = (size_t)mm_test_between(1, turn < 20 ? 10 : VALUES_MAX);
        uint64_t sum = 0;
        mm_hist_init(&hist);
        for (size_t i = 0; i < count; i++) {
            int64_t value = turn % 2 == 0 ? mm_test_between(0, 300) : mm_test_any_magnitude();
            values[i] = value < 0 ? 0 : value / VALUES_MAX; /* the sum fits */
            mm_hist_add(&hist, value < 0 ? value : values[i]);
            sum += (uint64_t)values[i];
        }
        qsort(values, count, sizeof(values[0]), compare_i64);
        MM_CHECK_UINT(hist.count, ==, count);
        MM_CHECK_UINT(hist.sum_ns, ==, sum);
        MM_CHECK_INT(hist.max_ns, ==, values[count - 1]);
        for (size_t q = 0; q < MM_ARRAY_COUNT(quantiles); q++) {
            int64_t found = mm_hist_quantile(&hist, quantiles[q]);
            MM_CHECK(is_close(found, exact_quantile(count, quantiles[q])));
            MM_CHECK(found <= hist.max_ns);
        }
        MM_CHECK_INT(mm_hist_quantile(&hist, 1.0), ==, values[count - 1]);
    }
}

static void merging_is_adding_all_values_to_one(void)
{
    static mm_hist whole;
    mm_hist_init(&whole);
    mm_hist_init(&hist);
    mm_hist_init(&other);
    for (int i = 0; i < 3000; i++) {
        int64_t value = mm_test_any_magnitude() / 4000;
        mm_hist_add(i % 3 == 0 ? &hist : &other, value);
        mm_hist_add(&whole, value);
    }
    mm_hist_merge(&hist, &other);
    MM_CHECK_BYTES(&hist, &whole, sizeof(whole));
    mm_hist_init(&other); /* nothing changes nothing */
    mm_hist_merge(&hist, &other);
    MM_CHECK_BYTES(&hist, &whole, sizeof(whole));
    mm_hist_merge(&other, &whole);
    MM_CHECK_BYTES(&other, &whole, sizeof(whole));
}

static void the_sum_stops_at_its_largest_value(void)
{
    mm_hist_init(&hist);
    mm_hist_init(&other);
    for (int i = 0; i < 3; i++) {
        mm_hist_add(&hist, INT64_MAX);
        mm_hist_add(&other, INT64_MAX);
    }
    MM_CHECK_UINT(hist.sum_ns, ==, UINT64_MAX);
    mm_hist_merge(&hist, &other);
    MM_CHECK_UINT(hist.sum_ns, ==, UINT64_MAX);
    MM_CHECK_INT(hist.count, ==, 6);
}

static void misuse_is_caught(void)
{
    mm_hist_init(&hist);
    MM_CHECK_PANICS(mm_hist_quantile(&hist, -0.1));
    MM_CHECK_PANICS(mm_hist_quantile(&hist, 1.1));
    MM_CHECK_PANICS(mm_hist_quantile(&hist, (double)NAN));
    MM_CHECK_PANICS(mm_hist_merge(&hist, &hist));
}

enum { RACE_VALUES = 100000 };

static void *add_values(void *context)
{
    for (int64_t i = 0; i < RACE_VALUES; i++) {
        mm_hist_add(context, i % 1000);
    }
    return NULL;
}

/* The supervisor reads while the roles add. */
static void another_thread_may_read_meanwhile(void)
{
    pthread_t thread;
    mm_hist_init(&hist);
    MM_REQUIRE(pthread_create(&thread, NULL, add_values, &hist) == 0);
    for (int i = 0; i < 200; i++) {
        int64_t most = mm_hist_quantile(&hist, 1.0);
        MM_CHECK(most >= 0 && most <= 999);
        mm_hist_init(&other);
        mm_hist_merge(&other, &hist);
        MM_CHECK(other.count <= RACE_VALUES);
    }
    MM_CHECK(pthread_join(thread, NULL) == 0);
    MM_CHECK_INT(hist.count, ==, RACE_VALUES);
    MM_CHECK_INT(mm_hist_quantile(&hist, 1.0), ==, 999);
}

static void the_largest_value_lies_in_the_last_bucket(void)
{
    mm_hist_init(&hist);
    mm_hist_add(&hist, INT64_MAX);
    MM_CHECK_INT(mm_hist_quantile(&hist, 1.0), ==, INT64_MAX);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(an_empty_histogram_says_0),
        MM_TEST(values_below_64_are_kept_exactly),
        MM_TEST(no_bound_is_off_by_more_than_a_thirty_second),
        MM_TEST(bounds_never_fall_as_values_rise),
        MM_TEST(negative_values_count_as_0),
        MM_TEST(quantiles_are_those_of_the_sorted_values),
        MM_TEST(merging_is_adding_all_values_to_one),
        MM_TEST(the_sum_stops_at_its_largest_value),
        MM_TEST(misuse_is_caught),
        MM_TEST(another_thread_may_read_meanwhile),
        MM_TEST(the_largest_value_lies_in_the_last_bucket),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
