/* Three threads hand the engine and the orders to each other as the host's do. Run under ThreadSanitizer. */
#define _POSIX_C_SOURCE 200809L
#include "mm_loop_host.h"

#include <pthread.h>
#include <time.h>

enum { FRAMES = 3000, FEED = 1, STRATEGY = 2, ORDERS = 3 };

typedef struct shared {
    bot b;
    uint32_t over;      /* the feed has sent everything */
    uint32_t frames;
    uint64_t sent;      /* written by the holder of ORDERS only */
    uint64_t last_place;
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

/* What the host's order thread does with the role: everything out, and the exchange's answer at once. */
static void drain_orders(shared *s)
{
    mm_record action;
    char text[1024];
    while (mm_loop_next_action(s->b.loop, &action)) {
        MM_CHECK(mm_loop_sent(s->b.loop, &action, monotonic_ns()));
        s->sent++;
        if (action.kind == MM_KIND_PLACE || action.kind == MM_KIND_REPLACE) {
            MM_CHECK_UINT(action.body.action.order_seq, ==, s->last_place + 1);
            s->last_place = action.body.action.order_seq;
        }
        answer(&action, text, sizeof text);
        (void)bot_order_at(&s->b, text, monotonic_ns());
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

static void *feed_thread(void *context)
{
    shared *s = (shared *)context;
    char text[256];
    s->b.now_ns = monotonic_ns();
    bot_pong(&s->b);
    for (int i = 0; i < FRAMES; i++) {
        /* The best bid comes and goes: the mid moves with each frame. */
        snprintf(text, sizeof text,
                 "{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\",\"U\":%d,\"u\":%d,"
                 "\"b\":[[\"67000.00\",\"%d\"]],\"a\":[]}",
                 103 + i, 103 + i, i % 2);
        s->b.now_ns = monotonic_ns();
        (void)bot_market(&s->b, text);
        run_engine(s, FEED);
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

static void three_threads_lose_nothing_and_send_each_order_once_in_order(void)
{
    static shared s;
    pthread_t threads[3];
    memset(&s, 0, sizeof s);
    s.b = bot_open(NULL, 0);
    s.b.now_ns = monotonic_ns() - 10 * SECOND;
    bot_start(&s.b);
    run_engine(&s, FEED);
    MM_CHECK(pthread_create(&threads[0], NULL, feed_thread, &s) == 0);
    MM_CHECK(pthread_create(&threads[1], NULL, strategy_thread, &s) == 0);
    MM_CHECK(pthread_create(&threads[2], NULL, orders_thread, &s) == 0);
    for (int i = 0; i < 3; i++) {
        MM_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    run_engine(&s, FEED);
    mm_engine_status status;
    mm_loop_read(s.b.loop, FEED, &status);
    MM_CHECK_UINT(status.book_updates, ==, FRAMES + 1); /* and the one the snapshot bridged */
    MM_CHECK_UINT(status.gaps, ==, 0);
    MM_CHECK_INT(status.unknown_orders, ==, 0);
    MM_CHECK_UINT(status.orders_sent, ==, s.last_place);
    MM_CHECK_UINT(status.orders_acked, ==, s.last_place);
    MM_CHECK_UINT(s.sent, >, 20);
    MM_CHECK(!mm_loop_pending(s.b.loop, MM_ROLE_ENGINE));
    MM_CHECK(!mm_loop_pending(s.b.loop, MM_ROLE_ORDERS));
    MM_CHECK(mm_engine_valid(s.b.engine));
    bot_close(&s.b);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(three_threads_lose_nothing_and_send_each_order_once_in_order),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
