/* Any orders and wishes of a side: the plan is the first of the best of all ways, tried one after the other where they are not too
 * many; where they are, it is a way, and no change of one order makes it better. */
#include "mm_fuzz.h"

enum { WAYS_MAX = 20000 };

typedef struct {
    mm_level wanted[MM_LAYERS_MAX], resting[MM_PLAN_MAX];
    uint8_t shrinkable[MM_PLAN_MAX];
    size_t wanted_count, resting_count;
    int64_t tolerance_e8, step_e8;
} plan_case;

/* What a way is worth: more of the first number that differs is better. */
typedef struct {
    int matches;
    int left_whole; /* 0, less one for each order to be made smaller */
    fuzz_i128 nearness;
    uint32_t kept; /* one bit an order, the oldest order's the highest */
} plan_worth;

/* ---- The rules, as the header states them ---- */

static fuzz_i128 distance(const mm_level *order, const mm_level *wish)
{
    fuzz_i128 apart = (fuzz_i128)order->price_e8 - wish->price_e8;
    return apart < 0 ? -apart : apart;
}

static bool too_large(const plan_case *c, size_t order, size_t wish)
{
    return c->resting[order].qty_e8 > (fuzz_i128)c->wanted[wish].qty_e8 + c->step_e8;
}

static bool serves(const plan_case *c, size_t order, size_t wish)
{
    bool near = distance(&c->resting[order], &c->wanted[wish]) <= c->tolerance_e8;
    bool enough = 2 * (fuzz_i128)c->resting[order].qty_e8 >= c->wanted[wish].qty_e8;
    return near && enough && (c->shrinkable[order] != 0 || !too_large(c, order, wish));
}

static plan_worth worth_of(const plan_case *c, const int32_t *keep)
{
    plan_worth worth = {0, 0, 0, 0};
    for (size_t i = 0; i < c->resting_count; i++) {
        if (keep[i] >= 0) {
            size_t wish = (size_t)keep[i];
            worth.matches++;
            worth.left_whole -= too_large(c, i, wish);
            worth.nearness -= distance(&c->resting[i], &c->wanted[wish]);
            worth.kept |= UINT32_C(1) << (MM_PLAN_MAX - 1 - i);
        }
    }
    return worth;
}

static bool is_better(const plan_worth *a, const plan_worth *b)
{
    if (a->matches != b->matches) {
        return a->matches > b->matches;
    }
    if (a->left_whole != b->left_whole) {
        return a->left_whole > b->left_whole;
    }
    return a->nearness != b->nearness ? a->nearness > b->nearness : a->kept > b->kept;
}

/* ---- All ways ---- */

typedef struct {
    int32_t keep[MM_PLAN_MAX], best[MM_PLAN_MAX];
    plan_worth most;
    bool any;
} plan_search;

/* Wishes in their order for each order, then none: of equally good ways the first is the one that counts. */
static void search(const plan_case *c, plan_search *s, size_t order, uint32_t taken)
{
    if (order == c->resting_count) {
        plan_worth worth = worth_of(c, s->keep);
        if (!s->any || is_better(&worth, &s->most)) {
            s->any = true;
            s->most = worth;
            memcpy(s->best, s->keep, sizeof s->keep);
        }
        return;
    }
    for (size_t wish = 0; wish < c->wanted_count; wish++) {
        if ((taken >> wish & 1) == 0 && serves(c, order, wish)) {
            s->keep[order] = (int32_t)wish;
            search(c, s, order + 1, taken | UINT32_C(1) << wish);
        }
    }
    s->keep[order] = -1;
    search(c, s, order + 1, taken);
}

static bool can_try_all(const plan_case *c)
{
    uint64_t ways = 1;
    for (size_t i = 0; i < c->resting_count; i++) {
        uint64_t choices = 1;
        for (size_t j = 0; j < c->wanted_count; j++) {
            choices += serves(c, i, j);
        }
        ways *= choices;
        if (ways > WAYS_MAX) {
            return false;
        }
    }
    return true;
}

/* ---- Checks ---- */

static void check_way(const plan_case *c, const mm_plan *plan)
{
    bool taken[MM_LAYERS_MAX] = {false};
    uint32_t kept = 0;
    for (size_t i = 0; i < MM_PLAN_MAX; i++) {
        int32_t wish = plan->keep[i];
        FUZZ_CHECK(wish >= -1 && wish < (int32_t)c->wanted_count && (i < c->resting_count || wish == -1));
        FUZZ_EQUAL(plan->shrink[i], wish >= 0 && too_large(c, i, (size_t)wish));
        if (wish >= 0) {
            FUZZ_CHECK(!taken[wish] && serves(c, i, (size_t)wish));
            taken[wish] = true;
            kept++;
        }
    }
    for (size_t j = 0; j < MM_LAYERS_MAX; j++) {
        FUZZ_EQUAL(plan->place[j], j < c->wanted_count && !taken[j]);
    }
    FUZZ_EQUAL(plan->cancel_count, c->resting_count - kept);
    FUZZ_EQUAL(plan->place_count, c->wanted_count - kept);
}

/* One order let go, or given to a wish that is free: none of that may be better. */
static void check_neighbours(const plan_case *c, const mm_plan *plan)
{
    int32_t keep[MM_PLAN_MAX];
    plan_worth made = worth_of(c, plan->keep);
    memcpy(keep, plan->keep, sizeof keep);
    for (size_t i = 0; i < c->resting_count; i++) {
        for (int32_t wish = -1; wish < (int32_t)c->wanted_count; wish++) {
            if (wish >= 0 && (!plan->place[wish] || !serves(c, i, (size_t)wish))) {
                continue;
            }
            keep[i] = wish;
            plan_worth other = worth_of(c, keep);
            FUZZ_CHECK(!is_better(&other, &made));
        }
        keep[i] = plan->keep[i];
    }
}

/* ---- A case ---- */

static mm_level take_level(fuzz_input *in, bool near)
{
    mm_level level;
    level.price_e8 = near ? fuzz_between(in, 1, 16) : fuzz_i64_in(in, 1, INT64_MAX);
    level.qty_e8 = near ? fuzz_between(in, 1, 8) : fuzz_i64_in(in, 1, INT64_MAX);
    return level;
}

static void take_case(fuzz_input *in, plan_case *c)
{
    bool near = fuzz_u8(in) < 180;
    c->wanted_count = fuzz_below(in, MM_LAYERS_MAX + 1);
    c->resting_count = fuzz_below(in, MM_PLAN_MAX + 1);
    c->tolerance_e8 = near ? fuzz_between(in, 0, 12) : fuzz_i64_in(in, 0, INT64_MAX);
    c->step_e8 = near ? fuzz_between(in, 1, 3) : fuzz_i64_in(in, 1, INT64_MAX);
    uint64_t shrinkable = fuzz_bytes(in, 2);
    for (size_t j = 0; j < c->wanted_count; j++) {
        c->wanted[j] = take_level(in, near);
    }
    for (size_t i = 0; i < c->resting_count; i++) {
        c->resting[i] = take_level(in, near);
        c->shrinkable[i] = shrinkable >> i & 1;
    }
}

/* Exactly as long as it has to be, so that AddressSanitizer sees the first element beyond it. */
static void *exactly(const void *from, size_t bytes)
{
    void *copy = fuzz_memory(bytes > 0 ? bytes : 1);
    memcpy(copy, from, bytes);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    plan_case c;
    mm_plan plan;
    memset(&c, 0, sizeof c);
    memset(&plan, 0xA5, sizeof plan);
    take_case(&in, &c);
    mm_level *wanted = exactly(c.wanted, c.wanted_count * sizeof c.wanted[0]);
    mm_level *resting = exactly(c.resting, c.resting_count * sizeof c.resting[0]);
    uint8_t *shrinkable = exactly(c.shrinkable, c.resting_count);
    mm_plan_side(wanted, c.wanted_count, resting, shrinkable, c.resting_count, c.tolerance_e8, c.step_e8, &plan);
    check_way(&c, &plan);
    if (can_try_all(&c)) {
        plan_search all;
        memset(&all, 0, sizeof all);
        search(&c, &all, 0, 0);
        FUZZ_CHECK(memcmp(plan.keep, all.best, c.resting_count * sizeof all.best[0]) == 0);
    } else {
        check_neighbours(&c, &plan);
    }
    free(wanted);
    free(resting);
    free(shrinkable);
    return 0;
}
