/* Decisions: what stops quoting, what ends that, and that money which cannot be counted is not risked. */
#include "mm_engine_host.h"

/* The limits on losses as far off as they go. */
static mm_engine_config wide_config(void)
{
    mm_engine_config config = host_config();
    config.risk.loss_session_max_e8 = config.risk.loss_day_max_e8 = config.risk.loss_speed_max_e8 = (int64_t)1 << 61;
    config.risk.drawdown_halt_pct = config.risk.drawdown_kill_pct = 100.0;
    return config;
}

/* One whole BTC is inventory, so that each tick of the price is a loss of 0.01 USDT. */
static host *exposed(const mm_engine_config *limits)
{
    mm_engine_config config = *limits;
    config.inventory_target_e8 = 0;
    host *h = host_quoting(&config);
    host_exchange(h);
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_REDUCING);
    MM_CHECK_INT(host_status(h).open_orders, ==, 1); /* the one that sells */
    return h;
}

static void a_loss_that_reaches_a_limit_halts_or_kills_by_that_limit(void)
{
    static const struct {
        int64_t loss_ticks;
        int64_t session_max, day_max, speed_max; /* USDT */
        double halt_pct, kill_pct;               /* of some 167,000 */
        int32_t state, reason;
    } cases[] = {
        {1999, 20, 20, 20, 0.02, 0.04, MM_STATE_REDUCING, MM_REASON_NONE},
        {2000, 20, 100, 100, 1.0, 1.0, MM_STATE_KILLED, MM_REASON_LOSS_LIMIT},
        {2000, 100, 20, 100, 1.0, 1.0, MM_STATE_KILLED, MM_REASON_LOSS_LIMIT},
        {2000, 100, 100, 20, 1.0, 1.0, MM_STATE_HALTED, MM_REASON_LOSS_SPEED},
        {2000, 100, 100, 100, 0.01, 1.0, MM_STATE_HALTED, MM_REASON_DRAWDOWN},
        {2000, 100, 100, 100, 0.01, 0.011, MM_STATE_KILLED, MM_REASON_DRAWDOWN},
    };
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        mm_engine_config config = host_config();
        config.risk.loss_session_max_e8 = cases[i].session_max * MM_ONE_E8;
        config.risk.loss_day_max_e8 = cases[i].day_max * MM_ONE_E8;
        config.risk.loss_speed_max_e8 = cases[i].speed_max * MM_ONE_E8;
        config.risk.drawdown_halt_pct = cases[i].halt_pct;
        config.risk.drawdown_kill_pct = cases[i].kill_pct;
        host *h = exposed(&config);
        host_mid(h, MID - cases[i].loss_ticks * TICK);
        host_decide(h);
        bool stops = cases[i].reason != MM_REASON_NONE;
        MM_CHECK_INT(host_status(h).state, ==, cases[i].state);
        MM_CHECK_UINT(host_status(h).verdict, ==, stops ? MM_BIT(cases[i].reason) : 0);
        MM_CHECK(!stops || host_count(h, MM_KIND_CANCEL) == 1);
        host_command(h, MM_COMMAND_RESUME, 0);
        host_decide(h);
        /* A drawdown halt is taken back by hand, and there again at once while the fall is; the others are not. */
        MM_CHECK_INT(host_status(h).state, ==, cases[i].state);
        host_close(h);
    }
}

static void a_halt_for_the_speed_of_a_loss_ends_when_its_time_is_over(void)
{
    mm_engine_config config = wide_config();
    config.risk.loss_speed_max_e8 = 20 * MM_ONE_E8;
    host *h = exposed(&config);
    host_mid(h, MID - 2500 * TICK);
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_HALTED);
    int64_t until_ns = h->now_ns + config.risk.loss_speed_pause_ns;
    while (h->now_ns < until_ns) {
        MM_CHECK(host_says(h, MM_REASON_LOSS_SPEED));
        MM_CHECK_INT(mm_engine_deadline(h->engine), <=, until_ns);
        host_exchange(h);
        h->now_ns += SECOND / 2;
        host_tick(h);
        host_decide(h);
    }
    MM_CHECK_INT(h->now_ns, ==, until_ns);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_REDUCING);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 1);
    host_close(h);
}

/* Found by branch coverage: a wallet whose worth did not fit was quoted without any limit on losses. */
static void money_that_cannot_be_counted_is_not_risked(void)
{
    static const struct {
        int64_t base, quote; /* whole BTC and USDT; counts go to some 92 billion */
        int64_t target_e8;
        bool at_once;        /* or when the price has risen by 6 % */
    } cases[] = {
        {2000000, 100000, INT64_MIN, true},               /* the base is worth more */
        {600000, INT64_C(60000000000), INT64_MIN, true},  /* base and quote together are */
        {600000, INT64_C(51000000000), INT64_MIN, false}, /* and they become that */
        {1, 100000, INT64_MAX, false},                    /* what the target has gained */
        {1, 100000, INT64_MIN, false},
    };
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        mm_engine_config config = wide_config();
        config.inventory_target_e8 = cases[i].target_e8;
        bool counts = i + 1 == MM_TEST_COUNT(cases);
        host *h = host_open(&config);
        host_start_with(h, cases[i].base * MM_ONE_E8, cases[i].quote * MM_ONE_E8);
        host_sync(h);
        MM_CHECK((host_status(h).state == MM_STATE_KILLED) == cases[i].at_once);
        MM_CHECK(!cases[i].at_once || host_count(h, MM_KIND_PLACE) == 0);
        host_exchange(h);
        host_mid(h, MID + MID / 100 * 6);
        host_decide(h);
        MM_CHECK((host_status(h).state == MM_STATE_KILLED) == !counts);
        MM_CHECK(host_says(h, MM_REASON_LOSS_LIMIT) == !counts);
        MM_CHECK_INT(host_status(h).open_orders, ==, (int64_t)host_count(h, MM_KIND_CANCEL));
        host_close(h);
    }
}

static void a_book_that_is_there_before_the_start_is_timed_and_judges_nothing(void)
{
    mm_engine_config config = host_config();
    config.inventory_target_e8 = 0;
    host *h = host_open(&config);
    host_balance(h, "BTC", MM_ONE_E8, 0);
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_UP);
    host_tick(h);
    host_depth(h, MM_KIND_SNAPSHOT, h->last_id, h->last_id, 40, 0);
    h->now_ns += 5 * MS;
    host_decide(h); /* the first: its time is that since the book was exact */
    MM_CHECK_INT(host_status(h).sync_state, ==, MM_SYNC_SYNCED);
    MM_CHECK_INT(host_status(h).synced_time_ns, ==, 5 * MS);
    host_mid(h, MID - 10000 * TICK); /* 100 USDT of 50 */
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_INIT);
    MM_CHECK(!host_says(h, MM_REASON_LOSS_LIMIT));
    host_close(h);
}

static void a_stop_begins_its_two_reads_again_when_something_still_has_to_be_cancelled(void)
{
    mm_engine_config config = host_config();
    host *h = host_quoting(&config);
    host_exchange(h);
    host_command(h, MM_COMMAND_STOP, 0);
    host_decide(h);
    host_exchange(h);
    host_decide(h);
    host_answer_open(h);
    host_decide(h);
    h->now_ns += SECOND;
    host_decide(h);
    mm_record row = host_event(MM_KIND_OPEN_ROW); /* one was empty, the second shows an order of an earlier run */
    row.flags = MM_FLAG_OLD_RUN;
    row.body.report.exchange_id = 77;
    host_feed(h, &row);
    host_answer_open(h);
    host_decide_in(h, 512, 0); /* no room for its cancel */
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_OPEN), ==, 0);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1);
    for (int reads = 0; reads < 2; reads++) {
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_STOPPING);
        host_answer_open(h);
        h->now_ns += SECOND;
        host_decide(h); /* has seen the answer: the next question is a second off */
        h->now_ns += SECOND;
        host_decide(h);
    }
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_STOPPED);
    host_close(h);
}

static void a_kill_for_no_known_reason_is_a_kill_all_the_same(void)
{
    static const int64_t reasons[] = {0, -1, MM_REASON_COUNT, INT64_MAX, MM_REASON_KILLED};
    mm_engine_config config = host_config();
    for (size_t i = 0; i < MM_TEST_COUNT(reasons); i++) {
        host *h = host_quoting(&config);
        host_exchange(h);
        host_command(h, MM_COMMAND_KILL, reasons[i]);
        host_decide(h);
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_KILLED);
        MM_CHECK_UINT(host_status(h).verdict, ==, MM_BIT(MM_REASON_KILLED));
        MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
        host_close(h);
    }
}

static void each_state_has_its_name(void)
{
    static const char *const names[] = {"INIT", "SYNCING", "ACTIVE", "REDUCING", "HALTED", "STOPPING", "STOPPED", "KILLED"};
    for (int32_t state = MM_STATE_INIT; state <= MM_STATE_KILLED; state++) {
        MM_CHECK_TEXT(mm_state_name(state), names[state]);
    }
    MM_CHECK_TEXT(mm_state_name(-1), "?");
    MM_CHECK_TEXT(mm_state_name(MM_STATE_KILLED + 1), "?");
}

/* ---- promises of the host that are broken: these are the last tests, as nothing takes a failed assertion back ---- */

#if defined(NDEBUG) /* a debug build ends there */
/* The event fails an assertion and changes nothing but the count of events. */
static void check_refused(host *h, const mm_record *event)
{
    mm_engine_status before = host_status(h);
    MM_CHECK_SURVIVES(mm_engine_step(h->engine, event));
    mm_engine_status after = host_status(h);
    after.events--;
    MM_CHECK_BYTES(&after, &before, sizeof before);
}

static void an_event_that_breaks_its_promise_leaves_the_engine_as_it_was(void)
{
    static const struct {
        int64_t bid_count, ask_count;
        uint32_t record_count;
    } quotes[] = {{-1, 0, 1}, {MM_LAYERS_MAX + 1, 0, 4}, {0, -1, 1}, {0, MM_LAYERS_MAX + 1, 4}, {1, 0, 1}, {1, 1, 2}};
    mm_engine_config config = host_config();
    config.strategy = MM_STRATEGY_PYTHON;
    host *h = host_quoting(&config);
    for (size_t i = 0; i < MM_TEST_COUNT(quotes); i++) {
        mm_record records[4];
        memset(records, 0, sizeof records);
        records[0].kind = MM_KIND_QUOTE;
        records[0].count = quotes[i].record_count;
        records[0].body.command.command = quotes[i].bid_count;
        records[0].body.command.value = quotes[i].ask_count;
        check_refused(h, records);
    }
    mm_record command = host_event(MM_KIND_COMMAND);
    command.body.command.command = MM_COMMAND_STRATEGY_FAULT + 1;
    check_refused(h, &command);
    mm_record rules[MM_SYMBOL_RECORDS];
    mm_symbol symbol = config.symbol;
    symbol.tick_e8 = 0;
    mm_symbol_write(&symbol, rules);
    check_refused(h, rules);
    host_close(h);
}
#endif

static void a_failed_assertion_anywhere_kills_every_engine_at_its_next_decision(void)
{
    mm_engine_config config = host_config();
    host *h = host_open(&config);
    mm_test_panic_latch();
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_KILLED);
    MM_CHECK(host_says(h, MM_REASON_PANIC));
    host_close(h);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_loss_that_reaches_a_limit_halts_or_kills_by_that_limit),
        MM_TEST(a_halt_for_the_speed_of_a_loss_ends_when_its_time_is_over),
        MM_TEST(money_that_cannot_be_counted_is_not_risked),
        MM_TEST(a_book_that_is_there_before_the_start_is_timed_and_judges_nothing),
        MM_TEST(a_stop_begins_its_two_reads_again_when_something_still_has_to_be_cancelled),
        MM_TEST(a_kill_for_no_known_reason_is_a_kill_all_the_same),
        MM_TEST(each_state_has_its_name),
#if defined(NDEBUG)
        MM_TEST(an_event_that_breaks_its_promise_leaves_the_engine_as_it_was),
#endif
        MM_TEST(a_failed_assertion_anywhere_kills_every_engine_at_its_next_decision),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
