/* The gate: what it lets out, in which bytes, and what it refuses. */
#include "mm_test.h"

#define SECOND_NS INT64_C(1000000000)
#define OFFSET_NS (INT64_C(1700000000000000000))

static const char SIGNATURE[] = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";

static mm_gate_config config_of(int32_t wire)
{
    mm_gate_config config;
    memset(&config, 0, sizeof config);
    strcpy(config.symbol, "BTCUSDT");
    strcpy(config.order_prefix, "mA1-0k3f9zq-");
    strcpy(config.api_key, "key");
    strcpy(config.stp_mode, "EXPIRE_TAKER");
    config.wire = wire;
    config.signature = MM_SIGN_HMAC;
    config.price_decimals = 2;
    config.qty_decimals = 5;
    config.place_window_ms = 1000;
    config.other_window_ms = 5000;
    config.stale_decision_ns = 50 * 1000000;
    config.orders_per_1s_max = 5;
    config.orders_per_10s_max = 8;
    config.orders_per_day_max = 10;
    config.mask_seed = 7;
    return config;
}

static mm_gate *open_gate(int32_t wire)
{
    mm_gate_config config = config_of(wire);
    mm_gate *gate = mm_gate_new(&config);
    mm_gate_clock(gate, OFFSET_NS);
    return gate;
}

static mm_record place_action(uint64_t seq, int64_t decision_ns)
{
    mm_record action;
    memset(&action, 0, sizeof action);
    action.kind = MM_KIND_PLACE;
    action.count = 1;
    action.flags = (uint16_t)(MM_BID << 8 | 1);
    action.body.action.order_seq = seq;
    action.body.action.price_e8 = INT64_C(6700012000000);
    action.body.action.qty_e8 = 100000;
    action.body.action.decision_ns = decision_ns;
    return action;
}

static uint64_t try_place(mm_gate *gate, uint64_t seq, int64_t now_ns)
{
    const char *payload = NULL;
    size_t bytes = 0;
    mm_record action = place_action(seq, now_ns);
    return mm_gate_encode(gate, &action, now_ns, &payload, &bytes);
}

static bool is_text(const char *actual, size_t actual_bytes, const char *wanted)
{
    bool same = actual_bytes == strlen(wanted) && memcmp(actual, wanted, actual_bytes) == 0;
    if (!same) {
        printf("    got    %.*s\n    wanted %s\n", (int)actual_bytes, actual, wanted);
    }
    return same;
}

static void a_new_order_is_signed_over_its_sorted_parameters(void)
{
    mm_gate *gate = open_gate(MM_WIRE_WS_API);
    const char *payload = NULL;
    size_t bytes = 0;
    mm_record action = place_action(1, 5 * SECOND_NS);
    MM_CHECK(mm_gate_encode(gate, &action, 5 * SECOND_NS, &payload, &bytes) == 0);
    MM_CHECK(is_text(payload, bytes,
                     "apiKey=key&newClientOrderId=mA1-0k3f9zq-0000001-b1&newOrderRespType=RESULT&price=67000.12&"
                     "quantity=0.00100&recvWindow=1000&selfTradePreventionMode=EXPIRE_TAKER&side=BUY&symbol=BTCUSDT&"
                     "timestamp=1700000005000&type=LIMIT_MAKER"));
    mm_gate_free(gate);
}

/* Takes a client frame apart again. */
static size_t unmask(const uint8_t *frame, size_t frame_bytes, char *out)
{
    size_t header = 2;
    size_t bytes = frame[1] & 0x7F;
    if (bytes == 126) {
        bytes = (size_t)frame[2] << 8 | frame[3];
        header = 4;
    }
    MM_CHECK_INT((int64_t)frame[0], ==, 0x81);
    MM_CHECK((frame[1] & 0x80) != 0);
    MM_CHECK_INT((int64_t)(header + 4 + bytes), ==, (int64_t)frame_bytes);
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (char)(frame[header + 4 + i] ^ frame[header + i % 4]);
    }
    return bytes;
}

static void a_sealed_order_is_a_masked_frame_of_json_with_numbers_as_signed(void)
{
    mm_gate *gate = open_gate(MM_WIRE_WS_API);
    char text[2048];
    const uint8_t *frame = NULL;
    MM_CHECK(try_place(gate, 1, 5 * SECOND_NS) == 0);
    MM_CHECK(mm_gate_seal(gate, SIGNATURE, strlen(SIGNATURE)) == MM_OK);
    size_t frame_bytes = mm_gate_take(gate, &frame);
    size_t bytes = unmask(frame, frame_bytes, text);
    MM_CHECK(is_text(text, bytes,
                     "{\"method\":\"order.place\",\"params\":{\"apiKey\":\"key\","
                     "\"newClientOrderId\":\"mA1-0k3f9zq-0000001-b1\",\"newOrderRespType\":\"RESULT\","
                     "\"price\":\"67000.12\",\"quantity\":\"0.00100\",\"recvWindow\":1000,"
                     "\"selfTradePreventionMode\":\"EXPIRE_TAKER\",\"side\":\"BUY\",\"symbol\":\"BTCUSDT\","
                     "\"timestamp\":1700000005000,\"type\":\"LIMIT_MAKER\",\"signature\":\""
                     "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71\"},\"id\":\"p1\"}"));
    mm_gate_free(gate);
}

static void a_cancel_names_the_exchange_id_when_known_and_the_client_id_otherwise(void)
{
    mm_gate *gate = open_gate(MM_WIRE_REST);
    const char *payload = NULL;
    size_t bytes = 0;
    mm_record action = place_action(36 * 36 + 35, 0);
    action.kind = MM_KIND_CANCEL;
    action.flags = (uint16_t)(MM_ASK << 8);
    MM_CHECK(mm_gate_encode(gate, &action, 0, &payload, &bytes) == 0);
    MM_CHECK(is_text(payload, bytes,
                     "origClientOrderId=mA1-0k3f9zq-000010z-a0&recvWindow=5000&symbol=BTCUSDT&timestamp=1700000000000"));
    action.body.action.exchange_id = 991;
    MM_CHECK(mm_gate_encode(gate, &action, 0, &payload, &bytes) == 0);
    MM_CHECK(is_text(payload, bytes, "orderId=991&recvWindow=5000&symbol=BTCUSDT&timestamp=1700000000000"));
    mm_gate_free(gate);
}

static void the_cancel_of_another_runs_order_carries_this_runs_name(void)
{
    mm_gate *gate = open_gate(MM_WIRE_REST);
    const char *payload = NULL;
    size_t bytes = 0;
    mm_record action = place_action(0, 0);
    action.kind = MM_KIND_CANCEL;
    action.flags = 0;
    action.body.action.exchange_id = 991;
    MM_CHECK(mm_gate_encode(gate, &action, 0, &payload, &bytes) == 0);
    MM_CHECK(is_text(payload, bytes,
                     "newClientOrderId=mA1-0k3f9zq-0000000-b0&orderId=991&recvWindow=5000&symbol=BTCUSDT&"
                     "timestamp=1700000000000"));
    mm_gate_free(gate);
}

static void rest_percent_encodes_a_base64_signature(void)
{
    mm_gate_config config = config_of(MM_WIRE_REST);
    config.signature = MM_SIGN_ED25519;
    mm_gate *gate = mm_gate_new(&config);
    mm_gate_clock(gate, OFFSET_NS);
    const char signature[] =
        "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gC/==";
    const uint8_t *query = NULL;
    MM_CHECK(try_place(gate, 1, 0) == 0);
    MM_CHECK(mm_gate_seal(gate, signature, strlen(signature)) == MM_OK);
    size_t bytes = mm_gate_take(gate, &query);
    const char tail[] = "FGM%2B5UdlGPrQHrgtS3CvsRURC1oj73j8gC%2F%3D%3D";
    MM_CHECK(bytes > sizeof tail && memcmp(query + bytes - strlen(tail), tail, strlen(tail)) == 0);
    mm_gate_free(gate);
}

static void nothing_can_be_sealed_that_was_not_let_through_just_before(void)
{
    mm_gate *gate = open_gate(MM_WIRE_WS_API);
    const uint8_t *frame = NULL;
    MM_CHECK(mm_gate_seal(gate, SIGNATURE, strlen(SIGNATURE)) == MM_E_STATE);
    MM_CHECK(try_place(gate, 1, 0) == 0);
    MM_CHECK(mm_gate_seal(gate, SIGNATURE, strlen(SIGNATURE)) == MM_OK);
    MM_CHECK(mm_gate_seal(gate, SIGNATURE, strlen(SIGNATURE)) == MM_E_STATE);
    MM_CHECK(mm_gate_take(gate, &frame) > 0);
    MM_CHECK(try_place(gate, 2, 0) == 0);
    MM_CHECK(mm_gate_seal(gate, "no hex", 6) == MM_E_ARGUMENT);
    MM_CHECK(mm_gate_take(gate, &frame) == 0);
    mm_gate_free(gate);
}

static mm_gate *open_logged_on(void)
{
    mm_gate_config config = config_of(MM_WIRE_WS_API);
    config.signature = MM_SIGN_ED25519;
    mm_gate *gate = mm_gate_new(&config);
    mm_gate_clock(gate, OFFSET_NS);
    mm_gate_session(gate, true);
    return gate;
}

static bool is_complete(mm_gate *gate, const mm_record *action, int64_t now_ns)
{
    const char *payload = NULL;
    size_t bytes = 99;
    return mm_gate_encode(gate, action, now_ns, &payload, &bytes) == 0 && bytes == 0;
}

static void after_a_log_on_a_request_is_complete_at_once_with_neither_key_nor_signature(void)
{
    mm_gate *gate = open_logged_on();
    char text[2048];
    const uint8_t *frame = NULL;
    mm_record action = place_action(1, 0);
    MM_CHECK(is_complete(gate, &action, 0));
    MM_CHECK(mm_gate_seal(gate, SIGNATURE, strlen(SIGNATURE)) == MM_E_STATE);
    size_t frame_bytes = mm_gate_take(gate, &frame);
    size_t bytes = unmask(frame, frame_bytes, text);
    MM_CHECK(is_text(text, bytes,
                     "{\"method\":\"order.place\",\"params\":{"
                     "\"newClientOrderId\":\"mA1-0k3f9zq-0000001-b1\",\"newOrderRespType\":\"RESULT\","
                     "\"price\":\"67000.12\",\"quantity\":\"0.00100\",\"recvWindow\":1000,"
                     "\"selfTradePreventionMode\":\"EXPIRE_TAKER\",\"side\":\"BUY\",\"symbol\":\"BTCUSDT\","
                     "\"timestamp\":1700000000000,\"type\":\"LIMIT_MAKER\"},\"id\":\"p1\"}"));
    mm_gate_session(gate, false); /* another connection: the next request is signed again */
    MM_CHECK(try_place(gate, 2, 0) == 0);
    MM_CHECK(mm_gate_take(gate, &frame) == 0);
    mm_gate_free(gate);
}

static void an_amend_names_the_order_its_new_quantity_and_the_id_it_keeps(void)
{
    mm_gate *gate = open_gate(MM_WIRE_WS_API);
    const char *payload = NULL;
    size_t bytes = 0;
    mm_record action = place_action(7, 0);
    action.kind = MM_KIND_AMEND;
    action.body.action.exchange_id = 991;
    MM_CHECK(mm_gate_encode(gate, &action, 0, &payload, &bytes) == 0);
    MM_CHECK(is_text(payload, bytes,
                     "apiKey=key&newClientOrderId=mA1-0k3f9zq-0000007-b1&newQty=0.00100&orderId=991&recvWindow=5000&"
                     "symbol=BTCUSDT&timestamp=1700000000000"));
    action.body.action.exchange_id = 0;
    MM_CHECK(mm_gate_encode(gate, &action, 0, &payload, &bytes) == 0);
    MM_CHECK(is_text(payload, bytes,
                     "apiKey=key&newClientOrderId=mA1-0k3f9zq-0000007-b1&newQty=0.00100&"
                     "origClientOrderId=mA1-0k3f9zq-0000007-b1&recvWindow=5000&symbol=BTCUSDT&timestamp=1700000000000"));
    MM_CHECK_INT((int64_t)mm_gate_orders_out(gate), ==, 0);
    mm_gate_free(gate);
}

static void a_replacement_is_a_new_order_that_names_the_one_it_takes_the_place_of(void)
{
    mm_gate *gate = open_gate(MM_WIRE_WS_API);
    const char *payload = NULL;
    size_t bytes = 0;
    mm_record action = place_action(1, 0);
    action.kind = MM_KIND_REPLACE;
    action.body.action.exchange_id = 991;
    MM_CHECK(mm_gate_encode(gate, &action, 0, &payload, &bytes) == 0);
    MM_CHECK(is_text(payload, bytes,
                     "apiKey=key&cancelOrderId=991&cancelReplaceMode=STOP_ON_FAILURE&"
                     "newClientOrderId=mA1-0k3f9zq-0000001-b1&newOrderRespType=RESULT&"
                     "orderRateLimitExceededMode=DO_NOTHING&price=67000.12&quantity=0.00100&recvWindow=1000&"
                     "selfTradePreventionMode=EXPIRE_TAKER&side=BUY&symbol=BTCUSDT&timestamp=1700000000000&"
                     "type=LIMIT_MAKER"));
    MM_CHECK_INT((int64_t)mm_gate_orders_out(gate), ==, 1);
    MM_CHECK(try_place(gate, 2, 0) == 0); /* one sequence for both */
    action.body.action.order_seq = 3;
    action.body.action.exchange_id = 0; /* it does not say which order goes */
    MM_CHECK((mm_gate_encode(gate, &action, 0, &payload, &bytes) & MM_BIT(MM_REASON_KILLED)) != 0);
    mm_gate_free(gate);
}

static void an_amend_is_refused_when_killed_or_late_and_never_for_the_rate_of_orders(void)
{
    mm_gate *gate = open_logged_on();
    const char *payload = NULL;
    size_t bytes = 0;
    mm_record action = place_action(1, 0);
    action.kind = MM_KIND_AMEND;
    for (int i = 0; i < 20; i++) {
        MM_CHECK(is_complete(gate, &action, 50 * 1000000));
    }
    MM_CHECK(mm_gate_encode(gate, &action, 50 * 1000000 + 1, &payload, &bytes) == MM_BIT(MM_REASON_STALE_DECISION));
    mm_gate_kill(gate);
    MM_CHECK(mm_gate_encode(gate, &action, 0, &payload, &bytes) == MM_BIT(MM_REASON_KILLED));
    mm_gate_free(gate);
}

static void an_amend_of_no_order_or_to_nothing_kills_the_gate(void)
{
    for (int which = 0; which < 2; which++) {
        mm_gate *gate = open_logged_on();
        const char *payload = NULL;
        size_t bytes = 0;
        mm_record action = place_action(which == 0 ? 0 : 1, 0);
        action.kind = MM_KIND_AMEND;
        action.body.action.qty_e8 = which == 0 ? 100000 : 0;
        MM_CHECK(mm_gate_encode(gate, &action, 0, &payload, &bytes) == MM_BIT(MM_REASON_KILLED));
        MM_CHECK(mm_gate_killed(gate));
        mm_gate_free(gate);
    }
}

static void requests_wait_one_behind_the_other_until_they_are_taken(void)
{
    mm_gate *gate = open_logged_on();
    const uint8_t *frames = NULL;
    mm_record action = place_action(1, 0);
    size_t at = 0;
    for (uint64_t i = 0; i < 3; i++) {
        action.kind = i == 1 ? MM_KIND_CANCEL : MM_KIND_PLACE;
        action.body.action.order_seq = i == 2 ? 2 : 1;
        MM_CHECK(is_complete(gate, &action, 0));
    }
    size_t all = mm_gate_take(gate, &frames);
    static const char *const ids[] = {"\"id\":\"p1\"}", "\"id\":\"c1\"}", "\"id\":\"p2\"}"};
    for (size_t i = 0; i < 3; i++) { /* each a whole frame: type, mask bit and 16-bit length, mask, payload */
        char text[2048];
        size_t frame_bytes = 8 + ((size_t)frames[at + 2] << 8 | frames[at + 3]);
        size_t bytes = unmask(frames + at, frame_bytes, text);
        size_t tail = strlen(ids[i]);
        MM_CHECK(bytes > tail && is_text(text + bytes - tail, tail, ids[i]));
        at += frame_bytes;
    }
    MM_CHECK_INT((int64_t)at, ==, (int64_t)all);
    MM_CHECK(mm_gate_take(gate, &frames) == 0);
    mm_gate_free(gate);
}

static void a_full_burst_takes_no_further_request_and_counts_none(void)
{
    mm_gate *gate = open_logged_on();
    const uint8_t *frames = NULL;
    const char *payload = NULL;
    size_t bytes = 0;
    mm_record cancel = place_action(1, 0);
    cancel.kind = MM_KIND_CANCEL;
    for (int i = 0; i < MM_GATE_BURST_MAX; i++) {
        MM_CHECK(is_complete(gate, &cancel, 0));
    }
    mm_record action = place_action(1, 0);
    uint64_t verdict = mm_gate_encode(gate, &action, 0, &payload, &bytes);
    MM_CHECK_UINT(verdict, ==, MM_BIT(MM_REASON_NO_ROOM));
    MM_CHECK_UINT(mm_gate_orders_out(gate), ==, 0);
    MM_CHECK(mm_gate_take(gate, &frames) > 0);
    MM_CHECK(is_complete(gate, &action, 0));
    mm_gate_free(gate);
}

static void a_killed_gate_lets_cancels_pass_and_orders_not(void)
{
    mm_gate *gate = open_gate(MM_WIRE_WS_API);
    const char *payload = NULL;
    size_t bytes = 0;
    mm_record action = place_action(1, 0);
    mm_gate_kill(gate);
    MM_CHECK((try_place(gate, 1, 0) & MM_BIT(MM_REASON_KILLED)) != 0);
    action.kind = MM_KIND_CANCEL;
    MM_CHECK(mm_gate_encode(gate, &action, 0, &payload, &bytes) == 0);
    action.kind = MM_KIND_QUERY;
    MM_CHECK(mm_gate_encode(gate, &action, 0, &payload, &bytes) == 0);
    mm_gate_free(gate);
}

static void an_old_decision_is_refused_and_an_old_cancel_is_not(void)
{
    mm_gate *gate = open_gate(MM_WIRE_WS_API);
    const char *payload = NULL;
    size_t bytes = 0;
    mm_record action = place_action(1, 0);
    int64_t late_ns = 50 * 1000000 + 1;
    MM_CHECK(mm_gate_encode(gate, &action, late_ns, &payload, &bytes) == MM_BIT(MM_REASON_STALE_DECISION));
    action.kind = MM_KIND_CANCEL;
    MM_CHECK(mm_gate_encode(gate, &action, late_ns, &payload, &bytes) == 0);
    mm_gate_free(gate);
}

static void a_missing_or_doubled_order_kills_the_gate(void)
{
    for (uint64_t second = 1; second <= 3; second += 2) {
        mm_gate *gate = open_gate(MM_WIRE_WS_API);
        MM_CHECK(try_place(gate, 1, 0) == 0);
        MM_CHECK((try_place(gate, second, 0) & MM_BIT(MM_REASON_COUNT_MISMATCH)) != 0);
        MM_CHECK(mm_gate_killed(gate));
        MM_CHECK_INT((int64_t)mm_gate_orders_out(gate), ==, 1);
        mm_gate_free(gate);
    }
}

static void orders_are_counted_in_one_second_ten_seconds_and_a_day(void)
{
    mm_gate *gate = open_gate(MM_WIRE_WS_API);
    uint64_t seq = 0;
    int64_t now_ns = 0;
    for (int i = 0; i < 5; i++) {
        MM_CHECK(try_place(gate, ++seq, now_ns) == 0);
    }
    MM_CHECK(try_place(gate, ++seq, now_ns) == MM_BIT(MM_REASON_RATE_LIMIT));
    now_ns = SECOND_NS;
    for (int i = 0; i < 3; i++) {
        MM_CHECK(try_place(gate, ++seq, now_ns) == 0);
    }
    MM_CHECK(try_place(gate, ++seq, now_ns + 2 * SECOND_NS) == MM_BIT(MM_REASON_RATE_LIMIT));
    now_ns = 10 * SECOND_NS;
    for (int i = 0; i < 2; i++) {
        MM_CHECK(try_place(gate, ++seq, now_ns) == 0);
    }
    MM_CHECK(try_place(gate, ++seq, now_ns + 100 * SECOND_NS) == MM_BIT(MM_REASON_RATE_LIMIT));
    MM_CHECK(try_place(gate, ++seq, now_ns + 86400 * SECOND_NS) == 0);
    mm_gate_free(gate);
}

static void nothing_leaves_during_a_ban_or_before_the_clock_is_known(void)
{
    mm_gate_config config = config_of(MM_WIRE_WS_API);
    mm_gate *gate = mm_gate_new(&config);
    const char *payload = NULL;
    size_t bytes = 0;
    mm_record action = place_action(1, 0);
    action.kind = MM_KIND_CANCEL;
    MM_CHECK(mm_gate_encode(gate, &action, 0, &payload, &bytes) == MM_BIT(MM_REASON_CLOCK));
    mm_gate_clock(gate, OFFSET_NS);
    mm_gate_ban(gate, 100);
    mm_gate_ban(gate, 50); /* a shorter ban does not end a longer one */
    MM_CHECK(mm_gate_encode(gate, &action, 99, &payload, &bytes) == MM_BIT(MM_REASON_BANNED));
    MM_CHECK(mm_gate_encode(gate, &action, 100, &payload, &bytes) == 0);
    mm_gate_free(gate);
}

static void a_configuration_that_could_break_json_or_limits_is_refused(void)
{
    mm_gate_config config = config_of(MM_WIRE_WS_API);
    strcpy(config.api_key, "a\"b");
    MM_CHECK(mm_gate_new(&config) == NULL);
    config = config_of(MM_WIRE_WS_API);
    config.orders_per_10s_max = 0;
    MM_CHECK(mm_gate_new(&config) == NULL);
    config = config_of(MM_WIRE_WS_API);
    config.orders_per_1s_max = 4096; /* more than the gate can look back */
    MM_CHECK(mm_gate_new(&config) == NULL);
    config = config_of(MM_WIRE_WS_API);
    memset(config.order_prefix, 'a', sizeof config.order_prefix);
    MM_CHECK(mm_gate_new(&config) == NULL);
    config = config_of(MM_WIRE_WS_API);
    config.place_window_ms = 60001;
    MM_CHECK(mm_gate_new(&config) == NULL);
}

static void every_field_of_a_configuration_has_its_range(void)
{
    static const struct {
        size_t offset;
        int64_t bad;
    } wide[] = {
        {offsetof(mm_gate_config, stale_decision_ns), 0},
        {offsetof(mm_gate_config, orders_per_1s_max), 0},
        {offsetof(mm_gate_config, orders_per_1s_max), 4096},
        {offsetof(mm_gate_config, orders_per_10s_max), 0},
        {offsetof(mm_gate_config, orders_per_10s_max), 4096},
        {offsetof(mm_gate_config, orders_per_day_max), 0},
        {offsetof(mm_gate_config, place_window_ms), 0},
        {offsetof(mm_gate_config, place_window_ms), 60001},
        {offsetof(mm_gate_config, other_window_ms), 0},
        {offsetof(mm_gate_config, other_window_ms), 60001},
    };
    static const struct {
        size_t offset;
        int32_t bad;
    } narrow[] = {
        {offsetof(mm_gate_config, wire), 2},
        {offsetof(mm_gate_config, signature), 2},
        {offsetof(mm_gate_config, price_decimals), -1},
        {offsetof(mm_gate_config, price_decimals), 9},
        {offsetof(mm_gate_config, qty_decimals), -1},
        {offsetof(mm_gate_config, qty_decimals), 9},
    };
    for (size_t i = 0; i < MM_TEST_COUNT(wide); i++) {
        mm_gate_config config = config_of(MM_WIRE_WS_API);
        memcpy((char *)&config + wide[i].offset, &wide[i].bad, sizeof wide[i].bad);
        MM_CHECK(mm_gate_new(&config) == NULL);
    }
    for (size_t i = 0; i < MM_TEST_COUNT(narrow); i++) {
        mm_gate_config config = config_of(MM_WIRE_WS_API);
        memcpy((char *)&config + narrow[i].offset, &narrow[i].bad, sizeof narrow[i].bad);
        MM_CHECK(mm_gate_new(&config) == NULL);
    }
}

static void texts_are_there_end_and_break_nothing(void)
{
    static const size_t offsets[] = {offsetof(mm_gate_config, symbol), offsetof(mm_gate_config, order_prefix),
                                     offsetof(mm_gate_config, stp_mode), offsetof(mm_gate_config, api_key)};
    static const size_t sizes[] = {24, 24, 24, 128};
    static const char breaking[] = "\"&/:@[`{ \x7f\x80";
    for (size_t i = 0; i < MM_TEST_COUNT(offsets); i++) {
        mm_gate_config config = config_of(MM_WIRE_WS_API);
        memset((char *)&config + offsets[i], 'a', sizes[i]);
        MM_CHECK(mm_gate_new(&config) == NULL);
        memset((char *)&config + offsets[i], 0, sizes[i]);
        MM_CHECK(mm_gate_new(&config) == NULL);
        for (size_t j = 0; j + 1 < sizeof breaking; j++) {
            *((char *)&config + offsets[i]) = breaking[j];
            MM_CHECK(mm_gate_new(&config) == NULL);
        }
    }
    mm_gate_config config = config_of(MM_WIRE_WS_API);
    strcpy(config.order_prefix, "azAZ09-_");
    mm_gate *gate = mm_gate_new(&config);
    MM_CHECK(gate != NULL);
    mm_gate_free(gate);
    static unsigned char memory[64] __attribute__((aligned(64)));
    MM_CHECK(mm_gate_init(memory, sizeof memory, &config, &gate) == MM_E_ARGUMENT);
}

static void a_signature_has_the_letters_and_the_length_of_its_kind(void)
{
    static const struct {
        int32_t kind;
        size_t bytes;
        const char *letters;
        const char *others;
    } cases[] = {{MM_SIGN_HMAC, 64, "0123456789abcdefABCDEF", "/:@G`g"},
                 {MM_SIGN_ED25519, 88, "09azAZ+/=", "*-.:@[`{"}};
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        mm_gate_config config = config_of(MM_WIRE_WS_API);
        config.signature = cases[i].kind;
        mm_gate *gate = mm_gate_new(&config);
        mm_gate_clock(gate, OFFSET_NS);
        char signature[89];
        uint64_t seq = 0;
        memset(signature, '0', sizeof signature);
        for (const char *letter = cases[i].others; *letter != 0; letter++) {
            mm_record cancel = place_action(++seq, 0);
            cancel.kind = MM_KIND_CANCEL;
            const char *payload = NULL;
            size_t bytes = 0;
            MM_CHECK(mm_gate_encode(gate, &cancel, 0, &payload, &bytes) == 0);
            signature[7] = *letter;
            MM_CHECK(mm_gate_seal(gate, signature, cases[i].bytes) == MM_E_ARGUMENT);
        }
        for (const char *letter = cases[i].letters; *letter != 0; letter++) {
            mm_record query = place_action(++seq, 0);
            query.kind = MM_KIND_QUERY;
            const char *payload = NULL;
            const uint8_t *frame = NULL;
            size_t bytes = 0;
            MM_CHECK(mm_gate_encode(gate, &query, 0, &payload, &bytes) == 0);
            signature[7] = *letter;
            MM_CHECK(mm_gate_seal(gate, signature, cases[i].bytes) == MM_OK);
            MM_CHECK(mm_gate_take(gate, &frame) > 0);
        }
        mm_gate_free(gate);
    }
}

static void each_request_names_its_method_and_its_ids_letter(void)
{
    static const struct {
        uint16_t kind;
        const char *method;
        const char *id;
    } cases[] = {{MM_KIND_PLACE, "{\"method\":\"order.place\",", ",\"id\":\"p"},
                 {MM_KIND_REPLACE, "{\"method\":\"order.cancelReplace\",", ",\"id\":\"r"},
                 {MM_KIND_AMEND, "{\"method\":\"order.amend.keepPriority\",", ",\"id\":\"a"},
                 {MM_KIND_CANCEL, "{\"method\":\"order.cancel\",", ",\"id\":\"c"},
                 {MM_KIND_QUERY, "{\"method\":\"order.status\",", ",\"id\":\"q"}};
    mm_gate *gate = open_logged_on();
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        char text[2048];
        const uint8_t *frame = NULL;
        mm_record action = place_action(i + 1, 0);
        action.kind = cases[i].kind;
        action.flags = (uint16_t)(MM_ASK << 8);
        action.body.action.exchange_id = 991;
        MM_CHECK(is_complete(gate, &action, 0));
        size_t frame_bytes = mm_gate_take(gate, &frame);
        size_t bytes = unmask(frame, frame_bytes, text);
        text[bytes] = 0;
        MM_CHECK(strncmp(text, cases[i].method, strlen(cases[i].method)) == 0);
        MM_CHECK(strstr(text, cases[i].id) != NULL);
        bool order = cases[i].kind == MM_KIND_PLACE || cases[i].kind == MM_KIND_REPLACE;
        MM_CHECK((strstr(text, "\"side\":\"SELL\"") != NULL) == order);
    }
    mm_gate_free(gate);
}

static void an_order_without_a_price_or_a_quantity_kills_the_gate(void)
{
    for (int which = 0; which < 2; which++) {
        mm_gate *gate = open_logged_on();
        const char *payload = NULL;
        size_t bytes = 0;
        mm_record action = place_action(1, 0);
        *(which == 0 ? &action.body.action.price_e8 : &action.body.action.qty_e8) = 0;
        MM_CHECK((mm_gate_encode(gate, &action, 0, &payload, &bytes) & MM_BIT(MM_REASON_KILLED)) != 0);
        MM_CHECK(mm_gate_killed(gate));
        mm_gate_free(gate);
    }
}

static void no_order_leaves_before_the_clock_is_known(void)
{
    mm_gate_config config = config_of(MM_WIRE_WS_API);
    mm_gate *gate = mm_gate_new(&config);
    MM_CHECK(try_place(gate, 1, 0) == MM_BIT(MM_REASON_CLOCK));
    mm_gate_free(gate);
}

/* Last: nothing clears it. */
static void after_a_failed_assertion_anywhere_only_cancels_leave(void)
{
    mm_gate *gate = open_logged_on();
    mm_record cancel = place_action(1, 0);
    cancel.kind = MM_KIND_CANCEL;
    MM_CHECK(!mm_gate_killed(gate));
    mm_test_panic_latch();
    MM_CHECK(mm_gate_killed(gate));
    MM_CHECK(try_place(gate, 1, 0) == MM_BIT(MM_REASON_KILLED));
    MM_CHECK(is_complete(gate, &cancel, 0));
    mm_gate_free(gate);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_new_order_is_signed_over_its_sorted_parameters),
        MM_TEST(a_sealed_order_is_a_masked_frame_of_json_with_numbers_as_signed),
        MM_TEST(a_cancel_names_the_exchange_id_when_known_and_the_client_id_otherwise),
        MM_TEST(the_cancel_of_another_runs_order_carries_this_runs_name),
        MM_TEST(rest_percent_encodes_a_base64_signature),
        MM_TEST(nothing_can_be_sealed_that_was_not_let_through_just_before),
        MM_TEST(after_a_log_on_a_request_is_complete_at_once_with_neither_key_nor_signature),
        MM_TEST(an_amend_names_the_order_its_new_quantity_and_the_id_it_keeps),
        MM_TEST(a_replacement_is_a_new_order_that_names_the_one_it_takes_the_place_of),
        MM_TEST(an_amend_is_refused_when_killed_or_late_and_never_for_the_rate_of_orders),
        MM_TEST(an_amend_of_no_order_or_to_nothing_kills_the_gate),
        MM_TEST(requests_wait_one_behind_the_other_until_they_are_taken),
        MM_TEST(a_full_burst_takes_no_further_request_and_counts_none),
        MM_TEST(a_killed_gate_lets_cancels_pass_and_orders_not),
        MM_TEST(an_old_decision_is_refused_and_an_old_cancel_is_not),
        MM_TEST(a_missing_or_doubled_order_kills_the_gate),
        MM_TEST(orders_are_counted_in_one_second_ten_seconds_and_a_day),
        MM_TEST(nothing_leaves_during_a_ban_or_before_the_clock_is_known),
        MM_TEST(a_configuration_that_could_break_json_or_limits_is_refused),
        MM_TEST(every_field_of_a_configuration_has_its_range),
        MM_TEST(texts_are_there_end_and_break_nothing),
        MM_TEST(a_signature_has_the_letters_and_the_length_of_its_kind),
        MM_TEST(each_request_names_its_method_and_its_ids_letter),
        MM_TEST(an_order_without_a_price_or_a_quantity_kills_the_gate),
        MM_TEST(no_order_leaves_before_the_clock_is_known),
        MM_TEST(after_a_failed_assertion_anywhere_only_cancels_leave),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
