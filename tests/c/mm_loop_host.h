/* A bot of the loop without sockets: bytes are written into the parsers by hand. */
#ifndef MM_LOOP_HOST_H
#define MM_LOOP_HOST_H

#include "mm_engine_host.h"

typedef struct bot {
    mm_engine *engine;
    mm_loop *loop;
    mm_ws *market_ws;
    mm_ws *order_ws;
    mm_feed *market_feed;
    mm_feed *order_feed;
    int64_t now_ns;
} bot;

static inline mm_loop_config bot_config(int64_t log_records)
{
    mm_loop_config config;
    memset(&config, 0, sizeof config);
    config.market_records = 8192;
    config.exec_records = 1024;
    config.rest_records = 8192;
    config.action_records = 256;
    config.log_records = log_records;
    config.wait_policy = MM_WAIT_BLOCK;
    config.batch_events = 256;
    return config;
}

static inline bot bot_open_with(mm_clock_fn clock, int64_t log_records, int64_t strategy)
{
    bot b;
    const char *bad_field = NULL;
    mm_engine_config engine_config = host_config();
    engine_config.refresh_tolerance_bps = 0; /* every move of the mid is a new quote */
    engine_config.budget.orders_10s_limit = 60000; /* and none of them waits */
    engine_config.budget.orders_pct = 100;
    engine_config.risk.orders_per_1s_max = 60000;
    engine_config.risk.duplicate_window_ns = 1;
    engine_config.strategy = strategy;
    mm_loop_config config = bot_config(log_records);
    mm_feed_config feed;
    memset(&b, 0, sizeof b);
    memset(&feed, 0, sizeof feed);
    strcpy(feed.symbol, "BTCUSDT");
    strcpy(feed.order_prefix, "mA1-0k3f9zq-");
    strcpy(feed.account_prefix, "mA1-");
    b.engine = mm_engine_new(&engine_config, &bad_field);
    b.loop = mm_loop_new(&config, b.engine, clock);
    b.market_ws = mm_ws_new(1 << 20);
    b.order_ws = mm_ws_new(1 << 20);
    b.market_feed = mm_feed_new(&feed);
    b.order_feed = mm_feed_new(&feed);
    b.now_ns = 1000 * SECOND;
    MM_CHECK(b.loop != NULL && b.market_ws != NULL && b.order_ws != NULL && b.market_feed != NULL &&
             b.order_feed != NULL);
    return b;
}

static inline bot bot_open(mm_clock_fn clock, int64_t log_records)
{
    return bot_open_with(clock, log_records, MM_STRATEGY_INVENTORY_SKEW);
}

static inline void bot_close(bot *b)
{
    mm_loop_free(b->loop);
    mm_engine_free(b->engine);
    mm_ws_free(b->market_ws);
    mm_ws_free(b->order_ws);
    mm_feed_free(b->market_feed);
    mm_feed_free(b->order_feed);
}

/* A server's (unmasked) frame into a parser. */
static inline void bot_frame(mm_ws *ws, uint8_t opcode, const char *payload, size_t bytes)
{
    size_t room = 0;
    uint8_t *at = mm_ws_space(ws, &room);
    MM_CHECK(room >= bytes + 4 && bytes < 65536);
    at[0] = (uint8_t)(0x80 | opcode);
    size_t header = 2;
    if (bytes < 126) {
        at[1] = (uint8_t)bytes;
    } else {
        at[1] = 126;
        at[2] = (uint8_t)(bytes >> 8);
        at[3] = (uint8_t)bytes;
        header = 4;
    }
    memcpy(at + header, payload, bytes);
    mm_ws_filled(ws, header + bytes);
}

/* The frame into the parser as a socket would leave it there: its last bytes are not counted yet. */
static inline size_t bot_unread(bot *b, const char *json)
{
    size_t room = 0, bytes = strlen(json);
    uint8_t *at = mm_ws_space(b->market_ws, &room);
    MM_CHECK(bytes < 126 && room >= bytes + 2);
    at[0] = 0x80 | MM_WS_TEXT;
    at[1] = (uint8_t)bytes;
    memcpy(at + 2, json, bytes);
    return bytes + 2;
}

static inline uint32_t bot_market(bot *b, const char *json)
{
    uint8_t reply[256];
    size_t reply_bytes = 0;
    bot_frame(b->market_ws, MM_WS_TEXT, json, strlen(json));
    return mm_loop_pump(b->loop, MM_CHANNEL_MARKET, 0, b->market_ws, b->market_feed, b->now_ns, reply, sizeof reply,
                        &reply_bytes);
}

/* The answer to a ping that left 1 ms ago: nothing is held up on the way. */
static inline void bot_pong(bot *b)
{
    uint8_t reply[256];
    size_t reply_bytes = 0;
    char payload[8];
    for (size_t i = 0; i < sizeof payload; i++) {
        payload[i] = (char)((uint64_t)(b->now_ns - MS) >> (8 * i));
    }
    bot_frame(b->market_ws, MM_WS_PONG, payload, sizeof payload);
    (void)mm_loop_pump(b->loop, MM_CHANNEL_MARKET, 0, b->market_ws, b->market_feed, b->now_ns, reply, sizeof reply,
                       &reply_bytes);
}

/* The holder of ORDERS may be another thread than the one that moves the bot's clock. */
static inline uint32_t bot_order_at(bot *b, const char *json, int64_t now_ns)
{
    uint8_t reply[256];
    size_t reply_bytes = 0;
    bot_frame(b->order_ws, MM_WS_TEXT, json, strlen(json));
    return mm_loop_pump(b->loop, MM_CHANNEL_ORDER, 0, b->order_ws, b->order_feed, now_ns, reply, sizeof reply,
                        &reply_bytes);
}

static inline uint32_t bot_order(bot *b, const char *json)
{
    return bot_order_at(b, json, b->now_ns);
}

static inline bool bot_push(bot *b, int32_t ring, const mm_record *record)
{
    return mm_loop_push(b->loop, ring, record);
}

static inline void bot_link(bot *b, int32_t ring, uint16_t kind, int64_t channel)
{
    mm_record record = host_event(kind);
    record.body.link.state = MM_LINK_UP;
    record.body.link.channel = channel;
    record.body.link.recv_ns = b->now_ns;
    MM_CHECK(bot_push(b, ring, &record));
}

static inline void bot_balance(bot *b, const char *asset, int64_t free_e8)
{
    mm_record record = host_event(MM_KIND_BALANCE);
    strcpy(record.body.balance.asset, asset);
    record.body.balance.free_e8 = free_e8;
    MM_CHECK(bot_push(b, MM_RING_REST, &record));
}

/* Takes the REST worker's work; the open orders are none, twice. */
static inline bool bot_work(bot *b, mm_record *snapshot_wanted)
{
    mm_record work;
    bool wanted = false;
    while (mm_spsc_pop(mm_loop_ring(b->loop, MM_RING_WORK), &work, 1) > 0) {
        if (work.kind == MM_KIND_WANT_OPEN) {
            mm_record end = host_event(MM_KIND_OPEN_END);
            end.body.balance.token = work.body.command.command;
            MM_CHECK(bot_push(b, MM_RING_REST, &end));
        } else if (work.kind == MM_KIND_WANT_SNAPSHOT) {
            *snapshot_wanted = work;
            wanted = true;
        }
    }
    return wanted;
}

static inline void bot_snapshot(bot *b, int64_t last_id)
{
    char text[8192];
    size_t at = (size_t)snprintf(text, sizeof text, "{\"lastUpdateId\":%lld,\"bids\":[", (long long)last_id);
    for (int i = 0; i < 20; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s[\"%d.00\",\"1.00000\"]", i ? "," : "", 66999 - i);
    }
    at += (size_t)snprintf(text + at, sizeof text - at, "],\"asks\":[");
    for (int i = 0; i < 20; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s[\"%d.00\",\"1.00000\"]", i ? "," : "", 67001 + i);
    }
    at += (size_t)snprintf(text + at, sizeof text - at, "]}");
    static mm_record records[64];
    size_t count = 0, error_at = 0;
    MM_CHECK(mm_feed_decode(b->order_feed, text, at, b->now_ns, records, 64, &count, &error_at) == MM_OK);
    MM_CHECK(bot_push(b, MM_RING_REST, records));
}

/* Up to the first quotes. */
static inline void bot_start(bot *b)
{
    mm_record record = host_event(MM_KIND_CLOCK);
    mm_record wanted;
    record.body.command.value = INT64_C(1700000000000000000);
    MM_CHECK(bot_push(b, MM_RING_CONTROL, &record));
    bot_link(b, MM_RING_EXEC, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER);
    bot_link(b, MM_RING_EXEC, MM_KIND_ORDER_LINK, MM_CHANNEL_USER);
    bot_link(b, MM_RING_MARKET, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET);
    bot_balance(b, "BTC", MM_ONE_E8);
    bot_balance(b, "USDT", INT64_C(100000) * MM_ONE_E8);
    record = host_event(MM_KIND_COMMAND);
    record.body.command.command = MM_COMMAND_START;
    MM_CHECK(bot_push(b, MM_RING_REST, &record));
    for (int i = 0; i < 4; i++) {
        (void)mm_loop_run(b->loop, 1, b->now_ns);
        (void)bot_work(b, &wanted);
        b->now_ns += SECOND;
    }
    uint32_t bits = bot_market(b, "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\","
                                  "\"U\":101,\"u\":102,\"b\":[[\"66999.00\",\"2.0\"]],\"a\":[]}}");
    MM_CHECK((bits & MM_PUMP_RECORDS) != 0);
    (void)mm_loop_run(b->loop, 1, b->now_ns);
    MM_CHECK(bot_work(b, &wanted));
    bot_snapshot(b, 101);
}

static inline mm_gate *bot_gate(int64_t orders_per_1s_max, bool logged_on)
{
    mm_gate_config config;
    memset(&config, 0, sizeof config);
    strcpy(config.symbol, "BTCUSDT");
    strcpy(config.order_prefix, "mA1-0k3f9zq-");
    strcpy(config.stp_mode, "EXPIRE_TAKER");
    strcpy(config.api_key, "key");
    config.signature = logged_on ? MM_SIGN_ED25519 : MM_SIGN_HMAC;
    config.place_window_ms = 1000;
    config.other_window_ms = 5000;
    config.stale_decision_ns = SECOND;
    config.orders_per_1s_max = orders_per_1s_max;
    config.orders_per_10s_max = 4000;
    config.orders_per_day_max = 100000;
    mm_gate *gate = mm_gate_new(&config);
    mm_gate_clock(gate, 0);
    mm_gate_session(gate, logged_on);
    return gate;
}

#endif /* MM_LOOP_HOST_H */
