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
    size_t frame_bytes = 0;
    MM_CHECK(try_place(gate, 1, 5 * SECOND_NS) == 0);
    MM_CHECK(mm_gate_seal(gate, SIGNATURE, strlen(SIGNATURE), &frame, &frame_bytes) == MM_OK);
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

static void rest_percent_encodes_a_base64_signature(void)
{
    mm_gate_config config = config_of(MM_WIRE_REST);
    config.signature = MM_SIGN_ED25519;
    mm_gate *gate = mm_gate_new(&config);
    mm_gate_clock(gate, OFFSET_NS);
    const char signature[] =
        "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gC/==";
    const uint8_t *query = NULL;
    size_t bytes = 0;
    MM_CHECK(try_place(gate, 1, 0) == 0);
    MM_CHECK(mm_gate_seal(gate, signature, strlen(signature), &query, &bytes) == MM_OK);
    const char tail[] = "FGM%2B5UdlGPrQHrgtS3CvsRURC1oj73j8gC%2F%3D%3D";
    MM_CHECK(bytes > sizeof tail && memcmp(query + bytes - strlen(tail), tail, strlen(tail)) == 0);
    mm_gate_free(gate);
}

static void nothing_can_be_sealed_that_was_not_let_through_just_before(void)
{
    mm_gate *gate = open_gate(MM_WIRE_WS_API);
    const uint8_t *frame = NULL;
    size_t bytes = 0;
    MM_CHECK(mm_gate_seal(gate, SIGNATURE, strlen(SIGNATURE), &frame, &bytes) == MM_E_STATE);
    MM_CHECK(try_place(gate, 1, 0) == 0);
    MM_CHECK(mm_gate_seal(gate, SIGNATURE, strlen(SIGNATURE), &frame, &bytes) == MM_OK);
    MM_CHECK(mm_gate_seal(gate, SIGNATURE, strlen(SIGNATURE), &frame, &bytes) == MM_E_STATE);
    MM_CHECK(try_place(gate, 2, 0) == 0);
    MM_CHECK(mm_gate_seal(gate, "no hex", 6, &frame, &bytes) == MM_E_ARGUMENT);
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

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_new_order_is_signed_over_its_sorted_parameters),
        MM_TEST(a_sealed_order_is_a_masked_frame_of_json_with_numbers_as_signed),
        MM_TEST(a_cancel_names_the_exchange_id_when_known_and_the_client_id_otherwise),
        MM_TEST(rest_percent_encodes_a_base64_signature),
        MM_TEST(nothing_can_be_sealed_that_was_not_let_through_just_before),
        MM_TEST(a_killed_gate_lets_cancels_pass_and_orders_not),
        MM_TEST(an_old_decision_is_refused_and_an_old_cancel_is_not),
        MM_TEST(a_missing_or_doubled_order_kills_the_gate),
        MM_TEST(orders_are_counted_in_one_second_ten_seconds_and_a_day),
        MM_TEST(nothing_leaves_during_a_ban_or_before_the_clock_is_known),
        MM_TEST(a_configuration_that_could_break_json_or_limits_is_refused),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
