/* An input log that anything may have damaged. Its header is read and its configuration judged, its records are replayed: nothing in
 * a file may fail an assertion. What is replayed twice gives the same actions, and an action that was changed is found. */
#include "engine_events.h"

enum { RECORDS_MAX = 2000, ACTIONS_MAX = EVENTS_ROOM - RECORDS_MAX, CONFIG_BYTES_MAX = 1 << 24 };

/* ---- Records ---- */

/* A run that has begun: account read, channels up, book exact, quotes out. */
static void put_beginning(engine_events *run)
{
    put_account(run, MM_ONE_E8, INT64_C(100000) * MM_ONE_E8);
    for (int64_t token = -1; token > -4; token--) { /* whichever the engine asked with */
        put_end(run, MM_KIND_OPEN_END, token);
        put_batch_end(run);
        run->now_ns += SECOND;
    }
    put_market(run);
}

static void make_log(engine_events *run)
{
    put_beginning(run);
    while (run->in.left > 0 && run->count < RECORDS_MAX - 100) {
        uint8_t what = fuzz_u8(&run->in);
        if (what < 150) {
            (void)put_any(run);
        } else if (what < 170) {
            put_depth(run, MM_KIND_DEPTH, run->last_id + 1, run->last_id + 1, 1 + (what & 1));
            run->last_id++;
        } else if (what < 175) {
            put_depth(run, MM_KIND_SNAPSHOT, run->last_id, run->last_id, 20);
        } else {
            run->now_ns += (what & 7) * 50 * MS;
            put_batch_end(run);
        }
    }
    put_batch_end(run);
}

/* ---- Replays ---- */

static mm_engine *make_engine(void **memory, const mm_engine_config *config)
{
    mm_engine *engine = NULL;
    const char *bad = NULL;
    size_t bytes = mm_engine_bytes(config);
    if (*memory == NULL) {
        *memory = fuzz_memory(bytes);
    }
    FUZZ_EQUAL(mm_engine_init(*memory, bytes, config, &engine, &bad), MM_OK);
    return engine;
}

static void check_replay(engine_events *run, const mm_engine_config *config)
{
    static mm_record first[ACTIONS_MAX], second[ACTIONS_MAX];
    static void *memory;
    size_t made = 0, again = 0, used = 0, differs = 0;
    mm_engine *engine = make_engine(&memory, config);
    mm_status status = mm_log_replay(engine, run->records, run->count, first, ACTIONS_MAX, &made, &used, &differs);
    FUZZ_CHECK(status == MM_OK || (run->wild && status == MM_E_SYNTAX) || status == MM_E_CAPACITY);
    bool whole = status == MM_OK && used == run->count && differs == SIZE_MAX; /* no action stood among the records */
    if (!whole || run->count % 4 != 0) { /* an engine made anew costs more than its replay */
        return;
    }
    FUZZ_CHECK(mm_engine_valid(engine));
    memcpy(run->records + run->count, first, made * sizeof first[0]);
    engine = make_engine(&memory, config);
    FUZZ_EQUAL(mm_log_replay(engine, run->records, run->count + made, second, ACTIONS_MAX, &again, &used, &differs), MM_OK);
    FUZZ_EQUAL(again, made);
    FUZZ_CHECK(memcmp(first, second, made * sizeof first[0]) == 0 && differs == SIZE_MAX);
    if (made > 0) {
        size_t changed = (size_t)run->last_id % made;
        run->records[run->count + changed].body.numbers[3] ^= 1;
        engine = make_engine(&memory, config);
        FUZZ_EQUAL(mm_log_replay(engine, run->records, run->count + made, second, ACTIONS_MAX, &again, &used, &differs), MM_OK);
        FUZZ_EQUAL(differs, changed);
    }
}

/* A header with some bytes changed is refused, or has a configuration that makes an engine or names what is bad. */
static void check_header(fuzz_input *in, const mm_engine_config *config)
{
    static uint8_t bytes[MM_LOG_HEADER_BYTES];
    static mm_log_header header;
    const char *bad = NULL;
    mm_engine *engine = NULL;
    FUZZ_EQUAL(mm_log_header_make(config, bytes, sizeof bytes), MM_OK);
    FUZZ_EQUAL(mm_log_header_read(bytes, sizeof bytes, &header), MM_OK);
    FUZZ_CHECK(memcmp(&header.config, config, sizeof *config) == 0);
    for (uint64_t changes = fuzz_below(in, 4); changes > 0; changes--) {
        size_t at = fuzz_u8(in) < 30 ? fuzz_below(in, 160) : offsetof(mm_log_header, config) + fuzz_below(in, sizeof *config);
        bytes[at] = fuzz_u8(in);
    }
    size_t count = fuzz_u8(in) < 250 ? sizeof bytes : fuzz_below(in, sizeof bytes);
    mm_status status = mm_log_header_read(bytes, count, &header);
    FUZZ_CHECK(status == MM_OK || status == MM_E_SYNTAX || status == MM_E_VERSION);
    FUZZ_CHECK(status == MM_OK || count < sizeof bytes || memcmp(bytes, "MMCORE", 7) != 0 || header.abi != MM_ABI ||
               header.config_bytes != sizeof *config);
    if (status != MM_OK) {
        return;
    }
    size_t needed = mm_engine_bytes(&header.config);
    if (needed <= CONFIG_BYTES_MAX) {
        void *memory = fuzz_memory(needed > 0 ? needed : 64);
        status = mm_engine_init(memory, needed, &header.config, &engine, &bad);
        FUZZ_EQUAL(status == MM_OK, bad == NULL);
        FUZZ_CHECK(status != MM_OK || mm_engine_valid(engine));
        free(memory);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static engine_events run;
    mm_engine_config config = host_config();
    config.book_levels = 64;
    config.snapshot_levels = 64;
    config.tombstones = 16;
    config.trade_ids = 16;
    memset(&run, 0, offsetof(engine_events, records));
    run.in.at = data;
    run.in.left = size;
    run.now_ns = 1000 * SECOND;
    run.last_id = 100;
    run.mid_e8 = MID;
    run.spacing_e8 = TICK;
    run.symbol = config.symbol;
    uint8_t what = fuzz_u8(&run.in);
    run.wild = (what & 1) != 0;
    if (what >= 224) {
        check_header(&run.in, &config);
        return 0;
    }
    make_log(&run);
    check_replay(&run, &config);
    return 0;
}
