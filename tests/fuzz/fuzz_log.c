/* An input log that anything may have damaged. Its header is read and its configuration judged, its records are replayed: nothing in
 * a file may fail an assertion. What is replayed twice gives the same actions, and an action that was changed is found. */
#include "mm_fuzz.h"

#include "../c/mm_engine_host.h"

enum { RECORDS_MAX = 2000, ACTIONS_MAX = 4000, CONFIG_BYTES_MAX = 1 << 24 };

typedef struct {
    fuzz_input in;
    mm_record records[RECORDS_MAX + ACTIONS_MAX];
    size_t count;
    int64_t now_ns;
    int64_t last_id;
    mm_symbol symbol;
    bool wild; /* numbers of any size, kinds and lengths that there are not */
} log_run;

/* ---- Records ---- */

static mm_record *put(log_run *run, uint16_t kind, uint32_t count)
{
    mm_record *made = &run->records[run->count];
    memset(made, 0, count * sizeof *made);
    made->kind = kind;
    made->count = count;
    run->count += count;
    return made;
}

static int64_t number(log_run *run)
{
    return run->wild && fuzz_u8(&run->in) > 200 ? fuzz_i64(&run->in) : fuzz_between(&run->in, 0, 40);
}

static void put_batch_end(log_run *run)
{
    mm_record *end = put(run, MM_KIND_BATCH_END, 1);
    end->body.command.now_ns = run->now_ns;
    end->body.command.value = run->wild ? number(run) : 512;
    end->body.command.value2 = run->wild ? number(run) : 512;
}

static void put_link(log_run *run, uint16_t kind, int64_t channel, int64_t state)
{
    mm_link_body *link = &put(run, kind, 1)->body.link;
    link->channel = channel;
    link->state = state;
    link->recv_ns = run->now_ns;
}

static void put_balance(log_run *run, const char *asset, int64_t free_e8, int64_t locked_e8)
{
    mm_balance_body *balance = &put(run, MM_KIND_BALANCE, 1)->body.balance;
    strcpy(balance->asset, asset);
    balance->free_e8 = free_e8;
    balance->locked_e8 = locked_e8;
}

static void put_command(log_run *run, uint16_t kind, int64_t command, int64_t value)
{
    mm_command_body *body = &put(run, kind, 1)->body.command;
    body->now_ns = run->now_ns;
    body->command = command;
    body->value = value;
}

static void put_depth(log_run *run, uint16_t kind, int64_t first_id, int64_t last_id, uint32_t count)
{
    uint32_t used = (count + 2) / 3;
    mm_record *made = put(run, kind, 1 + 2 * used);
    mm_depth_body *body = &made[0].body.depth;
    body->first_id = first_id;
    body->last_id = last_id;
    body->prev_id = -1;
    body->recv_ns = run->now_ns;
    body->bid_count = body->ask_count = count;
    int64_t shift = run->in.left > 0 ? (int64_t)fuzz_u8(&run->in) - 128 : 0;
    for (uint32_t i = 0; i < 2 * count; i++) {
        bool ask = i >= count;
        int64_t away = (5 + 10 * (int64_t)(i % count)) * (ask ? 1 : -1) + (kind == MM_KIND_DEPTH ? shift : 0);
        mm_level level = {MID + away * TICK, kind == MM_KIND_DEPTH && (shift & 3) == 0 ? 0 : MM_ONE_E8};
        mm_record *record = &made[1 + (ask ? used : 0) + i % count / 3];
        record->kind = MM_KIND_LEVELS;
        record->body.levels[i % count % 3] = level;
    }
}

/* A run that has begun: account read, channels up, book exact, quotes out. */
static void put_beginning(log_run *run)
{
    put_link(run, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER, MM_LINK_UP);
    put_link(run, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
    put_command(run, MM_KIND_CLOCK, 0, HOST_CLOCK_NS);
    put_balance(run, "BTC", MM_ONE_E8, 0);
    put_balance(run, "USDT", INT64_C(100000) * MM_ONE_E8, 0);
    put(run, MM_KIND_ACCOUNT_END, 1);
    put_command(run, MM_KIND_COMMAND, MM_COMMAND_START, 0);
    put_batch_end(run);
    for (int64_t token = -1; token > -4; token--) { /* whichever the engine asked with */
        put(run, MM_KIND_OPEN_END, 1)->body.balance.token = token;
        put_batch_end(run);
        run->now_ns += SECOND;
    }
    put_link(run, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_UP);
    put_depth(run, MM_KIND_DEPTH, 101, 102, 1);
    put_batch_end(run);
    put_depth(run, MM_KIND_SNAPSHOT, 101, 101, 20);
    put_batch_end(run);
    run->last_id = 102;
}

/* Commands that there are, and filters that can be. */
static void make_sane(log_run *run, mm_record *made)
{
    if (made->kind == MM_KIND_COMMAND) {
        made->body.command.command = fuzz_between(&run->in, MM_COMMAND_START, MM_COMMAND_STRATEGY_FAULT);
    }
    if (made->kind == MM_KIND_RULES) {
        mm_symbol symbol = run->symbol;
        symbol.tick_e8 = TICK << fuzz_below(&run->in, 3);
        symbol.maker_fee_e8 = fuzz_between(&run->in, 0, 1000);
        mm_symbol_write(&symbol, made);
    }
}

/* One event of any kind; its numbers are small, or of any size. */
static void put_any(log_run *run)
{
    static const uint16_t kinds[] = {
        MM_KIND_TICKER,  MM_KIND_TRADE,    MM_KIND_MARKET_LINK,   MM_KIND_MARKET_FAULT, MM_KIND_REPORT, MM_KIND_ACK,
        MM_KIND_REJECT,  MM_KIND_CANCELED, MM_KIND_CANCEL_REJECT, MM_KIND_STATUS,       MM_KIND_LOST,   MM_KIND_SENT,
        MM_KIND_NOT_SENT, MM_KIND_BALANCE, MM_KIND_BALANCE_DELTA, MM_KIND_ORDER_LINK,   MM_KIND_LIMIT,  MM_KIND_AMENDED,
        MM_KIND_AMEND_REJECT, MM_KIND_BUDGET, MM_KIND_TRADE_ROW,  MM_KIND_TRADES_END,   MM_KIND_OPEN_ROW, MM_KIND_OPEN_END,
        MM_KIND_ACCOUNT_END, MM_KIND_PRICE, MM_KIND_COMMAND,      MM_KIND_CLOCK,        MM_KIND_QUOTE,  MM_KIND_TIMER,
        MM_KIND_RULES,   MM_KIND_PARTIAL};
    uint16_t kind = kinds[fuzz_u8(&run->in) % (sizeof kinds / sizeof kinds[0])];
    uint32_t count = kind == MM_KIND_REPORT || kind == MM_KIND_TRADE_ROW ? 2 : kind == MM_KIND_RULES ? MM_SYMBOL_RECORDS : 1;
    mm_record *made = put(run, kind, count);
    for (uint32_t i = 0; i < count; i++) {
        for (size_t j = 0; j < 6; j++) {
            made[i].body.numbers[j] = number(run);
        }
    }
    if (kind == MM_KIND_QUOTE || kind == MM_KIND_PARTIAL) { /* without levels behind */
        made->body.command.command = made->body.command.value = 0;
        made->body.depth.bid_count = made->body.depth.ask_count = 0;
    }
    made->flags = (uint16_t)fuzz_bytes(&run->in, 2);
    if (!run->wild) {
        make_sane(run, made);
    }
    if (kind == MM_KIND_BALANCE || kind == MM_KIND_BALANCE_DELTA || kind == MM_KIND_PRICE) {
        memset(made->body.balance.asset, 0, sizeof made->body.balance.asset);
        strcpy(made->body.balance.asset, fuzz_bool(&run->in) ? "BTC" : "USDT");
        if (run->wild && fuzz_u8(&run->in) == 9) {
            memset(made->body.balance.asset, 'A', sizeof made->body.balance.asset);
        }
    }
    if (run->wild && fuzz_u8(&run->in) > 250) {
        made->kind = (uint16_t)fuzz_below(&run->in, 100);
        made->count = (uint32_t)fuzz_below(&run->in, 300);
    }
}

static void make_log(log_run *run)
{
    put_beginning(run);
    while (run->in.left > 0 && run->count < RECORDS_MAX - 100) {
        uint8_t what = fuzz_u8(&run->in);
        if (what < 150) {
            put_any(run);
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

static void check_replay(log_run *run, const mm_engine_config *config)
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
    static log_run run;
    mm_engine_config config = host_config();
    config.book_levels = 64;
    config.snapshot_levels = 64;
    config.tombstones = 16;
    config.trade_ids = 16;
    memset(&run, 0, sizeof run);
    run.in.at = data;
    run.in.left = size;
    run.now_ns = 1000 * SECOND;
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
