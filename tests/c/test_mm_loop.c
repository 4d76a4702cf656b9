/* The loop on one thread: bytes in, orders out. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include "mm_loop_host.h"

#include <pthread.h>
#include <time.h>

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
    MM_CHECK(mm_loop_read(b.loop, 1, &status));
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

static void push_place(bot *b, uint64_t seq)
{
    mm_record place = host_event(MM_KIND_PLACE);
    place.body.action.order_seq = seq;
    place.body.action.price_e8 = place.body.action.qty_e8 = 1;
    place.body.action.decision_ns = b->now_ns;
    MM_CHECK(mm_spsc_push(mm_loop_ring(b->loop, MM_RING_ACTION), &place));
}

/* What the last call of `encode` wants to be signed. */
static const char *to_sign;
static size_t to_sign_bytes;

static int32_t encode(bot *b, mm_gate *gate, const char *signature)
{
    size_t bytes = signature != NULL ? strlen(signature) : 0;
    return mm_loop_burst_encode(b->loop, gate, b->now_ns, signature, bytes, &to_sign, &to_sign_bytes);
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
    mm_gate *gate = bot_gate(2, true);
    const uint8_t *bytes = NULL;
    mm_record cancel = host_event(MM_KIND_CANCEL);
    cancel.body.action.exchange_id = 7;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        push_place(&b, seq);
    }
    MM_CHECK(mm_spsc_push(mm_loop_ring(b.loop, MM_RING_CANCEL), &cancel));
    int32_t asked = encode(&b, gate, NULL);
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
    mm_gate *gate = bot_gate(100, true);
    push_place(&b, 1);
    push_place(&b, 2);
    int32_t asked = encode(&b, gate, NULL);
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
    mm_gate *gate = bot_gate(100, false);
    const uint8_t *bytes = NULL;
    push_place(&b, 1);
    push_place(&b, 2);
    int32_t asked = encode(&b, gate, NULL);
    MM_CHECK_INT(asked, ==, MM_ENCODE_SIGN);
    MM_CHECK(to_sign_bytes > 7 && memcmp(to_sign, "apiKey=", 7) == 0);
    asked = encode(&b, gate, signature);
    MM_CHECK_INT(asked, ==, MM_ENCODE_SIGN);
    asked = encode(&b, gate, signature);
    MM_CHECK_INT(asked, ==, 0);
    MM_CHECK_UINT(to_sign_bytes, ==, 0);
    size_t both = mm_gate_take(gate, &bytes);
    MM_CHECK(both > 2 * 300 && both < 2 * 600);
    mm_loop_burst_sent(b.loop, true, b.now_ns);
    push_place(&b, 3);
    asked = encode(&b, gate, NULL);
    MM_CHECK_INT(asked, ==, MM_ENCODE_SIGN);
    asked = encode(&b, gate, "no");
    MM_CHECK_INT(asked, ==, MM_E_ARGUMENT);
    mm_gate_free(gate);
    bot_close(&b);
}

static void a_request_that_was_never_signed_is_not_told_as_sent(void)
{
    static const char signature[] = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
    bot b = bot_open(NULL, 0);
    mm_gate *gate = bot_gate(100, false);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        push_place(&b, seq);
    }
    /* The first is signed, the second wrongly, the third not at all, the fourth is signed. */
    static const int32_t answers[] = {MM_ENCODE_SIGN, MM_ENCODE_SIGN, MM_E_ARGUMENT, MM_ENCODE_SIGN, MM_ENCODE_SIGN, 0};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        bool signs = i == 1 || i == 5, botches = i == 2;
        int32_t asked = encode(&b, gate, signs ? signature : botches ? "no" : NULL);
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

#define A_TICK                                                                                                         \
    "{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\",\"U\":103,\"u\":103,\"b\":[[\"66990.00\",\"1\"]],\"a\":[]}"

#define ANOTHER_TICK                                                                                                   \
    "{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\",\"U\":104,\"u\":104,\"b\":[[\"66990.00\",\"1\"]],\"a\":[]}"

typedef struct turn_result {
    uint32_t bits;
    const uint8_t *burst;
    size_t burst_bytes;
} turn_result;

static turn_result take_turn_of(bot *b, uint32_t holder, const char *json)
{
    uint8_t reply[256];
    size_t reply_bytes = 0;
    turn_result result = {0, NULL, 0};
    size_t filled = bot_unread(b, json);
    result.bits = mm_loop_turn(b->loop, holder, 0, b->market_ws, filled, b->market_feed, b->now_ns, reply, sizeof reply,
                               &reply_bytes, &result.burst, &result.burst_bytes);
    result.bits &= ~(uint32_t)MM_RUN_WORK; /* the REST worker is told of states all the while */
    return result;
}

static turn_result take_turn(bot *b, uint32_t holder)
{
    return take_turn_of(b, holder, A_TICK);
}

static void a_turn_sends_what_the_single_calls_would(void)
{
    bot one = bot_open(NULL, 0), other = bot_open(NULL, 0);
    mm_gate *gate = bot_gate(100, true), *other_gate = bot_gate(100, true);
    const uint8_t *bytes = NULL;
    bot_start(&one);
    bot_start(&other);
    (void)bot_market(&one, A_TICK);
    uint32_t bits = mm_loop_run(one.loop, 1, one.now_ns);
    MM_CHECK((bits & MM_RUN_ORDERS) != 0);
    int32_t asked = encode(&one, gate, NULL);
    MM_CHECK_INT(asked, ==, 0);
    size_t expected_bytes = mm_gate_take(gate, &bytes);

    mm_role *orders = mm_loop_role(other.loop, MM_ROLE_ORDERS);
    mm_loop_lend_gate(other.loop, other_gate);
    turn_result turn = take_turn(&other, 1);
    MM_CHECK_UINT(turn.bits, ==, MM_PUMP_RECORDS | MM_RUN_BURST);
    MM_CHECK_UINT(mm_role_holder(orders), ==, 1);
    MM_CHECK_UINT(turn.burst_bytes, ==, expected_bytes);
    MM_CHECK(expected_bytes > 0 && memcmp(turn.burst, bytes, expected_bytes) == 0);
    MM_CHECK(mm_spsc_empty(mm_loop_ring(other.loop, MM_RING_EXEC))); /* nothing is SENT before it is */

    bool again = mm_loop_turn_sent(other.loop, 1, true, other.now_ns + 5);
    MM_CHECK(!again);
    MM_CHECK_UINT(mm_role_holder(orders), ==, 0);
    mm_record outcome = pop_outcome(&other);
    MM_CHECK_UINT(outcome.kind, ==, MM_KIND_SENT);
    MM_CHECK_INT(outcome.body.outcome.recv_ns, ==, other.now_ns + 5);
    mm_gate_free(gate);
    mm_gate_free(other_gate);
    bot_close(&one);
    bot_close(&other);
}

static void a_turn_leaves_orders_to_their_holder(void)
{
    bot b = bot_open(NULL, 0);
    mm_gate *gate = bot_gate(100, true);
    mm_role *orders = mm_loop_role(b.loop, MM_ROLE_ORDERS);
    bot_start(&b);
    mm_loop_lend_gate(b.loop, gate);
    MM_CHECK(mm_role_try(orders, 3));
    turn_result turn = take_turn(&b, 1);
    MM_CHECK_UINT(turn.bits, ==, MM_PUMP_RECORDS | MM_RUN_ORDERS);
    MM_CHECK_UINT(turn.burst_bytes, ==, 0);
    MM_CHECK_UINT(mm_role_holder(orders), ==, 3);
    mm_role_release(orders, 3);
    mm_gate_free(gate);
    bot_close(&b);
}

static void where_no_gate_is_lent_a_turn_leaves_orders_to_others(void)
{
    bot b = bot_open(NULL, 0);
    mm_role *orders = mm_loop_role(b.loop, MM_ROLE_ORDERS);
    bot_start(&b);
    /* The first brings orders; the same diff again is no record, and one that changes nothing brings none. */
    const char *const ticks[] = {A_TICK, A_TICK, ANOTHER_TICK};
    const uint32_t bits[] = {MM_PUMP_RECORDS | MM_RUN_ORDERS, 0, MM_PUMP_RECORDS};
    for (size_t i = 0; i < MM_TEST_COUNT(ticks); i++) {
        turn_result turn = take_turn_of(&b, 1, ticks[i]);
        MM_CHECK_UINT(turn.bits, ==, bits[i]);
        MM_CHECK_UINT(turn.burst_bytes, ==, 0);
        MM_CHECK(mm_loop_pending(b.loop, MM_ROLE_ORDERS)); /* still */
        MM_CHECK_UINT(mm_role_holder(orders), ==, 0);
    }
    bot_close(&b);
}

static void a_turn_whose_orders_are_all_refused_has_nothing_to_hand_over(void)
{
    bot b = bot_open(NULL, 0);
    mm_gate *gate = bot_gate(100, true);
    bot_start(&b);
    mm_gate_kill(gate);
    mm_loop_lend_gate(b.loop, gate);
    turn_result turn = take_turn(&b, 1);
    MM_CHECK_UINT(turn.bits, ==, MM_PUMP_RECORDS);
    MM_CHECK_UINT(mm_role_holder(mm_loop_role(b.loop, MM_ROLE_ORDERS)), ==, 0);
    MM_CHECK_UINT(pop_outcome(&b).kind, ==, MM_KIND_NOT_SENT);
    mm_gate_free(gate);
    bot_close(&b);
}

static void a_turn_that_was_not_handed_over_is_not_sent_and_asks_for_what_waits(void)
{
    bot b = bot_open(NULL, 0);
    mm_gate *gate = bot_gate(100, true);
    bot_start(&b);
    mm_loop_lend_gate(b.loop, gate);
    turn_result turn = take_turn(&b, 1);
    MM_CHECK((turn.bits & MM_RUN_BURST) != 0);
    push_place(&b, 99); /* the engine may run on while the burst is on its way */
    bool again = mm_loop_turn_sent(b.loop, 1, false, b.now_ns);
    MM_CHECK(again);
    mm_record outcome = pop_outcome(&b);
    MM_CHECK_UINT(outcome.kind, ==, MM_KIND_NOT_SENT);
    MM_CHECK_UINT(outcome.body.outcome.verdict, ==, MM_BIT(MM_REASON_DISCONNECTED));
    mm_gate_free(gate);
    bot_close(&b);
}

/* A turn that wrote a cancel, a query and what the engine places; handed over 2 s later, the gate banned for so long from then on. */
static void late_turn(bot *b, mm_gate *gate, int64_t ban_ns, const uint8_t **burst, size_t *late_bytes)
{
    mm_record cancel = host_event(MM_KIND_CANCEL), query = host_event(MM_KIND_QUERY);
    cancel.body.action.exchange_id = query.body.action.exchange_id = 7;
    bot_start(b);
    mm_loop_lend_gate(b->loop, gate);
    MM_CHECK(mm_spsc_push(mm_loop_ring(b->loop, MM_RING_CANCEL), &cancel));
    MM_CHECK(mm_spsc_push(mm_loop_ring(b->loop, MM_RING_ACTION), &query));
    turn_result turn = take_turn(b, 1);
    MM_CHECK((turn.bits & MM_RUN_BURST) != 0);
    b->now_ns += 2 * (int64_t)SECOND;
    mm_gate_ban(gate, b->now_ns + ban_ns);
    *late_bytes = mm_loop_turn_late(b->loop, b->now_ns, burst);
    MM_CHECK(*late_bytes < turn.burst_bytes);
}

static void a_late_turn_sends_its_cancels_and_queries_and_nothing_else(void)
{
    bot b = bot_open(NULL, 0);
    mm_gate *gate = bot_gate(100, true);
    const uint8_t *burst = NULL;
    size_t late_bytes = 0;
    late_turn(&b, gate, 0, &burst, &late_bytes);
    MM_CHECK(late_bytes > 0 && burst != NULL);
    (void)mm_loop_turn_sent(b.loop, 1, true, b.now_ns + 5);
    mm_record outcome = pop_outcome(&b);
    while (outcome.kind == MM_KIND_NOT_SENT) {
        MM_CHECK_INT(outcome.body.outcome.operation, ==, MM_OP_PLACE);
        MM_CHECK_UINT(outcome.body.outcome.verdict, ==, MM_BIT(MM_REASON_STALE_DECISION));
        outcome = pop_outcome(&b);
    }
    MM_CHECK_UINT(outcome.kind, ==, MM_KIND_SENT);
    MM_CHECK_INT(outcome.body.outcome.operation, ==, MM_OP_CANCEL);
    outcome = pop_outcome(&b);
    MM_CHECK_UINT(outcome.kind, ==, MM_KIND_SENT);
    MM_CHECK_INT(outcome.body.outcome.operation, ==, MM_OP_QUERY);
    MM_CHECK(mm_spsc_empty(mm_loop_ring(b.loop, MM_RING_EXEC)));
    mm_gate_free(gate);
    bot_close(&b);
}

static void a_late_turn_in_a_ban_has_nothing_left_to_send(void)
{
    bot b = bot_open(NULL, 0);
    mm_gate *gate = bot_gate(100, true);
    const uint8_t *burst = NULL;
    size_t late_bytes = 0;
    int32_t banned = 0;
    late_turn(&b, gate, SECOND, &burst, &late_bytes);
    MM_CHECK_UINT(late_bytes, ==, 0);
    (void)mm_loop_turn_sent(b.loop, 1, true, b.now_ns);
    while (!mm_spsc_empty(mm_loop_ring(b.loop, MM_RING_EXEC))) {
        mm_record outcome = pop_outcome(&b);
        MM_CHECK_UINT(outcome.kind, ==, MM_KIND_NOT_SENT);
        banned += outcome.body.outcome.verdict == MM_BIT(MM_REASON_BANNED);
    }
    MM_CHECK_INT(banned, ==, 2);
    mm_gate_free(gate);
    bot_close(&b);
}

static void a_burst_ends_where_its_outcomes_would_have_no_room(void)
{
    bot b = bot_open(NULL, 0);
    mm_gate *gate = bot_gate(1000, true);
    const uint8_t *bytes = NULL;
    for (uint64_t seq = 1; seq <= 40; seq++) {
        push_place(&b, seq);
    }
    mm_spsc *exec = mm_loop_ring(b.loop, MM_RING_EXEC);
    mm_record filler = host_event(MM_KIND_SENT);
    while (mm_spsc_room(exec) > 3) {
        MM_CHECK(mm_spsc_push(exec, &filler));
    }
    int32_t asked = encode(&b, gate, NULL);
    MM_CHECK_INT(asked, ==, MM_ENCODE_MORE);
    MM_CHECK(mm_gate_take(gate, &bytes) > 0);
    mm_loop_burst_sent(b.loop, true, b.now_ns);
    MM_CHECK_UINT(mm_spsc_room(exec), ==, 0);
    asked = encode(&b, gate, NULL);
    MM_CHECK_INT(asked, ==, MM_ENCODE_MORE);
    MM_CHECK(mm_gate_take(gate, &bytes) == 0);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    asked = encode(&b, gate, NULL);
    MM_CHECK_INT(asked, ==, MM_ENCODE_MORE);
    MM_CHECK(mm_gate_take(gate, &bytes) > 0); /* as many as a burst holds */
    mm_loop_burst_sent(b.loop, true, b.now_ns);
    asked = encode(&b, gate, NULL);
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
    MM_CHECK(mm_loop_read(b.loop, 1, &status));
    MM_CHECK_UINT(status.malformed, ==, 1);
    MM_CHECK_INT(status.sync_state, ==, MM_SYNC_WAITING);
    bot_close(&b);
}

static void a_message_that_cannot_be_read_counts_once_for_two_connections_and_twice_for_one(void)
{
    static const uint32_t socket[] = {0, 1, 1};
    static const uint64_t counted[] = {1, 1, 2};
    bot b = bot_open(NULL, 0);
    mm_engine_status status;
    bot_start(&b);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    for (size_t i = 0; i < MM_TEST_COUNT(socket); i++) {
        uint8_t reply[256];
        size_t reply_bytes = 0;
        bot_frame(b.market_ws, MM_WS_TEXT, "{\"e\":", 5);
        uint32_t bits = mm_loop_pump(b.loop, MM_CHANNEL_MARKET, socket[i], b.market_ws, b.market_feed, b.now_ns, reply,
                                     sizeof reply, &reply_bytes);
        MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
        (void)mm_loop_run(b.loop, 1, b.now_ns);
        MM_CHECK(mm_loop_read(b.loop, 1, &status));
        MM_CHECK_UINT(status.malformed, ==, counted[i]);
    }
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
    MM_CHECK(mm_loop_read(b.loop, 1, &status));
    MM_CHECK_INT(status.top.bid_price_e8, ==, INT64_C(66998) * MM_ONE_E8);
    MM_CHECK_INT(status.top.ask_price_e8, ==, INT64_C(67002) * MM_ONE_E8);
    MM_CHECK_INT(status.top.ask_qty_e8, ==, 2 * MM_ONE_E8);
    bits = market_binary(&b, sizeof BINARY_TICKER - 2);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    (void)mm_loop_run(b.loop, 1, b.now_ns);
    MM_CHECK(mm_loop_read(b.loop, 1, &status));
    MM_CHECK_UINT(status.malformed, ==, 1);
    MM_CHECK_INT(status.sync_state, ==, MM_SYNC_WAITING);
    bot_close(&b);
}

/* The next trade. */
static uint32_t pump(bot *b, int32_t channel, uint8_t opcode, const char *payload, size_t bytes, size_t reply_capacity)
{
    uint8_t reply[256];
    size_t reply_bytes = 0;
    bool market = channel == MM_CHANNEL_MARKET;
    bot_frame(market ? b->market_ws : b->order_ws, opcode, payload, bytes);
    return mm_loop_pump(b->loop, channel, 0, market ? b->market_ws : b->order_ws, market ? b->market_feed : b->order_feed,
                        b->now_ns, reply, reply_capacity, &reply_bytes);
}

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
    MM_CHECK(mm_loop_read(b.loop, 1, &status));
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
    MM_CHECK(mm_loop_read(b.loop, 1, &status));
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
    MM_CHECK(mm_loop_read(b.loop, 1, &status));
    MM_CHECK_INT(status.sync_state, ==, MM_SYNC_WAITING);
    MM_CHECK_UINT(status.malformed, ==, 0);
    bot_close(&b);
}

static void a_full_market_ring_drops_whole_events_and_no_sign_of_life_hides_that(void)
{
    for (int pongs = 0; pongs <= 1; pongs++) {
        bot b = bot_open(NULL, 0);
        uint32_t bits = 0;
        for (int i = 0; i < 9000 && (bits & MM_PUMP_DROPPED) == 0; i++) {
            bits = market_trade(&b);
        }
        MM_CHECK((bits & MM_PUMP_DROPPED) != 0);
        while (mm_loop_pending(b.loop, MM_ROLE_ENGINE)) {
            (void)mm_loop_run(b.loop, 1, b.now_ns);
        }
        bits = pongs ? pump(&b, MM_CHANNEL_MARKET, MM_WS_PONG, "1", 1, 256) : market_trade(&b);
        MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
        const mm_record *first = mm_spsc_peek(mm_loop_ring(b.loop, MM_RING_MARKET));
        MM_REQUIRE(first != NULL);
        MM_CHECK_INT(first->kind, ==, MM_KIND_MARKET_FAULT);
        bot_close(&b);
    }
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

static void an_event_longer_than_any_is_refused_and_does_not_stand_before_the_next(void)
{
    static mm_record records[MM_EVENT_RECORDS_MAX + 1];
    mm_loop_config config = bot_config(0);
    config.rest_records = 16384;
    mm_engine_config engine_config = host_config();
    const char *bad_field = NULL;
    mm_engine *engine = mm_engine_new(&engine_config, &bad_field);
    mm_loop *loop = mm_loop_new(&config, engine, NULL);
    MM_REQUIRE(loop != NULL);
    records[0] = host_event(MM_KIND_SNAPSHOT);
    records[0].count = MM_TEST_COUNT(records);
    MM_CHECK(!mm_loop_push(loop, MM_RING_REST, records));
    records[0] = host_event(MM_KIND_TIMER);
    MM_CHECK(mm_loop_push(loop, MM_RING_REST, records));
    (void)mm_loop_run(loop, 1, 1000);
    mm_engine_status status;
    mm_loop_read(loop, 1, &status);
    MM_CHECK_UINT(status.events, ==, 2); /* it, and the end of its batch */
    mm_loop_free(loop);
    mm_engine_free(engine);
}

static void a_log_that_cannot_keep_up_kills_the_run(void)
{
    bot b = bot_open(NULL, 8192);
    uint32_t bits = 0;
    for (int i = 0; i < 5000; i++) {
        (void)market_trade(&b);
        bits |= mm_loop_run(b.loop, 1, b.now_ns);
    }
    MM_CHECK((bits & MM_RUN_LOG_LOST) != 0);
    mm_engine_status status;
    MM_CHECK(mm_loop_read(b.loop, 1, &status));
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

/* ---- edges of the loop itself ---- */

static void a_loop_needs_an_engine_and_rings_that_hold_one_event(void)
{
    static const struct {
        size_t offset;
        int64_t bad;
    } cases[] = {
        {offsetof(mm_loop_config, batch_events), 0},    {offsetof(mm_loop_config, rest_records), MM_EVENT_RECORDS_MAX},
        {offsetof(mm_loop_config, market_records), MM_EVENT_RECORDS_MAX},
        {offsetof(mm_loop_config, exec_records), 1023}, {offsetof(mm_loop_config, action_records), 255},
        {offsetof(mm_loop_config, log_records), -1},    {offsetof(mm_loop_config, log_records), 2},
        {offsetof(mm_loop_config, log_records), 4096},  {offsetof(mm_loop_config, log_records), 9000},
        {offsetof(mm_loop_config, wait_policy), 7},
    };
    const char *bad_field = NULL;
    mm_engine_config engine_config = host_config();
    mm_engine *engine = mm_engine_new(&engine_config, &bad_field);
    mm_loop_config config = bot_config(0);
    MM_CHECK(mm_loop_new(&config, NULL, NULL) == NULL);
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        config = bot_config(0);
        memcpy((char *)&config + cases[i].offset, &cases[i].bad, sizeof cases[i].bad);
        MM_CHECK(mm_loop_new(&config, engine, NULL) == NULL);
    }
    config = bot_config(0);
    config.wait_policy = MM_WAIT_SPIN;
    mm_loop *loop = mm_loop_new(&config, engine, NULL);
    MM_CHECK(loop != NULL);
    mm_loop_free(loop);
    mm_loop_free(NULL);
    mm_engine_free(engine);
}

static void each_role_has_its_own_work_and_its_own_progress(void)
{
    bot b = bot_open(NULL, 0);
    mm_record timer = host_event(MM_KIND_TIMER);
    static const int32_t inputs[] = {MM_RING_EXEC, MM_RING_CONTROL, MM_RING_REST, MM_RING_MARKET};
    for (size_t i = 0; i < MM_TEST_COUNT(inputs); i++) {
        MM_CHECK(!mm_loop_pending(b.loop, MM_ROLE_ENGINE));
        MM_CHECK(bot_push(&b, inputs[i], &timer));
        MM_CHECK(mm_loop_pending(b.loop, MM_ROLE_ENGINE));
        uint64_t before = mm_loop_progress(b.loop, MM_ROLE_ENGINE);
        (void)mm_loop_run(b.loop, 1, b.now_ns);
        MM_CHECK_UINT(mm_loop_progress(b.loop, MM_ROLE_ENGINE), ==, before + 1);
    }
    MM_CHECK_INT(mm_loop_deadline(b.loop), >, b.now_ns);
    mm_record record;
    while (mm_spsc_pop(mm_loop_ring(b.loop, MM_RING_WORK), &record, 1) > 0) {
    }
    static const struct {
        int32_t role, ring;
    } work[] = {{MM_ROLE_REST, MM_RING_WORK}, {MM_ROLE_ORDERS, MM_RING_ACTION}, {MM_ROLE_ORDERS, MM_RING_CANCEL}};
    for (size_t i = 0; i < MM_TEST_COUNT(work); i++) {
        MM_CHECK(!mm_loop_pending(b.loop, work[i].role));
        MM_CHECK(mm_spsc_push(mm_loop_ring(b.loop, work[i].ring), &timer));
        MM_CHECK(mm_loop_pending(b.loop, work[i].role));
        MM_CHECK(mm_spsc_pop(mm_loop_ring(b.loop, work[i].ring), &record, 1) == 1);
    }
    MM_CHECK(!mm_loop_pending(b.loop, MM_ROLE_FEED)); /* its work comes from sockets */
    bot_close(&b);
}

static void a_market_that_stays_full_says_so_once_there_is_room(void)
{
    bot b = bot_open(NULL, 0);
    mm_spsc *ring = mm_loop_ring(b.loop, MM_RING_MARKET);
    mm_record timer = host_event(MM_KIND_TIMER);
    mm_record first;
    while (mm_spsc_push(ring, &timer)) {
    }
    uint32_t bits = market_trade(&b);
    MM_CHECK_UINT(bits, ==, MM_PUMP_DROPPED);
    bits = market_trade(&b); /* nor is there room to tell of the first */
    MM_CHECK_UINT(bits, ==, MM_PUMP_DROPPED);
    bits = pump(&b, MM_CHANNEL_MARKET, MM_WS_PONG, "", 0, 64);
    MM_CHECK_UINT(bits, ==, 0);
    bits = bot_market(&b, "{\"e\":\"trade\",\"s\":1}");
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS); /* cannot be read: told with the others */
    MM_CHECK(!mm_loop_push(b.loop, MM_RING_MARKET, &timer));
    while (mm_spsc_pop(ring, &first, 1) > 0) {
    }
    /* The room goes between the word of the loss and what is new. */
    bits = market_trade(&b);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    MM_CHECK(mm_spsc_pop(ring, &first, 1) == 1);
    MM_CHECK_INT(first.kind, ==, MM_KIND_MARKET_FAULT);
    MM_CHECK(mm_spsc_pop(ring, &first, 1) == 1);
    MM_CHECK_INT(first.kind, ==, MM_KIND_TRADE);
    while (mm_spsc_push(ring, &timer)) {
    }
    MM_CHECK(mm_spsc_pop(ring, &first, 1) == 1); /* room for one record */
    bits = market_trade(&b);
    MM_CHECK_UINT(bits, ==, MM_PUMP_RECORDS);
    bits = pump(&b, MM_CHANNEL_MARKET, MM_WS_PONG, "", 0, 64); /* no loss, but no room for it */
    MM_CHECK_UINT(bits, ==, 0);
    bot_close(&b);
}

static void control_frames_are_answered_ended_by_or_left_alone(void)
{
    bot b = bot_open(NULL, 0);
    uint32_t bits = pump(&b, MM_CHANNEL_ORDER, MM_WS_PING, "12", 2, 64);
    MM_CHECK_UINT(bits, ==, MM_PUMP_CONTROL);
    bits = pump(&b, MM_CHANNEL_ORDER, MM_WS_PING, "12", 2, MM_WS_HEADER_MAX + 1); /* no room for the answer */
    MM_CHECK_UINT(bits, ==, 0);
    bits = pump(&b, MM_CHANNEL_ORDER, MM_WS_PONG, "", 0, 64);
    MM_CHECK_UINT(bits, ==, 0);
    bits = pump(&b, MM_CHANNEL_ORDER, MM_WS_CLOSE, "", 0, 64);
    MM_CHECK_UINT(bits, ==, MM_PUMP_CLOSED);
    bits = pump(&b, MM_CHANNEL_MARKET, MM_WS_CLOSE, "", 0, 64);
    MM_CHECK_UINT(bits, ==, MM_PUMP_CLOSED);
    bot_close(&b);
}

static void a_broken_frame_closes_the_connection(void)
{
    bot b = bot_open(NULL, 0);
    uint32_t bits = pump(&b, MM_CHANNEL_ORDER, 3, "", 0, 64); /* an opcode that is reserved */
    MM_CHECK_UINT(bits, ==, MM_PUMP_CLOSED);
    bot_close(&b);
    b = bot_open(NULL, 0);
    bits = bot_order(&b, "{\"id\":\"p1\",\"status\":");
    MM_CHECK_UINT(bits, ==, MM_PUMP_CLOSED); /* an order message that cannot be read */
    bot_close(&b);
}

static void answers_nobody_waits_for_time_no_order(void)
{
    static const char other[] = "{\"id\":\"p9\",\"status\":200,\"result\":{\"symbol\":\"BTCUSDT\",\"orderId\":12,"
                                "\"clientOrderId\":\"mA1-0k3f9zq-0000009-b0\",\"transactTime\":1}}";
    static const char foreign[] = "{\"id\":\"p0\",\"status\":200,\"result\":{\"symbol\":\"BTCUSDT\",\"orderId\":12,"
                                  "\"clientOrderId\":\"x\",\"transactTime\":1}}";
    bot b = bot_open(NULL, 0);
    (void)bot_order(&b, other);
    (void)bot_order(&b, foreign);
    MM_CHECK_UINT(mm_loop_hist(b.loop, MM_STAGE_ORDER_TO_ACK)->count, ==, 0);
    bot_close(&b);
}

static void notices_of_the_exchange_reach_the_host(void)
{
    bot b = bot_open(NULL, 0);
    uint32_t bits = bot_market(&b, "{\"e\":\"serverShutdown\",\"E\":1770123456789}");
    MM_CHECK_UINT(bits & MM_PUMP_SHUTDOWN, ==, MM_PUMP_SHUTDOWN);
    bits = bot_order(&b, "{\"subscriptionId\":0,\"event\":{\"e\":\"eventStreamTerminated\",\"E\":1728973001334}}");
    MM_CHECK_UINT(bits & MM_PUMP_REPLY, ==, MM_PUMP_REPLY);
    bits = bot_market(&b, "{\"result\":null,\"id\":1}"); /* to a subscription */
    MM_CHECK_UINT(bits & MM_PUMP_REPLY, ==, MM_PUMP_REPLY);
    bits = bot_order(&b, "{\"id\":\"s1\",\"status\":429,\"error\":{\"code\":-1003,\"msg\":\"slower\"}}");
    MM_CHECK_UINT(bits & MM_PUMP_LIMIT, ==, MM_PUMP_LIMIT);
    bot_close(&b);
}

static void a_ping_from_the_future_has_no_round_trip(void)
{
    bot b = bot_open(NULL, 0);
    char payload[8];
    mm_record drained[8], pong;
    mm_loop_socket_up(b.loop, 0);
    (void)market_diff(&b, 0, 101, 101);
    while (mm_spsc_pop(mm_loop_ring(b.loop, MM_RING_MARKET), drained, MM_TEST_COUNT(drained)) > 0) {
    }
    static const uint8_t opcodes[] = {MM_WS_PONG, MM_WS_PING};
    for (size_t i = 0; i < MM_TEST_COUNT(opcodes); i++) {
        for (size_t j = 0; j < sizeof payload; j++) {
            payload[j] = (char)((uint64_t)(b.now_ns + SECOND) >> (8 * j));
        }
        (void)pump(&b, MM_CHANNEL_MARKET, opcodes[i], payload, sizeof payload, 64);
        MM_REQUIRE(mm_spsc_pop(mm_loop_ring(b.loop, MM_RING_MARKET), &pong, 1) == 1);
        MM_CHECK_INT(pong.body.link.detail, ==, 0);
    }
    bot_close(&b);
}

static void order_messages_wait_in_the_socket_while_the_engine_has_no_room_for_them(void)
{
    bot b = bot_open(NULL, 0);
    mm_spsc *ring = mm_loop_ring(b.loop, MM_RING_EXEC);
    mm_record timer = host_event(MM_KIND_TIMER);
    mm_record place = host_event(MM_KIND_AMEND);
    while (mm_spsc_room(ring) >= 512) {
        MM_CHECK(mm_spsc_push(ring, &timer));
    }
    uint32_t bits = bot_order(&b, "{\"id\":\"s1\",\"status\":200,\"result\":{}}");
    MM_CHECK_UINT(bits, ==, 0);
    while (mm_spsc_push(ring, &timer)) {
    }
    MM_CHECK(!mm_loop_not_sent(b.loop, &place, MM_BIT(MM_REASON_DISCONNECTED), b.now_ns));
    while (mm_spsc_pop(ring, &timer, 1) > 0) {
    }
    MM_CHECK(mm_loop_not_sent(b.loop, &place, MM_BIT(MM_REASON_DISCONNECTED), b.now_ns));
    mm_record outcome = pop_outcome(&b);
    MM_CHECK_INT(outcome.body.outcome.operation, ==, MM_OP_AMEND);
    bits = bot_order(&b, "{\"id\":\"s2\",\"status\":200,\"result\":{}}");
    MM_CHECK_UINT(bits, ==, MM_PUMP_REPLY); /* s1; s2 waits for the host to have seen it */
    MM_CHECK_TEXT(mm_feed_last(b.order_feed)->request_id, "s1");
    bot_close(&b);
}

static void a_full_burst_says_whether_more_waits(void)
{
    bot b = bot_open(NULL, 0);
    mm_gate *gate = bot_gate(1000, true);
    for (uint64_t seq = 1; seq <= MM_GATE_BURST_MAX; seq++) {
        push_place(&b, seq);
    }
    int32_t asked = encode(&b, gate, NULL);
    MM_CHECK_INT(asked, ==, 0);
    push_place(&b, MM_GATE_BURST_MAX + 1);
    asked = encode(&b, gate, NULL);
    MM_CHECK_INT(asked, ==, MM_ENCODE_MORE);
    mm_gate_free(gate);
    bot_close(&b);
}

static void a_burst_that_goes_while_one_request_waits_for_its_signature_leaves_that_one_behind(void)
{
    bot b = bot_open(NULL, 0);
    mm_gate *gate = bot_gate(100, false);
    push_place(&b, 1);
    int32_t asked = encode(&b, gate, NULL);
    MM_CHECK_INT(asked, ==, MM_ENCODE_SIGN);
    mm_loop_burst_sent(b.loop, true, b.now_ns);
    mm_record outcome = pop_outcome(&b);
    MM_CHECK_UINT(outcome.kind, ==, MM_KIND_NOT_SENT);
    MM_CHECK_UINT(outcome.body.outcome.verdict, ==, MM_BIT(MM_REASON_CREDENTIALS));
    mm_gate_free(gate);
    bot_close(&b);
}

static void a_strategy_elsewhere_is_asked_and_its_answer_becomes_orders(void)
{
    bot b = bot_open_with(NULL, 1 << 16, MM_STRATEGY_PYTHON);
    mm_quote_input input;
    mm_level bids[4], asks[4];
    size_t bid_count = 4, ask_count = 4;
    mm_record action;
    MM_CHECK(!mm_loop_quote_input(b.loop, 2, &input, bids, &bid_count, asks, &ask_count)); /* nothing is asked yet */
    bot_start(&b);
    uint32_t bits = mm_loop_run(b.loop, 1, b.now_ns);
    MM_CHECK((bits & MM_RUN_NEED_QUOTE) != 0);
    MM_CHECK(mm_loop_quote_input(b.loop, 2, &input, bids, &bid_count, asks, &ask_count));
    MM_CHECK_UINT(bid_count, ==, 4);
    MM_CHECK_INT(bids[0].price_e8, ==, INT64_C(66999) * MM_ONE_E8);
    MM_CHECK_INT(asks[0].price_e8, ==, INT64_C(67001) * MM_ONE_E8);
    mm_quotes quotes;
    memset(&quotes, 0, sizeof quotes);
    quotes.bid_count = MM_LAYERS_MAX + 7; /* more than can be: cut */
    for (size_t i = 0; i < MM_LAYERS_MAX; i++) {
        quotes.bids[i].price_e8 = INT64_C(66900) * MM_ONE_E8 - (int64_t)i * MM_ONE_E8;
        quotes.bids[i].qty_e8 = 100000;
    }
    mm_record timer = host_event(MM_KIND_TIMER);
    MM_CHECK(mm_loop_push(b.loop, MM_RING_CONTROL, &timer)); /* comes while the answer is taken in */
    bits = mm_loop_quote(b.loop, 2, &quotes, b.now_ns);
    MM_CHECK((bits & MM_RUN_ORDERS) != 0);
    MM_CHECK(mm_loop_next_action(b.loop, &action));
    MM_CHECK_INT(action.body.action.price_e8, ==, INT64_C(66900) * MM_ONE_E8);
    quotes.bid_count = 0;
    quotes.ask_count = MM_LAYERS_MAX + 1;
    bits = mm_loop_quote(b.loop, 2, &quotes, b.now_ns);
    bits = mm_loop_quote(b.loop, 2, NULL, b.now_ns); /* it failed: quotes are pulled */
    mm_engine_status status;
    MM_CHECK(mm_loop_read(b.loop, 2, &status));
    MM_CHECK((status.verdict & MM_BIT(MM_REASON_STRATEGY_FAULT)) != 0);
    bot_close(&b);
}

static void what_a_strategy_was_asked_about_is_not_told_once_the_market_is_gone(void)
{
    bot b = bot_open_with(NULL, 0, MM_STRATEGY_PYTHON);
    mm_quote_input input;
    mm_level bids[4], asks[4];
    size_t bid_count = 4, ask_count = 4;
    bot_start(&b);
    uint32_t bits = mm_loop_run(b.loop, 1, b.now_ns);
    MM_CHECK((bits & MM_RUN_NEED_QUOTE) != 0);
    mm_record link = host_event(MM_KIND_MARKET_LINK);
    link.body.link.state = MM_LINK_DOWN;
    link.body.link.recv_ns = b.now_ns;
    (void)mm_engine_step(b.engine, &link); /* in the batch that runs when the strategy's thread comes */
    MM_CHECK(!mm_loop_quote_input(b.loop, 2, &input, bids, &bid_count, asks, &ask_count));
    bot_close(&b);
}

typedef struct asker {
    bot *b;
    int32_t due; /* -1: not told yet */
} asker;

static void *ask_for_quote_input(void *context)
{
    asker *a = (asker *)context;
    mm_quote_input input;
    mm_level bids[1], asks[1];
    size_t bid_count = 1, ask_count = 1;
    a->due = mm_loop_quote_input(a->b->loop, 2, &input, bids, &bid_count, asks, &ask_count);
    return NULL;
}

static void who_wants_the_engine_while_it_runs_waits_for_the_end_of_the_run(void)
{
    bot b = bot_open(NULL, 0);
    asker a = {&b, -1};
    pthread_t thread;
    clockid_t its_clock;
    struct timespec used = {0, 0};
    MM_REQUIRE(mm_role_try(mm_loop_role(b.loop, MM_ROLE_ENGINE), 1));
    MM_REQUIRE(pthread_create(&thread, NULL, ask_for_quote_input, &a) == 0);
    MM_REQUIRE(pthread_getcpuclockid(thread, &its_clock) == 0);
    while (used.tv_sec == 0 && used.tv_nsec < 3 * MS) { /* by then it spins */
        MM_REQUIRE(clock_gettime(its_clock, &used) == 0);
    }
    MM_CHECK_INT(a.due, ==, -1);
    mm_role_release(mm_loop_role(b.loop, MM_ROLE_ENGINE), 1);
    MM_CHECK(pthread_join(thread, NULL) == 0);
    MM_CHECK_INT(a.due, ==, 0);
    bot_close(&b);
}

static void who_reads_the_status_of_an_engine_that_never_comes_free_is_told_so(void)
{
    bot b = bot_open(NULL, 0);
    mm_engine_status status;
    memset(&status, 0, sizeof status);
    status.now_ns = -1;
    MM_REQUIRE(mm_role_try(mm_loop_role(b.loop, MM_ROLE_ENGINE), 1));
    MM_CHECK(!mm_loop_read(b.loop, 2, &status));
    MM_CHECK_INT(status.now_ns, ==, -1);
    mm_role_release(mm_loop_role(b.loop, MM_ROLE_ENGINE), 1);
    MM_CHECK(mm_loop_read(b.loop, 2, &status));
    MM_CHECK_INT(status.now_ns, ==, 0);
    MM_CHECK_UINT(mm_role_holder(mm_loop_role(b.loop, MM_ROLE_ENGINE)), ==, 0);
    bot_close(&b);
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
        {MM_KIND_COMMAND, 2, 0, 0},   {MM_KIND_BATCH_END, 2, 0, 0},
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

static void a_log_with_rules_that_cannot_be_is_damaged(void)
{
    mm_engine_config config = host_config();
    mm_record records[MM_SYMBOL_RECORDS + 1];
    size_t consumed = 0;
    memset(records, 0, sizeof records);
    config.symbol.tick_e8 *= 10;
    mm_symbol_write(&config.symbol, records);
    records[MM_SYMBOL_RECORDS] = host_event(MM_KIND_BATCH_END);
    MM_CHECK(replay_of(records, MM_TEST_COUNT(records), 64, &consumed) == MM_OK);
    MM_CHECK_UINT(consumed, ==, MM_TEST_COUNT(records));
    records[0].count = MM_SYMBOL_RECORDS + 1;
    MM_CHECK(replay_of(records, MM_TEST_COUNT(records), 64, &consumed) == MM_E_SYNTAX);
    config.symbol.tick_e8 = 0; /* no grid */
    memset(records, 0, sizeof records);
    mm_symbol_write(&config.symbol, records);
    MM_CHECK(replay_of(records, MM_SYMBOL_RECORDS, 64, &consumed) == MM_E_SYNTAX);
}

static void check_time(uint16_t kind, size_t offset, int64_t least, int64_t most)
{
    const struct {
        int64_t value;
        mm_status status;
    } cases[] = {{least, MM_OK}, {most, MM_OK}, {least - 1, MM_E_SYNTAX}, {most + 1, MM_E_SYNTAX}, {INT64_MAX, MM_E_SYNTAX},
                 {INT64_MIN, MM_E_SYNTAX}};
    size_t consumed = 0;
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        mm_record record = host_event(kind);
        memcpy((unsigned char *)&record + offset, &cases[i].value, sizeof cases[i].value);
        mm_status status = replay_of(&record, 1, 64, &consumed);
        MM_CHECK_INT(status, ==, cases[i].status);
    }
}

static void a_log_with_times_that_no_clock_tells_is_damaged(void)
{
    const int64_t most = INT64_C(1) << 61, epoch_most = INT64_C(1) << 62;
    static const uint16_t outcomes[] = {MM_KIND_REJECT, MM_KIND_CANCEL_REJECT, MM_KIND_AMEND_REJECT, MM_KIND_LIMIT,
                                        MM_KIND_LOST,   MM_KIND_SENT,          MM_KIND_NOT_SENT};
    static const uint16_t depths[] = {MM_KIND_DEPTH, MM_KIND_SNAPSHOT, MM_KIND_PARTIAL};
    static const uint16_t links[] = {MM_KIND_MARKET_LINK, MM_KIND_MARKET_FAULT, MM_KIND_ORDER_LINK};
    for (size_t i = 0; i < MM_TEST_COUNT(outcomes); i++) {
        check_time(outcomes[i], offsetof(mm_record, body.outcome.recv_ns), 0, most);
        check_time(outcomes[i], offsetof(mm_record, body.outcome.until_ns), 0, epoch_most);
    }
    for (size_t i = 0; i < 3; i++) {
        check_time(depths[i], offsetof(mm_record, body.depth.recv_ns), 0, most);
        check_time(links[i], offsetof(mm_record, body.link.recv_ns), 0, most);
    }
    check_time(MM_KIND_TICKER, offsetof(mm_record, body.ticker.recv_ns), 0, most);
    check_time(MM_KIND_TRADE, offsetof(mm_record, body.trade.recv_ns), 0, most);
    check_time(MM_KIND_BUDGET, offsetof(mm_record, body.budget.recv_ns), 0, most);
    check_time(MM_KIND_BATCH_END, offsetof(mm_record, body.command.now_ns), 0, most);
    check_time(MM_KIND_CLOCK, offsetof(mm_record, body.command.value), 1 - epoch_most, epoch_most - 1);
}

static void a_log_that_holds_what_no_engine_takes_is_damaged(void)
{
    static const uint16_t kinds[] = {MM_KIND_NONE, MM_KIND_LEVELS, MM_KIND_MORE, 9, 17, 36, 46, 56, 69, 83, 999};
    size_t consumed = 0;
    for (size_t i = 0; i < MM_TEST_COUNT(kinds); i++) {
        mm_record record = host_event(kinds[i]);
        MM_CHECK(replay_of(&record, 1, 64, &consumed) == MM_E_SYNTAX);
    }
    mm_record command = host_event(MM_KIND_COMMAND);
    MM_CHECK(replay_of(&command, 1, 64, &consumed) == MM_E_SYNTAX);
    command.body.command.command = MM_COMMAND_STRATEGY_FAULT + 1;
    MM_CHECK(replay_of(&command, 1, 64, &consumed) == MM_E_SYNTAX);
    mm_record end = host_event(MM_KIND_BATCH_END);
    end.body.command.value = -1;
    MM_CHECK(replay_of(&end, 1, 64, &consumed) == MM_E_SYNTAX);
    end.body.command.value = 0;
    end.body.command.value2 = -1;
    MM_CHECK(replay_of(&end, 1, 64, &consumed) == MM_E_SYNTAX);
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
        MM_TEST(a_turn_sends_what_the_single_calls_would),
        MM_TEST(a_turn_leaves_orders_to_their_holder),
        MM_TEST(where_no_gate_is_lent_a_turn_leaves_orders_to_others),
        MM_TEST(a_turn_whose_orders_are_all_refused_has_nothing_to_hand_over),
        MM_TEST(a_turn_that_was_not_handed_over_is_not_sent_and_asks_for_what_waits),
        MM_TEST(a_late_turn_sends_its_cancels_and_queries_and_nothing_else),
        MM_TEST(a_late_turn_in_a_ban_has_nothing_left_to_send),
        MM_TEST(a_burst_ends_where_its_outcomes_would_have_no_room),
        MM_TEST(counts_in_a_reply_do_not_hide_it_from_the_host),
        MM_TEST(a_held_engine_is_not_run_twice),
        MM_TEST(a_ping_is_answered_with_its_payload_and_counts_as_life),
        MM_TEST(the_hosts_replies_stop_the_pump_and_orders_do_not),
        MM_TEST(malformed_market_data_reaches_the_engine_with_its_place),
        MM_TEST(a_message_that_cannot_be_read_counts_once_for_two_connections_and_twice_for_one),
        MM_TEST(binary_frames_of_the_market_channel_are_read_as_sbe),
        MM_TEST(two_connections_give_the_engine_each_diff_once_and_no_gap),
        MM_TEST(a_hole_nobody_fills_becomes_a_gap_when_its_time_is_over),
        MM_TEST(ids_that_begin_anew_throw_the_book_away),
        MM_TEST(a_full_market_ring_drops_whole_events_and_no_sign_of_life_hides_that),
        MM_TEST(a_pong_tells_how_long_ago_its_ping_left),
        MM_TEST(an_event_longer_than_any_is_refused_and_does_not_stand_before_the_next),
        MM_TEST(a_log_that_cannot_keep_up_kills_the_run),
        MM_TEST(the_log_replays_to_the_same_actions_and_a_garbage_telemetry_clock_changes_nothing),
        MM_TEST(a_loop_needs_an_engine_and_rings_that_hold_one_event),
        MM_TEST(each_role_has_its_own_work_and_its_own_progress),
        MM_TEST(a_market_that_stays_full_says_so_once_there_is_room),
        MM_TEST(control_frames_are_answered_ended_by_or_left_alone),
        MM_TEST(a_broken_frame_closes_the_connection),
        MM_TEST(answers_nobody_waits_for_time_no_order),
        MM_TEST(notices_of_the_exchange_reach_the_host),
        MM_TEST(a_ping_from_the_future_has_no_round_trip),
        MM_TEST(order_messages_wait_in_the_socket_while_the_engine_has_no_room_for_them),
        MM_TEST(a_full_burst_says_whether_more_waits),
        MM_TEST(a_burst_that_goes_while_one_request_waits_for_its_signature_leaves_that_one_behind),
        MM_TEST(a_strategy_elsewhere_is_asked_and_its_answer_becomes_orders),
        MM_TEST(what_a_strategy_was_asked_about_is_not_told_once_the_market_is_gone),
        MM_TEST(who_wants_the_engine_while_it_runs_waits_for_the_end_of_the_run),
        MM_TEST(who_reads_the_status_of_an_engine_that_never_comes_free_is_told_so),
        MM_TEST(a_log_whose_events_have_not_the_records_their_kind_says_is_refused),
        MM_TEST(new_rules_quotes_and_reports_are_replayed_and_a_cut_event_waits_for_its_rest),
        MM_TEST(actions_that_were_never_made_or_have_no_room_end_a_replay),
        MM_TEST(a_log_with_rules_that_cannot_be_is_damaged),
        MM_TEST(a_log_with_times_that_no_clock_tells_is_damaged),
        MM_TEST(a_log_that_holds_what_no_engine_takes_is_damaged),
        MM_TEST(the_header_of_a_log_says_what_made_it),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
