/* Tests of the ledger: each trade once, balances and profit to the atom, what may be used. */
#include "mm_test.h"

#define ONE INT64_C(100000000)
#define TRADE_IDS 8

static unsigned char memory[1 << 16] __attribute__((aligned(64)));
static unsigned char order_memory[1 << 18] __attribute__((aligned(64)));
static mm_ledger *ledger;
static mm_orders *orders;
static int64_t next_id;

static void start_with(size_t trade_ids)
{
    mm_symbol symbol;
    memset(&symbol, 0, sizeof symbol);
    memcpy(symbol.base, "BTC", 4);
    memcpy(symbol.quote, "USDT", 5);
    size_t bytes = mm_ledger_bytes(trade_ids);
    MM_CHECK(bytes > 0 && bytes <= sizeof memory);
    memset(memory, 0xA5, sizeof memory);
    mm_status status = mm_ledger_init(memory, bytes, trade_ids, &symbol, &ledger);
    MM_CHECK_INT(status, ==, MM_OK);
    const mm_order_config config = {1000000000, 1000000000, 300000000, 12000000000, 86400000000000};
    status = mm_orders_init(order_memory, sizeof order_memory, 64, 64, &config, &orders);
    MM_CHECK_INT(status, ==, MM_OK);
    next_id = 1;
}

static mm_status told(mm_status (*taken)(mm_ledger *, const mm_balance_body *), const char *asset,
                      int64_t free_e8, int64_t locked_e8)
{
    mm_balance_body body;
    memset(&body, 0, sizeof body);
    strcpy(body.asset, asset);
    body.free_e8 = free_e8;
    body.locked_e8 = locked_e8;
    mm_status status = taken(ledger, &body);
    MM_CHECK(mm_ledger_valid(ledger));
    return status;
}

static mm_status balance(const char *asset, int64_t free_e8, int64_t locked_e8)
{
    return told(mm_ledger_balance, asset, free_e8, locked_e8);
}

static mm_status deposit(const char *asset, int64_t free_e8, int64_t locked_e8)
{
    return told(mm_ledger_deposit, asset, free_e8, locked_e8);
}

static bool fill_with_id(int64_t id, int32_t side, int64_t price_e8, int64_t qty_e8,
                         const char *fee_asset, int64_t fee_e8, mm_status *status)
{
    mm_fill_body body;
    memset(&body, 0, sizeof body);
    body.trade_id = id;
    body.quote_e8 = -1;
    body.fee_e8 = fee_e8;
    strcpy(body.fee_asset, fee_asset);
    bool applied = mm_ledger_fill(ledger, side, price_e8, qty_e8, &body, status);
    MM_CHECK(mm_ledger_valid(ledger));
    return applied;
}

static mm_status fill(int32_t side, int64_t price_e8, int64_t qty_e8, const char *fee_asset,
                      int64_t fee_e8)
{
    mm_status status = MM_E_SYSTEM;
    MM_CHECK(fill_with_id(next_id++, side, price_e8, qty_e8, fee_asset, fee_e8, &status));
    return status;
}

/* 2 BTC and 1,000 USDT at a first mid of 100. */
static void start(void)
{
    start_with(TRADE_IDS);
    mm_status base = balance("BTC", 2 * ONE, 0);
    mm_status quote = balance("USDT", 900 * ONE, 100 * ONE);
    MM_CHECK(base == MM_OK && quote == MM_OK);
    mm_ledger_start_mid(ledger, 100 * ONE);
}

static mm_pnl pnl_at(int64_t mid_e8)
{
    mm_pnl pnl = {0, 0, 0, 0};
    MM_CHECK(mm_ledger_pnl(ledger, mid_e8, &pnl));
    MM_CHECK_INT(pnl.total_e8, ==, pnl.realized_e8 + pnl.unrealized_e8 - pnl.fees_e8);
    return pnl;
}

static int64_t equity_at(int64_t mid_e8)
{
    int64_t equity_e8 = 0;
    MM_CHECK(mm_ledger_equity(ledger, mid_e8, &equity_e8));
    return equity_e8;
}

static int64_t ledger_of(const char *asset)
{
    mm_balance all[MM_ASSETS_MAX];
    size_t count = mm_ledger_balances(ledger, all, MM_ASSETS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].asset, asset) == 0) {
            return all[i].ledger_e8;
        }
    }
    return INT64_MIN;
}

/* ---- Life and balances ---- */

static void sizes_and_symbols_outside_their_range_are_refused(void)
{
    mm_symbol symbol;
    memset(&symbol, 0, sizeof symbol);
    MM_CHECK_UINT(mm_ledger_bytes(0), ==, 0);
    MM_CHECK_UINT(mm_ledger_bytes(12), ==, 0);
    MM_CHECK_UINT(mm_ledger_bytes((size_t)1 << 40), ==, 0);
    size_t bytes = mm_ledger_bytes(8);
    MM_CHECK_INT(mm_ledger_init(memory, bytes, 8, &symbol, &ledger), ==, MM_E_ARGUMENT);
    memcpy(symbol.base, "BTC", 4);
    memcpy(symbol.quote, "BTC", 4);
    MM_CHECK_INT(mm_ledger_init(memory, bytes, 8, &symbol, &ledger), ==, MM_E_ARGUMENT);
    memset(symbol.quote, 'X', sizeof symbol.quote);
    MM_CHECK_INT(mm_ledger_init(memory, bytes, 8, &symbol, &ledger), ==, MM_E_ARGUMENT);
    memcpy(symbol.quote, "USDT", 5);
    MM_CHECK_INT(mm_ledger_init(memory, bytes, 12, &symbol, &ledger), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_ledger_init(memory, bytes - 1, 8, &symbol, &ledger), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_ledger_init(memory, bytes, 8, &symbol, &ledger), ==, MM_OK);
}

static void the_first_report_is_the_start_and_later_ones_are_compared_with_the_ledger(void)
{
    start();
    MM_CHECK(mm_ledger_equal(ledger));
    MM_CHECK_INT(mm_ledger_base(ledger), ==, 2 * ONE);
    MM_CHECK_INT(mm_ledger_quote(ledger), ==, 1000 * ONE);
    balance("USDT", 1000 * ONE, 0);
    MM_CHECK(mm_ledger_equal(ledger));
    balance("USDT", 1000 * ONE, 1);
    MM_CHECK(!mm_ledger_equal(ledger));
    MM_CHECK_INT(mm_ledger_quote(ledger), ==, 1000 * ONE);
    balance("USDT", 1000 * ONE - 1, 1);
    MM_CHECK(mm_ledger_equal(ledger));
    mm_balance all[MM_ASSETS_MAX];
    MM_CHECK_UINT(mm_ledger_balances(ledger, all, 1), ==, 1);
    MM_REQUIRE(mm_ledger_balances(ledger, all, MM_ASSETS_MAX) == 2);
    MM_CHECK_TEXT(all[1].asset, "USDT");
    MM_CHECK_INT(all[1].start_e8, ==, 1000 * ONE);
    MM_CHECK_INT(all[1].locked_e8, ==, 1);
    MM_CHECK_UINT(all[1].mark, ==, mm_ledger_mark(ledger));
}

static void a_first_report_after_a_fill_holds_the_fill(void)
{
    start_with(TRADE_IDS);
    balance("BTC", 0, 0);
    balance("USDT", 1000 * ONE, 0);
    mm_status status = fill(MM_BID, 100 * ONE, ONE, "BNB", ONE / 100);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_INT(ledger_of("BNB"), ==, -ONE / 100);
    MM_CHECK(!mm_ledger_equal(ledger));
    balance("BNB", 5 * ONE - ONE / 100, 0);
    balance("BTC", ONE, 0);
    balance("USDT", 900 * ONE, 0);
    MM_CHECK(mm_ledger_equal(ledger));
    mm_balance all[MM_ASSETS_MAX];
    MM_REQUIRE(mm_ledger_balances(ledger, all, MM_ASSETS_MAX) == 3);
    MM_CHECK_INT(all[2].start_e8, ==, 5 * ONE);
}

static void what_the_account_does_with_other_assets_is_not_the_ledgers_business(void)
{
    start();
    char name[8] = "A00";
    uint64_t mark = mm_ledger_mark(ledger);
    for (int32_t i = 0; i < 100; i++) {
        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        MM_CHECK(balance(name, INT64_MAX, i) == MM_OK); /* of any number: nobody counts with it */
        MM_CHECK(deposit(name, INT64_MAX, i) == MM_OK);
        MM_CHECK(balance(name, i, 1) == MM_OK);
        MM_CHECK_INT(ledger_of(name), ==, INT64_MIN);
    }
    MM_CHECK(mm_ledger_equal(ledger));
    MM_CHECK_UINT(mm_ledger_mark(ledger), ==, mark);
    /* It is, once a fee was paid in one; what there was of it before is in the first report. */
    mm_status status = fill(MM_BID, 100 * ONE, ONE, "A07", 5);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK(balance("A07", 95, 0) == MM_OK);
    MM_CHECK(deposit("A07", 10, 0) == MM_OK);
    MM_CHECK_INT(ledger_of("A07"), ==, 105);
    MM_CHECK(balance("A07", 95, 0) == MM_OK && !mm_ledger_equal(ledger));
}

static void fees_in_more_assets_than_there_is_room_for_are_told(void)
{
    start();
    char name[8] = "A00";
    for (int32_t i = 2; i < MM_ASSETS_MAX; i++) {
        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        mm_status status = fill(MM_BID, ONE, ONE, name, 1);
        MM_CHECK_INT(status, ==, MM_OK);
    }
    mm_status status = fill(MM_BID, ONE, ONE, "NEW", 1);
    MM_CHECK_INT(status, ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_ledger_base(ledger), ==, MM_ASSETS_MAX * ONE);
    status = balance("", 1, 0);
    MM_CHECK_INT(status, ==, MM_E_ARGUMENT);
    status = balance("BTC", -1, 0);
    MM_CHECK_INT(status, ==, MM_E_ARGUMENT);
    status = balance("BTC", INT64_MAX, 1);
    MM_CHECK_INT(status, ==, MM_E_OVERFLOW);
}

/* ---- Fills ---- */

static void buying_and_selling_move_both_balances_and_realize_at_average_cost(void)
{
    start();                                                /* 2 BTC at 100 */
    mm_status status = fill(MM_BID, 130 * ONE, ONE, "", 0); /* 3 BTC at 110 */
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_INT(mm_ledger_base(ledger), ==, 3 * ONE);
    MM_CHECK_INT(mm_ledger_quote(ledger), ==, 870 * ONE);
    MM_CHECK_INT(mm_ledger_position(ledger), ==, ONE);
    mm_pnl pnl = pnl_at(110 * ONE);
    MM_CHECK(pnl.realized_e8 == 0 && pnl.unrealized_e8 == 0 && pnl.total_e8 == 0);
    status = fill(MM_ASK, 120 * ONE, 2 * ONE, "", 0);
    MM_CHECK_INT(status, ==, MM_OK);
    pnl = pnl_at(115 * ONE);
    MM_CHECK_INT(pnl.realized_e8, ==, 20 * ONE);
    MM_CHECK_INT(pnl.unrealized_e8, ==, 5 * ONE);
    MM_CHECK_INT(pnl.total_e8, ==, equity_at(115 * ONE) - 1200 * ONE);
    MM_CHECK_INT(mm_ledger_position(ledger), ==, -ONE);
    MM_CHECK_UINT(mm_ledger_fills(ledger), ==, 2);
}

static void a_fee_is_taken_where_it_is_paid_and_valued_at_the_fill(void)
{
    start();
    mm_status status = fill(MM_BID, 100 * ONE, ONE, "BTC", ONE / 1000);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_INT(mm_ledger_base(ledger), ==, 3 * ONE - ONE / 1000);
    MM_CHECK_INT(mm_ledger_position(ledger), ==, ONE - ONE / 1000);
    mm_pnl pnl = pnl_at(100 * ONE);
    MM_CHECK(pnl.realized_e8 == 0 && pnl.fees_e8 == ONE / 10 && pnl.total_e8 == -ONE / 10);
    status = fill(MM_ASK, 110 * ONE, ONE, "USDT", ONE / 5);
    MM_CHECK_INT(status, ==, MM_OK);
    pnl = pnl_at(100 * ONE);
    MM_CHECK_INT(pnl.realized_e8, ==, 10 * ONE);
    MM_CHECK_INT(pnl.fees_e8, ==, ONE / 10 + ONE / 5);
    MM_CHECK_INT(mm_ledger_quote(ledger), ==, 1010 * ONE - ONE / 5);
    MM_CHECK_INT(pnl.total_e8, ==, equity_at(100 * ONE) - 1200 * ONE);
}

static void a_rebate_is_a_negative_fee_in_any_asset(void)
{
    start();
    mm_status status = fill(MM_BID, 100 * ONE, ONE, "BTC", -ONE / 1000);
    MM_CHECK_INT(status, ==, MM_OK);
    status = fill(MM_ASK, 100 * ONE, ONE, "USDT", -ONE / 10);
    MM_CHECK_INT(status, ==, MM_OK);
    mm_ledger_price(ledger, "BNB", 500 * ONE);
    status = fill(MM_ASK, 100 * ONE, ONE, "BNB", -ONE / 1000);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_INT(mm_ledger_base(ledger), ==, ONE + ONE / 1000);
    MM_CHECK_INT(ledger_of("BNB"), ==, ONE / 1000);
    mm_pnl pnl = pnl_at(100 * ONE);
    MM_CHECK_INT(pnl.fees_e8, ==, -(ONE / 10 + ONE / 10 + ONE / 2));
    MM_CHECK_INT(pnl.total_e8, ==, equity_at(100 * ONE) - 1200 * ONE);
}

static void a_fee_in_a_third_asset_counts_by_its_price_or_not_at_all(void)
{
    start();
    mm_status status = fill(MM_BID, 100 * ONE, ONE, "BNB", ONE / 1000);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_INT(pnl_at(100 * ONE).fees_e8, ==, 0);
    mm_ledger_price(ledger, "BNB", 500 * ONE);
    status = fill(MM_BID, 100 * ONE, ONE, "BNB", ONE / 1000);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_INT(pnl_at(100 * ONE).fees_e8, ==, ONE / 2);
    MM_CHECK_INT(equity_at(100 * ONE), ==, 1200 * ONE - ONE / 2);
    MM_CHECK_INT(ledger_of("BNB"), ==, -ONE / 500);
    mm_ledger_price(ledger, "BNB", 0);
    fill(MM_ASK, 100 * ONE, ONE, "BNB", ONE / 1000);
    MM_CHECK_INT(pnl_at(100 * ONE).fees_e8, ==, ONE / 2);
}

static void the_last_sale_takes_the_whole_cost(void)
{
    start_with(1024);
    balance("BTC", 7, 0);
    balance("USDT", 0, 0);
    mm_ledger_start_mid(ledger, 33333333333);
    for (int32_t i = 0; i < 7; i++) {
        mm_status status = fill(MM_ASK, 33333333333, 1, "", 0);
        MM_CHECK_INT(status, ==, MM_OK);
    }
    MM_CHECK_INT(mm_ledger_base(ledger), ==, 0);
    MM_CHECK_INT(pnl_at(ONE).unrealized_e8, ==, 0);
    MM_CHECK_INT(pnl_at(ONE).total_e8, ==, equity_at(ONE) - 2333);
}

static void what_cannot_be_applied_changes_nothing(void)
{
    start();
    mm_pnl before = pnl_at(100 * ONE);
    mm_status status = fill(MM_ASK, 100 * ONE, 2 * ONE + 1, "", 0);
    MM_CHECK_INT(status, ==, MM_E_STATE);
    status = fill(MM_ASK, 100 * ONE, 2 * ONE + 1, "BNB", 1); /* and leaves no asset behind */
    MM_CHECK_INT(status, ==, MM_E_STATE);
    MM_CHECK_INT(ledger_of("BNB"), ==, INT64_MIN);
    status = fill(MM_ASK, INT64_MAX, 2 * ONE + 1, "", 0); /* the first failure is told */
    MM_CHECK_INT(status, ==, MM_E_OVERFLOW);
    status = fill(MM_ASK, 100 * ONE, 2 * ONE, "BTC", 1);
    MM_CHECK_INT(status, ==, MM_E_STATE);
    status = fill(MM_BID, INT64_MAX, INT64_MAX, "", 0);
    MM_CHECK_INT(status, ==, MM_E_OVERFLOW);
    status = fill(MM_BID, 1, INT64_MAX, "", 0);
    MM_CHECK_INT(status, ==, MM_E_OVERFLOW);
    status = fill(MM_BID, ONE, ONE, "BNB", INT64_MIN);
    MM_CHECK_INT(status, ==, MM_E_OVERFLOW);
    status = fill(MM_BID, ONE, ONE, "", 1);
    MM_CHECK_INT(status, ==, MM_E_ARGUMENT);
    status = fill(MM_BID, 0, ONE, "", 0);
    MM_CHECK_INT(status, ==, MM_E_ARGUMENT);
    status = fill(MM_BID, ONE, 0, "", 0);
    MM_CHECK_INT(status, ==, MM_E_ARGUMENT);
    bool applied = fill_with_id(-1, MM_BID, ONE, ONE, "", 0, &status);
    MM_CHECK(applied && status == MM_E_ARGUMENT);
    status = deposit("BTC", -2 * ONE - 1, 0);
    MM_CHECK_INT(status, ==, MM_E_STATE);
    status = deposit("BTC", INT64_MIN, 0);
    MM_CHECK_INT(status, ==, MM_E_STATE);
    status = deposit("USDT", INT64_MAX, 0);
    MM_CHECK_INT(status, ==, MM_E_OVERFLOW);
    mm_pnl after = pnl_at(100 * ONE);
    MM_CHECK_BYTES(&after, &before, sizeof after);
    MM_CHECK_INT(mm_ledger_base(ledger), ==, 2 * ONE);
    MM_CHECK_INT(mm_ledger_quote(ledger), ==, 1000 * ONE);
    MM_CHECK_UINT(mm_ledger_fills(ledger), ==, 0);
    MM_CHECK_INT(mm_ledger_last_trade_id(ledger), ==, -1);
}

static void sums_that_do_not_fit_are_refused_wherever_they_come_from(void)
{
    const int64_t huge = INT64_MAX - ONE;
    start();
    mm_ledger_price(ledger, "BNB", ONE);
    MM_CHECK(deposit("", ONE, 0) == MM_E_ARGUMENT);
    MM_CHECK(deposit("USDT", INT64_MAX, 1) == MM_E_OVERFLOW);
    MM_CHECK(balance("", ONE, 0) == MM_E_ARGUMENT);
    MM_CHECK(balance("BTC", -1, 0) == MM_E_ARGUMENT);
    MM_CHECK(balance("BTC", 0, -1) == MM_E_ARGUMENT);
    MM_CHECK(balance("BTC", INT64_MAX, 1) == MM_E_OVERFLOW);
    /* Before its first report an asset may stand below zero; that report must still fit beside it. */
    MM_CHECK(deposit("BNB", -huge, 0) == MM_OK);
    MM_CHECK(balance("BNB", huge, 0) == MM_E_OVERFLOW);
    MM_CHECK(fill(MM_BID, 100 * ONE, ONE, "BNB", 2 * ONE) == MM_E_OVERFLOW);
    MM_CHECK_INT(ledger_of("BNB"), ==, -huge);
    MM_CHECK_INT(mm_ledger_base(ledger), ==, 2 * ONE);
}

static void of_an_adopted_trade_all_parts_must_fit(void)
{
    start();
    mm_fill_body body;
    memset(&body, 0, sizeof body);
    body.trade_id = 77;
    body.quote_e8 = -1;
    mm_ledger_price(ledger, "BNB", ONE);
    MM_CHECK(balance("BNB", 5 * ONE, 0) == MM_OK);
    strcpy(body.fee_asset, "BNB"); /* no fee: nothing of it moves */
    MM_CHECK(mm_ledger_adopt(ledger, MM_BID, 0, ONE, &body) == MM_E_ARGUMENT);
    MM_CHECK(mm_ledger_adopt(ledger, MM_BID, ONE, 0, &body) == MM_E_ARGUMENT);
    MM_CHECK(mm_ledger_adopt(ledger, MM_BID, INT64_MAX, INT64_MAX, &body) == MM_E_OVERFLOW);
    MM_CHECK(mm_ledger_adopt(ledger, MM_ASK, ONE, 3 * ONE, &body) == MM_E_STATE);
    MM_CHECK(!mm_ledger_seen(ledger, MM_ASK, 77));
    MM_CHECK(mm_ledger_adopt(ledger, MM_ASK, 10 * ONE, ONE, &body) == MM_OK);
    MM_CHECK_INT(mm_ledger_base(ledger), ==, ONE);
    MM_CHECK_INT(mm_ledger_quote(ledger), ==, 1010 * ONE);
    MM_CHECK_INT(ledger_of("BNB"), ==, 5 * ONE);
    body.trade_id = -1;
    MM_CHECK(mm_ledger_adopt(ledger, MM_ASK, ONE, ONE, &body) == MM_E_ARGUMENT);
    body.trade_id = 78;
    body.fee_e8 = INT64_MIN; /* nothing is its opposite */
    MM_CHECK(mm_ledger_adopt(ledger, MM_ASK, ONE, ONE, &body) == MM_E_OVERFLOW);
    MM_CHECK(!mm_ledger_seen(ledger, MM_ASK, 78));
}

static void an_account_too_large_to_be_valued_has_no_profit(void)
{
    start_with(TRADE_IDS);
    MM_CHECK(balance("BTC", INT64_MAX / 2, 0) == MM_OK);
    mm_ledger_start_mid(ledger, 100 * ONE);
    mm_pnl pnl;
    int64_t equity_e8 = 0;
    MM_CHECK(!mm_ledger_pnl(ledger, 100 * ONE, &pnl));
    MM_CHECK(!mm_ledger_equity(ledger, 100 * ONE, &equity_e8));
    MM_CHECK(!mm_ledger_equity(ledger, 0, &equity_e8));
    mm_ledger_start_mid(ledger, ONE / 10); /* at a price at which it fits, it begins */
    MM_CHECK(mm_ledger_pnl(ledger, ONE / 10, &pnl));
    MM_CHECK_INT(pnl.total_e8, ==, 0);
}

static void prices_of_more_assets_than_there_is_room_for_are_not_kept(void)
{
    start();
    char name[16];
    for (int i = 2; i < MM_ASSETS_MAX; i++) {
        snprintf(name, sizeof name, "A%d", i);
        mm_ledger_price(ledger, name, 2 * ONE);
    }
    mm_ledger_price(ledger, "ONEMORE", 2 * ONE);
    MM_CHECK_INT(ledger_of("A15"), ==, 0);
    MM_CHECK_INT(ledger_of("ONEMORE"), ==, INT64_MIN);
}

static void the_exchanges_own_quote_amount_is_taken_where_it_is_said(void)
{
    start();
    mm_fill_body body;
    memset(&body, 0, sizeof body);
    body.quote_e8 = 100 * ONE - 1;
    mm_status status = MM_E_SYSTEM;
    MM_CHECK(mm_ledger_fill(ledger, MM_BID, 100 * ONE, ONE, &body, &status));
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_INT(mm_ledger_quote(ledger), ==, 900 * ONE + 1);
}

/* ---- Once ---- */

static void each_trade_is_applied_once_in_any_order(void)
{
    start_with(256);
    balance("USDT", 1000000 * ONE, 0);
    int64_t ids[200];
    for (int32_t i = 0; i < 200; i++) {
        ids[i] = 10 * i;
    }
    for (int32_t i = 199; i > 0; i--) {
        int32_t other = (int32_t)mm_test_below((uint64_t)i + 1);
        int64_t id = ids[i];
        ids[i] = ids[other];
        ids[other] = id;
    }
    mm_status status = MM_OK;
    for (int32_t i = 0; i < 200; i++) {
        MM_CHECK(!mm_ledger_seen(ledger, MM_BID, ids[i]));
        bool first = fill_with_id(ids[i], MM_BID, ONE, ONE, "", 0, &status);
        bool second = fill_with_id(ids[i], MM_BID, ONE, ONE, "", 0, &status);
        MM_CHECK(first && !second && status == MM_OK && mm_ledger_seen(ledger, MM_BID, ids[i]));
    }
    MM_CHECK_INT(mm_ledger_base(ledger), ==, 200 * ONE);
    MM_CHECK_INT(mm_ledger_last_trade_id(ledger), ==, 1990);
    MM_CHECK(!mm_ledger_seen(ledger, MM_BID, 5) && !mm_ledger_seen(ledger, MM_BID, 2000));
}

static void ids_up_to_the_largest_forgotten_one_are_taken_for_applied(void)
{
    start();
    mm_status status = MM_OK;
    for (int64_t id = 10; id < 10 + TRADE_IDS; id++) {
        fill_with_id(2 * id, MM_BID, ONE, 1, "", 0, &status);
    }
    MM_CHECK(!mm_ledger_seen(ledger, MM_BID, 19) && mm_ledger_seen(ledger, MM_BID, 20));
    MM_CHECK(fill_with_id(100, MM_BID, ONE, 1, "", 0, &status)); /* 20 leaves */
    MM_CHECK(mm_ledger_seen(ledger, MM_BID, 20) && mm_ledger_seen(ledger, MM_BID, 19));
    MM_CHECK(!mm_ledger_seen(ledger, MM_BID, 21));
    MM_CHECK(fill_with_id(21, MM_BID, ONE, 1, "", 0, &status)); /* leaves at once */
    MM_CHECK(mm_ledger_seen(ledger, MM_BID, 21) && !mm_ledger_seen(ledger, MM_BID, 23));
    MM_CHECK(fill_with_id(23, MM_BID, ONE, 1, "", 0, &status)); /* 22 leaves */
    MM_CHECK(mm_ledger_seen(ledger, MM_BID, 22) && mm_ledger_seen(ledger, MM_BID, 23) &&
             mm_ledger_seen(ledger, MM_BID, 24));
    MM_CHECK(!fill_with_id(22, MM_BID, ONE, 1, "", 0, &status));
    MM_CHECK_UINT(mm_ledger_fills(ledger), ==, TRADE_IDS + 3);
}

/* Found in virtual time: the operator's own order took one of ours, and of the two fills of that trade only the first counted. */
static void a_trade_of_the_account_with_itself_is_two_fills(void)
{
    start();
    mm_status status = MM_OK;
    mm_fill_body body;
    memset(&body, 0, sizeof body);
    body.trade_id = 9;
    body.quote_e8 = -1;
    MM_CHECK(fill_with_id(9, MM_BID, 100 * ONE, ONE, "", 0, &status) && status == MM_OK);
    MM_CHECK(mm_ledger_seen(ledger, MM_BID, 9) && !mm_ledger_seen(ledger, MM_ASK, 9));
    for (int i = 0; i < 2; i++) {
        MM_CHECK(mm_ledger_adopt(ledger, MM_ASK, 100 * ONE, ONE, &body) == MM_OK);
        MM_CHECK(!fill_with_id(9, MM_BID, 100 * ONE, ONE, "", 0, &status));
        MM_CHECK_INT(mm_ledger_base(ledger), ==, 2 * ONE);
        MM_CHECK_INT(mm_ledger_quote(ledger), ==, 1000 * ONE);
        MM_CHECK_INT(mm_ledger_position(ledger), ==, ONE); /* the engine's own half only */
    }
    MM_CHECK(mm_ledger_seen(ledger, MM_ASK, 9));
    MM_CHECK_INT(mm_ledger_last_trade_id(ledger), ==, 9);
    MM_CHECK(mm_ledger_valid(ledger));
}

static void an_id_that_no_exchange_gives_is_refused(void)
{
    start();
    mm_status status = MM_OK;
    MM_CHECK(fill_with_id(INT64_MAX / 2, MM_BID, ONE, ONE, "", 0, &status) && status == MM_E_ARGUMENT);
    MM_CHECK(fill_with_id(-1, MM_BID, ONE, ONE, "", 0, &status) && status == MM_E_ARGUMENT);
    MM_CHECK(fill_with_id(INT64_MAX / 2 - 1, MM_ASK, ONE, 1, "", 0, &status) && status == MM_OK);
    MM_CHECK_INT(mm_ledger_last_trade_id(ledger), ==, INT64_MAX / 2 - 1);
}

/* ---- From outside ---- */

static void what_is_put_in_or_taken_out_is_no_profit(void)
{
    start();
    fill(MM_BID, 90 * ONE, ONE, "USDT", ONE / 10);
    int64_t mid_e8 = INT64_C(12469135689);
    mm_ledger_start_mid(ledger, mid_e8);
    int64_t total_e8 = pnl_at(mid_e8).total_e8;
    mm_status status = deposit("USDT", 500 * ONE, 0);
    MM_CHECK_INT(status, ==, MM_OK);
    status = deposit("BTC", 123456789, 0);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_INT(pnl_at(mid_e8).total_e8, ==, total_e8);
    status = deposit("BTC", -223456789, 0);
    MM_CHECK_INT(status, ==, MM_OK);
    status = deposit("USDT", -700 * ONE, 0);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_INT(pnl_at(mid_e8).total_e8, ==, total_e8);
    status = deposit("BTC", -ONE, ONE);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_INT(mm_ledger_base(ledger), ==, 2 * ONE);
    MM_CHECK_INT(mm_ledger_position(ledger), ==, ONE);
    MM_CHECK_INT(mm_ledger_quote(ledger), ==, 710 * ONE - ONE / 10);
}

static void there_is_no_profit_before_the_first_mid(void)
{
    start_with(TRADE_IDS);
    mm_pnl pnl;
    balance("BTC", 2 * ONE, 0);
    balance("USDT", 1000 * ONE, 0);
    MM_CHECK(!mm_ledger_pnl(ledger, 100 * ONE, &pnl));
    fill(MM_BID, 500 * ONE, ONE, "USDT", ONE);
    deposit("BTC", ONE, 0);
    mm_ledger_start_mid(ledger, 100 * ONE);
    MM_CHECK_INT(pnl_at(100 * ONE).total_e8, ==, 0);
    MM_CHECK_INT(pnl_at(101 * ONE).total_e8, ==, 4 * ONE);
    MM_CHECK(!mm_ledger_pnl(ledger, 0, &pnl));
    MM_CHECK(!mm_ledger_pnl(ledger, INT64_MAX, &pnl));
    int64_t equity_e8 = 0;
    MM_CHECK(!mm_ledger_equity(ledger, INT64_MAX, &equity_e8));
    MM_CHECK_INT(mm_ledger_position(ledger), ==, ONE);
}

static void an_account_read_after_the_first_mid_begins_at_it(void)
{
    start_with(TRADE_IDS);
    mm_ledger_start_mid(ledger, 100 * ONE);
    mm_ledger_start_mid(ledger, 105 * ONE);
    balance("BTC", 2 * ONE, 0);
    balance("USDT", 1000 * ONE, 0);
    MM_CHECK_INT(pnl_at(100 * ONE).total_e8, ==, 0);
    MM_CHECK_INT(pnl_at(105 * ONE).total_e8, ==, 10 * ONE);
}

/* Found in virtual time: an order of a run that was killed sold while the next one had not read the account yet, and the
 * ledger refused to owe what it did not know it had. */
static void a_trade_before_the_first_balances_is_in_them(void)
{
    for (int32_t side = MM_BID; side <= MM_ASK; side++) {
        start_with(TRADE_IDS);
        mm_fill_body body;
        memset(&body, 0, sizeof body);
        body.trade_id = 7;
        body.quote_e8 = 100 * ONE;
        body.fee_e8 = 1;
        strcpy(body.fee_asset, "BNB");
        MM_CHECK(mm_ledger_adopt(ledger, side, 100 * ONE, ONE, &body) == MM_OK);
        balance("BTC", 5 * ONE, 0);
        balance("USDT", 5 * ONE, 0);
        MM_CHECK(mm_ledger_equal(ledger));
        MM_CHECK_INT(mm_ledger_base(ledger), ==, 5 * ONE);
        MM_CHECK_INT(mm_ledger_quote(ledger), ==, 5 * ONE);
        MM_CHECK_INT(mm_ledger_position(ledger), ==, 0);
        MM_CHECK(mm_ledger_seen(ledger, side, 7) && !mm_ledger_seen(ledger, 1 - side, 7));
    }
}

static void a_trade_nobody_here_made_is_adopted_once_and_is_no_profit(void)
{
    start();
    mm_fill_body body;
    mm_pnl before, after;
    memset(&body, 0, sizeof body);
    body.trade_id = 77;
    body.quote_e8 = -1;
    body.fee_e8 = ONE / 1000;
    strcpy(body.fee_asset, "BTC");
    MM_CHECK(mm_ledger_pnl(ledger, 100 * ONE, &before));
    for (int i = 0; i < 2; i++) {
        MM_CHECK(mm_ledger_adopt(ledger, MM_BID, 100 * ONE, ONE, &body) == MM_OK);
        MM_CHECK_INT(mm_ledger_base(ledger), ==, 3 * ONE - ONE / 1000);
        MM_CHECK_INT(mm_ledger_quote(ledger), ==, 900 * ONE);
    }
    MM_CHECK(mm_ledger_pnl(ledger, 100 * ONE, &after));
    MM_CHECK_INT(after.total_e8, ==, before.total_e8);
    MM_CHECK(mm_ledger_seen(ledger, MM_BID, 77));
    MM_CHECK_INT(mm_ledger_position(ledger), ==, 0);
    MM_CHECK(mm_ledger_valid(ledger));
    MM_CHECK(mm_ledger_adopt(ledger, 2, 100 * ONE, ONE, &body) == MM_E_ARGUMENT);
}

static void what_nobody_told_is_adopted_as_put_in_or_taken_out(void)
{
    start();
    mm_pnl before, after;
    MM_CHECK(mm_ledger_pnl(ledger, 100 * ONE, &before));
    balance("BTC", ONE / 2, ONE / 4);
    balance("USDT", 1234 * ONE, 0);
    balance("BNB", 7, 0);
    MM_CHECK(!mm_ledger_equal(ledger));
    MM_CHECK_INT(mm_ledger_adopt_balances(ledger), ==, MM_OK);
    MM_CHECK(mm_ledger_equal(ledger) && mm_ledger_valid(ledger));
    MM_CHECK_INT(mm_ledger_base(ledger), ==, ONE / 2 + ONE / 4);
    MM_CHECK_INT(mm_ledger_quote(ledger), ==, 1234 * ONE);
    MM_CHECK_INT(mm_ledger_position(ledger), ==, 0);
    MM_CHECK(mm_ledger_pnl(ledger, 100 * ONE, &after));
    MM_CHECK_INT(after.total_e8, ==, before.total_e8);
    mm_ledger_start_mid(ledger, INT64_MAX / 4);
    balance("BTC", INT64_MAX / 2, 0);
    MM_CHECK_INT(mm_ledger_adopt_balances(ledger), ==, MM_E_OVERFLOW); /* worth more than can be counted */
    MM_CHECK(!mm_ledger_equal(ledger) && mm_ledger_valid(ledger));
}

static void of_an_asset_never_reported_nothing_is_adopted(void)
{
    start();
    mm_fill_body body;
    mm_status status = MM_OK;
    memset(&body, 0, sizeof body);
    body.trade_id = 79;
    body.quote_e8 = -1;
    body.fee_e8 = 5;
    strcpy(body.fee_asset, "BNB");
    MM_CHECK(mm_ledger_fill(ledger, MM_BID, 100 * ONE, ONE, &body, &status) && status == MM_OK);
    balance("BTC", 4 * ONE, 0); /* one more than was bought */
    balance("USDT", mm_ledger_quote(ledger), 0);
    mm_balance balances[MM_ASSETS_MAX];
    MM_CHECK(!mm_ledger_equal(ledger));
    MM_CHECK_INT(mm_ledger_adopt_balances(ledger), ==, MM_OK);
    MM_CHECK_INT(mm_ledger_base(ledger), ==, 4 * ONE);
    MM_CHECK_UINT(mm_ledger_balances(ledger, balances, MM_ASSETS_MAX), ==, 3);
    MM_CHECK_INT(balances[2].ledger_e8, ==, -5); /* its first report will say what there is and what there was */
    MM_CHECK(mm_ledger_equal(ledger) && mm_ledger_valid(ledger));
    balance("BNB", 95, 0);
    MM_CHECK_UINT(mm_ledger_balances(ledger, balances, MM_ASSETS_MAX), ==, 3);
    MM_CHECK_INT(balances[2].start_e8, ==, 100);
    MM_CHECK_INT(balances[2].ledger_e8, ==, 95);
    MM_CHECK(mm_ledger_equal(ledger));
}

static void a_foreign_trade_that_is_refused_moves_nothing(void)
{
    start();
    mm_fill_body body;
    memset(&body, 0, sizeof body);
    body.trade_id = 78;
    body.quote_e8 = -1;
    body.fee_e8 = 5 * ONE; /* more base than there is */
    strcpy(body.fee_asset, "BTC");
    int64_t base_e8 = mm_ledger_base(ledger), quote_e8 = mm_ledger_quote(ledger);
    for (int i = 0; i < 2; i++) { /* it is told again with the next read of the trades */
        MM_CHECK(mm_ledger_adopt(ledger, MM_ASK, 100 * ONE, ONE, &body) == MM_E_STATE);
        MM_CHECK_INT(mm_ledger_base(ledger), ==, base_e8);
        MM_CHECK_INT(mm_ledger_quote(ledger), ==, quote_e8);
    }
    MM_CHECK(!mm_ledger_seen(ledger, MM_ASK, 78));
    MM_CHECK(mm_ledger_equal(ledger) && mm_ledger_valid(ledger));
}

static void after_a_reset_the_next_report_is_the_start_and_no_trade_is_remembered(void)
{
    start();
    mm_status status = fill(MM_BID, 100 * ONE, ONE, "USDT", ONE);
    mm_ledger_rebase(ledger);
    MM_CHECK(mm_ledger_valid(ledger));
    MM_CHECK(mm_ledger_equal(ledger));
    mm_pnl pnl;
    MM_CHECK(!mm_ledger_pnl(ledger, 100 * ONE, &pnl));
    mm_ledger_start_mid(ledger, 110 * ONE);
    balance("BTC", 5 * ONE, 0);
    balance("USDT", 50 * ONE, 0);
    MM_CHECK(mm_ledger_equal(ledger));
    MM_CHECK_INT(mm_ledger_base(ledger), ==, 5 * ONE);
    MM_CHECK_INT(mm_ledger_position(ledger), ==, 0);
    MM_CHECK_INT(pnl_at(110 * ONE).total_e8, ==, 0);
    MM_CHECK_INT(mm_ledger_last_trade_id(ledger), ==, -1);
    MM_CHECK(fill_with_id(1, MM_BID, 10 * ONE, ONE, "", 0, &status));
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK_UINT(mm_ledger_fills(ledger), ==, 1);
}

/* ---- What may be used ---- */

static mm_order *place(int32_t side, int64_t price_e8, int64_t qty_e8)
{
    mm_order *order = NULL;
    MM_CHECK(mm_orders_place(orders, side, 0, price_e8, qty_e8, 1, &order));
    return order;
}

static void tell(uint16_t kind, const mm_order *order)
{
    mm_record record;
    mm_order_change change;
    memset(&record, 0, sizeof record);
    record.kind = kind;
    record.count = 1;
    if (kind == MM_KIND_LOST) {
        record.body.outcome.order_seq = order->seq;
        record.body.outcome.operation = MM_OP_PLACE;
    } else {
        record.body.report.order_seq = order->seq;
        record.body.report.status = MM_ORDER_LIVE;
    }
    mm_orders_apply(orders, &record, 2, &change);
    if (change.first_live) {
        change.order->balance_mark = mm_ledger_mark(ledger);
    }
}

static void what_orders_will_lock_may_not_be_used_again(void)
{
    start(); /* free: 900 USDT, 2 BTC */
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_BID, NULL), ==, 900 * ONE);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_ASK, NULL), ==, 2 * ONE);
    mm_order *bid = place(MM_BID, 100 * ONE + 1, ONE / 2 + 1);
    place(MM_ASK, 200 * ONE, ONE / 4);
    int64_t lock_e8 = 50 * ONE + 101; /* 5,000,000,100.5... rounded up */
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_BID, NULL), ==, 900 * ONE - lock_e8);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_ASK, NULL), ==, 2 * ONE - ONE / 4);
    /* Live, but `free` is of a report before: it still counts. */
    tell(MM_KIND_ACK, bid);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_BID, NULL), ==, 900 * ONE - lock_e8);
    balance("BTC", 2 * ONE, 0);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_BID, NULL), ==, 900 * ONE - lock_e8);
    balance("USDT", 900 * ONE - lock_e8, 100 * ONE + lock_e8);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_BID, NULL), ==, 900 * ONE - lock_e8);
    /* In doubt it counts whatever the report said. */
    tell(MM_KIND_LOST, bid);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_BID, NULL), ==, 900 * ONE - 2 * lock_e8);
    mm_orders_filled(orders, bid, ONE / 2, 3);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_BID, NULL), ==, 900 * ONE - lock_e8 - 101);
    place(MM_BID, 100 * ONE, 9 * ONE);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_BID, NULL), ==, 0);
    place(MM_ASK, 100 * ONE, 9 * ONE);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_ASK, NULL), ==, 0);
}

static void a_lock_that_cannot_be_told_leaves_nothing_to_use(void)
{
    start();
    place(MM_BID, INT64_MAX, INT64_MAX);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_BID, NULL), ==, 0);
    place(MM_BID, ONE, 1);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_BID, NULL), ==, 0);
    for (int32_t i = 0; i < 2 * MM_PLAN_MAX; i++) {
        place(MM_ASK, ONE, 1);
    }
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_ASK, NULL), ==, 2 * ONE - 2 * MM_PLAN_MAX);
    place(MM_ASK, ONE, 1);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_ASK, NULL), ==, 0);
}

static void an_order_that_leaves_frees_what_is_not_executed_of_its_smaller_size(void)
{
    start(); /* free: 2 BTC */
    mm_order *ask = place(MM_ASK, 100 * ONE, ONE);
    tell(MM_KIND_ACK, ask);
    balance("BTC", ONE, ONE);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_ASK, ask), ==, 2 * ONE);
    mm_orders_filled(orders, ask, ONE / 2, 3);
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_ASK, ask), ==, ONE + ONE / 2);
    mm_orders_amend(orders, ask, ONE * 3 / 4, 4); /* on its way */
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_ASK, ask), ==, ONE + ONE / 4);
    mm_orders_filled(orders, ask, ONE * 3 / 8, 5); /* faster than the amend: more than it leaves */
    MM_CHECK_INT(mm_ledger_available(ledger, orders, MM_ASK, ask), ==, ONE);
}

/* ---- Any history ---- */

static void the_total_is_the_change_of_equity_through_any_history(void)
{
    for (int32_t round = 0; round < 50; round++) {
        start_with(64);
        int64_t scale = (int64_t)1 << mm_test_below(30);
        int64_t mid_e8 = mm_test_between(1, 1000 * ONE);
        int64_t put_in_e8 = 0;
        balance("BTC", mm_test_between(0, 1000 * scale), mm_test_between(0, scale));
        balance("USDT", mm_test_between(0, 1000000 * ONE), 0);
        mm_ledger_start_mid(ledger, mid_e8);
        mm_ledger_price(ledger, "BNB", mm_test_between(0, 500 * ONE));
        int64_t start_e8 = equity_at(mid_e8);
        const char *const assets[] = {"BTC", "USDT", "BNB", "XRP"};
        for (int32_t i = 0; i < 400; i++) {
            int64_t price_e8 = mm_test_between(1, 1000 * ONE);
            if (mm_test_below(20) == 0) {
                int64_t change_e8 = mm_test_between(-scale, scale);
                put_in_e8 += deposit("USDT", change_e8, 0) == MM_OK ? change_e8 : 0;
            } else {
                mm_status status =
                    fill((int32_t)mm_test_below(2), price_e8, mm_test_between(1, scale),
                         assets[mm_test_below(4)], mm_test_between(-scale / 100, scale / 50));
                MM_CHECK(status == MM_OK || status == MM_E_STATE);
            }
            MM_REQUIRE(pnl_at(price_e8).total_e8 == equity_at(price_e8) - start_e8 - put_in_e8);
        }
    }
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(sizes_and_symbols_outside_their_range_are_refused),
        MM_TEST(the_first_report_is_the_start_and_later_ones_are_compared_with_the_ledger),
        MM_TEST(a_first_report_after_a_fill_holds_the_fill),
        MM_TEST(what_the_account_does_with_other_assets_is_not_the_ledgers_business),
        MM_TEST(fees_in_more_assets_than_there_is_room_for_are_told),
        MM_TEST(buying_and_selling_move_both_balances_and_realize_at_average_cost),
        MM_TEST(a_fee_is_taken_where_it_is_paid_and_valued_at_the_fill),
        MM_TEST(a_rebate_is_a_negative_fee_in_any_asset),
        MM_TEST(a_fee_in_a_third_asset_counts_by_its_price_or_not_at_all),
        MM_TEST(the_last_sale_takes_the_whole_cost),
        MM_TEST(what_cannot_be_applied_changes_nothing),
        MM_TEST(sums_that_do_not_fit_are_refused_wherever_they_come_from),
        MM_TEST(of_an_adopted_trade_all_parts_must_fit),
        MM_TEST(an_account_too_large_to_be_valued_has_no_profit),
        MM_TEST(prices_of_more_assets_than_there_is_room_for_are_not_kept),
        MM_TEST(the_exchanges_own_quote_amount_is_taken_where_it_is_said),
        MM_TEST(each_trade_is_applied_once_in_any_order),
        MM_TEST(ids_up_to_the_largest_forgotten_one_are_taken_for_applied),
        MM_TEST(a_trade_of_the_account_with_itself_is_two_fills),
        MM_TEST(an_id_that_no_exchange_gives_is_refused),
        MM_TEST(what_is_put_in_or_taken_out_is_no_profit),
        MM_TEST(there_is_no_profit_before_the_first_mid),
        MM_TEST(an_account_read_after_the_first_mid_begins_at_it),
        MM_TEST(a_trade_before_the_first_balances_is_in_them),
        MM_TEST(a_trade_nobody_here_made_is_adopted_once_and_is_no_profit),
        MM_TEST(what_nobody_told_is_adopted_as_put_in_or_taken_out),
        MM_TEST(of_an_asset_never_reported_nothing_is_adopted),
        MM_TEST(a_foreign_trade_that_is_refused_moves_nothing),
        MM_TEST(after_a_reset_the_next_report_is_the_start_and_no_trade_is_remembered),
        MM_TEST(what_orders_will_lock_may_not_be_used_again),
        MM_TEST(a_lock_that_cannot_be_told_leaves_nothing_to_use),
        MM_TEST(an_order_that_leaves_frees_what_is_not_executed_of_its_smaller_size),
        MM_TEST(the_total_is_the_change_of_equity_through_any_history),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
