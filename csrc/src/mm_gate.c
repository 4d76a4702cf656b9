/* The last hop: every order's bytes come from here, and only when nothing forbids them.
 *
 * encode checks the action and writes its request. On a connection that has logged on it is complete then. Else the
 * host signs its parameters with a well-kept library (the secret never enters C) and seal puts the signature in.
 * Complete requests wait, one behind the other, until take gives them out: those of one decision leave in one piece.
 * An order cannot be made by hand: seal has nothing to finish unless encode let an action through just before. */
#include "mm_internal.h"

#include <string.h>

#define NS_PER_MS 1000000
#define NS_PER_S 1000000000
#define HMAC_HEX_BYTES 64
#define ED25519_BASE64_BYTES 88
#define MESSAGE_MAX 2048
#define REQUEST_MAX (MESSAGE_MAX + MM_WS_HEADER_MAX)
#define DAY_NS 86400000000000

/* Orders of the last 10 s, for the sliding windows: slots hold send times. */
#define WINDOW_SLOTS 4096

/* One key and value of a request; `number` values stand without quotes in JSON. */
typedef struct parameter {
    const char *key;
    char value[144];
    bool number;
} parameter;

#define PARAMETERS_MAX 16

struct mm_gate {
    mm_gate_config config;
    /* written by any thread */
    uint32_t killed;
    /* ORDERS role */
    int64_t clock_offset_ns;
    int32_t clock_known;
    int32_t ready;          /* encode passed, seal not yet */
    int32_t logged_on;
    int64_t ban_until_ns;
    uint64_t last_place_seq;
    uint64_t orders_out;
    int64_t window[WINDOW_SLOTS];
    uint64_t window_head;   /* next slot */
    int64_t day;
    int64_t day_count;
    uint64_t mask_state;
    uint16_t kind;          /* of the action being encoded */
    uint64_t seq;
    parameter parameters[PARAMETERS_MAX];
    size_t parameter_count;
    char payload[MM_GATE_PAYLOAD_MAX];
    size_t payload_bytes;
    char message[MESSAGE_MAX];
    uint8_t burst[MM_GATE_BURST_MAX * REQUEST_MAX]; /* complete requests */
    size_t burst_bytes;
    size_t burst_count;
};

/* ---- memory ------------------------------------------------------------------------------- */

size_t mm_gate_bytes(const mm_gate_config *config)
{
    (void)config;
    return sizeof(struct mm_gate);
}

static bool is_terminated(const char *text, size_t capacity)
{
    return memchr(text, 0, capacity) != NULL;
}

/* Text that goes into JSON and a query string as it is. */
static bool is_plain(const char *text)
{
    for (const char *at = text; *at != 0; at++) {
        bool ok = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
                  *at == '-' || *at == '_';
        if (!ok) {
            return false;
        }
    }
    return text[0] != 0;
}

static bool config_ok(const mm_gate_config *c)
{
    if (!is_terminated(c->symbol, sizeof c->symbol) || !is_terminated(c->order_prefix, sizeof c->order_prefix) ||
        !is_terminated(c->api_key, sizeof c->api_key) || !is_terminated(c->stp_mode, sizeof c->stp_mode)) {
        return false;
    }
    /* The symbol may be Unicode on the exchange; this gate sends plain ones only. */
    if (!is_plain(c->symbol) || !is_plain(c->order_prefix) || !is_plain(c->api_key) || !is_plain(c->stp_mode)) {
        return false;
    }
    bool limits = c->stale_decision_ns > 0 && c->orders_per_1s_max > 0 && c->orders_per_1s_max < WINDOW_SLOTS &&
                  c->orders_per_10s_max > 0 && c->orders_per_10s_max < WINDOW_SLOTS && c->orders_per_day_max > 0;
    bool windows = c->place_window_ms > 0 && c->place_window_ms <= 60000 && c->other_window_ms > 0 &&
                   c->other_window_ms <= 60000;
    bool shape = (c->wire == MM_WIRE_WS_API || c->wire == MM_WIRE_REST) &&
                 (c->signature == MM_SIGN_HMAC || c->signature == MM_SIGN_ED25519);
    bool decimals = c->price_decimals >= 0 && c->price_decimals <= 8 && c->qty_decimals >= 0 && c->qty_decimals <= 8;
    return limits && windows && shape && decimals;
}

mm_status mm_gate_init(void *memory, size_t memory_bytes, const mm_gate_config *config, mm_gate **gate)
{
    if (!config_ok(config) || !mm__memory_fits(memory, memory_bytes, mm_gate_bytes(config))) {
        return MM_E_ARGUMENT;
    }
    mm_gate *g = (mm_gate *)memory;
    memset(g, 0, sizeof *g);
    g->config = *config;
    g->mask_state = ((uint64_t)config->mask_seed << 32) ^ 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < WINDOW_SLOTS; i++) {
        g->window[i] = INT64_MIN / 2;
    }
    *gate = g;
    return MM_OK;
}

mm_gate *mm_gate_new(const mm_gate_config *config)
{
    mm_gate *gate = NULL;
    void *memory = mm__memory_new(mm_gate_bytes(config));
    if (memory != NULL && mm_gate_init(memory, mm_gate_bytes(config), config, &gate) != MM_OK) {
        mm__memory_free(memory);
    }
    return gate;
}

void mm_gate_free(mm_gate *gate)
{
    mm__memory_free(gate);
}

/* ---- switches ----------------------------------------------------------------------------- */

/* Relaxed is enough: the word only ever goes from 0 to 1 and guards no other memory. */
void mm_gate_kill(mm_gate *gate)
{
    mm__store_relaxed(&gate->killed, 1u);
}

bool mm_gate_killed(const mm_gate *gate)
{
    return mm__load_relaxed(&gate->killed) != 0 || mm_panic_killed();
}

void mm_gate_clock(mm_gate *gate, int64_t offset_ns)
{
    gate->clock_offset_ns = offset_ns;
    gate->clock_known = 1;
}

void mm_gate_ban(mm_gate *gate, int64_t until_ns)
{
    if (until_ns > gate->ban_until_ns) {
        gate->ban_until_ns = until_ns;
    }
}

void mm_gate_session(mm_gate *gate, bool logged_on)
{
    MM_ASSERT(!logged_on || (gate->config.wire == MM_WIRE_WS_API && gate->config.signature == MM_SIGN_ED25519));
    gate->logged_on = logged_on;
}

uint64_t mm_gate_orders_out(const mm_gate *gate)
{
    return gate->orders_out;
}

/* ---- checks ------------------------------------------------------------------------------- */

/* Send time of the order `back` orders ago (1 = the last). */
static int64_t sent_back(const mm_gate *gate, int64_t back)
{
    MM_ASSERT(back >= 1 && back < WINDOW_SLOTS);
    return gate->window[(gate->window_head - (uint64_t)back) % WINDOW_SLOTS];
}

static bool rate_exceeded(const mm_gate *gate, int64_t now_ns)
{
    const mm_gate_config *c = &gate->config;
    int64_t day = (now_ns + gate->clock_offset_ns) / DAY_NS;
    if (now_ns - sent_back(gate, c->orders_per_1s_max) < NS_PER_S) {
        return true;
    }
    if (now_ns - sent_back(gate, c->orders_per_10s_max) < (int64_t)10 * NS_PER_S) {
        return true;
    }
    return day == gate->day && gate->day_count >= c->orders_per_day_max;
}

static void count_order(mm_gate *gate, int64_t now_ns)
{
    int64_t day = (now_ns + gate->clock_offset_ns) / DAY_NS;
    gate->window[gate->window_head++ % WINDOW_SLOTS] = now_ns;
    gate->day_count = day == gate->day ? gate->day_count + 1 : 1;
    gate->day = day;
    gate->orders_out++;
}

static uint64_t common_verdict(const mm_gate *gate, int64_t now_ns)
{
    uint64_t verdict = 0;
    if (!gate->clock_known) {
        verdict |= MM_BIT(MM_REASON_CLOCK);
    }
    if (now_ns < gate->ban_until_ns) {
        verdict |= MM_BIT(MM_REASON_BANNED);
    }
    return verdict;
}

/* Orders come in the sequence the engine made them, each once: one missing or doubled means that something between
 * engine and gate lost or made an order. Then nothing can be trusted any more. */
static uint64_t place_verdict(mm_gate *gate, const mm_action_body *action, int64_t now_ns)
{
    uint64_t verdict = common_verdict(gate, now_ns);
    if (action->order_seq != gate->last_place_seq + 1) {
        mm_gate_kill(gate);
        verdict |= MM_BIT(MM_REASON_COUNT_MISMATCH);
    } else {
        gate->last_place_seq = action->order_seq;
    }
    if (mm_gate_killed(gate)) {
        verdict |= MM_BIT(MM_REASON_KILLED);
    }
    if (now_ns - action->decision_ns > gate->config.stale_decision_ns) {
        verdict |= MM_BIT(MM_REASON_STALE_DECISION);
    }
    /* Counted by the decision's time, as the engine counts: a moment on the way must not make the two disagree. */
    if (gate->clock_known && rate_exceeded(gate, action->decision_ns)) {
        verdict |= MM_BIT(MM_REASON_RATE_LIMIT);
    }
    if (action->price_e8 <= 0 || action->qty_e8 <= 0) {
        mm_gate_kill(gate);
        verdict |= MM_BIT(MM_REASON_KILLED);
    }
    return verdict;
}

/* An amend only ever makes an order smaller and counts in no limit of orders, but it is no cancel: it keeps an order
 * alive. */
static uint64_t amend_verdict(mm_gate *gate, const mm_action_body *action, int64_t now_ns)
{
    uint64_t verdict = common_verdict(gate, now_ns);
    if (action->order_seq == 0 || action->qty_e8 <= 0) {
        mm_gate_kill(gate);
    }
    if (mm_gate_killed(gate)) {
        verdict |= MM_BIT(MM_REASON_KILLED);
    }
    if (now_ns - action->decision_ns > gate->config.stale_decision_ns) {
        verdict |= MM_BIT(MM_REASON_STALE_DECISION);
    }
    return verdict;
}

static uint64_t verdict_of(mm_gate *gate, const mm_record *action, int64_t now_ns)
{
    const mm_action_body *body = &action->body.action;
    switch (action->kind) {
    case MM_KIND_REPLACE:
        if (body->exchange_id <= 0) {
            mm_gate_kill(gate); /* it would not say which order goes */
        }
        return place_verdict(gate, body, now_ns);
    case MM_KIND_PLACE:
        return place_verdict(gate, body, now_ns);
    case MM_KIND_AMEND:
        return amend_verdict(gate, body, now_ns);
    default:
        return common_verdict(gate, now_ns);
    }
}

/* ---- parameters --------------------------------------------------------------------------- */

static void add_text(mm_gate *gate, const char *key, const char *value)
{
    MM_ASSERT(gate->parameter_count < PARAMETERS_MAX);
    MM_ASSERT(strlen(value) < sizeof gate->parameters[0].value);
    parameter *p = &gate->parameters[gate->parameter_count++];
    p->key = key;
    p->number = false;
    memcpy(p->value, value, strlen(value) + 1);
}

static void add_integer(mm_gate *gate, const char *key, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    MM_ASSERT(value >= 0);
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    add_text(gate, key, digits + at);
    gate->parameters[gate->parameter_count - 1].number = true;
}

static void add_decimal(mm_gate *gate, const char *key, int64_t value_e8, int32_t decimals_min)
{
    char text[MM_FIXED_TEXT_MAX + 1];
    text[mm_fixed_format(value_e8, decimals_min, text)] = 0;
    add_text(gate, key, text);
}

static void add_window(mm_gate *gate, int64_t window_ms)
{
    add_integer(gate, "recvWindow", window_ms);
}

static void add_timestamp(mm_gate *gate, int64_t now_ns)
{
    add_integer(gate, "timestamp", (now_ns + gate->clock_offset_ns) / NS_PER_MS);
}

size_t mm_gate_client_id(const mm_gate *gate, uint64_t order_seq, int32_t side, int32_t layer, char *out)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    size_t at = strlen(gate->config.order_prefix);
    char reversed[16];
    size_t count = 0;
    MM_ASSERT(side == MM_BID || side == MM_ASK);
    MM_ASSERT(layer >= 0 && layer < 10);
    memcpy(out, gate->config.order_prefix, at);
    do {
        reversed[count++] = digits[order_seq % 36];
        order_seq /= 36;
    } while (order_seq > 0);
    while (count < 7) {
        reversed[count++] = '0';
    }
    while (count > 0) {
        out[at++] = reversed[--count];
    }
    out[at++] = '-';
    out[at++] = side == MM_BID ? 'b' : 'a';
    out[at++] = (char)('0' + layer);
    out[at] = 0;
    MM_ASSERT(at <= 36);
    return at;
}

static void add_client_id(mm_gate *gate, const char *key, const mm_record *action)
{
    char text[64];
    (void)mm_gate_client_id(gate, action->body.action.order_seq, action->flags >> 8, action->flags & 0xFF, text);
    add_text(gate, key, text);
}

/* Parameters in the order of their names: the WebSocket API signs them sorted, REST as sent. A replacement is a new
 * order that comes only if the old one could be cancelled; with no order left to spend it does neither. */
static void fill_place(mm_gate *gate, const mm_record *action, int64_t now_ns)
{
    const mm_action_body *body = &action->body.action;
    bool replace = action->kind == MM_KIND_REPLACE;
    if (replace) {
        add_integer(gate, "cancelOrderId", body->exchange_id);
        add_text(gate, "cancelReplaceMode", "STOP_ON_FAILURE");
    }
    add_client_id(gate, "newClientOrderId", action);
    add_text(gate, "newOrderRespType", "RESULT");
    if (replace) {
        add_text(gate, "orderRateLimitExceededMode", "DO_NOTHING");
    }
    add_decimal(gate, "price", body->price_e8, gate->config.price_decimals);
    add_decimal(gate, "quantity", body->qty_e8, gate->config.qty_decimals);
    add_window(gate, gate->config.place_window_ms);
    add_text(gate, "selfTradePreventionMode", gate->config.stp_mode);
    add_text(gate, "side", (action->flags >> 8) == MM_BID ? "BUY" : "SELL");
    add_text(gate, "symbol", gate->config.symbol);
    add_timestamp(gate, now_ns);
    add_text(gate, "type", "LIMIT_MAKER");
}

/* By the exchange's id where it is known (its fastest look-up), else by ours. An amended order keeps its client id:
 * without one the exchange would give it a new one. The cancel of an order that is not of this run carries a name of
 * this run: should its owner still live, its account events tell it that it has been succeeded. */
static void fill_reference(mm_gate *gate, const mm_record *action, int64_t now_ns)
{
    bool of_another_run = action->kind == MM_KIND_CANCEL && action->body.action.order_seq == 0;
    if (action->kind == MM_KIND_AMEND || of_another_run) {
        add_client_id(gate, "newClientOrderId", action);
    }
    if (action->kind == MM_KIND_AMEND) {
        add_decimal(gate, "newQty", action->body.action.qty_e8, gate->config.qty_decimals);
    }
    if (action->body.action.exchange_id > 0) {
        add_integer(gate, "orderId", action->body.action.exchange_id);
    } else {
        add_client_id(gate, "origClientOrderId", action);
    }
    add_window(gate, gate->config.other_window_ms);
    add_text(gate, "symbol", gate->config.symbol);
    add_timestamp(gate, now_ns);
}

static void append(char *buffer, size_t capacity, size_t *at, const char *text)
{
    size_t bytes = strlen(text);
    MM_ASSERT(*at + bytes < capacity);
    memcpy(buffer + *at, text, bytes);
    *at += bytes;
}

static void write_payload(mm_gate *gate)
{
    size_t at = 0;
    for (size_t i = 0; i < gate->parameter_count; i++) {
        if (i > 0) {
            append(gate->payload, sizeof gate->payload, &at, "&");
        }
        append(gate->payload, sizeof gate->payload, &at, gate->parameters[i].key);
        append(gate->payload, sizeof gate->payload, &at, "=");
        append(gate->payload, sizeof gate->payload, &at, gate->parameters[i].value);
    }
    gate->payload_bytes = at;
}

/* ---- bytes -------------------------------------------------------------------------------- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_base64(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '/' ||
           c == '=';
}

static bool signature_ok(const mm_gate *gate, const char *signature, size_t bytes)
{
    bool hmac = gate->config.signature == MM_SIGN_HMAC;
    if (bytes != (hmac ? HMAC_HEX_BYTES : ED25519_BASE64_BYTES)) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (hmac ? !is_hex(signature[i]) : !is_base64(signature[i])) {
            return false;
        }
    }
    return true;
}

static const char *method_of(uint16_t kind)
{
    switch (kind) {
    case MM_KIND_PLACE:
        return "order.place";
    case MM_KIND_REPLACE:
        return "order.cancelReplace";
    case MM_KIND_AMEND:
        return "order.amend.keepPriority";
    case MM_KIND_CANCEL:
        return "order.cancel";
    default:
        return "order.status";
    }
}

/* What a request's id begins with: its reply is known by it. */
static char letter_of(uint16_t kind)
{
    switch (kind) {
    case MM_KIND_PLACE:
        return 'p';
    case MM_KIND_REPLACE:
        return 'r';
    case MM_KIND_AMEND:
        return 'a';
    case MM_KIND_CANCEL:
        return 'c';
    default:
        return 'q';
    }
}

static void append_id(mm_gate *gate, size_t *at)
{
    char text[2] = {letter_of(gate->kind), 0};
    append(gate->message, sizeof gate->message, at, text);
    gate->parameter_count = 0;
    add_integer(gate, "id", (int64_t)gate->seq);
    append(gate->message, sizeof gate->message, at, gate->parameters[0].value);
}

/* Without a signature (0 bytes) for a connection that has logged on. */
static size_t write_json(mm_gate *gate, const char *signature, size_t signature_bytes)
{
    char *m = gate->message;
    const size_t capacity = sizeof gate->message;
    size_t at = 0;
    char signature_text[ED25519_BASE64_BYTES + 1];
    MM_ASSERT(signature_bytes <= ED25519_BASE64_BYTES && gate->parameter_count > 0);
    memcpy(signature_text, signature, signature_bytes);
    signature_text[signature_bytes] = 0;
    append(m, capacity, &at, "{\"method\":\"");
    append(m, capacity, &at, method_of(gate->kind));
    append(m, capacity, &at, "\",\"params\":{");
    for (size_t i = 0; i < gate->parameter_count; i++) {
        const parameter *p = &gate->parameters[i];
        append(m, capacity, &at, i > 0 ? ",\"" : "\"");
        append(m, capacity, &at, p->key);
        append(m, capacity, &at, p->number ? "\":" : "\":\"");
        append(m, capacity, &at, p->value);
        append(m, capacity, &at, p->number ? "" : "\"");
    }
    if (signature_bytes > 0) {
        append(m, capacity, &at, ",\"signature\":\"");
        append(m, capacity, &at, signature_text);
        append(m, capacity, &at, "\"");
    }
    append(m, capacity, &at, "},\"id\":\"");
    append_id(gate, &at);
    append(m, capacity, &at, "\"}");
    return at;
}

/* REST: the payload as signed, then the signature, percent-encoded where base64 needs it. */
static size_t write_query(mm_gate *gate, const char *signature, size_t signature_bytes)
{
    size_t at = 0;
    MM_ASSERT(gate->payload_bytes + 3 * signature_bytes + 16 < sizeof gate->message);
    memcpy(gate->message, gate->payload, gate->payload_bytes);
    at = gate->payload_bytes;
    append(gate->message, sizeof gate->message, &at, "&signature=");
    for (size_t i = 0; i < signature_bytes; i++) {
        char c = signature[i];
        char text[2] = {c, 0};
        append(gate->message, sizeof gate->message, &at,
               c == '+' ? "%2B" : c == '/' ? "%2F" : c == '=' ? "%3D" : text);
    }
    return at;
}

static uint32_t next_mask(mm_gate *gate)
{
    uint64_t x = gate->mask_state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    gate->mask_state = x;
    return (uint32_t)((x * 0x2545F4914F6CDD1Du) >> 32);
}

/* `bytes` more have been written behind the requests that wait. */
static void add_request(mm_gate *gate, size_t bytes)
{
    MM_ASSERT(bytes <= REQUEST_MAX && gate->burst_count < MM_GATE_BURST_MAX);
    gate->burst_bytes += bytes;
    gate->burst_count++;
}

static void add_frame(mm_gate *gate, size_t message_bytes)
{
    add_request(gate, mm_ws_encode(MM_WS_TEXT, (const uint8_t *)gate->message, message_bytes, next_mask(gate),
                                   gate->burst + gate->burst_bytes));
}

/* ---- requests ----------------------------------------------------------------------------- */

uint64_t mm_gate_encode(mm_gate *gate, const mm_record *action, int64_t now_ns, const char **payload,
                        size_t *payload_bytes)
{
    uint16_t kind = action->kind;
    bool places = kind == MM_KIND_PLACE || kind == MM_KIND_REPLACE;
    MM_ASSERT(places || kind == MM_KIND_CANCEL || kind == MM_KIND_QUERY || kind == MM_KIND_AMEND);
    MM_ASSERT(gate->burst_count <= MM_GATE_BURST_MAX && gate->burst_bytes <= sizeof gate->burst);
    gate->ready = 0;
    uint64_t verdict = gate->burst_count < MM_GATE_BURST_MAX ? verdict_of(gate, action, now_ns) : MM_BIT(MM_REASON_NO_ROOM);
    if (verdict != 0) {
        return verdict;
    }
    gate->kind = kind;
    /* 0 for a leftover of an earlier run: what became of it, the next read of the open orders tells. */
    gate->seq = action->body.action.order_seq;
    gate->parameter_count = 0;
    if (gate->config.wire == MM_WIRE_WS_API && !gate->logged_on) {
        add_text(gate, "apiKey", gate->config.api_key);
    }
    if (places) {
        fill_place(gate, action, now_ns);
        count_order(gate, action->body.action.decision_ns);
    } else {
        fill_reference(gate, action, now_ns);
    }
    if (gate->logged_on) {
        add_frame(gate, write_json(gate, "", 0));
        *payload_bytes = 0;
        return 0;
    }
    write_payload(gate);
    gate->ready = 1;
    *payload = gate->payload;
    *payload_bytes = gate->payload_bytes;
    return 0;
}

mm_status mm_gate_seal(mm_gate *gate, const char *signature, size_t signature_bytes)
{
    if (!gate->ready) {
        return MM_E_STATE;
    }
    gate->ready = 0;
    MM_ASSERT(gate->payload_bytes > 0 && gate->parameter_count > 0);
    if (!signature_ok(gate, signature, signature_bytes)) {
        return MM_E_ARGUMENT;
    }
    if (gate->config.wire == MM_WIRE_REST) {
        size_t query_bytes = write_query(gate, signature, signature_bytes);
        MM_ASSERT(gate->burst_count == 0);
        memcpy(gate->burst, gate->message, query_bytes);
        add_request(gate, query_bytes);
    } else {
        add_frame(gate, write_json(gate, signature, signature_bytes));
    }
    return MM_OK;
}

size_t mm_gate_take(mm_gate *gate, const uint8_t **bytes)
{
    size_t taken = gate->burst_bytes;
    MM_ASSERT((taken == 0) == (gate->burst_count == 0));
    *bytes = gate->burst;
    gate->burst_bytes = 0;
    gate->burst_count = 0;
    return taken;
}
