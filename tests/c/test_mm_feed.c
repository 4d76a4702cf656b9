#include "mmcore.h"

#include "mm_test.h"

enum { RECORDS = 64, TEXT_MAX = 4096 };

#define RECV_NS 777

/* ---- Decoding into the test's own store ------------------------------------------------------ */

typedef struct {
    mm_status status;
    size_t count;
    size_t error_at;
    mm_record records[RECORDS];
} decoded;

static mm_feed *feed;
static decoded got;

static void open_feed(const char *symbol)
{
    mm_feed_config config;
    memset(&config, 0, sizeof config);
    snprintf(config.symbol, sizeof config.symbol, "%s", symbol);
    snprintf(config.order_prefix, sizeof config.order_prefix, "mA1-0k3f9zq-");
    snprintf(config.account_prefix, sizeof config.account_prefix, "mA1-");
    mm_feed_free(feed);
    feed = mm_feed_new(&config);
}

/* From memory of exactly that size, so that the address sanitizer sees a read outside it. */
static void decode_bytes(const char *text, size_t bytes, size_t capacity, decoded *into)
{
    char *exact = malloc(bytes > 0 ? bytes : 1);
    if (exact == NULL || feed == NULL) {
        MM_CHECK(exact != NULL && feed != NULL);
        free(exact);
        return;
    }
    memcpy(exact, text, bytes);
    memset(into->records, 0xEE, sizeof into->records);
    into->count = 99;
    into->error_at = 99;
    into->status = mm_feed_decode(feed, bytes > 0 ? exact : NULL, bytes, RECV_NS, into->records,
                                  capacity, &into->count, &into->error_at);
    free(exact);
}

static void decode(const char *text)
{
    decode_bytes(text, strlen(text), RECORDS, &got);
}

static const mm_feed_info *info(void)
{
    return mm_feed_last(feed);
}

/* The message becomes one event of this kind; behind that of a reply its counts may stand. */
static bool check_event(const char *text, uint16_t kind, uint16_t flags, uint32_t count)
{
    decode(text);
    size_t budgets = got.count > 1 && got.records[got.count - 1].kind == MM_KIND_BUDGET ? 1 : 0;
    bool good = MM_CHECK_INT(got.status, ==, MM_OK) && MM_CHECK_UINT(got.count - budgets, ==, count) &&
                MM_CHECK_UINT(got.records[0].kind, ==, kind) &&
                MM_CHECK_UINT(got.records[0].flags, ==, flags) &&
                MM_CHECK_UINT(got.records[0].count, ==, count) &&
                MM_CHECK_UINT(got.records[0].seq, ==, 0);
    if (!good) {
        printf("    in %s (at %zu)\n", text, got.error_at);
    }
    return good;
}

static void check_nothing(const char *text)
{
    decode(text);
    if (!MM_CHECK_INT(got.status, ==, MM_OK) || !MM_CHECK_UINT(got.count, ==, 0)) {
        printf("    in %s (at %zu)\n", text, got.error_at);
    }
}

/* The message is refused at the place of the mark '@' (which is left out), or anywhere when there
 * is none. */
static void check_refused(const char *marked, mm_status status)
{
    char text[TEXT_MAX];
    const char *mark = strchr(marked, '@');
    size_t at = mark == NULL ? 0 : (size_t)(mark - marked);
    snprintf(text, sizeof text, "%.*s%s", (int)at, marked, mark == NULL ? marked : mark + 1);
    decode(text);
    bool good = MM_CHECK_INT(got.status, ==, status) && MM_CHECK_UINT(got.count, ==, 0) &&
                (mark == NULL || MM_CHECK_UINT(got.error_at, ==, at));
    if (!good) {
        printf("    in %s\n", text);
    }
}

static void check_level(size_t record, size_t index, int64_t price_e8, int64_t qty_e8)
{
    const mm_record *levels = &got.records[record];
    MM_CHECK_UINT(levels->kind, ==, MM_KIND_LEVELS);
    MM_CHECK_UINT(levels->count, ==, 0);
    MM_CHECK_UINT(levels->flags, ==, 0);
    MM_CHECK_UINT(levels->seq, ==, 0);
    MM_CHECK_INT(levels->body.levels[index].price_e8, ==, price_e8);
    MM_CHECK_INT(levels->body.levels[index].qty_e8, ==, qty_e8);
}

/* ---- Samples, of every shape ------------------------------------------------------------------
 */

#define DEPTH                                                                                      \
    "{\"e\":\"depthUpdate\",\"E\":1672515782136,\"s\":\"BTCUSDT\",\"U\":157,\"u\":160,"            \
    "\"b\":[[\"61737.63000000\",\"0.00000000\"],[\"0.0024\",\"10\"],[\"61730.17\",\"1.5\"],"       \
    "[\"1\",\"92233720368.54775807\"]],\"a\":[[\"61837.64000000\",\"1.54698000\"]]}"
#define PARTIAL                                                                                    \
    "{\"lastUpdateId\":160,\"bids\":[[\"0.0024\",\"10\"]],\"asks\":[[\"0.0026\",\"100\"]]}"
#define TICKER                                                                                     \
    "{\"u\":400900217,\"s\":\"BTCUSDT\",\"b\":\"25.35190000\",\"B\":\"31.21000000\","              \
    "\"a\":\"25.36520000\",\"A\":\"40.66000000\"}"
#define TRADE                                                                                      \
    "{\"e\":\"trade\",\"E\":1672515782136,\"s\":\"BTCUSDT\",\"t\":12345,\"p\":\"0.001\","          \
    "\"q\":\"100\",\"T\":1672515782135,\"m\":true,\"M\":true}"
#define AGG_TRADE                                                                                  \
    "{\"e\":\"aggTrade\",\"E\":1672515782136,\"s\":\"BTCUSDT\",\"a\":12345,\"p\":\"0.001\","       \
    "\"q\":\"100\",\"f\":100,\"l\":105,\"T\":1672515782136123,\"m\":false,\"M\":true}"
#define REPORT(c, C, x, X, rest)                                                                   \
    "{\"e\":\"executionReport\",\"E\":1499405658658,\"s\":\"BTCUSDT\",\"c\":\"" c                  \
    "\",\"S\":\"SELL\",\"o\":\"LIMIT_MAKER\",\"f\":\"GTC\",\"q\":\"1.00000000\","                  \
    "\"p\":\"0.10264410\",\"P\":\"0.00000000\",\"F\":\"0.00000000\",\"g\":-1,\"C\":\"" C           \
    "\",\"x\":\"" x "\",\"X\":\"" X "\",\"r\":\"NONE\",\"i\":4293153," rest                        \
    "\"T\":1499405658657,\"I\":8641984,\"w\":true,\"M\":false,\"O\":1499405658657,"                \
    "\"Q\":\"0.00000000\",\"W\":1499405658657,\"V\":\"NONE\"}"
#define REFUSAL(r)                                                                                 \
    "{\"e\":\"executionReport\",\"E\":1,\"s\":\"BTCUSDT\",\"c\":\"mA1-0k3f9zq-5-b0\","             \
    "\"S\":\"BUY\",\"q\":\"1.00000000\",\"p\":\"0.10264410\",\"C\":\"\",\"x\":\"REJECTED\","         \
    "\"X\":\"REJECTED\"," r "\"i\":7,\"z\":\"0.00000000\",\"T\":1}"
#define NO_FILL                                                                                    \
    "\"l\":\"0.00000000\",\"z\":\"0.00000000\",\"L\":\"0.00000000\",\"n\":\"0\",\"N\":null,"       \
    "\"t\":-1,\"m\":false,\"Z\":\"0.00000000\",\"Y\":\"0.00000000\","
#define FILL(m)                                                                                    \
    "\"l\":\"0.25000000\",\"z\":\"0.75000000\",\"L\":\"0.10264411\",\"n\":\"-0.00001000\","        \
    "\"N\":\"BNB\",\"t\":987,\"m\":" m ",\"Z\":\"0.07\",\"Y\":\"0.02566102\","
#define POSITION                                                                                   \
    "{\"e\":\"outboundAccountPosition\",\"E\":1564034571105,\"u\":1564034571073,\"B\":["           \
    "{\"a\":\"ETH\",\"f\":\"10000.000000\",\"l\":\"0.000000\"},"                                   \
    "{\"a\":\"BTC\",\"f\":\"1.5\",\"l\":\"0.25\"}]}"
#define BALANCE_UPDATE                                                                             \
    "{\"e\":\"balanceUpdate\",\"E\":1573200697110,\"a\":\"BTC\",\"d\":\"-100.00000000\","          \
    "\"T\":1573200697068}"
#define EXTERNAL_LOCK                                                                              \
    "{\"e\":\"externalLockUpdate\",\"E\":1581557507324,\"a\":\"NEO\",\"d\":\"10.00000000\","       \
    "\"T\":1581557507268}"
#define OTHER_LIMIT(type, interval, number)                                                        \
    ",{\"rateLimitType\":\"" type "\",\"interval\":\"" interval "\",\"intervalNum\":" number       \
    ",\"limit\":9,\"count\":7}"
#define RATE_LIMITS                                                                                \
    ",\"rateLimits\":[{\"rateLimitType\":\"ORDERS\",\"interval\":\"SECOND\",\"intervalNum\":10,"   \
    "\"limit\":50,\"count\":12},{\"rateLimitType\":\"ORDERS\",\"interval\":\"DAY\","               \
    "\"intervalNum\":1,\"limit\":160000,\"count\":4043},{\"rateLimitType\":\"REQUEST_WEIGHT\","    \
    "\"interval\":\"MINUTE\",\"intervalNum\":1,\"limit\":6000,\"count\":321}" OTHER_LIMIT(         \
        "RAW_REQUESTS", "MINUTE", "1") OTHER_LIMIT("REQUEST_WEIGHT", "MINUTE", "5")                \
        OTHER_LIMIT("REQUEST_WEIGHT", "SECOND", "1") OTHER_LIMIT("ORDERS", "MINUTE", "1")          \
            OTHER_LIMIT("ORDERS", "MINUTE", "10") OTHER_LIMIT("ORDERS", "DAY", "10")               \
                OTHER_LIMIT("ORDERS", "SECOND", "1") OTHER_LIMIT("CONNECTIONS", "SECOND", "10")    \
                    OTHER_LIMIT("CONNECTIONS", "DAY", "1") "]"
#define ORDER_ACK                                                                                  \
    "{\"symbol\":\"BTCUSDT\",\"orderId\":12569099453,\"orderListId\":-1,"                          \
    "\"clientOrderId\":\"mA1-0k3f9zq-00001c4-b0\",\"transactTime\":1660801715639}"
#define ORDER_RESULT(status)                                                                       \
    "{\"symbol\":\"BTCUSDT\",\"orderId\":12569099453,\"orderListId\":-1,"                          \
    "\"clientOrderId\":\"mA1-0k3f9zq-00001c4-b0\",\"transactTime\":1660801715639,"                 \
    "\"price\":\"23416.10000000\",\"origQty\":\"0.00847000\",\"executedQty\":\"0.00100000\","      \
    "\"origQuoteOrderQty\":\"0.000000\",\"cummulativeQuoteQty\":\"23.41610000\",\"status\":"       \
    "\"" status "\",\"timeInForce\":\"GTC\",\"type\":\"LIMIT\",\"side\":\"SELL\","                 \
    "\"workingTime\":1660801715639,\"selfTradePreventionMode\":\"NONE\"}"
#define ORDER_FULL                                                                                 \
    "{\"symbol\":\"BTCUSDT\",\"orderId\":12569099453,\"orderListId\":-1,"                          \
    "\"clientOrderId\":\"mA1-0k3f9zq-00001c4-b0\",\"transactTime\":1660801715793,"                 \
    "\"price\":\"23416.10000000\",\"origQty\":\"0.00847000\",\"executedQty\":\"0.00847000\","      \
    "\"cummulativeQuoteQty\":\"198.33521500\",\"status\":\"FILLED\",\"timeInForce\":\"GTC\","      \
    "\"type\":\"LIMIT\",\"side\":\"BUY\",\"fills\":[{\"price\":\"23416.10000000\","                \
    "\"qty\":\"0.00635000\",\"commission\":\"0.000000\",\"commissionAsset\":\"BNB\","              \
    "\"tradeId\":1650422481}]}"
#define ORDER_CANCEL                                                                               \
    "{\"symbol\":\"BTCUSDT\",\"origClientOrderId\":\"mA1-0k3f9zq-00001c4-b0\","                    \
    "\"orderId\":12569099453,\"orderListId\":-1,\"clientOrderId\":\"91fe37ce9e69c90d6358c0\","     \
    "\"transactTime\":1684804350068,\"price\":\"23416.10000000\",\"origQty\":\"0.00847000\","      \
    "\"executedQty\":\"0.00100000\",\"origQuoteOrderQty\":\"0.000000\","                           \
    "\"cummulativeQuoteQty\":\"23.41610000\",\"status\":\"CANCELED\",\"timeInForce\":\"GTC\","     \
    "\"type\":\"LIMIT\",\"side\":\"SELL\",\"selfTradePreventionMode\":\"NONE\"}"
#define ORDER_QUERY                                                                                \
    "{\"symbol\":\"BTCUSDT\",\"orderId\":12569099453,\"orderListId\":-1,"                          \
    "\"clientOrderId\":\"mA1-0k3f9zq-00001c4-b0\",\"price\":\"23416.10000000\","                   \
    "\"origQty\":\"0.00847000\",\"executedQty\":\"0.00847000\","                                   \
    "\"cummulativeQuoteQty\":\"198.33521500\",\"status\":\"FILLED\",\"timeInForce\":\"GTC\","      \
    "\"type\":\"LIMIT\",\"side\":\"SELL\",\"stopPrice\":\"0.00000000\","                           \
    "\"icebergQty\":\"0.00000000\",\"time\":1660801715639,\"updateTime\":1660801717945,"           \
    "\"isWorking\":true,\"workingTime\":1660801715639,\"origQuoteOrderQty\":\"0.00000000\","       \
    "\"selfTradePreventionMode\":\"NONE\"}"
#define ORDER_AMENDED                                                                              \
    "{\"transactTime\":1741926410255,\"executionId\":75,\"amendedOrder\":{\"symbol\":\"BTCUSDT\","  \
    "\"orderId\":33,\"orderListId\":-1,\"origClientOrderId\":\"mA1-0k3f9zq-00001c4-b0\","          \
    "\"clientOrderId\":\"mA1-0k3f9zq-00001c4-b0\",\"price\":\"6.00000000\",\"qty\":\"5.00000000\"," \
    "\"executedQty\":\"1.50000000\",\"preventedQty\":\"0.00000000\",\"quoteOrderQty\":\"0\","       \
    "\"cumulativeQuoteQty\":\"9.00000000\",\"status\":\"PARTIALLY_FILLED\",\"timeInForce\":\"GTC\","  \
    "\"type\":\"LIMIT_MAKER\",\"side\":\"SELL\",\"workingTime\":1741926410242,"                     \
    "\"selfTradePreventionMode\":\"EXPIRE_TAKER\"}}"
#define LEGS(cancel, cancel_response, placed, placed_response)                                     \
    "{\"cancelResult\":\"" cancel "\",\"newOrderResult\":\"" placed "\",\"cancelResponse\":"         \
    cancel_response ",\"newOrderResponse\":" placed_response "}"
#define FAILED(code, msg) "{\"code\":" code ",\"msg\":\"" msg "\"}"
#define REPLACE_ERROR(status, code, legs)                                                          \
    "{\"id\":\"r9\",\"status\":" status ",\"error\":{\"code\":" code                                  \
    ",\"msg\":\"Order cancel-replace failed.\",\"data\":" legs "}" RATE_LIMITS "}"
#define REPLY(id, status, rest) "{\"id\":" id ",\"status\":" status "," rest RATE_LIMITS "}"
#define REPLY_ERROR(id, status, code, msg)                                                         \
    REPLY(id, status, "\"error\":{\"code\":" code ",\"msg\":\"" msg "\"}")
#define WRAPPED(event) "{\"subscriptionId\":0,\"event\":" event "}"
#define COMBINED(stream, data) "{\"stream\":\"" stream "\",\"data\":" data "}"

static const char *const samples[] = {
    DEPTH,
    PARTIAL,
    TICKER,
    TRADE,
    AGG_TRADE,
    COMBINED("btcusdt@depth@100ms", DEPTH),
    COMBINED("btcusdt@depth20@100ms", PARTIAL),
    COMBINED("btcusdt@bookTicker", TICKER),
    COMBINED("!ticker@arr", "[{\"e\":\"24hrTicker\",\"p\":\"-0.5\"},[],{}]"),
    REPORT("mA1-0k3f9zq-1-b0", "", "NEW", "NEW", NO_FILL),
    WRAPPED(REPORT("mA1-0k3f9zq-1-b0", "", "TRADE", "PARTIALLY_FILLED", FILL("true"))),
    POSITION,
    BALANCE_UPDATE,
    EXTERNAL_LOCK,
    "{\"e\":\"serverShutdown\",\"E\":1770123456789}",
    WRAPPED("{\"e\":\"eventStreamTerminated\",\"E\":1728973001334}"),
    REPLY("\"p123\"", "200", "\"result\":" ORDER_ACK),
    REPLY("\"p123\"", "200", "\"result\":" ORDER_FULL),
    REPLY("\"c123\"", "200", "\"result\":" ORDER_CANCEL),
    REPLY("\"q123\"", "200", "\"result\":" ORDER_QUERY),
    REPLY_ERROR("\"p123\"", "400", "-2010", "Order would immediately match and take."),
    "{\"result\":null,\"id\":1}",
    "{\"id\":\"1\",\"status\":200,\"result\":{\"subscriptionId\":3}}",
    REPLY("\"a123\"", "200", "\"result\":" ORDER_AMENDED),
    REPLY_ERROR("\"a123\"", "400", "-2038", "The requested action would change no state."),
    REPLY("\"r9\"", "200", "\"result\":" LEGS("SUCCESS", ORDER_CANCEL, "SUCCESS", ORDER_ACK)),
    REPLACE_ERROR("409", "-2021",
                  LEGS("SUCCESS", ORDER_CANCEL, "FAILURE",
                       FAILED("-2010", "Order would immediately match and take."))),
    REPLACE_ERROR("400", "-2022",
                  LEGS("FAILURE", FAILED("-2011", "Unknown order sent."), "NOT_ATTEMPTED", "null")),
    REPLY_ERROR("\"q123\"", "400", "-2013", "Order does not exist."),
    "{\"lastUpdateId\":1,\"bids\":[],\"asks\":[]}",
    ORDER_ACK,
    "[" ORDER_QUERY "," ORDER_QUERY "]",
    "{\"code\":-1121,\"msg\":\"Invalid symbol.\"}",
    "{\"e\":\"unknown\",\"x\":{\"y\":[1,-2.5e+10,\"\\u00e9\\ud83d\\ude00\",true,false,null,{}]}}",
};

/* ---- Market data -------------------------------------------------------------------------------
 */

static void depth_updates_become_a_header_and_levels_of_three(void)
{
    open_feed("BTCUSDT");
    MM_REQUIRE(check_event(DEPTH, MM_KIND_DEPTH, 0, 4));
    const mm_depth_body *depth = &got.records[0].body.depth;
    MM_CHECK_INT(depth->first_id, ==, 157);
    MM_CHECK_INT(depth->last_id, ==, 160);
    MM_CHECK_INT(depth->prev_id, ==, -1);
    MM_CHECK_INT(depth->event_time_us, ==, INT64_C(1672515782136000));
    MM_CHECK_INT(depth->recv_ns, ==, RECV_NS);
    MM_CHECK_UINT(depth->bid_count, ==, 4);
    MM_CHECK_UINT(depth->ask_count, ==, 1);
    check_level(1, 0, INT64_C(6173763000000), 0);
    check_level(1, 1, 240000, 1000000000);
    check_level(1, 2, INT64_C(6173017000000), 150000000);
    check_level(2, 0, 100000000, INT64_MAX);
    check_level(2, 1, 0, 0);
    check_level(2, 2, 0, 0);
    check_level(3, 0, INT64_C(6183764000000), 154698000);
    MM_CHECK_TEXT(info()->symbol, "BTCUSDT");
    MM_CHECK_TEXT(info()->stream, "");
    MM_REQUIRE(check_event(COMBINED("btcusdt@depth@100ms", DEPTH), MM_KIND_DEPTH, 0, 4));
    MM_CHECK_TEXT(info()->stream, "btcusdt@depth@100ms");
    MM_CHECK_TEXT(info()->symbol, "BTCUSDT");
}

static void the_previous_id_of_futures_sets_their_flag(void)
{
    open_feed("");
    MM_REQUIRE(
        check_event("{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"X_PERP\",\"ps\":\"X\",\"U\":3,"
                    "\"u\":4,\"pu\":-1,\"b\":[],\"a\":[]}",
                    MM_KIND_DEPTH, MM_FLAG_FUTURES, 1));
    MM_CHECK_INT(got.records[0].body.depth.prev_id, ==, -1);
    MM_CHECK_UINT(got.records[0].body.depth.bid_count, ==, 0);
    MM_REQUIRE(check_event(
        "{\"e\":\"depthUpdate\",\"s\":\"X\",\"pu\":2,\"U\":3,\"u\":4,\"b\":[],\"a\":[]}",
        MM_KIND_DEPTH, MM_FLAG_FUTURES, 1));
    MM_CHECK_INT(got.records[0].body.depth.prev_id, ==, 2);
    MM_CHECK_INT(got.records[0].body.depth.event_time_us, ==, 0);
}

static void snapshots_and_partial_books_are_told_apart_by_the_stream(void)
{
    open_feed("BTCUSDT");
    MM_REQUIRE(check_event(PARTIAL, MM_KIND_SNAPSHOT, 0, 3));
    MM_CHECK_INT(got.records[0].body.depth.first_id, ==, 160);
    MM_CHECK_INT(got.records[0].body.depth.last_id, ==, 160);
    check_level(1, 0, 240000, 1000000000);
    check_level(2, 0, 260000, INT64_C(10000000000));
    MM_CHECK(check_event(COMBINED("btcusdt@depth20@100ms", PARTIAL), MM_KIND_PARTIAL, 0, 3));
    check_nothing(COMBINED("ethusdt@depth20@100ms", PARTIAL));
    check_nothing(COMBINED("btcusdt_x@depth20@100ms", PARTIAL));
    check_nothing(COMBINED("btcusd", PARTIAL));
    open_feed("AZUSDT");
    MM_CHECK(check_event(COMBINED("azusdt@depth5", PARTIAL), MM_KIND_PARTIAL, 0, 3));
    MM_CHECK(check_event(COMBINED("AZUSDT@depth5", PARTIAL), MM_KIND_PARTIAL, 0, 3));
    open_feed("BTCUSDT");
    /* The data may stand before the stream's name. */
    MM_CHECK(
        check_event("{\"data\":" PARTIAL ",\"stream\":\"btcusdt@depth5\"}", MM_KIND_PARTIAL, 0, 3));
    check_nothing("{\"data\":" PARTIAL ",\"stream\":\"ethusdt@depth5\"}");
    MM_CHECK(check_event(
        "{\"lastUpdateId\":1,\"E\":1626916404580,\"T\":2,\"symbol\":\"BTCUSDT\",\"pair\":\"X\","
        "\"bids\":[],\"asks\":[]}",
        MM_KIND_SNAPSHOT, 0, 1));
    MM_CHECK_INT(got.records[0].body.depth.event_time_us, ==, INT64_C(1626916404580000));
}

static void tickers_and_trades_become_one_record(void)
{
    open_feed("");
    MM_REQUIRE(check_event(TICKER, MM_KIND_TICKER, 0, 1));
    const mm_ticker_body *ticker = &got.records[0].body.ticker;
    MM_CHECK_INT(ticker->update_id, ==, 400900217);
    MM_CHECK_INT(ticker->bid_price_e8, ==, 2535190000);
    MM_CHECK_INT(ticker->bid_qty_e8, ==, 3121000000);
    MM_CHECK_INT(ticker->ask_price_e8, ==, 2536520000);
    MM_CHECK_INT(ticker->ask_qty_e8, ==, 4066000000);
    MM_CHECK_INT(ticker->recv_ns, ==, RECV_NS);
    MM_CHECK_TEXT(info()->symbol, "BTCUSDT");
    MM_CHECK(check_event("{\"e\":\"bookTicker\",\"u\":1,\"s\":\"X\",\"ps\":\"Y\",\"b\":\"1\",\"B\":"
                         "\"86\",\"a\":\"2\","
                         "\"A\":\"87\",\"T\":1653811915499,\"E\":1653811915502}",
                         MM_KIND_TICKER, 0, 1));

    MM_REQUIRE(check_event(TRADE, MM_KIND_TRADE, MM_FLAG_BUYER_MAKER, 1));
    const mm_trade_body *trade = &got.records[0].body.trade;
    MM_CHECK_INT(trade->trade_id, ==, 12345);
    MM_CHECK_INT(trade->first_trade_id, ==, 12345);
    MM_CHECK_INT(trade->price_e8, ==, 100000);
    MM_CHECK_INT(trade->qty_e8, ==, INT64_C(10000000000));
    MM_CHECK_INT(trade->trade_time_us, ==, INT64_C(1672515782135000));
    MM_CHECK_INT(trade->recv_ns, ==, RECV_NS);
    MM_REQUIRE(check_event(AGG_TRADE, MM_KIND_TRADE, MM_FLAG_AGGREGATE, 1));
    MM_CHECK_INT(trade->trade_id, ==, 12345);
    MM_CHECK_INT(trade->first_trade_id, ==, 100);
    /* Microseconds by their size. */
    MM_CHECK_INT(trade->trade_time_us, ==, INT64_C(1672515782136123));
}

static void times_change_their_unit_at_fifteen_digits(void)
{
    static const struct {
        const char *time;
        int64_t time_us;
    } cases[] = {{"0", 0},
                 {"99999999999999", INT64_C(99999999999999000)},
                 {"100000000000000", INT64_C(100000000000000)},
                 {"1672515782136123", INT64_C(1672515782136123)},
                 {"9223372036854775807", INT64_MAX}};
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        char text[300];
        snprintf(
            text, sizeof text,
            "{\"e\":\"trade\",\"s\":\"X\",\"t\":1,\"p\":\"1\",\"q\":\"1\",\"T\":%s,\"m\":false}",
            cases[i].time);
        if (check_event(text, MM_KIND_TRADE, 0, 1)) {
            MM_CHECK_INT(got.records[0].body.trade.trade_time_us, ==, cases[i].time_us);
        }
    }
}

static void other_symbols_and_unknown_messages_give_no_records(void)
{
    open_feed("ETHUSDT");
    check_nothing(DEPTH);
    MM_CHECK_TEXT(info()->symbol, "BTCUSDT");
    check_nothing(COMBINED("btcusdt@bookTicker", TICKER));
    check_nothing(TRADE);
    check_nothing(REPORT("x", "", "NEW", "NEW", NO_FILL));
    /* A report of another symbol need not have numbers that fit. */
    check_nothing("{\"e\":\"executionReport\",\"s\":\"SHIBUSDT\",\"S\":\"BUY\",\"x\":\"NEW\",\"X\":\"NEW\","
                  "\"q\":\"99999999999999\"}");
    open_feed("");
    check_nothing(ORDER_ACK); /* what REST answers is not read here */
    check_nothing("[" ORDER_QUERY "," DEPTH "]");
    check_nothing("{}");
    check_nothing(" [ ] ");
    check_nothing("[{},1,\"x\",[[]],null]");
    check_nothing("{\"e\":\"24hrTicker\",\"p\":\"-0.5\",\"b\":\"x\",\"a\":[1,2,{}]}");
    check_nothing(
        "{\"e\":\"listStatus\",\"E\":1,\"s\":\"X\",\"O\":[{\"s\":\"X\",\"i\":17,\"c\":\"y\"}]}");
    check_nothing("{\"timezone\":\"UTC\",\"serverTime\":1}");
    check_nothing(COMBINED("btcusdt@kline_1m", "{\"e\":\"kline\",\"k\":{\"b\":[[1]],\"a\":5.5}}"));
    check_nothing("{\"stream\":\"x\",\"data\":[{\"e\":\"trade\"}]}");
    check_nothing("{\"b\":[[\"1\",\"2\"],[3]],\"e\":\"other\",\"a\":[{}]}");
}

/* ---- Numbers ----------------------------------------------------------------------------------
 */

static const char *const decimal_texts[] = {"0",
                                            "1",
                                            "10",
                                            "1234567",
                                            "12345678",
                                            "123456789",
                                            "92233720368",
                                            "92233720369",
                                            "0.1",
                                            "0.12345678",
                                            "0.123456780",
                                            "0.1234567800000",
                                            "0.123456789",
                                            "00012.5",
                                            "1.",
                                            ".5",
                                            "",
                                            "-",
                                            "-1",
                                            "-0",
                                            "+1",
                                            " 1",
                                            "1 ",
                                            "1e5",
                                            "1E5",
                                            "NaN",
                                            "Infinity",
                                            "-Infinity",
                                            "1_0",
                                            "0x10",
                                            "1,5",
                                            "1..2",
                                            "1.2.3",
                                            "12.34.",
                                            "1.-5",
                                            "92233720368.54775807",
                                            "92233720368.54775808",
                                            "99999999999999999999",
                                            "1e-30",
                                            "\\u0031",
                                            "1\\n",
                                            "\xEF\xBC\x91",
                                            "\xD9\xA1",
                                            "1234567.12345678",
                                            "12345678.12345678",
                                            "9999999.99999999",
                                            "0.00000000",
                                            "0000000.00000001",
                                            "00000000.00000001",
                                            "1/2",
                                            "1:2",
                                            "12345:7",
                                            "0.1234567:",
                                            "0.:"};

static void prices_are_parsed_as_mm_fixed_parse_does(void)
{
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(decimal_texts); i++) {
        int64_t value_e8 = -5;
        mm_status status = mm_fixed_parse(decimal_texts[i], strlen(decimal_texts[i]), &value_e8);
        if (status == MM_OK && decimal_texts[i][0] == '-') {
            status = MM_E_SYNTAX; /* prices and quantities of the market have no sign */
        }
        char text[TEXT_MAX];
        /* As price and as quantity, first and last, and far from the end of the text. */
        for (int place = 0; place < 8; place++) {
            bool qty = (place & 1) != 0;
            int at = snprintf(text, sizeof text,
                              "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[%s[\"%s",
                              (place & 2) != 0 ? "[\"7.1\",\"8\"]," : "", qty ? "3\",\"" : "");
            snprintf(text + at, sizeof text - (size_t)at, "%s%s\"]],\"a\":[]%s}", decimal_texts[i],
                     qty ? "" : "\",\"3",
                     (place & 4) != 0
                         ? ",\"padding\":\"................................................\""
                         : "");
            decode(text);
            MM_CHECK_INT(got.status, ==, status);
            if (status != MM_OK) {
                MM_CHECK_UINT(got.error_at, ==, at);
                continue;
            }
            const mm_level *level = &got.records[1].body.levels[(place & 2) != 0 ? 1 : 0];
            MM_CHECK_INT(qty ? level->qty_e8 : level->price_e8, ==, value_e8);
        }
        snprintf(text, sizeof text,
                 "{\"u\":1,\"s\":\"X\",\"b\":\"%s\",\"B\":\"1\",\"a\":\"2\",\"A\":\"3\"}",
                 decimal_texts[i]);
        decode(text);
        MM_CHECK_INT(got.status, ==, status);
        MM_CHECK_INT(got.records[0].body.ticker.bid_price_e8 == value_e8, ==, status == MM_OK);
    }
}

/* A decimal with 1..11 digits before the point, 0..8 behind it, or one of the texts above. */
static size_t any_decimal(char *out, size_t room)
{
    static const uint64_t tens[] = {10, 1000, 100000, 10000000, 1000000000, 90000000000};
    if (mm_test_below(200) == 0) {
        return (size_t)snprintf(out, room, "%s", decimal_texts[mm_test_below(MM_TEST_COUNT(decimal_texts))]);
    }
    const uint64_t units = mm_test_below(tens[mm_test_below(MM_TEST_COUNT(tens))]);
    const int decimals = mm_test_below(4) != 0 ? 8 : (int)mm_test_below(9);
    size_t used = (size_t)snprintf(out, room, decimals == 0 ? "%" PRIu64 : "%" PRIu64 ".", units);
    for (int i = 0; i < decimals; i++) {
        out[used++] = (char)('0' + mm_test_below(10));
    }
    out[used] = '\0';
    return used;
}

static bool level_is_right(const char *decimal, size_t bytes, int64_t value_e8)
{
    int64_t expected_e8 = -5;
    return mm_fixed_parse(decimal, bytes, &expected_e8) == MM_OK && value_e8 == expected_e8;
}

/* What one level looks like says nothing of the next one, however well it mostly does. */
static void levels_of_changing_widths_are_read_alike(void)
{
    enum { LEVELS = 12, DECIMAL_MAX = 40 };
    open_feed("");
    for (int turn = 0; turn < 400; turn++) {
        char decimals[LEVELS][2][DECIMAL_MAX];
        size_t bytes[LEVELS][2];
        char text[TEXT_MAX];
        bool good = true;
        int at = snprintf(text, sizeof text, "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[");
        for (int i = 0; i < LEVELS; i++) {
            for (int k = 0; k < 2; k++) {
                int64_t ignored_e8 = 0;
                bytes[i][k] = any_decimal(decimals[i][k], DECIMAL_MAX);
                good = good && decimals[i][k][0] != '-' && strchr(decimals[i][k], '\\') == NULL &&
                       mm_fixed_parse(decimals[i][k], bytes[i][k], &ignored_e8) == MM_OK;
            }
            at += snprintf(text + at, sizeof text - (size_t)at, "%s[\"%.*s\",\"%.*s\"]", i == 0 ? "" : ",",
                           (int)bytes[i][0], decimals[i][0], (int)bytes[i][1], decimals[i][1]);
        }
        snprintf(text + at, sizeof text - (size_t)at, "],\"a\":[]}");
        decode(text);
        MM_CHECK(!good || got.status == MM_OK);
        for (size_t i = 0; got.status == MM_OK && good && i < LEVELS; i++) {
            const mm_level *level = &got.records[1 + i / 3].body.levels[i % 3];
            MM_CHECK(level_is_right(decimals[i][0], bytes[i][0], level->price_e8));
            MM_CHECK(level_is_right(decimals[i][1], bytes[i][1], level->qty_e8));
        }
        MM_CHECK(got.status != MM_OK || got.records[0].body.depth.bid_count == LEVELS);
    }
}

static void random_decimals_are_exact(void)
{
    open_feed("");
    for (int round = 0; round < 20000; round++) {
        char price[64];
        char qty[64];
        char text[400];
        int64_t price_e8 = mm_test_any_magnitude() & INT64_MAX;
        int64_t qty_e8 = mm_test_any_magnitude() & INT64_MAX;
        price[mm_fixed_format(price_e8, (int32_t)mm_test_below(9), price)] = '\0';
        qty[mm_fixed_format(qty_e8, (int32_t)mm_test_below(9), qty)] = '\0';
        snprintf(text, sizeof text,
                 "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[[\"%s\",\"%s\"]],\"a\":"
                 "[[\"%s\",\"%s\"]]}",
                 price, qty, qty, price);
        decode(text);
        MM_REQUIRE(got.status == MM_OK && got.count == 3);
        MM_CHECK_INT(got.records[1].body.levels[0].price_e8, ==, price_e8);
        MM_CHECK_INT(got.records[1].body.levels[0].qty_e8, ==, qty_e8);
        MM_CHECK_INT(got.records[2].body.levels[0].price_e8, ==, qty_e8);
        MM_CHECK_INT(got.records[2].body.levels[0].qty_e8, ==, price_e8);
    }
}

static void integers_are_exact_or_refused(void)
{
    static const struct {
        const char *text;
        mm_status status;
        int64_t value;
    } cases[] = {{"0", MM_OK, 0},
                 {"-0", MM_OK, 0},
                 {"7", MM_OK, 7},
                 {"1234567", MM_OK, 1234567},
                 {"12345678", MM_OK, 12345678},
                 {"123456789", MM_OK, 123456789},
                 {"123456789012345", MM_OK, INT64_C(123456789012345)},
                 {"1234567890123456", MM_OK, INT64_C(1234567890123456)},
                 {"9223372036854775807", MM_OK, INT64_MAX},
                 {"9223372036854775808", MM_E_OVERFLOW, 0},
                 {"99999999999999999999999999", MM_E_OVERFLOW, 0},
                 {"-1", MM_E_SYNTAX, 0},
                 {"01", MM_E_SYNTAX, 0},
                 {"00", MM_E_SYNTAX, 0},
                 {"012345678", MM_E_SYNTAX, 0},
                 {"1.0", MM_E_SYNTAX, 0},
                 {"1e5", MM_E_SYNTAX, 0},
                 {"-", MM_E_SYNTAX, 0},
                 {"+1", MM_E_SYNTAX, 0},
                 {"\"1\"", MM_E_SYNTAX, 0},
                 {"null", MM_E_SYNTAX, 0},
                 {"true", MM_E_SYNTAX, 0},
                 {"[1]", MM_E_SYNTAX, 0},
                 {"NaN", MM_E_SYNTAX, 0},
                 {"Infinity", MM_E_SYNTAX, 0},
                 {"1_0", MM_E_SYNTAX, 0},
                 {"0x1", MM_E_SYNTAX, 0},
                 {"1 2", MM_E_SYNTAX, 0}};
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":%s,\"u\":9223372036854775807,\"b\":[],"
                 "\"a\":[]}",
                 cases[i].text);
        decode(text);
        MM_CHECK_INT(got.status, ==, cases[i].status);
        if (cases[i].status == MM_OK) {
            MM_CHECK_INT(got.records[0].body.depth.first_id, ==, cases[i].value);
        }
    }
}

static void numbers_that_nobody_reads_must_be_json_too(void)
{
    static const char *const good[] = {"0",
                                       "-0.5",
                                       "1e5",
                                       "1E+5",
                                       "1.25e-10",
                                       "123456789012345678901234567890",
                                       "0.0000000000000000001",
                                       "-1"};
    static const char *const bad[] = {"1.",   ".5", "1e",    "1e+", "-",   "--1",
                                      "1.e5", "01", "1.5.5", "1f",  "NaN", "-Infinity"};
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(good); i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"other\":%s,\"list\":[%s]}", good[i], good[i]);
        check_nothing(text);
    }
    for (size_t i = 0; i < MM_TEST_COUNT(bad); i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"other\":%s}", bad[i]);
        check_refused(text, MM_E_SYNTAX);
        snprintf(text, sizeof text, "{\"other\":[%s]}", bad[i]);
        check_refused(text, MM_E_SYNTAX);
    }
}

/* ---- Structure --------------------------------------------------------------------------------
 */

static const char *const malformed_texts[] = {
    "@",
    "  @",
    "@x",
    "@1",
    "@\"x\"",
    "@null",
    "@\xEF\xBB\xBF{}",
    "{@",
    "{}@}",
    "{} @x",
    "{}@{}",
    "[]@]",
    "{@,}",
    "{\"a\":1,@}",
    "{@a:1}",
    "{@'a':1}",
    "{\"a\" @1}",
    "{\"a\":@}",
    "{\"a\":1 @\"b\":2}",
    "{\"a\":1@]",
    "[1@}",
    "[1,@]",
    "[@,1]",
    "[1 @2]",
    "{\"x\":[1,@]}",
    "{\"x\":{\"y\":1,@}}",
    "{\"x\":{@1:2}}",
    "{\"x\":@tru}",
    "{\"x\":@nul}",
    "{\"x\":@falsy}",
    "{\"x\":true@1}",
    "{\"x\":@True}",
    "{\"x\":\"a@\x01\"}",
    "{\"x\":\"a@\n\"}",
    "{\"x\":\"@\\q\"}",
    "{\"x\":\"@\\u12G4\"}",
    "{\"x\":\"@\\ud800\"}",
    "{\"x\":\"@\\udc00\"}",
    "{\"x\":\"@\\ud800\\u0041\"}",
    "{\"x\":\"@\\u12\"}",
    "{\"x\":\"abc@",
    "{\"x\":\"abcdefghijklmnop@",
    "{\"x@",
    "{\"x\"@",
    "{\"x\":@",
    "{\"x\":1@",
    "{\"x\":1,@",
    "{\"s\":\"X\",@\"s\":\"Y\"}",
    "{\"id\":1,@\"id\":2}",
    "{\"id\":1,@\"\\u0069d\":2}",
    "{\"e\":1,@\"\\u0065\":2}",
    "{\"e\":@5}",
    "{\"e\":@null}",
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[]@}",
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":@5,\"a\":[]}",
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[@5],\"a\":[]}",
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[[@5,\"1\"]],\"a\":[]}",
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[[\"5\",@1]],\"a\":[]}",
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[[\"5\"@]],\"a\":[]}",
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[[@]],\"a\":[]}",
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[[\"5\",\"1\"@,\"2\"]],\"a\":[]}",
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[[\"5\",\"1\"],@],\"a\":[]}",
    ("{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[[\"5\",\"1\"]@[\"6\",\"1\"]],"
     "\"a\":[]}"),
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"U\":1,\"u\":2,\"a\":[[\"5\",\"@-1\"]],\"b\":[]}",
    "{\"s\":\"X\",\"U\":1,\"u\":2,\"b\":[[\"5\",@1]],\"a\":[],\"e\":\"depthUpdate\"}",
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"pu\":@\"1\",\"U\":1,\"u\":2,\"b\":[],\"a\":[]}",
    "{\"e\":\"depthUpdate\",\"s\":\"X\",\"E\":@-1,\"U\":1,\"u\":2,\"b\":[],\"a\":[]}",
    "{\"e\":\"depthUpdate\",\"s\":@1,\"U\":1,\"u\":2,\"b\":[],\"a\":[]}",
    "{\"lastUpdateId\":1,\"bids\":[],\"asks\":@{}}",
    "{\"lastUpdateId\":1,\"E\":@-1,\"bids\":[],\"asks\":[]}",
    "{\"lastUpdateId\":1,\"symbol\":@5,\"bids\":[],\"asks\":[]}",
    "{\"e\":\"depthUpdate\",\"b\":[],\"data\":{\"e\":\"depthUpdate\",\"b\":@[]}}",
    "{\"lastUpdateId\":1,\"bids\":[],\"e\":\"depthUpdate\",\"b\":@[]}",
    "{\"\\u0061@\xFF\":1}",
    "{\"e\":\"\\u0061@\xFF\"}",
    "{\"e\":\"outboundAccountPosition\",\"u\":1,\"B\":[{\"a\":\"X\",@\"a\":\"Y\"}]}",
    "{\"stream\":\"x\",\"data\":{},\"result\":@{}}",
    "{\"event\":{},\"data\":@{}}",
    "{\"stream\":@5,\"data\":{}}",
    "{\"s\":\"@\xFF\",\"u\":1,\"b\":\"1\",\"B\":\"1\",\"a\":\"1\",\"A\":\"1\"}",
    "{\"s\":\"ab\xE8\xBF\x99@\xC3(\",\"u\":1,\"b\":\"1\",\"B\":\"1\",\"a\":\"1\",\"A\":\"1\"}",
};

static void malformed_text_is_refused_at_its_place(void)
{
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(malformed_texts); i++) {
        check_refused(malformed_texts[i], MM_E_SYNTAX);
    }
    decode_bytes("{\"x\":\"a\0b\"}", 11, RECORDS, &got);
    MM_CHECK_INT(got.status, ==, MM_E_SYNTAX);
    MM_CHECK_UINT(got.error_at, ==, 7);
    decode_bytes("{}\0", 3, RECORDS, &got);
    MM_CHECK_INT(got.status, ==, MM_E_SYNTAX);
    MM_CHECK_UINT(got.error_at, ==, 2);
}

static void every_missing_key_of_a_known_event_is_refused(void)
{
    static const struct {
        const char *text;
        const char *keys; /* all of one letter */
    } cases[] = {{DEPTH, "sUuba"},
                 {TRADE, "stpqTm"},
                 {AGG_TRADE, "sapqfTm"},
                 {REPORT("x", "", "NEW", "NEW", NO_FILL), "scSqpxXizT"},
                 {REPORT("x", "", "TRADE", "FILLED", FILL("true")), "scSqpxXizTlLnNtm"},
                 {POSITION, "uBafl"},
                 {BALANCE_UPDATE, "adT"},
                 {EXTERNAL_LOCK, "adT"}};
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        for (const char *key = cases[i].keys; *key != '\0'; key++) {
            char text[TEXT_MAX];
            char quoted[8];
            snprintf(text, sizeof text, "%s", cases[i].text);
            snprintf(quoted, sizeof quoted, "\"%c\":", *key);
            char *at = strstr(text, quoted);
            MM_REQUIRE(at != NULL);
            at[1] = '_';
            decode(text);
            if (!MM_CHECK_INT(got.status, ==, MM_E_SYNTAX) || !MM_CHECK_UINT(got.count, ==, 0)) {
                printf("    without %c in %s\n", *key, cases[i].text);
            }
        }
    }
}

static void every_cut_of_every_message_is_refused_and_reads_nothing_behind_it(void)
{
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(samples); i++) {
        size_t bytes = strlen(samples[i]);
        decode(samples[i]);
        MM_CHECK_INT(got.status, ==, MM_OK);
        for (size_t cut = 0; cut < bytes; cut++) {
            decode_bytes(samples[i], cut, RECORDS, &got);
            bool good = MM_CHECK_INT(got.status, ==, MM_E_SYNTAX) &&
                        MM_CHECK_UINT(got.count, ==, 0) && MM_CHECK_UINT(got.error_at, <=, cut);
            if (!good) {
                printf("    %zu bytes of %s\n", cut, samples[i]);
            }
        }
    }
}

/* Blanks between all tokens. */
static size_t spread(const char *text, char *out)
{
    static const char blanks[] = " \t\r\n";
    size_t used = 0;
    bool in_string = false;
    for (; *text != '\0'; text++) {
        bool structural = !in_string && strchr("{}[]:,", *text) != NULL;
        for (uint64_t i = structural ? mm_test_below(4) : 0; i > 0; i--) {
            out[used++] = blanks[mm_test_below(4)];
        }
        out[used++] = *text;
        for (uint64_t i = structural ? mm_test_below(4) : 0; i > 0; i--) {
            out[used++] = blanks[mm_test_below(4)];
        }
        if (*text == '\\') {
            out[used++] = *++text;
        } else if (*text == '"') {
            in_string = !in_string;
        }
    }
    return used;
}

static void blanks_change_nothing(void)
{
    static decoded plain;
    static char spaced[16 * TEXT_MAX];
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(samples); i++) {
        decode_bytes(samples[i], strlen(samples[i]), RECORDS, &plain);
        MM_CHECK_INT(plain.status, ==, MM_OK);
        mm_feed_info before = *info();
        for (int round = 0; round < 20; round++) {
            decode_bytes(spaced, spread(samples[i], spaced), RECORDS, &got);
            MM_CHECK_INT(got.status, ==, MM_OK);
            MM_CHECK_UINT(got.count, ==, plain.count);
            MM_CHECK_BYTES(got.records, plain.records, plain.count * sizeof plain.records[0]);
            MM_CHECK_TEXT(info()->client_id, before.client_id);
            MM_CHECK_TEXT(info()->request_id, before.request_id);
        }
    }
}

static void one_wrong_byte_never_reads_or_writes_out_of_place(void)
{
    static const char bytes[] = "\0\"\\{}[],:.-09aeEu \n\x80\xFF";
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(samples); i++) {
        char text[TEXT_MAX];
        size_t count = strlen(samples[i]);
        for (size_t at = 0; at < count; at++) {
            memcpy(text, samples[i], count);
            text[at] = bytes[mm_test_below(sizeof bytes - 1)];
            decode_bytes(text, count, RECORDS, &got);
            MM_CHECK(got.status <= 0 && got.error_at <= count && got.count <= RECORDS);
            MM_CHECK((got.status == MM_OK) || got.count == 0);
        }
    }
}

/* Where the value that begins at `at` ends. */
static size_t value_end(const char *text, size_t at)
{
    int32_t depth = 0;
    bool in_string = false;
    for (;; at++) {
        if (text[at] == '"') {
            in_string = !in_string;
        } else if (in_string) {
            at += text[at] == '\\';
        } else if (text[at] == '{' || text[at] == '[') {
            depth++;
        } else if (text[at] == '}' || text[at] == ']') {
            depth--;
        }
        bool over = !in_string && depth <= 0 && (text[at + 1] == ',' || text[at + 1] == '}' || text[at + 1] == ']');
        if (over || text[at + 1] == 0) {
            return at + 1;
        }
    }
}

/* Each value of each message becomes one of another type or size, and each time there is less and less room for the records. */
static void a_value_of_any_other_kind_is_refused_or_read_but_never_halfway(void)
{
    static const char *const others[] = {
        "0",       "-1",        "17",      "3000000000", "9223372036854775807", "-9223372036854775808", "99999999999999999999",
        "1.5",     "1e5",       "true",    "false",      "null",                "\"\"",                 "\"0\"",
        "\"1.5\"", "\"-1.5\"",  "\"1e5\"", "\"x\"",      "\"\\u0041\"",         "\"99999999999999999999\"", "{}",
        "[]",      "[[]]",      "[{}]",    "[[\"1\",1]]", "[[\"1\"]]",          "[[\"1\",\"1\",1]]",    "{\"a\":1}",
        "[1,[2]]", "\"SUCCESS\"", "\"SELL\"", "\"CANCELED\"", "\"\xC2\x85\"",      "\"\xFF\"",             "\"-92233720368.54775808\"",
    };
    static const char *const symbols[] = {"", "BTCUSDT"};
    for (size_t s = 0; s < MM_TEST_COUNT(symbols); s++) {
        open_feed(symbols[s]);
        for (size_t i = 0; i < MM_TEST_COUNT(samples); i++) {
            const char *sample = samples[i];
            for (size_t at = 0; sample[at] != 0; at++) {
                if (at == 0 || sample[at - 1] != ':' || (at > 1 && sample[at - 2] != '"')) {
                    continue;
                }
                size_t end = value_end(sample, at);
                for (size_t j = 0; j < MM_TEST_COUNT(others); j++) {
                    char text[TEXT_MAX];
                    int bytes = snprintf(text, sizeof text, "%.*s%s%s", (int)at, sample, others[j], sample + end);
                    size_t capacity = mm_test_below(2) == 0 ? RECORDS : mm_test_below(4);
                    decode_bytes(text, (size_t)bytes, capacity, &got);
                    bool good = MM_CHECK(got.status <= 0 && got.error_at <= (size_t)bytes && got.count <= capacity) &&
                                MM_CHECK(got.status == MM_OK || got.count == 0);
                    if (!good) {
                        printf("    in %s\n", text);
                    }
                }
            }
        }
    }
}

static void order_of_keys_does_not_matter(void)
{
    static const char *const members[] = {
        "\"e\":\"depthUpdate\"",
        "\"E\":1672515782136",
        "\"s\":\"BTCUSDT\"",
        "\"U\":157",
        "\"u\":160",
        "\"b\":[[\"4\",\"1\"],[\"3\",\"2\"],[\"2\",\"3\"],[\"1\",\"4\"]]",
        ("\"a\":[[\"5\",\"1\"],[\"6\",\"2\"],[\"7\",\"3\"],[\"8\",\"4\"],[\"9\",\"5\"],[\"10\","
         "\"6\"],[\"11\",\"7\"]]")};
    enum { COUNT = 7 };
    static decoded plain;
    open_feed("BTCUSDT");
    size_t order[COUNT] = {0, 1, 2, 3, 4, 5, 6};
    for (int round = 0; round < 2000; round++) {
        char text[TEXT_MAX] = "{";
        for (size_t i = 0; i < COUNT; i++) {
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i == 0 ? "" : ",",
                     members[order[i]]);
        }
        strcat(text, "}");
        decode(text);
        MM_REQUIRE(got.status == MM_OK && got.count == 6);
        if (round == 0) {
            plain = got;
            check_level(1, 0, 400000000, 100000000);
            check_level(2, 0, 100000000, 400000000);
            check_level(3, 0, 500000000, 100000000);
            check_level(5, 0, 1100000000, 700000000);
        }
        MM_CHECK_BYTES(got.records, plain.records, plain.count * sizeof plain.records[0]);
        for (size_t i = COUNT - 1; i > 0; i--) {
            size_t other = mm_test_below(i + 1);
            size_t kept = order[i];
            order[i] = order[other];
            order[other] = kept;
        }
    }
}

static void keys_and_strings_may_be_escaped(void)
{
    open_feed("BTCUSDT");
    MM_CHECK(check_event("{\"\\u0065\":\"tr\\u0061de\",\"\\u0073\":\"BTC\\u0055SDT\",\"t\":1,\"p\":"
                         "\"1\",\"q\":\"1\",\"T\":1,"
                         "\"m\":false}",
                         MM_KIND_TRADE, 0, 1));
    MM_CHECK_TEXT(info()->symbol, "BTCUSDT");
    MM_CHECK(check_event("{\"last\\u0055pdateId\":1,\"bids\":[],\"\\u0061sks\":[]}",
                         MM_KIND_SNAPSHOT, 0, 1));
    check_nothing("{\"\\u0065\\u0065\":5,\"\\n\\/\\\"\\\\\":1}");
    open_feed("");
    decode("{\"id\":\"\\ud83d\\ude00\\u00e9\\u4e2d\",\"result\":null}");
    MM_CHECK_TEXT(info()->request_id, "\xF0\x9F\x98\x80\xC3\xA9\xE4\xB8\xAD");
    decode("{\"code\":-1,\"msg\":\"\\u001b[31m\\r\\n\\u0085\\u0000\\u007f\xC2\x9B end\"}");
    MM_CHECK_TEXT(info()->error_text, "?[31m????");
    decode("{\"code\":-1,\"msg\":\"a\\tb \xC2\xA0\xC2\xBF\x7F\"}");
    MM_CHECK_TEXT(info()->error_text, "a?b \xC2\xA0\xC2\xBF?");
}

static void escapes_decode_to_utf8_at_every_length(void)
{
    static const struct {
        const char *escape;
        const char *utf8; /* NULL: no character */
    } cases[] = {{"\\u0041", "A"},
                 {"\\u007e", "~"},
                 {"\\u0080", "\xC2\x80"},
                 {"\\u07FF", "\xDF\xBF"},
                 {"\\u0800", "\xE0\xA0\x80"},
                 {"\\ud7ff", "\xED\x9F\xBF"},
                 {"\\uE000", "\xEE\x80\x80"},
                 {"\\uffff", "\xEF\xBF\xBF"},
                 {"\\ud800\\udc00", "\xF0\x90\x80\x80"},
                 {"\\uDBFF\\uDFFF", "\xF4\x8F\xBF\xBF"},
                 {"\\ud800", NULL},
                 {"\\udbff", NULL},
                 {"\\udc00", NULL},
                 {"\\udfff", NULL},
                 {"\\ud800\\ud800", NULL},
                 {"\\ud800\\udbff", NULL},
                 {"\\ud800\\ue000", NULL},
                 {"\\ud800x", NULL},
                 {"\\ud800\\n", NULL},
                 {"\\u00", NULL},
                 {"\\u00g0", NULL},
                 {"\\u00:0", NULL},
                 {"\\u00@0", NULL},
                 {"\\u00`0", NULL},
                 {"\\u00/0", NULL}};
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"id\":\"<%s>\",\"result\":null}", cases[i].escape);
        decode(text);
        MM_CHECK_INT(got.status, ==, cases[i].utf8 == NULL ? MM_E_SYNTAX : MM_OK);
        if (cases[i].utf8 != NULL) {
            char wanted[16];
            snprintf(wanted, sizeof wanted, "<%s>", cases[i].utf8);
            MM_CHECK_TEXT(info()->request_id, wanted);
        }
    }
}

static void nesting_is_bounded_at_sixty_four(void)
{
    static char text[1 << 20];
    open_feed("");
    for (size_t depth = 60; depth <= 68; depth++) {
        for (int wrapped = 0; wrapped < 2; wrapped++) {
            size_t used = 0;
            used += (size_t)snprintf(text, sizeof text, "%s",
                                     wrapped ? "{\"stream\":\"x\",\"data\":{\"x\":" : "{\"x\":");
            size_t inner = depth - (wrapped ? 2 : 1);
            memset(text + used, '[', inner);
            memset(text + used + inner, ']', inner);
            used += 2 * inner;
            memcpy(text + used, "}}", 2);
            decode_bytes(text, used + (wrapped ? 2 : 1), RECORDS, &got);
            MM_CHECK_INT(got.status, ==, depth <= 64 ? MM_OK : MM_E_SYNTAX);
        }
    }
    static const char *const bad[] = {"[", "{\"a\":", "[[],", "\"\\\\", "1", "[{\"e\":"};
    for (size_t i = 0; i < MM_TEST_COUNT(bad); i++) {
        size_t step = strlen(bad[i]);
        for (size_t at = 0; at + step <= sizeof text; at += step) {
            memcpy(text + at, bad[i], step);
        }
        decode_bytes(text, sizeof text, RECORDS, &got);
        MM_CHECK_INT(got.status, ==, MM_E_SYNTAX);
    }
    /* A number of a million digits is skipped, or refused where it is read. */
    memset(text, '9', sizeof text);
    memcpy(text, "{\"x\":", 5);
    text[sizeof text - 1] = '}';
    decode_bytes(text, sizeof text, RECORDS, &got);
    MM_CHECK_INT(got.status, ==, MM_OK);
    memcpy(text, "{\"lastUpdateId\":", 16);
    decode_bytes(text, sizeof text, RECORDS, &got);
    MM_CHECK_INT(got.status, ==, MM_E_OVERFLOW);
    MM_CHECK_UINT(got.error_at, ==, 16);
}

/* ---- Room ---------------------------------------------------------------------------------------
 */

static void too_little_room_is_said_and_nothing_is_written_behind_it(void)
{
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(samples); i++) {
        decode(samples[i]);
        size_t needed = got.count;
        for (size_t capacity = 0; capacity < needed; capacity++) {
            decode_bytes(samples[i], strlen(samples[i]), capacity, &got);
            MM_CHECK_INT(got.status, ==, MM_E_CAPACITY);
            MM_CHECK_UINT(got.count, ==, 0);
            MM_CHECK_UINT(((const uint8_t *)&got.records[capacity])[0], ==, 0xEE);
        }
        decode_bytes(samples[i], strlen(samples[i]), needed, &got);
        MM_CHECK_INT(got.status, ==, MM_OK);
    }
}

static void a_side_holds_ten_thousand_levels_and_no_more(void)
{
    enum { MAX = MM_DEPTH_LEVELS_MAX };
    size_t room = (size_t)MAX * 16 + 200;
    char *text = malloc(room);
    mm_record *records = malloc(MM_EVENT_RECORDS_MAX * sizeof *records);
    MM_REQUIRE(text != NULL && records != NULL);
    open_feed("");
    for (size_t over = 0; over < 5; over++) { /* in the record of the last level, and behind it */
        size_t used = (size_t)snprintf(text, room, "{\"lastUpdateId\":1,\"asks\":[],\"bids\":[");
        for (size_t i = 0; i < MAX + over; i++) {
            if (i > MAX + 1) { /* what stands beyond the room is not even looked at */
                used += (size_t)snprintf(text + used, room - used, ",x");
                continue;
            }
            used += (size_t)snprintf(text + used, room - used, "%s[\"%zu\",\"%zu\"]",
                                     i == 0 ? "" : ",", i + 1, i % 10);
        }
        used += (size_t)snprintf(text + used, room - used, "]}");
        size_t count = 0;
        size_t error_at = 0;
        mm_status status =
            mm_feed_decode(feed, text, used, 0, records, MM_EVENT_RECORDS_MAX, &count, &error_at);
        MM_CHECK_INT(status, ==, over ? MM_E_CAPACITY : MM_OK);
        MM_CHECK_UINT(count, ==, over ? 0 : 1 + (MAX + 2) / 3);
        if (!over) {
            MM_CHECK_UINT(records[0].body.depth.bid_count, ==, MAX);
            MM_CHECK_INT(records[MAX / 3 + 1].body.levels[0].price_e8, ==,
                         (int64_t)MAX * MM_ONE_E8);
        }
    }
    free(text);
    free(records);
}

/* ---- User events --------------------------------------------------------------------------------
 */

static void execution_reports_are_a_report_and_its_fill(void)
{
    open_feed("BTCUSDT");
    MM_REQUIRE(check_event(WRAPPED(REPORT("mA1-0k3f9zq-00001c4-b0", "", "NEW", "NEW", NO_FILL)),
                           MM_KIND_REPORT, 0, 2));
    const mm_report_body *report = &got.records[0].body.report;
    const mm_fill_body *fill = &got.records[1].body.fill;
    MM_CHECK_INT(info()->subscription_id, ==, 0);
    MM_CHECK_TEXT(info()->client_id, "mA1-0k3f9zq-00001c4-b0");
    MM_CHECK_UINT(report->order_seq, ==, 1 * 1296 + 12 * 36 + 4);
    MM_CHECK_INT(report->exchange_id, ==, 4293153);
    MM_CHECK_INT(report->price_e8, ==, 10264410);
    MM_CHECK_INT(report->qty_e8, ==, 100000000);
    MM_CHECK_INT(report->executed_e8, ==, 0);
    MM_CHECK_INT(report->status, ==, MM_ORDER_LIVE);
    MM_CHECK_INT(report->side, ==, MM_ASK);
    MM_CHECK_INT(report->code, ==, 0);
    MM_CHECK_UINT(got.records[1].kind, ==, MM_KIND_MORE);
    MM_CHECK_INT(fill->trade_id, ==, -1);
    MM_CHECK_INT(fill->quote_e8, ==, -1);
    MM_CHECK_TEXT(fill->fee_asset, "");
    MM_CHECK_INT(fill->time_us, ==, INT64_C(1499405658657000));

    MM_REQUIRE(
        check_event(REPORT("mA1-0k3f9zq-z-a12", "", "TRADE", "PARTIALLY_FILLED", FILL("true")),
                    MM_KIND_REPORT, MM_FLAG_FILL | MM_FLAG_MAKER, 2));
    MM_CHECK_INT(info()->subscription_id, ==, -1);
    MM_CHECK_UINT(report->order_seq, ==, 35);
    MM_CHECK_INT(report->price_e8, ==, 10264411);
    MM_CHECK_INT(report->qty_e8, ==, 25000000);
    MM_CHECK_INT(report->executed_e8, ==, 75000000);
    MM_CHECK_INT(fill->trade_id, ==, 987);
    MM_CHECK_INT(fill->quote_e8, ==, 2566102);
    MM_CHECK_INT(fill->fee_e8, ==, -1000);
    MM_CHECK_TEXT(fill->fee_asset, "BNB");
    MM_CHECK(check_event(REPORT("web_1", "", "TRADE", "FILLED", FILL("false")), MM_KIND_REPORT,
                         MM_FLAG_FILL | MM_FLAG_FOREIGN, 2));
    MM_CHECK_INT(report->status, ==, MM_ORDER_FILLED);
    MM_CHECK_UINT(report->order_seq, ==, 0);
}

static void a_cancel_closes_the_order_it_names_and_not_itself(void)
{
    open_feed("");
    MM_REQUIRE(
        check_event(REPORT("mA1-0k3f9zq-5-b0", "mA1-0k3f9zq-4-b0", "CANCELED", "CANCELED", NO_FILL),
                    MM_KIND_REPORT, 0, 2));
    MM_CHECK_UINT(got.records[0].body.report.order_seq, ==, 4);
    MM_CHECK_INT(got.records[0].body.report.status, ==, MM_ORDER_CANCELED);
    MM_CHECK_TEXT(info()->client_id, "mA1-0k3f9zq-4-b0");
    /* Without an original id, and on anything but a cancel, `c` is the order's. */
    MM_REQUIRE(check_event(REPORT("mA1-0k3f9zq-5-b0", "", "CANCELED", "CANCELED", NO_FILL),
                           MM_KIND_REPORT, 0, 2));
    MM_CHECK_UINT(got.records[0].body.report.order_seq, ==, 5);
    MM_REQUIRE(
        check_event(REPORT("mA1-0k3f9zq-5-b0", "mA1-0k3f9zq-4-b0", "REPLACED", "NEW", NO_FILL),
                    MM_KIND_REPORT, 0, 2));
    MM_CHECK_UINT(got.records[0].body.report.order_seq, ==, 4); /* amended under a new id */
    MM_REQUIRE(check_event(REPORT("mA1-0k3f9zq-5-b0", "", "REPLACED", "PARTIALLY_FILLED", NO_FILL),
                           MM_KIND_REPORT, 0, 2));
    MM_CHECK_UINT(got.records[0].body.report.order_seq, ==, 5);
    MM_CHECK_INT(got.records[0].body.report.qty_e8, ==, 100000000);
    MM_CHECK_INT(got.records[0].body.report.status, ==, MM_ORDER_LIVE);
    MM_REQUIRE(check_event("{\"e\":\"executionReport\",\"s\":\"BTCUSDT\",\"c\":\"mA1-0k3f9zq-5-b0\",\"S\":\"BUY\","
                           "\"x\":\"CANCELED\",\"X\":\"CANCELED\",\"i\":7,\"p\":\"1\",\"q\":\"1\",\"z\":\"0\",\"T\":1}",
                           MM_KIND_REPORT, 0, 2));
    MM_CHECK_UINT(got.records[0].body.report.order_seq, ==, 5);
    check_refused("{\"e\":\"executionReport\",\"s\":\"X\",\"C\":\"x\",\"S\":\"BUY\",\"x\":\"CANCELED\",\"X\":\"CANCELED\"@}",
                  MM_E_SYNTAX);
    check_refused("{\"e\":\"executionReport\",\"s\":\"X\",\"c\":\"x\",\"C\":@5,\"S\":\"BUY\",\"x\":\"CANCELED\","
                  "\"X\":\"CANCELED\"}",
                  MM_E_SYNTAX);
}

/* Every execution type and state there is, with the fields that come with self-trade prevention, pegs and expiry. */
static void every_report_of_the_exchange_is_read_and_none_but_a_trade_is_a_fill(void)
{
    static const char *const executions[] = {"NEW",     "CANCELED",         "REPLACED", "REJECTED", "TRADE",
                                             "EXPIRED", "TRADE_PREVENTION", "NOT_YET_INVENTED"};
    static const struct {
        const char *text;
        int32_t status;
    } states[] = {{"NEW", MM_ORDER_LIVE},
                  {"PENDING_NEW", MM_ORDER_LIVE},
                  {"PARTIALLY_FILLED", MM_ORDER_LIVE},
                  {"FILLED", MM_ORDER_FILLED},
                  {"CANCELED", MM_ORDER_CANCELED},
                  {"REJECTED", MM_ORDER_REJECTED},
                  {"EXPIRED", MM_ORDER_EXPIRED},
                  {"EXPIRED_IN_MATCH", MM_ORDER_EXPIRED},
                  {"NOT_YET_INVENTED", MM_ORDER_STATUS_OTHER}};
    open_feed("BTCUSDT");
    for (size_t x = 0; x < MM_TEST_COUNT(executions); x++) {
        for (size_t X = 0; X < MM_TEST_COUNT(states); X++) {
            char text[TEXT_MAX];
            snprintf(text, sizeof text,
                     "{\"e\":\"executionReport\",\"E\":1,\"s\":\"BTCUSDT\",\"c\":\"mA1-0k3f9zq-5-b0\",\"S\":\"BUY\","
                     "\"q\":\"1.00000000\",\"p\":\"2\",\"C\":\"\",\"x\":\"%s\",\"X\":\"%s\",\"r\":\"NEW_REASON\",\"i\":7,"
                     "%s\"T\":1,\"V\":\"TRANSFER\",\"v\":3,\"A\":\"0.5\",\"B\":\"0.5\",\"u\":1,\"U\":37,\"Cs\":\"BTCUSDT\","
                     "\"pl\":\"2.123456\",\"pL\":\"0.10000001\",\"pY\":\"0.21\",\"gP\":\"PRIMARY_PEG\",\"gOT\":\"PRICE_LEVEL\","
                     "\"gOV\":5,\"gp\":\"1.0\",\"eR\":\"EXCHANGE_CANCELED\",\"j\":1,\"J\":1000000,\"d\":4,\"D\":1,\"b\":1,"
                     "\"a\":12,\"k\":\"SOR\",\"uS\":true}",
                     executions[x], states[X].text, FILL("true"));
            bool fill = strcmp(executions[x], "TRADE") == 0;
            MM_CHECK(check_event(text, MM_KIND_REPORT, fill ? MM_FLAG_FILL | MM_FLAG_MAKER : 0, 2));
            MM_CHECK_INT(got.records[0].body.report.status, ==, states[X].status);
            MM_CHECK_INT(got.records[1].body.fill.trade_id, ==, fill ? 987 : -1);
        }
    }
    MM_CHECK(check_event("{\"e\":\"executionReport\",\"s\":\"BTCUSDT\",\"c\":\"x\",\"S\":\"BOTH\",\"q\":\"1\",\"p\":\"2\","
                         "\"x\":\"NEW\",\"X\":\"NEW\",\"i\":7,\"z\":\"0\",\"T\":1}",
                         MM_KIND_REPORT, MM_FLAG_FOREIGN, 2));
    MM_CHECK_INT(got.records[0].body.report.side, ==, -1);
}

static void unknown_states_are_said_to_be_unknown(void)
{
    open_feed("");
    MM_CHECK(check_event(REPORT("x", "", "NEW", "SUSPENDED", NO_FILL), MM_KIND_REPORT,
                         MM_FLAG_FOREIGN, 2));
    MM_CHECK_INT(got.records[0].body.report.status, ==, MM_ORDER_STATUS_OTHER);
    MM_CHECK(check_event(REPORT("x", "", "TRADE_PREVENTION", "EXPIRED_IN_MATCH", NO_FILL),
                         MM_KIND_REPORT, MM_FLAG_FOREIGN, 2));
    MM_CHECK_INT(got.records[0].body.report.status, ==, MM_ORDER_EXPIRED);
    MM_CHECK(check_event(REPORT("x", "", "BRAND_NEW", "REJECTED", NO_FILL), MM_KIND_REPORT,
                         MM_FLAG_FOREIGN, 2));
    MM_CHECK_INT(got.records[0].body.report.status, ==, MM_ORDER_REJECTED);
}

static void a_report_of_a_refusal_says_of_which_class_it_is(void)
{
    static const struct {
        const char *text;
        int32_t reject_class;
    } refusals[] = {
        {REFUSAL("\"r\":\"WOULD_MATCH_IMMEDIATELY\","), MM_REJECT_WOULD_MATCH},
        {REFUSAL("\"r\":\"INSUFFICIENT_BALANCES\","), MM_REJECT_BALANCE},
        {REFUSAL("\"r\":\"OCO_BAD_PRICES\","), MM_REJECT_OTHER},
        {REFUSAL("\"r\":null,"), MM_REJECT_OTHER},
        {REFUSAL(""), MM_REJECT_OTHER},
    };
    open_feed("");
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        MM_REQUIRE(check_event(refusals[i].text, MM_KIND_REPORT, 0, 2));
        MM_CHECK_INT(got.records[0].body.report.status, ==, MM_ORDER_REJECTED);
        MM_CHECK_INT(got.records[0].body.report.code, ==, refusals[i].reject_class);
    }
}

static void balances_become_one_record_an_asset(void)
{
    open_feed("BTCUSDT");
    decode(WRAPPED(POSITION));
    MM_REQUIRE(got.status == MM_OK && got.count == 2);
    for (size_t i = 0; i < 2; i++) {
        MM_CHECK_UINT(got.records[i].kind, ==, MM_KIND_BALANCE);
        MM_CHECK_UINT(got.records[i].count, ==, 1);
        MM_CHECK_UINT(got.records[i].flags, ==, 0);
        MM_CHECK_INT(got.records[i].body.balance.time_us, ==, INT64_C(1564034571073000));
    }
    MM_CHECK_TEXT(got.records[0].body.balance.asset, "ETH");
    MM_CHECK_INT(got.records[0].body.balance.free_e8, ==, INT64_C(1000000000000));
    MM_CHECK_TEXT(got.records[1].body.balance.asset, "BTC");
    MM_CHECK_INT(got.records[1].body.balance.locked_e8, ==, 25000000);
    /* A name too long for a record is no asset of ours. */
    decode("{\"e\":\"outboundAccountPosition\",\"u\":1,\"B\":[{\"a\":\"ABCDEFGHIJKLMNOP\",\"f\":"
           "\"1\",\"l\":\"0\"},"
           "{\"a\":\"ABCDEFGHIJKLMNO\",\"f\":\"2\",\"l\":\"0\"}]}");
    MM_REQUIRE(got.status == MM_OK && got.count == 1);
    MM_CHECK_TEXT(got.records[0].body.balance.asset, "ABCDEFGHIJKLMNO");
    /* Nor is one of which more is held than can be counted here; what is no number stays a fault. */
    decode("{\"e\":\"outboundAccountPosition\",\"u\":1,\"B\":[{\"a\":\"PEPE\",\"f\":"
           "\"92233720368.54775808\",\"l\":\"0\"},{\"a\":\"BTTC\",\"f\":\"0\",\"l\":\"99999999999999\"},"
           "{\"a\":\"BTC\",\"f\":\"2\",\"l\":\"0\"}]}");
    MM_REQUIRE(got.status == MM_OK && got.count == 1);
    MM_CHECK_TEXT(got.records[0].body.balance.asset, "BTC");
    check_refused("{\"e\":\"outboundAccountPosition\",\"u\":1,\"B\":[{\"a\":\"BTC\",\"f\":\"@x\",\"l\":\"0\"}]}",
                  MM_E_SYNTAX);
}

static void deposits_and_locks_become_deltas(void)
{
    open_feed("");
    MM_REQUIRE(check_event(BALANCE_UPDATE, MM_KIND_BALANCE_DELTA, 0, 1));
    MM_CHECK_TEXT(got.records[0].body.balance.asset, "BTC");
    MM_CHECK_INT(got.records[0].body.balance.free_e8, ==, INT64_C(-10000000000));
    MM_CHECK_INT(got.records[0].body.balance.locked_e8, ==, 0);
    MM_CHECK_INT(got.records[0].body.balance.time_us, ==, INT64_C(1573200697068000));
    MM_REQUIRE(check_event(EXTERNAL_LOCK, MM_KIND_BALANCE_DELTA, 0, 1));
    MM_CHECK_INT(got.records[0].body.balance.free_e8, ==, -1000000000);
    MM_CHECK_INT(got.records[0].body.balance.locked_e8, ==, 1000000000);
}

/* Cut to fit a record such a name could be another asset's; and no asset of ours has one. */
static void an_asset_whose_name_does_not_fit_is_left_out_and_never_cut(void)
{
#define DELTA(event, asset, delta) "{\"e\":\"" event "\",\"a\":\"" asset "\",\"d\":\"" delta "\",\"T\":1}"
    static const char *const left_out[] = {
        DELTA("balanceUpdate", "ABCDEFGHIJKLMNOP", "1"),
        DELTA("externalLockUpdate", "ABCDEFGHIJKLMNOP", "1"),
        DELTA("balanceUpdate", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "1"),
        DELTA("balanceUpdate", "\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80", "1"),
        "{\"e\":\"outboundAccountPosition\",\"u\":1,\"B\":[{\"a\":\"ABCDEFGHIJKLMNOP\",\"f\":\"1\",\"l\":\"0\"}]}",
        /* Nor is more of it than can be counted ours. */
        DELTA("balanceUpdate", "PEPE", "92233720368.54775808"),
        DELTA("balanceUpdate", "PEPE", "-92233720368.54775808"),
        DELTA("externalLockUpdate", "PEPE", "-92233720368.54775808"),
    };
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(left_out); i++) {
        check_nothing(left_out[i]);
    }
    /* Fifteen bytes fit, however they are written. */
    MM_CHECK(check_event(DELTA("balanceUpdate", "\\u0041BCDEFGHIJKLMNO", "1"), MM_KIND_BALANCE_DELTA, 0, 1));
    MM_CHECK_TEXT(got.records[0].body.balance.asset, "ABCDEFGHIJKLMNO");
    MM_CHECK(check_event("{\"e\":\"outboundAccountPosition\",\"u\":1,\"B\":[{\"a\":\"\\u0041\\u0042\\u0043\","
                         "\"f\":\"1\",\"l\":\"0\"}]}",
                         MM_KIND_BALANCE, 0, 1));
    MM_CHECK_TEXT(got.records[0].body.balance.asset, "ABC");
    check_refused(DELTA("balanceUpdate", "BTC", "@x"), MM_E_SYNTAX);
    check_refused("{\"e\":\"balanceUpdate\",\"a\":@5,\"d\":\"1\",\"T\":1}", MM_E_SYNTAX);
    /* A fill stands with its fee. */
    check_refused("{\"e\":\"executionReport\",\"s\":\"X\",\"c\":\"x\",\"S\":\"SELL\",\"q\":\"4\",\"p\":\"3\",\"x\":\"TRADE\","
                  "\"X\":\"FILLED\",\"i\":2,\"z\":\"4\",\"T\":5,\"t\":1,\"L\":\"3\",\"l\":\"4\",\"n\":\"1\","
                  "\"N\":\"@ABCDEFGHIJKLMNOP\",\"m\":false}",
                  MM_E_OVERFLOW);
#undef DELTA
}

static void notices_are_told_in_every_wrapping(void)
{
    static const char *const shutdowns[] = {
        "{\"e\":\"serverShutdown\",\"E\":1770123456789}",
        COMBINED("!serverShutdown", "{\"e\":\"serverShutdown\",\"E\":1770123456789}"),
        "{\"event\":{\"e\":\"serverShutdown\",\"E\":1770123456789}}"};
    open_feed("BTCUSDT");
    for (size_t i = 0; i < MM_TEST_COUNT(shutdowns); i++) {
        check_nothing(shutdowns[i]);
        MM_CHECK_INT(info()->shutdown, ==, 1);
        MM_CHECK_INT(info()->terminated, ==, 0);
    }
    check_nothing(WRAPPED("{\"e\":\"eventStreamTerminated\",\"E\":1728973001334}"));
    MM_CHECK_INT(info()->shutdown, ==, 0);
    MM_CHECK_INT(info()->terminated, ==, 1);
}

/* ---- Replies ------------------------------------------------------------------------------------
 */

static void replies_to_our_orders_become_their_outcome(void)
{
    open_feed("BTCUSDT");
    const mm_report_body *report = &got.records[0].body.report;
    MM_REQUIRE(check_event(REPLY("\"p123\"", "200", "\"result\":" ORDER_ACK), MM_KIND_ACK, 0, 1));
    MM_CHECK_UINT(report->order_seq, ==, 123);
    MM_CHECK_INT(report->exchange_id, ==, INT64_C(12569099453));
    MM_CHECK_INT(report->price_e8, ==, 0);
    MM_CHECK_INT(report->executed_e8, ==, -1);
    MM_CHECK_INT(report->side, ==, -1);
    MM_CHECK_INT(report->status, ==, MM_ORDER_LIVE);
    MM_CHECK_TEXT(info()->request_id, "p123");
    MM_CHECK_INT(info()->http_status, ==, 200);
    MM_CHECK_INT(info()->operation, ==, MM_OP_PLACE);
    MM_CHECK_INT(info()->used_weight, ==, 321);

    MM_REQUIRE(
        check_event(REPLY("\"p9\"", "200", "\"result\":" ORDER_RESULT("NEW")), MM_KIND_ACK, 0, 1));
    MM_CHECK_INT(report->price_e8, ==, INT64_C(2341610000000));
    MM_CHECK_INT(report->qty_e8, ==, 847000);
    MM_CHECK_INT(report->executed_e8, ==, 100000);
    MM_CHECK_INT(report->side, ==, MM_ASK);
    MM_CHECK(check_event(REPLY("\"p9\"", "200", "\"result\":" ORDER_RESULT("EXPIRED_IN_MATCH")),
                         MM_KIND_ACK, 0, 1));
    MM_CHECK_INT(report->status, ==, MM_ORDER_EXPIRED);
    MM_CHECK(check_event(REPLY("\"p9\"", "200", "\"result\":" ORDER_FULL), MM_KIND_ACK, 0, 1));
    MM_CHECK_INT(report->status, ==, MM_ORDER_FILLED);
    MM_CHECK_INT(report->executed_e8, ==, 847000);
    MM_CHECK(
        check_event(REPLY("\"c77\"", "200", "\"result\":" ORDER_CANCEL), MM_KIND_CANCELED, 0, 1));
    MM_CHECK_UINT(report->order_seq, ==, 77);
    MM_CHECK_INT(report->status, ==, MM_ORDER_CANCELED);
    MM_CHECK_TEXT(info()->client_id, "mA1-0k3f9zq-00001c4-b0");
    MM_CHECK(check_event(REPLY("\"q18446744073709551615\"", "200", "\"result\":" ORDER_QUERY),
                         MM_KIND_STATUS, MM_FLAG_FOUND, 1));
    MM_CHECK_UINT(report->order_seq, ==, UINT64_MAX);
    MM_CHECK_INT(report->status, ==, MM_ORDER_FILLED);
    /* A leftover of an earlier run is spoken of as order 0; the reply tells which it was. */
    MM_CHECK(check_event("{\"id\":\"c0\",\"status\":200,\"result\":{\"orderId\":7,"
                         "\"origClientOrderId\":\"mA1-0000000-4-b0\",\"status\":\"CANCELED\"}}",
                         MM_KIND_CANCELED, MM_FLAG_OLD_RUN, 1));
    MM_CHECK_UINT(report->order_seq, ==, 0);
    MM_CHECK_INT(report->exchange_id, ==, 7);
    /* Any order of keys. */
    MM_CHECK(check_event("{\"result\":" ORDER_ACK RATE_LIMITS ",\"status\":200,\"id\":\"p5\"}",
                         MM_KIND_ACK, 0, 1));
    MM_CHECK_UINT(report->order_seq, ==, 5);
    /* Without rate limits, or with some that are not known. */
    MM_CHECK(
        check_event("{\"result\":" ORDER_ACK ",\"status\":200,\"id\":\"p5\"}", MM_KIND_ACK, 0, 1));
    MM_CHECK_INT(info()->used_weight, ==, -1);
    MM_CHECK(check_event("{\"rateLimits\":[{\"new\":1}],\"result\":" ORDER_ACK
                         ",\"status\":200,\"id\":\"p5\"}",
                         MM_KIND_ACK, 0, 1));
}

static const struct {
    const char *id;
    int32_t http_status;
    int32_t code;
    const char *msg;
    uint16_t kind;
    int32_t detail;
} refusals[] = {
    {"p1", 400, -2010, "Order would immediately match and take.", MM_KIND_REJECT,
     MM_REJECT_WOULD_MATCH},
    {"p1", 400, -2010, "Account has insufficient balance for requested action.", MM_KIND_REJECT,
     MM_REJECT_BALANCE},
    {"p1", 400, -1013, "Filter failure: LOT_SIZE", MM_KIND_REJECT, MM_REJECT_FILTER},
    {"p1", 429, -1015, "Too many new orders", MM_KIND_REJECT, MM_REJECT_LIMIT},
    {"p1", 418, -1003, "IP banned", MM_KIND_REJECT, MM_REJECT_LIMIT},
    {"p1", 400, -1021, "Timestamp for this request", MM_KIND_REJECT, MM_REJECT_CLOCK},
    {"p1", 401, -2015, "Invalid API-key", MM_KIND_REJECT, MM_REJECT_CREDENTIALS},
    {"p1", 500, -1000, "An unknown error", MM_KIND_LOST, MM_REJECT_OTHER},
    {"p1", 503, -9999, "x", MM_KIND_LOST, MM_REJECT_OTHER},
    {"p1", 400, -1000, "x", MM_KIND_LOST, MM_REJECT_OTHER},
    {"p1", 400, -1001, "x", MM_KIND_LOST, MM_REJECT_OTHER},
    {"p1", 400, -1006, "x", MM_KIND_LOST, MM_REJECT_OTHER},
    {"p1", 400, -1007, "Timeout waiting for response", MM_KIND_LOST, MM_REJECT_OTHER},
    {"p1", 400, -1008, "Server is currently overloaded", MM_KIND_LOST, MM_REJECT_LIMIT},
    {"p1", 400, -1016, "This service is no longer available.", MM_KIND_LOST, MM_REJECT_OTHER},
    {"c1", 400, -2011, "Unknown order sent.", MM_KIND_CANCEL_REJECT, MM_REJECT_UNKNOWN_ORDER},
    {"c1", 400, -1007, "x", MM_KIND_LOST, MM_REJECT_OTHER},
    {"q1", 400, -1007, "x", MM_KIND_LOST, MM_REJECT_OTHER},
    {"q1", 429, -1003, "x", MM_KIND_LOST, MM_REJECT_LIMIT},
    {"a1", 400, -2038, "The requested action would change no state; rejecting.", MM_KIND_AMEND_REJECT, MM_REJECT_OTHER},
    {"a1", 400, -2013, "Order does not exist.", MM_KIND_AMEND_REJECT, MM_REJECT_UNKNOWN_ORDER},
    {"a1", 400, -1007, "Timeout waiting for response", MM_KIND_LOST, MM_REJECT_OTHER},
    {"a1", 503, -9999, "x", MM_KIND_LOST, MM_REJECT_OTHER},
};

static void refusals_are_sorted_into_definite_and_open(void)
{
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(refusals); i++) {
        char text[TEXT_MAX];
        snprintf(text, sizeof text,
                 "{\"id\":\"%s\",\"status\":%d,\"error\":{\"code\":%d,\"msg\":\"%s\"}}",
                 refusals[i].id, (int)refusals[i].http_status, (int)refusals[i].code,
                 refusals[i].msg);
        if (!check_event(text, refusals[i].kind, 0, 1)) {
            continue;
        }
        const mm_outcome_body *outcome = &got.records[0].body.outcome;
        MM_CHECK_UINT(outcome->order_seq, ==, 1);
        MM_CHECK_INT(outcome->recv_ns, ==, RECV_NS);
        MM_CHECK_INT(outcome->until_ns, ==, 0);
        MM_CHECK_INT(outcome->code, ==, refusals[i].code);
        MM_CHECK_INT(outcome->http_status, ==, refusals[i].http_status);
        MM_CHECK_INT(outcome->detail, ==, refusals[i].detail);
        MM_CHECK_INT(outcome->operation, ==,
                     refusals[i].id[0] == 'p'   ? MM_OP_PLACE
                     : refusals[i].id[0] == 'c' ? MM_OP_CANCEL
                     : refusals[i].id[0] == 'a' ? MM_OP_AMEND
                                                : MM_OP_QUERY);
        MM_CHECK_INT(info()->error_code, ==, refusals[i].code);
        MM_CHECK_TEXT(info()->error_text, refusals[i].msg);
    }
    MM_REQUIRE(check_event("{\"id\":\"q7\",\"status\":400,\"error\":{\"code\":-2013,\"msg\":"
                           "\"Order does not exist.\"}}",
                           MM_KIND_STATUS, 0, 1));
    MM_CHECK_UINT(got.records[0].body.report.order_seq, ==, 7);
    MM_CHECK_INT(got.records[0].body.report.status, ==, MM_ORDER_STATUS_OTHER);
    MM_CHECK_INT(got.records[0].body.report.code, ==, -2013);
    MM_CHECK_INT(got.records[0].body.report.executed_e8, ==, -1);
    /* A 5xx without a body that can be used is open too. */
    MM_CHECK(check_event("{\"id\":\"p1\",\"status\":502}", MM_KIND_LOST, 0, 1));
    MM_CHECK(
        check_event("{\"id\":\"p1\",\"status\":300,\"result\":" ORDER_ACK "}", MM_KIND_LOST, 0, 1));
    MM_CHECK(
        check_event("{\"id\":\"p1\",\"status\":199,\"result\":" ORDER_ACK "}", MM_KIND_LOST, 0, 1));
    MM_CHECK(check_event("{\"id\":\"p1\",\"status\":403}", MM_KIND_REJECT, 0, 1));
    check_refused("{\"id\":\"p1\",\"result\":null@}", MM_E_SYNTAX);
    check_refused("{\"id\":\"p1\",\"status\":200,\"result\":null@}", MM_E_SYNTAX);
    check_refused("{\"id\":\"p1\",\"status\":@-200}", MM_E_SYNTAX);
    check_refused("{\"id\":\"p1\",\"status\":@1000}", MM_E_SYNTAX);
    check_refused("{\"id\":@{},\"status\":200}", MM_E_SYNTAX);
    check_refused("{\"id\":@1.5,\"status\":200}", MM_E_SYNTAX);
    check_refused("{\"id\":\"x\",\"status\":200,\"result\":{\"subscriptionId\":@-1}}", MM_E_SYNTAX);
    check_refused("{\"id\":\"x\",\"status\":400,\"error\":{\"code\":-1@}}", MM_E_SYNTAX);
    check_refused("{\"id\":\"x\",\"status\":400,\"error\":{\"code\":@\"-1\",\"msg\":\"\"}}",
                  MM_E_SYNTAX);
    check_refused("{\"id\":\"x\",\"status\":400,\"error\":{\"code\":-1,\"msg\":@5}}", MM_E_SYNTAX);
    check_refused("{\"id\":\"x\",\"status\":418,\"error\":{\"code\":-1,\"msg\":\"\",\"data\":{"
                  "\"retryAfter\":@-1}}}",
                  MM_E_SYNTAX);
    check_refused("{\"id\":\"x\",\"status\":418,\"error\":{\"code\":-1,\"msg\":\"\",\"data\":{"
                  "\"id\":1,@\"id\":2}}}",
                  MM_E_SYNTAX);
    check_refused("{\"id\":\"x\",\"status\":200,\"rateLimits\":[{\"count\":1,@\"count\":2}]}",
                  MM_E_SYNTAX);
    check_refused("{\"id\":\"x\",\"status\":400,\"error\":{\"code\":-1,@\"code\":-2}}", MM_E_SYNTAX);
    check_refused("{\"id\":5,\"code\":1@}", MM_E_SYNTAX);
    check_refused("{\"id\":\"p1\",\"status\":200,\"result\":{@}}", MM_E_SYNTAX);
}

static void replies_to_other_requests_are_told_and_give_no_records(void)
{
    static const char *const ids[] = {"\"p\"",
                                      "\"x1\"",
                                      "\"p1x\"",
                                      "\"c:\"",
                                      "\"c/\"",
                                      "\"ca\"",
                                      "\"p0\"",
                                      "\"a0\"",
                                      "\"r0\"",
                                      "\"P1\"",
                                      "\"p-1\"",
                                      "\"p18446744073709551616\"",
                                      "\"c1234-5678\"",
                                      "1",
                                      "-5",
                                      "9080706050",
                                      "123456789012345678901",
                                      "null"};
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(ids); i++) {
        char text[TEXT_MAX];
        snprintf(text, sizeof text, "{\"id\":%s,\"status\":200,\"result\":%s}", ids[i], ORDER_ACK);
        check_nothing(text);
        char bare[64];
        snprintf(bare, sizeof bare, "%s", ids[i][0] == '"' ? ids[i] + 1 : ids[i]);
        bare[strcspn(bare, "\"")] = '\0';
        MM_CHECK_TEXT(info()->request_id, strcmp(bare, "null") == 0 ? "" : bare);
    }
    check_nothing("{\"result\":null,\"id\":312}");
    MM_CHECK_TEXT(info()->request_id, "312");
    check_nothing("{\"result\":[\"btcusdt@bookTicker\"],\"id\":3}");
    check_nothing("{\"error\":{\"code\":2,\"msg\":\"Invalid request: unknown variant\"},\"id\":4}");
    MM_CHECK_INT(info()->error_code, ==, 2);
    check_nothing("{\"code\":1,\"msg\":\"Invalid value type: expected Boolean\",\"id\":5}");
    MM_CHECK_INT(info()->error_code, ==, 1);
    MM_CHECK_TEXT(info()->request_id, "5");
    check_nothing("{\"id\":\"1\",\"status\":200,\"result\":{\"subscriptionId\":3}}");
    MM_CHECK_INT(info()->subscription_id, ==, 3);
    check_nothing(
        "{\"id\":null,\"status\":401,\"error\":{\"code\":-2015,\"msg\":\"Invalid API-key.\"}}");
    MM_CHECK_INT(info()->error_code, ==, -2015);
    MM_CHECK_INT(info()->http_status, ==, 401);
    MM_CHECK(check_event(REPLY("\"x\"", "418",
                               "\"error\":{\"data\":{\"serverTime\":1659142907531,\"retryAfter\":1659146400000},"
                               "\"code\":-1003,\"msg\":\"Way too much request weight used\"}"),
                         MM_KIND_BUDGET, 0, 1));
    MM_CHECK_INT(info()->operation, ==, MM_OP_NONE);
    MM_CHECK_INT(info()->retry_after_ms, ==, INT64_C(1659146400000));
    static const char *const limited[] = {"-1003", "-1015"};
    for (size_t i = 0; i < 4; i++) { /* too many orders stop nothing but new ones; a time that is none is not said */
        char text[TEXT_MAX];
        snprintf(text, sizeof text,
                 "{\"id\":\"c5\",\"status\":429,\"error\":{\"code\":%s,\"msg\":\"x\",\"data\":{\"retryAfter\":%s}}}",
                 limited[i % 2], i < 2 ? "5" : "9223372036855");
        MM_CHECK(check_event(text, MM_KIND_CANCEL_REJECT, 0, 1));
        MM_CHECK_INT(got.records[0].body.outcome.until_ns, ==, i == 0 ? 5000000 : 0);
    }
    static const char *const latest[] = {"4611686018427", "4611686018428"}; /* ms: later is no time of an exchange */
    for (size_t i = 0; i < 2; i++) {
        char text[TEXT_MAX];
        snprintf(text, sizeof text,
                 "{\"id\":\"c5\",\"status\":429,\"error\":{\"code\":-1003,\"msg\":\"x\",\"data\":{\"retryAfter\":%s}}}",
                 latest[i]);
        MM_CHECK(check_event(text, MM_KIND_CANCEL_REJECT, 0, 1));
        MM_CHECK_INT(got.records[0].body.outcome.until_ns, ==, i == 0 ? INT64_C(4611686018427000000) : 0);
    }
    decode(REPLY("\"x\"", "418", "\"error\":{\"code\":-1003,\"msg\":\"Way too much\",\"data\":{\"retryAfter\":7}}"));
    MM_CHECK_INT(info()->retry_after_ms, ==, 7);
    MM_CHECK_INT(info()->error_code, ==, -1003);
    /* Everything is as new with the next message. */
    check_nothing("{}");
    MM_CHECK_INT(info()->error_code, ==, 0);
    MM_CHECK_INT(info()->retry_after_ms, ==, 0);
    MM_CHECK_INT(info()->subscription_id, ==, -1);
    MM_CHECK_TEXT(info()->error_text, "");
    MM_CHECK_TEXT(info()->request_id, "");
}

static void errors_by_themselves_are_told(void)
{
    open_feed("BTCUSDT");
    check_nothing("{\"code\":-2147483648,\"msg\":\"\"}");
    MM_CHECK_INT(info()->error_code, ==, INT32_MIN);
    check_nothing("{\"code\":2147483647,\"msg\":\"\"}");
    MM_CHECK_INT(info()->error_code, ==, INT32_MAX);
    check_refused("{\"code\":@-2147483649,\"msg\":\"\"}", MM_E_OVERFLOW);
    check_refused("{\"code\":@2147483648,\"msg\":\"\"}", MM_E_OVERFLOW);
    check_nothing("{\"code\":-1121,\"msg\":\"Invalid symbol.\"}");
    MM_CHECK_INT(info()->error_code, ==, -1121);
    MM_CHECK_TEXT(info()->error_text, "Invalid symbol.");
}

static void counts_of_a_reply_become_a_budget_behind_its_event(void)
{
    open_feed("BTCUSDT");
    decode(REPLY("\"p1\"", "200", "\"result\":" ORDER_ACK));
    MM_REQUIRE(got.status == MM_OK && got.count == 2);
    MM_CHECK_UINT(got.records[0].kind, ==, MM_KIND_ACK);
    MM_CHECK_UINT(got.records[1].kind, ==, MM_KIND_BUDGET);
    MM_CHECK_UINT(got.records[1].count, ==, 1);
    const mm_budget_body *budget = &got.records[1].body.budget;
    MM_CHECK_INT(budget->recv_ns, ==, RECV_NS);
    MM_CHECK_INT(budget->orders_10s, ==, 12);
    MM_CHECK_INT(budget->orders_10s_limit, ==, 50);
    MM_CHECK_INT(budget->orders_day, ==, 4043);
    MM_CHECK_INT(budget->orders_day_limit, ==, 160000);
    MM_CHECK_INT(budget->weight_1m, ==, 321);
    MM_CHECK_INT(budget->weight_1m_limit, ==, 6000);
    MM_CHECK_INT(budget->raw_5m, ==, -1);
    MM_CHECK_INT(budget->raw_5m_limit, ==, -1);
    /* A refusal tells them too, and so does a reply to another request. Numbers too large are clipped. */
    decode("{\"id\":\"ping\",\"status\":200,\"result\":{},\"rateLimits\":[{\"rateLimitType\":\"RAW_REQUESTS\","
           "\"interval\":\"MINUTE\",\"intervalNum\":5,\"limit\":99999999999,\"count\":17},"
           "{\"rateLimitType\":\"ORDERS\",\"interval\":\"SECOND\",\"intervalNum\":10,\"count\":3}]}");
    MM_REQUIRE(got.status == MM_OK && got.count == 1);
    budget = &got.records[0].body.budget;
    MM_CHECK_INT(budget->raw_5m, ==, 17);
    MM_CHECK_INT(budget->raw_5m_limit, ==, INT32_MAX);
    MM_CHECK_INT(budget->orders_10s, ==, 3);
    MM_CHECK_INT(budget->orders_10s_limit, ==, -1);
    MM_CHECK_INT(budget->weight_1m, ==, -1);
    /* Kinds of limits that are not known tell nothing. */
    check_nothing("{\"id\":\"x\",\"status\":200,\"rateLimits\":[{\"rateLimitType\":\"CONNECTIONS\",\"interval\":\"MINUTE\","
                  "\"intervalNum\":5,\"limit\":300,\"count\":1}]}");
    check_refused("{\"id\":\"p1\",\"status\":200,\"result\":{\"orderId\":1,\"clientOrderId\":\"x\"},\"rateLimits\":[@}]}",
                  MM_E_SYNTAX);
}

static void an_amend_is_answered_with_the_order_as_it_is_now(void)
{
    open_feed("BTCUSDT");
    MM_REQUIRE(check_event(REPLY("\"a77\"", "200", "\"result\":" ORDER_AMENDED), MM_KIND_AMENDED, 0, 1));
    const mm_report_body *report = &got.records[0].body.report;
    MM_CHECK_UINT(report->order_seq, ==, 77);
    MM_CHECK_INT(report->exchange_id, ==, 33);
    MM_CHECK_INT(report->price_e8, ==, 600000000);
    MM_CHECK_INT(report->qty_e8, ==, 500000000);
    MM_CHECK_INT(report->executed_e8, ==, 150000000);
    MM_CHECK_INT(report->status, ==, MM_ORDER_LIVE);
    MM_CHECK_INT(report->side, ==, MM_ASK);
    check_refused("{\"id\":\"a77\",\"status\":200,\"result\":{\"executionId\":1@}}", MM_E_SYNTAX);
    check_refused("{\"id\":\"a77\",\"status\":200,\"result\":{\"amendedOrder\":@[]}}", MM_E_SYNTAX);
    check_refused("{\"id\":\"a77\",\"status\":200,\"result\":{\"amendedOrder\":{\"orderId\":1,@\"orderId\":2}}}", MM_E_SYNTAX);
}

/* What one half of a cancelReplace became: `code` of an outcome, order_seq of either. */
typedef struct {
    uint16_t kind;
    uint64_t order_seq;
    int32_t code;
    int32_t detail;
} half;

static void check_half(size_t at, half wanted)
{
    const mm_record *record = &got.records[at];
    bool report = wanted.kind == MM_KIND_CANCELED || wanted.kind == MM_KIND_ACK;
    MM_CHECK_UINT(record->kind, ==, wanted.kind);
    MM_CHECK_UINT(record->count, ==, 1);
    if (report) {
        MM_CHECK_UINT(record->body.report.order_seq, ==, wanted.order_seq);
        MM_CHECK_INT(record->body.report.exchange_id, ==, INT64_C(12569099453));
        return;
    }
    MM_CHECK_UINT(record->body.outcome.order_seq, ==, wanted.order_seq);
    MM_CHECK_INT(record->body.outcome.operation, ==, MM_OP_REPLACE);
    MM_CHECK_INT(record->body.outcome.code, ==, wanted.code);
    MM_CHECK_INT(record->body.outcome.detail, ==, wanted.detail);
    MM_CHECK_INT(record->body.outcome.recv_ns, ==, RECV_NS);
}

#define MATCHES FAILED("-2010", "Order would immediately match and take.")
#define UNKNOWN FAILED("-2011", "Unknown order sent.")

/* The order that goes is 1732, by its client id; the new one 9, by the request's id. */
static const struct {
    const char *text;
    size_t half_count;
    half halves[2];
} replacements[] = {
    {REPLY("\"r9\"", "200", "\"result\":" LEGS("SUCCESS", ORDER_CANCEL, "SUCCESS", ORDER_ACK)), 2,
     {{MM_KIND_CANCELED, 1732, 0, 0}, {MM_KIND_ACK, 9, 0, 0}}},
    /* Cancelled, and the new one refused. */
    {REPLACE_ERROR("409", "-2021", LEGS("SUCCESS", ORDER_CANCEL, "FAILURE", MATCHES)), 2,
     {{MM_KIND_CANCELED, 1732, 0, 0}, {MM_KIND_REJECT, 9, -2010, MM_REJECT_WOULD_MATCH}}},
    /* Not cancelled, and the new one placed all the same (ALLOW_FAILURE). */
    {REPLACE_ERROR("409", "-2021", LEGS("FAILURE", UNKNOWN, "SUCCESS", ORDER_ACK)), 2,
     {{MM_KIND_CANCEL_REJECT, 9, -2011, MM_REJECT_UNKNOWN_ORDER}, {MM_KIND_ACK, 9, 0, 0}}},
    /* Not cancelled, so not tried. */
    {REPLACE_ERROR("400", "-2022", LEGS("FAILURE", UNKNOWN, "NOT_ATTEMPTED", "null")), 2,
     {{MM_KIND_CANCEL_REJECT, 9, -2011, MM_REJECT_UNKNOWN_ORDER}, {MM_KIND_REJECT, 9, -2022, MM_REJECT_OTHER}}},
    {REPLACE_ERROR("400", "-2022", LEGS("FAILURE", UNKNOWN, "FAILURE", MATCHES)), 2,
     {{MM_KIND_CANCEL_REJECT, 9, -2011, MM_REJECT_UNKNOWN_ORDER}, {MM_KIND_REJECT, 9, -2010, MM_REJECT_WOULD_MATCH}}},
    /* Too many orders: nothing happened, or (CANCEL_ONLY) the cancel alone. */
    {REPLY_ERROR("\"r9\"", "429", "-1015", "Too many new orders"), 2,
     {{MM_KIND_CANCEL_REJECT, 9, -1015, MM_REJECT_LIMIT}, {MM_KIND_REJECT, 9, -1015, MM_REJECT_LIMIT}}},
    {REPLACE_ERROR("429", "-1015", LEGS("NOT_ATTEMPTED", "null", "NOT_ATTEMPTED", "null")), 2,
     {{MM_KIND_CANCEL_REJECT, 9, -1015, MM_REJECT_LIMIT}, {MM_KIND_REJECT, 9, -1015, MM_REJECT_LIMIT}}},
    {REPLACE_ERROR("429", "-1015", LEGS("SUCCESS", ORDER_CANCEL, "FAILURE", FAILED("-1015", "Too many"))), 2,
     {{MM_KIND_CANCELED, 1732, 0, 0}, {MM_KIND_REJECT, 9, -1015, MM_REJECT_LIMIT}}},
    /* Refused as a whole. */
    {REPLY_ERROR("\"r9\"", "400", "-1013", "Filter failure: NOTIONAL"), 2,
     {{MM_KIND_CANCEL_REJECT, 9, -1013, MM_REJECT_FILTER}, {MM_KIND_REJECT, 9, -1013, MM_REJECT_FILTER}}},
    {REPLY_ERROR("\"r9\"", "418", "-1003", "IP banned"), 2,
     {{MM_KIND_CANCEL_REJECT, 9, -1003, MM_REJECT_LIMIT}, {MM_KIND_REJECT, 9, -1003, MM_REJECT_LIMIT}}},
    /* Open: wholly, or one half of it. */
    {REPLY_ERROR("\"r9\"", "400", "-1007", "Timeout"), 1, {{MM_KIND_LOST, 9, -1007, 0}, {0, 0, 0, 0}}},
    {REPLY_ERROR("\"r9\"", "400", "-1006", "x"), 1, {{MM_KIND_LOST, 9, -1006, 0}, {0, 0, 0, 0}}},
    {REPLACE_ERROR("503", "-2021", LEGS("SUCCESS", ORDER_CANCEL, "FAILURE", MATCHES)), 1,
     {{MM_KIND_LOST, 9, -2021, 0}, {0, 0, 0, 0}}},
    {REPLACE_ERROR("409", "-2021", LEGS("SUCCESS", ORDER_CANCEL, "FAILURE", FAILED("-1007", "x"))), 2,
     {{MM_KIND_CANCELED, 1732, 0, 0}, {MM_KIND_LOST, 9, -1007, 0}}},
    {REPLACE_ERROR("400", "-2022", LEGS("FAILURE", FAILED("-1007", "x"), "NOT_ATTEMPTED", "null")), 2,
     {{MM_KIND_LOST, 9, -1007, 0}, {MM_KIND_REJECT, 9, -2022, 0}}},
    {REPLACE_ERROR("409", "-2021", LEGS("PENDING", "null", "MAYBE", "null")), 1,
     {{MM_KIND_LOST, 9, -2021, 0}, {0, 0, 0, 0}}},
    {REPLACE_ERROR("409", "-2021", LEGS("SUCCESS", "null", "FAILURE", FAILED("-1007", "x"))), 1,
     {{MM_KIND_LOST, 9, -2021, 0}, {0, 0, 0, 0}}},
};

static void the_halves_of_a_replacement_are_told_apart_whatever_became_of_each(void)
{
    open_feed("BTCUSDT");
    for (size_t i = 0; i < MM_TEST_COUNT(replacements); i++) {
        decode(replacements[i].text);
        size_t halves = replacements[i].half_count;
        if (!MM_CHECK_INT(got.status, ==, MM_OK) || !MM_CHECK_UINT(got.count, ==, halves + 1)) {
            printf("    in %s (at %zu)\n", replacements[i].text, got.error_at);
            continue;
        }
        for (size_t at = 0; at < halves; at++) {
            check_half(at, replacements[i].halves[at]);
        }
        MM_CHECK_UINT(got.records[halves].kind, ==, MM_KIND_BUDGET);
    }
    check_refused("{\"id\":\"r9\",\"status\":200,\"result\":null@}", MM_E_SYNTAX);
    check_refused("{\"id\":\"r9\",\"status\":200@}", MM_E_SYNTAX);
}

static void a_half_of_a_replacement_that_is_no_answer_is_refused(void)
{
    static const char *const orders[] = {"{\"orderId\":1,@\"orderId\":2}", "{\"orderId\":1@}"};
    static const struct {
        const char *text;
        mm_status status;
    } failures[] = {{"{\"code\":-1,@\"code\":-2,\"msg\":\"\"}", MM_E_SYNTAX},
                    {"{\"code\":-1@}", MM_E_SYNTAX},
                    {"{\"code\":@-2147483649,\"msg\":\"\"}", MM_E_OVERFLOW},
                    {"{\"code\":@2147483648,\"msg\":\"\"}", MM_E_OVERFLOW}};
    char text[TEXT_MAX];
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(orders); i++) {
        snprintf(text, sizeof text, "{\"id\":\"r9\",\"status\":200,\"result\":{\"cancelResult\":\"SUCCESS\",\"cancelResponse\":%s}}",
                 orders[i]);
        check_refused(text, MM_E_SYNTAX);
    }
    for (size_t i = 0; i < MM_TEST_COUNT(failures); i++) {
        snprintf(text, sizeof text,
                 "{\"id\":\"r9\",\"status\":409,\"error\":{\"code\":-2022,\"msg\":\"\",\"data\":{\"cancelResult\":\"FAILURE\","
                 "\"cancelResponse\":%s}}}",
                 failures[i].text);
        check_refused(text, failures[i].status);
    }
}

static void an_order_of_another_run_that_was_replaced_is_told_as_such(void)
{
    open_feed("BTCUSDT");
    decode("{\"id\":\"r9\",\"status\":200,\"result\":{\"cancelResult\":\"SUCCESS\",\"newOrderResult\":\"SUCCESS\","
           "\"cancelResponse\":{\"origClientOrderId\":\"mA1-0000000-4-b0\",\"orderId\":7},\"newOrderResponse\":" ORDER_ACK
           "}}");
    MM_REQUIRE(got.status == MM_OK && got.count == 2);
    MM_CHECK_UINT(got.records[0].kind, ==, MM_KIND_CANCELED);
    MM_CHECK_UINT(got.records[0].flags, ==, MM_FLAG_OLD_RUN);
    MM_CHECK_UINT(got.records[0].body.report.order_seq, ==, 0);
    MM_CHECK_INT(got.records[0].body.report.exchange_id, ==, 7);
}

static void what_a_fill_does_not_say_is_said_to_be_unknown(void)
{
    open_feed("");
    decode("{\"e\":\"executionReport\",\"s\":\"X\",\"c\":\"x\",\"S\":\"SELL\",\"q\":\"4\",\"p\":\"3\",\"x\":\"TRADE\","
           "\"X\":\"FILLED\",\"i\":2,\"z\":\"4\",\"T\":5,\"t\":1,\"L\":\"3\",\"l\":\"4\",\"n\":\"0\",\"N\":null,"
           "\"m\":false}");
    MM_REQUIRE(got.status == MM_OK && got.count == 2);
    MM_CHECK_UINT(got.records[0].flags, ==, MM_FLAG_FOREIGN | MM_FLAG_FILL);
    MM_CHECK_INT(got.records[1].body.fill.quote_e8, ==, -1);
    MM_CHECK_TEXT(got.records[1].body.fill.fee_asset, "");
}

static void long_texts_are_cut_at_a_whole_character(void)
{
    char text[600];
    open_feed("");
    snprintf(text, sizeof text, "{\"code\":-1,\"msg\":\"%.126s\xE8\xBF\x99...\"}",
             "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefg"
             "hijklmnopqrstuvwxyz"
             "abcdefghijklmnopqrstuvwxyz");
    check_nothing(text);
    MM_CHECK_UINT(strlen(info()->error_text), ==, 126);
    snprintf(text, sizeof text, "{\"id\":\"%s\",\"result\":null}",
             "0123456789012345678901234567890123456789012");
    check_nothing(text);
    MM_CHECK_TEXT(info()->request_id, "012345678901234567890123456789012345678");
    for (size_t bytes = 0; bytes < 30; bytes++) {
        snprintf(
            text, sizeof text,
            "{\"e\":\"trade\",\"s\":\"%.*s\",\"t\":1,\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":false}",
            (int)bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
        decode(text);
        MM_CHECK_UINT(strlen(info()->symbol), ==, bytes < 23 ? bytes : 23);
    }
}

static void a_cancel_by_a_later_run_is_told_from_any_other(void)
{
#define CANCELED_BY(id)                                                                                                \
    "{\"e\":\"executionReport\",\"E\":1,\"s\":\"BTCUSDT\",\"c\":\"" id "\",\"C\":\"mA1-0k3f9zq-5-b0\","                     \
    "\"S\":\"BUY\",\"x\":\"CANCELED\",\"X\":\"CANCELED\",\"i\":7,\"p\":\"1\",\"q\":\"1\",\"z\":\"0\",\"T\":1}"
    open_feed("");
    MM_CHECK(check_event(CANCELED_BY("mA1-0k3f9zr-0000000-b0"), MM_KIND_REPORT, MM_FLAG_NEW_RUN, 2));
    MM_CHECK_UINT(got.records[0].body.report.order_seq, ==, 5);
    MM_CHECK_TEXT(info()->client_id, "mA1-0k3f9zq-5-b0");
    MM_CHECK(check_event(CANCELED_BY("mA1-0k3f9zp-0000000-b0"), MM_KIND_REPORT, 0, 2));
    MM_CHECK(check_event(CANCELED_BY("web_8fd1"), MM_KIND_REPORT, 0, 2));
    MM_CHECK(check_event(CANCELED_BY("mA1-0k3f9zq-5-b0"), MM_KIND_REPORT, 0, 2));
#undef CANCELED_BY
}

/* ---- Ids and codes ------------------------------------------------------------------------------
 */

static void client_ids_tell_whose_order_it_is(void)
{
    static const struct {
        const char *id;
        uint64_t order_seq;
        uint16_t flags;
    } cases[] = {{"mA1-0k3f9zq-00001c4-b0", 1732, 0},
                 {"mA1-0k3f9zq-1-a3", 1, 0},
                 {"mA1-0k3f9zq-zz-b10", 1295, 0},
                 {"mA1-0k3f9zq-3w5e11264sgsf-b0", UINT64_MAX, 0},
                 {"mA1-0k3f9zq-3w5e11264sgsg-b0", 0, MM_FLAG_OLD_RUN},
                 {"mA1-0k3f9zq-0-b0", 0, MM_FLAG_OLD_RUN},
                 {"mA1-0k3f9zq--b0", 0, MM_FLAG_OLD_RUN},
                 {"mA1-0k3f9zq-1C-b0", 0, MM_FLAG_OLD_RUN},
                 {"mA1-0k3f9zq-12", 0, MM_FLAG_OLD_RUN},
                 {"mA1-0k3f9zq-12-", 0, MM_FLAG_OLD_RUN},
                 {"mA1-0k3f9zq-12-x0", 0, MM_FLAG_OLD_RUN},
                 {"mA1-0k3f9zq-12-b012", 0, MM_FLAG_OLD_RUN},
                 {"mA1-0k3f9zp-00001c4-b0", 0, MM_FLAG_OLD_RUN},
                 {"mA1-0k3f9zr-00001c4-b0", 0, MM_FLAG_NEW_RUN},
                 {"mA1-0l00000-0000000-b0", 0, MM_FLAG_NEW_RUN},
                 {"mA1-zzzzzzz-", 0, MM_FLAG_OLD_RUN},
                 {"mA1-0l0000-00000001-b0", 0, MM_FLAG_OLD_RUN},
                 {"mA1-0k3f9zZ-00001c4-b0", 0, MM_FLAG_OLD_RUN},
                 {"mA2-zzzzzzz-0000001-b0", 0, MM_FLAG_FOREIGN},
                 {"mA1-", 0, MM_FLAG_OLD_RUN},
                 {"mA1", 0, MM_FLAG_FOREIGN},
                 {"mA2-0k3f9zq-00001c4-b0", 0, MM_FLAG_FOREIGN},
                 {"", 0, MM_FLAG_FOREIGN},
                 {"web_8fd1", 0, MM_FLAG_FOREIGN}};
    open_feed("");
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        uint16_t flags = 0xFFFF;
        size_t bytes = strlen(cases[i].id);
        char *exact = malloc(bytes + 1);
        MM_REQUIRE(exact != NULL);
        memcpy(exact, cases[i].id, bytes);
        MM_CHECK_UINT(mm_feed_order_seq(feed, exact, bytes, &flags), ==, cases[i].order_seq);
        MM_CHECK_UINT(flags, ==, cases[i].flags);
        free(exact);
    }
}

/* An epoch is compared only where both ids have one in the same place. */
static void without_an_epoch_to_compare_no_run_is_a_later_one(void)
{
    static const struct {
        const char *order_prefix;
        const char *account_prefix;
        const char *id;
        uint16_t flags;
    } cases[] = {{"", "", "1-b0", MM_FLAG_FOREIGN},
                 {"", "mA1-", "mA1-zzzzzzz-1-b0", MM_FLAG_OLD_RUN},
                 {"mB1-0k3f9zq-", "mA1-", "mA1-zzzzzzz-1-b0", MM_FLAG_OLD_RUN},
                 {"mA1-", "mA1-", "mA1-zzzzzzz-1-b0", MM_FLAG_OLD_RUN},
                 {"mA1--", "mA1-", "mA1-z-1-b0", MM_FLAG_OLD_RUN},
                 {"mA1-0-", "mA1-", "mA1-z-1-b0", MM_FLAG_NEW_RUN}};
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        mm_feed_config config;
        memset(&config, 0, sizeof config);
        snprintf(config.order_prefix, sizeof config.order_prefix, "%s", cases[i].order_prefix);
        snprintf(config.account_prefix, sizeof config.account_prefix, "%s", cases[i].account_prefix);
        mm_feed *made = mm_feed_new(&config);
        MM_REQUIRE(made != NULL);
        uint16_t flags = 0;
        MM_CHECK_UINT(mm_feed_order_seq(made, cases[i].id, strlen(cases[i].id), &flags), ==, 0);
        MM_CHECK_UINT(flags, ==, cases[i].flags);
        mm_feed_free(made);
    }
}

static void errors_fall_into_the_class_the_engine_acts_by(void)
{
    static const struct {
        int32_t code;
        int32_t http_status;
        const char *message;
        int32_t reject;
    } cases[] = {
        {-2010, 400, "Order would immediately match and take.", MM_REJECT_WOULD_MATCH},
        {-2010, 400, "Account has insufficient balance for requested action.", MM_REJECT_BALANCE},
        {-2010, 400, "Duplicate order sent.", MM_REJECT_DUPLICATE},
        {-2010, 400, "Market is closed.", MM_REJECT_MARKET_CLOSED},
        {-2010, 400, "This action is disabled on this account.", MM_REJECT_OTHER},
        {-2010, 400, NULL, MM_REJECT_OTHER},
        {-1013, 400, "Filter failure: PERCENT_PRICE_BY_SIDE", MM_REJECT_FILTER},
        {-1013, 400, "Market is closed.", MM_REJECT_MARKET_CLOSED},
        {-1220, 400, "", MM_REJECT_MARKET_CLOSED},
        {-1003, 400, "Too much request weight used", MM_REJECT_LIMIT},
        {-1008, 400, "Server is currently overloaded", MM_REJECT_LIMIT},
        {-1034, 400, "Too many connections", MM_REJECT_LIMIT},
        {-2026, 400, "Order was canceled or expired", MM_REJECT_UNKNOWN_ORDER},
        {-1002, 400, "You are not authorized", MM_REJECT_CREDENTIALS},
        {-1015, 400, "Too many new orders.", MM_REJECT_LIMIT},
        {0, 418, "", MM_REJECT_LIMIT},
        {0, 429, "", MM_REJECT_LIMIT},
        {-1021, 400, "Timestamp for this request is outside of the recvWindow.", MM_REJECT_CLOCK},
        {-1022, 400, "Signature for this request is not valid.", MM_REJECT_CREDENTIALS},
        {-2014, 400, "API-key format invalid.", MM_REJECT_CREDENTIALS},
        {-2015, 401, "Invalid API-key, IP, or permissions for action.", MM_REJECT_CREDENTIALS},
        {0, 401, "", MM_REJECT_CREDENTIALS},
        {-2011, 400, "Unknown order sent.", MM_REJECT_UNKNOWN_ORDER},
        {-2011, 400, NULL, MM_REJECT_UNKNOWN_ORDER},
        {-2011, 400, "Order was not canceled due to cancel restrictions.", MM_REJECT_OTHER},
        {-2013, 400, "Order does not exist.", MM_REJECT_UNKNOWN_ORDER},
        {-1121, 400, "Invalid symbol.", MM_REJECT_OTHER},
        {-1106, 400, "Parameter 'timeInForce' sent when not required.", MM_REJECT_OTHER},
        {-99999, 400, "immediately match", MM_REJECT_OTHER}};
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        MM_CHECK_INT(mm_feed_reject_class(cases[i].code, cases[i].http_status, cases[i].message),
                     ==, cases[i].reject);
    }
}

static void memory_and_configuration_are_checked(void)
{
    static uint8_t memory[1 << 15] __attribute__((aligned(64)));
    mm_feed *made = NULL;
    mm_feed_config config;
    memset(&config, 0, sizeof config);
    MM_REQUIRE(mm_feed_bytes() <= sizeof memory);
    MM_CHECK_INT(mm_feed_init(memory, mm_feed_bytes() - 1, &config, &made), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_feed_init(memory + 4, mm_feed_bytes(), &config, &made), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_feed_init(memory, mm_feed_bytes(), &config, &made), ==, MM_OK);
    char *const texts[] = {config.order_prefix, config.account_prefix, config.symbol};
    for (size_t i = 0; i < MM_TEST_COUNT(texts); i++) { /* a text that does not end */
        memset(&config, 0, sizeof config);
        memset(texts[i], 'X', sizeof config.symbol);
        MM_CHECK_INT(mm_feed_init(memory, mm_feed_bytes(), &config, &made), ==, MM_E_ARGUMENT);
        MM_CHECK(mm_feed_new(&config) == NULL);
    }
    /* What stands behind a text's end does not matter. */
    config.symbol[1] = '\0';
    MM_REQUIRE(mm_feed_init(memory, mm_feed_bytes(), &config, &made) == MM_OK);
    size_t count = 0;
    size_t error_at = 0;
    static const char text[] =
        "{\"u\":1,\"s\":\"X\",\"b\":\"1\",\"B\":\"1\",\"a\":\"1\",\"A\":\"1\"}";
    MM_CHECK_INT(
        mm_feed_decode(made, text, sizeof text - 1, 0, got.records, RECORDS, &count, &error_at), ==,
        MM_OK);
    MM_CHECK_UINT(count, ==, 1);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(depth_updates_become_a_header_and_levels_of_three),
        MM_TEST(the_previous_id_of_futures_sets_their_flag),
        MM_TEST(snapshots_and_partial_books_are_told_apart_by_the_stream),
        MM_TEST(tickers_and_trades_become_one_record),
        MM_TEST(times_change_their_unit_at_fifteen_digits),
        MM_TEST(other_symbols_and_unknown_messages_give_no_records),
        MM_TEST(prices_are_parsed_as_mm_fixed_parse_does),
        MM_TEST(levels_of_changing_widths_are_read_alike),
        MM_TEST(random_decimals_are_exact),
        MM_TEST(integers_are_exact_or_refused),
        MM_TEST(numbers_that_nobody_reads_must_be_json_too),
        MM_TEST(malformed_text_is_refused_at_its_place),
        MM_TEST(every_missing_key_of_a_known_event_is_refused),
        MM_TEST(every_cut_of_every_message_is_refused_and_reads_nothing_behind_it),
        MM_TEST(blanks_change_nothing),
        MM_TEST(one_wrong_byte_never_reads_or_writes_out_of_place),
        MM_TEST(a_value_of_any_other_kind_is_refused_or_read_but_never_halfway),
        MM_TEST(order_of_keys_does_not_matter),
        MM_TEST(keys_and_strings_may_be_escaped),
        MM_TEST(escapes_decode_to_utf8_at_every_length),
        MM_TEST(nesting_is_bounded_at_sixty_four),
        MM_TEST(too_little_room_is_said_and_nothing_is_written_behind_it),
        MM_TEST(a_side_holds_ten_thousand_levels_and_no_more),
        MM_TEST(execution_reports_are_a_report_and_its_fill),
        MM_TEST(a_cancel_by_a_later_run_is_told_from_any_other),
        MM_TEST(a_cancel_closes_the_order_it_names_and_not_itself),
        MM_TEST(every_report_of_the_exchange_is_read_and_none_but_a_trade_is_a_fill),
        MM_TEST(unknown_states_are_said_to_be_unknown),
        MM_TEST(a_report_of_a_refusal_says_of_which_class_it_is),
        MM_TEST(balances_become_one_record_an_asset),
        MM_TEST(deposits_and_locks_become_deltas),
        MM_TEST(an_asset_whose_name_does_not_fit_is_left_out_and_never_cut),
        MM_TEST(notices_are_told_in_every_wrapping),
        MM_TEST(replies_to_our_orders_become_their_outcome),
        MM_TEST(refusals_are_sorted_into_definite_and_open),
        MM_TEST(replies_to_other_requests_are_told_and_give_no_records),
        MM_TEST(errors_by_themselves_are_told),
        MM_TEST(counts_of_a_reply_become_a_budget_behind_its_event),
        MM_TEST(an_amend_is_answered_with_the_order_as_it_is_now),
        MM_TEST(the_halves_of_a_replacement_are_told_apart_whatever_became_of_each),
        MM_TEST(a_half_of_a_replacement_that_is_no_answer_is_refused),
        MM_TEST(an_order_of_another_run_that_was_replaced_is_told_as_such),
        MM_TEST(what_a_fill_does_not_say_is_said_to_be_unknown),
        MM_TEST(long_texts_are_cut_at_a_whole_character),
        MM_TEST(client_ids_tell_whose_order_it_is),
        MM_TEST(without_an_epoch_to_compare_no_run_is_a_later_one),
        MM_TEST(errors_fall_into_the_class_the_engine_acts_by),
        MM_TEST(memory_and_configuration_are_checked),
    };
    int code = mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
    mm_feed_free(feed);
    return code;
}
