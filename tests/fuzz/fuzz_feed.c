/* The JSON decoder on any bytes. What it accepts is JSON by a strict parser written beside it; with its keys in the opposite order
 * and other spacing it is the same message; and diffs, reports and balances are what that parser reads in them. */
#include "fixed_twin.h"

enum { NODES_MAX = 6000, DEPTH_MAX = 64, RECORDS_MAX = 2500, TEXT_MAX = 40000 };

typedef enum { NODE_OBJECT, NODE_ARRAY, NODE_STRING, NODE_NUMBER, NODE_WORD } node_kind;

typedef struct {
    node_kind kind;
    const uint8_t *at; /* of a string: behind the quote */
    size_t bytes;
    const uint8_t *key; /* of a member of an object */
    size_t key_bytes;
    int32_t first, last, next, before; /* children, siblings; -1 = none */
} node;

static struct {
    const uint8_t *at, *end;
    node nodes[NODES_MAX];
    int32_t count;
    bool too_much; /* deeper or larger than is looked at here */
} dom;

/* ---- A strict parser ---- */

static void blanks(void)
{
    while (dom.at < dom.end && (*dom.at == ' ' || *dom.at == '\t' || *dom.at == '\n' || *dom.at == '\r')) {
        dom.at++;
    }
}

static bool next_is(uint8_t byte)
{
    blanks();
    bool is = dom.at < dom.end && *dom.at == byte;
    dom.at += is;
    return is;
}

static bool hex(uint8_t byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

/* Behind the opening quote; *bytes without the closing one. */
static bool parse_string(const uint8_t **at, size_t *bytes)
{
    *at = dom.at;
    while (dom.at < dom.end && *dom.at != '"') {
        if (*dom.at < 0x20) {
            return false;
        }
        if (*dom.at++ == '\\') {
            size_t left = (size_t)(dom.end - dom.at);
            if (left >= 5 && *dom.at == 'u' && hex(dom.at[1]) && hex(dom.at[2]) && hex(dom.at[3]) && hex(dom.at[4])) {
                dom.at += 5;
            } else if (left >= 1 && *dom.at != 0 && strchr("\"\\/bfnrt", *dom.at) != NULL) {
                dom.at++;
            } else {
                return false;
            }
        }
    }
    *bytes = (size_t)(dom.at - *at);
    return dom.at < dom.end && *dom.at++ == '"';
}

static size_t digits(void)
{
    size_t count = 0;
    for (; dom.at < dom.end && is_digit(*dom.at); dom.at++) {
        count++;
    }
    return count;
}

static bool parse_number(void)
{
    dom.at += *dom.at == '-';
    bool zero = dom.at < dom.end && *dom.at == '0';
    size_t whole = digits();
    if (whole == 0 || (zero && whole > 1)) {
        return false;
    }
    if (dom.at < dom.end && *dom.at == '.') {
        dom.at++;
        if (digits() == 0) {
            return false;
        }
    }
    if (dom.at < dom.end && (*dom.at == 'e' || *dom.at == 'E')) {
        dom.at++;
        dom.at += dom.at < dom.end && (*dom.at == '+' || *dom.at == '-');
        return digits() > 0;
    }
    return true;
}

static bool parse_word(void)
{
    static const char *const words[3] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t bytes = strlen(words[i]);
        if ((size_t)(dom.end - dom.at) >= bytes && memcmp(dom.at, words[i], bytes) == 0) {
            dom.at += bytes;
            return true;
        }
    }
    return false;
}

static int32_t new_node(node_kind kind)
{
    dom.too_much |= dom.count == NODES_MAX;
    int32_t index = dom.too_much ? NODES_MAX - 1 : dom.count++;
    node made = {kind, dom.at, 0, NULL, 0, -1, -1, -1, -1};
    dom.nodes[index] = made;
    return index;
}

static int32_t parse_value(size_t depth);

/* Members or elements up to the closing bracket. */
static bool parse_children(int32_t parent, size_t depth)
{
    bool object = dom.nodes[parent].kind == NODE_OBJECT;
    uint8_t closing = object ? '}' : ']';
    if (next_is(closing)) {
        return true;
    }
    do {
        const uint8_t *key = NULL;
        size_t key_bytes = 0;
        if (object && (!next_is('"') || !parse_string(&key, &key_bytes) || !next_is(':'))) {
            return false;
        }
        int32_t child = parse_value(depth + 1);
        if (child < 0 || dom.too_much) {
            return false;
        }
        node *above = &dom.nodes[parent];
        dom.nodes[child].key = key;
        dom.nodes[child].key_bytes = key_bytes;
        dom.nodes[child].before = above->last;
        if (above->last >= 0) {
            dom.nodes[above->last].next = child;
        } else {
            above->first = child;
        }
        above->last = child;
    } while (next_is(','));
    return next_is(closing);
}

/* The index of the value's node, -1 when it is none. */
static int32_t parse_value(size_t depth)
{
    blanks();
    if (dom.at == dom.end || dom.too_much) {
        return -1;
    }
    uint8_t c = *dom.at;
    bool container = c == '{' || c == '[';
    if (container && depth >= DEPTH_MAX) {
        dom.too_much = true;
        return -1;
    }
    int32_t made = new_node(c == '{'   ? NODE_OBJECT
                            : c == '[' ? NODE_ARRAY
                            : c == '"' ? NODE_STRING
                            : c == '-' || is_digit(c) ? NODE_NUMBER
                                                      : NODE_WORD);
    dom.at += container || c == '"';
    bool good = true;
    if (container) {
        good = parse_children(made, depth);
    } else if (c == '"') {
        good = parse_string(&dom.nodes[made].at, &dom.nodes[made].bytes);
    } else {
        good = dom.nodes[made].kind == NODE_NUMBER ? parse_number() : parse_word();
        dom.nodes[made].bytes = (size_t)(dom.at - dom.nodes[made].at);
    }
    return good ? made : -1;
}

static bool parse(const uint8_t *text, size_t bytes)
{
    dom.at = text;
    dom.end = text + bytes;
    dom.count = 0;
    dom.too_much = false;
    int32_t root = parse_value(0);
    blanks();
    return root >= 0 && dom.at == dom.end && (dom.nodes[root].kind == NODE_OBJECT || dom.nodes[root].kind == NODE_ARRAY);
}

/* ---- The same message otherwise written ---- */

static struct {
    uint8_t bytes[TEXT_MAX];
    size_t count;
    uint32_t state;
} text;

static void write_bytes(const void *bytes, size_t count)
{
    FUZZ_CHECK(count <= TEXT_MAX - text.count);
    if (count > 0) {
        memcpy(text.bytes + text.count, bytes, count);
        text.count += count;
    }
}

static void write_blanks(void)
{
    static const char blank[4] = {' ', '\t', '\n', '\r'};
    text.state = text.state * 1664525u + 1013904223u;
    for (uint32_t i = text.state >> 29; i > 5; i--) {
        write_bytes(&blank[(text.state >> (i * 2)) & 3], 1);
    }
}

/* Members from the last to the first. */
static void write_node(int32_t index)
{
    const node *n = &dom.nodes[index];
    bool object = n->kind == NODE_OBJECT, container = object || n->kind == NODE_ARRAY;
    const char *quote = n->kind == NODE_STRING ? "\"" : "";
    write_blanks();
    if (!container) {
        write_bytes(quote, strlen(quote));
        write_bytes(n->at, n->bytes);
        write_bytes(quote, strlen(quote));
        return;
    }
    write_bytes(object ? "{" : "[", 1);
    for (int32_t child = object ? n->last : n->first; child >= 0;) {
        const node *c = &dom.nodes[child];
        if (object) {
            write_blanks();
            write_bytes("\"", 1);
            write_bytes(c->key, c->key_bytes);
            write_bytes("\"", 1);
            write_blanks();
            write_bytes(":", 1);
        }
        write_node(child);
        child = object ? c->before : c->next;
        write_blanks();
        if (child >= 0) {
            write_bytes(",", 1);
        }
    }
    write_bytes(object ? "}" : "]", 1);
}

/* ---- What is in a message ---- */

static bool is_text(int32_t index, const char *wanted)
{
    return index >= 0 && dom.nodes[index].kind == NODE_STRING && dom.nodes[index].bytes == strlen(wanted) &&
           memcmp(dom.nodes[index].at, wanted, strlen(wanted)) == 0;
}

static int32_t member(int32_t object, const char *key)
{
    if (object < 0 || dom.nodes[object].kind != NODE_OBJECT) {
        return -1;
    }
    for (int32_t child = dom.nodes[object].first; child >= 0; child = dom.nodes[child].next) {
        if (dom.nodes[child].key_bytes == strlen(key) && memcmp(dom.nodes[child].key, key, strlen(key)) == 0) {
            return child;
        }
    }
    return -1;
}

static int64_t integer_of(int32_t index)
{
    FUZZ_CHECK(index >= 0 && dom.nodes[index].kind == NODE_NUMBER && dom.nodes[index].bytes < 24);
    char digits_of[24] = {0};
    memcpy(digits_of, dom.nodes[index].at, dom.nodes[index].bytes);
    return strtoll(digits_of, NULL, 10);
}

static int64_t decimal_of(int32_t index)
{
    int64_t value_e8 = 0;
    FUZZ_CHECK(index >= 0 && dom.nodes[index].kind == NODE_STRING);
    FUZZ_CHECK(slow_syntax(dom.nodes[index].at, dom.nodes[index].bytes));
    FUZZ_EQUAL(slow_value(dom.nodes[index].at, dom.nodes[index].bytes, &value_e8), MM_OK);
    return value_e8;
}

/* Levels of one side in their records; returns the records. */
static size_t check_levels(const mm_record *records, int32_t side, uint32_t count)
{
    FUZZ_CHECK(side >= 0 && dom.nodes[side].kind == NODE_ARRAY);
    uint32_t at = 0;
    for (int32_t child = dom.nodes[side].first; child >= 0; child = dom.nodes[child].next, at++) {
        FUZZ_CHECK(at < count && dom.nodes[child].kind == NODE_ARRAY);
        const mm_level *level = &records[at / 3].body.levels[at % 3];
        int32_t price = dom.nodes[child].first, qty = dom.nodes[price].next;
        FUZZ_EQUAL(level->price_e8, decimal_of(price));
        FUZZ_EQUAL(level->qty_e8, decimal_of(qty));
        FUZZ_CHECK(level->price_e8 >= 0 && level->qty_e8 >= 0);
    }
    FUZZ_EQUAL(at, count);
    return (count + 2) / 3;
}

static void check_depth(int32_t object, const mm_record *records, size_t count)
{
    const mm_depth_body *body = &records[0].body.depth;
    int32_t previous = member(object, "pu");
    FUZZ_CHECK(count > 0 && records[0].kind == MM_KIND_DEPTH && records[0].count == count);
    FUZZ_EQUAL(body->first_id, integer_of(member(object, "U")));
    FUZZ_EQUAL(body->last_id, integer_of(member(object, "u")));
    FUZZ_EQUAL(body->prev_id, previous >= 0 ? integer_of(previous) : -1);
    FUZZ_EQUAL(records[0].flags, previous >= 0 ? MM_FLAG_FUTURES : 0);
    size_t bids = check_levels(records + 1, member(object, "b"), body->bid_count);
    size_t asks = check_levels(records + 1 + bids, member(object, "a"), body->ask_count);
    FUZZ_EQUAL(count, 1 + bids + asks);
}

static void check_report(int32_t object, const mm_record *records, size_t count)
{
    const mm_report_body *report = &records[0].body.report;
    const mm_fill_body *fill = &records[1].body.fill;
    bool trade = is_text(member(object, "x"), "TRADE");
    FUZZ_CHECK(count == 2 && records[0].kind == MM_KIND_REPORT && records[1].kind == MM_KIND_MORE);
    FUZZ_EQUAL(report->exchange_id, integer_of(member(object, "i")));
    FUZZ_EQUAL(report->executed_e8, decimal_of(member(object, "z")));
    FUZZ_EQUAL(report->price_e8, decimal_of(member(object, trade ? "L" : "p")));
    FUZZ_EQUAL(report->qty_e8, decimal_of(member(object, trade ? "l" : "q")));
    FUZZ_EQUAL((records[0].flags & MM_FLAG_FILL) != 0, trade);
    FUZZ_EQUAL(fill->trade_id, trade ? integer_of(member(object, "t")) : -1);
    if (trade) {
        FUZZ_EQUAL(fill->fee_e8, decimal_of(member(object, "n")));
    }
}

/* Balances in order; those whose numbers or names do not fit are left out. */
static void check_balances(int32_t object, const mm_record *records, size_t count)
{
    int32_t list = member(object, "B");
    size_t at = 0;
    FUZZ_CHECK(list >= 0 && dom.nodes[list].kind == NODE_ARRAY);
    for (int32_t row = dom.nodes[list].first; row >= 0; row = dom.nodes[row].next) {
        int32_t asset = member(row, "a"), free_ = member(row, "f"), locked = member(row, "l");
        int64_t free_e8 = 0, locked_e8 = 0;
        if (asset < 0 || dom.nodes[asset].bytes > 15 || memchr(dom.nodes[asset].at, '\\', dom.nodes[asset].bytes) != NULL ||
            free_ < 0 || locked < 0 || slow_value(dom.nodes[free_].at, dom.nodes[free_].bytes, &free_e8) != MM_OK ||
            slow_value(dom.nodes[locked].at, dom.nodes[locked].bytes, &locked_e8) != MM_OK) {
            continue;
        }
        while (at < count && (memcmp(records[at].body.balance.asset, dom.nodes[asset].at, dom.nodes[asset].bytes) != 0 ||
                              records[at].body.balance.free_e8 != free_e8 ||
                              records[at].body.balance.locked_e8 != locked_e8)) {
            at++; /* one whose name is written with escapes */
        }
        FUZZ_CHECK(at < count && records[at].kind == MM_KIND_BALANCE);
        at++;
    }
}

/* The object that says what the message is: the message, or what its wrapper holds. */
static int32_t event_of(void)
{
    int32_t data = member(0, "stream") >= 0 ? member(0, "data") : -1, event = member(0, "event");
    if (data >= 0) {
        return dom.nodes[data].kind == NODE_OBJECT ? data : -1;
    }
    if (event >= 0 && dom.nodes[event].kind == NODE_OBJECT) {
        return event;
    }
    return member(0, "id") >= 0 ? -1 : 0;
}

static void check_meaning(const mm_record *records, size_t count)
{
    int32_t object = event_of(), name = member(object, "e");
    if (dom.nodes[0].kind == NODE_ARRAY) {
        FUZZ_EQUAL(count, 0);
    } else if (is_text(name, "depthUpdate")) {
        check_depth(object, records, count);
    } else if (is_text(name, "executionReport")) {
        check_report(object, records, count);
    } else if (is_text(name, "outboundAccountPosition")) {
        check_balances(object, records, count);
    }
}

/* Events one behind the other, each as long as its kind says. */
static void check_shape(const mm_record *records, size_t count)
{
    for (size_t at = 0; at < count; at += records[at].count) {
        const mm_record *r = &records[at];
        bool depth = r->kind == MM_KIND_DEPTH || r->kind == MM_KIND_SNAPSHOT || r->kind == MM_KIND_PARTIAL;
        bool two = r->kind == MM_KIND_REPORT || r->kind == MM_KIND_TRADE_ROW;
        size_t wanted = depth ? 1 + (r->body.depth.bid_count + 2) / 3 + (r->body.depth.ask_count + 2) / 3 : two ? 2 : 1;
        FUZZ_CHECK(r->kind >= MM_KIND_DEPTH && r->kind < MM_KIND_PLACE);
        FUZZ_EQUAL(r->count, wanted);
        FUZZ_CHECK(wanted <= count - at);
        for (size_t i = 1; i < wanted; i++) {
            FUZZ_EQUAL(records[at + i].count, 0);
            FUZZ_EQUAL(records[at + i].kind, depth ? MM_KIND_LEVELS : MM_KIND_MORE);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mm_feed_config config = {"", "mA1-0k3f9zq-", "mA1-"};
    static mm_record out[RECORDS_MAX], again[RECORDS_MAX];
    static mm_feed *feed;
    size_t count = 0, again_count = 0, error_at = 0;
    if (feed == NULL) {
        feed = mm_feed_new(&config);
    }
    mm_status status = mm_feed_decode(feed, (const char *)data, size, 55, out, RECORDS_MAX, &count, &error_at);
    mm_feed_info info = *mm_feed_last(feed);
    bool json = parse(data, size);
    FUZZ_CHECK(error_at <= size && (status == MM_OK || count == 0));
    if (dom.too_much) {
        return 0;
    }
    FUZZ_CHECK(json || status != MM_OK);
    if (status == MM_OK) {
        check_shape(out, count);
        check_meaning(out, count);
    }
    if (!json) {
        return 0;
    }
    text.count = 0;
    text.state = (uint32_t)size;
    write_node(0);
    uint8_t *exact = malloc(text.count);
    FUZZ_CHECK(exact != NULL);
    memcpy(exact, text.bytes, text.count);
    mm_status same = mm_feed_decode(feed, (const char *)exact, text.count, 55, again, RECORDS_MAX, &again_count, &error_at);
    free(exact);
    /* What a message does not need may be found wrong or passed over, as its keys come. */
    FUZZ_CHECK(same == MM_OK ? status == MM_OK || again_count == 0 : status != MM_OK || count == 0);
    if (status == MM_OK && same == MM_OK) {
        FUZZ_EQUAL(again_count, count);
        FUZZ_CHECK(memcmp(again, out, count * sizeof out[0]) == 0);
        FUZZ_CHECK(memcmp(mm_feed_last(feed), &info, sizeof info) == 0);
    }
    return 0;
}
