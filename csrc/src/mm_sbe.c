/* Binance's binary market messages (SBE, schema 1) to records.
 *
 * A message is a header, a root block, groups of equal entries and the symbol. The wire says how
 * long the root and the entries are, and those lengths are what is walked by: a later version of
 * the schema may append fields to either, and more groups behind the symbol, and this decoder
 * passes them over. The walk comes first and finds every part to lie within the bytes, so that the
 * loops behind it need no checks but those of the values.
 *
 * Fields are packed, so integers stand at any address: they are loaded with memcpy, in the byte
 * order of the machine, which is the wire's. */
#include "mm_internal.h"

#include <string.h>

enum {
    HEADER_BYTES = 8,
    SCHEMA_ID = 1,
    TEMPLATE_TRADES = 10000,
    TEMPLATE_TICKER = 10001,
    TEMPLATE_PARTIAL = 10002,
    TEMPLATE_DEPTH = 10003,
    /* What version 0 has in a root block and in an entry; the wire may have more. */
    TRADES_ROOT_BYTES = 18,
    TICKER_ROOT_BYTES = 50,
    PARTIAL_ROOT_BYTES = 18,
    DEPTH_ROOT_BYTES = 26,
    LEVEL_BYTES = 16,
    TRADE_BYTES = 25,
    /* The largest power of ten in an int64. */
    POWER_MAX = 18
};

/* One call of mm_sbe_decode. */
typedef struct {
    const uint8_t *bytes;
    size_t byte_count;
    size_t root_bytes;
    const char *symbol;
    int64_t recv_ns;
    mm_record *out;
    size_t capacity;
    size_t used;
    size_t fault_at;
    mm_status status;
} sbe_call;

/* Entries of a group where they stand in the message. */
typedef struct {
    size_t at;
    size_t entry_bytes;
    size_t count;
} sbe_group;

/* How a mantissa becomes a count of 1e-8: those up to mantissa_max by `factor`, others with care. */
typedef struct {
    uint64_t mantissa_max;
    int64_t factor;
    int32_t shift; /* exponent + 8 */
} sbe_scale;

/* ---- Bytes ---- */

static inline uint16_t load_u16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t load_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline int64_t load_i64(const uint8_t *at)
{
    int64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static bool fault(sbe_call *call, mm_status status, size_t at)
{
    MM_ASSERT(status < 0);
    MM_ASSERT(at <= call->byte_count);
    call->status = status;
    call->fault_at = at;
    return false;
}

/* Whether `count` bytes stand at `at` (at <= byte_count). */
static bool has(const sbe_call *call, size_t at, size_t count)
{
    MM_ASSERT(at <= call->byte_count);
    return call->byte_count - at >= count;
}

/* The root block is there and has at least the fields of version 0. */
static bool check_root(sbe_call *call, size_t least_bytes)
{
    if (call->root_bytes < least_bytes) {
        return fault(call, MM_E_SYNTAX, 0);
    }
    if (!has(call, HEADER_BYTES, call->root_bytes)) {
        return fault(call, MM_E_SYNTAX, call->byte_count);
    }
    return true;
}

/* The group at *at, whose head counts its entries in `count_bytes` (2 or 4) bytes; *at goes behind
 * it. */
static bool walk_group(sbe_call *call, size_t *at, size_t count_bytes, size_t least_bytes,
                       sbe_group *group)
{
    size_t head_bytes = 2 + count_bytes;
    if (!has(call, *at, head_bytes)) {
        return fault(call, MM_E_SYNTAX, call->byte_count);
    }
    const uint8_t *head = call->bytes + *at;
    group->entry_bytes = load_u16(head);
    group->count = count_bytes == 2 ? load_u16(head + 2) : load_u32(head + 2);
    group->at = *at + head_bytes;
    if (group->count > 0 && group->entry_bytes < least_bytes) {
        return fault(call, MM_E_SYNTAX, *at);
    }
    /* 48 bits at most, and a size_t may have only 32. */
    uint64_t whole = (uint64_t)group->entry_bytes * group->count;
    if (whole > call->byte_count - group->at) {
        return fault(call, MM_E_SYNTAX, call->byte_count);
    }
    *at = group->at + (size_t)whole;
    return true;
}

/* The symbol at `at`; *wanted: it is the one asked for. What follows it is of a later version. */
static bool walk_symbol(sbe_call *call, size_t at, bool *wanted)
{
    if (!has(call, at, 1) || !has(call, at + 1, call->bytes[at])) {
        return fault(call, MM_E_SYNTAX, call->byte_count);
    }
    size_t bytes = call->bytes[at];
    *wanted = *call->symbol == '\0' || (strlen(call->symbol) == bytes &&
                                        memcmp(call->symbol, call->bytes + at + 1, bytes) == 0);
    return true;
}

/* ---- Values ---- */

static const int64_t powers[POWER_MAX + 1] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    INT64_C(10000000000),
    INT64_C(100000000000),
    INT64_C(1000000000000),
    INT64_C(10000000000000),
    INT64_C(100000000000000),
    INT64_C(1000000000000000),
    INT64_C(10000000000000000),
    INT64_C(100000000000000000),
    INT64_C(1000000000000000000),
};

/* Of the exponent at `at`: value = mantissa * 10^exponent. */
static sbe_scale scale_of(const sbe_call *call, size_t at)
{
    sbe_scale scale;
    scale.shift = (int8_t)call->bytes[at] + 8;
    bool multiplies = scale.shift >= 0 && scale.shift <= POWER_MAX;
    scale.factor = multiplies ? powers[scale.shift] : 0;
    scale.mantissa_max = multiplies ? (uint64_t)(INT64_MAX / scale.factor) : 0;
    return scale;
}

/* A mantissa that is no product that fits: negative, to be divided, or too large. */
static bool scale_slowly(sbe_call *call, size_t at, const sbe_scale *scale, int64_t mantissa,
                         int64_t *value_e8)
{
    if (mantissa < 0) {
        return fault(call, MM_E_SYNTAX, at);
    }
    if (scale->shift >= 0) {
        return fault(call, MM_E_OVERFLOW, at);
    }
    if (scale->shift < -POWER_MAX || mantissa % powers[-scale->shift] != 0) {
        return fault(call, MM_E_PRECISION, at);
    }
    *value_e8 = mantissa / powers[-scale->shift];
    return true;
}

/* The mantissa at `at` as a count of 1e-8. */
static inline bool take_value(sbe_call *call, size_t at, const sbe_scale *scale, int64_t *value_e8)
{
    int64_t mantissa = load_i64(call->bytes + at);
    if (MM_LIKELY((uint64_t)mantissa <= scale->mantissa_max)) {
        *value_e8 = mantissa * scale->factor;
        return true;
    }
    return scale_slowly(call, at, scale, mantissa, value_e8);
}

/* An id or a time: never negative. */
static bool take_natural(sbe_call *call, size_t at, int64_t *value)
{
    *value = load_i64(call->bytes + at);
    if (*value < 0) {
        return fault(call, MM_E_SYNTAX, at);
    }
    return true;
}

/* ---- Messages ---- */

/* The next record to write, cleared; NULL when there is no room. */
static mm_record *emit(sbe_call *call, uint16_t kind, uint32_t count)
{
    static const mm_record cleared;
    if (call->used >= call->capacity) {
        fault(call, MM_E_CAPACITY, call->byte_count);
        return NULL;
    }
    mm_record *record = &call->out[call->used++];
    *record = cleared;
    record->kind = kind;
    record->count = count;
    return record;
}

/* The levels of one side into the next records, for which there is room. */
static bool put_levels(sbe_call *call, const sbe_group *group, const sbe_scale *price,
                       const sbe_scale *qty)
{
    static const mm_record cleared;
    size_t at = group->at;
    size_t left = group->count;
    while (left > 0) { /* one record a turn */
        mm_record *record = &call->out[call->used++];
        size_t here = left < MM_LEVELS_PER_RECORD ? left : MM_LEVELS_PER_RECORD;
        *record = cleared;
        record->kind = MM_KIND_LEVELS;
        for (size_t i = 0; i < here; i++) {
            mm_level *level = &record->body.levels[i];
            if (!take_value(call, at, price, &level->price_e8) ||
                !take_value(call, at + 8, qty, &level->qty_e8)) {
                return false;
            }
            at += group->entry_bytes;
        }
        left -= here;
    }
    return true;
}

/* Both sides and the symbol behind the root; the exponents stand at `exponents_at`. Emits header
 * and levels, or nothing when it is another symbol's: *header is NULL then. */
static bool take_book(sbe_call *call, uint16_t kind, size_t exponents_at, mm_record **header)
{
    size_t at = HEADER_BYTES + call->root_bytes;
    sbe_group bids = {0, 0, 0}, asks = {0, 0, 0};
    bool wanted = false;
    *header = NULL;
    if (!walk_group(call, &at, 2, LEVEL_BYTES, &bids) ||
        !walk_group(call, &at, 2, LEVEL_BYTES, &asks) || !walk_symbol(call, at, &wanted)) {
        return false;
    }
    if (!wanted) {
        return true;
    }
    size_t record_count = 1 + mm__level_records(bids.count) + mm__level_records(asks.count);
    if (bids.count > MM_DEPTH_LEVELS_MAX || asks.count > MM_DEPTH_LEVELS_MAX ||
        record_count > call->capacity) {
        return fault(call, MM_E_CAPACITY, HEADER_BYTES + call->root_bytes);
    }
    mm_record *made = emit(call, kind, (uint32_t)record_count);
    MM_ASSERT(made != NULL);
    made->body.depth.bid_count = (uint32_t)bids.count;
    made->body.depth.ask_count = (uint32_t)asks.count;
    made->body.depth.prev_id = -1;
    made->body.depth.recv_ns = call->recv_ns;
    sbe_scale price = scale_of(call, exponents_at);
    sbe_scale qty = scale_of(call, exponents_at + 1);
    *header = made;
    return put_levels(call, &bids, &price, &qty) && put_levels(call, &asks, &price, &qty);
}

static bool on_depth(sbe_call *call)
{
    int64_t time_us = 0, first_id = 0, last_id = 0;
    mm_record *header = NULL;
    if (!check_root(call, DEPTH_ROOT_BYTES) || !take_natural(call, 8, &time_us) ||
        !take_natural(call, 16, &first_id) || !take_natural(call, 24, &last_id) ||
        !take_book(call, MM_KIND_DEPTH, 32, &header)) {
        return false;
    }
    if (header != NULL) {
        header->body.depth.first_id = first_id;
        header->body.depth.last_id = last_id;
        header->body.depth.event_time_us = time_us;
    }
    return true;
}

static bool on_partial(sbe_call *call)
{
    int64_t time_us = 0, last_id = 0;
    mm_record *header = NULL;
    if (!check_root(call, PARTIAL_ROOT_BYTES) || !take_natural(call, 8, &time_us) ||
        !take_natural(call, 16, &last_id) || !take_book(call, MM_KIND_PARTIAL, 24, &header)) {
        return false;
    }
    if (header != NULL) {
        header->body.depth.first_id = last_id;
        header->body.depth.last_id = last_id;
        header->body.depth.event_time_us = time_us;
    }
    return true;
}

static bool on_ticker(sbe_call *call)
{
    int64_t time_us = 0;
    bool wanted = false;
    mm_ticker_body body = {0, 0, 0, 0, 0, call->recv_ns};
    if (!check_root(call, TICKER_ROOT_BYTES) || !take_natural(call, 8, &time_us) ||
        !take_natural(call, 16, &body.update_id) ||
        !walk_symbol(call, HEADER_BYTES + call->root_bytes, &wanted)) {
        return false;
    }
    sbe_scale price = scale_of(call, 24);
    sbe_scale qty = scale_of(call, 25);
    if (!take_value(call, 26, &price, &body.bid_price_e8) ||
        !take_value(call, 34, &qty, &body.bid_qty_e8) ||
        !take_value(call, 42, &price, &body.ask_price_e8) ||
        !take_value(call, 50, &qty, &body.ask_qty_e8)) {
        return false;
    }
    if (!wanted) {
        return true;
    }
    mm_record *record = emit(call, MM_KIND_TICKER, 1);
    if (record != NULL) {
        record->body.ticker = body;
    }
    return record != NULL;
}

/* One entry of a trades message. */
static bool put_trade(sbe_call *call, size_t at, int64_t time_us, const sbe_scale *price,
                      const sbe_scale *qty)
{
    mm_trade_body body = {0, 0, 0, time_us, call->recv_ns, 0};
    uint8_t buyer_maker = call->bytes[at + 24];
    if (!take_natural(call, at, &body.trade_id) ||
        !take_value(call, at + 8, price, &body.price_e8) ||
        !take_value(call, at + 16, qty, &body.qty_e8)) {
        return false;
    }
    if (buyer_maker > 1) {
        return fault(call, MM_E_SYNTAX, at + 24);
    }
    body.first_trade_id = body.trade_id;
    mm_record *record = emit(call, MM_KIND_TRADE, 1);
    if (record == NULL) {
        return false;
    }
    record->flags = (uint16_t)(buyer_maker != 0 ? MM_FLAG_BUYER_MAKER : 0);
    record->body.trade = body;
    return true;
}

static bool on_trades(sbe_call *call)
{
    int64_t event_us = 0, time_us = 0;
    bool wanted = false;
    sbe_group trades;
    size_t at = HEADER_BYTES + call->root_bytes;
    if (!check_root(call, TRADES_ROOT_BYTES) || !take_natural(call, 8, &event_us) ||
        !take_natural(call, 16, &time_us) || !walk_group(call, &at, 4, TRADE_BYTES, &trades) ||
        !walk_symbol(call, at, &wanted)) {
        return false;
    }
    sbe_scale price = scale_of(call, 24);
    sbe_scale qty = scale_of(call, 25);
    for (size_t i = 0; wanted && i < trades.count; i++) {
        if (!put_trade(call, trades.at + i * trades.entry_bytes, time_us, &price, &qty)) {
            return false;
        }
    }
    return true;
}

static bool decode(sbe_call *call)
{
    if (!has(call, 0, HEADER_BYTES)) {
        return fault(call, MM_E_SYNTAX, call->byte_count);
    }
    call->root_bytes = load_u16(call->bytes);
    if (load_u16(call->bytes + 4) != SCHEMA_ID) {
        return fault(call, MM_E_VERSION, 4);
    }
    switch (load_u16(call->bytes + 2)) {
    case TEMPLATE_DEPTH:
        return on_depth(call);
    case TEMPLATE_TICKER:
        return on_ticker(call);
    case TEMPLATE_TRADES:
        return on_trades(call);
    case TEMPLATE_PARTIAL:
        return on_partial(call);
    default:
        return true;
    }
}

mm_status mm_sbe_decode(const char *symbol, const uint8_t *bytes, size_t byte_count,
                        int64_t recv_ns, mm_record *out, size_t out_capacity, size_t *out_count,
                        size_t *error_at)
{
    MM_ASSERT(symbol != NULL && out_count != NULL && error_at != NULL);
    MM_ASSERT(bytes != NULL || byte_count == 0);
    MM_ASSERT(out != NULL || out_capacity == 0);
    sbe_call call;
    call.bytes = bytes;
    call.byte_count = byte_count;
    call.root_bytes = 0;
    call.symbol = symbol;
    call.recv_ns = recv_ns;
    call.out = out;
    call.capacity = out_capacity;
    call.used = 0;
    call.fault_at = 0;
    call.status = MM_OK;
    bool decoded = decode(&call);
    MM_ASSERT(decoded == (call.status == MM_OK));
    *out_count = decoded ? call.used : 0;
    *error_at = call.fault_at;
    return call.status;
}
