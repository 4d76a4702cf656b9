/* What allocates, and when. The linker gives the library's calls of the allocator to the functions below (CMakeLists.txt), which
 * count them and pass them on. */
#include "mm_loop_host.h"

#include <stdarg.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
int __real_posix_memalign(void **memory, size_t alignment, size_t bytes);
void __real_free(void *memory);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes);
void __wrap_free(void *memory);

static uint64_t allocator_calls;

void *__wrap_malloc(size_t bytes)
{
    allocator_calls++;
    return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    allocator_calls++;
    return __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    allocator_calls++;
    return __real_realloc(memory, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    allocator_calls++;
    return __real_aligned_alloc(alignment, bytes);
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    allocator_calls++;
    return __real_posix_memalign(memory, alignment, bytes);
}

void __wrap_free(void *memory)
{
    allocator_calls++;
    __real_free(memory);
}

static void every_call_of_the_allocator_is_counted(void)
{
    const uint64_t before = allocator_calls;
    mm_pool *pool = mm_pool_new(64, 4);
    MM_CHECK(pool != NULL);
    MM_CHECK_UINT(allocator_calls, ==, before + 1);
    mm_pool_free(pool);
    MM_CHECK_UINT(allocator_calls, ==, before + 2);
}

/* ---- A day at the exchange ---- */

enum { EVENTS = 1000000, FRAMES_A_RUN = 4, LEVELS_AWAY = 12 };

typedef struct {
    bot b;
    int64_t last_id;
    int64_t trade_id;
    int64_t next_exchange_id;
    int64_t pong_ns;
} day;

static void tell(day *d, uint16_t kind, const mm_action_body *action, uint64_t order_seq, int64_t exchange_id, int16_t state)
{
    mm_record record = host_event(kind);
    record.body.report.order_seq = order_seq;
    record.body.report.exchange_id = exchange_id;
    record.body.report.status = state;
    record.body.report.qty_e8 = action->qty_e8;
    record.body.report.side = -1;
    MM_CHECK(bot_push(&d->b, MM_RING_EXEC, &record));
}

static uint64_t seq_of(const day *d, int64_t exchange_id)
{
    mm_order open[64];
    size_t count = mm_engine_orders(d->b.engine, open, MM_TEST_COUNT(open));
    for (size_t i = 0; i < count; i++) {
        if (open[i].exchange_id == exchange_id) {
            return open[i].seq;
        }
    }
    return 0;
}

/* The exchange does what was asked of it. */
static void answer_orders(day *d)
{
    mm_record action;
    while (mm_loop_next_action(d->b.loop, &action)) {
        const mm_action_body *body = &action.body.action;
        MM_CHECK(mm_loop_sent(d->b.loop, &action, d->b.now_ns));
        switch (action.kind) {
        case MM_KIND_REPLACE:
            tell(d, MM_KIND_CANCELED, body, seq_of(d, body->exchange_id), body->exchange_id, MM_ORDER_CANCELED);
            tell(d, MM_KIND_ACK, body, body->order_seq, d->next_exchange_id++, MM_ORDER_LIVE);
            break;
        case MM_KIND_PLACE:
            tell(d, MM_KIND_ACK, body, body->order_seq, d->next_exchange_id++, MM_ORDER_LIVE);
            break;
        case MM_KIND_AMEND:
            tell(d, MM_KIND_AMENDED, body, body->order_seq, body->exchange_id, MM_ORDER_FREE);
            break;
        case MM_KIND_CANCEL:
            tell(d, MM_KIND_CANCELED, body, body->order_seq, body->exchange_id, MM_ORDER_CANCELED);
            break;
        default:
            break;
        }
    }
}

static void format(char *text, size_t room, const char *pattern, ...)
{
    va_list values;
    va_start(values, pattern);
    const int bytes = vsnprintf(text, room, pattern, values);
    va_end(values);
    MM_CHECK(bytes > 0 && (size_t)bytes < room);
}

/* One level a side changes or goes; every eighth message is a trade. The levels at 66980 and 67020 stay. */
static void market_message(day *d)
{
    char text[512];
    if (mm_test_below(8) == 0) {
        d->trade_id++;
        format(text, sizeof text,
               "{\"e\":\"trade\",\"E\":1,\"s\":\"BTCUSDT\",\"t\":%lld,\"p\":\"67000.00\",\"q\":\"0.%05u000\",\"T\":1700000000000,"
               "\"m\":%s,\"M\":true}",
               (long long)d->trade_id, 1 + (unsigned)mm_test_below(90000), mm_test_below(2) == 0 ? "true" : "false");
    } else {
        d->last_id++;
        format(text, sizeof text,
               "{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\",\"U\":%lld,\"u\":%lld,\"b\":[[\"%u.00000000\",\"%u.00000000\"]],"
               "\"a\":[[\"%u.00000000\",\"%u.00000000\"]]}",
               (long long)d->last_id, (long long)d->last_id, 66999 - (unsigned)mm_test_below(LEVELS_AWAY),
               (unsigned)mm_test_below(4), 67001 + (unsigned)mm_test_below(LEVELS_AWAY), (unsigned)mm_test_below(4));
    }
    MM_CHECK((bot_market(&d->b, text) & MM_PUMP_RECORDS) != 0);
}

static void one_run(day *d)
{
    mm_record wanted;
    for (int i = 0; i < FRAMES_A_RUN; i++) {
        market_message(d);
    }
    (void)mm_loop_run(d->b.loop, 1, d->b.now_ns);
    answer_orders(d);
    (void)mm_loop_run(d->b.loop, 1, d->b.now_ns);
    if (bot_work(&d->b, &wanted)) {
        bot_snapshot(&d->b, d->last_id);
    }
    d->b.now_ns += MS;
    if (d->b.now_ns - d->pong_ns >= 200 * MS) {
        d->pong_ns = d->b.now_ns;
        bot_pong(&d->b);
    }
}

static void nothing_is_allocated_from_the_first_event_to_the_millionth(void)
{
    day d;
    mm_engine_status status;
    memset(&d, 0, sizeof d);
    d.b = bot_open(NULL, 0);
    d.last_id = 102;
    d.next_exchange_id = 1;
    const uint64_t events = (uint64_t)mm_test_rounds(EVENTS);
    const uint64_t before = allocator_calls;
    bot_start(&d.b);
    do {
        for (int i = 0; i < 1000; i++) {
            one_run(&d);
        }
        MM_CHECK(mm_loop_read(d.b.loop, 1, &status));
    } while (status.events < events && mm_test_state.failures == 0);
    MM_CHECK_UINT(allocator_calls, ==, before);
    MM_CHECK_UINT(status.orders_acked, >, events / 100);
    MM_CHECK_UINT(status.gaps, ==, 0);
    bot_close(&d.b);
    MM_CHECK_UINT(allocator_calls, >, before);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(every_call_of_the_allocator_is_counted),
        MM_TEST(nothing_is_allocated_from_the_first_event_to_the_millionth),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
