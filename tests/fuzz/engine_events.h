/* Events an engine may be given, made from decisions. */
#ifndef ENGINE_EVENTS_H
#define ENGINE_EVENTS_H

#include "mm_fuzz.h"

#include "../c/mm_engine_host.h"

enum { EVENTS_ROOM = 6000 };

typedef struct engine_events {
    fuzz_input in;
    size_t count;
    int64_t now_ns;
    int64_t last_id;
    int64_t mid_e8;     /* of the market that snapshots and diffs tell of */
    int64_t spacing_e8; /* from level to level */
    mm_symbol symbol;
    bool wild; /* numbers of any size, kinds and lengths that there are not */
    mm_record records[EVENTS_ROOM]; /* the last field: what is not used is never cleared */
} engine_events;

static inline mm_record *put(engine_events *events, uint16_t kind, uint32_t count)
{
    mm_record *made = &events->records[events->count];
    FUZZ_CHECK(events->count + count <= EVENTS_ROOM);
    memset(made, 0, count * sizeof *made);
    made->kind = kind;
    made->count = count;
    events->count += count;
    return made;
}

static inline int64_t any_number(engine_events *events)
{
    return events->wild && fuzz_u8(&events->in) > 200 ? fuzz_i64(&events->in) : fuzz_between(&events->in, 0, 40);
}

static inline void put_batch_end(engine_events *events)
{
    mm_record *end = put(events, MM_KIND_BATCH_END, 1);
    end->body.command.now_ns = events->now_ns;
    end->body.command.value = events->wild ? any_number(events) : 512;
    end->body.command.value2 = events->wild ? any_number(events) : 512;
}

static inline void put_link(engine_events *events, uint16_t kind, int64_t channel, int64_t state)
{
    mm_link_body *link = &put(events, kind, 1)->body.link;
    link->channel = channel;
    link->state = state;
    link->recv_ns = events->now_ns;
}

static inline void put_balance(engine_events *events, const char *asset, int64_t free_e8, int64_t locked_e8)
{
    mm_balance_body *balance = &put(events, MM_KIND_BALANCE, 1)->body.balance;
    strcpy(balance->asset, asset);
    balance->free_e8 = free_e8;
    balance->locked_e8 = locked_e8;
}

static inline void put_end(engine_events *events, uint16_t kind, int64_t token)
{
    put(events, kind, 1)->body.balance.token = token;
}

static inline void put_command(engine_events *events, uint16_t kind, int64_t command, int64_t value)
{
    mm_command_body *body = &put(events, kind, 1)->body.command;
    body->now_ns = events->now_ns;
    body->command = command;
    body->value = value;
}

/* A price within int64, whatever the market. */
static inline int64_t price_at(const engine_events *events, int64_t spacings)
{
    fuzz_i128 price = (fuzz_i128)events->mid_e8 + (fuzz_i128)spacings * events->spacing_e8;
    return price < 1 ? 1 : price > INT64_MAX ? INT64_MAX : (int64_t)price;
}

/* `count` levels a side around the mid; those of a diff are shifted, or deleted. */
static inline void put_depth(engine_events *events, uint16_t kind, int64_t first_id, int64_t last_id, uint32_t count)
{
    uint32_t used = (count + 2) / 3;
    mm_record *made = put(events, kind, 1 + 2 * used);
    mm_depth_body *body = &made[0].body.depth;
    body->first_id = first_id;
    body->last_id = last_id;
    body->prev_id = -1;
    body->recv_ns = events->now_ns;
    body->bid_count = body->ask_count = count;
    int64_t shift = events->in.left > 0 ? (int64_t)fuzz_u8(&events->in) - 128 : 0;
    for (uint32_t i = 0; i < 2 * count; i++) {
        bool ask = i >= count;
        int64_t away = (5 + 10 * (int64_t)(i % count)) * (ask ? 1 : -1) + (kind == MM_KIND_DEPTH ? shift : 0);
        mm_level level = {price_at(events, away), kind == MM_KIND_DEPTH && (shift & 3) == 0 ? 0 : MM_ONE_E8};
        mm_record *record = &made[1 + (ask ? used : 0) + i % count / 3];
        record->kind = MM_KIND_LEVELS;
        record->body.levels[i % count % 3] = level;
    }
}

/* Channels up, the account read, trading begun. */
static inline void put_account(engine_events *events, int64_t base_e8, int64_t quote_e8)
{
    put_link(events, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER, MM_LINK_UP);
    put_link(events, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
    put_command(events, MM_KIND_CLOCK, 0, HOST_CLOCK_NS);
    put_balance(events, "BTC", base_e8, 0);
    put_balance(events, "USDT", quote_e8, 0);
    put(events, MM_KIND_ACCOUNT_END, 1);
    put_command(events, MM_KIND_COMMAND, MM_COMMAND_START, 0);
    put_batch_end(events);
}

/* The market up, a diff, and the snapshot it follows. */
static inline void put_market(engine_events *events)
{
    put_link(events, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_UP);
    put_depth(events, MM_KIND_DEPTH, events->last_id + 1, events->last_id + 2, 1);
    put_batch_end(events);
    put_depth(events, MM_KIND_SNAPSHOT, events->last_id + 1, events->last_id + 1, 20);
    put_batch_end(events);
    events->last_id += 2;
}

/* Commands that there are, and filters that can be. */
static inline void make_sane(engine_events *events, mm_record *made)
{
    if (made->kind == MM_KIND_COMMAND) {
        made->body.command.command = fuzz_between(&events->in, MM_COMMAND_START, MM_COMMAND_STRATEGY_FAULT);
    }
    if (made->kind == MM_KIND_RULES) {
        mm_symbol symbol = events->symbol;
        symbol.tick_e8 <<= symbol.tick_e8 < INT64_C(1) << 50 ? fuzz_below(&events->in, 3) : 0;
        symbol.maker_fee_e8 = fuzz_between(&events->in, 0, 1000);
        mm_symbol_write(&symbol, made);
    }
}

/* Times that clocks tell, so that a log is not refused for them alone. */
static inline void set_times(engine_events *events, mm_record *made)
{
    switch (made->kind) {
    case MM_KIND_PARTIAL:
        made->body.depth.recv_ns = events->now_ns;
        break;
    case MM_KIND_TICKER:
        made->body.ticker.recv_ns = events->now_ns;
        break;
    case MM_KIND_TRADE:
        made->body.trade.recv_ns = events->now_ns;
        break;
    case MM_KIND_MARKET_LINK:
    case MM_KIND_MARKET_FAULT:
    case MM_KIND_ORDER_LINK:
        made->body.link.recv_ns = events->now_ns;
        break;
    case MM_KIND_BUDGET:
        made->body.budget.recv_ns = events->now_ns;
        break;
    case MM_KIND_CLOCK:
        made->body.command.value = HOST_CLOCK_NS + fuzz_between(&events->in, -100, 100) * SECOND;
        break;
    case MM_KIND_REJECT:
    case MM_KIND_CANCEL_REJECT:
    case MM_KIND_AMEND_REJECT:
    case MM_KIND_LIMIT:
    case MM_KIND_LOST:
    case MM_KIND_SENT:
    case MM_KIND_NOT_SENT:
        made->body.outcome.recv_ns = events->now_ns;
        made->body.outcome.until_ns = fuzz_bool(&events->in) ? 0 : events->now_ns + fuzz_between(&events->in, -9, 9) * SECOND;
        break;
    default:
        break;
    }
}

/* One event of any kind; its numbers are small, or of any size. */
static inline mm_record *put_any(engine_events *events)
{
    static const uint16_t kinds[] = {
        MM_KIND_TICKER,  MM_KIND_TRADE,    MM_KIND_MARKET_LINK,   MM_KIND_MARKET_FAULT, MM_KIND_REPORT, MM_KIND_ACK,
        MM_KIND_REJECT,  MM_KIND_CANCELED, MM_KIND_CANCEL_REJECT, MM_KIND_STATUS,       MM_KIND_LOST,   MM_KIND_SENT,
        MM_KIND_NOT_SENT, MM_KIND_BALANCE, MM_KIND_BALANCE_DELTA, MM_KIND_ORDER_LINK,   MM_KIND_LIMIT,  MM_KIND_AMENDED,
        MM_KIND_AMEND_REJECT, MM_KIND_BUDGET, MM_KIND_TRADE_ROW,  MM_KIND_TRADES_END,   MM_KIND_OPEN_ROW, MM_KIND_OPEN_END,
        MM_KIND_ACCOUNT_END, MM_KIND_PRICE, MM_KIND_COMMAND,      MM_KIND_CLOCK,        MM_KIND_QUOTE,  MM_KIND_TIMER,
        MM_KIND_RULES,   MM_KIND_PARTIAL};
    uint16_t kind = kinds[fuzz_u8(&events->in) % (sizeof kinds / sizeof kinds[0])];
    uint32_t count = kind == MM_KIND_REPORT || kind == MM_KIND_TRADE_ROW ? 2 : kind == MM_KIND_RULES ? MM_SYMBOL_RECORDS : 1;
    mm_record *made = put(events, kind, count);
    for (uint32_t i = 0; i < count; i++) {
        for (size_t j = 0; j < 6; j++) {
            made[i].body.numbers[j] = any_number(events);
        }
    }
    if (kind == MM_KIND_QUOTE || kind == MM_KIND_PARTIAL) { /* without levels behind */
        made->body.command.command = made->body.command.value = 0;
        made->body.depth.bid_count = made->body.depth.ask_count = 0;
    }
    made->flags = (uint16_t)fuzz_bytes(&events->in, 2);
    if (fuzz_u8(&events->in) < 230) {
        set_times(events, made);
    }
    if (!events->wild) {
        make_sane(events, made);
    }
    if (kind == MM_KIND_BALANCE || kind == MM_KIND_BALANCE_DELTA || kind == MM_KIND_PRICE) {
        memset(made->body.balance.asset, 0, sizeof made->body.balance.asset);
        strcpy(made->body.balance.asset, fuzz_bool(&events->in) ? "BTC" : "USDT");
        if (events->wild && fuzz_u8(&events->in) == 9) {
            memset(made->body.balance.asset, 'A', sizeof made->body.balance.asset);
        }
    }
    if (events->wild && fuzz_u8(&events->in) > 250) {
        made->kind = (uint16_t)fuzz_below(&events->in, 100);
        made->count = (uint32_t)fuzz_below(&events->in, 300);
    }
    return made;
}

#endif /* ENGINE_EVENTS_H */
