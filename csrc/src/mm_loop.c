/* Rings, roles and the engine tied together; the host's threads call in here.
 *
 * Who may touch what: a role's holder only. FEED pumps the market socket's bytes in, ENGINE is run by whoever holds
 * its role (mm_loop_run), ORDERS pumps the order channel and takes the actions out. docs/concepts/threads.md has the
 * table and the proof of the hand-over. Histograms have one writer each and are read without a lock: a reader may
 * see a sample's count before its bucket. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime, for histograms only */
#include "mm_engine.h"

#include <string.h>
#include <time.h>

/* Room an exec message may need: a report is 2 records, an account position one per asset it names. */
#define EXEC_MESSAGE_RECORDS 512
/* Rounds of mm_loop_run before it leaves the rest to the engine's own thread. */
#define RUN_ROUNDS_MAX 16
#define READ_TRIES_MAX 4096
/* Sent orders whose acknowledgement is timed. */
#define SENT_SLOTS 256
#define MARKET_SCRATCH_RECORDS (MM_EVENT_RECORDS_MAX + 8)
/* Diffs behind a hole that another market connection may still fill wait so long, in so many records. */
#define HOLD_NS 200000000
#define HOLD_RECORDS (2 * MM_EVENT_RECORDS_MAX)

typedef struct sent_slot {
    uint64_t seq;
    int64_t sent_ns;
} sent_slot;

struct mm_loop {
    mm_loop_config config;
    mm_engine *engine;
    mm_clock_fn clock;
    mm_spsc *rings[MM_RING_COUNT];
    mm_role *roles[MM_ROLE_COUNT];
    mm_event *events[MM_ROLE_COUNT];

    MM_ALIGN_PAIR int64_t deadline_ns;    /* written by ENGINE, read by any */
    int64_t decode_ns;                    /* telemetry: when FEED pushed last */
    uint64_t progress[MM_ROLE_COUNT];
    uint32_t log_lost;

    /* FEED */
    MM_ALIGN_PAIR int32_t market_dropped; /* an event was dropped and the engine does not know yet */
    mm_arbiter *arbiter;
    mm_hist recv_to_decode;
    mm_record market_scratch[MARKET_SCRATCH_RECORDS];

    /* ENGINE */
    MM_ALIGN_PAIR mm_hist decode_to_book;
    mm_hist book_to_quote;
    mm_record engine_scratch[MM_EVENT_RECORDS_MAX];

    /* ORDERS */
    MM_ALIGN_PAIR mm_hist quote_to_send;
    mm_hist tick_to_order;
    mm_hist order_to_ack;
    sent_slot sent[SENT_SLOTS];
    mm_record exec_scratch[EXEC_MESSAGE_RECORDS];
    mm_record burst[MM_GATE_BURST_MAX]; /* actions whose requests are on their way to the kernel */
    size_t burst_count;
    bool burst_signing; /* burst[burst_count] waits for its signature */
    mm_gate *lent_gate; /* with which a turn may encode; NULL = it may not */
};

/* ---- memory ------------------------------------------------------------------------------- */

static int64_t monotonic_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* For histograms: a telemetry clock may say anything, a wrap must not matter. */
static int64_t elapsed(int64_t from_ns, int64_t to_ns)
{
    return (int64_t)((uint64_t)to_ns - (uint64_t)from_ns);
}

/* The REST worker is cold: it always blocks. Spinning is for one thread, the feed's, which then carries all three
 * roles: others that spun would only take its core. */
static int32_t policy_of(int32_t role, int32_t wanted)
{
    bool spins_elsewhere = wanted == MM_WAIT_SPIN && role != MM_ROLE_FEED;
    return role == MM_ROLE_REST || spins_elsewhere ? MM_WAIT_BLOCK : wanted;
}

static bool make_parts(mm_loop *loop)
{
    const mm_loop_config *c = &loop->config;
    const int64_t capacity[MM_RING_COUNT] = {
        c->market_records, c->exec_records,   c->rest_records,   c->action_records,
        c->action_records, c->action_records, c->action_records, c->log_records,
    };
    for (int32_t i = 0; i < MM_RING_COUNT; i++) {
        if (i == MM_RING_LOG && c->log_records == 0) {
            continue;
        }
        loop->rings[i] = mm_spsc_new((size_t)capacity[i]);
        if (loop->rings[i] == NULL) {
            return false;
        }
    }
    for (int32_t i = 0; i < MM_ROLE_COUNT; i++) {
        bool polls_sockets = i == MM_ROLE_FEED || i == MM_ROLE_ORDERS;
        int32_t policy = policy_of(i, (int32_t)c->wait_policy);
        void *memory = mm__memory_new(mm_role_bytes());
        loop->roles[i] = memory != NULL ? mm_role_init(memory, mm_role_bytes()) : NULL;
        loop->events[i] = mm_event_new(policy, polls_sockets);
        if (loop->roles[i] == NULL || loop->events[i] == NULL) {
            return false;
        }
    }
    return true;
}

mm_loop *mm_loop_new(const mm_loop_config *config, mm_engine *engine, mm_clock_fn telemetry_clock)
{
    if (engine == NULL || config->batch_events < 1 || config->rest_records <= MM_EVENT_RECORDS_MAX ||
        config->market_records <= MM_EVENT_RECORDS_MAX || config->exec_records < 2 * EXEC_MESSAGE_RECORDS ||
        config->action_records < MM__ACTIONS_MAX ||
        (config->log_records != 0 && config->log_records <= MM_EVENT_RECORDS_MAX)) {
        return NULL;
    }
    mm_loop *loop = (mm_loop *)mm__memory_new(sizeof *loop);
    if (loop == NULL) {
        return NULL;
    }
    loop->config = *config;
    loop->engine = engine;
    loop->clock = telemetry_clock != NULL ? telemetry_clock : monotonic_ns;
    loop->deadline_ns = INT64_MAX;
    mm_hist *hists[] = {&loop->recv_to_decode, &loop->decode_to_book, &loop->book_to_quote,
                        &loop->quote_to_send,  &loop->tick_to_order,  &loop->order_to_ack};
    for (size_t i = 0; i < MM_ARRAY_COUNT(hists); i++) {
        mm_hist_init(hists[i]);
    }
    loop->arbiter = mm_arbiter_new(HOLD_RECORDS, HOLD_NS);
    if (loop->arbiter == NULL || !make_parts(loop)) {
        mm_loop_free(loop);
        return NULL;
    }
    return loop;
}

void mm_loop_free(mm_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    for (int32_t i = 0; i < MM_RING_COUNT; i++) {
        if (loop->rings[i] != NULL) {
            mm_spsc_free(loop->rings[i]);
        }
    }
    for (int32_t i = 0; i < MM_ROLE_COUNT; i++) {
        if (loop->events[i] != NULL) {
            mm_event_free(loop->events[i]);
        }
        mm__memory_free(loop->roles[i]);
    }
    mm_arbiter_free(loop->arbiter);
    mm__memory_free(loop);
}

mm_spsc *mm_loop_ring(mm_loop *loop, int32_t ring)
{
    MM_ASSERT(ring >= 0 && ring < MM_RING_COUNT);
    return loop->rings[ring];
}

mm_role *mm_loop_role(mm_loop *loop, int32_t role)
{
    MM_ASSERT(role >= 0 && role < MM_ROLE_COUNT);
    return loop->roles[role];
}

mm_event *mm_loop_event(mm_loop *loop, int32_t role)
{
    MM_ASSERT(role >= 0 && role < MM_ROLE_COUNT);
    return loop->events[role];
}

const mm_hist *mm_loop_hist(const mm_loop *loop, int32_t stage)
{
    const mm_hist *hists[MM_STAGE_COUNT] = {&loop->recv_to_decode, &loop->decode_to_book, &loop->book_to_quote,
                                            &loop->quote_to_send,  &loop->tick_to_order,  &loop->order_to_ack};
    MM_ASSERT(stage >= 0 && stage < MM_STAGE_COUNT);
    return hists[stage];
}

uint64_t mm_loop_progress(const mm_loop *loop, int32_t role)
{
    MM_ASSERT(role >= 0 && role < MM_ROLE_COUNT);
    return mm__load_relaxed(&loop->progress[role]);
}

static void progressed(mm_loop *loop, int32_t role)
{
    mm__store_relaxed(&loop->progress[role], mm__load_relaxed(&loop->progress[role]) + 1);
}

static bool inputs_pending(const mm_loop *loop)
{
    return !mm_spsc_empty(loop->rings[MM_RING_EXEC]) || !mm_spsc_empty(loop->rings[MM_RING_CONTROL]) ||
           !mm_spsc_empty(loop->rings[MM_RING_REST]) || !mm_spsc_empty(loop->rings[MM_RING_MARKET]);
}

bool mm_loop_pending(const mm_loop *loop, int32_t role)
{
    switch (role) {
    case MM_ROLE_ENGINE:
        return inputs_pending(loop);
    case MM_ROLE_ORDERS:
        return !mm_spsc_empty(loop->rings[MM_RING_CANCEL]) || !mm_spsc_empty(loop->rings[MM_RING_ACTION]);
    case MM_ROLE_REST:
        return !mm_spsc_empty(loop->rings[MM_RING_WORK]);
    default:
        return false;
    }
}

/* ---- bytes in ----------------------------------------------------------------------------- */

static bool push_link(mm_spsc *ring, uint16_t kind, uint32_t socket, int64_t state, int64_t detail, int64_t recv_ns)
{
    MM_ASSERT(socket < MM_ARBITER_SOCKETS);
    mm_record record;
    memset(&record, 0, sizeof record);
    record.kind = kind;
    record.flags = kind == MM_KIND_MARKET_FAULT ? (uint16_t)socket : 0;
    record.count = 1;
    record.body.link.state = state;
    record.body.link.recv_ns = recv_ns;
    record.body.link.detail = detail;
    record.body.link.channel = MM_CHANNEL_MARKET;
    return mm_spsc_push(ring, &record);
}

/* Tells the engine of a dropped event before anything newer; false while there is still no room. */
static bool report_drop(mm_loop *loop, int64_t recv_ns)
{
    if (loop->market_dropped &&
        push_link(loop->rings[MM_RING_MARKET], MM_KIND_MARKET_FAULT, 0, MM_OK, 0, recv_ns)) {
        loop->market_dropped = 0;
    }
    return !loop->market_dropped;
}

static uint32_t push_one(mm_loop *loop, const mm_record *event, int64_t recv_ns)
{
    if (report_drop(loop, recv_ns) && mm_spsc_push(loop->rings[MM_RING_MARKET], event)) {
        return MM_PUMP_RECORDS;
    }
    loop->market_dropped = 1;
    return MM_PUMP_DROPPED;
}

static uint32_t push_held(mm_loop *loop, int64_t now_ns)
{
    uint32_t bits = 0;
    const mm_record *event = mm_arbiter_next(loop->arbiter, now_ns);
    while (event != NULL) { /* what is held is bounded */
        bits |= push_one(loop, event, now_ns);
        event = mm_arbiter_next(loop->arbiter, now_ns);
    }
    return bits;
}

/* What `socket` brought, as far as no other connection has. */
static uint32_t push_market(mm_loop *loop, uint32_t socket, const mm_record *records, size_t record_count,
                            int64_t recv_ns)
{
    uint32_t bits = 0;
    for (size_t at = 0; at < record_count; at += records[at].count) {
        int32_t verdict = mm_arbiter_take(loop->arbiter, socket, &records[at], recv_ns);
        if (verdict == MM_ARBITER_RESTART) {
            loop->market_dropped = 1; /* the book belongs to ids that are no more */
        }
        if (verdict == MM_ARBITER_PASS || verdict == MM_ARBITER_RESTART) {
            bits |= push_one(loop, &records[at], recv_ns);
        }
        bits |= push_held(loop, recv_ns);
    }
    return bits;
}

void mm_loop_socket_up(mm_loop *loop, uint32_t socket)
{
    mm_arbiter_up(loop->arbiter, socket);
}

uint32_t mm_loop_socket_down(mm_loop *loop, uint32_t socket, int64_t now_ns)
{
    mm_arbiter_down(loop->arbiter, socket);
    return push_held(loop, now_ns);
}

uint32_t mm_loop_socket_due(mm_loop *loop, int64_t now_ns)
{
    return push_held(loop, now_ns);
}

int64_t mm_loop_socket_deadline(const mm_loop *loop)
{
    return mm_arbiter_deadline(loop->arbiter);
}

mm_arbiter_stats mm_loop_socket_statistics(const mm_loop *loop)
{
    return mm_arbiter_statistics(loop->arbiter);
}

static void time_acks(mm_loop *loop, const mm_record *record, int64_t recv_ns)
{
    if (record->kind != MM_KIND_ACK) {
        return;
    }
    MM_ASSERT(record->body.report.order_seq != 0); /* only requests with a number have such a reply */
    const sent_slot *slot = &loop->sent[record->body.report.order_seq % SENT_SLOTS];
    if (slot->seq == record->body.report.order_seq) {
        mm_hist_add(&loop->order_to_ack, recv_ns - slot->sent_ns);
    }
}

static uint32_t push_exec(mm_loop *loop, const mm_record *records, size_t record_count, int64_t recv_ns)
{
    for (size_t at = 0; at < record_count; at += records[at].count) {
        bool pushed = mm_spsc_push(loop->rings[MM_RING_EXEC], &records[at]);
        MM_ASSERT(pushed); /* the room was checked before the message was taken */
        time_acks(loop, &records[at], recv_ns);
    }
    return record_count > 0 ? MM_PUMP_RECORDS : 0;
}

/* What the host itself has to see of a decoded message. */
static uint32_t host_bits(const mm_feed_info *info)
{
    uint32_t bits = 0;
    if (info->shutdown) {
        bits |= MM_PUMP_SHUTDOWN;
    }
    if (info->http_status == 429 || info->http_status == 418) {
        bits |= MM_PUMP_LIMIT;
    }
    bool answers = info->http_status != 0 || info->request_id[0] != 0;
    if (info->terminated || (answers && info->operation == MM_OP_NONE)) {
        bits |= MM_PUMP_REPLY;
    }
    return bits;
}

/* A market message that cannot be read: the book may have lost something, so it is invalid. */
static uint32_t market_fault(mm_loop *loop, uint32_t socket, mm_status status, size_t error_at, int64_t recv_ns)
{
    bool told = push_link(loop->rings[MM_RING_MARKET], MM_KIND_MARKET_FAULT, socket, status, (int64_t)error_at, recv_ns);
    loop->market_dropped |= !told;
    return MM_PUMP_RECORDS;
}

/* Decoded market events into the ring. */
static uint32_t take_market(mm_loop *loop, uint32_t socket, size_t record_count, int64_t recv_ns)
{
    int64_t decoded_ns = loop->clock();
    mm_hist_add(&loop->recv_to_decode, elapsed(recv_ns, decoded_ns));
    mm__store_relaxed(&loop->decode_ns, decoded_ns);
    return push_market(loop, socket, loop->market_scratch, record_count, recv_ns);
}

static uint32_t take_market_binary(mm_loop *loop, uint32_t socket, mm_feed *feed, const mm_ws_message *message,
                                   int64_t recv_ns)
{
    size_t count = 0, error_at = 0;
    mm_status status = mm_sbe_decode(mm__feed_symbol(feed), message->payload, message->payload_bytes, recv_ns,
                                     loop->market_scratch, MARKET_SCRATCH_RECORDS, &count, &error_at);
    return status != MM_OK ? market_fault(loop, socket, status, error_at, recv_ns) : take_market(loop, socket, count, recv_ns);
}

static uint32_t take_market_text(mm_loop *loop, uint32_t socket, mm_feed *feed, const mm_ws_message *message,
                                 int64_t recv_ns)
{
    size_t count = 0, error_at = 0;
    mm_status status = mm_feed_decode(feed, (const char *)message->payload, message->payload_bytes, recv_ns,
                                      loop->market_scratch, MARKET_SCRATCH_RECORDS, &count, &error_at);
    if (status != MM_OK) {
        return market_fault(loop, socket, status, error_at, recv_ns);
    }
    return take_market(loop, socket, count, recv_ns) | host_bits(mm_feed_last(feed));
}

static uint32_t take_exec_text(mm_loop *loop, mm_feed *feed, const mm_ws_message *message, int64_t recv_ns)
{
    size_t count = 0, error_at = 0;
    mm_status status = mm_feed_decode(feed, (const char *)message->payload, message->payload_bytes, recv_ns,
                                      loop->exec_scratch, EXEC_MESSAGE_RECORDS, &count, &error_at);
    if (status != MM_OK) {
        return MM_PUMP_CLOSED; /* an order message that cannot be read: reconnect and reconcile */
    }
    return push_exec(loop, loop->exec_scratch, count, recv_ns) | host_bits(mm_feed_last(feed));
}

/* Pong with the ping's payload. The mask hides nothing here: the payload is the server's own. */
static uint32_t answer_ping(const mm_ws_message *message, uint8_t *reply, size_t capacity, size_t *reply_bytes)
{
    if (*reply_bytes + message->payload_bytes + MM_WS_HEADER_MAX > capacity) {
        return 0; /* pings come every 20 s: a caller that never sent the last ones loses the connection anyway */
    }
    *reply_bytes += mm_ws_encode(MM_WS_PONG, message->payload, message->payload_bytes, 0x5bd1e995u,
                                 reply + *reply_bytes);
    return MM_PUMP_CONTROL;
}

static bool may_take(mm_loop *loop, int32_t channel)
{
    return channel == MM_CHANNEL_MARKET || mm_spsc_room(loop->rings[MM_RING_EXEC]) >= EXEC_MESSAGE_RECORDS;
}

/* How long ago the ping left that a pong answers: its payload is the sender's clock, 8 bytes, the lowest first. 0 =
 * it says nothing of the kind. */
static int64_t round_trip(const mm_ws_message *message, int64_t recv_ns)
{
    uint64_t sent_ns = 0;
    if (message->opcode != MM_WS_PONG || message->payload_bytes != sizeof sent_ns) {
        return 0;
    }
    for (size_t i = 0; i < sizeof sent_ns; i++) {
        sent_ns |= (uint64_t)message->payload[i] << (8 * i);
    }
    return sent_ns < (uint64_t)recv_ns ? recv_ns - (int64_t)sent_ns : 0;
}

/* One message of a market connection: data, or a sign of life. Of a connection that has brought no diff yet a pong
 * proves nothing: what came between the last of the others and its own coming up is on none of them. */
static uint32_t take_market_message(mm_loop *loop, uint32_t socket, mm_feed *feed, const mm_ws_message *message,
                                    int64_t recv_ns)
{
    if (message->opcode == MM_WS_TEXT) {
        return take_market_text(loop, socket, feed, message, recv_ns);
    }
    if (message->opcode == MM_WS_BINARY) {
        return take_market_binary(loop, socket, feed, message, recv_ns);
    }
    bool alive = message->opcode == MM_WS_PONG || message->opcode == MM_WS_PING;
    if (alive && report_drop(loop, recv_ns) &&
        push_link(loop->rings[MM_RING_MARKET], MM_KIND_MARKET_LINK, 0, MM_LINK_PONG,
                  mm_arbiter_joined(loop->arbiter, socket) ? round_trip(message, recv_ns) : 0, recv_ns)) {
        return MM_PUMP_RECORDS;
    }
    return 0;
}

uint32_t mm_loop_pump(mm_loop *loop, int32_t channel, uint32_t socket, mm_ws *ws, mm_feed *feed, int64_t recv_ns,
                      uint8_t *reply, size_t reply_capacity, size_t *reply_bytes)
{
    bool market = channel == MM_CHANNEL_MARKET;
    uint32_t bits = 0;
    mm_ws_message message;
    mm_status status = MM_OK;
    *reply_bytes = 0;
    progressed(loop, market ? MM_ROLE_FEED : MM_ROLE_ORDERS);
    while (may_take(loop, channel) && (status = mm_ws_next(ws, &message)) == MM_OK) {
        if (market) {
            bits |= take_market_message(loop, socket, feed, &message, recv_ns);
        } else if (message.opcode == MM_WS_TEXT) {
            bits |= take_exec_text(loop, feed, &message, recv_ns);
        }
        if (message.opcode == MM_WS_PING) {
            bits |= answer_ping(&message, reply, reply_capacity, reply_bytes);
        } else if (message.opcode == MM_WS_CLOSE) {
            bits |= MM_PUMP_CLOSED;
        }
        if ((bits & (MM_PUMP_REPLY | MM_PUMP_LIMIT | MM_PUMP_CLOSED)) != 0) {
            return bits;
        }
    }
    return status < 0 && status != MM_E_STATE ? bits | MM_PUMP_CLOSED : bits;
}

bool mm_loop_push(mm_loop *loop, int32_t ring, const mm_record *records)
{
    MM_ASSERT(ring >= MM_RING_MARKET && ring <= MM_RING_CONTROL);
    if (records->count > MM_EVENT_RECORDS_MAX || !mm_spsc_push(loop->rings[ring], records)) {
        return false; /* a longer one could never be taken out again */
    }
    mm_event_signal(loop->events[MM_ROLE_ENGINE]);
    return true;
}

/* ---- the engine --------------------------------------------------------------------------- */

/* Into the log. A writer that cannot keep up loses the log, and with it the run: trading on without a record is not
 * allowed. */
static void log_records(mm_loop *loop, const mm_record *records)
{
    mm_spsc *ring = loop->rings[MM_RING_LOG];
    if (ring == NULL || mm__load_relaxed(&loop->log_lost) || mm_spsc_push(ring, records)) {
        return;
    }
    mm__store_relaxed(&loop->log_lost, 1u);
    mm_record kill;
    memset(&kill, 0, sizeof kill);
    kill.kind = MM_KIND_COMMAND;
    kill.count = 1;
    kill.body.command.command = MM_COMMAND_KILL;
    kill.body.command.value = MM_REASON_LOG_FULL;
    (void)mm_engine_step(loop->engine, &kill);
}

/* What an action asks of the exchange about an order; MM_OP_NONE = it is for somebody else. */
static int32_t operation_of(const mm_record *action)
{
    switch (action->kind) {
    case MM_KIND_PLACE:
        return MM_OP_PLACE;
    case MM_KIND_CANCEL:
        return MM_OP_CANCEL;
    case MM_KIND_QUERY:
        return MM_OP_QUERY;
    case MM_KIND_AMEND:
        return MM_OP_AMEND;
    case MM_KIND_REPLACE:
        return MM_OP_REPLACE;
    default:
        return MM_OP_NONE;
    }
}

static uint32_t dispatch(mm_loop *loop)
{
    size_t count = 0;
    uint32_t bits = 0;
    const mm_record *actions = mm_engine_actions(loop->engine, &count);
    for (size_t i = 0; i < count; i++) {
        const mm_record *action = &actions[i];
        int32_t ring = action->kind == MM_KIND_CANCEL ? MM_RING_CANCEL : MM_RING_WORK;
        if (operation_of(action) != MM_OP_NONE && ring != MM_RING_CANCEL) {
            ring = MM_RING_ACTION;
        }
        bool pushed = mm_spsc_push(loop->rings[ring], action);
        MM_ASSERT(pushed); /* the engine was told the room */
        bits |= ring == MM_RING_WORK ? MM_RUN_WORK : MM_RUN_ORDERS;
    }
    /* Logged after they are on their way: the log follows the batch, the orders do not wait for it. A lost log kills
     * the engine, which resets its action list, so the list is not touched after the push that fails. */
    for (size_t i = 0; i < count && !mm__load_relaxed(&loop->log_lost); i++) {
        log_records(loop, &actions[i]);
    }
    if ((bits & MM_RUN_WORK) != 0) {
        mm_event_signal(loop->events[MM_ROLE_REST]);
    }
    return bits;
}

static uint32_t batch_end(mm_loop *loop, int64_t now_ns, bool market)
{
    int64_t before_ns = loop->clock();
    if (market) {
        mm_hist_add(&loop->decode_to_book, elapsed(mm__load_relaxed(&loop->decode_ns), before_ns));
    }
    size_t action_room = mm_spsc_room(loop->rings[MM_RING_ACTION]);
    size_t work_room = mm_spsc_room(loop->rings[MM_RING_WORK]);
    mm_record end;
    memset(&end, 0, sizeof end);
    end.kind = MM_KIND_BATCH_END;
    end.count = 1;
    end.body.command.now_ns = now_ns;
    end.body.command.value = (int64_t)(action_room < work_room ? action_room : work_room);
    end.body.command.value2 = (int64_t)mm_spsc_room(loop->rings[MM_RING_CANCEL]);
    log_records(loop, &end);
    uint32_t asked = mm_engine_step(loop->engine, &end);
    if (market) {
        mm_hist_add(&loop->book_to_quote, elapsed(before_ns, loop->clock()));
    }
    uint32_t bits = (asked & MM_STEP_ACTIONS) != 0 ? dispatch(loop) : 0;
    mm__store_relaxed(&loop->deadline_ns, mm_engine_deadline(loop->engine));
    if ((asked & MM_STEP_NEED_QUOTE) != 0) {
        bits |= MM_RUN_NEED_QUOTE;
    }
    return mm__load_relaxed(&loop->log_lost) ? bits | MM_RUN_LOG_LOST : bits;
}

/* Takes up to batch_events events from the rings in their order of precedence: what became of orders first. *market:
 * decoded market data was among them, so that the stages behind it can be timed. */
static int64_t take_batch(mm_loop *loop, bool *market)
{
    static const int32_t order[] = {MM_RING_EXEC, MM_RING_CONTROL, MM_RING_REST, MM_RING_MARKET};
    int64_t taken = 0;
    *market = false;
    for (size_t i = 0; i < MM_ARRAY_COUNT(order); i++) {
        mm_spsc *ring = loop->rings[order[i]];
        while (taken < loop->config.batch_events &&
               mm_spsc_pop(ring, loop->engine_scratch, MM_EVENT_RECORDS_MAX) > 0) {
            log_records(loop, loop->engine_scratch);
            (void)mm_engine_step(loop->engine, loop->engine_scratch);
            *market |= order[i] == MM_RING_MARKET && loop->engine_scratch[0].kind <= MM_KIND_TRADE;
            taken++;
        }
    }
    return taken;
}

static uint32_t run_held(mm_loop *loop, int64_t now_ns)
{
    uint32_t bits = 0;
    bool market = false;
    progressed(loop, MM_ROLE_ENGINE);
    int64_t taken = take_batch(loop, &market);
    if (taken > 0 || now_ns >= mm_engine_deadline(loop->engine)) {
        bits = batch_end(loop, now_ns, market);
    }
    return bits;
}

uint32_t mm_loop_run(mm_loop *loop, uint32_t holder, int64_t now_ns)
{
    mm_role *role = loop->roles[MM_ROLE_ENGINE];
    uint32_t bits = 0;
    for (int32_t round = 0; round < RUN_ROUNDS_MAX; round++) {
        if (!mm_role_try(role, holder)) {
            /* Its holder looks at the rings once more after giving it up. */
            return bits | MM_RUN_BUSY;
        }
        bits |= run_held(loop, now_ns);
        mm_role_release(role, holder);
        if (!inputs_pending(loop)) {
            return bits;
        }
    }
    mm_event_signal(loop->events[MM_ROLE_ENGINE]);
    return bits;
}

int64_t mm_loop_deadline(const mm_loop *loop)
{
    return mm__load_relaxed(&loop->deadline_ns);
}

/* Runs are short and bounded, so waiting for one is a spin. */
static void take_engine(mm_loop *loop, uint32_t holder)
{
    while (!mm_role_try(loop->roles[MM_ROLE_ENGINE], holder)) {
        mm__pause();
    }
}

static void give_engine(mm_loop *loop, uint32_t holder)
{
    mm_role_release(loop->roles[MM_ROLE_ENGINE], holder);
    if (inputs_pending(loop)) {
        mm_event_signal(loop->events[MM_ROLE_ENGINE]);
    }
}

/* ---- Python strategies -------------------------------------------------------------------- */

#define QUOTE_SIDE_RECORDS ((MM_LAYERS_MAX + MM_LEVELS_PER_RECORD - 1) / MM_LEVELS_PER_RECORD)

static uint32_t put_levels(mm_record *records, const mm_level *levels, uint32_t count)
{
    uint32_t used = (uint32_t)mm__level_records(count);
    for (uint32_t i = 0; i < used; i++) {
        records[i].kind = MM_KIND_LEVELS;
    }
    for (uint32_t i = 0; i < count; i++) {
        records[i / MM_LEVELS_PER_RECORD].body.levels[i % MM_LEVELS_PER_RECORD] = levels[i];
    }
    return used;
}

static void make_quote(const mm_quotes *quotes, int64_t now_ns, mm_record *records)
{
    memset(records, 0, (1 + 2 * QUOTE_SIDE_RECORDS) * sizeof *records);
    if (quotes == NULL) {
        records[0].kind = MM_KIND_COMMAND;
        records[0].count = 1;
        records[0].body.command.command = MM_COMMAND_STRATEGY_FAULT;
        records[0].body.command.value = 1;
        records[0].body.command.now_ns = now_ns;
        return;
    }
    uint32_t bid_count = quotes->bid_count <= MM_LAYERS_MAX ? quotes->bid_count : MM_LAYERS_MAX;
    uint32_t ask_count = quotes->ask_count <= MM_LAYERS_MAX ? quotes->ask_count : MM_LAYERS_MAX;
    uint32_t used = 1;
    used += put_levels(records + used, quotes->bids, bid_count);
    used += put_levels(records + used, quotes->asks, ask_count);
    MM_ASSERT(used <= 1 + 2 * QUOTE_SIDE_RECORDS);
    records[0].kind = MM_KIND_QUOTE;
    records[0].count = used;
    records[0].body.command.now_ns = now_ns;
    records[0].body.command.command = bid_count;
    records[0].body.command.value = ask_count;
}

uint32_t mm_loop_quote(mm_loop *loop, uint32_t holder, const mm_quotes *quotes, int64_t now_ns)
{
    mm_record records[1 + 2 * QUOTE_SIDE_RECORDS];
    make_quote(quotes, now_ns, records);
    take_engine(loop, holder);
    log_records(loop, records);
    (void)mm_engine_step(loop->engine, records);
    uint32_t bits = batch_end(loop, now_ns, false);
    give_engine(loop, holder);
    return bits;
}

bool mm_loop_quote_input(mm_loop *loop, uint32_t holder, mm_quote_input *input, mm_level *bids, size_t *bid_count,
                         mm_level *asks, size_t *ask_count)
{
    take_engine(loop, holder);
    bool due = mm__engine_quote_input(loop->engine, input);
    if (due) {
        const mm_book *book = mm_engine_book(loop->engine);
        *bid_count = mm_book_depth(book, MM_BID, *bid_count, bids);
        *ask_count = mm_book_depth(book, MM_ASK, *ask_count, asks);
    }
    give_engine(loop, holder);
    return due;
}

bool mm_loop_read(mm_loop *loop, uint32_t holder, mm_engine_status *status)
{
    mm_role *role = loop->roles[MM_ROLE_ENGINE];
    for (int32_t tries = 0; tries < READ_TRIES_MAX; tries++) {
        if (mm_role_try(role, holder)) {
            mm_engine_read(loop->engine, status);
            give_engine(loop, holder);
            return true;
        }
        mm__pause();
    }
    return false;
}

/* ---- actions out -------------------------------------------------------------------------- */

bool mm_loop_next_action(mm_loop *loop, mm_record *action)
{
    progressed(loop, MM_ROLE_ORDERS);
    return mm_spsc_pop(loop->rings[MM_RING_CANCEL], action, 1) > 0 ||
           mm_spsc_pop(loop->rings[MM_RING_ACTION], action, 1) > 0;
}

static bool push_outcome(mm_loop *loop, uint16_t kind, const mm_record *action, int64_t at_ns, uint64_t verdict)
{
    mm_record record;
    memset(&record, 0, sizeof record);
    record.kind = kind;
    record.count = 1;
    record.body.outcome.order_seq = action->body.action.order_seq;
    record.body.outcome.recv_ns = at_ns;
    record.body.outcome.verdict = verdict;
    record.body.outcome.operation = operation_of(action);
    return mm_spsc_push(loop->rings[MM_RING_EXEC], &record);
}

bool mm_loop_sent(mm_loop *loop, const mm_record *action, int64_t sent_ns)
{
    const mm_action_body *body = &action->body.action;
    if (action->kind == MM_KIND_PLACE || action->kind == MM_KIND_REPLACE) {
        sent_slot *slot = &loop->sent[body->order_seq % SENT_SLOTS];
        slot->seq = body->order_seq;
        slot->sent_ns = sent_ns;
        mm_hist_add(&loop->quote_to_send, sent_ns - body->decision_ns);
        if (body->cause_ns > 0) {
            mm_hist_add(&loop->tick_to_order, sent_ns - body->cause_ns);
        }
    }
    return push_outcome(loop, MM_KIND_SENT, action, sent_ns, 0);
}

bool mm_loop_not_sent(mm_loop *loop, const mm_record *action, uint64_t verdict, int64_t now_ns)
{
    MM_ASSERT(verdict != 0);
    bool pushed = push_outcome(loop, MM_KIND_NOT_SENT, action, now_ns, verdict);
    if (pushed) {
        mm_event_signal(loop->events[MM_ROLE_ENGINE]); /* what did not go is decided again at once */
    }
    return pushed;
}

/* The action behind the burst has no signature: it was not sent. */
static void give_up_signing(mm_loop *loop, int64_t now_ns)
{
    MM_ASSERT(loop->burst_signing && loop->burst_count < MM_GATE_BURST_MAX);
    loop->burst_signing = false;
    bool told = mm_loop_not_sent(loop, &loop->burst[loop->burst_count], MM_BIT(MM_REASON_CREDENTIALS), now_ns);
    MM_ASSERT(told); /* the room was there */
}

int32_t mm_loop_burst_encode(mm_loop *loop, mm_gate *gate, int64_t now_ns, const char *signature, size_t signature_bytes,
                             const char **payload, size_t *payload_bytes)
{
    *payload_bytes = 0;
    if (loop->burst_signing) {
        mm_status sealed = signature_bytes > 0 ? mm_gate_seal(gate, signature, signature_bytes) : MM_E_STATE;
        if (sealed < 0) {
            give_up_signing(loop, now_ns);
        } else {
            loop->burst_signing = false;
            loop->burst_count++;
        }
        if (sealed < 0 && signature_bytes > 0) {
            return sealed;
        }
    }
    for (;;) { /* an action a turn, and they are bounded by the rings */
        if (loop->burst_count == MM_GATE_BURST_MAX || mm_spsc_room(loop->rings[MM_RING_EXEC]) <= loop->burst_count) {
            return mm_loop_pending(loop, MM_ROLE_ORDERS) ? MM_ENCODE_MORE : 0;
        }
        mm_record *action = &loop->burst[loop->burst_count];
        if (!mm_loop_next_action(loop, action)) {
            return 0;
        }
        uint64_t verdict = mm_gate_encode(gate, action, now_ns, payload, payload_bytes);
        if (verdict != 0) {
            bool told = mm_loop_not_sent(loop, action, verdict, now_ns);
            MM_ASSERT(told); /* the room was there */
            continue;
        }
        if (*payload_bytes > 0) {
            loop->burst_signing = true;
            return MM_ENCODE_SIGN;
        }
        loop->burst_count++;
    }
}

void mm_loop_burst_sent(mm_loop *loop, bool handed_over, int64_t at_ns)
{
    for (size_t i = 0; i < loop->burst_count; i++) {
        const mm_record *action = &loop->burst[i];
        bool told = handed_over ? mm_loop_sent(loop, action, at_ns)
                                : mm_loop_not_sent(loop, action, MM_BIT(MM_REASON_DISCONNECTED), at_ns);
        MM_ASSERT(told); /* the room was kept for it */
    }
    if (loop->burst_signing) {
        give_up_signing(loop, at_ns);
    }
    loop->burst_count = 0;
}

/* ---- a turn: from bytes read to bytes to send ---------------------------------------------- */

void mm_loop_lend_gate(mm_loop *loop, mm_gate *gate)
{
    loop->lent_gate = gate;
}

/* Tries the ORDERS role and has the gate write what waits. true = the caller holds the role and has something to
 * hand over. */
static bool begin_burst(mm_loop *loop, uint32_t holder, int64_t now_ns, const uint8_t **burst, size_t *burst_bytes)
{
    mm_role *role = loop->roles[MM_ROLE_ORDERS];
    if (!mm_role_try(role, holder)) {
        return false;
    }
    MM_ASSERT(loop->burst_count == 0 && !loop->burst_signing);
    if (loop->lent_gate != NULL) {
        const char *payload = NULL;
        size_t payload_bytes = 0;
        int32_t asked = mm_loop_burst_encode(loop, loop->lent_gate, now_ns, NULL, 0, &payload, &payload_bytes);
        MM_ASSERT(asked == 0 || asked == MM_ENCODE_MORE); /* a lent gate signs nothing */
        *burst_bytes = mm_gate_take(loop->lent_gate, burst);
        if (*burst_bytes > 0) {
            return true;
        }
        mm_loop_burst_sent(loop, false, now_ns); /* nothing, unless the promise above was broken */
    }
    mm_role_release(role, holder);
    return false;
}

uint32_t mm_loop_turn(mm_loop *loop, uint32_t holder, uint32_t socket, mm_ws *ws, size_t filled_bytes, mm_feed *feed,
                      int64_t recv_ns, uint8_t *reply, size_t reply_capacity, size_t *reply_bytes,
                      const uint8_t **burst, size_t *burst_bytes)
{
    *burst_bytes = 0;
    mm_ws_filled(ws, filled_bytes);
    uint32_t bits = mm_loop_pump(loop, MM_CHANNEL_MARKET, socket, ws, feed, recv_ns, reply, reply_capacity, reply_bytes);
    if ((bits & MM_PUMP_RECORDS) == 0) {
        return bits;
    }
    bits |= mm_loop_run(loop, holder, recv_ns);
    if ((bits & MM_RUN_ORDERS) == 0) {
        return bits;
    }
    if (begin_burst(loop, holder, recv_ns, burst, burst_bytes)) {
        return (bits & ~(uint32_t)MM_RUN_ORDERS) | MM_RUN_BURST;
    }
    return mm_loop_pending(loop, MM_ROLE_ORDERS) ? bits : bits & ~(uint32_t)MM_RUN_ORDERS;
}

size_t mm_loop_turn_late(mm_loop *loop, int64_t now_ns, const uint8_t **burst)
{
    MM_ASSERT(loop->lent_gate != NULL && !loop->burst_signing);
    size_t count = loop->burst_count, kept = 0;
    for (size_t i = 0; i < count; i++) {
        mm_record action = loop->burst[i];
        const char *payload = NULL;
        size_t payload_bytes = 0;
        /* What makes or keeps an order has been counted by the gate, and is not shown to it again. */
        bool ends = action.kind == MM_KIND_CANCEL || action.kind == MM_KIND_QUERY;
        uint64_t verdict = ends ? mm_gate_encode(loop->lent_gate, &action, now_ns, &payload, &payload_bytes)
                                : MM_BIT(MM_REASON_STALE_DECISION);
        MM_ASSERT(payload_bytes == 0); /* a lent gate signs nothing */
        if (verdict == 0) {
            loop->burst[kept++] = action;
            continue;
        }
        bool told = mm_loop_not_sent(loop, &action, verdict, now_ns);
        MM_ASSERT(told); /* the room was kept for it */
    }
    loop->burst_count = kept;
    return mm_gate_take(loop->lent_gate, burst);
}

bool mm_loop_turn_sent(mm_loop *loop, uint32_t holder, bool handed_over, int64_t at_ns)
{
    MM_ASSERT(mm_role_holder(loop->roles[MM_ROLE_ORDERS]) == holder);
    mm_loop_burst_sent(loop, handed_over, at_ns);
    mm_role_release(loop->roles[MM_ROLE_ORDERS], holder);
    return mm_loop_pending(loop, MM_ROLE_ORDERS);
}
