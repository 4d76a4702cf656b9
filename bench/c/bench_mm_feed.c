/* Nanoseconds to decode one message of the market streams into records.
 *
 * decode_depth with 2, 20 and 200 levels (half of them bids; BTCUSDT's form, one level in ten
 * deleted), decode_depth_shib (20 levels whose quantities have up to eight digits before the
 * point), decode_ticker, decode_trade, and ws_decode_depth: the same behind a WebSocket frame, with
 * the copy into the receive buffer. Each figure runs over 64 different messages, so that no branch
 * can be learnt by heart.
 *
 * --dump-texts DIR writes those of decode_depth instead, one a line: DIR/2.txt, DIR/20.txt, DIR/200.txt. */
#include "mm_bench.h"

#include "mmcore.h"

enum { VARIANTS = 64, TEXT_MAX = 16384, RECORDS_MAX = 256, REPEATS = 20 };

typedef struct {
    mm_feed *feed;
    mm_ws *ws; /* NULL: the texts are not framed */
    char text[VARIANTS][TEXT_MAX];
    size_t bytes[VARIANTS];
} workload;

static workload work;
static mm_record records[RECORDS_MAX];
static uint64_t rng = 1;

static uint64_t random_below(uint64_t bound)
{
    rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (rng >> 33) % bound;
}

typedef size_t (*write_level)(char *out, size_t room);

static size_t write_btc_level(char *out, size_t room)
{
    bool deleted = random_below(10) == 0;
    uint64_t units = random_below(10) == 0 ? random_below(100) : random_below(3);
    return (size_t)snprintf(out, room, "[\"%u.%02u000000\",\"%u.%05u000\"]",
                            (unsigned)(58000 + random_below(6000)), (unsigned)random_below(100),
                            (unsigned)(deleted ? 0 : units),
                            (unsigned)(deleted ? 0 : random_below(100000)));
}

static size_t write_shib_level(char *out, size_t room)
{
    return (size_t)snprintf(out, room, "[\"0.0000%04u\",\"%u.00000000\"]",
                            (unsigned)(1300 + random_below(200)),
                            (unsigned)random_below(random_below(2) == 0 ? 10000000 : 99999999));
}

static size_t write_side(char *out, size_t room, size_t levels, write_level level)
{
    size_t used = (size_t)snprintf(out, room, "[");
    for (size_t i = 0; i < levels; i++) {
        used += (size_t)snprintf(out + used, room - used, i == 0 ? "" : ",");
        used += level(out + used, room - used);
    }
    return used + (size_t)snprintf(out + used, room - used, "]");
}

static size_t write_depth(char *out, size_t levels, write_level level)
{
    uint64_t first = UINT64_C(50093239189) + random_below(1000000);
    size_t used = (size_t)snprintf(
        out, TEXT_MAX,
        "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\","
        "\"E\":%" PRIu64 ",\"s\":\"BTCUSDT\",\"U\":%" PRIu64 ",\"u\":%" PRIu64 ",\"b\":",
        UINT64_C(1723161255208) + random_below(100000), first, first + random_below(100));
    used += write_side(out + used, TEXT_MAX - used, levels / 2, level);
    used += (size_t)snprintf(out + used, TEXT_MAX - used, ",\"a\":");
    used += write_side(out + used, TEXT_MAX - used, levels - levels / 2, level);
    return used + (size_t)snprintf(out + used, TEXT_MAX - used, "}}");
}

static size_t write_ticker(char *out)
{
    return (size_t)snprintf(out, TEXT_MAX,
                            "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":%" PRIu64
                            ",\"s\":\"BTCUSDT\",\"b\":\"61837.%02u000000\",\"B\":\"%u.78826000\","
                            "\"a\":\"61837.64000000\",\"A\":\"%u.54698000\"}}",
                            UINT64_C(50093239212) + random_below(1000), (unsigned)random_below(64),
                            (unsigned)random_below(20), (unsigned)random_below(20));
}

static size_t write_trade(char *out)
{
    return (size_t)snprintf(
        out, TEXT_MAX,
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1723161255343,"
        "\"s\":\"BTCUSDT\",\"t\":%" PRIu64 ",\"p\":\"61837.%02u000000\","
        "\"q\":\"0.%05u000\",\"T\":1723161255342,\"m\":%s,\"M\":true}}",
        UINT64_C(3735683259) + random_below(1000), (unsigned)random_below(100),
        (unsigned)random_below(100000), random_below(2) == 0 ? "true" : "false");
}

/* Puts a header as the server sends it before the text. */
static size_t write_frame(char *text, size_t bytes)
{
    size_t head = bytes < 126 ? 2 : 4;
    memmove(text + head, text, bytes);
    text[0] = (char)0x81;
    text[1] = (char)(head == 2 ? bytes : 126);
    if (head == 4) {
        text[2] = (char)(bytes >> 8);
        text[3] = (char)(bytes & 0xFF);
    }
    return bytes + head;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_mm_feed: %s\n", what);
    exit(1);
}

/* The text of message i, out of its frame when it is in one. */
static const char *take_text(size_t i, size_t *bytes)
{
    *bytes = work.bytes[i];
    if (work.ws == NULL) {
        return work.text[i];
    }
    size_t space_bytes = 0;
    mm_ws_message message = {NULL, 0, 0, 0};
    memcpy(mm_ws_space(work.ws, &space_bytes), work.text[i], *bytes);
    mm_ws_filled(work.ws, *bytes);
    if (mm_ws_next(work.ws, &message) != MM_OK) {
        fail("a frame was not understood");
    }
    *bytes = message.payload_bytes;
    return (const char *)message.payload;
}

static void decode_all(void *context)
{
    (void)context;
    uint64_t sink = 0;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        for (size_t i = 0; i < VARIANTS; i++) {
            size_t bytes = 0;
            size_t count = 0;
            size_t error_at = 0;
            const char *text = take_text(i, &bytes);
            if (mm_feed_decode(work.feed, text, bytes, 1, records, RECORDS_MAX, &count,
                               &error_at) != MM_OK) {
                fail("a message was not understood");
            }
            sink += count + (uint64_t)records[0].body.depth.last_id +
                    (uint64_t)records[count - 1].body.levels[0].price_e8;
        }
    }
    mm_bench_sink(sink);
}

static void run(const mm_bench *bench, const char *figure, const char *name)
{
    mm_bench_run(bench, figure, name, NULL, decode_all, NULL, (uint64_t)REPEATS * VARIANTS);
}

static const struct {
    size_t levels;
    const char *name;
} depths[] = {{2, "2"}, {20, "20"}, {200, "200"}};

static void write_depths(size_t levels)
{
    for (size_t k = 0; k < VARIANTS; k++) {
        work.bytes[k] = write_depth(work.text[k], levels, write_btc_level);
    }
}

static void dump_texts(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.txt", dir, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        fail("a file could not be made");
    }
    for (size_t k = 0; k < VARIANTS; k++) {
        fwrite(work.text[k], 1, work.bytes[k], file);
        fputc('\n', file);
    }
    if (fclose(file) != 0) {
        fail("a file could not be written");
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--dump-texts") == 0) {
        for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
            write_depths(depths[i].levels);
            dump_texts(argv[2], depths[i].name);
        }
        return 0;
    }
    mm_bench bench = mm_bench_options(argc, argv);
    mm_feed_config config;
    memset(&config, 0, sizeof config);
    memcpy(config.symbol, "BTCUSDT", 8);
    work.feed = mm_feed_new(&config);
    mm_ws *ws = mm_ws_new(1 << 20);
    if (work.feed == NULL || ws == NULL) {
        fail("no memory");
    }
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        write_depths(depths[i].levels);
        run(&bench, "decode_depth", depths[i].name);
        for (size_t k = 0; k < VARIANTS; k++) {
            work.bytes[k] = write_frame(work.text[k], work.bytes[k]);
        }
        work.ws = ws;
        run(&bench, "ws_decode_depth", depths[i].name);
        work.ws = NULL;
    }
    for (size_t k = 0; k < VARIANTS; k++) {
        work.bytes[k] = write_depth(work.text[k], 20, write_shib_level);
    }
    run(&bench, "decode_depth_shib", "20");
    for (size_t k = 0; k < VARIANTS; k++) {
        work.bytes[k] = write_ticker(work.text[k]);
    }
    run(&bench, "decode_ticker", "1");
    for (size_t k = 0; k < VARIANTS; k++) {
        work.bytes[k] = write_trade(work.text[k]);
    }
    run(&bench, "decode_trade", "1");
    mm_feed_free(work.feed);
    mm_ws_free(ws);
    return 0;
}
