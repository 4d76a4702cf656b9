/* Three threads hand the engine and the orders to each other as the host's do. Run under ThreadSanitizer. */
#define _POSIX_C_SOURCE 200809L
#include "mm_loop_host.h"

#include <pthread.h>
#include <time.h>

enum { FRAMES_MIN = 1500, FRAMES_MAX = 500000, SENT_MIN = 50, BURSTS_MIN = 10, DUE_MAX = 64 };
enum { FEED = 1, STRATEGY, ORDERS };

typedef struct shared {
    bot b;
    mm_gate *gate;      /* lent to turns; NULL: the feed makes the single calls */
    uint32_t frames;    /* fed */
    uint32_t over;      /* the feed has sent everything */
    uint32_t bursts;    /* of turns, handed over by the feed */
    uint64_t sent;      /* from here on: written by the holder of ORDERS only */
    uint64_t last_place;
    mm_record due[DUE_MAX]; /* requests of turns, to be answered */
    size_t due_count;
} shared;

static int64_t monotonic_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

/* The client id of an own order, as the gate writes it. */
static void client_id(uint64_t seq, char *out)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    strcpy(out, "mA1-0k3f9zq-0000000-b0");
    for (char *at = out + strlen("mA1-0k3f9zq-") + 6; seq > 0; at--, seq /= 36) {
        *at = digits[seq % 36];
    }
}

/* The exchange's answer to an action: everything works. The order with number n has n + 1000 there. */
static void answer(const mm_record *action, char *text, size_t capacity)
{
    unsigned long long seq = action->body.action.order_seq;
    unsigned long long id = action->body.action.exchange_id > 0
                                ? (unsigned long long)action->body.action.exchange_id
                                : seq + 1000;
    char old[32];
    client_id(id - 1000, old);
    if (action->kind == MM_KIND_PLACE) {
        snprintf(text, capacity,
                 "{\"id\":\"p%llu\",\"status\":200,\"result\":{\"symbol\":\"BTCUSDT\",\"orderId\":%llu,"
                 "\"clientOrderId\":\"x\",\"transactTime\":1,\"executedQty\":\"0\",\"status\":\"NEW\"}}",
                 seq, seq + 1000);
    } else if (action->kind == MM_KIND_REPLACE) {
        snprintf(text, capacity,
                 "{\"id\":\"r%llu\",\"status\":200,\"result\":{\"cancelResult\":\"SUCCESS\","
                 "\"newOrderResult\":\"SUCCESS\",\"cancelResponse\":{\"symbol\":\"BTCUSDT\","
                 "\"origClientOrderId\":\"%s\",\"orderId\":%llu,\"executedQty\":\"0\",\"status\":\"CANCELED\"},"
                 "\"newOrderResponse\":{\"symbol\":\"BTCUSDT\",\"orderId\":%llu,\"clientOrderId\":\"x\","
                 "\"transactTime\":1,\"executedQty\":\"0\",\"status\":\"NEW\"}}}",
                 seq, old, id, seq + 1000);
    } else {
        MM_CHECK_INT(action->kind, ==, MM_KIND_CANCEL);
        snprintf(text, capacity,
                 "{\"id\":\"c%llu\",\"status\":200,\"result\":{\"symbol\":\"BTCUSDT\",\"orderId\":%llu,"
                 "\"executedQty\":\"0\",\"status\":\"CANCELED\"}}",
                 seq, id);
    }
}

static void note_sent(shared *s, const mm_record *action)
{
    __atomic_store_n(&s->sent, s->sent + 1, __ATOMIC_RELAXED);
    if (action->kind == MM_KIND_PLACE || action->kind == MM_KIND_REPLACE) {
        MM_CHECK_UINT(action->body.action.order_seq, ==, s->last_place + 1);
        s->last_place = action->body.action.order_seq;
    }
}

static void answer_at_once(shared *s, const mm_record *action)
{
    char text[1024];
    answer(action, text, sizeof text);
    (void)bot_order_at(&s->b, text, monotonic_ns());
}

static uint64_t number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}

/* One masked frame of a burst as the action it came from; its bytes. */
static size_t read_request(const uint8_t *at, mm_record *action)
{
    char text[1024];
    size_t bytes = at[1] & 127u, header = 2;
    if (bytes == 126) {
        bytes = (size_t)at[2] << 8 | at[3];
        header = 4;
    }
    MM_CHECK((at[1] & 128u) != 0 && bytes < sizeof text);
    for (size_t i = 0; i < bytes; i++) {
        text[i] = (char)(at[header + 4 + i] ^ at[header + i % 4]);
    }
    text[bytes] = '\0';
    memset(action, 0, sizeof *action);
    action->kind = strstr(text, "\"id\":\"p") != NULL   ? MM_KIND_PLACE
                   : strstr(text, "\"id\":\"r") != NULL ? MM_KIND_REPLACE
                                                       : MM_KIND_CANCEL;
    action->body.action.order_seq = number_after(text, "\"id\":\"p") +
                                    number_after(text, "\"id\":\"r") + number_after(text, "\"id\":\"c");
    action->body.action.exchange_id =
        (int64_t)(number_after(text, "\"cancelOrderId\":") + number_after(text, "\"orderId\":"));
    return header + 4 + bytes;
}

/* The requests of a burst are on their way. ORDERS role, before they are told as sent. */
static void note_burst(shared *s, const uint8_t *burst, size_t burst_bytes)
{
    for (size_t at = 0; at < burst_bytes;) {
        MM_CHECK(s->due_count < DUE_MAX);
        mm_record *action = &s->due[s->due_count++];
        at += read_request(burst + at, action);
        note_sent(s, action);
    }
}

static void answer_due(shared *s)
{
    for (size_t i = 0; i < s->due_count; i++) {
        answer_at_once(s, &s->due[i]);
    }
    s->due_count = 0;
}

static void drain_through_gate(shared *s)
{
    const char *payload = NULL;
    const uint8_t *burst = NULL;
    size_t payload_bytes = 0, burst_bytes = 0;
    do {
        (void)mm_loop_burst_encode(s->b.loop, s->gate, monotonic_ns(), NULL, 0, &payload, &payload_bytes);
        burst_bytes = mm_gate_take(s->gate, &burst);
        note_burst(s, burst, burst_bytes);
        mm_loop_burst_sent(s->b.loop, true, monotonic_ns());
        answer_due(s);
    } while (burst_bytes > 0);
}

static void drain_alone(shared *s)
{
    mm_record action;
    while (mm_loop_next_action(s->b.loop, &action)) {
        MM_CHECK(mm_loop_sent(s->b.loop, &action, monotonic_ns()));
        note_sent(s, &action);
        answer_at_once(s, &action);
    }
}

/* What the host's order thread does with the role: everything out, and the exchange's answer at once. */
static void drain_orders(shared *s)
{
    answer_due(s);
    if (s->gate != NULL) {
        drain_through_gate(s);
    } else {
        drain_alone(s);
    }
}

static bool try_orders(shared *s, uint32_t holder)
{
    mm_role *role = mm_loop_role(s->b.loop, MM_ROLE_ORDERS);
    while (mm_role_try(role, holder)) {
        drain_orders(s);
        mm_role_release(role, holder);
        if (!mm_loop_pending(s->b.loop, MM_ROLE_ORDERS)) {
            return true;
        }
    }
    return false;
}

static void run_engine(shared *s, uint32_t holder)
{
    uint32_t bits = 0;
    do {
        bits = mm_loop_run(s->b.loop, holder, monotonic_ns());
        if ((bits & MM_RUN_ORDERS) != 0 && !try_orders(s, holder)) {
            mm_event_signal(mm_loop_event(s->b.loop, MM_ROLE_ORDERS));
        }
    } while ((bits & MM_RUN_ORDERS) != 0);
}

/* What the host's feed thread does with a burst, as it holds ORDERS: hands it over and gives the role up. */
static void hand_over(shared *s, const uint8_t *burst, size_t burst_bytes)
{
    MM_CHECK_UINT(mm_role_holder(mm_loop_role(s->b.loop, MM_ROLE_ORDERS)), ==, FEED);
    note_burst(s, burst, burst_bytes);
    s->bursts++;
    (void)mm_loop_turn_sent(s->b.loop, FEED, true, monotonic_ns());
    if (!try_orders(s, FEED)) {
        mm_event_signal(mm_loop_event(s->b.loop, MM_ROLE_ORDERS));
    }
}

/* A frame the whole way in one call. */
static void turn(shared *s, const char *json)
{
    uint8_t reply[256];
    const uint8_t *burst = NULL;
    size_t reply_bytes = 0, burst_bytes = 0, filled = bot_unread(&s->b, json);
    uint32_t bits = mm_loop_turn(s->b.loop, FEED, 0, s->b.market_ws, filled, s->b.market_feed, s->b.now_ns, reply,
                                 sizeof reply, &reply_bytes, &burst, &burst_bytes);
    if ((bits & MM_RUN_BURST) != 0) {
        hand_over(s, burst, burst_bytes);
    }
    if ((bits & MM_RUN_ORDERS) != 0) {
        mm_event_signal(mm_loop_event(s->b.loop, MM_ROLE_ORDERS));
    }
}

/* However the threads are scheduled, some orders of either kind have been sent. */
static bool has_seen_enough(const shared *s)
{
    bool enough = __atomic_load_n(&s->sent, __ATOMIC_RELAXED) >= SENT_MIN && (s->gate == NULL || s->bursts >= BURSTS_MIN);
    return s->frames >= FRAMES_MIN && (enough || s->frames == FRAMES_MAX);
}

static void *feed_thread(void *context)
{
    shared *s = (shared *)context;
    char text[256];
    s->b.now_ns = monotonic_ns();
    bot_pong(&s->b);
    for (; !has_seen_enough(s); s->frames++) {
        /* The best bid comes and goes: the mid moves with each frame. */
        unsigned id = 103 + s->frames;
        snprintf(text, sizeof text,
                 "{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\",\"U\":%u,\"u\":%u,"
                 "\"b\":[[\"67000.00\",\"%u\"]],\"a\":[]}",
                 id, id, s->frames % 2);
        s->b.now_ns = monotonic_ns();
        if (s->gate != NULL) {
            turn(s, text);
        } else {
            (void)bot_market(&s->b, text);
            run_engine(s, FEED);
        }
    }
    __atomic_store_n(&s->over, 1u, __ATOMIC_RELEASE);
    mm_event_signal(mm_loop_event(s->b.loop, MM_ROLE_ENGINE));
    mm_event_signal(mm_loop_event(s->b.loop, MM_ROLE_ORDERS));
    return NULL;
}

static void park(shared *s, int32_t role)
{
    mm_event *event = mm_loop_event(s->b.loop, role);
    uint32_t key = mm_event_prepare(event);
    if (mm_loop_pending(s->b.loop, role) || __atomic_load_n(&s->over, __ATOMIC_ACQUIRE)) {
        mm_event_cancel(event);
    } else {
        (void)mm_event_wait(event, key, 2 * MS);
    }
}

static void *strategy_thread(void *context)
{
    shared *s = (shared *)context;
    while (!__atomic_load_n(&s->over, __ATOMIC_ACQUIRE)) {
        park(s, MM_ROLE_ENGINE);
        run_engine(s, STRATEGY);
    }
    return NULL;
}

static void *orders_thread(void *context)
{
    shared *s = (shared *)context;
    while (!__atomic_load_n(&s->over, __ATOMIC_ACQUIRE)) {
        park(s, MM_ROLE_ORDERS);
        (void)try_orders(s, ORDERS);
        run_engine(s, ORDERS);
    }
    return NULL;
}

static void run_three_threads(shared *s)
{
    pthread_t threads[3];
    s->b.now_ns = monotonic_ns() - 10 * SECOND;
    bot_start(&s->b);
    run_engine(s, FEED);
    mm_loop_lend_gate(s->b.loop, s->gate);
    MM_CHECK(pthread_create(&threads[0], NULL, feed_thread, s) == 0);
    MM_CHECK(pthread_create(&threads[1], NULL, strategy_thread, s) == 0);
    MM_CHECK(pthread_create(&threads[2], NULL, orders_thread, s) == 0);
    for (int i = 0; i < 3; i++) {
        MM_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    MM_CHECK(try_orders(s, FEED));
    run_engine(s, FEED);
}

static void check_all_sent_once(shared *s)
{
    mm_engine_status status;
    MM_CHECK(mm_loop_read(s->b.loop, FEED, &status));
    MM_CHECK_UINT(status.book_updates, ==, s->frames + 1u); /* and the one the snapshot bridged */
    MM_CHECK_UINT(status.gaps, ==, 0);
    MM_CHECK_INT(status.unknown_orders, ==, 0);
    MM_CHECK_UINT(status.orders_sent, ==, s->last_place);
    MM_CHECK_UINT(status.orders_acked, ==, s->last_place);
    MM_CHECK_UINT(s->sent, >=, SENT_MIN);
    MM_CHECK(!mm_loop_pending(s->b.loop, MM_ROLE_ENGINE));
    MM_CHECK(!mm_loop_pending(s->b.loop, MM_ROLE_ORDERS));
    MM_CHECK(mm_engine_valid(s->b.engine));
}

static void three_threads_lose_nothing_and_send_each_order_once_in_order(void)
{
    static shared s;
    memset(&s, 0, sizeof s);
    s.b = bot_open(NULL, 0);
    run_three_threads(&s);
    check_all_sent_once(&s);
    bot_close(&s.b);
}

static void so_do_turns_that_encode_with_a_lent_gate(void)
{
    static shared s;
    memset(&s, 0, sizeof s);
    s.b = bot_open(NULL, 0);
    s.gate = bot_gate(4000, true);
    run_three_threads(&s);
    check_all_sent_once(&s);
    MM_CHECK_UINT(s.bursts, >=, BURSTS_MIN);
    mm_gate_free(s.gate);
    bot_close(&s.b);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(three_threads_lose_nothing_and_send_each_order_once_in_order),
        MM_TEST(so_do_turns_that_encode_with_a_lent_gate),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
