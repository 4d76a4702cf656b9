/* Nanoseconds to decode one message of the binary market streams into records: sbe_depth with 2, 20 and 200 levels, sbe_ticker and
 * sbe_trade, the messages that bench_mm_feed decodes from JSON (BTCUSDT's form, one level in ten deleted). Each figure runs over 64
 * different messages. */
#include "mm_bench.h"

#include "mmcore.h"

enum { VARIANTS = 64, BYTES_MAX = 4096, RECORDS_MAX = 256, REPEATS = 500 };

static struct {
    uint8_t bytes[VARIANTS][BYTES_MAX];
    size_t count[VARIANTS];
} work;
static mm_record records[RECORDS_MAX];
static uint64_t rng = 1;

static uint64_t random_below(uint64_t bound)
{
    rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (rng >> 33) % bound;
}

static size_t put(uint8_t *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
    return bytes;
}

static size_t put_head(uint8_t *at, uint64_t root_bytes, uint64_t template_id)
{
    size_t used = put(at, root_bytes, 2);
    used += put(at + used, template_id, 2);
    used += put(at + used, 1, 2);
    return used + put(at + used, 0, 2);
}

static size_t put_symbol(uint8_t *at)
{
    at[0] = 7;
    memcpy(at + 1, "BTCUSDT", 7);
    return 8;
}

/* Prices in cents, quantities in 1e-5: the units of the symbol's filters. */
static size_t put_level(uint8_t *at)
{
    size_t used = put(at, 5800000 + random_below(600000), 8);
    return used + put(at + used, random_below(10) == 0 ? 0 : random_below(10000000), 8);
}

static size_t put_side(uint8_t *at, size_t levels)
{
    size_t used = put(at, 16, 2);
    used += put(at + used, levels, 2);
    for (size_t i = 0; i < levels; i++) {
        used += put_level(at + used);
    }
    return used;
}

static size_t write_depth(uint8_t *at, size_t levels)
{
    uint64_t first = UINT64_C(50093239189) + random_below(1000000);
    size_t used = put_head(at, 26, 10003);
    used += put(at + used, UINT64_C(1723161255208000), 8);
    used += put(at + used, first, 8);
    used += put(at + used, first + random_below(100), 8);
    used += put(at + used, 0xFBFE, 2); /* -2, -5 */
    used += put_side(at + used, levels / 2);
    used += put_side(at + used, levels - levels / 2);
    return used + put_symbol(at + used);
}

static size_t write_ticker(uint8_t *at, size_t ignored)
{
    (void)ignored;
    size_t used = put_head(at, 50, 10001);
    used += put(at + used, UINT64_C(1723161255208000), 8);
    used += put(at + used, UINT64_C(50093239212) + random_below(1000), 8);
    used += put(at + used, 0xFBFE, 2);
    used += put_level(at + used);
    used += put_level(at + used);
    return used + put_symbol(at + used);
}

static size_t write_trade(uint8_t *at, size_t ignored)
{
    (void)ignored;
    size_t used = put_head(at, 18, 10000);
    used += put(at + used, UINT64_C(1723161255343000), 8);
    used += put(at + used, UINT64_C(1723161255342000), 8);
    used += put(at + used, 0xFBFE, 2);
    used += put(at + used, 25, 2);
    used += put(at + used, 1, 4);
    used += put(at + used, UINT64_C(3735683259) + random_below(1000), 8);
    used += put_level(at + used);
    used += put(at + used, random_below(2), 1);
    return used + put_symbol(at + used);
}

static void decode_all(void *context)
{
    (void)context;
    uint64_t sink = 0;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        for (size_t i = 0; i < VARIANTS; i++) {
            size_t count = 0;
            size_t error_at = 0;
            if (mm_sbe_decode("BTCUSDT", work.bytes[i], work.count[i], 1, records, RECORDS_MAX, &count, &error_at) !=
                MM_OK) {
                fprintf(stderr, "bench_mm_sbe: a message was not understood\n");
                exit(1);
            }
            sink += count + (uint64_t)records[0].body.depth.last_id + (uint64_t)records[count - 1].body.levels[0].price_e8;
        }
    }
    mm_bench_sink(sink);
}

static void run(const mm_bench *bench, const char *figure, const char *name, size_t (*write)(uint8_t *, size_t), size_t levels)
{
    for (size_t i = 0; i < VARIANTS; i++) {
        work.count[i] = write(work.bytes[i], levels);
    }
    mm_bench_run(bench, figure, name, NULL, decode_all, NULL, (uint64_t)REPEATS * VARIANTS);
}

int main(int argc, char **argv)
{
    mm_bench bench = mm_bench_options(argc, argv);
    run(&bench, "sbe_depth", "2", write_depth, 2);
    run(&bench, "sbe_depth", "20", write_depth, 20);
    run(&bench, "sbe_depth", "200", write_depth, 200);
    run(&bench, "sbe_ticker", "1", write_ticker, 1);
    run(&bench, "sbe_trade", "1", write_trade, 1);
    return 0;
}
