/* How quotes move: which request takes an order to where it is wanted, which move goes first when the budget is short, and that a
 * volatile market neither empties the sides nor spends more orders than the exchange allows. */
#include "mm_engine_host.h"

/* ---- a strategy that wants what the test says --------------------------------------------- */

static mm_quotes wished;

static void as_wished(void *state, const mm_quote_input *input, mm_quotes *quotes)
{
    (void)state;
    (void)input;
    *quotes = wished;
}

static const mm_strategy strategy = {"as_wished", NULL, as_wished};

static void wish(int32_t side, uint32_t layer, int64_t ticks_from_mid, int64_t qty_e8)
{
    mm_level level = {MID + (side == MM_BID ? -ticks_from_mid : ticks_from_mid) * TICK, qty_e8};
    uint32_t *count = side == MM_BID ? &wished.bid_count : &wished.ask_count;
    *(side == MM_BID ? &wished.bids[layer] : &wished.asks[layer]) = level;
    *count = *count > layer ? *count : layer + 1;
}

/* Both sides want an order, and both have been sent. */
static host *begin_unanswered(mm_engine_config *config)
{
    config->strategy = MM_STRATEGY_CUSTOM;
    config->refresh_tolerance_bps = 0.01; /* six or seven ticks */
    host *h = host_open(config);
    mm_engine_strategy(h->engine, &strategy);
    memset(&wished, 0, sizeof wished);
    wish(MM_BID, 0, 1000, 100000);
    wish(MM_ASK, 0, 1000, 100000);
    host_start(h);
    host_sync(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    return h;
}

static host *begin_with(mm_engine_config *config)
{
    host *h = begin_unanswered(config);
    host_exchange(h);
    h->now_ns += SECOND / 2;
    return h;
}

static host *begin(void)
{
    mm_engine_config config = host_config();
    return begin_with(&config);
}

static void decide(host *h)
{
    host_tick(h);
    host_decide(h);
}

static bool has(uint64_t verdict, int32_t reason)
{
    return (verdict >> reason & 1) != 0;
}

static void check_identity(const host *h)
{
    mm_engine_status status = host_status(h);
    MM_CHECK_UINT(status.moves_wanted, ==, status.moves_made + status.moves_merged + status.moves_withheld);
    MM_CHECK_UINT(status.replaces + status.amends, <=, status.moves_made);
}

/* Tells the engine what the exchange has counted, at a quiet moment of the ten seconds or the minute; -1 = not said. */
static void tell(host *h, int64_t window_ns, int32_t orders_10s, int32_t weight_1m)
{
    h->now_ns += window_ns - (h->now_ns + HOST_CLOCK_NS) % window_ns + SECOND;
    mm_record record = host_event(MM_KIND_BUDGET);
    const mm_budget_body said = {h->now_ns, orders_10s, -1, -1, -1, weight_1m, -1, -1, -1};
    record.body.budget = said;
    host_feed(h, &record);
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
}

static void tell_counts(host *h, int32_t orders_10s)
{
    tell(h, 10 * SECOND, orders_10s, -1);
}

static void tell_weight(host *h, int32_t weight_1m)
{
    tell(h, 60 * SECOND, -1, weight_1m);
}

/* ---- which request ------------------------------------------------------------------------ */

static void another_price_replaces_the_resting_order_with_one_request(void)
{
    host *h = begin();
    wish(MM_BID, 0, 900, 100000);
    decide(h);
    MM_CHECK_UINT(h->action_count - h->batch_first, ==, 1);
    const mm_record *action = host_find(h, MM_KIND_REPLACE);
    MM_REQUIRE(action != NULL);
    MM_CHECK_UINT(action->body.action.order_seq, ==, 3);
    MM_CHECK_INT(action->body.action.exchange_id, ==, 5001); /* of the one that goes */
    MM_CHECK_INT(action->body.action.price_e8, ==, MID - 900 * TICK);
    MM_CHECK_INT(action->body.action.qty_e8, ==, 100000);
    MM_CHECK_INT(host_status(h).open_orders, ==, 3); /* both count until it is known which is left */
    decide(h);
    MM_CHECK_UINT(h->action_count, ==, h->batch_first);
    h->batch_first--; /* the replacement again */
    host_exchange(h);
    decide(h);
    MM_CHECK_INT(host_status(h).open_orders, ==, 2);
    MM_CHECK_UINT(host_status(h).replaces, ==, 1);
    check_identity(h);
    host_close(h);
}

static void a_price_within_the_tolerance_stays_whatever_its_size_was(void)
{
    host *h = begin();
    wish(MM_BID, 0, 1006, 100000);
    wish(MM_ASK, 0, 994, 100000);
    decide(h);
    MM_CHECK_UINT(h->action_count, ==, h->batch_first);
    host_close(h);
}

static void a_smaller_size_at_the_same_price_is_amended_and_counts_in_full_until_confirmed(void)
{
    host *h = begin();
    wish(MM_ASK, 0, 1000, 60000);
    decide(h);
    MM_CHECK_UINT(h->action_count - h->batch_first, ==, 1);
    const mm_record *action = host_find(h, MM_KIND_AMEND);
    MM_REQUIRE(action != NULL);
    MM_CHECK_UINT(action->body.action.order_seq, ==, 2);
    MM_CHECK_INT(action->body.action.exchange_id, ==, 5002);
    MM_CHECK_INT(action->body.action.qty_e8, ==, 60000);
    mm_order open[8];
    MM_REQUIRE(mm_engine_orders(h->engine, open, 8) == 2);
    MM_CHECK_INT(open[1].qty_e8, ==, 100000);
    decide(h);
    MM_CHECK_UINT(h->action_count, ==, h->batch_first); /* it is under way */
    h->batch_first--;
    host_exchange(h);
    decide(h);
    MM_CHECK_UINT(h->action_count, ==, h->batch_first);
    MM_REQUIRE(mm_engine_orders(h->engine, open, 8) == 2);
    MM_CHECK_INT(open[1].qty_e8, ==, 60000);
    MM_CHECK_UINT(host_status(h).amends, ==, 1);
    check_identity(h);
    host_close(h);
}

static void a_filled_part_is_not_part_of_what_is_wanted(void)
{
    host *h = begin();
    mm_record report[2];
    memset(report, 0, sizeof report);
    report[0].kind = MM_KIND_REPORT;
    report[0].flags = MM_FLAG_FILL | MM_FLAG_MAKER;
    report[0].count = 2;
    report[0].body.report.order_seq = 2;
    report[0].body.report.price_e8 = MID + 1000 * TICK;
    report[0].body.report.qty_e8 = 20000;
    report[0].body.report.executed_e8 = 20000;
    report[0].body.report.status = MM_ORDER_LIVE;
    report[1].kind = MM_KIND_MORE;
    report[1].body.fill.trade_id = 1;
    report[1].body.fill.quote_e8 = -1;
    host_feed(h, report);
    wish(MM_ASK, 0, 1000, 50000);
    decide(h);
    const mm_record *action = host_find(h, MM_KIND_AMEND);
    MM_REQUIRE(action != NULL);
    MM_CHECK_INT(action->body.action.qty_e8, ==, 70000);
    host_close(h);
}

static void growing_or_an_eleventh_amend_takes_a_new_order(void)
{
    host *h = begin();
    for (int i = 1; i <= MM_AMENDS_MAX; i++) {
        wish(MM_BID, 0, 1000, 100000 - i * 3000);
        decide(h);
        MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 1);
        host_exchange(h);
        h->now_ns += 100 * MS;
    }
    wish(MM_BID, 0, 1000, 60000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 0);
    MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE), ==, 1);
    host_exchange(h);
    h->now_ns += SECOND / 2;
    wish(MM_BID, 0, 1000, 130000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE), ==, 1);
    MM_CHECK_UINT(host_status(h).amends, ==, MM_AMENDS_MAX);
    check_identity(h);
    host_close(h);
}

static void where_orders_cannot_be_replaced_the_new_one_is_placed_and_the_old_one_cancelled(void)
{
    mm_engine_config config = host_config();
    config.symbol.no_replace = 1;
    host *h = begin_with(&config);
    wish(MM_BID, 0, 900, 100000);
    decide(h);
    MM_CHECK_UINT(h->action_count - h->batch_first, ==, 2);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 1);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1);
    host_exchange(h);
    decide(h);
    MM_CHECK_UINT(h->action_count, ==, h->batch_first);
    MM_CHECK_INT(host_status(h).open_orders, ==, 2);
    MM_CHECK_UINT(host_status(h).replaces, ==, 0);
    check_identity(h);
    host_close(h);
}

static void where_orders_cannot_be_amended_a_smaller_size_takes_a_new_order(void)
{
    mm_engine_config config = host_config();
    config.symbol.no_amend = 1;
    host *h = begin_with(&config);
    wish(MM_ASK, 0, 1000, 60000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 0);
    MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE), ==, 1);
    check_identity(h);
    host_close(h);
}

static void layers_move_together_each_by_the_shift(void)
{
    mm_engine_config config = host_config();
    config.quote.layers = 3;
    config.risk.in_flight_max = 4;
    host *h = begin_with(&config);
    wish(MM_BID, 1, 1200, 100000);
    wish(MM_BID, 2, 1400, 100000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    host_exchange(h);
    h->now_ns += SECOND;
    wish(MM_BID, 0, 1050, 100000);
    wish(MM_BID, 1, 1250, 100000);
    wish(MM_BID, 2, 1450, 100000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE), ==, 3);
    for (size_t i = h->batch_first; i < h->action_count; i++) {
        const mm_record *action = &h->actions[i];
        int64_t layer = action->flags & 0xFF;
        /* Ids rise as orders are placed: the bid, the ask, then the outer bids. */
        int64_t id = layer == 0 ? 5001 : 5002 + layer;
        MM_CHECK_INT(action->body.action.exchange_id, ==, id);
    }
    host_close(h);
}

static void an_order_whose_number_at_the_exchange_is_not_known_is_not_replaced_but_cancelled(void)
{
    mm_engine_config config = host_config();
    host *h = begin_unanswered(&config);
    host_said(h, MM_KIND_ACK, 1, 0, MM_ORDER_LIVE, 0);
    host_said(h, MM_KIND_ACK, 2, 5002, MM_ORDER_LIVE, 0);
    h->now_ns += SECOND / 2;
    wish(MM_BID, 0, 900, 100000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE), ==, 0);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 1);
    const mm_record *cancel = host_find(h, MM_KIND_CANCEL);
    MM_REQUIRE(cancel != NULL);
    MM_CHECK_UINT(cancel->body.action.order_seq, ==, 1);
    host_close(h);
}

/* Three layers a side rest, and the best of one was placed last. */
static host *three_layers(int32_t younger)
{
    mm_engine_config config = host_config();
    config.risk.in_flight_max = 4;
    host *h = begin_with(&config);
    for (uint32_t layer = 1; layer <= 2; layer++) {
        wish(MM_BID, layer, 1000 + 100 * layer, 100000);
        wish(MM_ASK, layer, 1000 + 100 * layer, 100000);
    }
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 4);
    host_exchange(h);
    host_said(h, MM_KIND_CANCELED, younger == MM_BID ? 1 : 2, younger == MM_BID ? 5001 : 5002, MM_ORDER_CANCELED, 0);
    h->now_ns += SECOND; /* an order that the exchange ended is placed again after that */
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 1);
    host_exchange(h);
    h->now_ns += SECOND / 2;
    return h;
}

static void the_best_wish_takes_the_place_of_the_best_order_whenever_that_was_placed(void)
{
    for (int32_t younger = MM_BID; younger <= MM_ASK; younger++) {
        host *h = three_layers(younger);
        for (int32_t side = MM_BID; side <= MM_ASK; side++) {
            *(side == MM_BID ? &wished.bid_count : &wished.ask_count) = 0;
            wish(side, 0, 1500, 100000);
        }
        decide(h);
        MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE), ==, 2);
        MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 4); /* of the others */
        for (size_t i = h->batch_first; i < h->action_count; i++) {
            const mm_record *action = &h->actions[i];
            int32_t side = action->flags >> 8;
            int64_t best_id = side == younger ? 5007 : side == MM_BID ? 5001 : 5002;
            MM_CHECK((action->body.action.exchange_id == best_id) == (action->kind == MM_KIND_REPLACE));
        }
        host_close(h);
    }
}

static void a_wish_far_smaller_than_an_order_that_cannot_be_made_smaller_ends_that_order(void)
{
    mm_engine_config config = host_config();
    config.symbol.no_amend = 1;
    config.risk.position_max_e8 = 130000; /* so that the smaller one may not be placed beside it */
    host *h = begin_with(&config);
    wish(MM_BID, 0, 1000, 40000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE) + host_count(h, MM_KIND_PLACE), ==, 0);
    const mm_record *cancel = host_find(h, MM_KIND_CANCEL);
    MM_REQUIRE(cancel != NULL);
    MM_CHECK_UINT(cancel->body.action.order_seq, ==, 1);
    host_exchange(h);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 1);
    host_close(h);
}

static void near_the_position_limit_the_old_order_goes_first(void)
{
    mm_engine_config config = host_config();
    config.risk.position_max_e8 = 150000; /* one order and a half */
    host *h = begin_with(&config);
    wish(MM_BID, 0, 900, 100000);
    decide(h);
    /* Part of the old one may be filled before it goes: both together would be too much. */
    MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE), ==, 0);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1);
    host_exchange(h);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 1);
    check_identity(h);
    host_close(h);
}

static void the_old_orders_balance_pays_for_its_replacement(void)
{
    mm_engine_config config = host_config();
    host *h = begin_with(&config);
    host_balance(h, "USDT", 2 * MM_ONE_E8, INT64_C(66) * MM_ONE_E8);
    wish(MM_BID, 0, 1100, 100000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE), ==, 1);
    host_close(h);
}

static void an_order_cut_to_the_balance_is_replaced_when_more_can_be_paid_for(void)
{
    mm_engine_config config = host_config();
    host *h = begin_with(&config);
    wish(MM_BID, 0, 1000, 60000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 1);
    host_exchange(h);
    host_balance(h, "USDT", 0, INT64_C(41) * MM_ONE_E8);
    wish(MM_BID, 0, 1000, 200000); /* more than twice of what rests, and the balance is for that */
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE) + host_count(h, MM_KIND_PLACE), ==, 0);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 0); /* it is all there can be */
    MM_CHECK(has(host_status(h).bid_verdict, MM_REASON_NO_BALANCE));
    host_balance(h, "USDT", INT64_C(40) * MM_ONE_E8, INT64_C(41) * MM_ONE_E8);
    decide(h);
    const mm_record *action = host_find(h, MM_KIND_REPLACE);
    MM_REQUIRE(action != NULL);
    MM_CHECK_INT(action->body.action.qty_e8, >, 115000);
    MM_CHECK_INT(action->body.action.qty_e8, <, 122000);
    host_close(h);
}

/* Bids at three prices, the best of which has been filled, and no balance for another. */
static host *best_layer_is_gone(void)
{
    host *h = three_layers(MM_ASK);
    host_balance(h, "USDT", 0, INT64_C(134) * MM_ONE_E8);
    host_said(h, MM_KIND_CANCELED, 1, 5001, MM_ORDER_CANCELED, 0);
    h->now_ns += SECOND;
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
    return h;
}

static void the_outermost_layer_gives_up_its_balance_for_a_better_one_and_no_other_does(void)
{
    host *h = best_layer_is_gone();
    for (int again = 0; again < 2; again++) {
        decide(h);
        MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1);
        const mm_record *cancel = host_find(h, MM_KIND_CANCEL);
        MM_REQUIRE(cancel != NULL);
        MM_CHECK_INT(cancel->body.action.price_e8, ==, MID - 1200 * TICK);
        if (again == 0) { /* it does not leave: then the layer before it is not given up in its place */
            host_outcome(h, MM_KIND_NOT_SENT, cancel->body.action.order_seq, MM_OP_CANCEL, 0, 0);
            decide(h);
            MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 0);
            h->now_ns += 20 * MS;
        }
    }
    host_exchange(h);
    host_balance(h, "USDT", INT64_C(67) * MM_ONE_E8, INT64_C(67) * MM_ONE_E8);
    decide(h);
    const mm_record *placed = host_find(h, MM_KIND_PLACE);
    MM_REQUIRE(placed != NULL);
    MM_CHECK_INT(placed->body.action.price_e8, ==, MID - 1000 * TICK);
    host_close(h);
}

static void of_two_layers_short_of_balance_only_one_takes_anothers(void)
{
    host *h = best_layer_is_gone();
    host_said(h, MM_KIND_CANCELED, 3, 5003, MM_ORDER_CANCELED, 0); /* the second layer, too */
    h->now_ns += SECOND;
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
    host_balance(h, "USDT", 0, INT64_C(67) * MM_ONE_E8);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1);
    host_close(h);
}

static void without_a_place_in_the_order_table_a_wish_waits(void)
{
    mm_engine_config config = host_config();
    config.orders_max = 2;
    host *h = begin_with(&config);
    wish(MM_BID, 1, 1200, 100000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    MM_CHECK(has(host_status(h).bid_verdict, MM_REASON_POOL));
    MM_CHECK_UINT(host_status(h).moves_withheld, ==, 1);
    host_said(h, MM_KIND_CANCELED, 2, 5002, MM_ORDER_CANCELED, 0);
    wished.ask_count = 0;
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 1);
    check_identity(h);
    host_close(h);
}

/* Cancels that never leave let the orders of three plans pile up on one side: more than one plan can hold. */
static void orders_that_one_plan_cannot_hold_are_planned_with_the_next(void)
{
    mm_engine_config config = host_config();
    config.symbol.no_replace = 1;
    config.risk.in_flight_max = config.risk.open_orders_max = 32;
    config.risk.orders_per_1s_max = 100;
    config.budget.orders_10s_limit = 10000;
    host *h = begin_with(&config);
    wished.ask_count = 0;
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t layer = 0; layer < MM_LAYERS_MAX; layer++) {
            wish(MM_BID, layer, 1000 + 100 * layer + 30 * round, 100000);
        }
        decide(h);
        size_t last = h->action_count;
        for (size_t i = h->batch_first; i < last; i++) {
            if (h->actions[i].kind == MM_KIND_CANCEL) {
                host_outcome(h, MM_KIND_NOT_SENT, h->actions[i].body.action.order_seq, MM_OP_CANCEL, 0, 0);
            } else {
                host_take(h, &h->actions[i]);
            }
        }
    }
    MM_CHECK_INT(host_status(h).open_orders, ==, 3 * MM_LAYERS_MAX + 1);
    decide(h);
    MM_CHECK_INT(mm_engine_deadline(h->engine), <=, h->now_ns + MS);
    for (int i = 0; i < 10; i++) {
        host_exchange(h);
        h->now_ns += 20 * MS;
        decide(h);
    }
    MM_CHECK_INT(host_status(h).open_orders, ==, MM_LAYERS_MAX);
    host_close(h);
}

/* ---- what becomes of a replacement -------------------------------------------------------- */

static void a_replacement_whose_cancel_failed_is_no_refusal_and_backs_nothing_off(void)
{
    host *h = begin();
    for (int i = 0; i < 12; i++) {
        wish(MM_BID, 0, 900 - i * 20, 100000);
        decide(h);
        const mm_record *action = host_find(h, MM_KIND_REPLACE);
        MM_REQUIRE(action != NULL);
        uint64_t seq = action->body.action.order_seq;
        host_outcome(h, MM_KIND_CANCEL_REJECT, seq, MM_OP_REPLACE, MM_REJECT_OTHER, -2011);
        host_outcome(h, MM_KIND_REJECT, seq, MM_OP_REPLACE, MM_REJECT_OTHER, -2022);
        h->now_ns += 900 * MS;
        host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
    }
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_REJECT_RATE));
    MM_CHECK_UINT(host_status(h).orders_rejected, ==, 12);
    MM_CHECK_INT(host_status(h).open_orders, ==, 2);
    host_close(h);
}

static void orders_refused_together_for_a_wrong_clock_count_as_one_refusal(void)
{
    mm_engine_config config = host_config();
    host *h = begin_unanswered(&config);
    for (int64_t i = 1; i <= config.risk.rejects_per_min_max; i++) {
        MM_CHECK(!has(host_status(h).verdict, MM_REASON_REJECT_RATE));
        MM_REQUIRE(host_count(h, MM_KIND_PLACE) == 2);
        const mm_record *first = host_find(h, MM_KIND_PLACE);
        uint64_t seq = first->body.action.order_seq;
        host_outcome(h, MM_KIND_REJECT, seq, MM_OP_PLACE, MM_REJECT_CLOCK, -1021);
        host_outcome(h, MM_KIND_REJECT, seq + 1, MM_OP_PLACE, MM_REJECT_CLOCK, -1021);
        decide(h);
        MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
        h->now_ns += 500 * MS;
        host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
        host_clock(h);
        decide(h);
    }
    MM_CHECK(has(host_status(h).verdict, MM_REASON_REJECT_RATE)); /* one that never comes right is no step */
    MM_CHECK_UINT(host_status(h).orders_rejected, ==, 20);
    host_close(h);
}

static void a_replacement_that_would_have_matched_leaves_the_side_empty_until_its_back_off_is_over(void)
{
    host *h = begin();
    wish(MM_BID, 0, 900, 100000);
    decide(h);
    host_said(h, MM_KIND_CANCELED, 1, 5001, MM_ORDER_CANCELED, 0);
    host_outcome(h, MM_KIND_REJECT, 3, MM_OP_REPLACE, MM_REJECT_WOULD_MATCH, -2010);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    MM_CHECK(has(host_status(h).bid_verdict, MM_REASON_WOULD_MATCH));
    h->now_ns += 200 * MS;
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 1);
    check_identity(h);
    host_close(h);
}

static void a_lost_replacement_blocks_its_side_and_cancels_both(void)
{
    host *h = begin();
    wish(MM_BID, 0, 900, 100000);
    decide(h);
    host_outcome(h, MM_KIND_SENT, 3, MM_OP_REPLACE, 0, 0);
    host_outcome(h, MM_KIND_LOST, 3, MM_OP_REPLACE, 0, 0);
    bool canceled[4] = {false, false, false, false};
    for (int i = 0; i < 20; i++) {
        h->now_ns += 50 * MS;
        decide(h);
        MM_CHECK_UINT(host_count(h, MM_KIND_PLACE) + host_count(h, MM_KIND_REPLACE), ==, 0);
        for (size_t k = h->batch_first; k < h->action_count; k++) {
            if (h->actions[k].kind == MM_KIND_CANCEL) {
                canceled[h->actions[k].body.action.order_seq] = true;
            }
        }
    }
    MM_CHECK(canceled[1] && !canceled[2] && canceled[3]);
    MM_CHECK(has(host_status(h).bid_verdict, MM_REASON_UNKNOWN_ORDER));
    host_close(h);
}

/* ---- requests that do not leave ----------------------------------------------------------- */

static void a_cancel_that_is_held_back_is_tried_again_after_pauses_not_at_every_event(void)
{
    host *h = begin();
    size_t cancels = 0;
    wished.bid_count = 0;
    wished.bid_verdict = MM_BIT(MM_REASON_STRATEGY_PASS);
    for (int i = 0; i < 1000; i++) {
        decide(h);
        size_t made = host_count(h, MM_KIND_CANCEL);
        cancels += made;
        if (made > 0) {
            host_outcome(h, MM_KIND_NOT_SENT, 1, MM_OP_CANCEL, 0, 0);
        } else {
            MM_CHECK_INT(mm_engine_deadline(h->engine), <=, h->now_ns + SECOND);
        }
        h->now_ns += MS;
    }
    MM_CHECK_UINT(cancels, >=, 5);
    MM_CHECK_UINT(cancels, <=, 8); /* after 0, 20, 60, 140, 300 and 620 ms */
    host_close(h);
}

/* The time of SENT is the host's, and newer than the engine's until it decides again. */
static void an_amend_told_as_sent_and_then_as_not_sent_does_no_harm(void)
{
    host *h = begin();
    wish(MM_ASK, 0, 1000, 60000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 1);
    mm_record sent = host_event(MM_KIND_SENT);
    sent.body.outcome.order_seq = 2;
    sent.body.outcome.operation = MM_OP_AMEND;
    sent.body.outcome.recv_ns = h->now_ns + MS;
    host_feed(h, &sent);
    host_outcome(h, MM_KIND_NOT_SENT, 2, MM_OP_AMEND, 0, 0);
    h->now_ns += SECOND;
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 1);
    host_close(h);
}

static void a_refusal_of_an_amend_for_the_clock_asks_for_the_clock(void)
{
    host *h = begin();
    wish(MM_ASK, 0, 1000, 60000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 1);
    host_outcome(h, MM_KIND_AMEND_REJECT, 2, MM_OP_AMEND, MM_REJECT_CLOCK, -1021);
    decide(h);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_CLOCK));
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_CLOCK), ==, 1);
    host_close(h);
}

static void an_amend_waits_for_room_for_the_pause_after_one_that_did_not_leave_and_for_weight(void)
{
    host *h = begin();
    wish(MM_ASK, 0, 1000, 60000);
    host_tick(h);
    host_decide_in(h, 0, 512);
    MM_CHECK_UINT(h->action_count, ==, h->batch_first);
    MM_CHECK_INT(mm_engine_deadline(h->engine), ==, h->now_ns + MS);
    tell_weight(h, 4197); /* of 4,200: an amend weighs 4 */
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 0);
    MM_CHECK_UINT(host_status(h).moves_withheld, ==, 1);
    tell_weight(h, 4196);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 1);
    host_outcome(h, MM_KIND_NOT_SENT, 2, MM_OP_AMEND, 0, 0);
    h->now_ns += 19 * MS;
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 0);
    h->now_ns += MS;
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 1);
    check_identity(h);
    host_close(h);
}

/* Two cancels did not leave, the second one later than the first: the next decision is due for the first. */
static void what_was_held_back_first_is_tried_again_first(void)
{
    host *h = begin();
    wished.bid_count = wished.ask_count = 0;
    wished.bid_verdict = wished.ask_verdict = MM_BIT(MM_REASON_STRATEGY_PASS);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    host_outcome(h, MM_KIND_NOT_SENT, 1, MM_OP_CANCEL, 0, 0);
    int64_t first_ns = h->now_ns;
    h->now_ns += 5 * MS;
    decide(h);
    host_outcome(h, MM_KIND_NOT_SENT, 2, MM_OP_CANCEL, 0, 0);
    decide(h);
    MM_CHECK_INT(mm_engine_deadline(h->engine), ==, first_ns + 20 * MS);
    h->now_ns = first_ns + 20 * MS;
    decide(h);
    const mm_record *cancel = host_find(h, MM_KIND_CANCEL);
    MM_REQUIRE(cancel != NULL);
    MM_CHECK_UINT(cancel->body.action.order_seq, ==, 1);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1);
    MM_CHECK_INT(mm_engine_deadline(h->engine), ==, first_ns + 25 * MS);
    host_close(h);
}

/* ---- a budget that is short --------------------------------------------------------------- */

static void the_side_without_an_order_goes_before_the_farthest_move(void)
{
    host *h = begin();
    tell_counts(h, 22); /* of 50 along the line 13 now, 23 for a side without an order */
    wish(MM_BID, 0, 1100, 100000);
    host_said(h, MM_KIND_CANCELED, 2, 5002, MM_ORDER_CANCELED, 0); /* by the exchange itself: a second's rest */
    tell_counts(h, 22);
    decide(h);
    MM_CHECK_UINT(h->action_count - h->batch_first, ==, 1);
    const mm_record *action = host_find(h, MM_KIND_PLACE);
    MM_REQUIRE(action != NULL);
    MM_CHECK_INT(action->flags >> 8, ==, MM_ASK);
    MM_CHECK(has(host_status(h).bid_verdict, MM_REASON_RATE_LIMIT));
    MM_CHECK_UINT(host_status(h).moves_withheld, ==, 1); /* waits */
    check_identity(h);
    host_close(h);
}

static void of_two_moves_the_farther_one_goes_first(void)
{
    host *h = begin();
    tell_counts(h, 12); /* one move is left */
    wish(MM_BID, 0, 1040, 100000);
    wish(MM_ASK, 0, 1080, 100000);
    decide(h);
    MM_CHECK_UINT(h->action_count - h->batch_first, ==, 1);
    const mm_record *action = host_find(h, MM_KIND_REPLACE);
    MM_REQUIRE(action != NULL);
    MM_CHECK_INT(action->flags >> 8, ==, MM_ASK);
    host_exchange(h);
    /* The other goes as soon as the line has room for it. */
    int64_t due_ns = mm_engine_deadline(h->engine);
    MM_CHECK_INT(due_ns, >, h->now_ns);
    h->now_ns = due_ns;
    decide(h);
    if (host_find(h, MM_KIND_REPLACE) == NULL) {
        h->now_ns = mm_engine_deadline(h->engine);
        decide(h);
    }
    action = host_find(h, MM_KIND_REPLACE);
    MM_REQUIRE(action != NULL);
    MM_CHECK_INT(action->flags >> 8, ==, MM_BID);
    check_identity(h);
    host_close(h);
}

/* An amend that is not answered may not be counted by the exchange yet: its weight comes on top of what that says. */
static void a_weight_told_while_an_amend_is_under_way_leaves_it_out(void)
{
    for (int under_way = 0; under_way <= 1; under_way++) {
        host *h = begin();
        wish(MM_ASK, 0, 1000, 60000);
        decide(h);
        MM_CHECK_UINT(host_count(h, MM_KIND_AMEND), ==, 1);
        if (!under_way) {
            host_exchange(h);
        }
        tell_weight(h, 4196); /* and one more for the move makes 4,197 of 4,200 */
        wish(MM_BID, 0, 1100, 100000);
        decide(h);
        MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE), ==, under_way ? 0 : 1);
        MM_CHECK(has(host_status(h).bid_verdict, MM_REASON_RATE_LIMIT) == (under_way != 0));
        host_close(h);
    }
}

static void a_price_that_became_too_good_is_cancelled_at_once_without_budget(void)
{
    host *h = begin();
    tell_counts(h, 50);
    wish(MM_BID, 0, 1600, 100000);
    wish(MM_ASK, 0, 1020, 100000);
    decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1);
    MM_CHECK_UINT(host_count(h, MM_KIND_REPLACE) + host_count(h, MM_KIND_PLACE), ==, 0);
    MM_CHECK_INT(host_find(h, MM_KIND_CANCEL)->flags >> 8, ==, MM_BID);
    host_close(h);
}

static void wishes_that_change_while_they_wait_are_merged_and_those_that_go_are_withheld(void)
{
    host *h = begin();
    uint64_t made = host_status(h).moves_made;
    tell_counts(h, 50);
    for (int i = 0; i < 5; i++) {
        wish(MM_BID, 0, 1010 + i / 2 * 10, 100000); /* each twice but the last */
        decide(h);
    }
    mm_engine_status status = host_status(h);
    MM_CHECK_UINT(status.moves_wanted - made, ==, 3);
    MM_CHECK_UINT(status.moves_merged, ==, 2);
    MM_CHECK_UINT(status.moves_withheld, ==, 1); /* the one that waits */
    wish(MM_BID, 0, 1000, 100000);
    decide(h);
    status = host_status(h);
    MM_CHECK_UINT(status.moves_withheld, ==, 1); /* and now it is not wanted any more */
    MM_CHECK_UINT(status.moves_made, ==, made);
    check_identity(h);
    host_close(h);
}

/* ---- what the exchange does by itself ----------------------------------------------------- */

static void an_order_the_exchange_ends_is_not_placed_again_within_a_second(void)
{
    static const int16_t ends[] = {MM_ORDER_EXPIRED, MM_ORDER_CANCELED};
    for (size_t i = 0; i < MM_TEST_COUNT(ends); i++) {
        host *h = begin();
        size_t placed = 0;
        uint64_t seq = 1;
        /* Whatever is placed is ended at once, as by a self-trade or an execution rule. */
        for (int k = 0; k < 100; k++) {
            if (seq != 0) {
                host_said(h, MM_KIND_ACK, seq, h->next_exchange_id++, MM_ORDER_LIVE, 0);
                host_said(h, MM_KIND_REPORT, seq, 0, ends[i], 0);
            }
            h->now_ns += 50 * MS;
            decide(h);
            const mm_record *action = host_find(h, MM_KIND_PLACE);
            seq = action != NULL ? action->body.action.order_seq : 0;
            placed += seq != 0;
            MM_CHECK(seq != 0 || has(host_status(h).bid_verdict, MM_REASON_ORDER_ENDED));
        }
        MM_CHECK_UINT(placed, >=, 4);
        MM_CHECK_UINT(placed, <=, 5); /* of five seconds */
        host_close(h);
    }
}

static void an_order_state_nobody_knows_halts_the_symbol_until_the_host_says_it_trades(void)
{
    host *h = begin();
    decide(h);
    host_said(h, MM_KIND_ACK, 1, 5001, MM_ORDER_STATUS_OTHER, 0);
    decide(h);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_SYMBOL_HALT));
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1); /* the ask; the bid is UNKNOWN, its turn comes */
    host_exchange(h);
    h->now_ns += 300 * MS;
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1);
    host_exchange(h);
    host_command(h, MM_COMMAND_SYMBOL, 1);
    decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_SYMBOL_HALT));
    MM_CHECK(has(host_status(h).verdict, MM_REASON_SYNCING)); /* and then everything is read anew */
    host_close(h);
}

/* Bids at one price, of which others have so many. */
static double flow_after(host *h, int64_t ticks_from_mid, int64_t qty_e8)
{
    mm_record diff[2];
    memset(diff, 0, sizeof diff);
    diff[0].kind = MM_KIND_DEPTH;
    diff[0].count = 2;
    diff[0].body.depth.first_id = diff[0].body.depth.last_id = ++h->last_id;
    diff[0].body.depth.prev_id = -1;
    diff[0].body.depth.recv_ns = h->now_ns;
    diff[0].body.depth.bid_count = 1;
    diff[1].kind = MM_KIND_LEVELS;
    diff[1].body.levels[0].price_e8 = MID - ticks_from_mid * TICK;
    diff[1].body.levels[0].qty_e8 = qty_e8;
    host_feed(h, diff);
    host_decide(h);
    return host_status(h).signal.ofi;
}

static void an_own_order_at_the_touch_is_no_flow_of_the_market(void)
{
    host *h = begin();
    (void)flow_after(h, 4, 500000);
    double before = flow_after(h, 4, 300000);
    MM_CHECK_F64(before, <, 1.0);
    wish(MM_BID, 0, 4, 100000);
    decide(h);
    host_exchange(h);
    MM_CHECK_F64(flow_after(h, 4, 400000), ==, before); /* ours is one of the four */
    double more = flow_after(h, 4, 600000);
    MM_CHECK_F64(more, >, before);
    MM_CHECK_F64(flow_after(h, 4, 100000), <, more); /* alone it is the touch */
    host_close(h);
}

/* ---- a volatile market -------------------------------------------------------------------- */

enum { REQUESTS_MAX = 64, ORDERS_10S = 50, DELAY_MS = 20 };

/* An exchange with a way there and back, windows on its own clock, and refusals of what would match. */
typedef struct exchange {
    host *h;
    mm_record requests[REQUESTS_MAX];
    int64_t arrive_ns[REQUESTS_MAX];
    size_t count;
    int64_t window;
    int32_t orders;      /* of the window */
    int64_t over_limit;  /* 429 */
    int64_t bid_e8;      /* best */
    int64_t ask_e8;
} exchange;

static bool counts(exchange *x)
{
    int64_t window = (x->h->now_ns + HOST_CLOCK_NS) / (10 * SECOND);
    x->orders = window == x->window ? x->orders : 0;
    x->window = window;
    x->over_limit += x->orders >= ORDERS_10S;
    return x->orders++ < ORDERS_10S;
}

/* The new order of a PLACE or REPLACE. */
static void take_new(exchange *x, const mm_record *action)
{
    host *h = x->h;
    uint64_t seq = action->body.action.order_seq;
    int64_t price_e8 = action->body.action.price_e8;
    int32_t operation = action->kind == MM_KIND_PLACE ? MM_OP_PLACE : MM_OP_REPLACE;
    bool matches = action->flags >> 8 == MM_BID ? price_e8 >= x->ask_e8 : price_e8 <= x->bid_e8;
    host_outcome(h, MM_KIND_SENT, seq, operation, 0, 0);
    if (!counts(x)) {
        host_outcome(h, MM_KIND_REJECT, seq, operation, MM_REJECT_LIMIT, -1015);
        return;
    }
    if (operation == MM_OP_REPLACE) {
        int64_t old_id = action->body.action.exchange_id;
        host_said(h, MM_KIND_CANCELED, host_seq_of(h, old_id), old_id, MM_ORDER_CANCELED, 0);
    }
    if (matches) {
        host_outcome(h, MM_KIND_REJECT, seq, operation, MM_REJECT_WOULD_MATCH, -2010);
    } else {
        host_said(h, MM_KIND_ACK, seq, h->next_exchange_id++, MM_ORDER_LIVE, 0);
    }
    mm_record record = host_event(MM_KIND_BUDGET);
    const mm_budget_body said = {h->now_ns, x->orders, ORDERS_10S, -1, -1, -1, -1, -1, -1};
    record.body.budget = said;
    host_feed(h, &record);
}

/* Answers what has arrived, lets the engine decide, takes what it sends. */
static void work(exchange *x)
{
    host *h = x->h;
    size_t left = 0;
    for (size_t i = 0; i < x->count; i++) {
        const mm_record *action = &x->requests[i];
        if (x->arrive_ns[i] > h->now_ns) {
            x->requests[left] = *action;
            x->arrive_ns[left++] = x->arrive_ns[i];
        } else if (action->kind == MM_KIND_PLACE || action->kind == MM_KIND_REPLACE) {
            take_new(x, action);
        } else {
            host_take(h, action);
        }
    }
    x->count = left;
    h->action_count = 0;
    host_decide(h);
    for (size_t i = 0; i < h->action_count; i++) {
        uint16_t kind = h->actions[i].kind;
        if (kind == MM_KIND_PLACE || kind == MM_KIND_REPLACE || kind == MM_KIND_CANCEL || kind == MM_KIND_AMEND) {
            MM_REQUIRE(x->count < REQUESTS_MAX);
            x->arrive_ns[x->count] = h->now_ns + DELAY_MS * MS;
            x->requests[x->count++] = h->actions[i];
        } else if (kind == MM_KIND_WANT_OPEN || kind == MM_KIND_WANT_TRADES || kind == MM_KIND_WANT_ACCOUNT) {
            host_end(h,
                     kind == MM_KIND_WANT_OPEN     ? MM_KIND_OPEN_END
                     : kind == MM_KIND_WANT_TRADES ? MM_KIND_TRADES_END
                                                   : MM_KIND_ACCOUNT_END,
                     h->actions[i].body.command.command);
        }
    }
}

/* The best prices move; the depth behind them stays. */
static void show_top(exchange *x, int64_t mid_e8)
{
    host *h = x->h;
    mm_record ticker = host_event(MM_KIND_TICKER);
    x->bid_e8 = mid_e8 - TICK;
    x->ask_e8 = mid_e8 + TICK;
    host_tick(h);
    ticker.body.ticker.update_id = h->last_id + 1;
    ticker.body.ticker.bid_price_e8 = x->bid_e8;
    ticker.body.ticker.bid_qty_e8 = MM_ONE_E8;
    ticker.body.ticker.ask_price_e8 = x->ask_e8;
    ticker.body.ticker.ask_qty_e8 = MM_ONE_E8;
    ticker.body.ticker.recv_ns = h->now_ns;
    host_feed(h, &ticker);
}

/* Ten minutes at ten moves a second of `ticks` each way at most. */
static mm_engine_status ten_minutes_of(int64_t ticks, exchange *x)
{
    mm_engine_config config = host_config();
    config.budget.orders_10s_limit = ORDERS_10S;
    config.risk.orders_per_1s_max = 5;
    config.risk.collar_period_bps = 10000;
    config.risk.ticker_ahead_ns = 1000 * SECOND;
    host *h = host_open(&config);
    memset(x, 0, sizeof *x);
    x->h = h;
    host_start(h);
    host_sync(h);
    host_exchange(h);
    int64_t mid_e8 = MID;
    for (int32_t i = 0; i < 60000; i++) {
        h->now_ns += 10 * MS;
        if (i % 10 == 0) {
            int64_t pull = (MID - mid_e8) / TICK / 200; /* comes back in the end */
            mid_e8 += (pull + mm_test_between(-ticks, ticks)) * TICK;
            show_top(x, mid_e8);
        }
        work(x);
    }
    mm_engine_status status = host_status(h);
    check_identity(h);
    host_close(h);
    return status;
}

static void in_a_volatile_market_both_sides_rest_and_the_exchange_never_refuses_for_the_count(void)
{
    /* Up to 2 bps in a square root of a second; at 50 orders in 10 s, half of them ours. */
    static const int64_t ticks[] = {100, 300, 500, 800};
    for (size_t i = 0; i < MM_TEST_COUNT(ticks); i++) {
        static exchange x;
        mm_engine_status status = ten_minutes_of(ticks[i], &x);
        int64_t most_ns = status.synced_time_ns / 100; /* without an order, for whatever reason */
        MM_CHECK_INT(status.synced_time_ns - status.quoted_bid_ns, <=, most_ns);
        MM_CHECK_INT(status.synced_time_ns - status.quoted_ask_ns, <=, most_ns);
        uint64_t arrived = status.orders_sent + status.amends;
        MM_CHECK_UINT(status.moves_made, >=, arrived);
        MM_CHECK_UINT(status.moves_made, <=, arrived + x.count);
        MM_CHECK_INT(x.over_limit, ==, 0);
    }
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(another_price_replaces_the_resting_order_with_one_request),
        MM_TEST(a_price_within_the_tolerance_stays_whatever_its_size_was),
        MM_TEST(a_smaller_size_at_the_same_price_is_amended_and_counts_in_full_until_confirmed),
        MM_TEST(a_filled_part_is_not_part_of_what_is_wanted),
        MM_TEST(growing_or_an_eleventh_amend_takes_a_new_order),
        MM_TEST(where_orders_cannot_be_replaced_the_new_one_is_placed_and_the_old_one_cancelled),
        MM_TEST(where_orders_cannot_be_amended_a_smaller_size_takes_a_new_order),
        MM_TEST(layers_move_together_each_by_the_shift),
        MM_TEST(an_order_whose_number_at_the_exchange_is_not_known_is_not_replaced_but_cancelled),
        MM_TEST(the_best_wish_takes_the_place_of_the_best_order_whenever_that_was_placed),
        MM_TEST(a_wish_far_smaller_than_an_order_that_cannot_be_made_smaller_ends_that_order),
        MM_TEST(near_the_position_limit_the_old_order_goes_first),
        MM_TEST(the_old_orders_balance_pays_for_its_replacement),
        MM_TEST(an_order_cut_to_the_balance_is_replaced_when_more_can_be_paid_for),
        MM_TEST(the_outermost_layer_gives_up_its_balance_for_a_better_one_and_no_other_does),
        MM_TEST(of_two_layers_short_of_balance_only_one_takes_anothers),
        MM_TEST(without_a_place_in_the_order_table_a_wish_waits),
        MM_TEST(orders_that_one_plan_cannot_hold_are_planned_with_the_next),
        MM_TEST(a_replacement_whose_cancel_failed_is_no_refusal_and_backs_nothing_off),
        MM_TEST(orders_refused_together_for_a_wrong_clock_count_as_one_refusal),
        MM_TEST(a_replacement_that_would_have_matched_leaves_the_side_empty_until_its_back_off_is_over),
        MM_TEST(a_lost_replacement_blocks_its_side_and_cancels_both),
        MM_TEST(a_cancel_that_is_held_back_is_tried_again_after_pauses_not_at_every_event),
        MM_TEST(an_amend_told_as_sent_and_then_as_not_sent_does_no_harm),
        MM_TEST(a_refusal_of_an_amend_for_the_clock_asks_for_the_clock),
        MM_TEST(an_amend_waits_for_room_for_the_pause_after_one_that_did_not_leave_and_for_weight),
        MM_TEST(what_was_held_back_first_is_tried_again_first),
        MM_TEST(the_side_without_an_order_goes_before_the_farthest_move),
        MM_TEST(of_two_moves_the_farther_one_goes_first),
        MM_TEST(a_weight_told_while_an_amend_is_under_way_leaves_it_out),
        MM_TEST(a_price_that_became_too_good_is_cancelled_at_once_without_budget),
        MM_TEST(wishes_that_change_while_they_wait_are_merged_and_those_that_go_are_withheld),
        MM_TEST(an_order_the_exchange_ends_is_not_placed_again_within_a_second),
        MM_TEST(an_order_state_nobody_knows_halts_the_symbol_until_the_host_says_it_trades),
        MM_TEST(an_own_order_at_the_touch_is_no_flow_of_the_market),
        MM_TEST(in_a_volatile_market_both_sides_rest_and_the_exchange_never_refuses_for_the_count),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
