/* Binance's JSON messages to records, in one pass.
 *
 * An object is scanned into a table: the value of every key that any message type reads gets a
 * slot, the others are checked and skipped. Only when the object has ended is it known for sure
 * what it is, since its keys may come in any order; then the slots it needs are read. Two things do
 * not wait: an object inside the wrapper is scanned into a table of its own as it is met, and level
 * arrays become records as they are met if what was read before them tells that this is a depth
 * message (always so with the exchange's own order of keys); otherwise they are skipped, and read
 * once the object is known. */
#include "mm_feed.h"

#include <string.h>

/* ---- Keys ---- */

#define NAME(text, slot)                                                                           \
    if (memcmp(name, text, sizeof(text) - 1) == 0) {                                               \
        return slot;                                                                               \
    }

static uint32_t slot_of_short_name(const char *name, size_t bytes)
{
    switch (bytes) {
    case 2:
        NAME("pu", SLOT_PREV_ID)
        NAME("id", SLOT_ID)
        break;
    case 3:
        NAME("msg", SLOT_MSG)
        NAME("qty", SLOT_QTY)
        break;
    case 4:
        NAME("bids", SLOT_BIDS)
        NAME("asks", SLOT_ASKS)
        NAME("data", SLOT_DATA)
        NAME("side", SLOT_SIDE)
        NAME("code", SLOT_CODE)
        break;
    case 5:
        NAME("event", SLOT_EVENT)
        NAME("price", SLOT_PRICE)
        NAME("error", SLOT_ERROR)
        NAME("count", SLOT_COUNT)
        NAME("limit", SLOT_LIMIT)
        break;
    case 6:
        NAME("stream", SLOT_STREAM)
        NAME("status", SLOT_STATUS)
        NAME("result", SLOT_RESULT)
        NAME("symbol", SLOT_SYMBOL)
        break;
    default:
        break;
    }
    return SLOT_UNKNOWN;
}

static uint32_t slot_of_long_name(const char *name, size_t bytes)
{
    switch (bytes) {
    case 7:
        NAME("orderId", SLOT_ORDER_ID)
        NAME("origQty", SLOT_ORIG_QTY)
        break;
    case 8:
        NAME("interval", SLOT_INTERVAL)
        break;
    case 10:
        NAME("rateLimits", SLOT_RATE_LIMITS)
        NAME("retryAfter", SLOT_RETRY_AFTER)
        break;
    case 11:
        NAME("executedQty", SLOT_EXECUTED_QTY)
        NAME("intervalNum", SLOT_INTERVAL_NUM)
        break;
    case 12:
        NAME("lastUpdateId", SLOT_LAST_UPDATE_ID)
        NAME("cancelResult", SLOT_CANCEL_RESULT)
        NAME("amendedOrder", SLOT_AMENDED_ORDER)
        break;
    case 13:
        NAME("clientOrderId", SLOT_CLIENT_ORDER_ID)
        NAME("rateLimitType", SLOT_RATE_LIMIT_TYPE)
        break;
    case 14:
        NAME("subscriptionId", SLOT_SUBSCRIPTION_ID)
        NAME("cancelResponse", SLOT_CANCEL_RESPONSE)
        NAME("newOrderResult", SLOT_NEW_ORDER_RESULT)
        break;
    case 16:
        NAME("newOrderResponse", SLOT_NEW_ORDER_RESPONSE)
        break;
    case 17:
        NAME("origClientOrderId", SLOT_ORIG_CLIENT_ORDER_ID)
        break;
    default:
        break;
    }
    return SLOT_UNKNOWN;
}

/* The slot of a key of more than one letter. */
static uint32_t slot_of_name(const char *name, size_t bytes)
{
    return bytes < 7 ? slot_of_short_name(name, bytes) : slot_of_long_name(name, bytes);
}

/* ---- Levels ---- */

/* The longest level that level_short reads, with the word behind it. */
enum { LEVEL_READ_BYTES = 2 + JSON_DECIMAL_READ_BYTES + 3 + JSON_DECIMAL_READ_BYTES };

/* A level as the exchange writes it, without blanks. Returns the place behind it; NULL when it is
 * not written so. Unless `checked`, LEVEL_READ_BYTES behind p must be readable. *price_digits (1..7): so many
 * digits are expected before the price's point, as those of a message mostly have as many. */
static MM_ALWAYS_INLINE const char *level_short(const json_reader *reader, const char *p, bool checked,
                                                uint32_t *price_digits, mm_level *level)
{
    uint64_t word = checked ? json_peek_word(reader, p) : json_word(p);
    if (MM_UNLIKELY((word & 0xFFFF) != JSON_CHARS2('[', '"'))) {
        return NULL;
    }
    p += 2;
    uint64_t units = 0;
    const char *point = checked ? NULL : json_units_expected(p, *price_digits, &units);
    if (MM_UNLIKELY(point == NULL)) {
        point = json_units(reader, p, checked, &units);
        if (MM_UNLIKELY(point == NULL)) {
            return NULL;
        }
        *price_digits = point - p < 8 ? (uint32_t)(point - p) : *price_digits;
    }
    p = json_part(reader, point, checked, units, &level->price_e8);
    if (MM_UNLIKELY(p == NULL)) {
        return NULL;
    }
    word = checked ? json_peek_word(reader, p) : json_word(p);
    if (MM_UNLIKELY((word & 0xFFFFFF) != JSON_CHARS3('"', ',', '"'))) {
        return NULL;
    }
    p = json_decimal_short(reader, p + 3, checked, &level->qty_e8);
    if (MM_UNLIKELY(p == NULL)) {
        return NULL;
    }
    word = checked ? json_peek_word(reader, p) : json_word(p);
    return (word & 0xFFFF) == JSON_CHARS2('"', ']') ? p + 2 : NULL;
}

/* One price or quantity of a level at p, then `closed_by`, with blanks wherever JSON has them. */
static const char *level_member(feed_call *call, const char *p, char closed_by, int64_t *value_e8)
{
    json_token token;
    if (json_next(&call->reader, &p) != '"') {
        return json_fault(&call->reader, MM_E_SYNTAX, p); /* a number instead of a string, too */
    }
    p = json_string(&call->reader, p + 1, &token);
    if (p == NULL || !feed_read_decimal(call, &token, value_e8)) {
        return NULL;
    }
    if (*token.at == '-') {
        return json_fault(&call->reader, MM_E_SYNTAX, token.at);
    }
    return json_next(&call->reader, &p) == closed_by ? p + 1
                                                     : json_fault(&call->reader, MM_E_SYNTAX, p);
}

static const char *level_long(feed_call *call, const char *p, mm_level *level)
{
    if (json_peek(&call->reader, p) != '[') {
        return json_fault(&call->reader, MM_E_SYNTAX, p);
    }
    p = level_member(call, p + 1, ',', &level->price_e8);
    return p == NULL ? NULL : level_member(call, p, ']', &level->qty_e8);
}

/* The level at p when it is one of the text's last, or written otherwise than the exchange does. */
static MM_NOINLINE const char *level_any(feed_call *call, const char *p, mm_level *level)
{
    uint32_t price_digits = 1;
    const char *next = level_short(&call->reader, p, true, &price_digits, level);
    return next != NULL ? next : level_long(call, json_skip_blanks(&call->reader, p), level);
}

/* Up to three levels into one record. Returns the place behind the last one's comma, or behind the
 * array's bracket: then *closed is set. */
static inline const char *scan_record(feed_call *call, const char *p, uint32_t *price_digits, mm_record *record,
                                      size_t *level_count, bool *closed)
{
    const json_reader *reader = &call->reader;
    memset(record, 0, sizeof *record);
    record->kind = MM_KIND_LEVELS;
    for (size_t i = 0; i < MM_LEVELS_PER_RECORD; i++) {
        mm_level *level = &record->body.levels[i];
        const char *next = MM_LIKELY(reader->end - p >= LEVEL_READ_BYTES)
                               ? level_short(reader, p, false, price_digits, level)
                               : NULL;
        if (MM_UNLIKELY(next == NULL)) {
            next = level_any(call, p, level);
            if (next == NULL) {
                return NULL;
            }
        }
        ++*level_count;
        p = next;
        char c = json_next(reader, &p);
        if (c == ']') {
            *closed = true;
            return p + 1;
        }
        if (MM_UNLIKELY(c != ',')) {
            return json_fault(&call->reader, MM_E_SYNTAX, p);
        }
        p++;
    }
    return p;
}

/* The array of levels at p into the records behind those used so far. */
static const char *scan_levels(feed_call *call, const char *p, feed_side *side)
{
    MM_ASSERT(*p == '[');
    const char *start = p;
    if (side->given) {
        return json_fault(&call->reader, MM_E_SYNTAX, p); /* as if its key stood there twice */
    }
    side->given = true;
    side->base = 1 + call->levels_used;
    side->level_count = 0;
    p++;
    if (json_next(&call->reader, &p) == ']') {
        return p + 1;
    }
    bool closed = false;
    uint32_t price_digits = 1;
    size_t level_count = 0;
    size_t at = side->base;
    while (p != NULL && !closed) { /* one record a turn, and they are bounded */
        if (at >= call->capacity || level_count >= MM_DEPTH_LEVELS_MAX) {
            return json_fault(&call->reader, MM_E_CAPACITY, start);
        }
        p = scan_record(call, p, &price_digits, &call->out[at], &level_count, &closed);
        at++;
    }
    side->level_count = level_count;
    call->levels_used = at - 1;
    if (p != NULL && level_count > MM_DEPTH_LEVELS_MAX) {
        return json_fault(&call->reader, MM_E_CAPACITY, start);
    }
    return p;
}

/* ---- Objects ---- */

/* True when the levels under this key can be read at once: the message is known to be depth. Not
 * further in, nor in an array: there a record may have been emitted where they would go. */
static bool levels_are_due(const feed_call *call, const feed_table *table, uint32_t slot)
{
    if (table == &call->feed->inner) {
        return false;
    }
    if (slot == SLOT_BIDS || slot == SLOT_ASKS) {
        return feed_has(table, SLOT_LAST_UPDATE_ID);
    }
    return (slot == SLOT_OF('b') || slot == SLOT_OF('a')) && feed_has(table, SLOT_OF('e')) &&
           feed_text_is(&table->slots[SLOT_OF('e')], "depthUpdate");
}

static bool is_bid_slot(uint32_t slot)
{
    return slot == SLOT_OF('b') || slot == SLOT_BIDS;
}

/* The container at p, the value of a slot. */
static const char *scan_container(feed_call *call, const char *p, feed_table *table, uint32_t slot)
{
    mm_feed *feed = call->feed;
    bool object = *p == '{';
    if (!object && levels_are_due(call, table, slot)) {
        return scan_levels(call, p, &call->sides[is_bid_slot(slot) ? MM_BID : MM_ASK]);
    }
    bool wrapped = slot == SLOT_DATA || slot == SLOT_EVENT || slot == SLOT_RESULT;
    if (object && wrapped && table == &feed->top) {
        if (call->payload_taken) {
            return json_fault(&call->reader, MM_E_SYNTAX, p); /* as if its key stood there twice */
        }
        call->payload_taken = true;
        return mm__feed_scan_object(call, p, &feed->payload);
    }
    return json_skip_container(&call->reader, p, JSON_DEPTH_MAX - (table == &feed->top ? 1 : 2));
}

/* A key that is not written as the exchange does, or has no fast path. */
static const char *scan_name(feed_call *call, const char *p, uint32_t *slot)
{
    json_token key;
    const char *value = json_key(&call->reader, p, &key);
    if (value == NULL) {
        return NULL;
    }
    const char *name = key.at;
    size_t bytes = key.value.bytes;
    char decoded[24]; /* longer than any name that is known */
    if (key.kind == JSON_ESCAPED) {
        if (!feed_copy_text(call, &key, decoded, sizeof decoded)) {
            return NULL;
        }
        name = decoded;
        bytes = strlen(decoded);
    }
    bool is_letter = bytes == 1 && ((uint32_t)(unsigned char)*name | 0x20) - 'a' < 26;
    *slot = is_letter ? SLOT_OF((unsigned char)*name) : slot_of_name(name, bytes);
    return value;
}

/* From the opening quote of a key to its value; finds the slot. The keys of the market streams are
 * told from the first eight bytes. */
static inline const char *scan_key(feed_call *call, const char *p, uint32_t *slot)
{
    static const char stream[8] = {'"', 's', 't', 'r', 'e', 'a', 'm', '"'};
    static const char data[8] = {'"', 'd', 'a', 't', 'a', '"', ':', 0};
    uint64_t word = json_peek_word(&call->reader, p);
    uint32_t letter = (uint32_t)(word >> 8) & 0xFF;
    if (MM_LIKELY((word & 0xFFFF00FF) == (JSON_CHARS3('"', 0, '"') | (uint64_t)':' << 24) &&
                  (letter | 0x20) - 'a' < 26)) {
        *slot = SLOT_OF(letter);
        return p + 4;
    }
    if ((word & UINT64_C(0x00FFFFFFFFFFFFFF)) == json_word(data)) {
        *slot = SLOT_DATA;
        return p + 7;
    }
    if (word == json_word(stream) && json_peek(&call->reader, p + 8) == ':') {
        *slot = SLOT_STREAM;
        return p + 9;
    }
    return scan_name(call, p, slot);
}

/* The object at p into the table. A key that has a slot may stand there once. */
const char *mm__feed_scan_object(feed_call *call, const char *p, feed_table *table)
{
    json_reader *reader = &call->reader;
    MM_ASSERT(*p == '{');
    table->seen[0] = 0;
    table->seen[1] = 0;
    p++;
    char c = json_next(reader, &p);
    while (c != '}') { /* a member a turn */
        uint32_t slot = SLOT_UNKNOWN;
        const char *key_at = p;
        p = scan_key(call, p, &slot);
        if (MM_UNLIKELY(p == NULL)) {
            return NULL;
        }
        uint64_t bit = UINT64_C(1) << (slot & 63);
        if (MM_UNLIKELY((table->seen[slot >> 6] & bit) != 0 && slot != SLOT_UNKNOWN)) {
            return json_fault(reader, MM_E_SYNTAX, key_at);
        }
        json_token *token = &table->slots[slot];
        c = json_next(reader, &p);
        if (c == '"') {
            p = json_string(reader, p + 1, token);
        } else if (c == '{' || c == '[') {
            token->at = p;
            token->kind = c == '{' ? JSON_OBJECT : JSON_ARRAY;
            p = scan_container(call, p, table, slot);
        } else if ((uint32_t)(unsigned char)c - '0' < 10) {
            p = json_number(reader, p, token);
        } else {
            p = json_scalar(reader, p, token);
        }
        if (MM_UNLIKELY(p == NULL)) {
            return NULL;
        }
        table->seen[slot >> 6] |= bit;
        c = json_next(reader, &p);
        if (c == ',') {
            p++;
            if (MM_UNLIKELY(json_next(reader, &p) != '"')) {
                return json_fault(reader, MM_E_SYNTAX, p);
            }
        } else if (MM_UNLIKELY(c != '}')) {
            return json_fault(reader, MM_E_SYNTAX, p);
        }
    }
    table->end = p;
    return p + 1;
}

const char *mm__feed_scan_array(feed_call *call, const char *p, feed_table *table,
                                feed_element each, const void *context)
{
    json_reader *reader = &call->reader;
    MM_ASSERT(*p == '[');
    json_token ignored;
    p++;
    if (json_next(reader, &p) == ']') {
        return p + 1;
    }
    char c = ',';
    while (c == ',') { /* an element a turn */
        c = json_next(reader, &p);
        if (c == '{') {
            p = mm__feed_scan_object(call, p, table);
            p = p != NULL && each(call, table, context) ? p : NULL;
        } else if (c == '[') {
            p = json_skip_container(reader, p, JSON_DEPTH_MAX - 1);
        } else {
            p = json_scalar(reader, p, &ignored);
        }
        if (p == NULL) {
            return NULL;
        }
        c = json_next(reader, &p);
        p++;
    }
    MM_ASSERT(c == ']');
    return p;
}

/* ---- Market data ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Whether the stream's name ("btcusdt@depth20") begins with the symbol that is wanted. */
static bool stream_is_wanted(const feed_call *call)
{
    const char *symbol = call->feed->config.symbol;
    const char *stream = call->info->stream;
    if (*symbol == '\0') {
        return true;
    }
    while (*symbol != '\0' && lower(*symbol) == lower(*stream)) {
        symbol++;
        stream++;
    }
    return *symbol == '\0' && *stream == '@';
}

static void reverse(mm_record *records, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        mm_record kept = records[i];
        records[i] = records[count - 1 - i];
        records[count - 1 - i] = kept;
    }
}

/* Puts the bids before the asks, when they were met the other way round. */
static void order_sides(feed_call *call)
{
    const feed_side *bids = &call->sides[MM_BID];
    const feed_side *asks = &call->sides[MM_ASK];
    if (bids->base <= asks->base) {
        return;
    }
    size_t ask_records = bids->base - asks->base;
    MM_ASSERT(asks->base == 1 && ask_records <= call->levels_used);
    mm_record *records = call->out + 1;
    reverse(records, ask_records);
    reverse(records + ask_records, call->levels_used - ask_records);
    reverse(records, call->levels_used);
}

/* Reads the levels of both slots, if that has not been done, and makes the header of the event.
 * NULL after a fault. */
static mm_record *take_levels(feed_call *call, const feed_table *table, uint32_t bid_slot,
                              uint32_t ask_slot, uint16_t kind)
{
    const uint32_t slots[2] = {bid_slot, ask_slot};
    for (int32_t side = MM_BID; side <= MM_ASK; side++) {
        const json_token *token = feed_want(call, table, slots[side]);
        if (token == NULL) {
            return NULL;
        }
        if (token->kind != JSON_ARRAY) {
            feed_fault(call, MM_E_SYNTAX, token->at);
            return NULL;
        }
        if (!call->sides[side].given && scan_levels(call, token->at, &call->sides[side]) == NULL) {
            return NULL;
        }
    }
    order_sides(call);
    mm_record *header = feed_emit(call, kind, 0, 1);
    if (header == NULL) {
        return NULL;
    }
    MM_ASSERT(header == call->out);
    header->count = (uint32_t)(1 + call->levels_used);
    header->body.depth.bid_count = (uint32_t)call->sides[MM_BID].level_count;
    header->body.depth.ask_count = (uint32_t)call->sides[MM_ASK].level_count;
    header->body.depth.prev_id = -1;
    header->body.depth.recv_ns = call->recv_ns;
    call->used += call->levels_used;
    return header;
}

static bool on_depth(feed_call *call, const feed_table *table)
{
    bool wanted = false;
    int64_t first_id = 0;
    int64_t last_id = 0;
    int64_t time_us = 0;
    if (!feed_take_symbol(call, table, SLOT_OF('s'), &wanted) ||
        !feed_want_natural(call, table, SLOT_OF('U'), &first_id) ||
        !feed_want_natural(call, table, SLOT_OF('u'), &last_id) ||
        (feed_has(table, SLOT_OF('E')) && !feed_want_time(call, table, SLOT_OF('E'), &time_us))) {
        return false;
    }
    mm_record *header = take_levels(call, table, SLOT_OF('b'), SLOT_OF('a'), MM_KIND_DEPTH);
    if (header == NULL) {
        return false;
    }
    header->body.depth.first_id = first_id;
    header->body.depth.last_id = last_id;
    header->body.depth.event_time_us = time_us;
    if (feed_has(table, SLOT_PREV_ID)) {
        header->flags |= MM_FLAG_FUTURES;
        if (!feed_want_integer(call, table, SLOT_PREV_ID, &header->body.depth.prev_id)) {
            return false;
        }
    }
    call->used = wanted ? call->used : 0;
    return true;
}

/* A snapshot, or under a stream's name a partial book, which says its symbol there alone. */
static bool on_book(feed_call *call, const feed_table *table)
{
    bool partial = table == &call->feed->payload;
    bool wanted = !partial || stream_is_wanted(call);
    int64_t last_id = 0;
    int64_t time_us = 0;
    if (!feed_want_natural(call, table, SLOT_LAST_UPDATE_ID, &last_id) ||
        (feed_has(table, SLOT_OF('E')) && !feed_want_time(call, table, SLOT_OF('E'), &time_us)) ||
        (feed_has(table, SLOT_SYMBOL) && !feed_take_symbol(call, table, SLOT_SYMBOL, &wanted))) {
        return false;
    }
    mm_record *header = take_levels(call, table, SLOT_BIDS, SLOT_ASKS,
                                    partial ? MM_KIND_PARTIAL : MM_KIND_SNAPSHOT);
    if (header == NULL) {
        return false;
    }
    header->body.depth.first_id = last_id;
    header->body.depth.last_id = last_id;
    header->body.depth.event_time_us = time_us;
    call->used = wanted ? call->used : 0;
    return true;
}

static bool on_ticker(feed_call *call, const feed_table *table)
{
    bool wanted = false;
    mm_ticker_body body = {0, 0, 0, 0, 0, call->recv_ns};
    if (!feed_take_symbol(call, table, SLOT_OF('s'), &wanted) ||
        !feed_want_natural(call, table, SLOT_OF('u'), &body.update_id) ||
        !feed_want_decimal(call, table, SLOT_OF('b'), &body.bid_price_e8) ||
        !feed_want_decimal(call, table, SLOT_OF('B'), &body.bid_qty_e8) ||
        !feed_want_decimal(call, table, SLOT_OF('a'), &body.ask_price_e8) ||
        !feed_want_decimal(call, table, SLOT_OF('A'), &body.ask_qty_e8)) {
        return false;
    }
    mm_record *record = wanted ? feed_emit(call, MM_KIND_TICKER, 0, 1) : NULL;
    if (record != NULL) {
        record->body.ticker = body;
    }
    return call->reader.status == MM_OK;
}

static bool take_trade(feed_call *call, const feed_table *table, uint32_t id_slot,
                       uint32_t first_slot, uint16_t flags)
{
    bool wanted = false;
    bool buyer_maker = false;
    mm_trade_body body = {0, 0, 0, 0, call->recv_ns, 0};
    if (!feed_take_symbol(call, table, SLOT_OF('s'), &wanted) ||
        !feed_want_natural(call, table, id_slot, &body.trade_id) ||
        !feed_want_natural(call, table, first_slot, &body.first_trade_id) ||
        !feed_want_decimal(call, table, SLOT_OF('p'), &body.price_e8) ||
        !feed_want_decimal(call, table, SLOT_OF('q'), &body.qty_e8) ||
        !feed_want_time(call, table, SLOT_OF('T'), &body.trade_time_us) ||
        !feed_want_bool(call, table, SLOT_OF('m'), &buyer_maker)) {
        return false;
    }
    flags = (uint16_t)(flags | (buyer_maker ? MM_FLAG_BUYER_MAKER : 0));
    mm_record *record = wanted ? feed_emit(call, MM_KIND_TRADE, flags, 1) : NULL;
    if (record != NULL) {
        record->body.trade = body;
    }
    return call->reader.status == MM_OK;
}

static bool on_trade(feed_call *call, const feed_table *table)
{
    return take_trade(call, table, SLOT_OF('t'), SLOT_OF('t'), 0);
}

static bool on_agg_trade(feed_call *call, const feed_table *table)
{
    return take_trade(call, table, SLOT_OF('a'), SLOT_OF('f'), MM_FLAG_AGGREGATE);
}

/* ---- Notices ---- */

static bool on_shutdown(feed_call *call, const feed_table *table)
{
    (void)table;
    call->info->shutdown = 1;
    return true;
}

static bool on_terminated(feed_call *call, const feed_table *table)
{
    (void)table;
    call->info->terminated = 1;
    return true;
}

/* ---- What a message is ---- */

typedef bool (*feed_handler)(feed_call *call, const feed_table *table);

#define EVENT(text, handler)                                                                       \
    if (feed_text_is(name, text)) {                                                                \
        return handler;                                                                            \
    }

/* Who reads this event; NULL when nobody does. */
static feed_handler handler_of(const json_token *name)
{
    switch (name->value.bytes) {
    case 5:
        EVENT("trade", on_trade)
        break;
    case 8:
        EVENT("aggTrade", on_agg_trade)
        break;
    case 10:
        EVENT("bookTicker", on_ticker) /* of the futures; Spot's has no name */
        break;
    case 11:
        EVENT("depthUpdate", on_depth)
        break;
    case 13:
        EVENT("balanceUpdate", mm__feed_on_balance_update)
        break;
    case 14:
        EVENT("serverShutdown", on_shutdown)
        break;
    case 15:
        EVENT("executionReport", mm__feed_on_execution_report)
        break;
    case 18:
        EVENT("externalLockUpdate", mm__feed_on_external_lock)
        break;
    case 21:
        EVENT("eventStreamTerminated", on_terminated)
        break;
    case 23:
        EVENT("outboundAccountPosition", mm__feed_on_account_position)
        break;
    default:
        break;
    }
    return NULL;
}

/* An event that says what it is. */
static bool on_event(feed_call *call, const feed_table *table)
{
    json_token name = table->slots[SLOT_OF('e')];
    char decoded[32]; /* longer than any name that is known */
    if (!feed_is_string(&name)) {
        return feed_fault(call, MM_E_SYNTAX, name.at);
    }
    if (MM_UNLIKELY(name.kind == JSON_ESCAPED)) {
        if (!feed_copy_text(call, &name, decoded, sizeof decoded)) {
            return false;
        }
        name.at = decoded;
        name.value.bytes = strlen(decoded);
        name.kind = JSON_STRING;
    }
    feed_handler handler = handler_of(&name);
    return handler == NULL || handler(call, table);
}

static bool is_ticker(const feed_table *table)
{
    const uint64_t letters = UINT64_C(1) << SLOT_OF('u') | UINT64_C(1) << SLOT_OF('s') |
                             UINT64_C(1) << SLOT_OF('b') | UINT64_C(1) << SLOT_OF('B') |
                             UINT64_C(1) << SLOT_OF('a') | UINT64_C(1) << SLOT_OF('A');
    return (table->seen[0] & letters) == letters;
}

/* An object that stands for itself, or that a wrapper held. */
static bool on_object(feed_call *call, const feed_table *table)
{
    if (feed_has(table, SLOT_OF('e'))) {
        return on_event(call, table);
    }
    if (is_ticker(table)) {
        return on_ticker(call, table);
    }
    if (feed_has(table, SLOT_LAST_UPDATE_ID)) {
        return on_book(call, table);
    }
    return mm__feed_on_body(call, table);
}

static bool on_top(feed_call *call)
{
    const feed_table *top = &call->feed->top;
    const feed_table *payload = &call->feed->payload;
    if (feed_has(top, SLOT_STREAM) && feed_has(top, SLOT_DATA)) {
        if (!feed_copy_text(call, &top->slots[SLOT_STREAM], call->info->stream,
                            sizeof call->info->stream)) {
            return false;
        }
        return top->slots[SLOT_DATA].kind != JSON_OBJECT || on_object(call, payload);
    }
    if (feed_has_kind(top, SLOT_EVENT, JSON_OBJECT)) {
        if (feed_has(top, SLOT_SUBSCRIPTION_ID) &&
            !feed_want_natural(call, top, SLOT_SUBSCRIPTION_ID, &call->info->subscription_id)) {
            return false;
        }
        return on_object(call, payload);
    }
    if (feed_has(top, SLOT_ID) && (feed_has(top, SLOT_STATUS) || feed_has(top, SLOT_RESULT) ||
                                   feed_has(top, SLOT_ERROR) || feed_has(top, SLOT_CODE))) {
        return mm__feed_on_reply(call, top);
    }
    return on_object(call, top);
}

/* ---- The call ---- */

static bool decode_text(feed_call *call)
{
    json_reader *reader = &call->reader;
    mm_feed *feed = call->feed;
    const char *p = reader->text;
    char c = json_next(reader, &p);
    if (c == '{') {
        p = mm__feed_scan_object(call, p, &feed->top);
    } else if (c == '[') {
        p = json_skip_container(reader, p, JSON_DEPTH_MAX);
    } else {
        return feed_fault(call, MM_E_SYNTAX, p);
    }
    if (p == NULL) {
        return false;
    }
    p = json_skip_blanks(reader, p);
    if (p != reader->end) {
        return feed_fault(call, MM_E_SYNTAX, p);
    }
    return c == '[' || on_top(call);
}

static void clear_info(mm_feed_info *info)
{
    info->symbol[0] = '\0';
    info->stream[0] = '\0';
    info->request_id[0] = '\0';
    info->client_id[0] = '\0';
    info->error_code = 0;
    info->http_status = 0;
    info->retry_after_ms = 0;
    info->subscription_id = -1;
    info->used_weight = -1;
    info->operation = MM_OP_NONE;
    info->shutdown = 0;
    info->terminated = 0;
    info->error_text[0] = '\0';
}

mm_status mm_feed_decode(mm_feed *feed, const char *text, size_t text_bytes, int64_t recv_ns,
                         mm_record *out, size_t out_capacity, size_t *out_count, size_t *error_at)
{
    MM_ASSERT(feed != NULL && out_count != NULL && error_at != NULL);
    MM_ASSERT(text != NULL || text_bytes == 0);
    MM_ASSERT(out != NULL || out_capacity == 0);
    char padded[16] = {0};
    if (text_bytes < 8) {
        /* Shorter than a word: to the end of a place where a whole word can be read. */
        if (text_bytes > 0) {
            memcpy(padded + sizeof padded - text_bytes, text, text_bytes);
        }
        text = padded + sizeof padded - text_bytes;
    }
    feed_call call;
    call.reader.text = text;
    call.reader.end = text + text_bytes;
    call.reader.last_word = call.reader.end - 8;
    call.reader.fault_at = text;
    call.reader.status = MM_OK;
    call.feed = feed;
    call.info = &feed->info;
    call.out = out;
    call.capacity = out_capacity;
    call.used = 0;
    call.levels_used = 0;
    call.recv_ns = recv_ns;
    call.sides[MM_BID].given = false;
    call.sides[MM_ASK].given = false;
    call.payload_taken = false;
    clear_info(&feed->info);
    bool decoded = decode_text(&call);
    MM_ASSERT(decoded == (call.reader.status == MM_OK));
    *out_count = decoded ? call.used : 0;
    *error_at = decoded ? 0 : (size_t)(call.reader.fault_at - text);
    return call.reader.status;
}

/* ---- Life ---- */

size_t mm_feed_bytes(void)
{
    return sizeof(mm_feed);
}

/* Whether a text of the configuration ends within its array; *bytes = its length, zeros behind. */
static bool take_config_text(char *text, size_t capacity, size_t *bytes)
{
    const char *zero = memchr(text, '\0', capacity);
    if (zero == NULL) {
        return false;
    }
    *bytes = (size_t)(zero - text);
    memset(text + *bytes, 0, capacity - *bytes);
    return true;
}

mm_status mm_feed_init(void *memory, size_t memory_bytes, const mm_feed_config *config,
                       mm_feed **feed)
{
    MM_ASSERT(config != NULL);
    MM_ASSERT(feed != NULL);
    if (!mm__memory_fits(memory, memory_bytes, sizeof(mm_feed))) {
        return MM_E_ARGUMENT;
    }
    mm_feed *made = memory;
    memset(made, 0, sizeof *made);
    made->config = *config;
    size_t symbol_bytes = 0;
    if (!take_config_text(made->config.symbol, sizeof made->config.symbol, &symbol_bytes) ||
        !take_config_text(made->config.order_prefix, sizeof made->config.order_prefix,
                          &made->order_prefix_bytes) ||
        !take_config_text(made->config.account_prefix, sizeof made->config.account_prefix,
                          &made->account_prefix_bytes)) {
        return MM_E_ARGUMENT;
    }
    clear_info(&made->info);
    *feed = made;
    return MM_OK;
}

mm_feed *mm_feed_new(const mm_feed_config *config)
{
    void *memory = mm__memory_new(sizeof(mm_feed));
    mm_feed *feed = NULL;
    if (memory != NULL && mm_feed_init(memory, sizeof(mm_feed), config, &feed) != MM_OK) {
        mm__memory_free(memory);
    }
    return feed;
}

void mm_feed_free(mm_feed *feed)
{
    mm__memory_free(feed);
}

const mm_feed_info *mm_feed_last(const mm_feed *feed)
{
    MM_ASSERT(feed != NULL);
    return &feed->info;
}

const char *mm__feed_symbol(const mm_feed *feed)
{
    MM_ASSERT(feed != NULL);
    return feed->config.symbol;
}
