/* No memory, no object: each allocation of each mm_X_new fails once. What had been taken until then is given back (the leak check of
 * the build under AddressSanitizer says so), and no descriptor stays open. */
#define _POSIX_C_SOURCE 200809L /* dup */

#include "mm_engine_host.h"

#include <errno.h>
#include <malloc.h>
#include <unistd.h>

/* Stands in the way of the library's only allocation; the rest of the process does not use it. */
static int32_t left_to_succeed = INT32_MAX;

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    if (left_to_succeed == 0) {
        return ENOMEM;
    }
    left_to_succeed--;
    *memory = memalign(alignment, bytes);
    return *memory == NULL ? ENOMEM : 0;
}

static int lowest_free_descriptor(void)
{
    int descriptor = dup(STDIN_FILENO);
    (void)close(descriptor);
    return descriptor;
}

/* Allocations that `make` has to be given before it succeeds: the statement must leave NULL in `object` until then. */
#define CHECK_EACH_FAILURE(wanted_count, object, make)                                             \
    do {                                                                                           \
        int descriptor = lowest_free_descriptor();                                                 \
        int32_t count = 0;                                                                         \
        for (;; count++) {                                                                         \
            left_to_succeed = count;                                                               \
            (object) = (make);                                                                     \
            left_to_succeed = INT32_MAX;                                                           \
            if ((object) != NULL || count > 100) {                                                 \
                break;                                                                             \
            }                                                                                      \
            MM_CHECK_INT(lowest_free_descriptor(), ==, descriptor);                                \
        }                                                                                          \
        MM_CHECK_INT(count, ==, wanted_count);                                                     \
    } while (0)

/* The same of a part that is given back by noun_free. */
#define CHECK_PART(noun, make)                                                                     \
    do {                                                                                           \
        noun *made = NULL;                                                                         \
        CHECK_EACH_FAILURE(1, made, make);                                                         \
        noun##_free(made);                                                                         \
    } while (0)

static void a_part_without_memory_is_not_made(void)
{
    left_to_succeed = 0;
    MM_CHECK(mm_spsc_new(64) == NULL);
    MM_CHECK_INT(errno, ==, ENOMEM);
    CHECK_PART(mm_spsc, mm_spsc_new(64));
    CHECK_PART(mm_pool, mm_pool_new(64, 8));
    CHECK_PART(mm_event, mm_event_new(MM_WAIT_BLOCK, true));
    CHECK_PART(mm_ws, mm_ws_new(65536));
    CHECK_PART(mm_book, mm_book_new(1000, TICK));
    CHECK_PART(mm_sync, mm_sync_new(8192));
    CHECK_PART(mm_arbiter, mm_arbiter_new(8192, SECOND));
}

static void a_decoder_or_a_gate_without_memory_is_not_made(void)
{
    mm_feed_config feed_config;
    mm_gate_config gate_config;
    memset(&feed_config, 0, sizeof feed_config);
    memset(&gate_config, 0, sizeof gate_config);
    strcpy(gate_config.symbol, "BTCUSDT");
    strcpy(gate_config.order_prefix, "m-");
    strcpy(gate_config.api_key, "key");
    strcpy(gate_config.stp_mode, "NONE");
    gate_config.place_window_ms = 1000;
    gate_config.other_window_ms = 5000;
    gate_config.stale_decision_ns = SECOND;
    gate_config.orders_per_1s_max = gate_config.orders_per_10s_max = gate_config.orders_per_day_max = 100;
    mm_feed *feed = NULL;
    CHECK_EACH_FAILURE(1, feed, mm_feed_new(&feed_config));
    mm_feed_free(feed);
    mm_gate *gate = NULL;
    CHECK_EACH_FAILURE(1, gate, mm_gate_new(&gate_config));
    mm_gate_free(gate);
}

static void an_engine_without_memory_is_not_made_and_says_so(void)
{
    const char *bad_field = NULL;
    mm_engine_config config = host_config();
    mm_engine *engine = NULL;
    left_to_succeed = 0;
    MM_CHECK(mm_engine_new(&config, &bad_field) == NULL);
    MM_CHECK_TEXT(bad_field, "memory");
    CHECK_EACH_FAILURE(1, engine, mm_engine_new(&config, &bad_field));
    mm_engine_free(engine);
}

static void a_loop_that_misses_one_part_is_not_made_and_leaves_nothing_behind(void)
{
    const char *bad_field = NULL;
    mm_engine_config config = host_config();
    mm_engine *engine = mm_engine_new(&config, &bad_field);
    mm_loop_config loop_config;
    memset(&loop_config, 0, sizeof loop_config);
    loop_config.market_records = 8192;
    loop_config.exec_records = 1024;
    loop_config.rest_records = 8192;
    loop_config.action_records = 256;
    loop_config.log_records = 8192;
    loop_config.wait_policy = MM_WAIT_BLOCK;
    loop_config.batch_events = 256;
    mm_loop *loop = NULL;
    /* Itself, its arbiter, its rings, and two parts a role. */
    CHECK_EACH_FAILURE(2 + MM_RING_COUNT + 2 * MM_ROLE_COUNT, loop, mm_loop_new(&loop_config, engine, NULL));
    mm_loop_free(loop);
    mm_engine_free(engine);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_part_without_memory_is_not_made),
        MM_TEST(a_decoder_or_a_gate_without_memory_is_not_made),
        MM_TEST(an_engine_without_memory_is_not_made_and_says_so),
        MM_TEST(a_loop_that_misses_one_part_is_not_made_and_leaves_nothing_behind),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
