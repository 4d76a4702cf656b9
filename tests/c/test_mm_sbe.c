/* The binary decoder under the sanitizers: every message lives in memory of exactly its size. That it says what the JSON
 * decoder says is tested in tests/core/test_sbe.py. */
#include "mmcore.h"

#include "mm_test.h"

enum { RECORDS = 64, MESSAGE_MAX = 200000 };

#define RECV_NS 777

static uint8_t message[MESSAGE_MAX];
static size_t message_bytes;
static mm_record records[MM_EVENT_RECORDS_MAX];
static size_t count;
static size_t error_at;
static const char *wanted_symbol = "BTCUSDT";

/* ---- Writing a message ---- */

static void put(uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        message[message_bytes++] = (uint8_t)(value >> (8 * i));
    }
}

static void put_head(uint16_t root_bytes, uint16_t template_id)
{
    message_bytes = 0;
    put(root_bytes, 2);
    put(template_id, 2);
    put(1, 2);
    put(0, 2);
}

static void put_symbol(void)
{
    put(7, 1);
    memcpy(message + message_bytes, "BTCUSDT", 7);
    message_bytes += 7;
}

static void put_side(uint16_t levels, uint64_t first)
{
    put(16, 2);
    put(levels, 2);
    for (uint64_t i = 0; i < levels; i++) {
        put(first + i, 8);
        put(first + 100 + i, 8);
    }
}

static void write_depth(void)
{
    put_head(26, 10003);
    put(1672515782136000, 8);
    put(157, 8);
    put(160, 8);
    put(0xF8, 1); /* -8 */
    put(0xFB, 1); /* -5 */
    put_side(4, 1000);
    put_side(2, 2000);
    put_symbol();
}

static void write_trades(void)
{
    put_head(18, 10000);
    put(1672515782136000, 8);
    put(1672515782135000, 8);
    put(0xF8F8, 2);
    put(25, 2);
    put(2, 4);
    for (uint64_t i = 0; i < 2; i++) {
        put(500 + i, 8);
        put(10, 8);
        put(20, 8);
        put(i, 1);
    }
    put_symbol();
}

/* All mantissas are 0 but that at `place` (0 to 3: bid price and quantity, ask price and quantity). */
static void write_ticker_with(int32_t exponent, size_t place, int64_t mantissa)
{
    put_head(50, 10001);
    put(1672515782136000, 8);
    put(160, 8);
    put((uint8_t)exponent, 1);
    put((uint8_t)exponent, 1);
    for (size_t i = 0; i < 4; i++) {
        put(i == place ? (uint64_t)mantissa : 0, 8);
    }
    put_symbol();
}

static void write_ticker(void)
{
    write_ticker_with(-8, 0, 1);
}

static void write_partial(void)
{
    put_head(18, 10002);
    put(1672515782136000, 8);
    put(160, 8);
    put(0xF8F8, 2);
    put_side(1, 1000);
    put_side(3, 2000);
    put_symbol();
}

/* ---- Reading it back ---- */

/* The first `bytes` of the message, out of memory of exactly that size. */
static mm_status decode_some(size_t bytes, size_t capacity)
{
    uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
    mm_record *out = malloc(capacity > 0 ? capacity * sizeof *out : 1);
    mm_status status = MM_E_SYSTEM;
    count = 99;
    if (exact != NULL && out != NULL) {
        memcpy(exact, message, bytes);
        status = mm_sbe_decode(wanted_symbol, exact, bytes, RECV_NS, out, capacity, &count, &error_at);
        memcpy(records, out, (count < capacity ? count : 0) * sizeof *out);
    }
    free(exact);
    free(out);
    return status;
}

typedef void (*writer)(void);
static const struct {
    writer write;
    size_t record_count;
} kinds[] = {{write_depth, 4}, {write_trades, 2}, {write_ticker, 1}, {write_partial, 3}};

static void a_depth_message_becomes_a_header_and_its_levels(void)
{
    write_depth();
    mm_status status = decode_some(message_bytes, RECORDS);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_REQUIRE(count == 4);
    MM_CHECK_UINT(records[0].kind, ==, MM_KIND_DEPTH);
    MM_CHECK_UINT(records[0].count, ==, 4);
    MM_CHECK_INT(records[0].body.depth.first_id, ==, 157);
    MM_CHECK_INT(records[0].body.depth.last_id, ==, 160);
    MM_CHECK_INT(records[0].body.depth.prev_id, ==, -1);
    MM_CHECK_INT(records[0].body.depth.event_time_us, ==, 1672515782136000);
    MM_CHECK_INT(records[0].body.depth.recv_ns, ==, RECV_NS);
    MM_CHECK_UINT(records[0].body.depth.bid_count, ==, 4);
    MM_CHECK_UINT(records[0].body.depth.ask_count, ==, 2);
    MM_CHECK_UINT(records[1].kind, ==, MM_KIND_LEVELS);
    MM_CHECK_UINT(records[1].count, ==, 0);
    MM_CHECK_INT(records[2].body.levels[0].price_e8, ==, 1003);
    MM_CHECK_INT(records[2].body.levels[0].qty_e8, ==, 1103000);
    MM_CHECK_INT(records[2].body.levels[1].price_e8, ==, 0);
    MM_CHECK_INT(records[3].body.levels[0].price_e8, ==, 2000);
}

static void trades_become_one_event_each(void)
{
    write_trades();
    mm_status status = decode_some(message_bytes, RECORDS);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_REQUIRE(count == 2);
    MM_CHECK_UINT(records[0].flags, ==, 0);
    MM_CHECK_UINT(records[1].flags, ==, MM_FLAG_BUYER_MAKER);
    MM_CHECK_INT(records[1].body.trade.trade_id, ==, 501);
    MM_CHECK_INT(records[1].body.trade.first_trade_id, ==, 501);
    MM_CHECK_INT(records[1].body.trade.trade_time_us, ==, 1672515782135000);
}

static void values_are_scaled_exactly_or_refused_at_their_place(void)
{
    static const struct {
        int32_t exponent;
        int64_t mantissa;
        mm_status status;
        int64_t value_e8;
    } cases[] = {{-8, INT64_MAX, MM_OK, INT64_MAX},
                 {-8, -1, MM_E_SYNTAX, 0},
                 {-5, INT64_MAX / 1000, MM_OK, INT64_MAX / 1000 * 1000},
                 {-5, INT64_MAX / 1000 + 1, MM_E_OVERFLOW, 0},
                 {10, 9, MM_OK, INT64_C(9000000000000000000)},
                 {10, 10, MM_E_OVERFLOW, 0},
                 {11, 0, MM_OK, 0},
                 {11, 1, MM_E_OVERFLOW, 0},
                 {-26, INT64_C(7000000000000000000), MM_OK, 7},
                 {-26, INT64_C(7000000000000000001), MM_E_PRECISION, 0},
                 {-27, INT64_C(7000000000000000000), MM_E_PRECISION, 0},
                 {-128, 0, MM_OK, 0},
                 {-128, 1, MM_E_PRECISION, 0}};
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        for (size_t place = 0; place < 4; place++) {
            write_ticker_with(cases[i].exponent, place, cases[i].mantissa);
            mm_status status = decode_some(message_bytes, RECORDS);
            MM_CHECK_INT(status, ==, cases[i].status);
            if (status != MM_OK) {
                MM_CHECK_UINT(error_at, ==, 26 + 8 * place);
                continue;
            }
            const mm_ticker_body *ticker = &records[0].body.ticker;
            const int64_t values_e8[] = {ticker->bid_price_e8, ticker->bid_qty_e8, ticker->ask_price_e8, ticker->ask_qty_e8};
            MM_CHECK_INT(values_e8[place], ==, cases[i].value_e8);
        }
    }
}

static void without_a_symbol_that_is_wanted_every_message_is_read(void)
{
    static const struct {
        const char *symbol;
        bool wanted;
    } cases[] = {{"", true}, {"BTCUSDT", true}, {"BTCUSD", false}, {"ETHUSDT", false}};
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        wanted_symbol = cases[i].symbol;
        for (size_t k = 0; k < MM_TEST_COUNT(kinds); k++) {
            kinds[k].write();
            mm_status status = decode_some(message_bytes, RECORDS);
            MM_CHECK_INT(status, ==, MM_OK);
            MM_CHECK_UINT(count, ==, cases[i].wanted ? kinds[k].record_count : 0);
        }
    }
    wanted_symbol = "BTCUSDT";
}

static void a_side_holds_ten_thousand_levels_and_no_more(void)
{
    static const uint16_t levels[][2] = {{10000, 0}, {0, 10000}, {10001, 0}, {0, 10001}};
    for (size_t i = 0; i < MM_TEST_COUNT(levels); i++) {
        put_head(18, 10002);
        put(1672515782136000, 8);
        put(160, 8);
        put(0xF8F8, 2);
        put_side(levels[i][0], 1000);
        put_side(levels[i][1], 1000);
        put_symbol();
        mm_status status = decode_some(message_bytes, MM_EVENT_RECORDS_MAX);
        MM_CHECK_INT(status, ==, i < 2 ? MM_OK : MM_E_CAPACITY);
        MM_CHECK_UINT(count, ==, i < 2 ? 3335 : 0);
    }
}

static void no_message_is_read_past_its_end_wherever_it_is_cut(void)
{
    for (size_t k = 0; k < MM_TEST_COUNT(kinds); k++) {
        kinds[k].write();
        for (size_t bytes = 0; bytes < message_bytes; bytes++) {
            mm_status status = decode_some(bytes, RECORDS);
            MM_CHECK_INT(status, ==, MM_E_SYNTAX);
            MM_CHECK_UINT(count, ==, 0);
            MM_CHECK_UINT(error_at, ==, bytes);
        }
    }
}

static void no_record_is_written_past_the_room(void)
{
    for (size_t k = 0; k < MM_TEST_COUNT(kinds); k++) {
        kinds[k].write();
        for (size_t room = 0; room < kinds[k].record_count; room++) {
            mm_status status = decode_some(message_bytes, room);
            MM_CHECK_INT(status, ==, MM_E_CAPACITY);
            MM_CHECK_UINT(count, ==, 0);
        }
        mm_status status = decode_some(message_bytes, kinds[k].record_count);
        MM_CHECK_INT(status, ==, MM_OK);
        MM_CHECK_UINT(count, ==, kinds[k].record_count);
    }
}

static void damaged_messages_stay_within_their_bytes(void)
{
    for (int turn = 0; turn < 20000; turn++) {
        kinds[mm_test_below(MM_TEST_COUNT(kinds))].write();
        for (uint64_t flips = 1 + mm_test_below(5); flips > 0; flips--) {
            message[mm_test_below(message_bytes)] = (uint8_t)mm_test_random();
        }
        mm_status status = decode_some(mm_test_below(message_bytes + 1), RECORDS);
        MM_CHECK(status == MM_OK ? count <= RECORDS : count == 0);
        MM_CHECK_UINT(error_at, <=, message_bytes);
    }
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_depth_message_becomes_a_header_and_its_levels),
        MM_TEST(trades_become_one_event_each),
        MM_TEST(values_are_scaled_exactly_or_refused_at_their_place),
        MM_TEST(without_a_symbol_that_is_wanted_every_message_is_read),
        MM_TEST(a_side_holds_ten_thousand_levels_and_no_more),
        MM_TEST(no_message_is_read_past_its_end_wherever_it_is_cut),
        MM_TEST(no_record_is_written_past_the_room),
        MM_TEST(damaged_messages_stay_within_their_bytes),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
