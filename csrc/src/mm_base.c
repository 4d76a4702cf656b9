/* Version, names of codes and reasons, and what a failed assertion does. */
#include "mm_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Version and build ---- */

#define TEXT_OF_VALUE(value) #value
#define TEXT_OF(macro) TEXT_OF_VALUE(macro)
#define VERSION_TEXT                                                                               \
    TEXT_OF(MM_VERSION_MAJOR) "." TEXT_OF(MM_VERSION_MINOR) "." TEXT_OF(MM_VERSION_PATCH)

#if defined(__clang__)
#define COMPILER_TEXT                                                                              \
    "clang " TEXT_OF(__clang_major__) "." TEXT_OF(__clang_minor__) "." TEXT_OF(__clang_patchlevel__)
#else
#define COMPILER_TEXT                                                                              \
    "gcc " TEXT_OF(__GNUC__) "." TEXT_OF(__GNUC_MINOR__) "." TEXT_OF(__GNUC_PATCHLEVEL__)
#endif

/* The instruction set the compiler was allowed, by the psABI's level names. */
#if defined(__AVX512VL__)
#define TARGET_TEXT "x86-64-v4"
#elif defined(__AVX2__)
#define TARGET_TEXT "x86-64-v3"
#elif defined(__SSE4_2__)
#define TARGET_TEXT "x86-64-v2"
#elif defined(__x86_64__)
#define TARGET_TEXT "x86-64"
#elif defined(__aarch64__)
#define TARGET_TEXT "aarch64"
#else
#define TARGET_TEXT "other"
#endif

#if defined(NDEBUG)
#define MODE_TEXT "release"
#else
#define MODE_TEXT "debug"
#endif

const char *mm_version(void)
{
    return VERSION_TEXT;
}

uint32_t mm_abi_version(void)
{
    return MM_ABI;
}

const char *mm_build_info(void)
{
    return VERSION_TEXT " " COMPILER_TEXT " " TARGET_TEXT " " MODE_TEXT;
}

/* ---- Names ---- */

typedef struct {
    const char *name;
    const char *text;
} named_text;

/* Index is the negated status. */
#define STATUS(code, sentence) [-(code)] = {#code, sentence}
static const named_text status_texts[] = {
    STATUS(MM_OK, "The call did what it promises."),
    STATUS(MM_E_ARGUMENT, "A value is outside its documented range."),
    STATUS(MM_E_SYNTAX, "The text or bytes are malformed."),
    STATUS(MM_E_OVERFLOW, "The exact result does not fit into 64 bits."),
    STATUS(MM_E_PRECISION, "The number has more than 8 decimals."),
    STATUS(MM_E_CAPACITY, "The buffer or bounded store is too small."),
    STATUS(MM_E_STATE, "The call is not allowed in the present state."),
    STATUS(MM_E_VERSION, "The data was written by another build or interface version."),
    STATUS(MM_E_SYSTEM, "The operating system refused; errno says why."),
};
MM_STATIC_ASSERT(MM_ARRAY_COUNT(status_texts) == 1 - MM_E_SYSTEM, every_status_has_a_text);

#define REASON(noun, sentence) [MM_REASON_##noun] = {#noun, sentence}
static const named_text reason_texts[] = {
    REASON(NONE, "Nothing stands in the way."),
    REASON(NOT_STARTED, "The engine has not been started."),
    REASON(PAUSED, "Quoting is paused by command."),
    REASON(STOPPING, "The engine is stopping and cancels its orders."),
    REASON(KILLED, "The kill switch is latched; only cancels leave."),
    REASON(SYNCING, "The book is being built from a snapshot and its updates."),
    REASON(STALE_BOOK, "Market data is too old to quote on."),
    REASON(GAP, "Market data has a gap; a new snapshot is on its way."),
    REASON(BOOK_MISMATCH, "The book differs from the exchange's own; a new snapshot is on its way."),
    REASON(CROSSED_BOOK, "The best bid is not below the best ask."),
    REASON(THIN_BOOK, "The book has too few levels."),
    REASON(ONE_SIDED, "One side of the book is empty."),
    REASON(MALFORMED, "A message could not be decoded."),
    REASON(WARMUP, "The signals have not seen enough data yet."),
    REASON(DISCONNECTED, "A connection to the exchange is down."),
    REASON(NO_ACCOUNT, "Balances are not known yet or too old."),
    REASON(NO_BALANCE, "The free balance does not cover the order."),
    REASON(SYMBOL_HALT, "The exchange does not trade the symbol at present."),
    REASON(BANNED, "The exchange has banned this address or account for a time."),
    REASON(CLOCK, "The local clock is not within what the exchange accepts."),
    REASON(CREDENTIALS, "The exchange refused the credentials."),
    REASON(ACCOUNT_RESET, "The account was reset by the exchange; accept it to go on."),
    REASON(LEDGER_MISMATCH, "The ledger and the exchange disagree about the account."),
    REASON(OTHER_INSTANCE, "A later run with the same account.tag trades: give each bot its own."),
    REASON(STRATEGY_PASS, "The strategy does not want this side."),
    REASON(STRATEGY_FAULT, "The strategy failed, gave no number or took too long."),
    REASON(PRICE_FILTER, "The price breaks the symbol's price filter."),
    REASON(LOT_SIZE, "The quantity breaks the symbol's lot size."),
    REASON(MIN_NOTIONAL, "Price times quantity is below the symbol's minimum."),
    REASON(PERCENT_PRICE, "The price is too far from the exchange's average price."),
    REASON(ORDER_QTY, "The quantity is above the limit for one order."),
    REASON(ORDER_NOTIONAL, "Price times quantity is above the limit for one order."),
    REASON(COLLAR_ORDER, "The price is too far from the reference price."),
    REASON(COLLAR_PERIOD, "The reference price moved too far within the period."),
    REASON(CROSS_GUARD, "The price would cross or come too close to the other side."),
    REASON(SELF_TRADE, "The order could trade with one of our own."),
    REASON(POSITION_LIMIT, "A fill would take the position over its limit."),
    REASON(REDUCING, "Only orders that reduce the position are allowed."),
    REASON(OPEN_NOTIONAL, "Open orders would be worth more than their limit."),
    REASON(OPEN_ORDERS, "The side has as many open orders as it may."),
    REASON(IN_FLIGHT, "The side has as many unanswered orders as it may."),
    REASON(UNKNOWN_ORDER, "The outcome of an order on this side is not known."),
    REASON(RATE_LIMIT, "The share of the exchange's order rate is used up."),
    REASON(REJECT_RATE, "The exchange refused too many orders within a minute."),
    REASON(DUPLICATE, "The same order was sent a moment ago."),
    REASON(STALE_DECISION, "The decision is too old to be sent."),
    REASON(WOULD_MATCH, "A post-only order here was just refused as it would match."),
    REASON(ORDER_ENDED, "The exchange just ended an order of this side by itself."),
    REASON(COUNT_MISMATCH, "Orders sent and orders approved do not agree."),
    REASON(LOSS_LIMIT, "The loss reached its limit, or the worth of the account cannot be counted."),
    REASON(DRAWDOWN, "Equity fell too far from its peak."),
    REASON(LOSS_SPEED, "Too much was lost within a minute."),
    REASON(NO_ROOM, "There is no room in the action ring."),
    REASON(POOL, "The order pool is full."),
    REASON(LOG_FULL, "The input log cannot keep up."),
    REASON(PANIC, "An invariant of the engine failed."),
};
MM_STATIC_ASSERT(MM_ARRAY_COUNT(reason_texts) == MM_REASON_COUNT, every_reason_has_a_text);
MM_STATIC_ASSERT(MM_REASON_COUNT <= 63, every_reason_has_a_bit);

static const named_text status_unknown = {"MM_E_?", "Not a status of this library."};
static const named_text reason_unknown = {"?", "Not a reason of this library."};

static const named_text *status_find(mm_status status)
{
    bool known = status <= MM_OK && status >= MM_E_SYSTEM;
    return known ? &status_texts[-status] : &status_unknown;
}

static const named_text *reason_find(int32_t reason)
{
    bool known = reason >= 0 && reason < MM_REASON_COUNT;
    return known ? &reason_texts[reason] : &reason_unknown;
}

const char *mm_status_name(mm_status status)
{
    return status_find(status)->name;
}

const char *mm_status_text(mm_status status)
{
    return status_find(status)->text;
}

const char *mm_reason_name(int32_t reason)
{
    return reason_find(reason)->name;
}

const char *mm_reason_text(int32_t reason)
{
    return reason_find(reason)->text;
}

int32_t mm_reason_first(uint64_t verdict)
{
    MM_ASSERT(verdict < MM_BIT(MM_REASON_COUNT));
    for (int32_t reason = 0; reason < MM_REASON_COUNT; reason++) {
        if ((verdict & MM_BIT(reason)) != 0) {
            return reason;
        }
    }
    return MM_REASON_NONE;
}

/* ---- Failed assertions ---- */

/* The only words of the library that the whole process shares: an invariant that failed in one
 * object says nothing good about the others. Nothing clears the kill word. */
static mm_panic_fn panic_handler;
static uint32_t panic_killed;
static uint32_t panic_told;

/* Installed unless the host brings its own. The kill word is latched by mm_panic itself; one line
 * goes to stderr for the first failure alone, since what fails once may fail a million times a
 * second. */
static void panic_default(const char *expression, const char *file, int32_t line)
{
    if (mm__exchange_seq_cst(&panic_told, 1u) == 0) {
        fprintf(stderr, "mmcore: failed assertion at %s:%d: %s\n", file, (int)line, expression);
    }
}

void mm_panic_set(mm_panic_fn fn)
{
    mm__store_release(&panic_handler, fn);
}

void mm_panic(const char *expression, const char *file, int32_t line)
{
    (void)mm__exchange_seq_cst(&panic_killed, 1u);
    mm_panic_fn handler = mm__load_acquire(&panic_handler);
    if (handler == NULL) {
        handler = panic_default;
    }
    handler(expression, file, line);
#if !defined(NDEBUG)
    abort();
#endif
}

bool mm_panic_killed(void)
{
    return mm__load_acquire(&panic_killed) != 0;
}
