/* Orders, cancels and the rest through a gate of any configuration. What it refuses, and why, is what the header's rules say of a list
 * of everything that went before; what it lets out is read again, as frames and strict JSON or as a query string, and every field is
 * compared with what was asked. */
#include "mm_fuzz.h"

enum { FIELDS_MAX = 20, TEXT_BYTES = 160, STEPS_MAX = 300, ID_BYTES = 37 };

static const int64_t second = INT64_C(1000000000);
static const int64_t day_ns = INT64_C(86400000000000);

typedef struct {
    char key[32];
    char value[TEXT_BYTES];
    bool number;
} gate_field;

/* A request: what is wanted of one, or what was read of one. */
typedef struct {
    gate_field fields[FIELDS_MAX];
    size_t field_count;
    char method[32];
    char id[32];
} gate_request;

typedef struct {
    fuzz_input in;
    mm_gate *gate;
    mm_gate_config config;
    int64_t now_ns, decision_ns, offset_ns, ban_until_ns;
    bool clock_known, killed, logged_on;
    uint64_t last_seq, out;
    int64_t sends[STEPS_MAX];     /* decisions of the orders that passed */
    int64_t send_days[STEPS_MAX]; /* on the exchange's clock */
    size_t send_count;
    gate_request open; /* passed, not yet signed */
    bool is_open;
    gate_request waiting[MM_GATE_BURST_MAX]; /* complete, not taken */
    size_t waiting_count;
} gate_run;

/* ---- What a request has to say ---- */

static void add(gate_request *request, const char *key, const char *value, bool number)
{
    FUZZ_CHECK(request->field_count < FIELDS_MAX && strlen(key) < sizeof request->fields[0].key && strlen(value) < TEXT_BYTES);
    gate_field *field = &request->fields[request->field_count++];
    strcpy(field->key, key);
    strcpy(field->value, value);
    field->number = number;
}

static void add_whole(gate_request *request, const char *key, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    add(request, key, text, true);
}

static void add_decimal(gate_request *request, const char *key, int64_t value_e8, int32_t decimals)
{
    char text[40];
    int bytes = snprintf(text, sizeof text, "%" PRId64 ".%08" PRId64, value_e8 / MM_ONE_E8, value_e8 % MM_ONE_E8);
    int least = bytes - 8 + decimals;
    while (bytes > least && text[bytes - 1] == '0') {
        bytes--;
    }
    bytes -= text[bytes - 1] == '.';
    text[bytes] = 0;
    add(request, key, text, false);
}

static void client_id(const gate_run *run, const mm_record *action, char *out)
{
    uint64_t power = 1, seq = action->body.action.order_seq;
    size_t at = strlen(run->config.order_prefix);
    memcpy(out, run->config.order_prefix, at);
    for (int digit = 1; digit < 7 || power <= seq / 36; digit++) {
        power *= 36;
    }
    for (; power > 0; power /= 36) {
        uint64_t digit = seq / power % 36;
        out[at++] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
    }
    snprintf(out + at, 8, "-%c%d", (action->flags >> 8) == MM_BID ? 'b' : 'a', action->flags & 0xFF);
}

static void want_new_order(const gate_run *run, const mm_record *action, gate_request *r, const char *id)
{
    const mm_action_body *body = &action->body.action;
    bool replace = action->kind == MM_KIND_REPLACE;
    if (replace) {
        add_whole(r, "cancelOrderId", body->exchange_id);
        add(r, "cancelReplaceMode", "STOP_ON_FAILURE", false);
    }
    add(r, "newClientOrderId", id, false);
    add(r, "newOrderRespType", "RESULT", false);
    if (replace) {
        add(r, "orderRateLimitExceededMode", "DO_NOTHING", false);
    }
    add_decimal(r, "price", body->price_e8, run->config.price_decimals);
    add_decimal(r, "quantity", body->qty_e8, run->config.qty_decimals);
    add_whole(r, "recvWindow", run->config.place_window_ms);
    add(r, "selfTradePreventionMode", run->config.stp_mode, false);
    add(r, "side", (action->flags >> 8) == MM_BID ? "BUY" : "SELL", false);
}

static void want_other(const gate_run *run, const mm_record *action, gate_request *r, const char *id)
{
    const mm_action_body *body = &action->body.action;
    bool names = action->kind == MM_KIND_AMEND || (action->kind == MM_KIND_CANCEL && body->order_seq == 0);
    if (names) {
        add(r, "newClientOrderId", id, false);
    }
    if (action->kind == MM_KIND_AMEND) {
        add_decimal(r, "newQty", body->qty_e8, run->config.qty_decimals);
    }
    if (body->exchange_id > 0) {
        add_whole(r, "orderId", body->exchange_id);
    } else {
        add(r, "origClientOrderId", id, false);
    }
    add_whole(r, "recvWindow", run->config.other_window_ms);
}

static void want_request(const gate_run *run, const mm_record *action, gate_request *r)
{
    static const struct {
        uint16_t kind;
        const char *method;
        char letter;
    } kinds[] = {{MM_KIND_PLACE, "order.place", 'p'},
                 {MM_KIND_REPLACE, "order.cancelReplace", 'r'},
                 {MM_KIND_AMEND, "order.amend.keepPriority", 'a'},
                 {MM_KIND_CANCEL, "order.cancel", 'c'},
                 {MM_KIND_QUERY, "order.status", 'q'}};
    char id[64];
    bool places = action->kind == MM_KIND_PLACE || action->kind == MM_KIND_REPLACE;
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].kind == action->kind) {
            strcpy(r->method, kinds[i].method);
            snprintf(r->id, sizeof r->id, "%c%" PRIu64, kinds[i].letter, action->body.action.order_seq);
        }
    }
    client_id(run, action, id);
    if (run->config.wire == MM_WIRE_WS_API && !run->logged_on) {
        add(r, "apiKey", run->config.api_key, false);
    }
    if (places) {
        want_new_order(run, action, r, id);
    } else {
        want_other(run, action, r, id);
    }
    add(r, "symbol", run->config.symbol, false);
    add_whole(r, "timestamp", (run->now_ns + run->offset_ns) / 1000000);
    if (places) {
        add(r, "type", "LIMIT_MAKER", false);
    }
}

static void check_same(const gate_request *made, const gate_request *wanted, bool is_query)
{
    FUZZ_EQUAL(made->field_count, wanted->field_count);
    for (size_t i = 0; i < wanted->field_count; i++) {
        const gate_field *a = &made->fields[i], *b = &wanted->fields[i];
        FUZZ_CHECK(strcmp(a->key, b->key) == 0 && strcmp(a->value, b->value) == 0 && (is_query || a->number == b->number));
        FUZZ_CHECK(i == 0 || strcmp(b->key, "signature") == 0 || strcmp(wanted->fields[i - 1].key, b->key) < 0); /* as they are signed */
    }
    FUZZ_CHECK(is_query || (strcmp(made->method, wanted->method) == 0 && strcmp(made->id, wanted->id) == 0));
}

/* ---- Reading it again ---- */

typedef struct {
    const uint8_t *at, *end;
} gate_text;

static void expect(gate_text *text, char wanted)
{
    FUZZ_CHECK(text->at < text->end && *text->at == (uint8_t)wanted);
    text->at++;
}

/* A string without escapes: nothing this gate sends needs one. */
static void read_string(gate_text *text, char *out, size_t out_bytes)
{
    size_t bytes = 0;
    expect(text, '"');
    for (; text->at < text->end && *text->at != '"'; text->at++) {
        FUZZ_CHECK(*text->at >= 0x20 && *text->at < 0x7F && *text->at != '\\' && bytes + 1 < out_bytes);
        out[bytes++] = (char)*text->at;
    }
    out[bytes] = 0;
    expect(text, '"');
}

/* A whole number as JSON allows it: no sign, no zeros before it. */
static void read_number(gate_text *text, char *out)
{
    size_t bytes = 0;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9' && bytes < 24; text->at++) {
        out[bytes++] = (char)*text->at;
    }
    out[bytes] = 0;
    FUZZ_CHECK(bytes > 0 && (bytes == 1 || out[0] != '0'));
}

static void read_params(gate_text *text, gate_request *request)
{
    expect(text, '{');
    for (bool first = true; first || *text->at == ','; first = false) {
        gate_field *field = &request->fields[request->field_count++];
        FUZZ_CHECK(request->field_count <= FIELDS_MAX);
        if (!first) {
            expect(text, ',');
        }
        read_string(text, field->key, sizeof field->key);
        expect(text, ':');
        FUZZ_CHECK(text->at < text->end);
        field->number = *text->at != '"';
        if (field->number) {
            read_number(text, field->value);
        } else {
            read_string(text, field->value, sizeof field->value);
        }
        FUZZ_CHECK(text->at < text->end);
    }
    expect(text, '}');
}

static void read_json(const uint8_t *json, size_t bytes, gate_request *request)
{
    gate_text text = {json, json + bytes};
    char key[32];
    int seen = 0;
    memset(request, 0, sizeof *request);
    expect(&text, '{');
    for (int member = 0; member < 3; member++) {
        if (member > 0) {
            expect(&text, ',');
        }
        read_string(&text, key, sizeof key);
        expect(&text, ':');
        if (strcmp(key, "params") == 0) {
            read_params(&text, request);
            seen |= 1;
        } else if (strcmp(key, "method") == 0) {
            read_string(&text, request->method, sizeof request->method);
            seen |= 2;
        } else {
            FUZZ_CHECK(strcmp(key, "id") == 0);
            read_string(&text, request->id, sizeof request->id);
            seen |= 4;
        }
    }
    expect(&text, '}');
    FUZZ_CHECK(seen == 7 && text.at == text.end);
}

static int hex_of(uint8_t byte)
{
    return byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* key=value&key=value, percent-encoded where it has to be. */
static void read_query(const uint8_t *query, size_t bytes, gate_request *request)
{
    memset(request, 0, sizeof *request);
    size_t at = 0;
    while (at < bytes) {
        gate_field *field = &request->fields[request->field_count++];
        FUZZ_CHECK(request->field_count <= FIELDS_MAX);
        size_t used = 0;
        for (; at < bytes && query[at] != '='; at++) {
            FUZZ_CHECK(used + 1 < sizeof field->key);
            field->key[used++] = (char)query[at];
        }
        FUZZ_CHECK(at < bytes && used > 0);
        at++;
        for (used = 0; at < bytes && query[at] != '&'; at++) {
            uint8_t byte = query[at];
            FUZZ_CHECK(used + 1 < sizeof field->value && strchr("+/= \"", byte) == NULL);
            if (byte == '%') {
                FUZZ_CHECK(bytes - at > 2 && hex_of(query[at + 1]) >= 0 && hex_of(query[at + 2]) >= 0);
                byte = (uint8_t)(hex_of(query[at + 1]) * 16 + hex_of(query[at + 2]));
                at += 2;
            }
            field->value[used++] = (char)byte;
        }
        FUZZ_CHECK(at == bytes || at + 1 < bytes); /* nothing hangs behind the last */
        at++;
    }
}

/* The next client frame of a burst: whole, text, masked, its length as short as it may be. Returns its bytes. */
static size_t read_frame(const uint8_t *bytes, size_t left, gate_request *request)
{
    static uint8_t text[4096];
    FUZZ_CHECK(left > 8 && bytes[0] == 0x81 && (bytes[1] & 0x80) != 0 && bytes[1] != 0xFF);
    size_t count = bytes[1] & 0x7F, head = 2;
    if (count == 126) {
        count = (size_t)bytes[2] << 8 | bytes[3];
        head = 4;
        FUZZ_CHECK(count >= 126);
    }
    FUZZ_CHECK(count <= sizeof text && left >= head + 4 + count);
    for (size_t i = 0; i < count; i++) {
        text[i] = bytes[head + 4 + i] ^ bytes[head + i % 4];
    }
    read_json(text, count, request);
    return head + 4 + count;
}

static void take(gate_run *run)
{
    const uint8_t *bytes = NULL;
    gate_request made;
    bool rest = run->config.wire == MM_WIRE_REST;
    size_t left = mm_gate_take(run->gate, &bytes);
    FUZZ_CHECK((left == 0) == (run->waiting_count == 0));
    for (size_t i = 0; i < run->waiting_count; i++) {
        size_t used = left;
        if (rest) {
            read_query(bytes, left, &made);
        } else {
            used = read_frame(bytes, left, &made);
        }
        check_same(&made, &run->waiting[i], rest);
        bytes += used;
        left -= used;
    }
    FUZZ_EQUAL(left, 0);
    run->waiting_count = 0;
}

/* ---- Rules ---- */

static uint64_t bit_if(bool is, int32_t reason)
{
    return is ? MM_BIT(reason) : 0;
}

static bool too_many(const gate_run *run, int64_t at_ns)
{
    int64_t one = 0, ten = 0, today = 0, day = (at_ns + run->offset_ns) / day_ns;
    for (size_t i = 0; i < run->send_count; i++) {
        one += at_ns - run->sends[i] < second;
        ten += at_ns - run->sends[i] < 10 * second;
    }
    for (size_t i = run->send_count; i > 0 && run->send_days[i - 1] == day; i--) {
        today++;
    }
    const mm_gate_config *c = &run->config;
    return one >= c->orders_per_1s_max || ten >= c->orders_per_10s_max || today >= c->orders_per_day_max;
}

static uint64_t wanted_verdict(gate_run *run, const mm_record *action)
{
    const mm_action_body *body = &action->body.action;
    bool places = action->kind == MM_KIND_PLACE || action->kind == MM_KIND_REPLACE, amends = action->kind == MM_KIND_AMEND;
    uint64_t verdict = bit_if(!run->clock_known, MM_REASON_CLOCK) | bit_if(run->now_ns < run->ban_until_ns, MM_REASON_BANNED);
    if (!places && !amends) {
        return verdict;
    }
    bool counted = !places || body->order_seq == run->last_seq + 1;
    bool sane = body->qty_e8 > 0 && (amends ? body->order_seq > 0 : body->price_e8 > 0) &&
                (action->kind != MM_KIND_REPLACE || body->exchange_id > 0);
    run->last_seq += places && counted;
    run->killed |= !counted || !sane;
    return verdict | bit_if(!counted, MM_REASON_COUNT_MISMATCH) | bit_if(run->killed, MM_REASON_KILLED) |
           bit_if(run->now_ns - body->decision_ns > run->config.stale_decision_ns, MM_REASON_STALE_DECISION) |
           bit_if(places && run->clock_known && too_many(run, body->decision_ns), MM_REASON_RATE_LIMIT);
}

/* ---- Steps ---- */

static int64_t take_amount(fuzz_input *in)
{
    return fuzz_u8(in) < 200 ? fuzz_between(in, 1, INT64_C(10000000000000)) : fuzz_u8(in) < 250 ? fuzz_i64_in(in, 1, INT64_MAX) : fuzz_i64(in);
}

static mm_record take_action(gate_run *run)
{
    static const uint16_t kinds[] = {MM_KIND_PLACE, MM_KIND_PLACE, MM_KIND_REPLACE, MM_KIND_CANCEL, MM_KIND_QUERY, MM_KIND_AMEND};
    fuzz_input *in = &run->in;
    mm_record action;
    memset(&action, 0, sizeof action);
    action.kind = kinds[fuzz_below(in, 6)];
    action.count = 1;
    action.flags = (uint16_t)(fuzz_below(in, 2) << 8 | fuzz_below(in, 10));
    mm_action_body *body = &action.body.action;
    bool places = action.kind == MM_KIND_PLACE || action.kind == MM_KIND_REPLACE;
    bool next = places && fuzz_u8(in) < 250;
    body->order_seq = next ? run->last_seq + 1 : (uint64_t)fuzz_i64_in(in, 0, INT64_C(1) << 51);
    body->exchange_id = fuzz_u8(in) < 100 && action.kind != MM_KIND_REPLACE ? 0 : fuzz_i64_in(in, fuzz_u8(in) < 250, INT64_MAX);
    body->price_e8 = take_amount(in);
    body->qty_e8 = take_amount(in);
    run->decision_ns = fuzz_u8(in) < 128 ? run->now_ns : run->decision_ns;
    body->decision_ns = run->decision_ns;
    return action;
}

static void add_waiting(gate_run *run, const gate_request *request)
{
    FUZZ_CHECK(run->waiting_count < MM_GATE_BURST_MAX);
    run->waiting[run->waiting_count++] = *request;
}

static void check_client_id(const gate_run *run, const mm_record *action)
{
    char wanted[64], *out = fuzz_memory(ID_BYTES);
    client_id(run, action, wanted);
    size_t bytes = mm_gate_client_id(run->gate, action->body.action.order_seq, action->flags >> 8, action->flags & 0xFF, out);
    FUZZ_CHECK(bytes == strlen(wanted) && memcmp(out, wanted, bytes + 1) == 0);
    free(out);
}

static void do_encode(gate_run *run)
{
    mm_record action = take_action(run);
    const char *payload = NULL;
    size_t payload_bytes = 0;
    bool places = action.kind == MM_KIND_PLACE || action.kind == MM_KIND_REPLACE;
    check_client_id(run, &action);
    run->is_open = false; /* what was not signed by now never will be */
    bool full = run->waiting_count == MM_GATE_BURST_MAX;
    uint64_t wanted = full ? MM_BIT(MM_REASON_NO_ROOM) : wanted_verdict(run, &action);
    uint64_t verdict = mm_gate_encode(run->gate, &action, run->now_ns, &payload, &payload_bytes);
    FUZZ_EQUAL(verdict, wanted);
    FUZZ_EQUAL(mm_gate_killed(run->gate), run->killed);
    if (verdict != 0) {
        return;
    }
    if (places) {
        run->sends[run->send_count] = run->decision_ns;
        run->send_days[run->send_count++] = (run->decision_ns + run->offset_ns) / day_ns;
        run->out++;
    }
    want_request(run, &action, &run->open);
    if (run->logged_on) {
        FUZZ_EQUAL(payload_bytes, 0);
        add_waiting(run, &run->open);
        return;
    }
    gate_request made;
    FUZZ_CHECK(payload_bytes > 0 && payload_bytes <= MM_GATE_PAYLOAD_MAX);
    read_query((const uint8_t *)payload, payload_bytes, &made);
    check_same(&made, &run->open, true);
    run->is_open = true;
}

static void do_seal(gate_run *run)
{
    static const char letters[] = "0123456789abcdefABCDEFghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ+/=";
    static const char strange[] = {'"', '&', '%', ' ', '-', '_', 0x7F, 1};
    bool hmac = run->config.signature == MM_SIGN_HMAC, good = true;
    uint8_t how = fuzz_u8(&run->in);
    size_t right = hmac ? 64 : 88, bytes = how < 230 ? right : fuzz_below(&run->in, 120);
    char *signature = fuzz_memory(bytes + 1), text[TEXT_BYTES] = {0};
    uint64_t step = fuzz_u8(&run->in);
    for (size_t i = 0; i < bytes; i++) {
        signature[i] = letters[(i * step + step) % (hmac ? 22 : 65)];
    }
    if (how >= 200 && bytes > 0) {
        signature[step % bytes] = how < 210 ? strange[step % 8] : letters[step % 65];
        good = how < 210 ? false : !hmac || step % 65 < 22;
    }
    good = good && bytes == right;
    char *exact = fuzz_memory(bytes > 0 ? bytes : 1); /* without a byte behind it */
    memcpy(exact, signature, bytes);
    mm_status status = mm_gate_seal(run->gate, exact, bytes);
    FUZZ_EQUAL(status, !run->is_open ? MM_E_STATE : good ? MM_OK : MM_E_ARGUMENT);
    if (status == MM_OK) {
        memcpy(text, signature, bytes);
        add(&run->open, "signature", text, false);
        add_waiting(run, &run->open);
    }
    run->is_open = false;
    if (run->config.wire == MM_WIRE_REST) { /* by itself */
        take(run);
    }
    free(signature);
    free(exact);
}

static void do_switch(gate_run *run)
{
    uint8_t how = fuzz_u8(&run->in);
    if (how < 4) {
        mm_gate_kill(run->gate);
        run->killed = true;
    } else if (how < 40) {
        int64_t until_ns = run->now_ns + fuzz_between(&run->in, -1000, 1000) * 1000000;
        mm_gate_ban(run->gate, until_ns);
        run->ban_until_ns = until_ns > run->ban_until_ns ? until_ns : run->ban_until_ns;
    } else if (how < 100) {
        run->offset_ns = fuzz_u8(&run->in) < 200 ? INT64_C(1700000000) * second + fuzz_between(&run->in, -1000, 1000) * second
                                                 : fuzz_i64_in(&run->in, 0, (INT64_C(1) << 62) - 1);
        run->clock_known = true;
        mm_gate_clock(run->gate, run->offset_ns);
    } else if (run->config.wire == MM_WIRE_WS_API && run->config.signature == MM_SIGN_ED25519) {
        run->logged_on = fuzz_bool(&run->in);
        mm_gate_session(run->gate, run->logged_on);
    }
}

static void do_pass(gate_run *run)
{
    static const int64_t steps_ns[4] = {1000, 1000000, 100000000, 20000000000000};
    uint8_t how = fuzz_u8(&run->in);
    run->now_ns += steps_ns[how & 3] * (how >> 2);
}

/* ---- Configuration ---- */

static bool is_plain(const char *text, size_t bytes)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *end = memchr(text, 0, bytes);
    return end != NULL && end != text && strspn(text, plain) == (size_t)(end - text);
}

static bool config_is_good(const mm_gate_config *c)
{
    bool texts = is_plain(c->symbol, sizeof c->symbol) && is_plain(c->order_prefix, sizeof c->order_prefix) &&
                 is_plain(c->stp_mode, sizeof c->stp_mode) && is_plain(c->api_key, sizeof c->api_key);
    bool windows = c->place_window_ms >= 1 && c->place_window_ms <= 60000 && c->other_window_ms >= 1 && c->other_window_ms <= 60000;
    bool limits = c->stale_decision_ns >= 1 && c->orders_per_1s_max >= 1 && c->orders_per_1s_max <= 4095 &&
                  c->orders_per_10s_max >= 1 && c->orders_per_10s_max <= 4095 && c->orders_per_day_max >= 1;
    return texts && windows && limits && (c->wire == 0 || c->wire == 1) && (c->signature == 0 || c->signature == 1) &&
           c->price_decimals >= 0 && c->price_decimals <= 8 && c->qty_decimals >= 0 && c->qty_decimals <= 8;
}

static void take_text(fuzz_input *in, char *out, size_t bytes)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t how = fuzz_u8(in), start = fuzz_u8(in);
    size_t count = how < 40 ? bytes - 1 : 1 + how % (bytes - 1);
    for (size_t i = 0; i < count; i++) {
        out[i] = letters[(start + i * 7) % 64];
    }
    if (how >= 250) { /* anything: too long, empty, or with a byte that may not be */
        out[how == 250 ? 0 : start % bytes] = (char)(how == 250 ? 0 : fuzz_u8(in));
        if (how == 251) {
            memset(out, 'x', bytes);
        }
    }
}

static mm_gate_config take_config(fuzz_input *in)
{
    mm_gate_config c;
    memset(&c, 0, sizeof c);
    take_text(in, c.symbol, sizeof c.symbol);
    take_text(in, c.order_prefix, sizeof c.order_prefix);
    take_text(in, c.stp_mode, sizeof c.stp_mode);
    take_text(in, c.api_key, sizeof c.api_key);
    c.wire = fuzz_u8(in) < 160 ? MM_WIRE_WS_API : MM_WIRE_REST;
    c.signature = fuzz_u8(in) < 100 ? MM_SIGN_HMAC : MM_SIGN_ED25519;
    c.price_decimals = (int32_t)fuzz_below(in, 9);
    c.qty_decimals = (int32_t)fuzz_below(in, 9);
    c.place_window_ms = 1 + (int64_t)fuzz_below(in, 60000);
    c.other_window_ms = 1 + (int64_t)fuzz_below(in, 60000);
    c.stale_decision_ns = 1 + (int64_t)fuzz_below(in, 1 << 28);
    c.orders_per_1s_max = 1 + (int64_t)fuzz_below(in, 20);
    c.orders_per_10s_max = 1 + (int64_t)fuzz_below(in, 40);
    c.orders_per_day_max = 1 + (int64_t)fuzz_below(in, 200);
    c.mask_seed = (uint32_t)fuzz_bytes(in, 4);
    int64_t *const wholes[] = {&c.place_window_ms,   &c.other_window_ms,    &c.stale_decision_ns,
                               &c.orders_per_1s_max, &c.orders_per_10s_max, &c.orders_per_day_max};
    int32_t *const numbers[] = {&c.wire, &c.signature, &c.price_decimals, &c.qty_decimals};
    uint8_t odd = fuzz_u8(in);
    if (odd >= 240) {
        *wholes[odd % 6] = fuzz_i64(in);
    } else if (odd >= 230) {
        *numbers[odd % 4] = (int32_t)fuzz_i64_in(in, INT32_MIN, INT32_MAX);
    }
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gate_run run;
    memset(&run, 0, sizeof run);
    run.in.at = data;
    run.in.left = size;
    run.config = take_config(&run.in);
    run.now_ns = run.decision_ns = 1000 * second;
    size_t bytes = mm_gate_bytes(&run.config);
    void *memory = fuzz_memory(bytes);
    mm_status status = mm_gate_init(memory, bytes, &run.config, &run.gate);
    FUZZ_EQUAL(status, config_is_good(&run.config) ? MM_OK : MM_E_ARGUMENT);
    for (int step = 0; status == MM_OK && run.in.left > 0 && step < STEPS_MAX; step++) {
        uint8_t what = fuzz_u8(&run.in);
        if (what < 120) {
            do_encode(&run);
        } else if (what < 190) {
            do_seal(&run);
        } else if (what < 210) {
            take(&run);
        } else if (what < 230) {
            do_switch(&run);
        } else {
            do_pass(&run);
        }
        FUZZ_EQUAL(mm_gate_orders_out(run.gate), run.out);
    }
    if (status == MM_OK) {
        take(&run);
    }
    free(memory);
    return 0;
}
