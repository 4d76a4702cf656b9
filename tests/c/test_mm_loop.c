/* The loop on one thread: bytes in, orders out. */
#include "mm_loop_host.h"

static void a_frame_becomes_an_order_in_one_pass(void)
{
    bot b = bot_open(NULL, 0);
    mm_record action;
    bot_start(&b);
    uint32_t bits = mm_loop_run(b.loop, 1, b.now_ns);
    MM_CHECK((bits & MM_RUN_ORDERS) != 0);
    MM_CHECK(mm_loop_pending(b.loop, MM_ROLE_ORDERS));
    MM_CHECK(mm_loop_next_action(b.loop, &action));
    MM_CHECK_INT(action.kind, ==, MM_KIND_PLACE);
    MM_CHECK_UINT(action.body.action.order_seq, ==, 1);
    MM_CHECK(mm_loop_sent(b.loop, &action, b.now_ns + 1000));
    bits = bot_order(&b, "{\"id\":\"p1\",\"status\":200,\"result\":{\"symbol\":\"BTCUSDT\",\"orderId\":12,\"orderListId\":-1,"
                         "\"clientOrderId\":\"mA1-0k3f9zq-0000001-b0\",\"transactTime\":1700000000000,"
                         "\"price\":\"66933.00\",\"origQty\":\"0.00100\",\"executedQty\":\"0.00000\",\"status\":\"NEW\","
                         "\"timeInForce\":\"GTC\",\"type\":\"LIMIT_MAKER\",\"side\":\"BUY\"},\"rateLimits\":[]}");
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    mm_engine_status status;
    mm_loop_read(b.loop, 1, &status);
    MM_CHECK_UINT(status.orders_sent, ==, 1);
    MM_CHECK_UINT(status.orders_acked, ==, 1);
    /* A snapshot was behind this order, not a frame. */
    MM_CHECK_UINT(mm_loop_hist(b.loop, MM_STAGE_TICK_TO_ORDER)->count, ==, 0);
    MM_CHECK_UINT(mm_loop_hist(b.loop, MM_STAGE_QUOTE_TO_SEND)->count, ==, 1);
    MM_CHECK_UINT(mm_loop_hist(b.loop, MM_STAGE_ORDER_TO_ACK)->count, ==, 1);
    bot_close(&b);
}

static void the_time_from_a_frame_to_its_order_is_measured(void)
{
    bot b = bot_open(NULL, 0);
    mm_record action;
    bot_start(&b);
    b.now_ns += MS;
    (void)bot_market(&b, "{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\",\"U\":103,\"u\":103,"
                         "\"b\":[[\"66990.00\",\"1\"]],\"a\":[]}");
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    MM_CHECK(mm_loop_next_action(b.loop, &action));
    MM_CHECK_INT(action.body.action.cause_ns, ==, b.now_ns);
    MM_CHECK(mm_loop_sent(b.loop, &action, b.now_ns + 12345));
    MM_CHECK_INT(mm_loop_hist(b.loop, MM_STAGE_TICK_TO_ORDER)->max_ns, ==, 12345);
    bot_close(&b);
}

static void cancels_come_before_orders(void)
{
    bot b = bot_open(NULL, 0);
    mm_record action;
    bot_start(&b);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    mm_record cancel = host_event(MM_KIND_CANCEL);
    cancel.body.action.order_seq = 9;
    MM_CHECK(mm_spsc_push(mm_loop_ring(b.loop, MM_RING_CANCEL), &cancel));
    MM_CHECK(mm_loop_next_action(b.loop, &action));
    MM_CHECK_INT(action.kind, ==, MM_KIND_CANCEL);
    MM_CHECK(mm_loop_next_action(b.loop, &action));
    MM_CHECK_INT(action.kind, ==, MM_KIND_PLACE);
    bot_close(&b);
}

static mm_gate *open_gate(int64_t orders_per_1s_max, bool logged_on)
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
    config.orders_per_10s_max = 1000;
    config.orders_per_day_max = 1000;
    mm_gate *gate = mm_gate_new(&config);
    mm_gate_clock(gate, 0);
    mm_gate_session(gate, logged_on);
    return gate;
}

static void push_place(bot *b, uint64_t seq)
{
    mm_record place = host_event(MM_KIND_PLACE);
    place.body.action.order_seq = seq;
    place.body.action.price_e8 = place.body.action.qty_e8 = 1;
    place.body.action.decision_ns = b->now_ns;
    MM_CHECK(mm_spsc_push(mm_loop_ring(b->loop, MM_RING_ACTION), &place));
}

/* The next outcome an action had. */
static mm_record pop_outcome(bot *b)
{
    mm_record record;
    memset(&record, 0, sizeof record);
    MM_CHECK(mm_spsc_pop(mm_loop_ring(b->loop, MM_RING_EXEC), &record, 1) == 1);
    return record;
}

static void actions_of_a_decision_become_one_burst_and_what_the_gate_refuses_is_told(void)
{
    bot b = bot_open(NULL, 0);
    mm_gate *gate = open_gate(2, true);
    const char *payload = NULL;
    size_t payload_bytes = 0;
    int32_t asked = 0;
    const uint8_t *bytes = NULL;
    mm_record cancel = host_event(MM_KIND_CANCEL);
    cancel.body.action.exchange_id = 7;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        push_place(&b, seq);
    }
    MM_CHECK(mm_spsc_push(mm_loop_ring(b.loop, MM_RING_CANCEL), &cancel));
    asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, NULL, 0, &payload, &payload_bytes);
    MM_CHECK_INT(asked, ==, 0);
    mm_record outcome = pop_outcome(&b); /* the third order is one too many for a second */
    MM_CHECK_UINT(outcome.kind, ==, MM_KIND_NOT_SENT);
    MM_CHECK_UINT(outcome.body.outcome.order_seq, ==, 3);
    MM_CHECK_UINT(outcome.body.outcome.verdict, ==, MM_BIT(MM_REASON_RATE_LIMIT));
    MM_CHECK(mm_gate_take(gate, &bytes) > 0);
    MM_CHECK(mm_spsc_empty(mm_loop_ring(b.loop, MM_RING_EXEC))); /* nothing is SENT before it is */
    mm_loop_burst_sent(b.loop, true, b.now_ns + 5);
    static const int32_t operations[] = {MM_OP_CANCEL, MM_OP_PLACE, MM_OP_PLACE};
    for (size_t i = 0; i < 3; i++) {
        outcome = pop_outcome(&b);
        MM_CHECK_UINT(outcome.kind, ==, MM_KIND_SENT);
        MM_CHECK_INT(outcome.body.outcome.operation, ==, operations[i]);
        MM_CHECK_UINT(outcome.body.outcome.order_seq, ==, i);
        MM_CHECK_INT(outcome.body.outcome.recv_ns, ==, b.now_ns + 5);
    }
    MM_CHECK(mm_spsc_empty(mm_loop_ring(b.loop, MM_RING_EXEC)));
    mm_gate_free(gate);
    bot_close(&b);
}

static void a_burst_that_could_not_be_handed_over_was_not_sent(void)
{
    bot b = bot_open(NULL, 0);
    mm_gate *gate = open_gate(100, true);
    const char *payload = NULL;
    size_t payload_bytes = 0;
    int32_t asked = 0;
    push_place(&b, 1);
    push_place(&b, 2);
    asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, NULL, 0, &payload, &payload_bytes);
    MM_CHECK_INT(asked, ==, 0);
    mm_loop_burst_sent(b.loop, false, b.now_ns);
    for (uint64_t seq = 1; seq <= 2; seq++) {
        mm_record outcome = pop_outcome(&b);
        MM_CHECK_UINT(outcome.kind, ==, MM_KIND_NOT_SENT);
        MM_CHECK_UINT(outcome.body.outcome.order_seq, ==, seq);
        MM_CHECK_UINT(outcome.body.outcome.verdict, ==, MM_BIT(MM_REASON_DISCONNECTED));
    }
    mm_gate_free(gate);
    bot_close(&b);
}

static void without_a_log_on_each_request_of_a_burst_is_signed_on_the_way(void)
{
    static const char signature[] = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
    bot b = bot_open(NULL, 0);
    mm_gate *gate = open_gate(100, false);
    const char *payload = NULL;
    size_t payload_bytes = 0;
    int32_t asked = 0;
    const uint8_t *bytes = NULL;
    push_place(&b, 1);
    push_place(&b, 2);
    asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, NULL, 0, &payload, &payload_bytes);
    MM_CHECK_INT(asked, ==, MM_ENCODE_SIGN);
    MM_CHECK(payload_bytes > 7 && memcmp(payload, "apiKey=", 7) == 0);
    asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, signature, 64, &payload, &payload_bytes);
    MM_CHECK_INT(asked, ==, MM_ENCODE_SIGN);
    asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, signature, 64, &payload, &payload_bytes);
    MM_CHECK_INT(asked, ==, 0);
    MM_CHECK_UINT(payload_bytes, ==, 0);
    size_t both = mm_gate_take(gate, &bytes);
    MM_CHECK(both > 2 * 300 && both < 2 * 600);
    mm_loop_burst_sent(b.loop, true, b.now_ns);
    push_place(&b, 3);
    asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, NULL, 0, &payload, &payload_bytes);
    MM_CHECK_INT(asked, ==, MM_ENCODE_SIGN);
    asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, "no", 2, &payload, &payload_bytes);
    MM_CHECK_INT(asked, ==, MM_E_ARGUMENT);
    mm_gate_free(gate);
    bot_close(&b);
}

static void a_request_that_was_never_signed_is_not_told_as_sent(void)
{
    static const char signature[] = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
    bot b = bot_open(NULL, 0);
    mm_gate *gate = open_gate(100, false);
    const char *payload = NULL;
    size_t payload_bytes = 0;
    int32_t asked = 0;
    for (uint64_t seq = 1; seq <= 4; seq++) {
        push_place(&b, seq);
    }
    /* The first is signed, the second wrongly, the third not at all, the fourth is signed. */
    static const int32_t answers[] = {MM_ENCODE_SIGN, MM_ENCODE_SIGN, MM_E_ARGUMENT, MM_ENCODE_SIGN, MM_ENCODE_SIGN, 0};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        bool signs = i == 1 || i == 5, botches = i == 2;
        asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, signs ? signature : botches ? "no" : NULL,
                                     signs ? 64 : botches ? 2 : 0, &payload, &payload_bytes);
        MM_CHECK_INT(asked, ==, answers[i]);
    }
    mm_loop_burst_sent(b.loop, true, b.now_ns);
    for (uint64_t seq = 2; seq <= 3; seq++) {
        mm_record outcome = pop_outcome(&b);
        MM_CHECK_UINT(outcome.kind, ==, MM_KIND_NOT_SENT);
        MM_CHECK_UINT(outcome.body.outcome.order_seq, ==, seq);
        MM_CHECK_UINT(outcome.body.outcome.verdict, ==, MM_BIT(MM_REASON_CREDENTIALS));
    }
    for (uint64_t seq = 1; seq <= 4; seq += 3) {
        mm_record outcome = pop_outcome(&b);
        MM_CHECK_UINT(outcome.kind, ==, MM_KIND_SENT);
        MM_CHECK_UINT(outcome.body.outcome.order_seq, ==, seq);
    }
    mm_gate_free(gate);
    bot_close(&b);
}

static void a_burst_ends_where_its_outcomes_would_have_no_room(void)
{
    bot b = bot_open(NULL, 0);
    mm_gate *gate = open_gate(1000, true);
    const char *payload = NULL;
    size_t payload_bytes = 0;
    int32_t asked = 0;
    const uint8_t *bytes = NULL;
    for (uint64_t seq = 1; seq <= 40; seq++) {
        push_place(&b, seq);
    }
    mm_spsc *exec = mm_loop_ring(b.loop, MM_RING_EXEC);
    mm_record filler = host_event(MM_KIND_SENT);
    while (mm_spsc_room(exec) > 3) {
        MM_CHECK(mm_spsc_push(exec, &filler));
    }
    asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, NULL, 0, &payload, &payload_bytes);
    MM_CHECK_INT(asked, ==, MM_ENCODE_MORE);
    MM_CHECK(mm_gate_take(gate, &bytes) > 0);
    mm_loop_burst_sent(b.loop, true, b.now_ns);
    MM_CHECK_UINT(mm_spsc_room(exec), ==, 0);
    asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, NULL, 0, &payload, &payload_bytes);
    MM_CHECK_INT(asked, ==, MM_ENCODE_MORE);
    MM_CHECK(mm_gate_take(gate, &bytes) == 0);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, NULL, 0, &payload, &payload_bytes);
    MM_CHECK_INT(asked, ==, MM_ENCODE_MORE);
    MM_CHECK(mm_gate_take(gate, &bytes) > 0); /* as many as a burst holds */
    mm_loop_burst_sent(b.loop, true, b.now_ns);
    asked = mm_loop_burst_encode(b.loop, gate, b.now_ns, NULL, 0, &payload, &payload_bytes);
    MM_CHECK_INT(asked, ==, 0);
    mm_loop_burst_sent(b.loop, true, b.now_ns);
    MM_CHECK_INT((int64_t)mm_gate_orders_out(gate), ==, 40);
    mm_gate_free(gate);
    bot_close(&b);
}

static void counts_in_a_reply_do_not_hide_it_from_the_host(void)
{
    static const char limits[] = "\"rateLimits\":[{\"rateLimitType\":\"ORDERS\",\"interval\":\"SECOND\",\"intervalNum\":10,"
                                 "\"limit\":50,\"count\":1}]}";
    bot b = bot_open(NULL, 0);
    char text[512];
    uint32_t bits = 0;
    snprintf(text, sizeof text, "{\"id\":\"s1\",\"status\":200,\"result\":{},%s", limits);
    bits = bot_order(&b, text);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS | MM_PUMP_REPLY);
    MM_CHECK(pop_outcome(&b).kind == MM_KIND_BUDGET);
    snprintf(text, sizeof text, "{\"id\":\"p1\",\"status\":429,\"error\":{\"code\":-1015,\"msg\":\"Too many\"},%s", limits);
    bits = bot_order(&b, text);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS | MM_PUMP_LIMIT);
    bot_close(&b);
}

static void a_held_engine_is_not_run_twice(void)
{
    bot b = bot_open(NULL, 0);
    MM_CHECK(mm_role_try(mm_loop_role(b.loop, MM_ROLE_ENGINE), 7));
    MM_CHECK_UINT(mm_loop_run(b.loop, 1, b.now_ns), ==, MM_RUN_BUSY);
    mm_role_release(mm_loop_role(b.loop, MM_ROLE_ENGINE), 7);
    MM_CHECK((mm_loop_run(b.loop, 1, b.now_ns) & MM_RUN_BUSY) == 0);
    bot_close(&b);
}

static void a_ping_is_answered_with_its_payload_and_counts_as_life(void)
{
    bot b = bot_open(NULL, 0);
    uint8_t reply[256];
    size_t bytes = 0;
    bot_frame(b.market_ws, MM_WS_PING, "1700", 4);
    uint32_t bits = mm_loop_pump(b.loop, MM_CHANNEL_MARKET, 0, b.market_ws, b.market_feed, b.now_ns, reply, sizeof reply,
                                 &bytes);
    MM_CHECK_UINT(bits, ==, MM_PUMP_CONTROL | MM_PUMP_RECORDS);
    MM_CHECK_UINT(bytes, ==, 2 + 4 + 4);
    MM_CHECK_UINT(reply[0], ==, 0x80 | MM_WS_PONG);
    for (size_t i = 0; i < 4; i++) {
        MM_CHECK_UINT(reply[6 + i] ^ reply[2 + i], ==, (uint8_t)"1700"[i]);
    }
    bot_close(&b);
}

static void the_hosts_replies_stop_the_pump_and_orders_do_not(void)
{
    bot b = bot_open(NULL, 0);
    uint32_t bits = bot_order(&b, "{\"id\":\"s1\",\"status\":200,\"result\":{\"subscriptionId\":0}}");
    MM_CHECK_UINT(bits, ==, MM_PUMP_REPLY);
    MM_CHECK_TEXT(mm_feed_last(b.order_feed)->request_id, "s1");
    bits = bot_order(&b, "{\"id\":\"s2\",\"status\":418,\"error\":{\"code\":-1003,\"msg\":\"banned\","
                         "\"data\":{\"serverTime\":1,\"retryAfter\":1659146400000}}}");
    MM_CHECK((bits & MM_PUMP_LIMIT) != 0);
    MM_CHECK_INT(mm_feed_last(b.order_feed)->retry_after_ms, ==, INT64_C(1659146400000));
    bot_close(&b);
}

static void malformed_market_data_reaches_the_engine_with_its_place(void)
{
    bot b = bot_open(NULL, 0);
    bot_start(&b);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    uint32_t bits = bot_market(&b, "{\"e\":\"depthUpdate\",\"s\":\"BTCUSDT\",\"U\":103,\"u\":103,\"b\":[[\"1e5\",\"1\"]],\"a\":[]}");
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    mm_engine_status status;
    mm_loop_read(b.loop, 1, &status);
    MM_CHECK_UINT(status.malformed, ==, 1);
    MM_CHECK_INT(status.sync_state, ==, MM_SYNC_WAITING);
    bot_close(&b);
}

/* bestBidAsk of the binary streams: update 103, 66,998.00 x 1 and 67,002.00 x 2 in cents and units of 1e-5. */
static const char BINARY_TICKER[] = "\x32\0\x11\x27\1\0\0\0"
                                    "\0\0\1\0\0\0\0\0"
                                    "\x67\0\0\0\0\0\0\0"
                                    "\xfe\xfb"
                                    "\x18\x3b\x66\0\0\0\0\0"
                                    "\xa0\x86\1\0\0\0\0\0"
                                    "\xa8\x3c\x66\0\0\0\0\0"
                                    "\x40\x0d\3\0\0\0\0\0"
                                    "\7"
                                    "BTCUSDT";

static uint32_t market_binary(bot *b, size_t bytes)
{
    uint8_t reply[256];
    size_t reply_bytes = 0;
    bot_frame(b->market_ws, MM_WS_BINARY, BINARY_TICKER, bytes);
    return mm_loop_pump(b->loop, MM_CHANNEL_MARKET, 0, b->market_ws, b->market_feed, b->now_ns, reply, sizeof reply,
                        &reply_bytes);
}

static void binary_frames_of_the_market_channel_are_read_as_sbe(void)
{
    bot b = bot_open(NULL, 0);
    mm_engine_status status;
    bot_start(&b);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    uint32_t bits = market_binary(&b, sizeof BINARY_TICKER - 1);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    mm_loop_read(b.loop, 1, &status);
    MM_CHECK_INT(status.top.bid_price_e8, ==, INT64_C(66998) * MM_ONE_E8);
    MM_CHECK_INT(status.top.ask_price_e8, ==, INT64_C(67002) * MM_ONE_E8);
    MM_CHECK_INT(status.top.ask_qty_e8, ==, 2 * MM_ONE_E8);
    bits = market_binary(&b, sizeof BINARY_TICKER - 2);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    mm_loop_read(b.loop, 1, &status);
    MM_CHECK_UINT(status.malformed, ==, 1);
    MM_CHECK_INT(status.sync_state, ==, MM_SYNC_WAITING);
    bot_close(&b);
}

/* The next trade. */
static uint32_t market_trade(bot *b)
{
    static long long trade_id;
    char text[160];
    snprintf(text, sizeof text,
             "{\"e\":\"trade\",\"E\":1,\"s\":\"BTCUSDT\",\"t\":%lld,\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":true,\"M\":true}",
             ++trade_id);
    return bot_market(b, text);
}

static uint32_t market_diff(bot *b, uint32_t socket, int first_id, int last_id)
{
    char text[160];
    uint8_t reply[256];
    size_t reply_bytes = 0;
    snprintf(text, sizeof text,
             "{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\",\"U\":%d,\"u\":%d,\"b\":[[\"66990.00\",\"%d\"]],\"a\":[]}",
             first_id, last_id, last_id);
    bot_frame(b->market_ws, MM_WS_TEXT, text, strlen(text));
    return mm_loop_pump(b->loop, MM_CHANNEL_MARKET, socket, b->market_ws, b->market_feed, b->now_ns, reply, sizeof reply,
                        &reply_bytes);
}

static void two_connections_give_the_engine_each_diff_once_and_no_gap(void)
{
    bot b = bot_open(NULL, 0);
    mm_engine_status status;
    mm_loop_socket_up(b.loop, 0);
    mm_loop_socket_up(b.loop, 1);
    bot_start(&b); /* socket 0: diff 101..102 */
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    uint32_t bits = market_diff(&b, 1, 101, 102);
    MM_CHECK_UINT(bits, ==, 0); /* a duplicate: the engine need not run */
    bits = market_diff(&b, 0, 105, 106);
    MM_CHECK_UINT(bits, ==, 0); /* a hole that socket 1 may fill */
    MM_CHECK_INT(mm_loop_socket_deadline(b.loop), ==, b.now_ns + 200 * MS);
    bits = market_diff(&b, 1, 103, 104);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    bits = mm_loop_socket_down(b.loop, 0, b.now_ns);
    MM_CHECK_UINT(bits, ==, 0);
    bits = market_diff(&b, 1, 105, 106);
    MM_CHECK_UINT(bits, ==, 0);
    bits = market_diff(&b, 1, 107, 108);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    mm_loop_read(b.loop, 1, &status);
    MM_CHECK_INT(status.last_update_id, ==, 108);
    MM_CHECK_UINT(status.gaps, ==, 0);
    MM_CHECK_UINT(status.resyncs, ==, 0);
    MM_CHECK_UINT(mm_loop_socket_statistics(b.loop).dropped, ==, 2);
    bot_close(&b);
}

static void a_hole_nobody_fills_becomes_a_gap_when_its_time_is_over(void)
{
    bot b = bot_open(NULL, 0);
    mm_engine_status status;
    mm_loop_socket_up(b.loop, 0);
    mm_loop_socket_up(b.loop, 1);
    bot_start(&b);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    (void)market_diff(&b, 0, 105, 106);
    uint32_t bits = mm_loop_socket_due(b.loop, b.now_ns + 200 * MS - 1);
    MM_CHECK_UINT(bits, ==, 0);
    bits = mm_loop_socket_due(b.loop, b.now_ns + 200 * MS);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    mm_loop_read(b.loop, 1, &status);
    MM_CHECK_UINT(status.gaps, ==, 1);
    bot_close(&b);
}

static void ids_that_begin_anew_throw_the_book_away(void)
{
    bot b = bot_open(NULL, 0);
    mm_engine_status status;
    mm_loop_socket_up(b.loop, 0);
    bot_start(&b);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    (void)market_diff(&b, 0, 5, 6);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    mm_loop_read(b.loop, 1, &status);
    MM_CHECK_INT(status.sync_state, ==, MM_SYNC_WAITING);
    MM_CHECK_UINT(status.malformed, ==, 0);
    bot_close(&b);
}

static void a_full_market_ring_drops_whole_events_and_says_so(void)
{
    bot b = bot_open(NULL, 0);
    uint32_t bits = 0;
    for (int i = 0; i < 9000 && (bits & MM_PUMP_DROPPED) == 0; i++) {
        bits = market_trade(&b);
    }
    MM_CHECK((bits & MM_PUMP_DROPPED) != 0);
    while (mm_loop_pending(b.loop, MM_ROLE_ENGINE)) {
        (void)mm_loop_run(b.loop, 1, b.now_ns);
    }
    bits = market_trade(&b);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    const mm_record *first = mm_spsc_peek(mm_loop_ring(b.loop, MM_RING_MARKET));
    MM_REQUIRE(first != NULL);
    MM_CHECK_INT(first->kind, ==, MM_KIND_MARKET_FAULT);
    bot_close(&b);
}

static void a_pong_does_not_keep_a_book_alive_that_has_lost_an_event(void)
{
    bot b = bot_open(NULL, 0);
    uint32_t bits = 0;
    for (int i = 0; i < 9000 && (bits & MM_PUMP_DROPPED) == 0; i++) {
        bits = market_trade(&b);
    }
    MM_CHECK((bits & MM_PUMP_DROPPED) != 0);
    while (mm_loop_pending(b.loop, MM_ROLE_ENGINE)) {
        (void)mm_loop_run(b.loop, 1, b.now_ns);
    }
    uint8_t reply[256];
    size_t reply_bytes = 0;
    bot_frame(b.market_ws, MM_WS_PONG, "1", 1);
    bits = mm_loop_pump(b.loop, MM_CHANNEL_MARKET, 0, b.market_ws, b.market_feed, b.now_ns, reply, sizeof reply, &reply_bytes);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    const mm_record *first = mm_spsc_peek(mm_loop_ring(b.loop, MM_RING_MARKET));
    MM_REQUIRE(first != NULL);
    MM_CHECK_INT(first->kind, ==, MM_KIND_MARKET_FAULT);
    bot_close(&b);
}

static void a_pong_tells_how_long_ago_its_ping_left(void)
{
    bot b = bot_open(NULL, 0);
    uint8_t reply[256], payload[8];
    size_t reply_bytes = 0;
    int64_t sent_ns = b.now_ns - INT64_C(123456789);
    for (size_t i = 0; i < sizeof payload; i++) {
        payload[i] = (uint8_t)((uint64_t)sent_ns >> (8 * i));
    }
    /* One that has brought no diff says nothing: found in virtual time, when the last connection was lost before another was
     * there, and what came in between was on neither. */
    static const struct {
        size_t bytes;
        int64_t round_trip_ns;
        bool joined;
    } cases[] = {{8, 0, false}, {8, 123456789, true}, {7, 0, true}, {0, 0, true}};
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        mm_record drained[8];
        mm_loop_socket_up(b.loop, 0);
        if (cases[i].joined) {
            (void)market_diff(&b, 0, 101 + (int)i, 101 + (int)i);
        }
        while (mm_spsc_pop(mm_loop_ring(b.loop, MM_RING_MARKET), drained, MM_TEST_COUNT(drained)) > 0) {
        }
        bot_frame(b.market_ws, MM_WS_PONG, (const char *)payload, cases[i].bytes);
        (void)mm_loop_pump(b.loop, MM_CHANNEL_MARKET, 0, b.market_ws, b.market_feed, b.now_ns, reply, sizeof reply,
                           &reply_bytes);
        mm_record pong;
        MM_REQUIRE(mm_spsc_pop(mm_loop_ring(b.loop, MM_RING_MARKET), &pong, 1) == 1);
        MM_CHECK_INT(pong.body.link.state, ==, MM_LINK_PONG);
        MM_CHECK_INT(pong.body.link.detail, ==, cases[i].round_trip_ns);
    }
    bot_close(&b);
}

static void a_log_that_cannot_keep_up_kills_the_run(void)
{
    bot b = bot_open(NULL, 256);
    uint32_t bits = 0;
    for (int i = 0; i < 400; i++) {
        (void)market_trade(&b);
        bits |= mm_loop_run(b.loop, 1, b.now_ns);
    }
    MM_CHECK((bits & MM_RUN_LOG_LOST) != 0);
    mm_engine_status status;
    mm_loop_read(b.loop, 1, &status);
    MM_CHECK_INT(status.state, ==, MM_STATE_KILLED);
    MM_CHECK((status.verdict & MM_BIT(MM_REASON_LOG_FULL)) != 0);
    bot_close(&b);
}

static int64_t garbage_clock(void)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (int64_t)state;
}

enum { LOGGED_MAX = 16384 };

static size_t record_run(mm_clock_fn clock, mm_record *logged)
{
    bot b = bot_open(clock, 65536);
    size_t at = 0, count = 0;
    bot_start(&b);
    for (int i = 0; i < 200; i++) {
        char text[256];
        int shift = (int)(mm_test_below(60));
        snprintf(text, sizeof text,
                 "{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\",\"U\":%d,\"u\":%d,\"b\":[[\"%d.00\",\"1.5\"]],"
                 "\"a\":[[\"%d.00\",\"0.5\"]]}",
                 103 + i, 103 + i, 66999 - shift, 67001 + shift);
        (void)bot_market(&b, text);
        (void)mm_loop_run(b.loop, 1, b.now_ns);
        b.now_ns += 7 * MS;
        while ((count = mm_spsc_pop(mm_loop_ring(b.loop, MM_RING_LOG), logged + at, LOGGED_MAX - at)) > 0) {
            at += count;
        }
    }
    bot_close(&b);
    return at;
}

static void the_log_replays_to_the_same_actions_and_a_garbage_telemetry_clock_changes_nothing(void)
{
    static mm_record logged[LOGGED_MAX], other[LOGGED_MAX], actions[LOGGED_MAX];
    size_t count = record_run(NULL, logged);
    mm_test_reseed("the_log_replays_to_the_same_actions_and_a_garbage_telemetry_clock_changes_nothing", mm_test_seed());
    size_t other_count = record_run(garbage_clock, other);
    MM_CHECK_UINT(count, ==, other_count);
    MM_CHECK_BYTES(logged, other, count * sizeof logged[0]);
    const char *bad_field = NULL;
    mm_engine_config config = host_config();
    config.refresh_tolerance_bps = 0;
    mm_engine *engine = mm_engine_new(&config, &bad_field);
    size_t made = 0, consumed = 0, mismatch = 0;
    MM_CHECK(mm_log_replay(engine, logged, count, actions, LOGGED_MAX, &made, &consumed, &mismatch) == MM_OK);
    MM_CHECK(mismatch == SIZE_MAX);
    MM_CHECK_UINT(consumed, ==, count);
    MM_CHECK_UINT(made, >, 2);
    mm_engine_free(engine);
    /* One changed input is noticed. */
    for (size_t i = 0; i < count; i++) {
        if (logged[i].kind == MM_KIND_PLACE) {
            logged[i].body.action.price_e8 += TICK;
            break;
        }
    }
    engine = mm_engine_new(&config, &bad_field);
    MM_CHECK(mm_log_replay(engine, logged, count, actions, LOGGED_MAX, &made, &consumed, &mismatch) == MM_OK);
    MM_CHECK(mismatch != SIZE_MAX);
    mm_engine_free(engine);
}

static mm_status replay_of(const mm_record *records, size_t count, size_t action_capacity, size_t *consumed)
{
    static mm_record actions[64];
    const char *bad_field = NULL;
    size_t made = 0, mismatch = 0;
    mm_engine_config config = host_config();
    mm_engine *engine = mm_engine_new(&config, &bad_field);
    mm_status status = mm_log_replay(engine, records, count, actions, action_capacity, &made, consumed, &mismatch);
    mm_engine_free(engine);
    return status;
}

static void a_log_whose_events_have_not_the_records_their_kind_says_is_refused(void)
{
    static mm_record records[MM_SYMBOL_RECORDS + 1];
    static const struct {
        uint16_t kind;
        uint32_t count;
        int64_t first, second; /* levels of a depth event's or a quote's two sides */
    } cases[] = {
        {MM_KIND_DEPTH, 2, 0, 0},     {MM_KIND_DEPTH, 1, MM_DEPTH_LEVELS_MAX + 1, 0},
        {MM_KIND_SNAPSHOT, 1, 0, MM_DEPTH_LEVELS_MAX + 1},
        {MM_KIND_PARTIAL, 1, 1, 0},   {MM_KIND_QUOTE, 2, 0, 0},
        {MM_KIND_QUOTE, 1, -1, 0},    {MM_KIND_QUOTE, 1, MM_LAYERS_MAX + 1, 0},
        {MM_KIND_QUOTE, 1, 0, -1},    {MM_KIND_QUOTE, 1, 0, MM_LAYERS_MAX + 1},
        {MM_KIND_REPORT, 1, 0, 0},    {MM_KIND_TRADE_ROW, 3, 0, 0},
        {MM_KIND_RULES, 1, 0, 0},     {MM_KIND_TIMER, 2, 0, 0},
    };
    size_t consumed = 0;
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        memset(records, 0, sizeof records);
        records[0].kind = cases[i].kind;
        records[0].count = cases[i].count;
        if (cases[i].kind == MM_KIND_QUOTE) {
            records[0].body.command.command = cases[i].first;
            records[0].body.command.value = cases[i].second;
        } else if (cases[i].kind <= MM_KIND_PARTIAL) {
            records[0].body.depth.bid_count = (uint32_t)cases[i].first;
            records[0].body.depth.ask_count = (uint32_t)cases[i].second;
        }
        mm_status status = replay_of(records, MM_TEST_COUNT(records), 64, &consumed);
        MM_CHECK_INT(status, ==, MM_E_SYNTAX);
    }
}

static void new_rules_quotes_and_reports_are_replayed_and_a_cut_event_waits_for_its_rest(void)
{
    static mm_record records[MM_SYMBOL_RECORDS + 4];
    size_t consumed = 0;
    mm_symbol symbol = host_config().symbol;
    memset(records, 0, sizeof records);
    symbol.step_e8 *= 2;
    mm_symbol_write(&symbol, records);
    records[MM_SYMBOL_RECORDS] = host_event(MM_KIND_QUOTE);
    records[MM_SYMBOL_RECORDS + 1] = host_event(MM_KIND_TIMER);
    records[MM_SYMBOL_RECORDS + 2] = host_event(MM_KIND_REPORT);
    records[MM_SYMBOL_RECORDS + 2].count = 2;
    records[MM_SYMBOL_RECORDS + 3].kind = MM_KIND_MORE;
    mm_status status = replay_of(records, MM_TEST_COUNT(records), 64, &consumed);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_UINT(consumed, ==, MM_TEST_COUNT(records));
    status = replay_of(records, MM_TEST_COUNT(records) - 1, 64, &consumed);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_UINT(consumed, ==, MM_SYMBOL_RECORDS + 2);
}

static void actions_that_were_never_made_or_have_no_room_end_a_replay(void)
{
    mm_record records[3];
    static mm_record actions[4];
    size_t consumed = 0, made = 0, mismatch = 0;
    const char *bad_field = NULL;
    memset(records, 0, sizeof records);
    records[0] = host_event(MM_KIND_BATCH_END);
    records[0].body.command.now_ns = SECOND;
    records[0].body.command.value = records[0].body.command.value2 = 8;
    mm_status status = replay_of(records, 1, 0, &consumed); /* the first decision tells its state */
    MM_CHECK_INT(status, ==, MM_E_CAPACITY);
    records[1] = records[2] = host_event(MM_KIND_PLACE); /* nobody made these */
    mm_engine_config config = host_config();
    mm_engine *engine = mm_engine_new(&config, &bad_field);
    status = mm_log_replay(engine, records, 3, actions, 4, &made, &consumed, &mismatch);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_UINT(made, ==, 1);
    MM_CHECK_UINT(mismatch, ==, 0); /* the first that differs */
    mm_engine_free(engine);
}

static void the_header_of_a_log_says_what_made_it(void)
{
    static uint8_t bytes[MM_LOG_HEADER_BYTES];
    mm_log_header header;
    mm_engine_config config = host_config();
    MM_CHECK(mm_log_header_make(&config, bytes, sizeof bytes) == MM_OK);
    MM_CHECK(mm_log_header_make(&config, bytes, sizeof bytes - 1) == MM_E_CAPACITY);
    MM_CHECK(mm_log_header_read(bytes, sizeof bytes, &header) == MM_OK);
    MM_CHECK_BYTES(&header.config, &config, sizeof config);
    MM_CHECK_TEXT(header.build, mm_build_info());
    bytes[0] ^= 1;
    MM_CHECK(mm_log_header_read(bytes, sizeof bytes, &header) == MM_E_SYNTAX);
    bytes[0] ^= 1;
    bytes[8] ^= 1;
    MM_CHECK(mm_log_header_read(bytes, sizeof bytes, &header) == MM_E_VERSION);
    bytes[8] ^= 1;
    bytes[offsetof(mm_log_header, config_bytes)] ^= 8;
    MM_CHECK(mm_log_header_read(bytes, sizeof bytes, &header) == MM_E_VERSION);
    MM_CHECK(mm_log_header_read(bytes, sizeof bytes - 1, &header) == MM_E_SYNTAX);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_frame_becomes_an_order_in_one_pass),
        MM_TEST(the_time_from_a_frame_to_its_order_is_measured),
        MM_TEST(cancels_come_before_orders),
        MM_TEST(actions_of_a_decision_become_one_burst_and_what_the_gate_refuses_is_told),
        MM_TEST(a_burst_that_could_not_be_handed_over_was_not_sent),
        MM_TEST(without_a_log_on_each_request_of_a_burst_is_signed_on_the_way),
        MM_TEST(a_request_that_was_never_signed_is_not_told_as_sent),
        MM_TEST(a_burst_ends_where_its_outcomes_would_have_no_room),
        MM_TEST(counts_in_a_reply_do_not_hide_it_from_the_host),
        MM_TEST(a_held_engine_is_not_run_twice),
        MM_TEST(a_ping_is_answered_with_its_payload_and_counts_as_life),
        MM_TEST(the_hosts_replies_stop_the_pump_and_orders_do_not),
        MM_TEST(malformed_market_data_reaches_the_engine_with_its_place),
        MM_TEST(binary_frames_of_the_market_channel_are_read_as_sbe),
        MM_TEST(two_connections_give_the_engine_each_diff_once_and_no_gap),
        MM_TEST(a_hole_nobody_fills_becomes_a_gap_when_its_time_is_over),
        MM_TEST(ids_that_begin_anew_throw_the_book_away),
        MM_TEST(a_full_market_ring_drops_whole_events_and_says_so),
        MM_TEST(a_pong_does_not_keep_a_book_alive_that_has_lost_an_event),
        MM_TEST(a_pong_tells_how_long_ago_its_ping_left),
        MM_TEST(a_log_that_cannot_keep_up_kills_the_run),
        MM_TEST(the_log_replays_to_the_same_actions_and_a_garbage_telemetry_clock_changes_nothing),
        MM_TEST(a_log_whose_events_have_not_the_records_their_kind_says_is_refused),
        MM_TEST(new_rules_quotes_and_reports_are_replayed_and_a_cut_event_waits_for_its_rest),
        MM_TEST(actions_that_were_never_made_or_have_no_room_end_a_replay),
        MM_TEST(the_header_of_a_log_says_what_made_it),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
