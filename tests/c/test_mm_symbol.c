/* Filters of a symbol: each bound to the last digit. */
#include "mm_test.h"

#include "mm_internal.h"

#define BIT(reason) MM_BIT(MM_REASON_##reason)

static mm_symbol btcusdt(void)
{
    mm_symbol s;
    memset(&s, 0, sizeof s);
    strcpy(s.name, "BTCUSDT");
    strcpy(s.base, "BTC");
    strcpy(s.quote, "USDT");
    s.tick_e8 = 1000000;
    s.step_e8 = 1000;
    s.price_min_e8 = 1000000;
    s.price_max_e8 = 100000000000000;
    s.qty_min_e8 = 1000;
    s.qty_max_e8 = 900000000000;
    s.notional_min_e8 = 500000000;
    s.notional_max_e8 = 900000000000000;
    s.bid_up_e8 = 500000000;
    s.bid_down_e8 = 20000000;
    s.ask_up_e8 = 500000000;
    s.ask_down_e8 = 20000000;
    s.orders_max = 200;
    s.maker_fee_e8 = 100000;
    s.taker_fee_e8 = 100000;
    return s;
}

static void a_real_symbol_passes_and_zero_means_no_bound(void)
{
    mm_symbol s = btcusdt();
    MM_CHECK_INT(mm_symbol_check(&s), ==, MM_OK);
    s.price_min_e8 = s.price_max_e8 = s.qty_min_e8 = s.qty_max_e8 = s.notional_min_e8 =
        s.notional_max_e8 = 0;
    s.bid_up_e8 = s.bid_down_e8 = s.ask_up_e8 = s.ask_down_e8 = s.orders_max = 0;
    s.maker_fee_e8 = -10000;
    MM_CHECK_INT(mm_symbol_check(&s), ==, MM_OK);
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, 1000000, 1000, 100000000), ==, 0);
}

static void what_cannot_be_a_symbol_is_refused(void)
{
    static const size_t bounds[] = {
        offsetof(mm_symbol, price_min_e8),    offsetof(mm_symbol, price_max_e8),
        offsetof(mm_symbol, qty_min_e8),      offsetof(mm_symbol, qty_max_e8),
        offsetof(mm_symbol, bid_up_e8),       offsetof(mm_symbol, bid_down_e8),
        offsetof(mm_symbol, notional_min_e8), offsetof(mm_symbol, ask_up_e8),
        offsetof(mm_symbol, ask_down_e8),     offsetof(mm_symbol, notional_max_e8),
        offsetof(mm_symbol, orders_max),
    };
    for (size_t i = 0; i < MM_ARRAY_COUNT(bounds); i++) {
        mm_symbol s = btcusdt();
        int64_t negative = -1;
        memcpy((char *)&s + bounds[i], &negative, sizeof negative);
        MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
    }
    static const size_t flags_and_fees[] = {offsetof(mm_symbol, no_amend), offsetof(mm_symbol, no_replace),
                                            offsetof(mm_symbol, maker_fee_e8), offsetof(mm_symbol, taker_fee_e8)};
    static const int64_t far[] = {INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < MM_ARRAY_COUNT(flags_and_fees); i++) {
        for (size_t j = 0; j < MM_ARRAY_COUNT(far); j++) {
            mm_symbol s = btcusdt();
            memcpy((char *)&s + flags_and_fees[i], &far[j], sizeof far[j]);
            MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
        }
    }
    mm_symbol nameless = btcusdt();
    nameless.base[0] = 0;
    MM_CHECK_INT(mm_symbol_check(&nameless), ==, MM_E_ARGUMENT);
    mm_record records[MM_SYMBOL_RECORDS];
    mm_symbol_write(&nameless, records);
    records[0].count = MM_SYMBOL_RECORDS - 1; /* rules of another build */
    mm_symbol read = btcusdt();
    MM_CHECK_INT(mm_symbol_read(&read, records), ==, MM_E_ARGUMENT);
    static const size_t positive[] = {offsetof(mm_symbol, tick_e8), offsetof(mm_symbol, step_e8)};
    static const int64_t bad[] = {0, -1, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < MM_ARRAY_COUNT(positive); i++) {
        for (size_t j = 0; j < MM_ARRAY_COUNT(bad); j++) {
            mm_symbol s = btcusdt();
            memcpy((char *)&s + positive[i], &bad[j], sizeof bad[j]);
            MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
        }
    }
}

static void bounds_that_contradict_are_refused(void)
{
    mm_symbol s = btcusdt();
    s.price_min_e8 = s.price_max_e8 + 1;
    MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
    s = btcusdt();
    s.qty_min_e8 = s.qty_max_e8 + 1;
    MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
    s = btcusdt();
    s.notional_min_e8 = s.notional_max_e8 + 1;
    MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
    s = btcusdt();
    s.bid_down_e8 = s.bid_up_e8 + 1;
    MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
    s = btcusdt();
    s.qty_max_e8 = INT64_MAX / 2;
    MM_CHECK_INT(mm_symbol_check(&s), ==, MM_OK);
    s.qty_max_e8 = INT64_MAX / 2 + 1;
    MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
    s = btcusdt();
    s.maker_fee_e8 = 10000001;
    MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
    s = btcusdt();
    memset(s.base, 'B', sizeof s.base);
    MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
    s = btcusdt();
    s.name[0] = '\0';
    MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
}

/* 50000.00 x 0.001 = 50 quote. */
#define PRICE INT64_C(5000000000000)
#define QTY INT64_C(100000)

static void price_and_quantity_are_judged_to_the_last_digit(void)
{
    mm_symbol s = btcusdt();
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, PRICE, QTY, PRICE), ==, 0);
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, PRICE + 1, QTY, PRICE), ==, BIT(PRICE_FILTER));
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, PRICE, QTY + 1, PRICE), ==, BIT(LOT_SIZE));
    s.price_max_e8 = PRICE;
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_ASK, PRICE, QTY, PRICE), ==, 0);
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_ASK, PRICE + s.tick_e8, QTY, PRICE), ==,
                  BIT(PRICE_FILTER));
    s.price_max_e8 = 0;
    s.price_min_e8 = PRICE;
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_ASK, PRICE, QTY, PRICE), ==, 0);
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_ASK, PRICE - s.tick_e8, QTY, PRICE), ==,
                  BIT(PRICE_FILTER));
    s.price_min_e8 = 0;
    s.qty_min_e8 = QTY;
    s.qty_max_e8 = QTY;
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_ASK, PRICE, QTY, PRICE), ==, 0);
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_ASK, PRICE, QTY - s.step_e8, PRICE), ==, BIT(LOT_SIZE));
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_ASK, PRICE, QTY + s.step_e8, PRICE), ==, BIT(LOT_SIZE));
}

static void notional_is_judged_on_the_exact_product(void)
{
    mm_symbol s = btcusdt();
    s.tick_e8 = s.step_e8 = s.qty_min_e8 = s.price_min_e8 = 1;
    s.notional_min_e8 = 500000000;
    /* 3.00000001 x 1.66666666 = 4.9999999966..., a hair under 5. */
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, 300000001, 166666666, 0), ==, BIT(MIN_NOTIONAL));
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, 300000001, 166666667, 0), ==, 0);
    s.notional_max_e8 = 500000000;
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, 500000000, 100000000, 0), ==, 0);
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, 500000001, 100000000, 0), ==, BIT(ORDER_NOTIONAL));
}

static void percent_price_differs_by_side_and_needs_a_reference(void)
{
    mm_symbol s = btcusdt();
    s.bid_up_e8 = 110000000;
    s.bid_down_e8 = 90000000;
    s.ask_up_e8 = 120000000;
    s.ask_down_e8 = 80000000;
    int64_t qty_e8 = 1000000;
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, PRICE / 10 * 11, qty_e8, PRICE), ==, 0);
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, PRICE / 10 * 11 + s.tick_e8, qty_e8, PRICE), ==,
                  BIT(PERCENT_PRICE));
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, PRICE / 10 * 9, qty_e8, PRICE), ==, 0);
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_BID, PRICE / 10 * 9 - s.tick_e8, qty_e8, PRICE), ==,
                  BIT(PERCENT_PRICE));
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_ASK, PRICE / 10 * 12, qty_e8, PRICE), ==, 0);
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_ASK, PRICE / 10 * 12 + s.tick_e8, qty_e8, PRICE), ==,
                  BIT(PERCENT_PRICE));
    MM_CHECK_UINT(mm_symbol_verdict(&s, MM_ASK, PRICE / 10 * 12 + s.tick_e8, qty_e8, 0), ==, 0);
}

static void any_order_whatever_has_a_verdict(void)
{
    mm_symbol s = btcusdt();
    static const int64_t odd[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    for (size_t i = 0; i < MM_ARRAY_COUNT(odd); i++) {
        for (size_t j = 0; j < MM_ARRAY_COUNT(odd); j++) {
            for (size_t k = 0; k < MM_ARRAY_COUNT(odd); k++) {
                MM_CHECK_UINT(mm_symbol_verdict(&s, MM_ASK, odd[i], odd[j], odd[k]), !=, 0);
            }
        }
    }
}

static void the_numbers_of_a_symbol_travel_in_an_event_and_its_names_stay(void)
{
    mm_record records[MM_SYMBOL_RECORDS];
    mm_symbol from = btcusdt(), to = btcusdt();
    from.tick_e8 = 7;
    from.taker_fee_e8 = -12345;
    from.orders_max = 77;
    strcpy(from.name, "OTHER");
    mm_symbol_write(&from, records);
    MM_CHECK_UINT(records[0].kind, ==, MM_KIND_RULES);
    MM_CHECK_UINT(records[0].count, ==, MM_SYMBOL_RECORDS);
    MM_CHECK(mm_symbol_read(&to, records) == MM_OK);
    MM_CHECK_TEXT(to.name, "BTCUSDT");
    strcpy(from.name, to.name);
    MM_CHECK(memcmp(&from, &to, sizeof to) == 0);
    from.step_e8 = 0; /* no symbol: nothing of it is taken */
    from.tick_e8 = 9;
    mm_symbol_write(&from, records);
    MM_CHECK(mm_symbol_read(&to, records) == MM_E_ARGUMENT);
    MM_CHECK_INT(to.tick_e8, ==, 7);
}

static void each_name_is_there_and_ends(void)
{
    static const size_t names[] = {offsetof(mm_symbol, name), offsetof(mm_symbol, base), offsetof(mm_symbol, quote)};
    for (size_t i = 0; i < MM_ARRAY_COUNT(names); i++) {
        mm_symbol s = btcusdt();
        *((char *)&s + names[i]) = 0;
        MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
        s = btcusdt();
        memset((char *)&s + names[i], 'X', i == 0 ? sizeof s.name : sizeof s.base);
        MM_CHECK_INT(mm_symbol_check(&s), ==, MM_E_ARGUMENT);
    }
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_real_symbol_passes_and_zero_means_no_bound),
        MM_TEST(what_cannot_be_a_symbol_is_refused),
        MM_TEST(bounds_that_contradict_are_refused),
        MM_TEST(price_and_quantity_are_judged_to_the_last_digit),
        MM_TEST(notional_is_judged_on_the_exact_product),
        MM_TEST(percent_price_differs_by_side_and_needs_a_reference),
        MM_TEST(any_order_whatever_has_a_verdict),
        MM_TEST(the_numbers_of_a_symbol_travel_in_an_event_and_its_names_stay),
        MM_TEST(each_name_is_there_and_ends),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
