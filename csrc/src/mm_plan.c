/* Which resting orders serve which wanted quotes: the best matching there is, found by dynamic
 * programming over the sets of quotes taken. A side has few quotes (at most 8), so the sets are
 * few; and unlike a rule of thumb it is never beaten by trying all ways, which the tests do. */
#include "mm_internal.h"

__extension__ typedef __int128 int128;

/* A matching's worth in one number, so that comparing and adding stay single operations. From the
 * top: its matches, less those too large, less its distance in price (a sum of at most 8 int64,
 * under 2^66), then one bit for each order kept, the oldest order's the highest. */
#define ONE_MATCH ((int128)1 << 100)
#define ONE_SHRUNK ((int128)1 << 90)
#define DISTANCE_UNIT ((int128)1 << (MM_PLAN_MAX + 1))
#define SETS (1u << MM_LAYERS_MAX)

MM_STATIC_ASSERT(66 + MM_PLAN_MAX + 1 < 90 && MM_LAYERS_MAX < 1 << 10, worth_has_room_for_all_of_it);

enum { CANCELED = -1 };

static bool is_too_large(const mm_level *order, const mm_level *quote, int64_t step_e8)
{
    return order->qty_e8 - quote->qty_e8 > step_e8;
}

static bool serves(const mm_level *order, const mm_level *quote, int64_t tolerance_e8,
                   int64_t *distance_e8)
{
    int64_t apart_e8 = order->price_e8 - quote->price_e8;
    *distance_e8 = apart_e8 < 0 ? -apart_e8 : apart_e8;
    return *distance_e8 <= tolerance_e8 && order->qty_e8 >= quote->qty_e8 - order->qty_e8;
}

/* Worth of each quote to one order; 0 where it does not serve it. */
static void worth_of_order(const mm_level *wanted, size_t wanted_count, const mm_level *order,
                           bool shrinkable, size_t index, int64_t tolerance_e8, int64_t step_e8,
                           int128 *worth)
{
    for (size_t j = 0; j < wanted_count; j++) {
        int64_t distance_e8 = 0;
        bool large = is_too_large(order, &wanted[j], step_e8);
        bool fits = serves(order, &wanted[j], tolerance_e8, &distance_e8) && (shrinkable || !large);
        int128 all = ONE_MATCH - (large ? ONE_SHRUNK : 0) - distance_e8 * DISTANCE_UNIT +
                     ((int128)1 << (MM_PLAN_MAX - 1 - index));
        worth[j] = fits ? all : 0;
    }
}

/* best[taken] = worth of the best matching of the orders after this one when the quotes in `taken`
 * are gone; made into the same from this order on. A set only looks at itself and larger ones, so
 * one row does, smallest set first. */
static void add_order(const int128 *worth, size_t wanted_count, int128 *best, int8_t *choice)
{
    for (uint32_t taken = 0; taken < 1u << wanted_count; taken++) {
        int128 most = best[taken];
        choice[taken] = CANCELED;
        for (size_t j = 0; j < wanted_count; j++) {
            uint32_t bit = 1u << j;
            if (worth[j] == 0 || (taken & bit) != 0) {
                continue;
            }
            int128 total = worth[j] + best[taken | bit];
            if (total > most) {
                most = total;
                choice[taken] = (int8_t)j;
            }
        }
        best[taken] = most;
    }
}

void mm_plan_side(const mm_level *wanted, size_t wanted_count, const mm_level *resting,
                  const uint8_t *shrinkable, size_t resting_count, int64_t tolerance_e8,
                  int64_t step_e8, mm_plan *plan)
{
    bool counts_fit = wanted_count <= MM_LAYERS_MAX && resting_count <= MM_PLAN_MAX;
    MM_ASSERT(counts_fit);
    MM_ASSERT(tolerance_e8 >= 0 && step_e8 > 0);
    int128 best[SETS];
    int8_t choice[MM_PLAN_MAX][SETS];
    for (size_t i = 0; i < MM_PLAN_MAX; i++) {
        plan->keep[i] = CANCELED;
        plan->shrink[i] = 0;
    }
    for (size_t j = 0; j < MM_LAYERS_MAX; j++) {
        plan->place[j] = counts_fit && j < wanted_count;
    }
    plan->cancel_count = counts_fit ? (uint32_t)resting_count : 0;
    plan->place_count = counts_fit ? (uint32_t)wanted_count : 0;
    if (!counts_fit) {
        return;
    }
    for (uint32_t taken = 0; taken < 1u << wanted_count; taken++) {
        best[taken] = 0;
    }
    for (size_t i = resting_count; i-- > 0;) {
        int128 worth[MM_LAYERS_MAX];
        worth_of_order(wanted, wanted_count, &resting[i], shrinkable[i] != 0, i, tolerance_e8,
                       step_e8, worth);
        add_order(worth, wanted_count, best, choice[i]);
    }
    uint32_t taken = 0;
    for (size_t i = 0; i < resting_count; i++) {
        int32_t j = choice[i][taken];
        if (j == CANCELED) {
            continue;
        }
        taken |= 1u << j;
        plan->keep[i] = j;
        plan->shrink[i] = is_too_large(&resting[i], &wanted[j], step_e8);
        plan->place[j] = 0;
        plan->cancel_count--;
        plan->place_count--;
    }
}
