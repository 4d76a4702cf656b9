/* The input log: its header, and replaying its records. */
#include "mm_internal.h"

#include <string.h>

static const char log_magic[8] = {'M', 'M', 'C', 'O', 'R', 'E', '\n', 0};

MM_STATIC_ASSERT(sizeof(mm_log_header) <= MM_LOG_HEADER_BYTES, log_header_fits);

mm_status mm_log_header_make(const mm_engine_config *config, uint8_t *out, size_t out_bytes)
{
    mm_log_header header;
    if (out_bytes < MM_LOG_HEADER_BYTES) {
        return MM_E_CAPACITY;
    }
    memset(&header, 0, sizeof header);
    memcpy(header.magic, log_magic, sizeof header.magic);
    header.abi = MM_ABI;
    header.config_bytes = (uint32_t)sizeof(mm_engine_config);
    const char *build = mm_build_info();
    size_t build_bytes = strlen(build);
    build_bytes = build_bytes < sizeof header.build - 1 ? build_bytes : sizeof header.build - 1;
    memcpy(header.build, build, build_bytes);
    header.config = *config;
    memset(out, 0, MM_LOG_HEADER_BYTES);
    memcpy(out, &header, sizeof header);
    return MM_OK;
}

mm_status mm_log_header_read(const uint8_t *bytes, size_t byte_count, mm_log_header *header)
{
    if (byte_count < MM_LOG_HEADER_BYTES || memcmp(bytes, log_magic, sizeof log_magic) != 0) {
        return MM_E_SYNTAX;
    }
    memcpy(header, bytes, sizeof *header);
    if (header->abi != MM_ABI || header->config_bytes != sizeof(mm_engine_config)) {
        return MM_E_VERSION;
    }
    header->build[sizeof header->build - 1] = 0;
    return MM_OK;
}

static bool is_action(const mm_record *record)
{
    return record->kind >= MM_KIND_PLACE && record->kind <= MM_KIND_WANT_RULES;
}

/* All but `seq`, which is the ring's in a log and a running number here. */
static bool same_action(const mm_record *a, const mm_record *b)
{
    const size_t skip = offsetof(mm_record, kind);
    return memcmp((const uint8_t *)a + skip, (const uint8_t *)b + skip, sizeof *a - skip) == 0;
}

/* One engine step; its actions go behind those made so far. */
static mm_status step(mm_engine *engine, const mm_record *event, mm_record *actions, size_t capacity, size_t *count)
{
    size_t made_count = 0;
    (void)mm_engine_step(engine, event);
    const mm_record *made = mm_engine_actions(engine, &made_count);
    if (*count + made_count > capacity) {
        return MM_E_CAPACITY;
    }
    memcpy(actions + *count, made, made_count * sizeof *made);
    *count += made_count;
    return MM_OK;
}

/* Inputs of one record that have no rule of their own. */
static bool is_single(uint16_t kind)
{
    return (kind >= MM_KIND_TICKER && kind <= MM_KIND_MARKET_FAULT) || (kind >= MM_KIND_ACK && kind <= MM_KIND_BUDGET) ||
           (kind >= MM_KIND_TRADES_END && kind <= MM_KIND_PRICE) || kind == MM_KIND_CLOCK || kind == MM_KIND_TIMER;
}

/* Its times are such as clocks tell. */
static bool has_times(const mm_record *record)
{
    const mm_outcome_body *outcome = &record->body.outcome;
    switch (record->kind) {
    case MM_KIND_DEPTH:
    case MM_KIND_SNAPSHOT:
    case MM_KIND_PARTIAL:
        return mm__is_time(record->body.depth.recv_ns);
    case MM_KIND_TICKER:
        return mm__is_time(record->body.ticker.recv_ns);
    case MM_KIND_TRADE:
        return mm__is_time(record->body.trade.recv_ns);
    case MM_KIND_MARKET_LINK:
    case MM_KIND_MARKET_FAULT:
    case MM_KIND_ORDER_LINK:
        return mm__is_time(record->body.link.recv_ns);
    case MM_KIND_REJECT:
    case MM_KIND_CANCEL_REJECT:
    case MM_KIND_AMEND_REJECT:
    case MM_KIND_LIMIT:
    case MM_KIND_LOST:
    case MM_KIND_SENT:
    case MM_KIND_NOT_SENT:
        return mm__is_time(outcome->recv_ns) && outcome->until_ns >= 0 && outcome->until_ns <= MM__EPOCH_MAX_NS;
    case MM_KIND_BUDGET:
        return mm__is_time(record->body.budget.recv_ns);
    case MM_KIND_BATCH_END:
        return mm__is_time(record->body.command.now_ns);
    case MM_KIND_CLOCK:
        return mm__is_clock_offset(record->body.command.value);
    default: /* no time that is reckoned with */
        return true;
    }
}

/* The engine trusts its rings; a file is not to be trusted: its events must have the records their kind says, and the
 * numbers that steer the engine must be such. */
static bool has_shape(const mm_record *record)
{
    const mm_command_body *body = &record->body.command;
    size_t count = record->count;
    switch (record->kind) {
    case MM_KIND_DEPTH:
    case MM_KIND_SNAPSHOT:
    case MM_KIND_PARTIAL: {
        const mm_depth_body *depth = &record->body.depth;
        bool bounded = depth->bid_count <= MM_DEPTH_LEVELS_MAX && depth->ask_count <= MM_DEPTH_LEVELS_MAX;
        return bounded && count == 1 + mm__level_records(depth->bid_count) + mm__level_records(depth->ask_count);
    }
    case MM_KIND_QUOTE: {
        bool bounded =
            body->command >= 0 && body->command <= MM_LAYERS_MAX && body->value >= 0 && body->value <= MM_LAYERS_MAX;
        size_t bids = mm__level_records((uint32_t)body->command), asks = mm__level_records((uint32_t)body->value);
        return bounded && count == 1 + bids + asks;
    }
    case MM_KIND_REPORT:
    case MM_KIND_TRADE_ROW:
        return count == 2;
    case MM_KIND_RULES:
        return count == MM_SYMBOL_RECORDS;
    case MM_KIND_COMMAND:
        return count == 1 && body->command >= MM_COMMAND_START && body->command <= MM_COMMAND_STRATEGY_FAULT;
    case MM_KIND_BATCH_END:
        return count == 1 && body->value >= 0 && body->value2 >= 0;
    default:
        return count == 1 && (is_action(record) || is_single(record->kind));
    }
}

/* Filters that cannot be would leave the engine without a grid. */
static bool has_rules(const mm_record *records)
{
    mm_symbol symbol;
    memset(&symbol, 0, sizeof symbol);
    symbol.name[0] = symbol.base[0] = symbol.quote[0] = '-';
    return records->kind != MM_KIND_RULES || mm_symbol_read(&symbol, records) == MM_OK;
}

mm_status mm_log_replay(mm_engine *engine, const mm_record *records, size_t record_count, mm_record *actions,
                        size_t action_capacity, size_t *action_count, size_t *consumed, size_t *mismatch)
{
    size_t compared = 0;
    size_t at = 0;
    *action_count = 0;
    *consumed = 0;
    *mismatch = SIZE_MAX;
    while (at < record_count) {
        const mm_record *record = &records[at];
        size_t count = record->count;
        if (!has_shape(record) || !has_times(record)) {
            return MM_E_SYNTAX;
        }
        if (count > record_count - at) {
            break;
        }
        if (!has_rules(record)) {
            return MM_E_SYNTAX;
        }
        if (is_action(record)) {
            bool same = compared < *action_count && same_action(&actions[compared], record);
            if (!same && *mismatch == SIZE_MAX) {
                *mismatch = compared;
            }
            compared++;
        } else {
            mm_status status = step(engine, record, actions, action_capacity, action_count);
            if (status != MM_OK) {
                return status;
            }
        }
        at += count;
    }
    MM_ASSERT(at <= record_count && *action_count <= action_capacity);
    *consumed = at;
    /* Actions made but not logged belong to a batch whose tail is still to come, or were never made live. */
    return MM_OK;
}
