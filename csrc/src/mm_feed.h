/* What the files of the feed share: the table an object is scanned into, and the ways to read
 * values from it; never installed. mm_feed.c scans and reads market data; mm_feed_order.c reads
 * orders, balances, replies and errors.
 *
 * A reader that fails has noted the fault in the call's JSON reader, and the message yields
 * nothing. */
#ifndef MM_FEED_H
#define MM_FEED_H

#include "mm_json.h"
#include "mm_utf8.h"

/* ---- Slots ---- */

/* A key of one letter has the slot (letter & 63): 1..26 and 33..58. */
#define SLOT_OF(letter) ((uint32_t)(letter)&63)

enum {
    SLOT_UNKNOWN = 0,
    SLOT_NAMES = 64,
    SLOT_AMENDED_ORDER = SLOT_NAMES,
    SLOT_ASKS,
    SLOT_BIDS,
    SLOT_CANCEL_RESPONSE,
    SLOT_CANCEL_RESULT,
    SLOT_CLIENT_ORDER_ID,
    SLOT_CODE,
    SLOT_COUNT,
    SLOT_DATA,
    SLOT_ERROR,
    SLOT_EVENT,
    SLOT_EXECUTED_QTY,
    SLOT_ID,
    SLOT_INTERVAL,
    SLOT_INTERVAL_NUM,
    SLOT_LAST_UPDATE_ID,
    SLOT_LIMIT,
    SLOT_MSG,
    SLOT_NEW_ORDER_RESPONSE,
    SLOT_NEW_ORDER_RESULT,
    SLOT_ORDER_ID,
    SLOT_ORIG_CLIENT_ORDER_ID,
    SLOT_ORIG_QTY,
    SLOT_PREV_ID,
    SLOT_PRICE,
    SLOT_QTY,
    SLOT_RATE_LIMIT_TYPE,
    SLOT_RATE_LIMITS,
    SLOT_RESULT,
    SLOT_RETRY_AFTER,
    SLOT_SIDE,
    SLOT_STATUS,
    SLOT_STREAM,
    SLOT_SUBSCRIPTION_ID,
    SLOT_SYMBOL,
    SLOT_END
};

MM_STATIC_ASSERT(SLOT_END <= 128, slots_fit_the_two_words_of_seen);

/* Which slots hold the values of one object. */
typedef struct {
    uint64_t seen[2];
    const char *end; /* its closing brace: where a missing key is said to be */
    json_token slots[SLOT_END];
} feed_table;

struct mm_feed {
    mm_feed_config config;
    size_t order_prefix_bytes;
    size_t account_prefix_bytes;
    mm_feed_info info;
    feed_table top;
    feed_table payload; /* of the object in a wrapper: data, event, result */
    feed_table inner;   /* of objects further in, and of the elements of an array */
};

/* Levels of one side where they stand in the output. */
typedef struct {
    bool given;
    size_t base; /* first record */
    size_t level_count;
} feed_side;

/* One call of mm_feed_decode. */
typedef struct {
    json_reader reader;
    mm_feed *feed;
    mm_feed_info *info;
    mm_record *out;
    size_t capacity;
    size_t used;        /* whole events emitted */
    size_t levels_used; /* records of levels behind out[0], which is kept for their header */
    int64_t recv_ns;
    feed_side sides[2];
    bool payload_taken;
    bool budget_given;
    mm_budget_body budget;
    json_token legs[4]; /* cancelReplace: cancelResult, cancelResponse, newOrderResult, newOrderResponse */
} feed_call;

static inline bool feed_fault(feed_call *call, mm_status status, const char *at)
{
    json_fault(&call->reader, status, at);
    return false;
}

static inline bool feed_has(const feed_table *table, uint32_t slot)
{
    return (table->seen[slot >> 6] >> (slot & 63) & 1) != 0;
}

static inline bool feed_has_kind(const feed_table *table, uint32_t slot, json_kind kind)
{
    return feed_has(table, slot) && table->slots[slot].kind == kind;
}

/* ---- Text ---- */

/* Decodes one character of a string that the scanner has passed: an escape or a UTF-8 sequence.
 * Returns the bytes taken, 0 when it is not UTF-8. */
static inline size_t feed_decode_character(const feed_call *call, const char *at, size_t left,
                                           char *out, size_t *out_bytes)
{
    static const char plain[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    if (*at != '\\') {
        *out_bytes = mm__utf8_sequence((const uint8_t *)at, left);
        memcpy(out, at, *out_bytes);
        return *out_bytes;
    }
    if (at[1] != 'u') {
        const char *found = strchr(plain, at[1]);
        MM_ASSERT(found != NULL);
        out[0] = meant[found - plain];
        *out_bytes = 1;
        return 2;
    }
    size_t taken = 0;
    uint32_t code = (uint32_t)json_unicode(&call->reader, at, &taken);
    MM_ASSERT(code <= 0x10FFFF);
    size_t bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t leads[5] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    for (size_t i = bytes - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(leads[bytes] | code);
    *out_bytes = bytes;
    return taken;
}

/* A string that holds escapes, bytes over 0x7F, or more than fits. */
static inline bool feed_copy_text_slow(feed_call *call, const json_token *token, char *out,
                                       size_t out_bytes)
{
    const char *at = token->at;
    size_t left = token->value.bytes;
    size_t used = 0;
    bool room = true;
    while (left > 0) {
        char character[4];
        size_t bytes = 0;
        size_t taken = feed_decode_character(call, at, left, character, &bytes);
        if (taken == 0) {
            return feed_fault(call, MM_E_SYNTAX, at);
        }
        room = room && used + bytes < out_bytes;
        if (room) {
            memcpy(out + used, character, bytes);
            used += bytes;
        }
        at += taken;
        left -= taken;
    }
    memset(out + used, 0, out_bytes - used);
    return true;
}

static inline bool feed_is_string(const json_token *token)
{
    return token->kind == JSON_STRING || token->kind == JSON_ESCAPED;
}

/* Copies a string, cut to fit at a whole character, decoded, and zero-terminated. out_bytes is a
 * multiple of 8. */
static inline bool feed_copy_text(feed_call *call, const json_token *token, char *out,
                                  size_t out_bytes)
{
    MM_ASSERT(out_bytes % 8 == 0);
    if (!feed_is_string(token)) {
        return feed_fault(call, MM_E_SYNTAX, token->at);
    }
    size_t bytes = token->value.bytes;
    if (token->kind == JSON_ESCAPED || bytes >= out_bytes) {
        return feed_copy_text_slow(call, token, out, out_bytes);
    }
    uint64_t any = 0;
    size_t at = 0;
    for (; at + 8 <= bytes; at += 8) {
        uint64_t word = json_word(token->at + at);
        any |= word;
        json_word_store(word, out + at);
    }
    uint64_t kept = (UINT64_C(1) << (8 * (bytes - at))) - 1;
    uint64_t tail = json_peek_word(&call->reader, token->at + at) & kept;
    json_word_store(tail, out + at);
    if (((any | tail) & JSON_REPEAT(0x80)) != 0) {
        return feed_copy_text_slow(call, token, out, out_bytes);
    }
    return true;
}

/* With a literal the comparison is a few instructions. */
static inline bool feed_text_is(const json_token *token, const char *text)
{
    size_t bytes = strlen(text);
    return token->kind == JSON_STRING && token->value.bytes == bytes &&
           memcmp(token->at, text, bytes) == 0;
}

/* ---- Values ---- */

/* A value of another type than the message must have. */
static inline bool feed_wrong_type(feed_call *call, const json_token *token)
{
    return feed_fault(call, MM_E_SYNTAX, token->at - (feed_is_string(token) ? 1 : 0));
}

/* The value under a key that the message must have; NULL after a fault. */
static inline const json_token *feed_want(feed_call *call, const feed_table *table, uint32_t slot)
{
    if (!feed_has(table, slot)) {
        feed_fault(call, MM_E_SYNTAX, table->end);
        return NULL;
    }
    return &table->slots[slot];
}

static inline bool feed_want_text(feed_call *call, const feed_table *table, uint32_t slot,
                                  char *out, size_t out_bytes)
{
    const json_token *token = feed_want(call, table, slot);
    return token != NULL && feed_copy_text(call, token, out, out_bytes);
}

static inline bool feed_want_integer(feed_call *call, const feed_table *table, uint32_t slot,
                                     int64_t *value)
{
    const json_token *token = feed_want(call, table, slot);
    if (token == NULL) {
        return false;
    }
    if (token->kind == JSON_HUGE) {
        return feed_fault(call, MM_E_OVERFLOW, token->at);
    }
    if (token->kind != JSON_INTEGER) {
        return feed_wrong_type(call, token);
    }
    *value = token->value.integer;
    return true;
}

/* An integer that is never negative: an id of the book, a count, a time. */
static inline bool feed_want_natural(feed_call *call, const feed_table *table, uint32_t slot,
                                     int64_t *value)
{
    if (!feed_want_integer(call, table, slot, value)) {
        return false;
    }
    if (*value < 0) {
        return feed_fault(call, MM_E_SYNTAX, table->slots[slot].at);
    }
    return true;
}

/* Milliseconds or microseconds since the epoch, told apart by size, as microseconds. */
static inline bool feed_want_time(feed_call *call, const feed_table *table, uint32_t slot,
                                  int64_t *time_us)
{
    const int64_t first_micros = INT64_C(100000000000000);
    if (!feed_want_natural(call, table, slot, time_us)) {
        return false;
    }
    *time_us *= *time_us < first_micros ? 1000 : 1;
    return true;
}

static inline bool feed_want_bool(feed_call *call, const feed_table *table, uint32_t slot,
                                  bool *value)
{
    const json_token *token = feed_want(call, table, slot);
    if (token == NULL) {
        return false;
    }
    if (token->kind != JSON_TRUE && token->kind != JSON_FALSE) {
        return feed_wrong_type(call, token);
    }
    *value = token->kind == JSON_TRUE;
    return true;
}

/* The decimal of a string token, by the rules of mm_fixed_parse. */
static inline bool feed_read_decimal(feed_call *call, const json_token *token, int64_t *value_e8)
{
    if (!feed_is_string(token)) {
        return feed_fault(call, MM_E_SYNTAX, token->at);
    }
    const char *close = token->at + token->value.bytes;
    if (json_decimal_short(&call->reader, token->at, true, value_e8) == close) {
        return true;
    }
    mm_status status = mm_fixed_parse(token->at, token->value.bytes, value_e8);
    if (status != MM_OK) {
        return feed_fault(call, status, token->at);
    }
    return true;
}

static inline bool feed_want_signed(feed_call *call, const feed_table *table, uint32_t slot,
                                    int64_t *value_e8)
{
    const json_token *token = feed_want(call, table, slot);
    return token != NULL && feed_read_decimal(call, token, value_e8);
}

/* A price or quantity: never with a sign. */
static inline bool feed_want_decimal(feed_call *call, const feed_table *table, uint32_t slot,
                                     int64_t *value_e8)
{
    const json_token *token = feed_want(call, table, slot);
    if (token == NULL || !feed_read_decimal(call, token, value_e8)) {
        return false;
    }
    if (*token->at == '-') {
        return feed_fault(call, MM_E_SYNTAX, token->at);
    }
    return true;
}

/* A price or quantity that some messages do not have; then *value_e8 stays. */
static inline bool feed_may_decimal(feed_call *call, const feed_table *table, uint32_t slot,
                                    int64_t *value_e8)
{
    return !feed_has(table, slot) || feed_want_decimal(call, table, slot, value_e8);
}

/* ---- Output ---- */

/* Room for one event of `count` cleared records; NULL after a fault. */
static inline mm_record *feed_emit(feed_call *call, uint16_t kind, uint16_t flags, uint32_t count)
{
    if (call->capacity - call->used < count) {
        feed_fault(call, MM_E_CAPACITY, call->reader.end);
        return NULL;
    }
    MM_ASSERT(count > 0);
    static const mm_record cleared;
    mm_record *record = &call->out[call->used];
    record[0] = cleared;
    record->kind = kind;
    record->flags = flags;
    record->count = count;
    for (uint32_t i = 1; i < count; i++) {
        record[i] = cleared;
        record[i].kind = MM_KIND_MORE;
    }
    call->used += count;
    return record;
}

/* The message's symbol into info; *wanted tells whether its messages are to become records. */
static inline bool feed_take_symbol(feed_call *call, const feed_table *table, uint32_t slot,
                                    bool *wanted)
{
    char *symbol = call->info->symbol;
    const mm_feed_config *config = &call->feed->config;
    memset(symbol, 0, sizeof call->info->symbol);
    if (!feed_want_text(call, table, slot, symbol, sizeof call->info->symbol)) {
        return false;
    }
    *wanted =
        config->symbol[0] == '\0' || memcmp(symbol, config->symbol, sizeof config->symbol) == 0;
    return true;
}

/* ---- Between the files ---- */

/* Called on an object, with the table it was scanned into. */
typedef bool (*feed_element)(feed_call *call, const feed_table *table, const void *context);

/* Scans the object at p into the table. */
const char *mm__feed_scan_object(feed_call *call, const char *p, feed_table *table);
/* Scans the array at p, which was skipped before and so is JSON, and calls `each` on every object in it; other
 * elements are passed over. An object may still be refused: its keys may stand there twice. */
const char *mm__feed_scan_array(feed_call *call, const char *p, feed_table *table,
                                feed_element each, const void *context);

/* Events of the account. */
bool mm__feed_on_execution_report(feed_call *call, const feed_table *table);
bool mm__feed_on_account_position(feed_call *call, const feed_table *table);
bool mm__feed_on_balance_update(feed_call *call, const feed_table *table);
bool mm__feed_on_external_lock(feed_call *call, const feed_table *table);
/* A reply of the WebSocket API. */
bool mm__feed_on_reply(feed_call *call, const feed_table *table);
/* An object that is neither event nor book nor reply. */
bool mm__feed_on_body(feed_call *call, const feed_table *table);

#endif /* MM_FEED_H */
