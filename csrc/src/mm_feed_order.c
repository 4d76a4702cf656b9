/* Orders, balances, replies of the WebSocket API, and errors: from the table to records. */
#include "mm_feed.h"

#include <string.h>

/* Of a name in a record, its zero included. */
#define ASSET_BYTES 16

MM_STATIC_ASSERT(sizeof(((mm_balance_body *)0)->asset) == ASSET_BYTES &&
                     sizeof(((mm_fill_body *)0)->fee_asset) == ASSET_BYTES,
                 names_of_assets_are_alike);

/* ---- Ids ---- */

/* The number of digits of a base up to 36 that is all of text[0..bytes); false when it is none, or
 * does not fit. */
static bool parse_sequence(const char *text, size_t bytes, uint32_t base, uint64_t *sequence)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'z' ? (uint32_t)(c - 'a') + 10
                                                : base;
        if (digit >= base || value > (UINT64_MAX - digit) / base) {
            return false;
        }
        value = value * base + digit;
    }
    *sequence = value;
    return bytes > 0;
}

static bool begins_with(const char *text, size_t text_bytes, const char *prefix,
                        size_t prefix_bytes)
{
    return prefix_bytes > 0 && text_bytes >= prefix_bytes &&
           memcmp(text, prefix, prefix_bytes) == 0;
}

/* An id of our account tag whose epoch is after this run's: both are base 36 of one length, so they compare as text. */
static bool is_of_later_run(const mm_feed *feed, const char *client_id, size_t client_id_bytes)
{
    const char *prefix = feed->config.order_prefix;
    size_t from = feed->account_prefix_bytes;
    size_t whole = feed->order_prefix_bytes;
    if (!begins_with(prefix, whole, feed->config.account_prefix, from) || whole <= from + 1 ||
        client_id_bytes <= whole || client_id[whole - 1] != '-') {
        return false;
    }
    for (size_t i = from; i < whole - 1; i++) {
        bool digit = (client_id[i] >= '0' && client_id[i] <= '9') || (client_id[i] >= 'a' && client_id[i] <= 'z');
        if (!digit) {
            return false;
        }
    }
    return memcmp(client_id + from, prefix + from, whole - 1 - from) > 0;
}

uint64_t mm_feed_order_seq(const mm_feed *feed, const char *client_id, size_t client_id_bytes,
                           uint16_t *flags)
{
    MM_ASSERT(feed != NULL && flags != NULL);
    MM_ASSERT(client_id != NULL || client_id_bytes == 0);
    *flags = 0;
    size_t prefix_bytes = feed->order_prefix_bytes;
    if (begins_with(client_id, client_id_bytes, feed->config.order_prefix, prefix_bytes)) {
        const char *seq = client_id + prefix_bytes;
        const char *dash = memchr(seq, '-', client_id_bytes - prefix_bytes);
        size_t seq_bytes = dash == NULL ? 0 : (size_t)(dash - seq);
        size_t tail_bytes = dash == NULL ? 0 : client_id_bytes - prefix_bytes - seq_bytes;
        uint64_t order_seq = 0;
        bool whole = parse_sequence(seq, seq_bytes, 36, &order_seq) && order_seq > 0;
        /* "-", the side, the layer. */
        if (whole && tail_bytes >= 3 && tail_bytes <= 4 && (dash[1] == 'b' || dash[1] == 'a')) {
            return order_seq;
        }
    }
    bool ours = begins_with(client_id, client_id_bytes, feed->config.account_prefix,
                            feed->account_prefix_bytes);
    bool later = ours && is_of_later_run(feed, client_id, client_id_bytes);
    *flags = later ? MM_FLAG_NEW_RUN : ours ? MM_FLAG_OLD_RUN : MM_FLAG_FOREIGN;
    return 0;
}

/* ---- Orders ---- */

static bool read_status(feed_call *call, const json_token *token, int16_t *status)
{
    static const struct {
        const char *text;
        int16_t status;
    } known[] = {{"NEW", MM_ORDER_LIVE},           {"PARTIALLY_FILLED", MM_ORDER_LIVE},
                 {"FILLED", MM_ORDER_FILLED},      {"CANCELED", MM_ORDER_CANCELED},
                 {"EXPIRED", MM_ORDER_EXPIRED},    {"EXPIRED_IN_MATCH", MM_ORDER_EXPIRED},
                 {"REJECTED", MM_ORDER_REJECTED},  {"PENDING_NEW", MM_ORDER_LIVE},
                 {"PENDING_CANCEL", MM_ORDER_LIVE}};
    if (!feed_is_string(token)) {
        return feed_fault(call, MM_E_SYNTAX, token->at);
    }
    *status = MM_ORDER_STATUS_OTHER;
    for (size_t i = 0; i < MM_ARRAY_COUNT(known); i++) {
        if (feed_text_is(token, known[i].text)) {
            *status = known[i].status;
        }
    }
    return true;
}

/* A side that is neither BUY nor SELL counts as one that was not said. */
static bool read_side(feed_call *call, const json_token *token, int16_t *side)
{
    if (!feed_is_string(token)) {
        return feed_fault(call, MM_E_SYNTAX, token->at);
    }
    *side = feed_text_is(token, "BUY") ? MM_BID : feed_text_is(token, "SELL") ? MM_ASK : -1;
    return true;
}

/* The client id under the slot into info, whose order it is into `report` and `flags`. */
static bool take_client_id(feed_call *call, const feed_table *table, uint32_t slot,
                           mm_report_body *report, uint16_t *flags)
{
    char *client_id = call->info->client_id;
    if (!feed_want_text(call, table, slot, client_id, sizeof call->info->client_id)) {
        return false;
    }
    uint16_t owner = 0;
    report->order_seq = mm_feed_order_seq(call->feed, client_id, strlen(client_id), &owner);
    *flags |= owner;
    return true;
}

/* What a reply says of one order. */
static bool take_order(feed_call *call, const feed_table *table, mm_report_body *report,
                       uint16_t *flags)
{
    bool canceled = feed_has(table, SLOT_ORIG_CLIENT_ORDER_ID);
    uint32_t id_slot = canceled ? SLOT_ORIG_CLIENT_ORDER_ID : SLOT_CLIENT_ORDER_ID;
    /* An amended order's quantity is named otherwise. */
    uint32_t qty_slot = feed_has(table, SLOT_ORIG_QTY) ? SLOT_ORIG_QTY : SLOT_QTY;
    report->executed_e8 = -1;
    report->side = -1;
    report->status = MM_ORDER_LIVE; /* of a reply that says no more than that the order was taken */
    return feed_want_natural(call, table, SLOT_ORDER_ID, &report->exchange_id) &&
           take_client_id(call, table, id_slot, report, flags) &&
           feed_may_decimal(call, table, SLOT_PRICE, &report->price_e8) &&
           feed_may_decimal(call, table, qty_slot, &report->qty_e8) &&
           feed_may_decimal(call, table, SLOT_EXECUTED_QTY, &report->executed_e8) &&
           (!feed_has(table, SLOT_STATUS) ||
            read_status(call, &table->slots[SLOT_STATUS], &report->status)) &&
           (!feed_has(table, SLOT_SIDE) ||
            read_side(call, &table->slots[SLOT_SIDE], &report->side));
}

/* The name of an asset. *named: it fits a record, as that of every asset of ours does; else the record's name stays,
 * since cut it could be another asset's. */
static bool take_asset(feed_call *call, const feed_table *table, uint32_t slot, char asset[ASSET_BYTES], bool *named)
{
    char name[ASSET_BYTES + 8] = {0}; /* cut at a whole character it still is too long */
    if (!feed_want_text(call, table, slot, name, sizeof name)) {
        return false;
    }
    *named = memchr(name, '\0', ASSET_BYTES) != NULL;
    if (*named) {
        memcpy(asset, name, ASSET_BYTES);
    }
    return true;
}

static bool take_fill(feed_call *call, const feed_table *table, mm_record *records)
{
    mm_report_body *report = &records[0].body.report;
    mm_fill_body *fill = &records[1].body.fill;
    bool maker = false;
    MM_ASSERT(records[0].count == 2 && records[1].kind == MM_KIND_MORE);
    if (!feed_want_natural(call, table, SLOT_OF('t'), &fill->trade_id) ||
        !feed_want_decimal(call, table, SLOT_OF('L'), &report->price_e8) ||
        !feed_want_decimal(call, table, SLOT_OF('l'), &report->qty_e8) ||
        !feed_may_decimal(call, table, SLOT_OF('Y'), &fill->quote_e8) ||
        !feed_want_signed(call, table, SLOT_OF('n'), &fill->fee_e8) ||
        !feed_want_bool(call, table, SLOT_OF('m'), &maker)) {
        return false;
    }
    records[0].flags |= (uint16_t)(MM_FLAG_FILL | (maker ? MM_FLAG_MAKER : 0));
    if (feed_has_kind(table, SLOT_OF('N'), JSON_NULL)) {
        return true;
    }
    bool named = false;
    if (!take_asset(call, table, SLOT_OF('N'), fill->fee_asset, &named)) {
        return false;
    }
    if (!named) { /* a fee cannot be left out */
        return feed_fault(call, MM_E_OVERFLOW, table->slots[SLOT_OF('N')].at);
    }
    return true;
}

/* Why an order was rejected, as far as it matters what to do about it. */
static int32_t reject_reason(const feed_table *table)
{
    const json_token *reason = &table->slots[SLOT_OF('r')];
    if (!feed_has(table, SLOT_OF('r'))) {
        return MM_REJECT_OTHER;
    }
    if (feed_text_is(reason, "WOULD_MATCH_IMMEDIATELY")) {
        return MM_REJECT_WOULD_MATCH;
    }
    return feed_text_is(reason, "INSUFFICIENT_BALANCES") ? MM_REJECT_BALANCE : MM_REJECT_OTHER;
}

/* Whose order a report is about. On a cancel `c` is the cancel's own id and `C` the order's; an
 * amended order has its new id in `c` and the one it was placed with in `C`. */
static uint32_t reported_id_slot(const feed_table *table, const json_token *execution)
{
    bool renamed = feed_text_is(execution, "CANCELED") || feed_text_is(execution, "REPLACED");
    bool original = feed_has(table, SLOT_OF('C')) && !feed_text_is(&table->slots[SLOT_OF('C')], "");
    return renamed && original ? SLOT_OF('C') : SLOT_OF('c');
}

bool mm__feed_on_execution_report(feed_call *call, const feed_table *table)
{
    bool wanted = false;
    const json_token *execution = feed_want(call, table, SLOT_OF('x'));
    const json_token *status = feed_want(call, table, SLOT_OF('X'));
    const json_token *side = feed_want(call, table, SLOT_OF('S'));
    if (execution == NULL || status == NULL || side == NULL ||
        !feed_take_symbol(call, table, SLOT_OF('s'), &wanted)) {
        return false;
    }
    if (!wanted) {
        return true; /* its numbers need not fit here */
    }
    if (!feed_is_string(execution)) {
        return feed_fault(call, MM_E_SYNTAX, execution->at);
    }
    mm_record *records = feed_emit(call, MM_KIND_REPORT, 0, 2);
    if (records == NULL) {
        return false;
    }
    mm_report_body *report = &records[0].body.report;
    mm_fill_body *fill = &records[1].body.fill;
    fill->trade_id = -1;
    fill->quote_e8 = -1;
    uint32_t id_slot = reported_id_slot(table, execution);
    bool renamed = id_slot != SLOT_OF('c');
    uint16_t requester = 0; /* who asked for a cancel: perhaps a later run */
    if ((renamed && !take_client_id(call, table, SLOT_OF('c'), report, &requester)) ||
        !take_client_id(call, table, id_slot, report,
                        &records[0].flags) ||
        !feed_want_natural(call, table, SLOT_OF('i'), &report->exchange_id) ||
        !feed_want_decimal(call, table, SLOT_OF('p'), &report->price_e8) ||
        !feed_want_decimal(call, table, SLOT_OF('q'), &report->qty_e8) ||
        !feed_want_decimal(call, table, SLOT_OF('z'), &report->executed_e8) ||
        !feed_want_time(call, table, SLOT_OF('T'), &fill->time_us) ||
        !read_status(call, status, &report->status) || !read_side(call, side, &report->side)) {
        return false;
    }
    records[0].flags |= requester & MM_FLAG_NEW_RUN;
    if (report->status == MM_ORDER_REJECTED) {
        report->code = reject_reason(table);
    }
    return !feed_text_is(execution, "TRADE") || take_fill(call, table, records);
}

/* ---- Balances ---- */

/* False: the quantity was not read. When it is more than can be counted here, that is no fault. */
static bool fits(feed_call *call, bool read)
{
    if (call->reader.status == MM_E_OVERFLOW) {
        call->reader.status = MM_OK;
    }
    return read;
}

static bool emit_balance(feed_call *call, uint16_t kind, const mm_balance_body *body)
{
    mm_record *record = feed_emit(call, kind, 0, 1);
    if (record != NULL) {
        record->body.balance = *body;
    }
    return record != NULL;
}

static bool on_balance(feed_call *call, const feed_table *table, const void *context)
{
    const int64_t *time_us = context;
    bool named = false;
    mm_balance_body body;
    memset(&body, 0, sizeof body);
    if (!take_asset(call, table, SLOT_OF('a'), body.asset, &named) ||
        !fits(call, feed_want_decimal(call, table, SLOT_OF('f'), &body.free_e8)) ||
        !fits(call, feed_want_decimal(call, table, SLOT_OF('l'), &body.locked_e8))) {
        return call->reader.status == MM_OK;
    }
    body.time_us = *time_us;
    return !named || emit_balance(call, MM_KIND_BALANCE, &body);
}

bool mm__feed_on_account_position(feed_call *call, const feed_table *table)
{
    int64_t time_us = 0;
    const json_token *token = feed_want(call, table, SLOT_OF('B'));
    if (token == NULL || !feed_want_time(call, table, SLOT_OF('u'), &time_us)) {
        return false;
    }
    if (token->kind != JSON_ARRAY) {
        return feed_fault(call, MM_E_SYNTAX, token->at);
    }
    return mm__feed_scan_array(call, token->at, &call->feed->inner, on_balance, &time_us) != NULL;
}

/* A deposit, withdrawal or transfer (free changes), or an external lock (free becomes locked). */
static bool take_delta(feed_call *call, const feed_table *table, bool lock)
{
    mm_balance_body body;
    int64_t delta_e8 = 0;
    bool named = false;
    memset(&body, 0, sizeof body);
    if (!take_asset(call, table, SLOT_OF('a'), body.asset, &named) ||
        !feed_want_time(call, table, SLOT_OF('T'), &body.time_us) ||
        !fits(call, feed_want_signed(call, table, SLOT_OF('d'), &delta_e8))) {
        return call->reader.status == MM_OK;
    }
    if (!named || delta_e8 == INT64_MIN) { /* its negative does not fit */
        return true;
    }
    body.free_e8 = lock ? -delta_e8 : delta_e8;
    body.locked_e8 = lock ? delta_e8 : 0;
    return emit_balance(call, MM_KIND_BALANCE_DELTA, &body);
}

bool mm__feed_on_balance_update(feed_call *call, const feed_table *table)
{
    return take_delta(call, table, false);
}

bool mm__feed_on_external_lock(feed_call *call, const feed_table *table)
{
    return take_delta(call, table, true);
}

/* ---- Errors ---- */

int32_t mm_feed_reject_class(int32_t error_code, int32_t http_status, const char *message)
{
    static const struct {
        const char *part;
        int32_t reject;
    } said[] = {{"immediately match", MM_REJECT_WOULD_MATCH},
                {"insufficient balance", MM_REJECT_BALANCE},
                {"Duplicate order", MM_REJECT_DUPLICATE},
                {"Market is closed", MM_REJECT_MARKET_CLOSED}};
    if (error_code == -2010 || error_code == -1013) {
        for (size_t i = 0; message != NULL && i < MM_ARRAY_COUNT(said); i++) {
            if (strstr(message, said[i].part) != NULL) {
                return said[i].reject;
            }
        }
    }
    switch (error_code) {
    case -1013:
        return MM_REJECT_FILTER;
    case -1220:
        return MM_REJECT_MARKET_CLOSED;
    case -1003:
    case -1008:
    case -1015:
    case -1034:
        return MM_REJECT_LIMIT;
    case -1021:
        return MM_REJECT_CLOCK;
    case -1002:
    case -1022:
    case -2014:
    case -2015:
        return MM_REJECT_CREDENTIALS;
    case -2011:
        return message != NULL && strstr(message, "restriction") != NULL ? MM_REJECT_OTHER
                                                                         : MM_REJECT_UNKNOWN_ORDER;
    case -2013:
    case -2026:
        return MM_REJECT_UNKNOWN_ORDER;
    default:
        break;
    }
    if (http_status == 429 || http_status == 418) {
        return MM_REJECT_LIMIT;
    }
    return http_status == 401 ? MM_REJECT_CREDENTIALS : MM_REJECT_OTHER;
}

/* True when an error leaves open whether the request was carried out: only 4xx says that it was
 * not, and not with these codes. */
static bool outcome_is_open(int32_t error_code, int64_t http_status)
{
    return http_status < 400 || http_status >= 500 || error_code == -1000 || error_code == -1001 ||
           error_code == -1006 || error_code == -1007 || error_code == -1008 || error_code == -1016;
}

/* So that the text of an error can go into a log line: no control character is left. */
static void replace_controls(char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7F) {
            *text = '?';
        } else if (c == 0xC2 && (unsigned char)text[1] < 0xA0) {
            text[0] = '?';
            text[1] = '?';
        }
    }
}

static bool take_error(feed_call *call, const feed_table *table)
{
    int64_t code = 0;
    if (!feed_want_integer(call, table, SLOT_CODE, &code) ||
        !feed_want_text(call, table, SLOT_MSG, call->info->error_text,
                        sizeof call->info->error_text)) {
        return false;
    }
    if (code < INT32_MIN || code > INT32_MAX) {
        return feed_fault(call, MM_E_OVERFLOW, table->slots[SLOT_CODE].at);
    }
    call->info->error_code = (int32_t)code;
    replace_controls(call->info->error_text);
    return true;
}

/* The halves of a cancelReplace: where a reply or an error's data has them. */
static void take_legs(feed_call *call, const feed_table *table)
{
    static const uint32_t slots[4] = {SLOT_CANCEL_RESULT, SLOT_CANCEL_RESPONSE,
                                      SLOT_NEW_ORDER_RESULT, SLOT_NEW_ORDER_RESPONSE};
    for (size_t i = 0; i < MM_ARRAY_COUNT(slots); i++) {
        call->legs[i] = table->slots[slots[i]];
        if (!feed_has(table, slots[i])) {
            call->legs[i].kind = JSON_NULL;
        }
    }
}

/* The object under `error`: code, msg, and perhaps data with retryAfter or the halves of a
 * cancelReplace. */
static bool take_reply_error(feed_call *call, const char *at)
{
    feed_table *table = &call->feed->inner;
    if (mm__feed_scan_object(call, at, table) == NULL || !take_error(call, table)) {
        return false;
    }
    if (!feed_has_kind(table, SLOT_DATA, JSON_OBJECT)) {
        return true;
    }
    if (mm__feed_scan_object(call, table->slots[SLOT_DATA].at, table) == NULL) {
        return false;
    }
    take_legs(call, table);
    return !feed_has_kind(table, SLOT_RETRY_AFTER, JSON_INTEGER) ||
           feed_want_natural(call, table, SLOT_RETRY_AFTER, &call->info->retry_after_ms);
}

/* ---- Counts and limits ---- */

static int32_t clipped(int64_t value)
{
    return value < 0 ? -1 : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

static bool on_rate_limit(feed_call *call, const feed_table *table, const void *context)
{
    (void)context;
    if (!feed_has(table, SLOT_RATE_LIMIT_TYPE) || !feed_has(table, SLOT_INTERVAL) ||
        !feed_has_kind(table, SLOT_INTERVAL_NUM, JSON_INTEGER) ||
        !feed_has_kind(table, SLOT_COUNT, JSON_INTEGER)) {
        return true; /* a kind of limit that is not known: the reply itself is whole without it */
    }
    const json_token *type = &table->slots[SLOT_RATE_LIMIT_TYPE];
    const json_token *interval = &table->slots[SLOT_INTERVAL];
    int64_t number = table->slots[SLOT_INTERVAL_NUM].value.integer;
    int32_t count = clipped(table->slots[SLOT_COUNT].value.integer);
    int32_t limit = feed_has_kind(table, SLOT_LIMIT, JSON_INTEGER)
                        ? clipped(table->slots[SLOT_LIMIT].value.integer)
                        : -1;
    mm_budget_body *budget = &call->budget;
    if (feed_text_is(type, "REQUEST_WEIGHT") && feed_text_is(interval, "MINUTE") && number == 1) {
        budget->weight_1m = count;
        budget->weight_1m_limit = limit;
    } else if (feed_text_is(type, "ORDERS") && feed_text_is(interval, "SECOND") && number == 10) {
        budget->orders_10s = count;
        budget->orders_10s_limit = limit;
    } else if (feed_text_is(type, "ORDERS") && feed_text_is(interval, "DAY") && number == 1) {
        budget->orders_day = count;
        budget->orders_day_limit = limit;
    } else if (feed_text_is(type, "RAW_REQUESTS") && feed_text_is(interval, "MINUTE") &&
               number == 5) {
        budget->raw_5m = count;
        budget->raw_5m_limit = limit;
    } else {
        return true;
    }
    call->budget_given = true;
    return true;
}

/* A BUDGET record behind those of the reply, when it tells any count. */
static bool take_rate_limits(feed_call *call, const feed_table *table)
{
    static const mm_budget_body unsaid = {0, -1, -1, -1, -1, -1, -1, -1, -1};
    call->budget = unsaid;
    call->budget.recv_ns = call->recv_ns;
    call->budget_given = false;
    if (!feed_has_kind(table, SLOT_RATE_LIMITS, JSON_ARRAY)) {
        return true;
    }
    if (mm__feed_scan_array(call, table->slots[SLOT_RATE_LIMITS].at, &call->feed->inner,
                            on_rate_limit, NULL) == NULL) {
        return false;
    }
    call->info->used_weight = call->budget.weight_1m;
    mm_record *record = call->budget_given ? feed_emit(call, MM_KIND_BUDGET, 0, 1) : NULL;
    if (record != NULL) {
        record->body.budget = call->budget;
    }
    return call->reader.status == MM_OK;
}

/* ---- Replies of the WebSocket API ---- */

/* The id of a reply as text: a number's digits, a string, nothing for null. */
static bool take_request_id(feed_call *call, const feed_table *table)
{
    const json_token *token = &table->slots[SLOT_ID];
    json_token digits = *token;
    if (token->kind == JSON_NULL) {
        return true;
    }
    if (token->kind == JSON_INTEGER || token->kind == JSON_HUGE) {
        const char *end = token->at + (*token->at == '-' ? 1 : 0);
        while (json_peek(&call->reader, end) >= '0' && json_peek(&call->reader, end) <= '9') {
            end++;
        }
        digits.kind = JSON_STRING;
        digits.value.bytes = (size_t)(end - token->at);
    }
    return feed_copy_text(call, &digits, call->info->request_id, sizeof call->info->request_id);
}

/* An order operation and its order from a request id "<op><seq>"; 0 is an order of an earlier run.
 * MM_OP_NONE: not an order operation of ours. */
static int32_t parse_request_id(const char *id, uint64_t *order_seq)
{
    int32_t operation = id[0] == 'p'   ? MM_OP_PLACE
                        : id[0] == 'c' ? MM_OP_CANCEL
                        : id[0] == 'q' ? MM_OP_QUERY
                        : id[0] == 'a' ? MM_OP_AMEND
                        : id[0] == 'r' ? MM_OP_REPLACE
                                       : MM_OP_NONE;
    if (operation == MM_OP_NONE || !parse_sequence(id + 1, strlen(id + 1), 10, order_seq)) {
        return MM_OP_NONE;
    }
    bool of_this_run = operation == MM_OP_CANCEL || operation == MM_OP_QUERY || *order_seq > 0;
    return of_this_run ? operation : MM_OP_NONE;
}

/* The order in `table`, which a request about order_seq was answered with; 0 = an order of another
 * run, or of nobody's that is known: its client id tells. */
static bool emit_order(feed_call *call, const feed_table *table, uint16_t kind, uint64_t order_seq)
{
    uint16_t flags = 0;
    mm_report_body report;
    memset(&report, 0, sizeof report);
    if (!take_order(call, table, &report, &flags)) {
        return false;
    }
    if (order_seq != 0) {
        /* The request's own word counts; no flag says that the order is another's. */
        report.order_seq = order_seq;
        flags = 0;
    }
    flags |= kind == MM_KIND_STATUS ? MM_FLAG_FOUND : 0;
    mm_record *record = feed_emit(call, kind, flags, 1);
    if (record != NULL) {
        record->body.report = report;
    }
    return record != NULL;
}

/* The one limit that stops nothing but new orders. */
enum { TOO_MANY_ORDERS = -1015 };

static bool emit_outcome(feed_call *call, uint16_t kind, uint64_t order_seq, int32_t operation,
                         int32_t code, const char *message)
{
    mm_record *record = feed_emit(call, kind, 0, 1);
    if (record == NULL) {
        return false;
    }
    mm_outcome_body *outcome = &record->body.outcome;
    outcome->order_seq = order_seq;
    outcome->recv_ns = call->recv_ns;
    outcome->code = code;
    outcome->operation = operation;
    outcome->http_status = call->info->http_status;
    outcome->detail = mm_feed_reject_class(code, call->info->http_status, message);
    int64_t until_ms = call->info->retry_after_ms;
    if (outcome->detail == MM_REJECT_LIMIT && code != TOO_MANY_ORDERS && until_ms <= MM__EPOCH_MAX_NS / 1000000) {
        outcome->until_ns = until_ms * 1000000;
    }
    return true;
}

/* A request that was carried out. */
static bool on_success(feed_call *call, int32_t operation, uint64_t order_seq)
{
    const feed_table *table = &call->feed->payload;
    if (!feed_has_kind(&call->feed->top, SLOT_RESULT, JSON_OBJECT)) {
        return feed_fault(call, MM_E_SYNTAX, call->feed->top.end);
    }
    if (operation == MM_OP_AMEND) {
        const json_token *amended = feed_want(call, table, SLOT_AMENDED_ORDER);
        if (amended == NULL) {
            return false;
        }
        if (amended->kind != JSON_OBJECT) {
            return feed_fault(call, MM_E_SYNTAX, amended->at);
        }
        table = &call->feed->inner;
        return mm__feed_scan_object(call, amended->at, &call->feed->inner) != NULL &&
               emit_order(call, table, MM_KIND_AMENDED, order_seq);
    }
    uint16_t kind = operation == MM_OP_PLACE    ? MM_KIND_ACK
                    : operation == MM_OP_CANCEL ? MM_KIND_CANCELED
                                                : MM_KIND_STATUS;
    return emit_order(call, table, kind, order_seq);
}

/* A request that was refused, or whose outcome the error leaves open. */
static bool on_failure(feed_call *call, int32_t operation, uint64_t order_seq)
{
    const mm_feed_info *info = call->info;
    if (operation == MM_OP_QUERY && info->error_code == -2013) {
        mm_record *record = feed_emit(call, MM_KIND_STATUS, 0, 1);
        if (record != NULL) {
            record->body.report.order_seq = order_seq;
            record->body.report.executed_e8 = -1;
            record->body.report.side = -1;
            record->body.report.status = MM_ORDER_STATUS_OTHER;
            record->body.report.code = info->error_code;
        }
        return record != NULL;
    }
    /* A query that was refused for another reason has told nothing of its order. */
    bool open = operation == MM_OP_QUERY || outcome_is_open(info->error_code, info->http_status);
    uint16_t kind = open                        ? MM_KIND_LOST
                    : operation == MM_OP_CANCEL ? MM_KIND_CANCEL_REJECT
                    : operation == MM_OP_AMEND  ? MM_KIND_AMEND_REJECT
                                                : MM_KIND_REJECT;
    return emit_outcome(call, kind, order_seq, operation, info->error_code, info->error_text);
}

/* ---- cancelReplace ---- */

enum { LEG_CANCEL = 0, LEG_NEW = 2 };

/* One half that failed. `refused`: what a refusal of it is called. `otherwise`: the code of a half
 * that was not tried. */
static bool emit_failed_leg(feed_call *call, size_t leg, uint16_t refused, uint64_t order_seq,
                            int32_t otherwise, bool *lost)
{
    const json_token *response = &call->legs[leg + 1];
    feed_table *table = &call->feed->inner;
    char message[sizeof call->info->error_text];
    int64_t code = otherwise;
    memcpy(message, call->info->error_text, sizeof message);
    if (response->kind == JSON_OBJECT) {
        if (mm__feed_scan_object(call, response->at, table) == NULL ||
            !feed_want_integer(call, table, SLOT_CODE, &code) ||
            !feed_want_text(call, table, SLOT_MSG, message, sizeof message)) {
            return false;
        }
        if (code < INT32_MIN || code > INT32_MAX) {
            return feed_fault(call, MM_E_OVERFLOW, table->slots[SLOT_CODE].at);
        }
    }
    bool open = outcome_is_open((int32_t)code, 400);
    if (open && *lost) {
        return true; /* said once, of both halves */
    }
    *lost |= open;
    bool emitted = emit_outcome(call, open ? MM_KIND_LOST : refused, order_seq, MM_OP_REPLACE,
                                (int32_t)code, message);
    if (emitted) {
        /* The status is the whole request's: of what class this half's refusal is, its code tells. */
        call->out[call->used - 1].body.outcome.detail =
            mm_feed_reject_class((int32_t)code, 400, message);
    }
    return emitted;
}

static bool emit_leg(feed_call *call, size_t leg, uint64_t order_seq, bool *lost)
{
    const json_token *result = &call->legs[leg];
    const json_token *response = &call->legs[leg + 1];
    bool cancel = leg == LEG_CANCEL;
    if (feed_text_is(result, "SUCCESS") && response->kind == JSON_OBJECT) {
        return mm__feed_scan_object(call, response->at, &call->feed->inner) != NULL &&
               emit_order(call, &call->feed->inner, cancel ? MM_KIND_CANCELED : MM_KIND_ACK,
                          cancel ? 0 : order_seq);
    }
    uint16_t refused = cancel ? MM_KIND_CANCEL_REJECT : MM_KIND_REJECT;
    if (feed_text_is(result, "FAILURE") || feed_text_is(result, "NOT_ATTEMPTED")) {
        return emit_failed_leg(call, leg, refused, order_seq, call->info->error_code, lost);
    }
    /* A word that is not known, or a success without its order: this half's outcome is open. */
    bool said = *lost;
    *lost = true;
    return said || emit_outcome(call, MM_KIND_LOST, order_seq, MM_OP_REPLACE,
                                call->info->error_code, call->info->error_text);
}

/* Two events of one request: what became of the old order, then of the new one. */
static bool on_replace(feed_call *call, uint64_t order_seq)
{
    const mm_feed_info *info = call->info;
    bool success = info->http_status >= 200 && info->http_status < 300;
    bool lost = false;
    if (success) {
        if (!feed_has_kind(&call->feed->top, SLOT_RESULT, JSON_OBJECT)) {
            return feed_fault(call, MM_E_SYNTAX, call->feed->top.end);
        }
        take_legs(call, &call->feed->payload);
    } else if (outcome_is_open(info->error_code, info->http_status)) {
        return emit_outcome(call, MM_KIND_LOST, order_seq, MM_OP_REPLACE, info->error_code,
                            info->error_text);
    }
    if (success || call->legs[LEG_CANCEL].kind != JSON_NULL) {
        return emit_leg(call, LEG_CANCEL, order_seq, &lost) &&
               emit_leg(call, LEG_NEW, order_seq, &lost);
    }
    /* Refused before either half was tried. */
    return emit_outcome(call, MM_KIND_CANCEL_REJECT, order_seq, MM_OP_REPLACE, info->error_code,
                        info->error_text) &&
           emit_outcome(call, MM_KIND_REJECT, order_seq, MM_OP_REPLACE, info->error_code,
                        info->error_text);
}

/* What a reply to an order operation says. */
static bool on_operation(feed_call *call, int32_t operation, uint64_t order_seq)
{
    int32_t http_status = call->info->http_status;
    if (http_status == 0) {
        return feed_fault(call, MM_E_SYNTAX, call->feed->top.end);
    }
    if (operation == MM_OP_REPLACE) {
        return on_replace(call, order_seq);
    }
    return http_status >= 200 && http_status < 300 ? on_success(call, operation, order_seq)
                                                   : on_failure(call, operation, order_seq);
}

bool mm__feed_on_reply(feed_call *call, const feed_table *table)
{
    const mm_feed *feed = call->feed;
    mm_feed_info *info = call->info;
    int64_t http_status = 0;
    uint64_t order_seq = 0;
    MM_ASSERT(table == &feed->top && call->used == 0);
    call->legs[LEG_CANCEL].kind = JSON_NULL;
    if (!take_request_id(call, table) ||
        (feed_has(table, SLOT_STATUS) &&
         !feed_want_natural(call, table, SLOT_STATUS, &http_status))) {
        return false;
    }
    if (http_status > 999) {
        return feed_fault(call, MM_E_SYNTAX, table->slots[SLOT_STATUS].at);
    }
    info->http_status = (int32_t)http_status;
    bool refused = feed_has_kind(table, SLOT_ERROR, JSON_OBJECT);
    if ((refused && !take_reply_error(call, table->slots[SLOT_ERROR].at)) ||
        (feed_has(table, SLOT_CODE) && !take_error(call, table))) {
        return false;
    }
    bool result = feed_has_kind(table, SLOT_RESULT, JSON_OBJECT);
    if (result && feed_has(&feed->payload, SLOT_SUBSCRIPTION_ID) &&
        !feed_want_natural(call, &feed->payload, SLOT_SUBSCRIPTION_ID, &info->subscription_id)) {
        return false;
    }
    info->operation = parse_request_id(info->request_id, &order_seq);
    return (info->operation == MM_OP_NONE || on_operation(call, info->operation, order_seq)) &&
           take_rate_limits(call, table);
}

/* ---- Errors by themselves ---- */

/* An object that is neither event nor book nor reply. */
bool mm__feed_on_body(feed_call *call, const feed_table *table)
{
    return !feed_has(table, SLOT_CODE) || !feed_has(table, SLOT_MSG) || take_error(call, table);
}
