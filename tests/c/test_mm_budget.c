/* What the exchange still lets us send: windows on its clock, a line to spend orders along, and what is given back. */
#include "mm_test.h"

#include "mm_internal.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define DAY (86400 * SECOND)
/* A day's beginning on the exchange's clock, which is ours here. */
#define START (100 * DAY)

static mm_budget_config plain(void)
{
    const mm_budget_config config = {.orders_10s_limit = 100,
                                     .orders_day_limit = 1000,
                                     .weight_1m_limit = 6000,
                                     .raw_5m_limit = 61000,
                                     .orders_pct = 100};
    return config;
}

static mm_budget *make(const mm_budget_config *config)
{
    static unsigned char memory[600000] MM_ALIGN_LINE;
    const char *bad_field = NULL;
    mm_budget *budget = NULL;
    mm_status status = mm_budget_init(memory, sizeof memory, config, &budget, &bad_field);
    MM_CHECK_INT(status, ==, MM_OK);
    MM_CHECK(bad_field == NULL);
    return budget;
}

static void each_field_outside_its_range_is_named(void)
{
    static unsigned char memory[4096] MM_ALIGN_LINE;
    static const struct {
        size_t offset;
        int64_t bad;
        const char *name;
    } cases[] = {
        {offsetof(mm_budget_config, orders_10s_limit), 0, "orders_10s_limit"},
        {offsetof(mm_budget_config, orders_10s_limit), 65537, "orders_10s_limit"},
        {offsetof(mm_budget_config, orders_day_limit), 0, "orders_day_limit"},
        {offsetof(mm_budget_config, orders_day_limit), 1000000001, "orders_day_limit"},
        {offsetof(mm_budget_config, weight_1m_limit), 0, "weight_1m_limit"},
        {offsetof(mm_budget_config, weight_1m_limit), 1000000001, "weight_1m_limit"},
        {offsetof(mm_budget_config, raw_5m_limit), 0, "raw_5m_limit"},
        {offsetof(mm_budget_config, raw_5m_limit), 1000000001, "raw_5m_limit"},
        {offsetof(mm_budget_config, orders_pct), 0, "orders_pct"},
        {offsetof(mm_budget_config, orders_pct), 101, "orders_pct"},
    };
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        mm_budget_config config = plain();
        mm_budget *budget = NULL;
        const char *bad_field = NULL;
        memcpy((unsigned char *)&config + cases[i].offset, &cases[i].bad, sizeof cases[i].bad);
        MM_CHECK_UINT(mm_budget_bytes(&config), ==, 0);
        MM_CHECK_INT(mm_budget_init(memory, sizeof memory, &config, &budget, &bad_field), ==, MM_E_ARGUMENT);
        MM_CHECK(bad_field != NULL && strcmp(bad_field, cases[i].name) == 0);
        MM_CHECK(budget == NULL);
    }
    mm_budget_config config = plain();
    mm_budget *budget = NULL;
    const char *bad_field = NULL;
    MM_CHECK_INT(mm_budget_init(memory, mm_budget_bytes(&config) - 1, &config, &budget, &bad_field), ==, MM_E_CAPACITY);
    MM_CHECK(budget == NULL);
}

static void a_fifth_at_once_a_fifth_for_empty_sides_and_the_rest_along_the_window(void)
{
    mm_budget_config config = plain();
    config.orders_day_limit = 1000000;
    mm_budget *budget = make(&config);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START + SECOND), ==, 20 + 6);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, START + SECOND), ==, 40 + 6);
    MM_CHECK_INT(mm_budget_deadline(budget, MM_NEED_MOVE, START + SECOND), ==, INT64_MAX);
    for (int i = 0; i < 26; i++) {
        mm_budget_sent(budget, MM_OP_PLACE, START + SECOND);
    }
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START + SECOND), ==, 0);
    int64_t due_ns = mm_budget_deadline(budget, MM_NEED_MOVE, START + SECOND);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, due_ns - 1), ==, 0);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, due_ns), ==, 1);
}

static void orders_beyond_the_line_wait_for_the_next_window(void)
{
    mm_budget_config config = plain();
    config.orders_day_limit = 1000000;
    mm_budget *budget = make(&config);
    for (int i = 0; i < 90; i++) { /* the reserve too */
        mm_budget_sent(budget, MM_OP_PLACE, START + SECOND);
    }
    MM_CHECK_INT(mm_budget_deadline(budget, MM_NEED_MOVE, START + SECOND), ==, START + 10 * SECOND);
}

static void the_first_fill_of_an_order_gives_five_back_as_maker_and_one_as_taker(void)
{
    mm_budget_config config = plain();
    mm_budget *budget = make(&config);
    for (int i = 0; i < 10; i++) {
        mm_budget_sent(budget, MM_OP_PLACE, START + SECOND);
    }
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START + SECOND), ==, 16);
    mm_budget_fill(budget, false, START + SECOND);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START + SECOND), ==, 17);
    mm_budget_fill(budget, true, START + SECOND);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START + SECOND), ==, 22);
    mm_budget_fill(budget, true, START + SECOND); /* never more than was spent */
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START + SECOND), ==, 26);
}

static void no_more_orders_leave_in_a_day_than_its_limit_whatever_fills_give_back(void)
{
    mm_budget_config config = plain();
    config.orders_day_limit = 5;
    mm_budget *budget = make(&config);
    int64_t now_ns = START + SECOND;
    for (int i = 0; i < 5; i++) {
        mm_budget_sent(budget, MM_OP_REPLACE, now_ns);
        mm_budget_fill(budget, true, now_ns);
    }
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, now_ns), ==, 0);
    MM_CHECK_INT(mm_budget_deadline(budget, MM_NEED_EMPTY, now_ns), ==, START + DAY);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, START + DAY + SECOND), >, 0);
    mm_budget_sent(budget, MM_OP_PLACE, START + DAY + SECOND);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, START + DAY + SECOND), >, 0);
}

static void no_more_orders_leave_in_any_ten_seconds_than_the_limit_whatever_fills_give_back(void)
{
    mm_budget_config config = plain();
    config.orders_10s_limit = 4;
    mm_budget *budget = make(&config);
    int64_t now_ns = START + 8 * SECOND;
    for (int i = 0; i < 4; i++) {
        mm_budget_sent(budget, MM_OP_PLACE, now_ns);
        mm_budget_fill(budget, true, now_ns);
    }
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, now_ns + 3 * SECOND), ==, 0);
    MM_CHECK_INT(mm_budget_deadline(budget, MM_NEED_EMPTY, now_ns + 3 * SECOND), ==, now_ns + 10 * SECOND);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, now_ns + 10 * SECOND), >, 0);
}

static void weight_stops_orders_at_seventy_percent_and_queries_at_eighty_five(void)
{
    mm_budget_config config = plain();
    mm_budget *budget = make(&config);
    int64_t now_ns = START + 2 * SECOND;
    mm_budget_read(budget, 4200, now_ns);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, now_ns), ==, 0);
    MM_CHECK(!mm_budget_may_ask(budget, MM_NEED_MOVE, MM_WEIGHT_AMEND, now_ns));
    MM_CHECK(mm_budget_may_ask(budget, MM_NEED_QUERY, MM_WEIGHT_AMEND, now_ns));
    MM_CHECK_INT(mm_budget_deadline(budget, MM_NEED_EMPTY, now_ns), ==, START + 60 * SECOND);
    mm_budget_read(budget, 900, now_ns);
    MM_CHECK(!mm_budget_may_ask(budget, MM_NEED_QUERY, MM_WEIGHT_AMEND, now_ns));
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, START + 61 * SECOND), >, 0);
}

static void raw_requests_have_a_share_of_their_own(void)
{
    mm_budget_config config = plain();
    config.raw_5m_limit = 10;
    mm_budget *budget = make(&config);
    int64_t now_ns = START + 2 * SECOND;
    for (int i = 0; i < 7; i++) {
        mm_budget_read(budget, 0, now_ns);
    }
    MM_CHECK(!mm_budget_may_ask(budget, MM_NEED_MOVE, 1, now_ns));
    MM_CHECK(mm_budget_may_ask(budget, MM_NEED_QUERY, 1, now_ns));
    MM_CHECK_INT(mm_budget_deadline(budget, MM_NEED_EMPTY, now_ns), ==, START + 300 * SECOND);
}

static void refused_orders_and_cancels_weigh_one_and_what_weighs_already_no_more(void)
{
    mm_budget_config config = plain();
    config.weight_1m_limit = 10;
    mm_budget *budget = make(&config);
    int64_t now_ns = START + 2 * SECOND;
    mm_budget_sent(budget, MM_OP_AMEND, now_ns); /* 4 */
    mm_budget_failed(budget, MM_OP_AMEND, now_ns);
    MM_CHECK(mm_budget_may_ask(budget, MM_NEED_MOVE, 3, now_ns));
    mm_budget_failed(budget, MM_OP_CANCEL, now_ns);
    MM_CHECK(!mm_budget_may_ask(budget, MM_NEED_MOVE, 3, now_ns));
    MM_CHECK(mm_budget_may_ask(budget, MM_NEED_MOVE, 2, now_ns));
}

static void what_did_not_leave_is_taken_back_in_the_windows_it_was_counted_in(void)
{
    mm_budget_config config = plain();
    mm_budget *budget = make(&config);
    int64_t sent_ns = START + 5 * SECOND;
    mm_budget_sent(budget, MM_OP_PLACE, sent_ns);
    int64_t before = mm_budget_orders(budget, MM_NEED_MOVE, sent_ns);
    mm_budget_not_sent(budget, MM_OP_PLACE, sent_ns, sent_ns);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, sent_ns), ==, before + 1);
    mm_budget_sent(budget, MM_OP_PLACE, sent_ns);
    mm_budget_sent(budget, MM_OP_PLACE, START + 12 * SECOND);
    before = mm_budget_orders(budget, MM_NEED_MOVE, START + 12 * SECOND);
    mm_budget_not_sent(budget, MM_OP_PLACE, sent_ns, START + 12 * SECOND); /* of the window before: nothing of this one's */
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START + 12 * SECOND), ==, before);
}

static void close_to_an_edge_a_request_counts_on_both_sides_and_nothing_told_is_believed(void)
{
    mm_budget_config config = plain();
    config.orders_day_limit = 1000000;
    mm_budget *budget = make(&config);
    for (int i = 0; i < 10; i++) {
        mm_budget_sent(budget, MM_OP_PLACE, START + 10 * SECOND - 100 * MS);
    }
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START + 11 * SECOND), ==, 26 - 10);
    mm_budget_body said;
    memset(&said, 0xFF, sizeof said); /* -1: not said */
    said.recv_ns = START + 20 * SECOND + 100 * MS;
    said.orders_10s = 99;
    mm_budget_said(budget, &said, 0, 0);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START + 21 * SECOND), ==, 26);
    said.recv_ns = START + 21 * SECOND;
    mm_budget_said(budget, &said, 0, 0);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START + 21 * SECOND), ==, 0);
    said.orders_10s = -1;
    said.orders_10s_limit = 200;
    mm_budget_said(budget, &said, 0, 0);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, START + 21 * SECOND), ==, 80 + 12 - 99 < 0 ? 0 : 80 + 12 - 99);
}

static void the_window_before_holds_orders_back_until_its_edge_is_over(void)
{
    mm_budget_config config = plain();
    config.orders_day_limit = 1000000;
    config.orders_pct = 50; /* the gate's own ceiling is far */
    mm_budget *budget = make(&config);
    for (int i = 0; i < 50; i++) {
        mm_budget_sent(budget, MM_OP_PLACE, START + 9 * SECOND);
    }
    int64_t now_ns = START + 10 * SECOND + 100 * MS;
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, now_ns), ==, 0);
    MM_CHECK_INT(mm_budget_deadline(budget, MM_NEED_MOVE, now_ns), ==, START + 10 * SECOND + 500 * MS);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START + 10 * SECOND + 500 * MS), >, 0);
}

/* What was sent at the end of one window may be counted in the next: then it still fills that one when the one after begins. */
static void the_window_before_also_holds_what_came_late_in_the_one_before_it(void)
{
    mm_budget_config config = plain();
    config.orders_day_limit = 1000000;
    config.orders_pct = 50;
    mm_budget *budget = make(&config);
    for (int i = 0; i < 50; i++) {
        mm_budget_sent(budget, MM_OP_PLACE, START + 10 * SECOND - 1);
    }
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, START + 20 * SECOND), ==, 0);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, START + 20 * SECOND + 500 * MS), >, 0);
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_EMPTY, START + 30 * SECOND), >, 0);
}

static void a_clock_that_is_set_back_keeps_what_was_counted(void)
{
    mm_budget_config config = plain();
    mm_budget *budget = make(&config);
    mm_budget_clock(budget, 5 * SECOND);
    for (int i = 0; i < 10; i++) {
        mm_budget_sent(budget, MM_OP_PLACE, START + 6 * SECOND); /* 11 s on the exchange's */
    }
    mm_budget_clock(budget, 0);
    MM_CHECK(mm_budget_valid(budget));
    /* The ten may be counted in the window that is still to come. */
    int64_t left = mm_budget_orders(budget, MM_NEED_MOVE, START + 11 * SECOND);
    MM_CHECK_INT(left, ==, 26 - 10);
    mm_budget_clock(budget, -START - DAY); /* before the epoch: a window of its own, and no negative count */
    MM_CHECK_INT(mm_budget_orders(budget, MM_NEED_MOVE, START), >=, 0);
    MM_CHECK(mm_budget_valid(budget));
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(each_field_outside_its_range_is_named),
        MM_TEST(a_fifth_at_once_a_fifth_for_empty_sides_and_the_rest_along_the_window),
        MM_TEST(orders_beyond_the_line_wait_for_the_next_window),
        MM_TEST(the_first_fill_of_an_order_gives_five_back_as_maker_and_one_as_taker),
        MM_TEST(no_more_orders_leave_in_a_day_than_its_limit_whatever_fills_give_back),
        MM_TEST(no_more_orders_leave_in_any_ten_seconds_than_the_limit_whatever_fills_give_back),
        MM_TEST(weight_stops_orders_at_seventy_percent_and_queries_at_eighty_five),
        MM_TEST(raw_requests_have_a_share_of_their_own),
        MM_TEST(refused_orders_and_cancels_weigh_one_and_what_weighs_already_no_more),
        MM_TEST(what_did_not_leave_is_taken_back_in_the_windows_it_was_counted_in),
        MM_TEST(close_to_an_edge_a_request_counts_on_both_sides_and_nothing_told_is_believed),
        MM_TEST(the_window_before_holds_orders_back_until_its_edge_is_over),
        MM_TEST(the_window_before_also_holds_what_came_late_in_the_one_before_it),
        MM_TEST(a_clock_that_is_set_back_keeps_what_was_counted),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
