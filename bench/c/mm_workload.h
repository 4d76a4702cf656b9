/* The book workloads of the yardstick: the same generator, so the same operations, as
 * bench/reference/reference.rs.
 *
 *   - W0: 100 dense levels a side, upserts only;
 *   - W1: 1,000 levels a side, distances cubic from the touch, 20 % deletes, the touch walks;
 *   - W2: 10 levels, the best only; 10 % of the steps move the touch;
 *   - any recorded trace: DIR/NAME.init.bin and DIR/NAME.ops.bin, records of three little-endian
 *     int64 {price_e8, qty_e8, side}; side 0 bid, 1 ask; quantity 0 deletes.
 *
 * The product gets its levels in messages, bids then asks. W0-W2 are cut into messages of 16
 * operations; in a recorded trace a message ends where a bid follows an ask. Include "mm_bench.h"
 * first. */
#ifndef MM_WORKLOAD_H
#define MM_WORKLOAD_H

#include "mmcore.h"

#define MM_WORKLOAD_TICK_E8 INT64_C(1000000)
#define MM_WORKLOAD_TOUCH INT64_C(6700000)
#define MM_WORKLOAD_OPS 262144
#define MM_WORKLOAD_MESSAGE_OPS 16
/* Ticks around the touch that the generator keeps track of: it never goes this far. */
#define MM_WORKLOAD_REACH 16384

typedef struct mm_workload_op {
    int64_t price_e8;
    int64_t qty_e8;
    int64_t side;
} mm_workload_op;

/* One message: `levels` has its bids, then its asks. */
typedef struct mm_workload_message {
    const mm_level *levels;
    uint32_t bid_count;
    uint32_t ask_count;
} mm_workload_message;

typedef struct mm_workload {
    char name[32];
    mm_workload_op *init;
    size_t init_count;
    mm_workload_op *ops;
    size_t op_count;
    mm_level *levels;
    mm_workload_message *messages;
    size_t message_count;
} mm_workload;

/* ---- Memory and files ------------------------------------------------------------------------ */

static inline void *mm_workload_new(size_t count, size_t bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);
    if (memory == NULL) {
        fprintf(stderr, "no memory for a workload\n");
        exit(1);
    }
    return memory;
}

static inline FILE *mm_workload_open(const char *dir, const char *name, const char *part,
                                     const char *mode)
{
    char path[1024];
    int bytes = snprintf(path, sizeof(path), "%s/%s.%s.bin", dir, name, part);
    FILE *file = bytes > 0 && (size_t)bytes < sizeof(path) ? fopen(path, mode) : NULL;
    if (file == NULL) {
        fprintf(stderr, "cannot open %s/%s.%s.bin\n", dir, name, part);
        exit(1);
    }
    return file;
}

static inline mm_workload_op *mm_workload_read(const char *dir, const char *name, const char *part,
                                               size_t *count)
{
    FILE *file = mm_workload_open(dir, name, part, "rb");
    fseek(file, 0, SEEK_END);
    long bytes = ftell(file);
    rewind(file);
    *count = bytes > 0 ? (size_t)bytes / sizeof(mm_workload_op) : 0;
    mm_workload_op *ops = mm_workload_new(*count, sizeof(mm_workload_op));
    if (fread(ops, sizeof(mm_workload_op), *count, file) != *count) {
        fprintf(stderr, "cannot read %s/%s.%s.bin\n", dir, name, part);
        exit(1);
    }
    fclose(file);
    return ops;
}

static inline void mm_workload_write(const mm_workload *workload, const char *dir)
{
    FILE *file = mm_workload_open(dir, workload->name, "init", "wb");
    fwrite(workload->init, sizeof(mm_workload_op), workload->init_count, file);
    fclose(file);
    file = mm_workload_open(dir, workload->name, "ops", "wb");
    fwrite(workload->ops, sizeof(mm_workload_op), workload->op_count, file);
    fclose(file);
}

/* ---- The generator --------------------------------------------------------------------------- */

typedef struct mm_workload_maker {
    uint64_t rng;
    mm_workload_op *ops; /* where operations go: first the image, then the trace */
    size_t count;
    uint8_t occupied[2][2 * MM_WORKLOAD_REACH];
} mm_workload_maker;

static inline uint64_t mm_workload_next(mm_workload_maker *maker)
{
    uint64_t state = maker->rng;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    maker->rng = state;
    return state * UINT64_C(0x2545F4914F6CDD1D);
}

static inline bool mm_workload_percent(mm_workload_maker *maker, uint64_t percent)
{
    return (mm_workload_next(maker) >> 32) * 100 >> 32 < percent;
}

static inline int64_t mm_workload_qty(mm_workload_maker *maker)
{
    return (1 + (int64_t)(mm_workload_next(maker) >> 33) % 1000) * MM_WORKLOAD_TICK_E8;
}

static inline int64_t mm_workload_cube(mm_workload_maker *maker, uint64_t bound)
{
    uint64_t u = mm_workload_next(maker) >> 48;
    return (int64_t)((bound * u * u / 65536 * u) >> 32);
}

static inline int64_t mm_workload_side(mm_workload_maker *maker)
{
    return (int64_t)((mm_workload_next(maker) >> 40) & 1);
}

static inline void mm_workload_put(mm_workload_maker *maker, int64_t side, int64_t tick,
                                   int64_t qty_e8)
{
    mm_workload_op *op = &maker->ops[maker->count++];
    op->price_e8 = tick * MM_WORKLOAD_TICK_E8;
    op->qty_e8 = qty_e8;
    op->side = side;
    maker->occupied[side][tick - MM_WORKLOAD_TOUCH + MM_WORKLOAD_REACH] = qty_e8 != 0;
}

static inline void mm_workload_image(mm_workload_maker *maker, int64_t levels)
{
    for (int64_t side = 0; side < 2; side++) {
        int64_t distance = 0;
        for (int64_t i = 0; i < levels; i++) {
            int64_t tick =
                side == 0 ? MM_WORKLOAD_TOUCH - distance : MM_WORKLOAD_TOUCH + 1 + distance;
            mm_workload_put(maker, side, tick, mm_workload_qty(maker));
            distance += i < 100 ? 1 : 1 + (int64_t)(mm_workload_next(maker) >> 33) % 9;
        }
    }
}

static inline void mm_workload_w0(mm_workload_maker *maker, int64_t step)
{
    int64_t qty_e8 = mm_workload_qty(maker);
    int64_t k = step / 2 % 100;
    int64_t side = step & 1;
    mm_workload_put(maker, side, side == 0 ? MM_WORKLOAD_TOUCH - k : MM_WORKLOAD_TOUCH + 1 + k,
                    qty_e8);
}

/* A delete: the nearest level at or beyond `tick`, if there is one. */
static inline void mm_workload_w1_delete(mm_workload_maker *maker, int64_t side, int64_t tick)
{
    int64_t away = side == 0 ? -1 : 1;
    int64_t at = tick - MM_WORKLOAD_TOUCH + MM_WORKLOAD_REACH;
    while (at >= 0 && at < 2 * MM_WORKLOAD_REACH && !maker->occupied[side][at]) {
        at += away;
    }
    if (at >= 0 && at < 2 * MM_WORKLOAD_REACH) {
        mm_workload_put(maker, side, at + MM_WORKLOAD_TOUCH - MM_WORKLOAD_REACH, 0);
    }
}

static inline void mm_workload_w1(mm_workload_maker *maker, int64_t *touch)
{
    int64_t t = *touch;
    if (mm_workload_percent(maker, 2)) {
        bool up = mm_workload_side(maker) == 0;
        if (up && t < MM_WORKLOAD_TOUCH + 400) {
            t++;
            mm_workload_put(maker, 1, t, 0);
            mm_workload_put(maker, 0, t, mm_workload_qty(maker));
        } else if (!up && t > MM_WORKLOAD_TOUCH - 400) {
            mm_workload_put(maker, 0, t, 0);
            mm_workload_put(maker, 1, t, mm_workload_qty(maker));
            t--;
        }
        *touch = t;
        return;
    }
    int64_t side = mm_workload_side(maker);
    int64_t k = mm_workload_cube(maker, 100);
    int64_t tick = side == 0 ? t - k : t + 1 + k;
    if (mm_workload_percent(maker, 20)) {
        mm_workload_w1_delete(maker, side, tick);
    } else {
        mm_workload_put(maker, side, tick, mm_workload_qty(maker));
    }
}

static inline void mm_workload_w2(mm_workload_maker *maker, int64_t *touch)
{
    int64_t t = *touch;
    if (!mm_workload_percent(maker, 10)) {
        int64_t side = mm_workload_side(maker);
        mm_workload_put(maker, side, t + side, mm_workload_qty(maker));
        return;
    }
    bool up = mm_workload_side(maker) == 0;
    if (up && t < MM_WORKLOAD_TOUCH + 400) {
        t++;
        mm_workload_put(maker, 1, t, 0);
        mm_workload_put(maker, 0, t, mm_workload_qty(maker));
        mm_workload_put(maker, 0, t - 10, 0);
        mm_workload_put(maker, 1, t + 10, mm_workload_qty(maker));
    } else if (!up && t > MM_WORKLOAD_TOUCH - 400) {
        t--;
        mm_workload_put(maker, 0, t + 1, 0);
        mm_workload_put(maker, 1, t + 1, mm_workload_qty(maker));
        mm_workload_put(maker, 1, t + 11, 0);
        mm_workload_put(maker, 0, t - 9, mm_workload_qty(maker));
    }
    *touch = t;
}

/* ---- Messages -------------------------------------------------------------------------------- */

/* Copies operations [first, end) as one message, bids before asks, each side in its order. */
static inline void mm_workload_cut(mm_workload *workload, size_t first, size_t end)
{
    mm_workload_message *message = &workload->messages[workload->message_count++];
    mm_level *level = &workload->levels[first];
    message->levels = level;
    for (int64_t side = 0; side < 2; side++) {
        uint32_t *count = side == 0 ? &message->bid_count : &message->ask_count;
        for (size_t i = first; i < end; i++) {
            if (workload->ops[i].side == side) {
                level->price_e8 = workload->ops[i].price_e8;
                level->qty_e8 = workload->ops[i].qty_e8;
                level++;
                (*count)++;
            }
        }
    }
}

static inline void mm_workload_messages(mm_workload *workload, bool recorded)
{
    size_t first = 0;
    workload->levels = mm_workload_new(workload->op_count, sizeof(mm_level));
    workload->messages = mm_workload_new(workload->op_count, sizeof(mm_workload_message));
    for (size_t end = 1; end <= workload->op_count; end++) {
        bool last = end == workload->op_count;
        bool cut = recorded
                       ? !last && workload->ops[end - 1].side == 1 && workload->ops[end].side == 0
                       : end - first == MM_WORKLOAD_MESSAGE_OPS;
        if (last || cut) {
            mm_workload_cut(workload, first, end);
            first = end;
        }
    }
}

/* ---- What a bench calls ---------------------------------------------------------------------- */

/* `name` is W0, W1 or W2. */
static inline mm_workload mm_workload_make(const char *name)
{
    mm_workload workload;
    mm_workload_maker *maker = mm_workload_new(1, sizeof(*maker));
    int64_t levels = name[1] == '0' ? 100 : name[1] == '1' ? 1000 : 10;
    int64_t touch = MM_WORKLOAD_TOUCH;
    memset(&workload, 0, sizeof(workload));
    snprintf(workload.name, sizeof(workload.name), "%s", name);
    workload.init_count = 2 * (size_t)levels;
    workload.op_count = MM_WORKLOAD_OPS;
    workload.init = mm_workload_new(workload.init_count, sizeof(mm_workload_op));
    workload.ops =
        mm_workload_new(MM_WORKLOAD_OPS + 4, sizeof(mm_workload_op)); /* a step makes up to 4 */
    maker->rng = UINT64_C(0x9E3779B97F4A7C15);
    maker->ops = workload.init;
    mm_workload_image(maker, levels);
    maker->ops = workload.ops;
    maker->count = 0;
    for (int64_t step = 0; maker->count < MM_WORKLOAD_OPS; step++) {
        if (levels == 100) {
            mm_workload_w0(maker, step);
        } else if (levels == 1000) {
            mm_workload_w1(maker, &touch);
        } else {
            mm_workload_w2(maker, &touch);
        }
    }
    free(maker);
    mm_workload_messages(&workload, false);
    return workload;
}

static inline mm_workload mm_workload_recorded(const char *name, const char *dir)
{
    mm_workload workload;
    memset(&workload, 0, sizeof(workload));
    snprintf(workload.name, sizeof(workload.name), "%s", name);
    workload.init = mm_workload_read(dir, name, "init", &workload.init_count);
    workload.ops = mm_workload_read(dir, name, "ops", &workload.op_count);
    mm_workload_messages(&workload, true);
    return workload;
}

static inline void mm_workload_free(mm_workload *workload)
{
    free(workload->init);
    free(workload->ops);
    free(workload->levels);
    free(workload->messages);
}

/* The start image, as single levels. */
static inline void mm_workload_load(const mm_workload *workload, mm_book *book)
{
    mm_book_clear(book);
    for (size_t i = 0; i < workload->init_count; i++) {
        const mm_workload_op *op = &workload->init[i];
        mm_book_set(book, (int32_t)op->side, op->price_e8, op->qty_e8);
    }
}

static inline void mm_workload_replay(const mm_workload *workload, mm_book *book)
{
    for (size_t i = 0; i < workload->message_count; i++) {
        const mm_workload_message *message = &workload->messages[i];
        mm_book_apply(book, message->levels, message->bid_count,
                      message->levels + message->bid_count, message->ask_count);
    }
}

/* The line the reference prints of a book after the trace; equal lines are equal work. */
static inline void mm_workload_print_final(const mm_workload *workload, const mm_book *book,
                                           FILE *out)
{
    const mm_top *top = mm_book_top(book);
    double imbalance = 0.0;
    int64_t vwap_e8[2] = {0, 0};
    bool over[2];
    size_t deletes = 0;
    for (size_t i = 0; i < workload->op_count; i++) {
        deletes += workload->ops[i].qty_e8 == 0;
    }
    mm_book_imbalance(book, 5, &imbalance);
    mm_book_vwap(book, MM_BID, 10, &vwap_e8[MM_BID]);
    mm_book_vwap(book, MM_ASK, 10, &vwap_e8[MM_ASK]);
    fprintf(out,
            "%s final: bids %zu asks %zu best %" PRId64 " %" PRId64 " sumq %" PRId64 " %" PRId64
            " imb5 %.9f vwap10 %" PRId64 " %" PRId64 " deletes %zu\n",
            workload->name, mm_book_count(book, MM_BID), mm_book_count(book, MM_ASK),
            top->bid_price_e8, top->ask_price_e8, mm_book_qty_sum(book, MM_BID, SIZE_MAX, &over[0]),
            mm_book_qty_sum(book, MM_ASK, SIZE_MAX, &over[1]), imbalance, vwap_e8[MM_BID],
            vwap_e8[MM_ASK], deletes);
}

#endif /* MM_WORKLOAD_H */
