/* The filters of a symbol. Products are judged exactly, in 128 bits: a bound that an order meets to
 * the last digit is met. */
#include "mm_internal.h"

#include <string.h>

__extension__ typedef __int128 int128;

#define QTY_MAX_LIMIT (INT64_MAX / 2)
/* No tick, step or fee of a real symbol comes near; sums with prices up to 2^62 need no checks
 * below them. */
#define STEP_MAX ((int64_t)1 << 60)
#define FEE_MAX_E8 10000000

/* Terminated, and not empty. */
static bool name_is_good(const char *name, size_t capacity)
{
    return name[0] != '\0' && memchr(name, '\0', capacity) != NULL;
}

/* A bound of 0 is none. */
static bool bounds_fit(int64_t low, int64_t high)
{
    return low >= 0 && high >= 0 && (high == 0 || low <= high);
}

static bool step_is_good(int64_t step_e8)
{
    return step_e8 > 0 && step_e8 <= STEP_MAX;
}

static bool fee_is_good(int64_t fee_e8)
{
    return fee_e8 >= -FEE_MAX_E8 && fee_e8 <= FEE_MAX_E8;
}

#define NUMBERS_PER_RECORD 6
/* All of the struct behind the names is numbers. */
#define NUMBER_COUNT ((sizeof(mm_symbol) - offsetof(mm_symbol, tick_e8)) / sizeof(int64_t))

MM_STATIC_ASSERT(NUMBER_COUNT <= NUMBERS_PER_RECORD * (MM_SYMBOL_RECORDS - 1), the_numbers_of_a_symbol_fit_its_event);
MM_STATIC_ASSERT(sizeof(mm_symbol) == offsetof(mm_symbol, no_replace) + sizeof(int64_t), flags_are_the_last_numbers);

void mm_symbol_write(const mm_symbol *symbol, mm_record *records)
{
    int64_t numbers[NUMBER_COUNT];
    memcpy(numbers, &symbol->tick_e8, sizeof numbers);
    memset(records, 0, MM_SYMBOL_RECORDS * sizeof *records);
    records[0].kind = MM_KIND_RULES;
    records[0].count = MM_SYMBOL_RECORDS;
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        mm_record *record = &records[1 + i / NUMBERS_PER_RECORD];
        record->kind = MM_KIND_MORE;
        record->body.numbers[i % NUMBERS_PER_RECORD] = numbers[i];
    }
}

mm_status mm_symbol_read(mm_symbol *symbol, const mm_record *records)
{
    MM_ASSERT(records[0].kind == MM_KIND_RULES);
    mm_symbol made = *symbol;
    int64_t numbers[NUMBER_COUNT];
    if (records[0].count != MM_SYMBOL_RECORDS) {
        return MM_E_ARGUMENT;
    }
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        numbers[i] = records[1 + i / NUMBERS_PER_RECORD].body.numbers[i % NUMBERS_PER_RECORD];
    }
    memcpy(&made.tick_e8, numbers, sizeof numbers);
    if (mm_symbol_check(&made) != MM_OK) {
        return MM_E_ARGUMENT;
    }
    *symbol = made;
    return MM_OK;
}

static bool is_flag(int64_t value)
{
    return value == 0 || value == 1;
}

mm_status mm_symbol_check(const mm_symbol *symbol)
{
    MM_ASSERT(symbol != NULL);
    bool good =
        name_is_good(symbol->name, sizeof symbol->name) &&
        name_is_good(symbol->base, sizeof symbol->base) &&
        name_is_good(symbol->quote, sizeof symbol->quote) && step_is_good(symbol->tick_e8) &&
        step_is_good(symbol->step_e8) && bounds_fit(symbol->price_min_e8, symbol->price_max_e8) &&
        bounds_fit(symbol->qty_min_e8, symbol->qty_max_e8) && symbol->qty_max_e8 <= QTY_MAX_LIMIT &&
        bounds_fit(symbol->notional_min_e8, symbol->notional_max_e8) &&
        bounds_fit(symbol->bid_down_e8, symbol->bid_up_e8) &&
        bounds_fit(symbol->ask_down_e8, symbol->ask_up_e8) && symbol->orders_max >= 0 &&
        fee_is_good(symbol->maker_fee_e8) && fee_is_good(symbol->taker_fee_e8) &&
        is_flag(symbol->no_amend) && is_flag(symbol->no_replace);
    return good ? MM_OK : MM_E_ARGUMENT;
}

static bool inside(int64_t value, int64_t low, int64_t high)
{
    return value > 0 && value >= low && (high == 0 || value <= high);
}

static uint64_t notional_verdict(const mm_symbol *symbol, int64_t price_e8, int64_t qty_e8)
{
    int128 notional_e16 = (int128)price_e8 * qty_e8;
    uint64_t verdict = 0;
    if (notional_e16 < (int128)symbol->notional_min_e8 * MM_ONE_E8) {
        verdict |= MM_BIT(MM_REASON_MIN_NOTIONAL);
    }
    if (symbol->notional_max_e8 > 0 && notional_e16 > (int128)symbol->notional_max_e8 * MM_ONE_E8) {
        verdict |= MM_BIT(MM_REASON_ORDER_NOTIONAL);
    }
    return verdict;
}

static bool percent_price_fits(const mm_symbol *symbol, int32_t side, int64_t price_e8,
                               int64_t reference_e8)
{
    int64_t up_e8 = side == MM_BID ? symbol->bid_up_e8 : symbol->ask_up_e8;
    int64_t down_e8 = side == MM_BID ? symbol->bid_down_e8 : symbol->ask_down_e8;
    int128 price_e16 = (int128)price_e8 * MM_ONE_E8;
    return price_e16 >= (int128)reference_e8 * down_e8 &&
           (up_e8 == 0 || price_e16 <= (int128)reference_e8 * up_e8);
}

uint64_t mm_symbol_verdict(const mm_symbol *symbol, int32_t side, int64_t price_e8, int64_t qty_e8,
                           int64_t reference_e8)
{
    MM_ASSERT(side == MM_BID || side == MM_ASK);
    MM_ASSERT(symbol->tick_e8 > 0 && symbol->step_e8 > 0);
    uint64_t verdict = 0;
    if (!inside(price_e8, symbol->price_min_e8, symbol->price_max_e8) ||
        price_e8 % symbol->tick_e8 != 0) {
        verdict |= MM_BIT(MM_REASON_PRICE_FILTER);
    }
    if (!inside(qty_e8, symbol->qty_min_e8, symbol->qty_max_e8) || qty_e8 % symbol->step_e8 != 0) {
        verdict |= MM_BIT(MM_REASON_LOT_SIZE);
    }
    verdict |= notional_verdict(symbol, price_e8, qty_e8);
    if (reference_e8 > 0 && !percent_price_fits(symbol, side, price_e8, reference_e8)) {
        verdict |= MM_BIT(MM_REASON_PERCENT_PRICE);
    }
    return verdict;
}
