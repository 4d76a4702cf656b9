/* Workloads made to hurt a book that follows the price. They are written as traces, so that the reference replays the same
 * operations: `bench_mm_book --dump-adversarial DIR`. Include "mm_workload.h" first.
 *
 *   - jump30: 1,000 levels a side; every 24,000 operations all of them go and come again 30 % away, and back;
 *   - million: 999,000 levels a side on as many ticks, touched anywhere alike, half of the touches deletes;
 *   - worst_order: 1,000 levels a side come worst first and go best first, so that every operation moves the best;
 *   - sparse: 300 levels a side, 20,000 ticks apart, touched mostly near the best, 60 % deletes: the next best is far away;
 *   - int64_ends: both sides have levels next to 0 and next to 2^63, on the tick and off it. */
#ifndef MM_ADVERSARY_H
#define MM_ADVERSARY_H

#define MM_ADVERSARY_OPS 262144
#define MM_ADVERSARY_COUNT 5
#define MM_ADVERSARY_MILLION 999000

typedef struct mm_adversary {
    mm_workload workload;
    mm_workload_maker maker; /* its generator alone is used */
} mm_adversary;

static inline void mm_adversary_put(mm_workload_op *ops, size_t *count, size_t count_max, int64_t side, int64_t price_e8,
                                    int64_t qty_e8)
{
    if (*count < count_max) {
        mm_workload_op op = {price_e8, qty_e8, side};
        ops[(*count)++] = op;
    }
}

/* Adds an operation of the trace; nothing once there are enough. */
static inline void mm_adversary_op(mm_adversary *self, int64_t side, int64_t price_e8, int64_t qty_e8)
{
    mm_adversary_put(self->workload.ops, &self->workload.op_count, MM_ADVERSARY_OPS, side, price_e8, qty_e8);
}

static inline void mm_adversary_init(mm_adversary *self, int64_t side, int64_t price_e8)
{
    mm_adversary_put(self->workload.init, &self->workload.init_count, 2 * MM_ADVERSARY_MILLION, side, price_e8,
                     mm_workload_qty(&self->maker));
}

static inline int64_t mm_adversary_below(mm_adversary *self, int64_t bound)
{
    return (int64_t)((mm_workload_next(&self->maker) >> 33) % (uint64_t)bound);
}

/* A quantity, or 0 in `percent` of 100 cases. */
static inline int64_t mm_adversary_qty(mm_adversary *self, uint64_t percent)
{
    bool gone = mm_workload_percent(&self->maker, percent);
    int64_t qty_e8 = mm_workload_qty(&self->maker);
    return gone ? 0 : qty_e8;
}

/* Level number `index` of a side, 0 the best, `step` ticks apart, about a touch in ticks. */
static inline int64_t mm_adversary_price(int64_t touch, int64_t side, int64_t index, int64_t step)
{
    int64_t tick = side == 0 ? touch - index * step : touch + 1 + index * step;
    return tick * MM_WORKLOAD_TICK_E8;
}

static inline bool mm_adversary_full(const mm_adversary *self)
{
    return self->workload.op_count == MM_ADVERSARY_OPS;
}

static inline void mm_adversary_image(mm_adversary *self, int64_t levels, int64_t step)
{
    for (int64_t i = 0; i < levels; i++) {
        mm_adversary_init(self, 0, mm_adversary_price(MM_WORKLOAD_TOUCH, 0, i, step));
        mm_adversary_init(self, 1, mm_adversary_price(MM_WORKLOAD_TOUCH, 1, i, step));
    }
}

static inline void mm_adversary_jump30(mm_adversary *self)
{
    int64_t touch = MM_WORKLOAD_TOUCH;
    int64_t other = MM_WORKLOAD_TOUCH / 10 * 7;
    mm_adversary_image(self, 1000, 3);
    while (!mm_adversary_full(self)) {
        for (int i = 0; i < 20000; i++) {
            int64_t side = mm_workload_side(&self->maker);
            int64_t at = mm_workload_cube(&self->maker, 1000);
            mm_adversary_op(self, side, mm_adversary_price(touch, side, at, 3), mm_adversary_qty(self, 20));
        }
        for (int64_t i = 0; i < 1000; i++) {
            for (int64_t side = 0; side < 2; side++) {
                mm_adversary_op(self, side, mm_adversary_price(touch, side, i, 3), 0);
                mm_adversary_op(self, side, mm_adversary_price(other, side, i, 3), mm_adversary_qty(self, 0));
            }
        }
        int64_t left = touch;
        touch = other;
        other = left;
    }
}

static inline void mm_adversary_million(mm_adversary *self)
{
    mm_adversary_image(self, MM_ADVERSARY_MILLION, 1);
    while (!mm_adversary_full(self)) {
        int64_t side = mm_workload_side(&self->maker);
        int64_t at = mm_adversary_below(self, MM_ADVERSARY_MILLION);
        mm_adversary_op(self, side, mm_adversary_price(MM_WORKLOAD_TOUCH, side, at, 1), mm_adversary_qty(self, 50));
    }
}

static inline void mm_adversary_worst_order(mm_adversary *self)
{
    mm_adversary_image(self, 1000, 2);
    while (!mm_adversary_full(self)) {
        for (int64_t i = 0; i < 2 * 998; i++) {
            int64_t at = i < 998 ? i : 2 * 998 - 1 - i;
            for (int64_t side = 0; side < 2; side++) {
                mm_adversary_op(self, side, mm_adversary_price(MM_WORKLOAD_TOUCH, side, at, 2),
                                mm_adversary_qty(self, i < 998 ? 100 : 0));
            }
        }
    }
}

static inline void mm_adversary_sparse(mm_adversary *self)
{
    mm_adversary_image(self, 300, 20000);
    while (!mm_adversary_full(self)) {
        int64_t side = mm_workload_side(&self->maker);
        int64_t at = mm_workload_cube(&self->maker, 300);
        mm_adversary_op(self, side, mm_adversary_price(MM_WORKLOAD_TOUCH, side, at, 20000), mm_adversary_qty(self, 60));
    }
}

static inline void mm_adversary_int64_ends(mm_adversary *self)
{
    const int64_t last = INT64_MAX / MM_WORKLOAD_TICK_E8;
    for (int64_t i = 0; i < 1000; i++) {
        for (int64_t side = 0; side < 2; side++) {
            mm_adversary_init(self, side, (1 + i) * MM_WORKLOAD_TICK_E8);
            mm_adversary_init(self, side, (last - i) * MM_WORKLOAD_TICK_E8);
        }
    }
    while (!mm_adversary_full(self)) {
        int64_t side = mm_workload_side(&self->maker);
        int64_t at = mm_adversary_below(self, 1000);
        int64_t tick = mm_workload_percent(&self->maker, 50) ? 1 + at : last - at;
        int64_t off = mm_workload_percent(&self->maker, 10) ? -1 : 0; /* an atom under the tick */
        mm_adversary_op(self, side, tick * MM_WORKLOAD_TICK_E8 + off, mm_adversary_qty(self, 40));
    }
}

/* Number `index` < MM_ADVERSARY_COUNT; without messages, to be written. */
static inline mm_workload mm_adversary_make(size_t index)
{
    static const struct {
        const char *name;
        void (*make)(mm_adversary *);
    } all[MM_ADVERSARY_COUNT] = {{"jump30", mm_adversary_jump30},
                                 {"million", mm_adversary_million},
                                 {"worst_order", mm_adversary_worst_order},
                                 {"sparse", mm_adversary_sparse},
                                 {"int64_ends", mm_adversary_int64_ends}};
    mm_adversary *self = mm_workload_new(1, sizeof(*self));
    self->maker.rng = UINT64_C(0x9E3779B97F4A7C15);
    self->workload.init = mm_workload_new(2 * MM_ADVERSARY_MILLION, sizeof(mm_workload_op));
    self->workload.ops = mm_workload_new(MM_ADVERSARY_OPS, sizeof(mm_workload_op));
    snprintf(self->workload.name, sizeof(self->workload.name), "%s", all[index].name);
    all[index].make(self);
    mm_workload workload = self->workload;
    free(self);
    return workload;
}

#endif /* MM_ADVERSARY_H */
