/* Log-linear histogram: up to 31 every value has its own bucket, from there every power of two is
 * cut into 32 equal ones. A bucket that begins at b is at most b / 32 wide, so its upper bound is
 * within 1/32 of any value in it. */
#include "mm_internal.h"

#include <string.h>

#define LINEAR_BITS 5 /* 32 buckets a power of two */
#define LINEAR_COUNT (UINT64_C(1) << LINEAR_BITS)
/* Exact ones, then the powers 2^5 to 2^62. */
#define POWER_COUNT (63 - LINEAR_BITS)

MM_STATIC_ASSERT(MM_HIST_BUCKETS == (POWER_COUNT + 1) << LINEAR_BITS, every_int64_has_its_bucket);

/* The five bits behind the highest one choose the bucket within the power; counting that highest
 * bit along (32..63) makes the powers follow each other without a gap. */
static size_t bucket_of(uint64_t value)
{
    if (value < LINEAR_COUNT) {
        return (size_t)value;
    }
    uint32_t shift = mm__bit_highest(value) - LINEAR_BITS;
    return (size_t)((uint64_t)shift * LINEAR_COUNT + (value >> shift));
}

/* Largest value of a bucket. */
static int64_t bucket_last(size_t bucket)
{
    if (bucket < LINEAR_COUNT) {
        return (int64_t)bucket;
    }
    uint32_t shift = (uint32_t)(bucket / LINEAR_COUNT) - 1;
    uint64_t first = (LINEAR_COUNT + bucket % LINEAR_COUNT) << shift;
    return (int64_t)(first + ((UINT64_C(1) << shift) - 1));
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a <= UINT64_MAX - b ? a + b : UINT64_MAX;
}

/* Only one thread writes a histogram, so a load and a store make an addition. They are atomic for
 * the sake of threads that read meanwhile: these see each number whole, and no order among them. */
static void raise_by(uint64_t *number, uint64_t by)
{
    mm__store_relaxed(number, add_saturating(mm__load_relaxed(number), by));
}

static void raise_to(int64_t *number, int64_t to)
{
    if (to > mm__load_relaxed(number)) {
        mm__store_relaxed(number, to);
    }
}

void mm_hist_init(mm_hist *hist)
{
    memset(hist, 0, sizeof(*hist));
}

void mm_hist_add(mm_hist *hist, int64_t value_ns)
{
    int64_t value = value_ns < 0 ? 0 : value_ns;
    size_t bucket = bucket_of((uint64_t)value);
    MM_ASSERT(bucket < MM_HIST_BUCKETS);
    MM_ASSERT(bucket_last(bucket) >= value);
    raise_by(&hist->buckets[bucket], 1);
    raise_by(&hist->count, 1);
    raise_by(&hist->sum_ns, (uint64_t)value);
    raise_to(&hist->max_ns, value);
}

void mm_hist_merge(mm_hist *hist, const mm_hist *other)
{
    MM_ASSERT(hist != other);
    raise_by(&hist->count, mm__load_relaxed(&other->count));
    raise_by(&hist->sum_ns, mm__load_relaxed(&other->sum_ns));
    raise_to(&hist->max_ns, mm__load_relaxed(&other->max_ns));
    for (size_t i = 0; i < MM_HIST_BUCKETS; i++) {
        raise_by(&hist->buckets[i], mm__load_relaxed(&other->buckets[i]));
    }
}

/* How many of `count` > 0 values the quantile covers: the smallest whole number not below
 * quantile * count, at least one. */
static uint64_t rank_of(double quantile, uint64_t count)
{
    double exact = quantile * (double)count;
    if (!(exact > 1.0)) {
        return 1;
    }
    if (exact >= (double)count) {
        return count;
    }
    uint64_t rank = (uint64_t)exact;
    return (double)rank < exact ? rank + 1 : rank;
}

int64_t mm_hist_quantile(const mm_hist *hist, double quantile)
{
    MM_ASSERT(quantile >= 0.0 && quantile <= 1.0);
    /* The buckets' own total: `count` may be a few values ahead of what is read here. */
    uint64_t total = 0;
    for (size_t i = 0; i < MM_HIST_BUCKETS; i++) {
        total = add_saturating(total, mm__load_relaxed(&hist->buckets[i]));
    }
    if (total == 0) {
        return 0;
    }
    /* Buckets only grow, so the rank is reached on the second way through them, in the last one if in none before. */
    uint64_t rank = rank_of(quantile, total);
    size_t bucket = 0;
    for (uint64_t seen = 0; bucket < MM_HIST_BUCKETS - 1; bucket++) {
        seen = add_saturating(seen, mm__load_relaxed(&hist->buckets[bucket]));
        if (seen >= rank) {
            break;
        }
    }
    int64_t last = bucket_last(bucket);
    int64_t max = mm__load_relaxed(&hist->max_ns);
    return last < max ? last : max;
}
