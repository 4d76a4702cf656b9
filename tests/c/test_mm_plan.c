/* The planner against trying all ways. */
#include "mm_test.h"

#include "mm_internal.h"

enum { NONE = -1 };

/* No order can be made smaller. */
static const uint8_t none[MM_PLAN_MAX + 1];

/* One way to match, and how good it is. */
typedef struct {
    int32_t keep[MM_PLAN_MAX];
    int32_t matches;
    int32_t shrunk;
    int64_t distance;
} way;

typedef struct {
    const mm_level *wanted;
    const mm_level *resting;
    const uint8_t *shrinkable;
    size_t wanted_count;
    size_t resting_count;
    int64_t tolerance;
    int64_t step;
    way best;
    bool found;
} search;

static bool may_serve(const search *s, size_t i, size_t j)
{
    int64_t apart = llabs(s->resting[i].price_e8 - s->wanted[j].price_e8);
    int64_t remaining = s->resting[i].qty_e8;
    int64_t qty = s->wanted[j].qty_e8;
    return apart <= s->tolerance && 2 * remaining >= qty &&
           (s->shrinkable[i] || remaining <= qty + s->step);
}

static bool is_large(const search *s, size_t i, size_t j)
{
    return s->resting[i].qty_e8 > s->wanted[j].qty_e8 + s->step;
}

/* Fewer orders spent, then fewer made smaller, then less distance, then the older orders kept, then the oldest for the best
 * quote. */
static bool better(const search *s, const way *a, const way *b)
{
    if (a->matches != b->matches) {
        return a->matches > b->matches;
    }
    if (a->shrunk != b->shrunk) {
        return a->shrunk < b->shrunk;
    }
    if (a->distance != b->distance) {
        return a->distance < b->distance;
    }
    for (size_t i = 0; i < s->resting_count; i++) {
        if ((a->keep[i] == NONE) != (b->keep[i] == NONE)) {
            return b->keep[i] == NONE;
        }
    }
    for (size_t i = 0; i < s->resting_count; i++) {
        if (a->keep[i] != b->keep[i]) {
            return a->keep[i] < b->keep[i];
        }
    }
    return false;
}

static void try_all(search *s, size_t i, uint32_t taken, way *now)
{
    if (i == s->resting_count) {
        if (!s->found || better(s, now, &s->best)) {
            s->best = *now;
            s->found = true;
        }
        return;
    }
    now->keep[i] = NONE;
    try_all(s, i + 1, taken, now);
    for (size_t j = 0; j < s->wanted_count; j++) {
        if ((taken & (1u << j)) == 0 && may_serve(s, i, j)) {
            int64_t apart = llabs(s->resting[i].price_e8 - s->wanted[j].price_e8);
            now->keep[i] = (int32_t)j;
            now->matches++;
            now->shrunk += is_large(s, i, j);
            now->distance += apart;
            try_all(s, i + 1, taken | (1u << j), now);
            now->matches--;
            now->shrunk -= is_large(s, i, j);
            now->distance -= apart;
        }
    }
    now->keep[i] = NONE;
}

static void check_against_all_ways(const mm_level *wanted, size_t wanted_count,
                                   const mm_level *resting, size_t resting_count, int64_t tolerance,
                                   int64_t step)
{
    uint8_t shrinkable[MM_PLAN_MAX];
    for (size_t i = 0; i < MM_PLAN_MAX; i++) {
        shrinkable[i] = (uint8_t)mm_test_below(2);
    }
    search s;
    memset(&s, 0, sizeof s);
    s.wanted = wanted;
    s.wanted_count = wanted_count;
    s.resting = resting;
    s.shrinkable = shrinkable;
    s.resting_count = resting_count;
    s.tolerance = tolerance;
    s.step = step;
    way now;
    memset(&now, 0, sizeof now);
    try_all(&s, 0, 0, &now);
    mm_plan plan;
    memset(&plan, 0x55, sizeof plan);
    mm_plan_side(wanted, wanted_count, resting, shrinkable, resting_count, tolerance, step, &plan);
    bool placed[MM_LAYERS_MAX] = {false};
    for (size_t j = 0; j < wanted_count; j++) {
        placed[j] = true;
    }
    for (size_t i = 0; i < MM_PLAN_MAX; i++) {
        int32_t keep = i < resting_count ? s.best.keep[i] : NONE;
        MM_CHECK_INT(plan.keep[i], ==, keep);
        MM_CHECK_INT(plan.shrink[i], ==, keep != NONE && is_large(&s, i, (size_t)keep));
        if (keep != NONE) {
            placed[keep] = false;
        }
    }
    for (size_t j = 0; j < MM_LAYERS_MAX; j++) {
        MM_CHECK_INT(plan.place[j], ==, placed[j]);
    }
    MM_CHECK_UINT(plan.cancel_count, ==, resting_count - (size_t)s.best.matches);
    MM_CHECK_UINT(plan.place_count, ==, wanted_count - (size_t)s.best.matches);
}

static void random_levels(mm_level *out, size_t count, int64_t prices, int64_t qtys)
{
    for (size_t i = 0; i < count; i++) {
        out[i].price_e8 = 1000 + mm_test_between(0, prices);
        out[i].qty_e8 = mm_test_between(1, qtys);
    }
}

static void no_way_beats_the_plan_for_up_to_four_quotes_and_six_orders(void)
{
    for (int n = 0; n < 40000; n++) {
        mm_level wanted[4], resting[6];
        size_t wanted_count = (size_t)mm_test_below(5);
        size_t resting_count = (size_t)mm_test_below(7);
        /* Few prices and quantities make ties, many make none. */
        int64_t prices = n % 2 ? 6 : 40;
        int64_t qtys = n % 4 < 2 ? 3 : 100;
        random_levels(wanted, wanted_count, prices, qtys);
        random_levels(resting, resting_count, prices, qtys);
        check_against_all_ways(wanted, wanted_count, resting, resting_count,
                               mm_test_between(0, prices), mm_test_between(1, qtys));
    }
}

static void no_way_beats_the_plan_where_everything_serves_everything(void)
{
    for (int n = 0; n < 60; n++) {
        mm_level wanted[6], resting[7];
        random_levels(wanted, 6, 12, 1);
        random_levels(resting, 7, 12, 1);
        check_against_all_ways(wanted, 6, resting, 7, 100, 1);
    }
}

static void the_closest_pair_is_given_up_where_that_saves_an_action(void)
{
    /* Order 0 is nearest to quote 0, but only it can serve quote 1. */
    const mm_level wanted[] = {{100, 10}, {104, 10}};
    const mm_level resting[] = {{101, 10}, {97, 10}};
    mm_plan plan;
    mm_plan_side(wanted, 2, resting, none, 2, 3, 1, &plan);
    MM_CHECK_INT(plan.keep[0], ==, 1);
    MM_CHECK_INT(plan.keep[1], ==, 0);
    MM_CHECK_UINT(plan.cancel_count, ==, 0);
    MM_CHECK_UINT(plan.place_count, ==, 0);
}

static void of_two_equal_orders_the_older_stays(void)
{
    const mm_level wanted[] = {{100, 10}};
    const mm_level resting[] = {{99, 10}, {101, 10}, {99, 10}};
    mm_plan plan;
    mm_plan_side(wanted, 1, resting, none, 3, 2, 1, &plan);
    MM_CHECK_INT(plan.keep[0], ==, 0);
    MM_CHECK_INT(plan.keep[1], ==, NONE);
    MM_CHECK_INT(plan.keep[2], ==, NONE);
    MM_CHECK_UINT(plan.cancel_count, ==, 2);
}

static void quantity_decides_from_half_to_one_step_over(void)
{
    const mm_level wanted[] = {{100, 11}};
    static const struct {
        int64_t remaining;
        int32_t kept;
    } cases[] = {{5, NONE}, {6, 0}, {11, 0}, {13, 0}, {14, NONE}, {0, NONE}};
    for (size_t i = 0; i < MM_ARRAY_COUNT(cases); i++) {
        const mm_level resting[] = {{100, cases[i].remaining}};
        mm_plan plan;
        mm_plan_side(wanted, 1, resting, none, 1, 0, 2, &plan);
        MM_CHECK_INT(plan.keep[0], ==, cases[i].kept);
    }
}

static void an_order_that_is_too_large_stays_where_it_can_be_made_smaller(void)
{
    const mm_level wanted[] = {{100, 10}};
    const mm_level resting[] = {{100, 30}, {102, 10}};
    const uint8_t first[] = {1, 0};
    mm_plan plan;
    mm_plan_side(wanted, 1, resting, first, 1, 2, 1, &plan);
    MM_CHECK(plan.keep[0] == 0 && plan.shrink[0]);
    MM_CHECK_UINT(plan.place_count, ==, 0);
    /* One that fits as it is is better, though farther off. */
    mm_plan_side(wanted, 1, resting, first, 2, 2, 1, &plan);
    MM_CHECK(plan.keep[0] == NONE && plan.keep[1] == 0 && !plan.shrink[1]);
    mm_plan_side(wanted, 1, resting, none, 1, 2, 1, &plan);
    MM_CHECK_INT(plan.keep[0], ==, NONE);
}

static void the_largest_plans_and_numbers_fit(void)
{
    mm_level wanted[MM_LAYERS_MAX], resting[MM_PLAN_MAX];
    for (size_t j = 0; j < MM_LAYERS_MAX; j++) {
        wanted[j].price_e8 = INT64_MAX - (int64_t)j;
        wanted[j].qty_e8 = INT64_MAX;
    }
    for (size_t i = 0; i < MM_PLAN_MAX; i++) {
        resting[i].price_e8 = 1 + (int64_t)i;
        resting[i].qty_e8 = INT64_MAX;
    }
    mm_plan plan;
    mm_plan_side(wanted, MM_LAYERS_MAX, resting, none, MM_PLAN_MAX, INT64_MAX, INT64_MAX, &plan);
    /* The largest distances still count: the eight highest orders stay, newest though they are. */
    for (int32_t i = 0; i < MM_PLAN_MAX; i++) {
        MM_CHECK_INT(plan.keep[i] != NONE, ==, i >= MM_PLAN_MAX - MM_LAYERS_MAX);
    }
    MM_CHECK_UINT(plan.cancel_count, ==, MM_PLAN_MAX - MM_LAYERS_MAX);
    MM_CHECK_UINT(plan.place_count, ==, 0);
    mm_plan_side(wanted, 0, resting, none, 0, 0, 1, &plan);
    MM_CHECK_UINT(plan.cancel_count + plan.place_count, ==, 0);
}

static void more_than_a_side_may_have_is_a_mistake(void)
{
    mm_level many[MM_PLAN_MAX + 1];
    mm_plan plan;
    random_levels(many, MM_PLAN_MAX + 1, 10, 10);
    MM_CHECK_PANICS(mm_plan_side(many, MM_LAYERS_MAX + 1, many, none, 1, 1, 1, &plan));
    MM_CHECK_PANICS(mm_plan_side(many, 1, many, none, MM_PLAN_MAX + 1, 1, 1, &plan));
}

#if defined(NDEBUG)
static void a_plan_of_more_than_a_side_may_have_does_nothing(void)
{
    static mm_level levels[MM_PLAN_MAX + 1];
    mm_plan plan;
    for (size_t i = 0; i < MM_PLAN_MAX + 1; i++) {
        levels[i].price_e8 = levels[i].qty_e8 = 1;
    }
    MM_CHECK_SURVIVES(mm_plan_side(levels, MM_LAYERS_MAX + 1, levels, none, 1, 0, 1, &plan));
    MM_CHECK(plan.cancel_count == 0 && plan.place_count == 0 && plan.place[0] == 0);
    MM_CHECK_SURVIVES(mm_plan_side(levels, 1, levels, none, MM_PLAN_MAX + 1, 0, 1, &plan));
    MM_CHECK(plan.cancel_count == 0 && plan.place_count == 0 && plan.place[0] == 0);
}
#endif

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(no_way_beats_the_plan_for_up_to_four_quotes_and_six_orders),
        MM_TEST(no_way_beats_the_plan_where_everything_serves_everything),
        MM_TEST(the_closest_pair_is_given_up_where_that_saves_an_action),
        MM_TEST(of_two_equal_orders_the_older_stays),
        MM_TEST(quantity_decides_from_half_to_one_step_over),
        MM_TEST(an_order_that_is_too_large_stays_where_it_can_be_made_smaller),
        MM_TEST(the_largest_plans_and_numbers_fit),
        MM_TEST(more_than_a_side_may_have_is_a_mistake),
#if defined(NDEBUG)
        MM_TEST(a_plan_of_more_than_a_side_may_have_does_nothing),
#endif
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
