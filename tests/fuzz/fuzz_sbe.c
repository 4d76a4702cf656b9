/* Binary market messages against a reader that takes each field at its offset in the published schema. */
#include "mm_fuzz.h"

enum { RECORDS_MAX = 400 };

static struct {
    const uint8_t *bytes;
    size_t byte_count;
    uint32_t faults; /* bit -status of each fault that a reader may tell */
    bool wanted;
    bool values_only; /* what is wrong are values, which nobody need look at in messages for others */
    mm_record records[RECORDS_MAX];
    size_t record_count;
    size_t capacity;
} slow;

static void slow_fault(mm_status status)
{
    slow.faults |= (uint32_t)1 << -status;
}

/* A little-endian field; 0 beyond the end. */
static uint64_t field(size_t at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes; i > 0; i--) {
        value = value << 8 | (at + i - 1 < slow.byte_count ? slow.bytes[at + i - 1] : 0u);
    }
    return value;
}

static int64_t natural(size_t at)
{
    int64_t value = (int64_t)field(at, 8);
    if (value < 0) {
        slow_fault(MM_E_SYNTAX);
    }
    return value;
}

/* mantissa * 10^exponent as a count of 1e-8, one power of ten after the other. */
static int64_t value_e8(size_t at, size_t exponent_at)
{
    fuzz_i128 value = (int64_t)field(at, 8);
    int32_t shift = (int8_t)field(exponent_at, 1) + 8;
    if (value < 0) {
        slow_fault(MM_E_SYNTAX);
        return 0;
    }
    for (; shift > 0 && value <= INT64_MAX; shift--) {
        value *= 10;
    }
    for (; shift < 0 && value != 0; shift++) {
        if (value % 10 != 0) {
            slow_fault(MM_E_PRECISION);
            return 0;
        }
        value /= 10;
    }
    if (value > INT64_MAX) {
        slow_fault(MM_E_OVERFLOW);
    }
    return (int64_t)value;
}

static mm_record *slow_record(uint16_t kind, uint32_t count)
{
    static mm_record nowhere;
    mm_record *record = slow.record_count < RECORDS_MAX ? &slow.records[slow.record_count] : &nowhere;
    if (slow.record_count >= slow.capacity) {
        slow_fault(MM_E_CAPACITY);
    }
    slow.record_count++;
    memset(record, 0, sizeof *record);
    record->kind = kind;
    record->count = count;
    return record;
}

typedef struct {
    size_t at, entry_bytes, count;
} slow_group;

/* The group at *at; false when it does not lie within the message. */
static bool slow_walk(size_t *at, size_t count_bytes, size_t least_bytes, slow_group *group)
{
    group->entry_bytes = (size_t)field(*at, 2);
    group->count = (size_t)field(*at + 2, count_bytes);
    group->at = *at + 2 + count_bytes;
    fuzz_u128 end = group->at + (fuzz_u128)group->count * group->entry_bytes;
    if (end > slow.byte_count || (group->count > 0 && group->entry_bytes < least_bytes)) {
        slow_fault(MM_E_SYNTAX);
        return false;
    }
    *at = (size_t)end;
    return true;
}

static bool slow_symbol(size_t at, const char *symbol)
{
    size_t bytes = (size_t)field(at, 1);
    if (at + 1 + bytes > slow.byte_count || at >= slow.byte_count) {
        slow_fault(MM_E_SYNTAX);
        return false;
    }
    slow.wanted = symbol[0] == 0 || (bytes == strlen(symbol) && memcmp(slow.bytes + at + 1, symbol, bytes) == 0);
    return true;
}

static void slow_levels(const slow_group *group, size_t exponents_at)
{
    mm_record *record = NULL;
    for (size_t i = 0; i < group->count; i++) {
        size_t at = group->at + i * group->entry_bytes;
        record = i % 3 == 0 ? slow_record(MM_KIND_LEVELS, 0) : record;
        record->body.levels[i % 3].price_e8 = value_e8(at, exponents_at);
        record->body.levels[i % 3].qty_e8 = value_e8(at + 8, exponents_at + 1);
    }
}

static void slow_book(uint16_t kind, size_t root_bytes, const char *symbol, int64_t recv_ns)
{
    bool diff = kind == MM_KIND_DEPTH;
    size_t at = 8 + root_bytes, exponents_at = diff ? 32 : 24;
    slow_group bids, asks;
    if (!slow_walk(&at, 2, 16, &bids) || !slow_walk(&at, 2, 16, &asks) || !slow_symbol(at, symbol)) {
        return;
    }
    slow.values_only = true;
    if (bids.count > MM_DEPTH_LEVELS_MAX || asks.count > MM_DEPTH_LEVELS_MAX) {
        slow_fault(MM_E_CAPACITY);
    }
    size_t records = 1 + (bids.count + 2) / 3 + (asks.count + 2) / 3;
    mm_depth_body *body = &slow_record(kind, (uint32_t)records)->body.depth;
    body->event_time_us = natural(8);
    body->first_id = natural(16);
    body->last_id = diff ? natural(24) : body->first_id;
    body->prev_id = -1;
    body->recv_ns = recv_ns;
    body->bid_count = (uint32_t)bids.count;
    body->ask_count = (uint32_t)asks.count;
    slow_levels(&bids, exponents_at);
    slow_levels(&asks, exponents_at);
}

static void slow_ticker(size_t root_bytes, const char *symbol, int64_t recv_ns)
{
    if (!slow_symbol(8 + root_bytes, symbol)) {
        return;
    }
    slow.values_only = true;
    mm_ticker_body *body = &slow_record(MM_KIND_TICKER, 1)->body.ticker;
    (void)natural(8);
    body->update_id = natural(16);
    body->bid_price_e8 = value_e8(26, 24);
    body->bid_qty_e8 = value_e8(34, 25);
    body->ask_price_e8 = value_e8(42, 24);
    body->ask_qty_e8 = value_e8(50, 25);
    body->recv_ns = recv_ns;
}

static void slow_trades(size_t root_bytes, const char *symbol, int64_t recv_ns)
{
    size_t at = 8 + root_bytes;
    slow_group trades;
    if (!slow_walk(&at, 4, 25, &trades) || !slow_symbol(at, symbol)) {
        return;
    }
    slow.values_only = true;
    (void)natural(8);
    int64_t time_us = natural(16);
    for (size_t i = 0; i < trades.count; i++) {
        size_t entry = trades.at + i * trades.entry_bytes;
        mm_record *record = slow_record(MM_KIND_TRADE, 1);
        uint64_t maker = field(entry + 24, 1);
        record->flags = maker != 0 ? MM_FLAG_BUYER_MAKER : 0;
        record->body.trade.trade_id = natural(entry);
        record->body.trade.first_trade_id = record->body.trade.trade_id;
        record->body.trade.price_e8 = value_e8(entry + 8, 24);
        record->body.trade.qty_e8 = value_e8(entry + 16, 25);
        record->body.trade.trade_time_us = time_us;
        record->body.trade.recv_ns = recv_ns;
        if (maker > 1) {
            slow_fault(MM_E_SYNTAX);
        }
    }
}

static void slow_decode(const char *symbol, int64_t recv_ns)
{
    static const size_t roots[4] = {18, 50, 18, 26};
    size_t root_bytes = (size_t)field(0, 2), template = (size_t)field(2, 2);
    slow.wanted = true;
    if (slow.byte_count < 8) {
        slow_fault(MM_E_SYNTAX);
    } else if (field(4, 2) != 1) {
        slow_fault(MM_E_VERSION);
    } else if (template >= 10000 && template <= 10003) {
        if (root_bytes < roots[template - 10000] || 8 + root_bytes > slow.byte_count) {
            slow_fault(MM_E_SYNTAX);
        } else if (template == 10000) {
            slow_trades(root_bytes, symbol, recv_ns);
        } else if (template == 10001) {
            slow_ticker(root_bytes, symbol, recv_ns);
        } else {
            slow_book(template == 10002 ? MM_KIND_PARTIAL : MM_KIND_DEPTH, root_bytes, symbol, recv_ns);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static mm_record out[RECORDS_MAX];
    const char *symbol = size % 5 == 0 ? "" : "BTCUSDT";
    size_t made = 77, error_at = 77;
    memset(&slow, 0, sizeof slow);
    slow.bytes = data;
    slow.byte_count = size;
    slow.capacity = size % 7 == 0 ? 3 : RECORDS_MAX;
    memset(out, 0xA5, sizeof out);
    slow_decode(symbol, INT64_C(123456789));
    mm_status status = mm_sbe_decode(symbol, data, size, INT64_C(123456789), out, slow.capacity, &made, &error_at);
    bool for_others = !slow.wanted && slow.values_only;
    FUZZ_CHECK(error_at <= size);
    if (status == MM_OK) {
        size_t wanted_count = for_others ? 0 : slow.record_count;
        FUZZ_CHECK(slow.faults == 0 || for_others);
        FUZZ_EQUAL(made, wanted_count);
        FUZZ_EQUAL(error_at, 0);
        FUZZ_CHECK(memcmp(out, slow.records, made * sizeof out[0]) == 0);
    } else {
        FUZZ_CHECK((slow.faults >> -status & 1) != 0);
        FUZZ_EQUAL(made, 0);
    }
    return 0;
}
