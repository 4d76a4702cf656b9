/* mmcore.h - the public interface of libmmcore, the C core of a Binance Spot market maker.
 *
 * How to read this file. Sections stand in floor order: a section uses only the sections above it.
 *
 *   L0  base      status codes, reasons, assertions, version
 *       fixed     int64 counts of 1e-8: parse, format, checked arithmetic
 *       grid      the multiples of a tick or a lot
 *   L1  record    the 64-byte record everything is passed in
 *       spsc      single-producer single-consumer ring of records
 *       event     parking and waking of a consumer; roles that threads hand to each other
 *       pool      slab of fixed-size objects behind generation-tagged handles
 *       hist      log-linear latency histogram
 *   L2  ws        WebSocket frames          feed   Binance JSON to records
 *       sbe       Binance SBE to records    book   order book
 *       sync      snapshot + diffs = exact book
 *       arbiter   several connections with the same streams, each event once
 *   L3  signal    microprice, imbalance, trade flow, volatility, order-flow imbalance
 *   L4  order     own orders' life cycle    ledger balances, fills, P&L
 *       budget    what the exchange still lets us send
 *       risk      limits and verdicts       quote  strategies
 *       plan      wanted quotes to the fewest actions
 *   L5  engine    the pure state machine: records in, actions out
 *   L6  gate      the last check and the bytes of an order
 *       log       the input log             loop   rings, roles and the engine tied together
 *
 * Levels of use. 1: fixed. 2: book (with fixed). 3: book fed from bytes (feed, sync). 4: the engine.
 *
 * Conventions.
 *   - Prices, quantities and cash are int64 counts of 1e-8 and end in _e8; times are int64 nanoseconds of
 *     one monotonic clock (_ns, 0..2^61) or microseconds since the epoch as the exchange states them (_us).
 *     What the exchange's clock is ahead of ours lies under 2^62 ns either way.
 *   - Four kinds of error, never mixed: a programmer's mistake is MM_ASSERT; a failure at a boundary is an
 *     mm_status < 0; expected absence (empty, full, no best) is `false`; a business verdict is a set of
 *     reason bits.
 *   - Nothing allocates after init. `mm_X_bytes(...)` says how much memory an object needs and
 *     `mm_X_init` builds it there (64-byte aligned); `mm_X_new/free` are a convenience over malloc.
 *   - Unless said otherwise a function may be called by one thread at a time per object, does not block,
 *     and makes no system call.
 *   - Blocks between the "cffi" markers are what Python sees; tools/gen_cdef.py cuts them out.
 */
#ifndef MMCORE_H
#define MMCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(MM_API)
#if defined(MM_STATIC) || !(defined(__GNUC__) || defined(__clang__))
#define MM_API
#else
#define MM_API __attribute__((visibility("default")))
#endif
#endif

#define MM_INLINE static inline

#ifdef __cplusplus
extern "C" {
#endif

/* ============================================================================================
 * base: status codes, sides, reasons, assertions, version
 * ========================================================================================== */

/* cffi:begin */
#define MM_VERSION_MAJOR 0
#define MM_VERSION_MINOR 1
#define MM_VERSION_PATCH 0
/* Raised when the meaning or layout of anything below changes; the shared library's soname ends in it. */
#define MM_ABI 4

/* Result of a call that can fail at a boundary. Zero is success, failures are negative. */
typedef int32_t mm_status;
enum {
    MM_OK = 0,
    MM_E_ARGUMENT = -1, /* a value is outside its documented range */
    MM_E_SYNTAX = -2,   /* text or bytes are malformed */
    MM_E_OVERFLOW = -3, /* an exact result does not fit */
    MM_E_PRECISION = -4, /* more than 8 decimals that are not zero */
    MM_E_CAPACITY = -5, /* the caller's buffer or a bounded store is too small */
    MM_E_STATE = -6,    /* not allowed in the present state */
    MM_E_VERSION = -7,  /* written by another build or ABI */
    MM_E_SYSTEM = -8    /* the operating system refused; errno says why */
};

/* Side of the book or of an order. */
enum { MM_BID = 0, MM_ASK = 1 };

/* Why a side is not quoted, an order is refused or the engine halts: the one list for status lines, logs, metrics and
 * the run summary. Verdicts are sets: bit (1 << reason). At most 63 reasons. */
enum {
    MM_REASON_NONE = 0,
    /* life of the engine */
    MM_REASON_NOT_STARTED,
    MM_REASON_PAUSED,
    MM_REASON_STOPPING,
    MM_REASON_KILLED,
    /* market data */
    MM_REASON_SYNCING,
    MM_REASON_STALE_BOOK,
    MM_REASON_GAP,
    MM_REASON_BOOK_MISMATCH,
    MM_REASON_CROSSED_BOOK,
    MM_REASON_THIN_BOOK,
    MM_REASON_ONE_SIDED,
    MM_REASON_MALFORMED,
    MM_REASON_WARMUP,
    /* account and channel */
    MM_REASON_DISCONNECTED,
    MM_REASON_NO_ACCOUNT,
    MM_REASON_NO_BALANCE,
    MM_REASON_SYMBOL_HALT,
    MM_REASON_BANNED,
    MM_REASON_CLOCK,
    MM_REASON_CREDENTIALS,
    MM_REASON_ACCOUNT_RESET,
    MM_REASON_LEDGER_MISMATCH,
    MM_REASON_OTHER_INSTANCE,
    /* strategy */
    MM_REASON_STRATEGY_PASS,
    MM_REASON_STRATEGY_FAULT,
    /* pre-trade limits */
    MM_REASON_PRICE_FILTER,
    MM_REASON_LOT_SIZE,
    MM_REASON_MIN_NOTIONAL,
    MM_REASON_PERCENT_PRICE,
    MM_REASON_ORDER_QTY,
    MM_REASON_ORDER_NOTIONAL,
    MM_REASON_COLLAR_ORDER,
    MM_REASON_COLLAR_PERIOD,
    MM_REASON_CROSS_GUARD,
    MM_REASON_SELF_TRADE,
    MM_REASON_POSITION_LIMIT,
    MM_REASON_REDUCING,
    MM_REASON_OPEN_NOTIONAL,
    MM_REASON_OPEN_ORDERS,
    MM_REASON_IN_FLIGHT,
    MM_REASON_UNKNOWN_ORDER,
    MM_REASON_RATE_LIMIT,
    MM_REASON_REJECT_RATE,
    MM_REASON_DUPLICATE,
    MM_REASON_STALE_DECISION,
    MM_REASON_WOULD_MATCH,
    MM_REASON_ORDER_ENDED,
    MM_REASON_COUNT_MISMATCH,
    /* post-trade limits */
    MM_REASON_LOSS_LIMIT,
    MM_REASON_DRAWDOWN,
    MM_REASON_LOSS_SPEED,
    /* resources */
    MM_REASON_NO_ROOM,
    MM_REASON_POOL,
    MM_REASON_LOG_FULL,
    MM_REASON_PANIC,
    MM_REASON_COUNT
};

/* "0.1.0". */
MM_API const char *mm_version(void);
/* MM_ABI of the built library. */
MM_API uint32_t mm_abi_version(void);
/* One line: version, compiler, target, flags that matter ("0.1.0 gcc 12.2.0 x86-64-v2 release"). */
MM_API const char *mm_build_info(void);
/* "MM_E_SYNTAX" and a sentence; "MM_E_?" for a number that is no status. Static text. */
MM_API const char *mm_status_name(mm_status status);
MM_API const char *mm_status_text(mm_status status);
/* "STALE_BOOK" (without prefix) and a sentence a person understands; "?" outside the list. Static text. */
MM_API const char *mm_reason_name(int32_t reason);
MM_API const char *mm_reason_text(int32_t reason);
/* Lowest set bit of a verdict as a reason, MM_REASON_NONE for 0. Reasons stand in order of precedence. */
MM_API int32_t mm_reason_first(uint64_t verdict);

/* Called on a failed assertion with static text. Must not return in debug builds; in release builds it may (the
 * default writes one line to stderr for the first failure). The process-wide kill word is latched before the handler
 * runs, whichever it is: see mm_panic_killed; from then on only cancels leave. */
typedef void (*mm_panic_fn)(const char *expression, const char *file, int32_t line);
/* Installs a handler for all threads; NULL restores the default. */
MM_API void mm_panic_set(mm_panic_fn fn);
MM_API void mm_panic(const char *expression, const char *file, int32_t line);
/* True once an assertion failed anywhere in the process. Any thread. */
MM_API bool mm_panic_killed(void);
/* cffi:end */

#define MM_BIT(reason) ((uint64_t)1 << (reason))

/* States an invariant. On in release builds: the cost is one predicted branch. A build that measures coverage
 * (MM_COVERAGE) checks none, as a test that takes the branch of a broken promise cannot be asked for. */
#if defined(MM_COVERAGE)
#define MM_ASSERT(expression) ((void)sizeof((expression) ? 1 : 0))
#elif defined(MM_ANALYSIS) /* static analysis may rely on what is asserted */
#define MM_ASSERT(expression) ((expression) ? (void)0 : __builtin_unreachable())
#else
#define MM_ASSERT(expression) \
    ((expression) ? (void)0 : mm_panic(#expression, __FILE__, (int32_t)__LINE__))
#endif

/* ============================================================================================
 * fixed: exact decimal arithmetic on int64 counts of 1e-8
 * ========================================================================================== */

/* cffi:begin */
#define MM_ONE_E8 100000000
/* Longest text mm_fixed_format writes, without a terminating zero: sign, 11 digits, point, 8 digits. */
#define MM_FIXED_TEXT_MAX 21

/* Where a result between two counts goes. */
enum {
    MM_ROUND_FLOOR = 0, /* towards minus infinity */
    MM_ROUND_CEIL = 1,  /* towards plus infinity */
    MM_ROUND_ZERO = 2,  /* towards zero */
    MM_ROUND_HALF_EVEN = 3 /* to the nearest, ties to even */
};

/* Parses all of `text`: [-]digits[.digits], at least one digit before the point, no plus, exponent, blank or other
 * sign of life. Zeros after the eighth decimal are allowed. MM_E_SYNTAX, MM_E_PRECISION, MM_E_OVERFLOW (in this order
 * where several apply) leave *value_e8 alone. About 10 ns. */
MM_API mm_status mm_fixed_parse(const char *text, size_t text_bytes, int64_t *value_e8);
/* Writes the exact value with at least `decimals_min` (0..8) decimals and no more zeros than that; returns the
 * bytes written (no terminator). `out` holds MM_FIXED_TEXT_MAX. */
MM_API size_t mm_fixed_format(int64_t value_e8, int32_t decimals_min, char *out);
/* a + b, a - b: MM_E_OVERFLOW instead of a wrap. */
MM_API mm_status mm_fixed_add(int64_t a, int64_t b, int64_t *sum);
MM_API mm_status mm_fixed_sub(int64_t a, int64_t b, int64_t *difference);
/* a * b / c with a 128-bit product, rounded once. c != 0 (MM_E_ARGUMENT). */
MM_API mm_status mm_fixed_muldiv(int64_t a, int64_t b, int64_t c, int32_t rounding, int64_t *result);
/* Product and quotient of two e8 values as an e8 value: muldiv(a, b, 1e8), muldiv(a, 1e8, b). */
MM_API mm_status mm_fixed_mul(int64_t a_e8, int64_t b_e8, int32_t rounding, int64_t *product_e8);
MM_API mm_status mm_fixed_div(int64_t a_e8, int64_t b_e8, int32_t rounding, int64_t *quotient_e8);
/* The multiple of step > 0 (else MM_E_ARGUMENT) at or next to value in the given direction. */
MM_API mm_status mm_fixed_to_step(int64_t value, int64_t step, int32_t rounding, int64_t *result);
/* The one way from floating point to a price or quantity: NaN, infinity and anything outside [low, high] are
 * MM_E_ARGUMENT; then rounded once, to the step. A result that rounding takes out of [low, high] is MM_E_ARGUMENT too,
 * and so are low > high and step <= 0. */
MM_API mm_status mm_fixed_from_double(double value_e8, int64_t low, int64_t high, int64_t step, int32_t rounding,
                                      int64_t *result);
/* cffi:end */

/* ============================================================================================
 * grid: the multiples of a tick or a lot
 * ========================================================================================== */

/* cffi:begin */
/* A grid of prices or quantities: the multiples of a step. Division by the step is kept as a multiplication, of
 * whole numbers and of doubles. Plain memory, 40 bytes; all but the first field are private. */
typedef struct mm_grid {
    int64_t step_e8;
    uint64_t multiplier;
    double step;
    double inverse;
    uint32_t shift;
    uint32_t pad;
} mm_grid;

/* step_e8 1..2^62, else MM_E_ARGUMENT. Some 30 ns: once for a symbol. */
MM_API mm_status mm_grid_init(mm_grid *grid, int64_t step_e8);
/* cffi:end */

/* ============================================================================================
 * record: the 64 bytes everything is passed in
 * ========================================================================================== */

/* cffi:begin */
/* What a record is. An event is one header record and `count - 1` continuation records behind it. */
enum {
    MM_KIND_NONE = 0,
    /* continuations */
    MM_KIND_LEVELS = 1, /* three levels of a depth event */
    MM_KIND_MORE = 2,   /* second half of an exec report */
    /* market data (feed -> engine) */
    MM_KIND_DEPTH = 10,   /* diff: bid levels then ask levels follow */
    MM_KIND_SNAPSHOT = 11, /* REST depth: as MM_KIND_DEPTH */
    MM_KIND_PARTIAL = 12, /* partial book stream: as MM_KIND_DEPTH */
    MM_KIND_TICKER = 13,
    MM_KIND_TRADE = 14,
    MM_KIND_MARKET_LINK = 15, /* market socket: up, down, pong, shutdown notice */
    MM_KIND_MARKET_FAULT = 16, /* malformed message or dropped event: the book is invalid */
    /* order channel (orders -> engine) */
    MM_KIND_REPORT = 20,       /* executionReport, a fill when MM_FLAG_FILL; MM_KIND_MORE follows */
    MM_KIND_ACK = 21,          /* reply: order accepted */
    MM_KIND_REJECT = 22,       /* reply: order definitely refused */
    MM_KIND_CANCELED = 23,     /* reply: cancel done */
    MM_KIND_CANCEL_REJECT = 24, /* reply: cancel refused */
    MM_KIND_STATUS = 25,       /* reply to a query; MM_FLAG_FOUND when the order exists */
    MM_KIND_LOST = 26,         /* no reply, or one that leaves the outcome open */
    MM_KIND_SENT = 27,         /* bytes handed to the kernel */
    MM_KIND_NOT_SENT = 28,     /* the gate refused, or the channel is down */
    MM_KIND_BALANCE = 29,      /* absolute free and locked of one asset */
    MM_KIND_BALANCE_DELTA = 30, /* deposit, withdrawal, transfer */
    MM_KIND_ORDER_LINK = 31,   /* order or user-data channel: up, down, pong */
    MM_KIND_LIMIT = 32,        /* ban or rate-limit news */
    MM_KIND_AMENDED = 33,      /* reply: the order's quantity is smaller now and it kept its place */
    MM_KIND_AMEND_REJECT = 34, /* reply: amend refused, the order is as it was */
    MM_KIND_BUDGET = 35,       /* what the exchange has counted of our requests, and its limits */
    /* REST worker -> engine */
    MM_KIND_TRADE_ROW = 40,    /* one own trade of myTrades; MM_KIND_MORE follows */
    MM_KIND_TRADES_END = 41,   /* all trades asked for have been given */
    MM_KIND_OPEN_ROW = 42,     /* one own open order of openOrders */
    MM_KIND_OPEN_END = 43,
    MM_KIND_ACCOUNT_END = 44,  /* all balances of an account read have been given */
    MM_KIND_PRICE = 45,        /* what an asset that fees are paid in costs in quote */
    /* supervisor -> engine */
    MM_KIND_COMMAND = 50,
    MM_KIND_CLOCK = 51,        /* server clock offset */
    MM_KIND_QUOTE = 52,        /* a Python strategy's decision; MM_KIND_LEVELS follow */
    MM_KIND_TIMER = 53,
    MM_KIND_BATCH_END = 54,    /* decide now */
    MM_KIND_RULES = 55,        /* filters or fees of the symbol changed: mm_symbol_write; MM_KIND_MORE follow */
    /* actions (engine -> orders, REST worker, host) */
    MM_KIND_PLACE = 70,
    MM_KIND_CANCEL = 71,
    MM_KIND_QUERY = 72,
    MM_KIND_WANT_SNAPSHOT = 73,
    MM_KIND_WANT_TRADES = 74,
    MM_KIND_WANT_OPEN = 75,
    MM_KIND_WANT_ACCOUNT = 76, /* value2 1: what it shows is a new start, trades up to it are history */
    MM_KIND_STATE = 77, /* the engine's state changed; for log, status and the supervisor */
    MM_KIND_WANT_CLOCK = 78, /* the exchange says our clock is off: measure it again */
    MM_KIND_AMEND = 79,     /* reduce an order's quantity where it rests (order.amend.keepPriority) */
    MM_KIND_REPLACE = 80,   /* cancel one order and, only if that succeeded, place another (order.cancelReplace) */
    MM_KIND_WANT_PRICE = 81, /* of the asset its balance body names, which fees are paid in */
    MM_KIND_WANT_RULES = 82 /* refused by a filter or a closed market: read the symbol's rules and status again */
};

enum {
    MM_FLAG_BUYER_MAKER = 1, /* TRADE: the aggressor sold */
    MM_FLAG_AGGREGATE = 2,   /* TRADE: aggTrade */
    MM_FLAG_FUTURES = 4,     /* DEPTH: carries prev_id */
    MM_FLAG_FILL = 8,        /* REPORT: a trade happened */
    MM_FLAG_FOUND = 16,      /* STATUS: the order exists */
    MM_FLAG_FOREIGN = 32,    /* the order is not ours (other prefix) */
    MM_FLAG_OLD_RUN = 64,    /* our prefix, an earlier run's epoch */
    MM_FLAG_NEW_RUN = 512,   /* our prefix, a later run's epoch, on the order or on the request that canceled it */
    MM_FLAG_MAKER = 128,     /* REPORT/TRADE_ROW: we were the maker */
    MM_FLAG_BY_REST = 256    /* came over the REST worker */
};

typedef struct mm_level {
    int64_t price_e8;
    int64_t qty_e8;
} mm_level;

/* Bodies: at most 48 bytes each. */
typedef struct mm_depth_body {
    int64_t first_id;      /* U; of a snapshot: lastUpdateId */
    int64_t last_id;       /* u; of a snapshot: lastUpdateId */
    int64_t prev_id;       /* pu (futures) or -1 */
    int64_t event_time_us; /* E, 0 when absent */
    int64_t recv_ns;
    uint32_t bid_count;
    uint32_t ask_count;
} mm_depth_body;

typedef struct mm_ticker_body {
    int64_t update_id;
    int64_t bid_price_e8;
    int64_t bid_qty_e8;
    int64_t ask_price_e8;
    int64_t ask_qty_e8;
    int64_t recv_ns;
} mm_ticker_body;

typedef struct mm_trade_body {
    int64_t trade_id;
    int64_t price_e8;
    int64_t qty_e8;
    int64_t trade_time_us;
    int64_t recv_ns;
    int64_t first_trade_id; /* aggTrade: f; else trade_id */
} mm_trade_body;

/* MARKET_LINK, ORDER_LINK, MARKET_FAULT. */
typedef struct mm_link_body {
    int64_t state;  /* MM_LINK_*; of a fault: mm_status */
    int64_t recv_ns;
    int64_t detail; /* pong: round trip ns, 0 = not known (a ping of theirs too); fault: byte position in the message */
    int64_t channel; /* MM_CHANNEL_* */
} mm_link_body;

enum { MM_LINK_DOWN = 0, MM_LINK_UP = 1, MM_LINK_PONG = 2,
       MM_LINK_REPLACED = 5 /* of the user channel: by another, without a break */ };
enum { MM_CHANNEL_MARKET = 0, MM_CHANNEL_ORDER = 1, MM_CHANNEL_USER = 2 };

/* Order states, ours and as the exchange reports them. */
enum {
    MM_ORDER_FREE = 0,
    MM_ORDER_PENDING = 1,      /* placed, outcome not known yet */
    MM_ORDER_LIVE = 2,         /* resting */
    MM_ORDER_UNKNOWN = 3,      /* outcome open: reliability over speed, see mm_order */
    MM_ORDER_FILLED = 4,       /* from here on: terminal */
    MM_ORDER_CANCELED = 5,
    MM_ORDER_REJECTED = 6,
    MM_ORDER_EXPIRED = 7,
    MM_ORDER_NOT_SENT = 8,
    MM_ORDER_NOT_ACCEPTED = 9, /* UNKNOWN proven never to have reached the book */
    MM_ORDER_STATUS_OTHER = 10 /* a state of the exchange this library does not know */
};

/* REPORT, ACK, CANCELED, STATUS, AMENDED, TRADE_ROW, OPEN_ROW: what is known of one order. order_seq 0 = not of this
 * run. */
typedef struct mm_report_body {
    uint64_t order_seq;
    int64_t exchange_id;
    int64_t price_e8;    /* fill: last price; else the order's price, 0 when not said */
    int64_t qty_e8;      /* fill: last quantity; else the order's quantity, 0 when not said */
    int64_t executed_e8; /* cumulative, -1 when not said */
    int16_t status;      /* MM_ORDER_* */
    int16_t side;        /* MM_BID, MM_ASK, -1 when not said */
    int32_t code;        /* exchange error code or 0; of a REPORT: MM_REJECT_*, why it was rejected */
} mm_report_body;

/* MM_KIND_MORE behind REPORT and TRADE_ROW. */
typedef struct mm_fill_body {
    int64_t trade_id;  /* -1 when not a fill */
    int64_t quote_e8;  /* quote asset exchanged by this fill (Y), -1 when not said */
    int64_t fee_e8;    /* commission in fee_asset; may be negative */
    char fee_asset[16]; /* zero padded, empty when none */
    int64_t time_us;   /* exchange's time of the event */
} mm_fill_body;

/* REJECT, CANCEL_REJECT, AMEND_REJECT, LOST, SENT, NOT_SENT, LIMIT. */
typedef struct mm_outcome_body {
    uint64_t order_seq;
    int64_t recv_ns;
    int64_t until_ns;   /* LIMIT: monotonic time the ban ends; refusal of class LIMIT but -1015: epoch ns of retryAfter, 0 = not said */
    uint64_t verdict;   /* NOT_SENT: reason bits of the gate */
    int32_t code;       /* exchange error code, 0 when none (LOST by time-out) */
    int32_t operation;  /* MM_OP_* */
    int32_t http_status; /* 0 when none */
    int32_t detail;     /* of a refusal: MM_REJECT_* */
} mm_outcome_body;

enum { MM_OP_NONE = 0, MM_OP_PLACE = 1, MM_OP_CANCEL = 2, MM_OP_QUERY = 3, MM_OP_AMEND = 7,
       MM_OP_REPLACE = 8 };
/* Classes of refusal: what the engine does differs. */
enum {
    MM_REJECT_OTHER = 0,
    MM_REJECT_WOULD_MATCH = 1,  /* post-only would have traded */
    MM_REJECT_BALANCE = 2,
    MM_REJECT_FILTER = 3,
    MM_REJECT_LIMIT = 4,        /* -1003, -1015, 429, 418 */
    MM_REJECT_CLOCK = 5,        /* -1021 */
    MM_REJECT_CREDENTIALS = 6,  /* -1022, -2014, -2015 */
    MM_REJECT_MARKET_CLOSED = 7,
    MM_REJECT_UNKNOWN_ORDER = 8, /* -2011, -2013: proves nothing by itself */
    MM_REJECT_DUPLICATE = 9
};

/* BUDGET: counts and limits of the exchange's windows; -1 = not said. */
typedef struct mm_budget_body {
    int64_t recv_ns;
    int32_t orders_10s;       /* unfilled order count */
    int32_t orders_10s_limit;
    int32_t orders_day;
    int32_t orders_day_limit;
    int32_t weight_1m;        /* request weight */
    int32_t weight_1m_limit;
    int32_t raw_5m;           /* raw requests */
    int32_t raw_5m_limit;
} mm_budget_body;

/* BALANCE, BALANCE_DELTA (then free_e8 is the delta), PRICE (then it is the price in quote, 0 = not known), WANT_PRICE,
 * ACCOUNT_END, TRADES_END, OPEN_END. */
typedef struct mm_balance_body {
    char asset[16];
    int64_t free_e8;
    int64_t locked_e8;
    int64_t time_us;
    int64_t token; /* *_END: the token of the WANT_* action that is answered; its rows precede it */
} mm_balance_body;

/* COMMAND, CLOCK, TIMER, BATCH_END, and the actions WANT_*, STATE. */
typedef struct mm_command_body {
    int64_t now_ns;
    int64_t command;   /* COMMAND: MM_COMMAND_*; STATE: the new MM_STATE_*; WANT_*: token to answer with */
    int64_t value;     /* meaning by command; CLOCK: server epoch ns minus monotonic ns; BATCH_END: action room */
    int64_t value2;    /* CLOCK: round trip ns; BATCH_END: cancel room; WANT_SNAPSHOT: levels; WANT_TRADES: from trade id */
    uint64_t verdict;  /* STATE: reason bits */
    uint64_t order_seq; /* WANT_TRADES: the order it is asked for, 0 = general */
} mm_command_body;

enum {
    MM_COMMAND_START = 1,   /* account, orders and clock are known: quote when the book is */
    MM_COMMAND_STOP = 2,    /* no new orders, cancel all, settle */
    MM_COMMAND_KILL = 3,    /* latched; value = reason */
    MM_COMMAND_PAUSE = 4,   /* pull quotes */
    MM_COMMAND_RESUME = 5,
    MM_COMMAND_SYMBOL = 6,  /* value 1 = trading, 0 = not */
    MM_COMMAND_ACCEPT_RESET = 7,
    MM_COMMAND_STRATEGY_FAULT = 8 /* value 1 = set, 0 = cleared */
};

/* PLACE, CANCEL, QUERY, AMEND, REPLACE. */
typedef struct mm_action_body {
    uint64_t order_seq;   /* REPLACE: the new order */
    int64_t exchange_id;  /* 0 when not known: use the client id. REPLACE: of the order that goes, always known */
    int64_t price_e8;
    int64_t qty_e8;       /* AMEND: the order's new whole quantity, what has been executed included */
    int64_t decision_ns;  /* BATCH_END's now */
    int64_t cause_ns;     /* receive stamp of the market frame behind the decision */
} mm_action_body;

/* One record. `seq` is the ring's; in the input log and the action list it is the running number. */
typedef struct mm_record {
    uint64_t seq;
    uint16_t kind;
    uint16_t flags;  /* MM_FLAG_*; of PLACE, CANCEL, QUERY, AMEND, REPLACE: side << 8 | layer; of a
                      * MARKET_FAULT: the market connection that brought it, 0..MM_ARBITER_SOCKETS - 1 */
    uint32_t count;  /* records of this event, this one included; 0 in continuations */
    union {
        mm_depth_body depth;
        mm_ticker_body ticker;
        mm_trade_body trade;
        mm_link_body link;
        mm_report_body report;
        mm_fill_body fill;
        mm_outcome_body outcome;
        mm_balance_body balance;
        mm_budget_body budget;
        mm_command_body command;
        mm_action_body action;
        mm_level levels[3];
        int64_t numbers[6]; /* MM_KIND_MORE behind RULES */
    } body;
} mm_record;
#define MM_LEVELS_PER_RECORD 3
/* Most levels a side one depth event may carry (a REST snapshot of 5,000; a burst more). */
#define MM_DEPTH_LEVELS_MAX 10000
/* Most levels a side that the exchange gives in a snapshot: with more asked for, a side it cuts would be taken for
 * all there is. */
#define MM_SNAPSHOT_LEVELS_MAX 5000
/* Records of the longest event: header + levels of both sides, each side starting in a record of its own. */
#define MM_EVENT_RECORDS_MAX (1 + 2 * ((MM_DEPTH_LEVELS_MAX + MM_LEVELS_PER_RECORD - 1) / MM_LEVELS_PER_RECORD))
/* cffi:end */

/* ============================================================================================
 * spsc: bounded ring of records, one producer, one consumer, lock-free and wait-free
 * ========================================================================================== */

/* cffi:begin */
typedef struct mm_spsc mm_spsc;

/* Bytes for a ring of `capacity` records (a power of two, 2..2^24); 0 when the capacity is not allowed. */
MM_API size_t mm_spsc_bytes(size_t capacity);
MM_API mm_status mm_spsc_init(void *memory, size_t memory_bytes, size_t capacity, mm_spsc **ring);
MM_API mm_spsc *mm_spsc_new(size_t capacity);
MM_API void mm_spsc_free(mm_spsc *ring);
MM_API size_t mm_spsc_capacity(const mm_spsc *ring);

/* Producer. Pushes the whole event of records[0].count (>= 1) records or nothing; in the ring `seq` is the record's
 * position + 1. Published with one release store: the consumer never sees half an event. false = not enough room; an
 * event longer than the ring never fits. */
MM_API bool mm_spsc_push(mm_spsc *ring, const mm_record *records);
/* Producer. Records free right now (never less than what a push will find). */
MM_API size_t mm_spsc_room(mm_spsc *ring);

/* Consumer. Header of the next event or NULL; valid until mm_spsc_release. Its continuation i (1..count-1) is
 * mm_spsc_at(ring, i); they may wrap, so take each by its index. */
MM_API const mm_record *mm_spsc_peek(mm_spsc *ring);
MM_API const mm_record *mm_spsc_at(mm_spsc *ring, size_t index);
/* Consumer. Copies the next event to `out` if it fits `out_capacity` records; returns its records, 0 when the ring is
 * empty or the event does not fit (then peek tells). Takes it off the ring. */
MM_API size_t mm_spsc_pop(mm_spsc *ring, mm_record *out, size_t out_capacity);
/* Consumer. Gives the peeked event's slots back to the producer. */
MM_API void mm_spsc_release(mm_spsc *ring);
/* Any thread: true when nothing is readable at this moment. */
MM_API bool mm_spsc_empty(const mm_spsc *ring);
/* Invariants; call while neither side is active. */
MM_API bool mm_spsc_valid(const mm_spsc *ring);
/* cffi:end */

/* ============================================================================================
 * event: one event count per consumer over all its rings; roles that threads hand to each other
 * ========================================================================================== */

/* cffi:begin */
/* How a consumer waits: sleep in the kernel, sched_yield, or spin. */
enum { MM_WAIT_BLOCK = 0, MM_WAIT_YIELD = 1, MM_WAIT_SPIN = 2 };

typedef struct mm_event mm_event;

MM_API size_t mm_event_bytes(void);
/* `with_fd` != 0 also makes a descriptor (eventfd on Linux, a pipe elsewhere) that polls readable when signalled while
 * the consumer waits on descriptors. MM_E_SYSTEM when it cannot be had. */
MM_API mm_status mm_event_init(void *memory, size_t memory_bytes, int32_t wait_policy, int32_t with_fd,
                               mm_event **event);
MM_API mm_event *mm_event_new(int32_t wait_policy, int32_t with_fd);
/* Closes the descriptor; `free` also gives back the memory of `new`. */
MM_API void mm_event_close(mm_event *event);
MM_API void mm_event_free(mm_event *event);
MM_API int32_t mm_event_fd(const mm_event *event); /* -1 when made without */

/* Consumer: announce, look at the rings once more, then wait or cancel. The key closes the window between looking
 * and sleeping. */
MM_API uint32_t mm_event_prepare(mm_event *event);
MM_API void mm_event_cancel(mm_event *event);
/* Consumer: returns true when signalled since `prepare`, false on time-out (timeout_ns < 0 = for ever, 0 = do not
 * sleep). Ends the announcement. Makes one system call when it sleeps. Not interrupted by signals of the operating
 * system: a thread that serves these waits with a time-out. */
MM_API bool mm_event_wait(mm_event *event, uint32_t key, int64_t timeout_ns);
/* Consumer that polls descriptors (event made with one): as wait, but in poll(2) over fds[0..fd_count) as well as
 * the event's own, and also ended by them. Bit i of *ready = fds[i] has input (or error), bit 32 + i = it takes
 * output (asked for by bit i of want_write); negative descriptors are passed over, fd_count <= 16. The descriptors
 * are looked at in every call, signalled or not. At least one system call. */
MM_API bool mm_event_poll(mm_event *event, uint32_t key, const int32_t *fds, size_t fd_count, uint32_t want_write,
                          int64_t timeout_ns, uint64_t *ready);
/* Any thread: wakes the consumer if it waits. A full fence and a plain load when it does not; one system call a wait
 * when it does, however many signal. */
MM_API void mm_event_signal(mm_event *event);

/* Who may touch a role's state: at most one thread at a time. */
typedef struct mm_role mm_role;
MM_API size_t mm_role_bytes(void);
/* NULL when the memory is too short or not aligned. The role is free. */
MM_API mm_role *mm_role_init(void *memory, size_t memory_bytes);
/* Issues a full fence, then takes the role if it is free. true = the calling thread holds it now (acquire). `holder`
 * is a number > 0 that names the thread. false = it has a holder (perhaps the caller itself), and that holder will
 * find what the caller pushed to the role's rings before this call: it looks at them after its release. */
MM_API bool mm_role_try(mm_role *role, uint32_t holder);
/* Gives it up (release) and issues a full fence: the caller must look at the role's rings once more before parking. */
MM_API void mm_role_release(mm_role *role, uint32_t holder);
/* 0 = free. For assertions: only "it is I" stays true when the answer is used. */
MM_API uint32_t mm_role_holder(const mm_role *role);
/* cffi:end */

/* ============================================================================================
 * pool: slab of equal objects behind generation-tagged handles
 * ========================================================================================== */

/* cffi:begin */
typedef struct mm_pool mm_pool;
/* 0 is never a handle. A handle dies with its object: a stale one is recognised until 2^31 more objects have been
 * taken, one of a pool of another shape nearly always (64-bit: 32 number of the taking, 32 index + 1). */
typedef uint64_t mm_handle;

/* `object_bytes` > 0, `capacity` 1..2^32-2; 0 when not allowed or too much to address. */
MM_API size_t mm_pool_bytes(size_t object_bytes, size_t capacity);
MM_API mm_status mm_pool_init(void *memory, size_t memory_bytes, size_t object_bytes, size_t capacity, mm_pool **pool);
MM_API mm_pool *mm_pool_new(size_t object_bytes, size_t capacity);
MM_API void mm_pool_free(mm_pool *pool);
/* Object memory is 8-byte aligned and not cleared. false = exhausted. O(1). */
MM_API bool mm_pool_take(mm_pool *pool, mm_handle *handle, void **object);
/* false = stale or foreign handle, nothing done. O(1). */
MM_API bool mm_pool_give(mm_pool *pool, mm_handle handle);
/* NULL for a stale or foreign handle. */
MM_API void *mm_pool_at(const mm_pool *pool, mm_handle handle);
MM_API size_t mm_pool_used(const mm_pool *pool);
MM_API size_t mm_pool_capacity(const mm_pool *pool);
MM_API bool mm_pool_valid(const mm_pool *pool);
/* cffi:end */

/* Private: the parts of a pool, in sight of the two functions below. */
typedef struct mm_pool_slot {
    mm_handle handle; /* of the object in it; 0 = free */
} mm_pool_slot;

struct mm_pool {
    uint32_t *free_top;    /* one above the free slot that is taken next */
    uint32_t *free_bottom; /* the stack of free slots: its beginning, and where it ends when all are free */
    uint32_t *free_end;
    mm_pool_slot *slots;
    unsigned char *objects;
    size_t stride;   /* bytes from object to object */
    uint32_t capacity;
    uint32_t serial; /* of the last taking, odd */
};

/* mm_pool_take and mm_pool_give without the call. */
MM_INLINE bool mm_pool_take_inlined(mm_pool *pool, mm_handle *handle, void **object)
{
    uint32_t *const top = pool->free_top;
    if (top == pool->free_bottom) {
        return false;
    }
    const uint32_t index = top[-1];
    const bool sane = index < pool->capacity && pool->slots[index].handle == 0;
    MM_ASSERT(sane);
    if (!sane) {
        return false;
    }
    pool->free_top = top - 1;
    pool->serial += 2;
    const mm_handle made = (mm_handle)pool->serial << 32 | (index + 1);
    pool->slots[index].handle = made;
    *handle = made;
    *object = pool->objects + index * pool->stride;
    return true;
}

MM_INLINE bool mm_pool_give_inlined(mm_pool *pool, mm_handle handle)
{
    /* For handle 0 the index wraps to the largest number, which no pool holds. */
    const uint32_t index = (uint32_t)handle - 1;
    if (index >= pool->capacity || pool->slots[index].handle != handle) {
        return false;
    }
    uint32_t *const top = pool->free_top;
    MM_ASSERT(top < pool->free_end);
    if (top >= pool->free_end) {
        return false;
    }
    pool->slots[index].handle = 0;
    *top = index;
    pool->free_top = top + 1;
    return true;
}

/* ============================================================================================
 * hist: log-linear histogram of latencies
 * ========================================================================================== */

/* cffi:begin */
/* 32 exact ones and 32 for each power of two from 2^5 to 2^62: every int64 >= 0 has its bucket. */
#define MM_HIST_BUCKETS 1888
/* Counts of latencies. The relative error of a reported quantile is at most 1/32. One thread at a time adds; others may
 * read meanwhile and see its numbers a few samples apart. */
typedef struct mm_hist {
    uint64_t count;
    uint64_t sum_ns; /* stops at its largest value */
    int64_t max_ns;  /* 0 when empty */
    uint64_t buckets[MM_HIST_BUCKETS];
} mm_hist;

MM_API void mm_hist_init(mm_hist *hist);
/* Negative values count as 0. A few ns. */
MM_API void mm_hist_add(mm_hist *hist, int64_t value_ns);
/* Adds the counts of `other` (not `hist` itself). */
MM_API void mm_hist_merge(mm_hist *hist, const mm_hist *other);
/* A value that `quantile` (0..1) of the values, rounded up to at least one of them, do not exceed: the upper bound
 * of the bucket the last of these falls in, never above max; 0 when empty. About 1 us. */
MM_API int64_t mm_hist_quantile(const mm_hist *hist, double quantile);
/* cffi:end */

/* ============================================================================================
 * ws: WebSocket frames (client side: receives unmasked, sends masked)
 * ========================================================================================== */

/* cffi:begin */
#define MM_WS_MESSAGE_MAX 1048576
/* Header of a client frame at most. */
#define MM_WS_HEADER_MAX 14

enum { MM_WS_TEXT = 1, MM_WS_BINARY = 2, MM_WS_CLOSE = 8, MM_WS_PING = 9, MM_WS_PONG = 10 };

typedef struct mm_ws mm_ws;

/* A complete message (fragments joined) or control frame; payload valid until the next call. Of CLOSE the payload is
 * the reason behind the code. */
typedef struct mm_ws_message {
    const uint8_t *payload;
    size_t payload_bytes;
    int32_t opcode;     /* MM_WS_* */
    int32_t close_code; /* of CLOSE: 1005 when none was given */
} mm_ws_message;

/* The parser holds one receive buffer: bytes are read from the socket straight into it. buffer_bytes 1,024..2^28,
 * else 0 and MM_E_ARGUMENT; a message may have buffer_bytes - 127 bytes (room for a control frame between its
 * fragments), and never more than MM_WS_MESSAGE_MAX. */
MM_API size_t mm_ws_bytes(size_t buffer_bytes);
MM_API mm_status mm_ws_init(void *memory, size_t memory_bytes, size_t buffer_bytes, mm_ws **ws);
MM_API mm_ws *mm_ws_new(size_t buffer_bytes);
MM_API void mm_ws_free(mm_ws *ws);
/* Forget everything (new connection). */
MM_API void mm_ws_reset(mm_ws *ws);
/* Where the next bytes go and how many fit (> 0 once mm_ws_next has said MM_E_STATE). May move unread bytes. */
MM_API uint8_t *mm_ws_space(mm_ws *ws, size_t *space_bytes);
/* `bytes` have been written there. */
MM_API void mm_ws_filled(mm_ws *ws, size_t bytes);
/* Next message: MM_OK with *message, or MM_E_STATE when more bytes are needed. MM_E_SYNTAX: protocol violation
 * (masked server frame, reserved bits or opcode, bad fragment order, control frame over 125 bytes or fragmented, bad
 * close payload, text that is not UTF-8); MM_E_CAPACITY: message over MM_WS_MESSAGE_MAX or the buffer, said when its
 * header is here. After an error the connection must be closed (mm_ws_close_code says with what) and the parser
 * reset. After a CLOSE nothing more is handed out. */
MM_API mm_status mm_ws_next(mm_ws *ws, mm_ws_message *message);
/* 1002, 1007 or 1009 after an error, else 0. */
MM_API int32_t mm_ws_close_code(const mm_ws *ws);
/* Writes a client frame (masked with mask_key) into `out`, which holds payload_bytes + MM_WS_HEADER_MAX; returns the
 * bytes written. `payload` may overlap out + MM_WS_HEADER_MAX exactly. */
MM_API size_t mm_ws_encode(int32_t opcode, const uint8_t *payload, size_t payload_bytes, uint32_t mask_key, uint8_t *out);
/* cffi:end */

/* ============================================================================================
 * feed: Binance JSON straight to records
 * ========================================================================================== */

/* cffi:begin */
typedef struct mm_feed mm_feed;

typedef struct mm_feed_config {
    char symbol[24];        /* only this symbol's messages become records; empty = every symbol's */
    char order_prefix[24];  /* own client ids of this run begin so ("mA1-0k3f9zq-"); empty = none */
    char account_prefix[24]; /* own client ids of any run begin so ("mA1-") */
} mm_feed_config;

/* What the last decoded message was beside its records. */
typedef struct mm_feed_info {
    char symbol[24];     /* s of the message, empty when it has none */
    char stream[64];     /* combined wrapper's stream name, empty when bare */
    char request_id[40]; /* WebSocket API reply's id, empty when none or null */
    char client_id[40];  /* order's client id (the original one of a cancel), empty when none */
    int32_t error_code;  /* Binance error code of a reply, 0 = none */
    int32_t http_status; /* `status` of a WebSocket API reply, 0 = none */
    int64_t retry_after_ms; /* epoch ms of error.data.retryAfter, 0 = none */
    int64_t subscription_id; /* of a wrapped user event or a subscribe reply, -1 = none */
    int64_t used_weight;  /* rateLimits REQUEST_WEIGHT minute count, -1 = not given */
    int32_t operation;   /* MM_OP_* of a reply to an order operation of ours, else MM_OP_NONE */
    int32_t shutdown;    /* 1 = serverShutdown */
    int32_t terminated;  /* 1 = eventStreamTerminated */
    char error_text[128]; /* msg of an error, cut to fit, control characters replaced */
} mm_feed_info;

MM_API size_t mm_feed_bytes(void);
MM_API mm_status mm_feed_init(void *memory, size_t memory_bytes, const mm_feed_config *config, mm_feed **feed);
MM_API mm_feed *mm_feed_new(const mm_feed_config *config);
MM_API void mm_feed_free(mm_feed *feed);
/* Decodes one JSON message of any shape Binance Spot sends on its streams and its WebSocket API (market data bare or
 * combined, replies, wrapped and bare user events, errors), and the depth snapshot of REST, into whole events at
 * `out`. Keys in any order, any spacing, unknown fields skipped, unknown message types give no records and MM_OK. A
 * key that is read may stand in its object once; containers nest 64 deep at most. Reads nothing outside
 * text[0..bytes). MM_E_SYNTAX, MM_E_PRECISION, MM_E_OVERFLOW: *error_at is the byte where it went wrong (of a value:
 * its first, of a missing key: the closing brace) and nothing is emitted. MM_E_CAPACITY: more levels than
 * MM_DEPTH_LEVELS_MAX or than `out_capacity` records hold. What was written to `out` behind *out_count is undefined.
 * About 100 ns and 10 ns a level. Market prices and quantities are strings by the rules of mm_fixed_parse, without a
 * sign. Times of 15 digits or more are microseconds, others milliseconds.
 * A reply to a request carries its id: "<op><seq>" with op p, c, q, a, r (place, cancel, query, amend, replace) and
 * order_seq in decimal is an order operation of ours and becomes ACK, REJECT, CANCELED, CANCEL_REJECT, STATUS,
 * AMENDED, AMEND_REJECT or LOST by the rules of the exchange (5xx, -1000, -1001, -1006, -1007, -1008, -1016 leave
 * the outcome open; so does a query that is refused by anything but -2013, which is STATUS without MM_FLAG_FOUND).
 * An ACK that says no status is MM_ORDER_LIVE; fills of a reply come by executionReport alone.
 * A replace has two halves and becomes two events: of the old order CANCELED (its order_seq from the client id in
 * the reply), or CANCEL_REJECT with the NEW order's order_seq; then of the new one ACK or REJECT. The outcomes'
 * operation is MM_OP_REPLACE, their code that of their half (-2022 when it was not tried, or the whole request's
 * when neither was). LOST: what the other event does not tell is open.
 * A reply that states counts (rateLimits) ends with a BUDGET record.
 * Reports of numbers that do not fit are refused, but for what cannot be ours: reports of other symbols, and
 * balances of such assets and changes of them, are left out. externalLockUpdate is a BALANCE_DELTA of -d free and +d
 * locked. Assets with more than 15 bytes are no assets of ours: their balances and changes of them are left out, a
 * fill whose fee is in one is refused (MM_E_OVERFLOW). No asset's name is ever cut. */
MM_API mm_status mm_feed_decode(mm_feed *feed, const char *text, size_t text_bytes, int64_t recv_ns, mm_record *out,
                                size_t out_capacity, size_t *out_count, size_t *error_at);
/* Texts are cut to fit at a whole character. After an error: what had been read until then. Of an array of rows, the
 * last. */
MM_API const mm_feed_info *mm_feed_last(const mm_feed *feed);
/* The order sequence in a client id "<order_prefix><seq base36>-<b|a><layer>" of this run, *flags 0. Else 0 and in
 * *flags MM_FLAG_OLD_RUN or MM_FLAG_NEW_RUN (begins with account_prefix: of an earlier or a later run) or
 * MM_FLAG_FOREIGN. */
MM_API uint64_t mm_feed_order_seq(const mm_feed *feed, const char *client_id, size_t client_id_bytes, uint16_t *flags);
/* MM_REJECT_* of an exchange error. */
MM_API int32_t mm_feed_reject_class(int32_t error_code, int32_t http_status, const char *message);
/* cffi:end */

/* ============================================================================================
 * sbe: Binance's binary market streams to the same records
 * ========================================================================================== */

/* cffi:begin */
/* Decodes one binary message of the SBE market streams (schema 1) into whole events at `out`: trades (10000) to a
 * TRADE each, bestBidAsk (10001) to TICKER, depth20 (10002) to PARTIAL, depth (10003) to DEPTH, field by field what
 * mm_feed_decode makes of the same event in JSON. (JSON's partial books have no event time; these do.) `symbol`:
 * only its messages become records; "" = every symbol's. Quantities and prices are mantissa * 10^exponent, exactly:
 * MM_E_OVERFLOW beyond int64, MM_E_PRECISION where a digit is left beyond 1e-8, MM_E_SYNTAX for a negative one; ids
 * and times are never negative either. Root block and groups are walked by the lengths the wire gives, whatever the
 * version: longer ones and what follows the symbol are passed over; shorter ones than those of version 0, and a
 * message cut anywhere, are MM_E_SYNTAX. Another schema than 1 is MM_E_VERSION: nothing of it may be read. A
 * template that is not one of these gives no records and MM_OK. MM_E_CAPACITY: more levels than MM_DEPTH_LEVELS_MAX
 * a side or more records than `out_capacity`.
 * *error_at is the byte where it went wrong (0 when nothing did). Reads nothing outside bytes[0..byte_count). Any
 * thread; about 25 ns and 1.3 ns a level. */
MM_API mm_status mm_sbe_decode(const char *symbol, const uint8_t *bytes, size_t byte_count, int64_t recv_ns, mm_record *out,
                               size_t out_capacity, size_t *out_count, size_t *error_at);
/* cffi:end */

/* ============================================================================================
 * book: exact order book of one symbol
 * ========================================================================================== */

/* cffi:begin */
typedef struct mm_book mm_book;

/* Top of book. Quantity 0 = that side is empty (its price is then 0). */
typedef struct mm_top {
    int64_t bid_price_e8;
    int64_t bid_qty_e8;
    int64_t ask_price_e8;
    int64_t ask_qty_e8;
} mm_top;

typedef struct mm_book_stats {
    uint64_t updates;        /* levels applied, deletes included */
    uint64_t deletes;
    uint64_t deletes_absent; /* deletes of a level that was not there: normal */
    uint64_t evicted;        /* farthest levels dropped at capacity */
} mm_book_stats;

/* `levels_max` 1..1,000,000 a side; tick_e8 > 0 only speeds up, prices off the tick are kept exactly too. */
MM_API size_t mm_book_bytes(size_t levels_max);
MM_API mm_status mm_book_init(void *memory, size_t memory_bytes, size_t levels_max, int64_t tick_e8, mm_book **book);
MM_API mm_book *mm_book_new(size_t levels_max, int64_t tick_e8);
MM_API void mm_book_free(mm_book *book);
/* Empty book, no horizon, statistics kept. */
MM_API void mm_book_clear(mm_book *book);
/* Replaces the book by a snapshot, levels in any order. A side with fewer levels than `levels_asked` is there wholly
 * and has no horizon; of a longer one the farthest level is the horizon. MM_E_ARGUMENT: price <= 0, qty < 0 (zero
 * quantities are skipped): the book is then empty. Keeps the best `levels_max`. */
MM_API mm_status mm_book_snapshot(mm_book *book, const mm_level *bids, size_t bid_count, const mm_level *asks,
                                  size_t ask_count, size_t levels_asked);
/* Applies one message: absolute quantities, 0 deletes. One call per message; about 3 ns a level near the best.
 * MM_E_ARGUMENT (price <= 0, qty < 0): such a message is no part of this book any more, which is then empty. */
MM_API mm_status mm_book_apply(mm_book *book, const mm_level *bids, size_t bid_count, const mm_level *asks,
                               size_t ask_count);
/* One level; the same rules. */
MM_API mm_status mm_book_set(mm_book *book, int32_t side, int64_t price_e8, int64_t qty_e8);

/* Nothing below but mm_book_count, mm_book_qty and mm_book_dump reads past the horizon. */

/* View of the top, kept up to date by every change; valid as long as the book. */
MM_API const mm_top *mm_book_top(const mm_book *book);
MM_API bool mm_book_best(const mm_book *book, int32_t side, mm_level *best);
/* (bid + ask) / 2 rounded down; false without both sides. */
MM_API bool mm_book_mid(const mm_book *book, int64_t *mid_e8);
/* ask - bid (negative when crossed); false without both sides. */
MM_API bool mm_book_spread(const mm_book *book, int64_t *spread_e8);
/* 0 normal, 1 locked (bid == ask), 2 crossed (bid > ask); 0 when one-sided. */
MM_API int32_t mm_book_crossed(const mm_book *book);
/* Levels held, those past the horizon included. */
MM_API size_t mm_book_count(const mm_book *book, int32_t side);
/* Quantity held at exactly this price, 0 when there is none. */
MM_API int64_t mm_book_qty(const mm_book *book, int32_t side, int64_t price_e8);
/* Best first; returns the levels written, at most level_count. Up to 256 levels are kept contiguous. */
MM_API size_t mm_book_depth(const mm_book *book, int32_t side, size_t level_count, mm_level *out);
/* The same for every level held, those past the horizon included: to print or compare a book, not to decide by. */
MM_API size_t mm_book_dump(const mm_book *book, int32_t side, size_t level_count, mm_level *out);
/* (bids - asks) / (bids + asks) of the quantities of the first level_count levels; false when both are 0. Sums are
 * exact; a side's sum over int64 saturates. */
MM_API bool mm_book_imbalance(const mm_book *book, size_t level_count, double *imbalance);
/* Sum of a side's first level_count quantities; *saturated = did not fit. */
MM_API int64_t mm_book_qty_sum(const mm_book *book, int32_t side, size_t level_count, bool *saturated);
/* Volume-weighted price of the first level_count levels, exact, rounded down; false when empty. */
MM_API bool mm_book_vwap(const mm_book *book, int32_t side, size_t level_count, int64_t *vwap_e8);
/* Average price to take qty_e8 from `side`, rounded against the taker (asks up, bids down); false when the known
 * depth does not hold it, or it is not > 0. */
MM_API bool mm_book_fill_price(const mm_book *book, int32_t side, int64_t qty_e8, int64_t *average_e8);
/* Farthest price that is known of a side: levels beyond it may exist unseen. false = the whole side is known. */
MM_API bool mm_book_horizon(const mm_book *book, int32_t side, int64_t *price_e8);
/* Whether two books of one symbol hold the same levels as far as both know them (to the nearer horizon of each
 * side); else *side and *price_e8 tell the first difference. About 6 ns a level. */
MM_API bool mm_book_same(const mm_book *book, const mm_book *other, int32_t *side, int64_t *price_e8);
MM_API mm_book_stats mm_book_statistics(const mm_book *book);
/* Full invariant check, O(levels). */
MM_API bool mm_book_valid(const mm_book *book);
/* cffi:end */

/* Copies a top a field at a time: a book's view is written so, and a wider load just behind would wait for the
 * stores. */
MM_INLINE void mm_top_read(const mm_top *top, mm_top *out)
{
#if defined(__GNUC__) || defined(__clang__)
    out->bid_price_e8 = __atomic_load_n(&top->bid_price_e8, __ATOMIC_RELAXED);
    out->bid_qty_e8 = __atomic_load_n(&top->bid_qty_e8, __ATOMIC_RELAXED);
    out->ask_price_e8 = __atomic_load_n(&top->ask_price_e8, __ATOMIC_RELAXED);
    out->ask_qty_e8 = __atomic_load_n(&top->ask_qty_e8, __ATOMIC_RELAXED);
#else
    *out = *top;
#endif
}

/* The same as mm_book_mid, mm_book_spread and mm_book_crossed on a top, inline. */
MM_INLINE bool mm_top_mid(const mm_top *top, int64_t *mid_e8)
{
    *mid_e8 = (int64_t)(((uint64_t)top->bid_price_e8 + (uint64_t)top->ask_price_e8) >> 1);
    return top->bid_qty_e8 != 0 && top->ask_qty_e8 != 0;
}

MM_INLINE bool mm_top_spread(const mm_top *top, int64_t *spread_e8)
{
    *spread_e8 = top->ask_price_e8 - top->bid_price_e8;
    return top->bid_qty_e8 != 0 && top->ask_qty_e8 != 0;
}

MM_INLINE int32_t mm_top_crossed(const mm_top *top)
{
    bool both = top->bid_qty_e8 != 0 && top->ask_qty_e8 != 0;
    return both ? (top->bid_price_e8 >= top->ask_price_e8) + (top->bid_price_e8 > top->ask_price_e8) : 0;
}

/* ============================================================================================
 * sync: sequence rules that make snapshot + diffs one exact book
 * ========================================================================================== */

/* cffi:begin */
typedef struct mm_sync mm_sync;

enum { MM_SYNC_WAITING = 0, /* no usable snapshot yet; diffs are buffered */
       MM_SYNC_SYNCED = 1 };
/* What a call did. */
enum {
    MM_SYNC_BUFFERED = 0,
    MM_SYNC_APPLIED = 1,
    MM_SYNC_DROPPED = 2,      /* older than the book */
    MM_SYNC_GAP = 3,          /* the book is invalid; a new snapshot is needed */
    MM_SYNC_STALE_SNAPSHOT = 4, /* older than the first buffered diff: ask again */
    MM_SYNC_REPLAYED = 5,     /* snapshot accepted, buffered diffs applied */
    MM_SYNC_OVERFLOW = 6      /* buffer full: oldest diffs dropped, snapshot must be newer */
};

typedef struct mm_sync_stats {
    uint64_t dropped_before_snapshot; /* diffs older than an accepted snapshot */
    uint64_t applied;
    uint64_t gaps;      /* breaks after a sync */
    uint64_t snapshots; /* accepted */
} mm_sync_stats;

/* Called after every diff that was applied (live or from the buffer); NULL = not wanted. */
typedef void (*mm_sync_fn)(void *context, const mm_depth_body *depth);

/* The book's top after each applied diff. `count` goes on counting beyond `capacity`; set it to 0 to start over. */
typedef struct mm_sync_row {
    int64_t update_id;
    mm_top top;
} mm_sync_row;
typedef struct mm_sync_series {
    const mm_book *book;
    mm_sync_row *rows;
    size_t capacity;
    size_t count;
} mm_sync_series;

/* Holds the diffs of about 60 s: `buffer_records` records (>= MM_EVENT_RECORDS_MAX is advised). */
MM_API size_t mm_sync_bytes(size_t buffer_records);
MM_API mm_status mm_sync_init(void *memory, size_t memory_bytes, size_t buffer_records, mm_sync **sync);
MM_API mm_sync *mm_sync_new(size_t buffer_records);
MM_API void mm_sync_free(mm_sync *sync);
MM_API void mm_sync_observe(mm_sync *sync, mm_sync_fn fn, void *context);
/* An mm_sync_fn: appends a row to the mm_sync_series that is its context. */
MM_API void mm_sync_collect(void *series, const mm_depth_body *depth);
/* Back to waiting, buffer and book empty. */
MM_API void mm_sync_reset(mm_sync *sync, mm_book *book);
/* A DEPTH event: `records` is its contiguous header + continuations. Futures rule when MM_FLAG_FUTURES.
 * Returns MM_SYNC_*, or mm_status < 0 when the levels are not valid (the book is then waiting for a snapshot). */
MM_API int32_t mm_sync_depth(mm_sync *sync, mm_book *book, const mm_record *records);
/* A SNAPSHOT event; a side with fewer levels than `levels_asked` is there wholly. MM_SYNC_REPLAYED, STALE_SNAPSHOT,
 * DROPPED (the book is exact already), or mm_status < 0 when the snapshot or a buffered diff is not valid. */
MM_API int32_t mm_sync_snapshot(mm_sync *sync, mm_book *book, const mm_record *records, size_t levels_asked);
/* A second look at an exact book while it stays in use. `keep`: diffs are kept from now on besides being applied;
 * ask for a snapshot then. `merge` builds in `fresh`, a book apart, what the snapshot and the kept diffs make.
 * MM_SYNC_REPLAYED: `fresh` is exact at the book's own id. MM_SYNC_BUFFERED: the snapshot is ahead of the book;
 * `fresh` must live on, takes every diff that mm_sync_depth applies, and mm_sync_fresh turns true when the book has
 * caught up. Either way the caller may compare the two and go on with `fresh` in place of the book.
 * MM_SYNC_STALE_SNAPSHOT: nothing kept follows it: keep and ask again. MM_SYNC_DROPPED: nothing was kept (any loss
 * of the book ends it, too). mm_status < 0: the snapshot is not valid. */
MM_API void mm_sync_keep(mm_sync *sync);
MM_API int32_t mm_sync_merge(mm_sync *sync, mm_book *fresh, const mm_record *records, size_t levels_asked);
/* True once: `fresh` is exact at the book's id now. */
MM_API bool mm_sync_fresh(mm_sync *sync);
/* A merged book is ahead of the one in use. */
MM_API bool mm_sync_is_ahead(const mm_sync *sync);
MM_API int32_t mm_sync_state(const mm_sync *sync);
MM_API int64_t mm_sync_last_id(const mm_sync *sync); /* u of the book, -1 while waiting */
MM_API mm_sync_stats mm_sync_statistics(const mm_sync *sync);
/* cffi:end */

/* ============================================================================================
 * arbiter: several connections with the same streams, each event once
 * ========================================================================================== */

/* cffi:begin */
/* Connections at most: two, and the successor of each while it takes over. */
#define MM_ARBITER_SOCKETS 4

typedef struct mm_arbiter mm_arbiter;

/* What becomes of an event. */
enum {
    MM_ARBITER_PASS = 0,   /* it goes on */
    MM_ARBITER_DROP = 1,   /* another connection brought it, or something newer, before */
    MM_ARBITER_HOLD = 2,   /* a diff behind a hole: it has been copied, mm_arbiter_next gives it back */
    MM_ARBITER_RESTART = 3 /* the exchange's ids began anew: the book is invalid, then it goes on */
};

typedef struct mm_arbiter_stats {
    uint64_t dropped;  /* duplicates */
    uint64_t held;
    uint64_t gaps;     /* holes that no connection filled */
    uint64_t restarts;
} mm_arbiter_stats;

/* hold_records >= MM_EVENT_RECORDS_MAX records of diffs may wait behind a hole, for 0 <= hold_ns <= 2^61 without
 * progress. */
MM_API size_t mm_arbiter_bytes(size_t hold_records);
MM_API mm_status mm_arbiter_init(void *memory, size_t memory_bytes, size_t hold_records, int64_t hold_ns,
                                 mm_arbiter **arbiter);
MM_API mm_arbiter *mm_arbiter_new(size_t hold_records, int64_t hold_ns);
MM_API void mm_arbiter_free(mm_arbiter *arbiter);
/* A new connection delivers as this socket (0..MM_ARBITER_SOCKETS - 1), or it is over. When none is left, everything is
 * forgotten. Look at mm_arbiter_next after `down`: what was waited for may not come any more. */
MM_API void mm_arbiter_up(mm_arbiter *arbiter, uint32_t socket);
MM_API void mm_arbiter_down(mm_arbiter *arbiter, uint32_t socket);
/* A whole market event (header and continuations) that this socket brought. Diffs go on so that each begins at or
 * before the u of the last + 1 and ends behind it, whatever single connections lose or delay; a hole is passed on as
 * a gap when no connection that is up may still fill it, or after hold_ns. Of best prices and partial books the
 * newer go on, trades once each (the last 1,024 ids are known; all from one kind of stream), anything else always.
 * Returns MM_ARBITER_*. About 7 ns. */
MM_API int32_t mm_arbiter_take(mm_arbiter *arbiter, uint32_t socket, const mm_record *event, int64_t now_ns);
/* After each take, each down and at the deadline, until NULL: the next held diff that goes on, valid until the next
 * take. */
MM_API const mm_record *mm_arbiter_next(mm_arbiter *arbiter, int64_t now_ns);
/* When to look at mm_arbiter_next though nothing happened; INT64_MAX = nothing is held. */
MM_API int64_t mm_arbiter_deadline(const mm_arbiter *arbiter);
/* Whether a connection has brought a diff since it came up, and all that it brought has gone on: until then what was
 * published before it was there may be missing. */
MM_API bool mm_arbiter_joined(const mm_arbiter *arbiter, uint32_t socket);
MM_API mm_arbiter_stats mm_arbiter_statistics(const mm_arbiter *arbiter);
/* cffi:end */

/* ============================================================================================
 * signal: what the book and the tape say
 * ========================================================================================== */

/* cffi:begin */
enum { MM_SIGNAL_BOOK = 1,       /* alpha, imbalance, microprice are valid */
       MM_SIGNAL_VOLATILITY = 2, /* volatility is warmed up */
       MM_SIGNAL_FLOW = 4 };     /* trade_flow and ofi are warmed up */

/* One reading. Fields whose ready bit is missing are 0. */
typedef struct mm_signal {
    double alpha;         /* (microprice - mid) / (spread / 2): -1..1, > 0 = upward pressure */
    double volatility;    /* EWMA standard deviation of mid, fraction of mid per square root of a second */
    double imbalance;     /* (bids - asks) / (bids + asks) over the first levels: -1..1 */
    double trade_flow;    /* (buys - sells) / (buys + sells), EWMA of aggressor volume: -1..1 */
    double ofi;           /* order-flow imbalance at the touch, EWMA over its own EWMA magnitude: -1..1, > 0 = buying */
    double microprice_e8; /* (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty) */
    uint64_t ready;       /* MM_SIGNAL_* */
} mm_signal;

typedef struct mm_signal_config {
    int64_t imbalance_levels;      /* 1..32 */
    double volatility_halflife_s;  /* > 0, these three <= 10^9 */
    double trade_flow_halflife_s;  /* > 0; of trade_flow and ofi */
    double warmup_s;               /* time after a reset before the EWMAs count as ready, >= 0 */
} mm_signal_config;

/* EWMA weights use dt / (tau + dt), so a step needs no exp. Plain memory, fields are private. */
typedef struct mm_signals {
    mm_signal_config config;
    double tau_volatility_s, tau_flow_s;
    int64_t reset_ns, volatility_ns, flow_ns, ofi_ns;
    uint64_t twice_last_mid_e8; /* bid + ask of the last top */
    double variance, buys, sells, ofi, ofi_magnitude;
    mm_top last_top;
    int32_t has_mid, has_top, has_reset, pad;
} mm_signals;

MM_API mm_status mm_signal_init(mm_signals *signals, const mm_signal_config *config);
/* After every resync: all EWMAs start anew and warm up again. */
MM_API void mm_signal_reset(mm_signals *signals);
/* The top after a change (own resting quantity already taken out where known). */
MM_API void mm_signal_top(mm_signals *signals, const mm_top *top, int64_t now_ns);
MM_API void mm_signal_trade(mm_signals *signals, int64_t price_e8, int64_t qty_e8, bool buyer_is_maker, int64_t now_ns);
/* Reads all signals; `own` = own resting quantities subtracted from the levels they rest on (may be empty). */
MM_API void mm_signal_read(const mm_signals *signals, const mm_book *book, const mm_level *own_bids, size_t own_bid_count,
                           const mm_level *own_asks, size_t own_ask_count, int64_t now_ns, mm_signal *out);
/* cffi:end */

/* ============================================================================================
 * symbol: what the exchange says of the symbol
 * ========================================================================================== */

/* cffi:begin */
/* Filters of exchangeInfo. A bound of 0 is "none", as on the exchange. */
typedef struct mm_symbol {
    char name[24];
    char base[16];
    char quote[16];
    int64_t tick_e8;          /* > 0 */
    int64_t step_e8;          /* > 0 */
    int64_t price_min_e8;
    int64_t price_max_e8;
    int64_t qty_min_e8;
    int64_t qty_max_e8;       /* twice it must fit int64 */
    int64_t notional_min_e8;
    int64_t notional_max_e8;
    int64_t bid_up_e8, bid_down_e8, ask_up_e8, ask_down_e8; /* PERCENT_PRICE_BY_SIDE multipliers */
    int64_t orders_max;       /* MAX_NUM_ORDERS */
    int64_t maker_fee_e8;     /* fraction: 10 bps = 100000 */
    int64_t taker_fee_e8;
    int64_t no_amend;         /* 1: orders cannot be made smaller where they rest (amendAllowed is false) */
    int64_t no_replace;       /* 1: no order takes another's place in one request (cancelReplaceAllowed is false) */
} mm_symbol;

/* MM_E_ARGUMENT: a tick or step outside 1..2^60, a negative bound, min > max, 2 * qty_max over int64, a fee over 10
 * % (rebates are negative fees), an empty or unterminated name. */
MM_API mm_status mm_symbol_check(const mm_symbol *symbol);
#define MM_SYMBOL_RECORDS 4
/* The event RULES of MM_SYMBOL_RECORDS records with all numbers of the symbol; names never change. */
MM_API void mm_symbol_write(const mm_symbol *symbol, mm_record *records);
/* Takes the numbers of an event RULES. MM_E_ARGUMENT as mm_symbol_check, with nothing taken. */
MM_API mm_status mm_symbol_read(mm_symbol *symbol, const mm_record *records);
/* Filter verdict of an order: PRICE_FILTER, LOT_SIZE, MIN_NOTIONAL, ORDER_NOTIONAL (over notional_max),
 * PERCENT_PRICE bits. reference_e8 <= 0 = not known: PERCENT_PRICE is then not judged. Any price and quantity may be
 * asked about. */
MM_API uint64_t mm_symbol_verdict(const mm_symbol *symbol, int32_t side, int64_t price_e8, int64_t qty_e8,
                                  int64_t reference_e8);
/* cffi:end */

/* ============================================================================================
 * order: own orders' life cycle
 * ========================================================================================== */

/* cffi:begin */
/* One own order. executed_e8 = sum of fills applied; reported_e8 = the most the exchange said was executed. An order
 * whose reported_e8 > executed_e8 has fills still to come: it stays in the table until they are applied.
 * qty_e8 only falls, and only when the exchange has confirmed a smaller one: until then it is what counts. */
typedef struct mm_order {
    uint64_t seq;            /* running number of this run, from 1; part of the client id */
    mm_handle handle;
    int64_t exchange_id;     /* 0 = not known yet */
    int64_t price_e8;
    int64_t qty_e8;          /* the most that may rest and have been executed, as far as is proven */
    int64_t placed_qty_e8;   /* as it was placed: nothing over it can be executed */
    int64_t amend_qty_e8;    /* the smaller quantity an amend under way asks for, 0 = none is */
    int64_t executed_e8;
    int64_t reported_e8;
    int64_t created_ns;      /* decision */
    int64_t sent_ns;         /* handed to the kernel, 0 = not yet */
    int64_t live_ns;         /* first proof that it reached the book, 0 = none */
    int64_t cancel_ns;       /* last cancel sent for it, 0 = none */
    int64_t amend_ns;        /* last amend sent for it, 0 = none */
    int64_t again_ns;        /* a request about it was not sent: the next one not before this, 0 = at any time */
    int64_t unknown_ns;      /* since when UNKNOWN, 0 = it is not */
    int64_t retry_ns;        /* UNKNOWN or cancel pending: next cancel or query due */
    int64_t ended_ns;        /* terminal since */
    uint64_t balance_mark;   /* ledger's mark when it went live */
    uint64_t replaces_seq;   /* the order that goes with the same request, 0 = none */
    uint64_t replaced_by;    /* the order whose request carries this one's cancel, 0 = a cancel of its own, or none */
    int32_t side;            /* MM_BID, MM_ASK */
    int32_t layer;
    int32_t state;           /* MM_ORDER_* */
    int32_t cancel_pending;  /* 1 = a cancel is on its way */
    int32_t attempts;        /* rounds of cancel, query and trades while UNKNOWN */
    int32_t cancel_refused;  /* UNKNOWN: 1 = the last cancel said -2011; each round clears this and the next two */
    int32_t query_missing;   /* UNKNOWN: 1 = the last query said -2013 */
    int32_t trades_checked;  /* 1 = myTrades since it was sent shows nothing unexplained; the caller sets it */
    int32_t amends;          /* asked for so far, those that were not sent left out */
} mm_order;

/* The exchange amends an order at most so often. */
#define MM_AMENDS_MAX 10

typedef struct mm_orders mm_orders;

/* What an exec record did to an order. */
typedef struct mm_order_change {
    mm_order *order;      /* NULL: not one of ours, or long gone; valid until the next call that changes orders */
    int32_t from, to;     /* states */
    int32_t first_live;   /* 1 = first proof that it reached the book (it may have ended with the same event) */
    int32_t ended;        /* 1 = terminal just now */
    int32_t fill;         /* 1 = body and MORE describe a fill of this order: give it to the ledger */
    int32_t overfill;     /* 1 = more executed than ordered: HALT */
    int32_t zombie;       /* 1 = an order that ended as REJECTED, NOT_SENT or NOT_ACCEPTED exists after all. It is open again where
                           * it still rests and there is room: apply, cancel, KILL */
    int32_t reject_class; /* MM_REJECT_* */
    int32_t not_attempted; /* 1 = ended as REJECTED because the order it replaces could not be cancelled: nobody judged it */
} mm_order_change;

/* What is due for an order that is UNKNOWN or whose cancel had no answer. */
enum { MM_DUE_NONE = 0, MM_DUE_CANCEL = 1, MM_DUE_QUERY = 2, MM_DUE_TRADES = 4, MM_DUE_UNKNOWN = 8 };

typedef struct mm_order_config { /* all 1..10^17 */
    int64_t reply_timeout_ns;    /* no reply within this: UNKNOWN (1 s) */
    int64_t recv_window_ns;      /* of NEW (1 s) */
    int64_t unknown_first_ns;    /* first cancel this long after UNKNOWN (300 ms) */
    int64_t unknown_settle_ns;   /* after the recv window: the exchange's 10 s and 2 s margin (12 s) */
    int64_t tombstone_ns;        /* terminal orders are remembered so long where room allows (24 h) */
} mm_order_config;

/* Room for `live_max` orders not ended, and tombstones of the last `tombstones` ended ones. */
MM_API size_t mm_orders_bytes(size_t live_max, size_t tombstones);
MM_API mm_status mm_orders_init(void *memory, size_t memory_bytes, size_t live_max, size_t tombstones,
                                const mm_order_config *config, mm_orders **orders);
/* A new PENDING order; false when the pool is exhausted. */
MM_API bool mm_orders_place(mm_orders *orders, int32_t side, int32_t layer, int64_t price_e8, int64_t qty_e8,
                            int64_t now_ns, mm_order **order);
/* A cancel is being sent for it (also while UNKNOWN). */
MM_API void mm_orders_cancel(mm_orders *orders, mm_order *order, int64_t now_ns);
/* One request cancels `old` (LIVE, id known, no cancel pending) and, only if that succeeds, places a new PENDING
 * order on its side. Both count until each one's own end is known. false when the pool is exhausted. */
MM_API bool mm_orders_replace(mm_orders *orders, mm_order *old, int32_t layer, int64_t price_e8, int64_t qty_e8, int64_t now_ns,
                              mm_order **order);
/* An amend to qty_e8 is being sent for a LIVE order without amend or cancel under way; executed_e8 < qty_e8 <
 * order->qty_e8. What became of one without an answer, queries tell (MM_DUE_QUERY); it is taken for not done when
 * one still shows the larger quantity after the settling time, and that errs on the safe side. */
MM_API void mm_orders_amend(mm_orders *orders, mm_order *order, int64_t qty_e8, int64_t now_ns);
/* Applies REPORT, ACK, REJECT, CANCELED, CANCEL_REJECT, STATUS, AMENDED, AMEND_REJECT, LOST, SENT, NOT_SENT,
 * TRADE_ROW, OPEN_ROW (records[0..count)); any order, duplicates and losses allowed: terminal states absorb,
 * executed never falls, quantities never grow. A CANCEL_REJECT of MM_OP_REPLACE carries the new order's number and
 * is about the old one: that is change->order then. LOST and NOT_SENT of MM_OP_REPLACE are about both. After a
 * cancel or an amend that was not sent again_ns is 20 ms off, then twice as long each time up to 1 s, until one is
 * sent. */
MM_API void mm_orders_apply(mm_orders *orders, const mm_record *records, int64_t now_ns, mm_order_change *change);
/* The ledger applied a fill of this order. false = more has been executed than was ordered: HALT. Afterwards the
 * pointer may no longer be the order's. */
MM_API bool mm_orders_filled(mm_orders *orders, mm_order *order, int64_t qty_e8, int64_t now_ns);
/* Next order something is due for at now_ns (bits MM_DUE_*), marking it as done; false = nothing more is due.
 * MM_DUE_UNKNOWN: it just became UNKNOWN by time-out. */
MM_API bool mm_orders_due(mm_orders *orders, int64_t now_ns, mm_order **order, int32_t *due);
/* Earliest time something will be due; INT64_MAX = never. */
MM_API int64_t mm_orders_deadline(const mm_orders *orders);
/* An UNKNOWN order that was never seen is NOT_ACCEPTED when now >= sent + recv window + settle, a round that began
 * after that got -2011 for its cancel and -2013 for its query, its trades were checked and the balances are equal;
 * ends it and returns true. */
MM_API bool mm_orders_disprove(mm_orders *orders, mm_order *order, bool balances_equal, int64_t now_ns);
/* An UNKNOWN order that once rested and is found nowhere because the account was reset: ends it as NOT_ACCEPTED. */
MM_API void mm_orders_vanish(mm_orders *orders, mm_order *order, int64_t now_ns);
MM_API mm_order *mm_orders_find(const mm_orders *orders, uint64_t seq); /* NULL: none that is not ended */
/* Orders of a side (-1 = both) that may still trade: PENDING, LIVE, UNKNOWN, in seq order; returns how many were
 * written. */
MM_API size_t mm_orders_open(const mm_orders *orders, int32_t side, mm_order **out, size_t out_capacity);
MM_API size_t mm_orders_count(const mm_orders *orders, int32_t side, int32_t state); /* side, state -1 = any open */
/* Orders with reported_e8 > executed_e8, ended ones included. */
MM_API size_t mm_orders_unfilled_reports(const mm_orders *orders);
MM_API uint64_t mm_orders_last_seq(const mm_orders *orders);
MM_API bool mm_orders_valid(const mm_orders *orders);
/* cffi:end */

/* ============================================================================================
 * ledger: balances, fills, average cost, P&L
 * ========================================================================================== */

/* cffi:begin */
#define MM_ASSETS_MAX 16

typedef struct mm_balance {
    char asset[16];
    int64_t free_e8;    /* as last reported */
    int64_t locked_e8;  /* as last reported */
    int64_t start_e8;   /* free + locked at the start */
    int64_t ledger_e8;  /* start + own fills - fees + known deposits: must equal free + locked once quiet */
    int64_t fees_e8;    /* commissions paid in it, exactly; rebates make it less */
    uint64_t mark;      /* ledger's mark of the last report */
} mm_balance;

/* All in quote e8, since the first mid. total = realized + unrealized - fees = change of equity, exactly, less what
 * was put in or taken out; for equity see mm_ledger_equity. A fee in a third asset is valued at the price of that
 * asset when the fill came (mm_ledger_price); without one it counts 0 here and in mm_ledger_unpriced. */
typedef struct mm_pnl {
    int64_t realized_e8;
    int64_t unrealized_e8;
    int64_t fees_e8;
    int64_t total_e8;
} mm_pnl;

typedef struct mm_ledger mm_ledger;

MM_API size_t mm_ledger_bytes(size_t trade_ids); /* power of two; the fills remembered by trade and side */
MM_API mm_status mm_ledger_init(void *memory, size_t memory_bytes, size_t trade_ids, const mm_symbol *symbol,
                                mm_ledger **ledger);
/* A reported balance. The first report of an asset sets its start; one that the exchange dates before the newest
 * known (a read that lags) changes nothing. Nor does one of an asset the ledger does not keep: it keeps base, quote,
 * what mm_ledger_price has named and what a fee was paid in, and the rest of the account is not its business.
 * MM_E_ARGUMENT: no name, or below 0; MM_E_OVERFLOW. */
MM_API mm_status mm_ledger_balance(mm_ledger *ledger, const mm_balance_body *balance);
/* A deposit, withdrawal or transfer (free + locked is the change): a known cause, not trading. Base is valued at the
 * last mid given to mm_ledger_start_mid: there P&L does not move. Of an asset the ledger does not keep nothing is
 * done, and nothing with MM_E_STATE (more base leaves than there is), MM_E_ARGUMENT, MM_E_OVERFLOW. */
MM_API mm_status mm_ledger_deposit(mm_ledger *ledger, const mm_balance_body *delta);
/* Applies one fill once: false = this side of this trade (an account may be on both) was applied before, or is no
 * larger than one that had to be forgotten. trade_id: 0 .. 2^62 - 2. Through *status, with nothing applied:
 * MM_E_OVERFLOW, MM_E_STATE (more base leaves than there is), MM_E_ARGUMENT (price, qty, id or fee asset),
 * MM_E_CAPACITY (assets). `fill->quote_e8` < 0: price * qty rounded down. */
MM_API bool mm_ledger_fill(mm_ledger *ledger, int32_t side, int64_t price_e8, int64_t qty_e8, const mm_fill_body *fill,
                           mm_status *status);
/* The account was reset: the next report of each asset sets its start again, fills so far are forgotten (their ids
 * too). */
MM_API void mm_ledger_rebase(mm_ledger *ledger);
/* The next report of each asset counts whatever its time: after the exchange's clock stepped back, newer ones look
 * older. */
MM_API void mm_ledger_forget_times(mm_ledger *ledger);
/* Applies, once by id and side, a trade of the account that no order of this run made (the operator's own doing): as
 * deposits and withdrawals, so that balances stay right and P&L is not touched. Before the first report of an asset
 * nothing of it is moved. */
MM_API mm_status mm_ledger_adopt(mm_ledger *ledger, int32_t side, int64_t price_e8, int64_t qty_e8, const mm_fill_body *fill);
/* What the account, as last reported, has more or less than the ledger counts as put in or taken out, as by
 * mm_ledger_deposit: when events were lost, and no trade explains the difference. Before the first report of an
 * asset nothing of it is moved. MM_E_OVERFLOW, MM_E_STATE: some assets may have been taken over. */
MM_API mm_status mm_ledger_adopt_balances(mm_ledger *ledger);
/* Whether this side (MM_BID: bought) of this trade was applied. trade_id as above. */
MM_API bool mm_ledger_seen(const mm_ledger *ledger, int32_t side, int64_t trade_id);
/* First mid > 0: values the start inventory (average cost). Later mids only value deposits. */
MM_API void mm_ledger_start_mid(mm_ledger *ledger, int64_t mid_e8);
/* Price of a third asset in quote, for fees (e.g. BNB), 0 = not known. The asset is kept from then on; with
 * MM_ASSETS_MAX kept, or without a name, nothing is done. */
MM_API void mm_ledger_price(mm_ledger *ledger, const char *asset, int64_t price_e8);
/* Fills whose fee was paid in a third asset of which no price was known. */
MM_API uint64_t mm_ledger_unpriced(const mm_ledger *ledger);
MM_API bool mm_ledger_pnl(const mm_ledger *ledger, int64_t mid_e8, mm_pnl *pnl); /* false before the first mid */
/* quote + base * mid rounded down, less fees in third assets at their price of the moment; false: no mid, or it does
 * not fit. */
MM_API bool mm_ledger_equity(const mm_ledger *ledger, int64_t mid_e8, int64_t *equity_e8);
/* Base bought less base sold less base fees since the start. */
MM_API int64_t mm_ledger_position(const mm_ledger *ledger);
MM_API int64_t mm_ledger_base(const mm_ledger *ledger);  /* base held by the ledger's own count */
MM_API int64_t mm_ledger_quote(const mm_ledger *ledger);
/* What new orders may use: bid -> quote, ask -> base: reported free less what PENDING, UNKNOWN and not yet reported
 * LIVE orders will lock (bids price * remaining rounded up). Never negative; 0 with more than 2 * MM_PLAN_MAX open
 * orders of the side. `leaves` (NULL = none) is a LIVE order of the side that will be gone by then: what it locks
 * may be used. What an order on its way replaces pays for that order. */
MM_API int64_t mm_ledger_available(const mm_ledger *ledger, const mm_orders *orders, int32_t side, const mm_order *leaves);
MM_API uint64_t mm_ledger_mark(const mm_ledger *ledger);
/* Every asset's free + locked equals ledger_e8, as far as it was reported (since mm_ledger_rebase): a first report
 * cannot differ. */
MM_API bool mm_ledger_equal(const mm_ledger *ledger);
MM_API size_t mm_ledger_balances(const mm_ledger *ledger, mm_balance *out, size_t out_capacity);
MM_API uint64_t mm_ledger_fills(const mm_ledger *ledger);
MM_API int64_t mm_ledger_last_trade_id(const mm_ledger *ledger); /* highest applied, -1 none */
MM_API bool mm_ledger_valid(const mm_ledger *ledger);
/* cffi:end */

/* ============================================================================================
 * budget: what the exchange still lets us send
 * ========================================================================================== */

/* cffi:begin */
/* The exchange's limits as exchangeInfo states them; BUDGET records correct them. All > 0. */
typedef struct mm_budget_config {
    int64_t orders_10s_limit; /* unfilled orders, <= 65536 */
    int64_t orders_day_limit; /* these four <= 10^9 */
    int64_t weight_1m_limit;
    int64_t raw_5m_limit;
    int64_t orders_pct;       /* [C11] share of the orders that is used, 1..100 */
} mm_budget_config;

/* What a request is for. Cancels are never asked about: nothing holds them back. */
enum {
    MM_NEED_MOVE = 0,  /* a side that has an order gets a better one, or one more */
    MM_NEED_EMPTY = 1, /* a side has none */
    MM_NEED_QUERY = 2  /* what became of an order */
};
/* Request weight of an amend and of a query. */
#define MM_WEIGHT_AMEND 4

/* Four windows on the exchange's clock: orders in 10 s and in a day, request weight in 1 min, raw requests in 5 min.
 *   - Orders: + 1 when placed or replaced; the first fill of one gives 5 back as maker, 1 as taker. Of the limit orders_pct is used: a
 *     fifth of that at once, a fifth is kept for sides without an order, the rest along a line over the window, so that quotes can
 *     move at its end too.
 *   - Two ceilings for the gate's sake, which gives nothing back: no more than orders_10s_limit orders in any 10 s, no more than
 *     orders_day_limit in a day.
 *   - [C12] Weight and raw requests: up to 70 % for orders and amends, up to 85 % for queries; failed requests weigh 1.
 * Within 0.5 s of a window's edge what is sent counts in both, and what the exchange says of its counts is not used. */
typedef struct mm_budget mm_budget;

/* MM_E_ARGUMENT names the field through *bad_field (static text, NULL when none is bad); mm_budget_bytes is 0 for
 * such a configuration. */
MM_API size_t mm_budget_bytes(const mm_budget_config *config);
MM_API mm_status mm_budget_init(void *memory, size_t memory_bytes, const mm_budget_config *config, mm_budget **budget,
                                const char **bad_field);
/* Exchange's clock less ours; 0 until told. */
MM_API void mm_budget_clock(mm_budget *budget, int64_t offset_ns);
/* A request about an order leaves: MM_OP_PLACE, REPLACE, CANCEL, AMEND, QUERY. */
MM_API void mm_budget_sent(mm_budget *budget, int32_t operation, int64_t now_ns);
/* Any other request, of this weight >= 0. */
MM_API void mm_budget_read(mm_budget *budget, int64_t weight, int64_t now_ns);
/* It did not leave; sent_ns <= now_ns is when mm_budget_sent was told. */
MM_API void mm_budget_not_sent(mm_budget *budget, int32_t operation, int64_t sent_ns, int64_t now_ns);
/* The exchange refused it. */
MM_API void mm_budget_failed(mm_budget *budget, int32_t operation, int64_t now_ns);
/* First fill of an order. The exchange gives its credit with a small delay: with orders_pct 100 one order too many
 * may leave in it. */
MM_API void mm_budget_fill(mm_budget *budget, bool maker, int64_t now_ns);
/* A BUDGET record, received at said->recv_ns; what has been sent and is not answered comes on top of what it says. */
MM_API void mm_budget_said(mm_budget *budget, const mm_budget_body *said, int64_t orders_in_flight,
                           int64_t weight_in_flight);
/* Orders that may leave now for MM_NEED_MOVE or MM_NEED_EMPTY. About 30 ns. */
MM_API int64_t mm_budget_orders(const mm_budget *budget, int32_t need, int64_t now_ns);
/* Whether a request of this weight may leave now. */
MM_API bool mm_budget_may_ask(const mm_budget *budget, int32_t need, int64_t weight, int64_t now_ns);
/* When an order for this need may leave, if none may now; INT64_MAX = one may. */
MM_API int64_t mm_budget_deadline(const mm_budget *budget, int32_t need, int64_t now_ns);
MM_API bool mm_budget_valid(const mm_budget *budget);
/* cffi:end */

/* ============================================================================================
 * risk: limits and verdicts
 * ========================================================================================== */

/* cffi:begin */
/* Every limit is set: mm_risk_init refuses 0, negatives and NaN; money and quantities over 2^61, counts of a window
 * over 1,000,000, shares over 100 %, and a duplicate window over 10 s. Numbers in brackets: the control's name in
 * docs. */
typedef struct mm_risk_config {
    int64_t order_qty_max_e8;        /* [C1] */
    int64_t order_notional_max_e8;   /* [C2] quote */
    double collar_order_bps;         /* [C3] from median(mid, last trade, 1-min VWAP) */
    double collar_period_bps;        /* [C4] mid from its 60 s EWMA */
    int64_t cross_guard_ticks;       /* [C5] bid <= best ask - so many ticks, and reverse */
    int64_t position_max_e8;         /* [C7] base, |position from target| + all open of that side */
    int64_t position_notional_max_e8; /* [C7] quote */
    double reducing_pct;             /* [C8] of C7 */
    int64_t open_notional_max_e8;    /* [C9] quote, both sides */
    int64_t open_orders_max;         /* [C9] per side */
    int64_t in_flight_max;           /* [C10] PENDING per side */
    int64_t unknown_max;             /* [C10] UNKNOWN in total: so many block the sides they are on, more block both */
    int64_t orders_per_1s_max;       /* [C11] bursts, <= 100,000; the windows of the exchange are mm_budget's */
    int64_t rejects_per_min_max;     /* [C13] definitive rejects, would-match exempt; of those that stop all quoting, the first */
    int64_t duplicate_window_ns;     /* [C15] same side, price, qty */
    int64_t stale_book_ns;           /* [C16] */
    int64_t ticker_ahead_ns;         /* [C16] bookTicker ahead of the depth book */
    int64_t quiet_max_ns;            /* book.max_quiet_ms; 0 = off, the one exception */
    int64_t stale_decision_ns;       /* [C17] */
    int64_t book_levels_min;         /* [C19] */
    int64_t malformed_per_min_max;   /* malformed messages a minute that halt (3), see mm_engine_status.malformed */
    int64_t loss_session_max_e8;     /* [Q1] quote -> KILL */
    int64_t loss_day_max_e8;         /* [Q1] quote -> KILL */
    double drawdown_halt_pct;        /* [Q2] of peak equity -> HALT */
    double drawdown_kill_pct;        /* [Q2] -> KILL */
    int64_t loss_speed_max_e8;       /* [Q3] quote within 60 s -> HALT for loss_speed_pause_ns */
    int64_t loss_speed_pause_ns;     /* [Q3] */
} mm_risk_config;

typedef struct mm_risk mm_risk;

/* What the limits are judged against, gathered by the engine. */
typedef struct mm_risk_view {
    const mm_symbol *symbol;
    const mm_orders *orders;
    const mm_ledger *ledger;
    mm_top top;             /* newer of book and ticker; quantities 0 = side empty */
    int64_t position_e8;    /* base from target: what C7 limits */
    int64_t now_ns;
    const mm_order *replaces; /* the resting order that goes before the judged one is placed; NULL = none. Number, worth and balance
                             * are judged without it, as without all that go with orders on their way; C7 with them, as they may
                             * be filled in part until they are gone */
} mm_risk_view;

MM_API size_t mm_risk_bytes(const mm_risk_config *config);
/* MM_E_ARGUMENT names the field through *bad_field (static text, NULL when none is bad); mm_risk_bytes is 0 for such a
 * configuration. */
MM_API mm_status mm_risk_init(void *memory, size_t memory_bytes, const mm_risk_config *config, mm_risk **risk,
                              const char **bad_field);
/* Observations. Mid > 0. Time may step back a little from one to the next. */
MM_API void mm_risk_mid(mm_risk *risk, int64_t mid_e8, int64_t now_ns);
MM_API void mm_risk_trade(mm_risk *risk, int64_t price_e8, int64_t qty_e8, int64_t now_ns);
MM_API void mm_risk_sent(mm_risk *risk, int32_t side, int64_t price_e8, int64_t qty_e8, int64_t now_ns);
/* A definitive rejection: counts for C13, but for one that would have matched. That backs its (side, layer) off, 200
 * ms at first, then twice as long each time up to 5 s, until mm_risk_accept. */
MM_API void mm_risk_reject(mm_risk *risk, int32_t reject_class, int32_t side, int32_t layer, int64_t now_ns);
/* An order of this (side, layer) rests: its back-off starts anew. */
MM_API void mm_risk_accept(mm_risk *risk, int32_t side, int32_t layer);
/* The exchange ended an order of this side by itself (expired, cancelled by somebody else): a second without new
 * ones there. */
MM_API void mm_risk_ended(mm_risk *risk, int32_t side, int64_t now_ns);
MM_API void mm_risk_malformed(mm_risk *risk, int64_t now_ns);
/* The position is at reducing_pct of C7 or over it, by quantity or by worth: only orders that shrink it are placed. */
MM_API bool mm_risk_reducing(const mm_risk *risk, const mm_risk_view *view);
/* Verdict on one wanted order; 0 = may be placed. Uses C1-C3, C5-C11, C15, C22 (NO_BALANCE), filters, would-match
 * back-off of (side, layer). REDUCING: orders that do not shrink the position are refused while mm_risk_reducing.
 * C3's price is the median of mid, last trade and the VWAP of the last minute, or mid when there was no trade in it;
 * PERCENT_PRICE is judged by it, too. C7 values a position at mid, C9 orders at their prices. While fills that the
 * exchange told of are still to come (mm_orders_unfilled_reports), IN_FLIGHT. At most 64 open orders can be counted:
 * with more, OPEN_ORDERS. About 100 ns. */
MM_API uint64_t mm_risk_order(const mm_risk *risk, const mm_risk_view *view, int32_t side, int32_t layer, int64_t price_e8,
                              int64_t qty_e8);
/* Largest quantity on the step that C1, C2, C7, C9, the symbol's largest and the balance allow at that price (0 =
 * none): strategies' sizes are cut to it rather than refused. One step more is refused by mm_risk_order. */
MM_API int64_t mm_risk_room(const mm_risk *risk, const mm_risk_view *view, int32_t side, int64_t price_e8);
/* Verdict on quoting at all that follows from observations: C4, C13, malformed per minute. mid_e8 <= 0: C4 is not
 * judged. */
MM_API uint64_t mm_risk_market(const mm_risk *risk, int64_t mid_e8, int64_t now_ns);
/* Post-trade: feeds equity (quote e8) and the session's P&L; *halt_until_ns is set for Q3, else 0. Bits: LOSS_LIMIT
 * (kill), DRAWDOWN, LOSS_SPEED; *kill tells which of HALT and KILL. Reaching a limit is breaking it. Falls are those
 * of the P&L, so that a withdrawal is none; Q2 relates them to the equity they began at. The day changes when
 * utc_day (days since the epoch) grows. */
MM_API uint64_t mm_risk_equity(mm_risk *risk, int64_t equity_e8, int64_t pnl_total_e8, int64_t utc_day, int64_t now_ns,
                               bool *kill, int64_t *halt_until_ns);
/* The account was reset: P&L begins anew at 0, for Q1 to Q3. */
MM_API void mm_risk_rebase(mm_risk *risk);
/* Earliest time a verdict may change by time alone; INT64_MAX = none. C4 also eases with time, but is only told by
 * observations. */
MM_API int64_t mm_risk_deadline(const mm_risk *risk, int64_t now_ns);
MM_API bool mm_risk_valid(const mm_risk *risk);
/* cffi:end */

/* ============================================================================================
 * quote: strategies
 * ========================================================================================== */

/* cffi:begin */
#define MM_LAYERS_MAX 8

/* What a strategy sees. */
typedef struct mm_quote_input {
    const mm_book *book;
    const mm_symbol *symbol;
    mm_top top;          /* newer of book and ticker, both sides present, not crossed */
    mm_signal signal;
    int64_t position_e8; /* base from inventory.target */
    int64_t now_ns;
    mm_grid tick;        /* of the symbol's tick and step: mm_grid_init */
    mm_grid lot;
} mm_quote_input;

/* What it wants: best layer first, on tick and lot, never crossing; what stands behind the counts means nothing.
 * Reasons say why a side has none. */
typedef struct mm_quotes {
    uint32_t bid_count;
    uint32_t ask_count;
    mm_level bids[MM_LAYERS_MAX];
    mm_level asks[MM_LAYERS_MAX];
    uint64_t bid_verdict;
    uint64_t ask_verdict;
} mm_quotes;

enum { MM_STRATEGY_INVENTORY_SKEW = 0, MM_STRATEGY_AVELLANEDA_STOIKOV = 1, MM_STRATEGY_PYTHON = 2,
       MM_STRATEGY_CUSTOM = 3 };

/* Parameters of the built-in strategies; unused ones are ignored. */
typedef struct mm_quote_config {
    int64_t order_qty_e8;       /* of the best layer, > 0 */
    int64_t max_position_e8;    /* base, where the skew saturates, > 0 */
    int64_t layers;             /* 1..MM_LAYERS_MAX a side */
    double layer_step_bps;      /* distance between layers, > 0 */
    double min_spread_bps;      /* full width, > 0 */
    double max_spread_bps;      /* >= min */
    double vol_mult;            /* widths of volatility, >= 0 */
    double skew;                /* half widths per full inventory */
    double alpha_weight;        /* half widths per unit alpha */
    double imbalance_weight;    /* half widths per unit imbalance */
    int64_t allow_negative_edge; /* 1 = no fee floor */
    /* avellaneda_stoikov, names as in the field */
    double risk_factor;         /* gamma, > 0 */
    double kappa;               /* order book depth parameter, 1 / quote price unit, > 0 */
    double horizon_s;           /* how long a position is expected to be held: scales volatility, > 0 */
    double order_amount_shape_factor; /* eta >= 0 */
    double min_spread_pct;      /* full width, percent of mid, >= 0 */
    /* derived where parameters change, never in a step: filled by mm_quote_derive, logged with the configuration */
    double as_spread_const;     /* (2 / gamma) * ln(1 + gamma / kappa), quote price units */
    double as_shape[9];         /* exp(-eta / 2^i), i = 0..8 */
} mm_quote_config;

/* What inventory_skew keeps from call to call because the market has no part in it: made anew by itself when
 * position or lot change. One for each mm_quote_config; the caller clears it (all 0) at first and whenever a
 * parameter changes. */
typedef struct mm_quote_stance {
    int64_t position_e8; /* made for these two */
    int64_t step_e8;     /* 0 = nothing is kept */
    double lean;         /* inv*skew */
    int64_t bid_qty_e8;
    int64_t ask_qty_e8;
} mm_quote_stance;

/* A strategy in C: plain functions over caller state; called only by the holder of the engine role. */
typedef struct mm_strategy {
    const char *name;
    void *state;
    void (*compute)(void *state, const mm_quote_input *input, mm_quotes *quotes);
} mm_strategy;

/* Checks every field, those a strategy ignores too, and derives the last ones: the one place with exp and log.
 * MM_E_ARGUMENT names the field through *bad_field (NULL when none is bad) and derives nothing. */
MM_API mm_status mm_quote_derive(mm_quote_config *config, const char **bad_field);
/* inventory_skew: with one layer, to the tick
 *   half = clamp(spread/2 + mid*volatility*vol_mult, mid*min_spread_bps/2, mid*max_spread_bps/2)
 *   inv = clamp(position/max_position, -1, 1)
 *   r = mid + (alpha*alpha_weight + imbalance*imbalance_weight)*half - inv*skew*half
 *   bid = floor_tick(r - half) no higher than ask - tick, ask = ceil_tick(r + half) no lower than bid + tick
 * where r - half and r + half are cut to whole counts of 1e-8 first: an ask that lies less than one over a multiple
 * of the tick is that multiple, nearer by under 1e-8 than the formula says and sizes order_qty*(1 - max(inv, 0)),
 * order_qty*(1 + min(inv, 0)) floored to the lot. A width under twice the maker fee of mid is then widened to it
 * around r (allow_negative_edge: not). Layers follow outwards, at least a tick apart, all of the same size. A side
 * is empty with POSITION_LIMIT at max_position, with STRATEGY_PASS where size or price come to nothing, both with
 * ONE_SIDED or CROSSED_BOOK where the top is no top. input->book is not looked at.
 * `stance` makes it faster, never different; one thread at a time. */
MM_API void mm_quote_inventory_skew(const mm_quote_config *config, mm_quote_stance *stance, const mm_quote_input *input,
                                    mm_quotes *quotes);
/* avellaneda_stoikov, as the field computes it over an infinite horizon:
 *   vol = mid*volatility*sqrt(horizon): standard deviation of the price over the horizon, in the quote asset (not its square)
 *   q = clamp(position/max_position, -1, 1)
 *   r = mid - q*gamma*vol, spread = gamma*vol + (2/gamma)*ln(1 + gamma/kappa)
 *   ask = max(r + spread/2, mid*(1 + min_spread_pct/200)), bid = min(r - spread/2, mid*(1 - min_spread_pct/200))
 * The side that adds to the position has order_qty*exp(-eta*|q|), with |q| to the nearest 1/256; the other
 * order_qty. Rounding, guard, fee floor, layers and reasons as above (r there is the middle of ask and bid); WARMUP
 * until the volatility is ready. */
MM_API void mm_quote_avellaneda_stoikov(const mm_quote_config *config, const mm_quote_input *input, mm_quotes *quotes);
/* Fits anyone's wanted quotes to the symbol: on tick (bids down, asks up) and lot (down), moved behind the guard
 * against crossing (>= 1 tick), inside [1 tick, 2^62], best first; drops what cannot be, a second quote at a price,
 * those behind the eighth, and both sides where the own quotes cross (SELF_TRADE) or the top is no top. Only a side
 * without quotes keeps reasons, and it has one. Used on every decision, Python's too. */
MM_API void mm_quote_fit(const mm_quote_input *input, int64_t cross_guard_ticks, mm_quotes *quotes);
/* cffi:end */

/* ============================================================================================
 * plan: wanted quotes to the fewest actions
 * ========================================================================================== */

/* cffi:begin */
/* At most this many orders and quotes a side. */
#define MM_PLAN_MAX 16

/* One side's plan: order i is kept for wanted quote keep[i], or cancelled (keep[i] = -1); of those kept, shrink[i] =
 * 1 are too large and to be amended; quotes with place[j] = 1 are new. */
typedef struct mm_plan {
    int32_t keep[MM_PLAN_MAX];
    int32_t shrink[MM_PLAN_MAX];
    int32_t place[MM_LAYERS_MAX];
    uint32_t cancel_count;
    uint32_t place_count;
} mm_plan;

/* An order serves a quote when its price is within tolerance_e8 of it and its remaining quantity is between half and
 * all of the wanted quantity plus one step, or more than that where it can be made smaller (shrinkable[i] != 0).
 * Most matches = fewest orders spent; among those the fewest that have to be made smaller, then the smallest total
 * distance in price, then the older orders (lower index), the oldest of them for the best quote it can serve. Orders
 * with a cancel pending serve nothing and need no cancel: leave them out. O(orders * quotes * 2^quotes): 2 quotes
 * and 4 orders take about 0.1 us, 8 and 16 some 30 us. */
MM_API void mm_plan_side(const mm_level *wanted, size_t wanted_count, const mm_level *resting, const uint8_t *shrinkable,
                         size_t resting_count, int64_t tolerance_e8, int64_t step_e8, mm_plan *plan);
/* cffi:end */

/* ============================================================================================
 * engine: the pure state machine - records in, actions out
 * ========================================================================================== */

/* cffi:begin */
enum {
    MM_STATE_INIT = 0,     /* waits for MM_COMMAND_START */
    MM_STATE_SYNCING = 1,  /* no exact book */
    MM_STATE_ACTIVE = 2,
    MM_STATE_REDUCING = 3, /* only orders that shrink the position */
    MM_STATE_HALTED = 4,   /* no quotes; ends by itself or by a command, the reasons say which */
    MM_STATE_STOPPING = 5, /* cancels and settles */
    MM_STATE_STOPPED = 6,  /* no own order rests, confirmed twice */
    MM_STATE_KILLED = 7    /* latched: cancels only */
};

/* Everything a run depends on; written to the log's header. Plain numbers only. */
typedef struct mm_engine_config {
    mm_symbol symbol;
    mm_signal_config signal;
    mm_budget_config budget;
    mm_risk_config risk;
    mm_quote_config quote;
    mm_order_config order;
    int64_t strategy;               /* MM_STRATEGY_* */
    double refresh_tolerance_bps;   /* a resting order nearer than this to its wanted price stays, 0..10,000 */
    int64_t inventory_target_e8;    /* base, >= 0; INT64_MIN = the balance at start */
    int64_t book_levels;            /* a side, 1..1,000,000 */
    int64_t sync_records;           /* records of diffs held while a snapshot is on its way, MM_EVENT_RECORDS_MAX..2^24 */
    int64_t snapshot_levels;        /* asked of REST, 1..MM_SNAPSHOT_LEVELS_MAX */
    int64_t orders_max;             /* own orders not ended, <= 2 * MM_PLAN_MAX */
    int64_t tombstones;             /* 1..2^24 */
    int64_t trade_ids;              /* fills remembered, power of two */
    int64_t crossed_max_ns;         /* a crossed book is resynced after this (250 ms); this and the next three <= 2^61 */
    int64_t warm_ns;                /* time after a sync before quoting, >= 0 */
    int64_t stop_confirm_ns;        /* between the two empty openOrders at the end (1 s) */
    int64_t audit_ns;               /* the book is compared with a new snapshot so often, 0 = never */
    int64_t reconcile_open_ns;      /* between two reads of the open orders while trading (10 s), >= 1 s */
    int64_t reconcile_trades_ns;    /* of own trades (60 s), >= 1 s */
    int64_t reconcile_account_ns;   /* of the balances (30 s), >= 1 s */
    char fee_asset[16];             /* fees may be paid in it at a discount: its price is asked for; empty = none */
    int64_t accept_reset;           /* 1 = an account reset is adopted, not halted on */
    int64_t utc_offset_ns;          /* epoch ns minus monotonic ns at start: for the day's limits only */
} mm_engine_config;

typedef struct mm_engine mm_engine;

/* What a step asks of the host. */
enum { MM_STEP_ACTIONS = 1, MM_STEP_NEED_QUOTE = 2 };

/* Counters and state for status lines, metrics and the summary. Times are sums over the run in ns. */
typedef struct mm_engine_status {
    int64_t now_ns;
    int64_t synced_ns;         /* first sync, 0 = never */
    int32_t state;             /* MM_STATE_* */
    int32_t sync_state;
    uint64_t verdict;          /* why nothing is quoted at all */
    uint64_t bid_verdict;      /* why the bid side is not */
    uint64_t ask_verdict;
    uint64_t events;           /* inputs */
    uint64_t book_updates;     /* depth messages applied */
    uint64_t gaps;
    uint64_t resyncs;
    uint64_t book_audits;      /* comparisons of the book with a later snapshot */
    uint64_t book_audit_failures;
    uint64_t malformed;        /* messages that could not be read; one that two connections bring within a second counts once */
    uint64_t quotes;           /* changed quote decisions */
    uint64_t orders_sent;
    uint64_t orders_acked;
    uint64_t orders_rejected;
    uint64_t orders_refused;   /* by the gate */
    uint64_t orders_canceled;
    uint64_t would_match;      /* rejects that only back a level off */
    uint64_t fills;
    uint64_t actions;
    uint64_t foreign_orders;   /* reports of orders that are not ours */
    uint64_t reconciles;       /* reads of open orders, trades and balances that were answered, start and stop not counted */
    uint64_t unpriced_fees;    /* fills whose fee counts 0 in P&L: mm_ledger_unpriced */
    uint64_t reconcile_repairs; /* what they put right: fills, deposits, withdrawals not told; orders doubted; unknown own orders */
    /* Moves: a wish that no order serves (place or replace), or that one serves which is too large (amend). Each is
     * counted once while it waits: wanted = made + merged + withheld. */
    uint64_t moves_wanted;
    uint64_t moves_made;       /* an action went out for it */
    uint64_t moves_merged;     /* another wish took its place first */
    uint64_t moves_withheld;   /* nothing was wanted there any more, or it waits still */
    uint64_t replaces;         /* of those made: old and new order with one request */
    uint64_t amends;           /* of those made: smaller where it rests */
    uint64_t dust_e8;          /* quantity not placed because it was under LOT_SIZE or NOTIONAL, last decision */
    int64_t open_orders;       /* PENDING, LIVE, UNKNOWN */
    int64_t unknown_orders;
    int64_t position_e8;       /* base bought - sold - base fees */
    int64_t inventory_e8;      /* base from target */
    int64_t base_e8;
    int64_t quote_e8;
    mm_pnl pnl;
    int64_t mid_e8;
    mm_top top;
    mm_signal signal;
    mm_quotes wanted;
    int64_t quoted_bid_ns;     /* time since the first sync with an own bid resting */
    int64_t quoted_ask_ns;
    int64_t synced_time_ns;    /* time since the first sync */
    int64_t reason_ns[64];     /* time a side was not quoted, by first reason, both sides added */
    int64_t book_count[2];
    int64_t last_update_id;
} mm_engine_status;

MM_API size_t mm_engine_bytes(const mm_engine_config *config);
/* Builds the whole engine in one block. MM_E_ARGUMENT names the field through *bad_field (static text). The quote
 * configuration must have been derived (mm_quote_derive): as_spread_const and as_shape are held to what they must
 * be. */
MM_API mm_status mm_engine_init(void *memory, size_t memory_bytes, const mm_engine_config *config, mm_engine **engine,
                                const char **bad_field);
MM_API mm_engine *mm_engine_new(const mm_engine_config *config, const char **bad_field);
MM_API void mm_engine_free(mm_engine *engine);
/* A strategy of the embedder's (MM_STRATEGY_CUSTOM); before the first step. Without it nothing is quoted
 * (STRATEGY_FAULT). */
MM_API void mm_engine_strategy(mm_engine *engine, const mm_strategy *strategy);
/* One whole event (header and continuations, contiguous). Decisions are made only at BATCH_END, whose `now_ns` is the
 * engine's only clock and whose value/value2 are the records the action and cancel rings have room for. Returns
 * MM_STEP_* bits. Never blocks, allocates or calls the system. */
MM_API uint32_t mm_engine_step(mm_engine *engine, const mm_record *event);
/* Actions of the last BATCH_END in order; valid until the next step. */
MM_API const mm_record *mm_engine_actions(const mm_engine *engine, size_t *action_count);
/* When a BATCH_END is due though nothing happened (silence must stop quoting); INT64_MAX = never. */
MM_API int64_t mm_engine_deadline(const mm_engine *engine);
MM_API void mm_engine_read(const mm_engine *engine, mm_engine_status *status);
MM_API const mm_book *mm_engine_book(const mm_engine *engine);
/* Own orders that may still trade; returns how many were copied. */
MM_API size_t mm_engine_orders(const mm_engine *engine, mm_order *out, size_t out_capacity);
MM_API size_t mm_engine_balances(const mm_engine *engine, mm_balance *out, size_t out_capacity);
MM_API const char *mm_state_name(int32_t state);
MM_API bool mm_engine_valid(const mm_engine *engine);
/* cffi:end */

/* ============================================================================================
 * gate: the last check and the bytes of an order
 * ========================================================================================== */

/* cffi:begin */
typedef struct mm_gate mm_gate;

enum { MM_WIRE_WS_API = 0, MM_WIRE_REST = 1 };
enum { MM_SIGN_HMAC = 0, MM_SIGN_ED25519 = 1 };
#define MM_GATE_PAYLOAD_MAX 1024
#define MM_GATE_BURST_MAX 32

typedef struct mm_gate_config {
    char symbol[24];
    char order_prefix[24];     /* client id = prefix + seq base36 + "-" + b|a + layer */
    char stp_mode[24];         /* self-trade prevention of new orders, as the exchange spells it */
    char api_key[128];
    int32_t wire;              /* MM_WIRE_* */
    int32_t signature;         /* MM_SIGN_* */
    int32_t price_decimals;    /* least decimals printed */
    int32_t qty_decimals;
    int64_t place_window_ms;   /* recvWindow of NEW (1000) */
    int64_t other_window_ms;   /* of cancels and queries (5000) */
    int64_t stale_decision_ns; /* [C17] */
    int64_t orders_per_1s_max; /* [C11] once more, at the last hop; 1..4,095 */
    int64_t orders_per_10s_max; /* these two: the exchange's own limits, nothing given back for fills; 1..4,095, though the
                                   budget takes up to 65,536 */
    int64_t orders_per_day_max;
    uint32_t mask_seed;        /* random; masks of client frames */
    int32_t pad;
} mm_gate_config;

MM_API size_t mm_gate_bytes(const mm_gate_config *config);
MM_API mm_status mm_gate_init(void *memory, size_t memory_bytes, const mm_gate_config *config, mm_gate **gate);
MM_API mm_gate *mm_gate_new(const mm_gate_config *config);
MM_API void mm_gate_free(mm_gate *gate);
/* Latches: only cancels and queries leave from now on. Any thread. */
MM_API void mm_gate_kill(mm_gate *gate);
MM_API bool mm_gate_killed(const mm_gate *gate);
/* Server epoch ns minus monotonic ns; before the first call nothing passes (CLOCK). ORDERS role. */
MM_API void mm_gate_clock(mm_gate *gate, int64_t offset_ns);
/* Nothing at all leaves before until_ns (429, 418). ORDERS role. */
MM_API void mm_gate_ban(mm_gate *gate, int64_t until_ns);
/* Whether the connection has logged on (session.logon): its requests carry neither key nor signature. WebSocket API
 * only. ORDERS role. */
MM_API void mm_gate_session(mm_gate *gate, bool logged_on);
/* Checks PLACE, CANCEL, QUERY, AMEND or REPLACE and writes its request. 0 = it may go. Then *payload_bytes is 0 and
 * it is complete, as after a log-on; or payload[0..*payload_bytes), valid until the next call, has to be signed and
 * sealed. Else reason bits (KILLED, STALE_DECISION, RATE_LIMIT, BANNED, CLOCK, COUNT_MISMATCH): report NOT_SENT.
 * Cancels and queries are refused by a ban and a missing clock only, AMEND by no limit of rate. PLACE and REPLACE
 * must come in the engine's order, none missing: else COUNT_MISMATCH, and the gate kills itself. With
 * MM_GATE_BURST_MAX requests completed and not taken NO_ROOM, and the action counts as never given: take, and give
 * it again. ORDERS role. */
MM_API uint64_t mm_gate_encode(mm_gate *gate, const mm_record *action, int64_t now_ns, const char **payload,
                               size_t *payload_bytes);
/* Completes what encode began with a signature, which is 64 hex digits or base64 as configured (MM_E_ARGUMENT
 * otherwise). */
MM_API mm_status mm_gate_seal(mm_gate *gate, const char *signature, size_t signature_bytes);
/* The requests completed since the last take, one behind the other: WebSocket frames to be handed over in one piece,
 * or the query string of a REST request, which has to be taken by itself. *bytes valid until the next call; 0 bytes:
 * there are none. */
MM_API size_t mm_gate_take(mm_gate *gate, const uint8_t **bytes);
MM_API uint64_t mm_gate_orders_out(const mm_gate *gate); /* PLACE and REPLACE actions passed */
/* Client id of an order, order_seq < 36^10; `out` holds 37. Returns its bytes. */
MM_API size_t mm_gate_client_id(const mm_gate *gate, uint64_t order_seq, int32_t side, int32_t layer, char *out);
/* cffi:end */

/* ============================================================================================
 * log: the input log
 * ========================================================================================== */

/* cffi:begin */
#define MM_LOG_HEADER_BYTES 8192

/* File: this header, padded to MM_LOG_HEADER_BYTES; then records in the order the engine took them, each batch
 * followed by its actions. Little-endian. */
typedef struct mm_log_header {
    char magic[8];            /* "MMCORE\n\0" */
    uint32_t abi;
    uint32_t config_bytes;    /* sizeof(mm_engine_config) */
    char build[128];
    mm_engine_config config;
} mm_log_header;

MM_API mm_status mm_log_header_make(const mm_engine_config *config, uint8_t *out, size_t out_bytes);
/* MM_E_SYNTAX: no log; MM_E_VERSION: another ABI or layout. */
MM_API mm_status mm_log_header_read(const uint8_t *bytes, size_t byte_count, mm_log_header *header);
/* Feeds whole events from records[0..record_count) to the engine and compares its actions with the logged ones.
 * *consumed = records used (an incomplete event at the end is left); *mismatch = index of the first action that
 * differs, or SIZE_MAX. The actions made (seq as in the log) are copied to `actions`, at most action_capacity:
 * MM_E_CAPACITY when more. MM_E_SYNTAX: an event that no engine takes; the log is damaged. */
MM_API mm_status mm_log_replay(mm_engine *engine, const mm_record *records, size_t record_count, mm_record *actions,
                               size_t action_capacity, size_t *action_count, size_t *consumed, size_t *mismatch);
/* cffi:end */

/* ============================================================================================
 * loop: rings, roles and the engine tied together
 * ========================================================================================== */

/* cffi:begin */
typedef struct mm_loop mm_loop;

/* Rings by producer -> consumer. */
enum {
    MM_RING_MARKET = 0,  /* FEED -> ENGINE */
    MM_RING_EXEC = 1,    /* ORDERS -> ENGINE */
    MM_RING_REST = 2,    /* REST worker -> ENGINE */
    MM_RING_CONTROL = 3, /* supervisor -> ENGINE */
    MM_RING_CANCEL = 4,  /* ENGINE -> ORDERS */
    MM_RING_ACTION = 5,  /* ENGINE -> ORDERS: PLACE, QUERY, AMEND, REPLACE */
    MM_RING_WORK = 6,    /* ENGINE -> REST worker: WANT_*, STATE */
    MM_RING_LOG = 7,     /* ENGINE -> log writer */
    MM_RING_COUNT = 8
};
/* MM_ROLE_REST is the REST worker: it has an event and a ring, and its own thread is its only holder. */
enum { MM_ROLE_FEED = 0, MM_ROLE_ENGINE = 1, MM_ROLE_ORDERS = 2, MM_ROLE_REST = 3, MM_ROLE_COUNT = 4 };

typedef struct mm_loop_config {
    int64_t market_records;  /* ring capacities, powers of two; this, rest and log more than MM_EVENT_RECORDS_MAX */
    int64_t exec_records;
    int64_t rest_records;
    int64_t action_records;  /* action, cancel, work and control rings */
    int64_t log_records;     /* 0 = nothing is recorded */
    int64_t wait_policy;     /* MM_WAIT_*; SPIN is for the FEED role, whose thread then runs the others too */
    int64_t batch_events;    /* most events of one batch (256) */
} mm_loop_config;

/* Stages of the latency histograms, ns. */
enum {
    MM_STAGE_RECV_TO_DECODE = 0,
    MM_STAGE_DECODE_TO_BOOK = 1,
    MM_STAGE_BOOK_TO_QUOTE = 2,
    MM_STAGE_QUOTE_TO_SEND = 3,
    MM_STAGE_TICK_TO_ORDER = 4,
    MM_STAGE_ORDER_TO_ACK = 5,
    MM_STAGE_COUNT = 6
};

/* Telemetry clock: histograms only, never a decision. NULL = CLOCK_MONOTONIC. */
typedef int64_t (*mm_clock_fn)(void);

/* The engine stays the caller's. NULL when a number of the configuration cannot be, or memory or a descriptor not be
 * had. */
MM_API mm_loop *mm_loop_new(const mm_loop_config *config, mm_engine *engine, mm_clock_fn telemetry_clock);
MM_API void mm_loop_free(mm_loop *loop);
MM_API mm_spsc *mm_loop_ring(mm_loop *loop, int32_t ring);
MM_API mm_role *mm_loop_role(mm_loop *loop, int32_t role);
MM_API mm_event *mm_loop_event(mm_loop *loop, int32_t role);
/* Histograms of a stage; read while the roles run, values may be a few samples apart. */
MM_API const mm_hist *mm_loop_hist(const mm_loop *loop, int32_t stage);
/* Runs of a role so far: a role with input waiting whose number stands still is stuck. */
MM_API uint64_t mm_loop_progress(const mm_loop *loop, int32_t role);
MM_API bool mm_loop_pending(const mm_loop *loop, int32_t role);

enum {
    MM_PUMP_RECORDS = 1,  /* records were pushed: run the engine */
    MM_PUMP_REPLY = 2,    /* stopped at a message for the host: see mm_feed_last, then call again */
    MM_PUMP_CLOSED = 4,   /* close frame or protocol error: reconnect; mm_ws_close_code */
    MM_PUMP_CONTROL = 8,  /* *reply holds bytes to send (pong, close) */
    MM_PUMP_DROPPED = 16, /* the market ring was full: an event was dropped, the engine will resync */
    MM_PUMP_SHUTDOWN = 32, /* serverShutdown announced */
    MM_PUMP_LIMIT = 64     /* stopped at a refusal for limits (429, 418): mm_feed_last tells until when; call again */
};
/* Decodes every complete frame in the parser into the channel's ring (MM_CHANNEL_MARKET -> market, else exec): text
 * as JSON, and on the market channel binary frames as SBE messages of the symbol `feed` was made for. `reply` takes
 * control frames to send. `socket`: which of the market connections (0..MM_ARBITER_SOCKETS - 1) this is; an event
 * that another one brought before goes no further (see mm_arbiter); 0 for the order channel. Holder of FEED (market)
 * or ORDERS. Exec events are never dropped: with too little room it stops and leaves the bytes in the parser. */
MM_API uint32_t mm_loop_pump(mm_loop *loop, int32_t channel, uint32_t socket, mm_ws *ws, mm_feed *feed, int64_t recv_ns,
                             uint8_t *reply, size_t reply_capacity, size_t *reply_bytes);
/* A market connection came up or is over (mm_arbiter_up, _down); what waited for another may go on then:
 * MM_PUMP_RECORDS, MM_PUMP_DROPPED. The engine is told of the first and the last of them by the host's MARKET_LINK.
 * FEED role. */
MM_API void mm_loop_socket_up(mm_loop *loop, uint32_t socket);
MM_API uint32_t mm_loop_socket_down(mm_loop *loop, uint32_t socket, int64_t now_ns);
/* At the deadline (INT64_MAX = none): diffs that waited long enough behind a hole go on. Bits as above. FEED role. */
MM_API uint32_t mm_loop_socket_due(mm_loop *loop, int64_t now_ns);
MM_API int64_t mm_loop_socket_deadline(const mm_loop *loop);
MM_API mm_arbiter_stats mm_loop_socket_statistics(const mm_loop *loop);
/* Pushes one event built by the host into an inbound ring and wakes the engine. The ring's one producer. false =
 * full, or an event of more than MM_EVENT_RECORDS_MAX records, which is none. */
MM_API bool mm_loop_push(mm_loop *loop, int32_t ring, const mm_record *records);

enum { /* none of them is a MM_PUMP_* bit: mm_loop_turn gives both */
    MM_RUN_BUSY = 256,       /* another thread holds the role; it will see the input before it parks */
    MM_RUN_ORDERS = 512,     /* cancels or actions wait: run the ORDERS role or wake it */
    MM_RUN_WORK = 1024,      /* the REST worker has work */
    MM_RUN_NEED_QUOTE = 2048, /* a Python strategy is due: the strategy thread must see to it */
    MM_RUN_LOG_LOST = 4096,  /* the log writer could not keep up: the engine has been killed */
    MM_RUN_BURST = 8192      /* mm_loop_turn alone: the caller holds the ORDERS role and has requests to hand over */
};
/* Tries the ENGINE role; holding it, takes all inputs (exec, control, REST, market) in batches, decides, hands the
 * actions on, gives the role up and looks again. Never blocks. */
MM_API uint32_t mm_loop_run(mm_loop *loop, uint32_t holder, int64_t now_ns);
/* When mm_loop_run is due though nothing arrives. Any thread. */
MM_API int64_t mm_loop_deadline(const mm_loop *loop);
/* A Python strategy's decision, or its fault (quotes NULL). Takes the ENGINE role itself (spins while it is held).
 * MM_RUN_* bits. */
MM_API uint32_t mm_loop_quote(mm_loop *loop, uint32_t holder, const mm_quotes *quotes, int64_t now_ns);
/* What compute_quotes needs, read under the ENGINE role; false when no quote is due any more. `levels` a side are
 * copied. */
MM_API bool mm_loop_quote_input(mm_loop *loop, uint32_t holder, mm_quote_input *input, mm_level *bids, size_t *bid_count,
                                mm_level *asks, size_t *ask_count);
/* Status read under the ENGINE role. false: others held it for all of a few thousand tries, some 100 us, and *status
 * is as it was; whoever watches for an engine that is stuck must not wait for it. */
MM_API bool mm_loop_read(mm_loop *loop, uint32_t holder, mm_engine_status *status);
/* ORDERS role: next cancel, else next action; false = none. */
MM_API bool mm_loop_next_action(mm_loop *loop, mm_record *action);
enum {
    MM_ENCODE_SIGN = 1, /* *payload has to be signed: call again with the signature */
    MM_ENCODE_MORE = 2  /* the burst or the exec ring is full: hand the burst over, run the engine, call again */
};
/* ORDERS role: seals the request that was to be signed, then takes waiting actions, cancels first, and has the gate
 * write their requests until one has to be signed or nothing waits. What the gate refuses is reported at once. What
 * it lets out is then taken from it (mm_gate_take), handed over in one piece, and reported by mm_loop_burst_sent.
 * MM_ENCODE_* bits, or mm_status < 0 for a signature that is none. Without one (signature_bytes 0), or with a bad
 * one, that request is NOT_SENT (CREDENTIALS). */
MM_API int32_t mm_loop_burst_encode(mm_loop *loop, mm_gate *gate, int64_t now_ns, const char *signature, size_t signature_bytes,
                                    const char **payload, size_t *payload_bytes);
/* ORDERS role: the burst was handed over at at_ns and its requests are SENT, or nothing of it was and they are
 * NOT_SENT (DISCONNECTED). One that still waits for its signature is not part of it, and NOT_SENT (CREDENTIALS). */
MM_API void mm_loop_burst_sent(mm_loop *loop, bool handed_over, int64_t at_ns);
/* ORDERS role: from now on a turn of another thread may encode what it causes: the connection in use has logged on,
 * so `gate` signs nothing. NULL: no longer. */
MM_API void mm_loop_lend_gate(mm_loop *loop, mm_gate *gate);
/* The whole way of what one read brought, in one call: `filled_bytes` more lie in the market connection's parser
 * (mm_ws_filled), are decoded (mm_loop_pump), and the engine runs if that made records (mm_loop_run with now =
 * recv_ns). If actions wait then, a gate is lent and the ORDERS role is free, the caller holds it afterwards
 * (MM_RUN_BURST) and *burst is what it must hand over to the kernel in one piece, valid until mm_loop_turn_sent.
 * MM_RUN_ORDERS: actions wait for somebody else. MM_PUMP_* and MM_RUN_* bits. FEED role. */
MM_API uint32_t mm_loop_turn(mm_loop *loop, uint32_t holder, uint32_t socket, mm_ws *ws, size_t filled_bytes, mm_feed *feed,
                             int64_t recv_ns, uint8_t *reply, size_t reply_capacity, size_t *reply_bytes,
                             const uint8_t **burst, size_t *burst_bytes);
/* Between MM_RUN_BURST and mm_loop_turn_sent, when now_ns is later than the turn by more than an order's decision
 * may be old: the burst is written anew. Cancels and queries, which no age refuses, stay in it; all else is NOT_SENT
 * (STALE_DECISION). The bytes of what is left, 0 for nothing; the burst before counts no longer. */
MM_API size_t mm_loop_turn_late(mm_loop *loop, int64_t now_ns, const uint8_t **burst);
/* Ends what MM_RUN_BURST began: the burst was handed over at at_ns or nothing of it was (mm_loop_burst_sent), and
 * the caller gives the ORDERS role up. true = cancels or actions wait again: run the role or wake it. */
MM_API bool mm_loop_turn_sent(mm_loop *loop, uint32_t holder, bool handed_over, int64_t at_ns);
/* ORDERS role: reports that an action's bytes went out at sent_ns, and counts its latencies. */
MM_API bool mm_loop_sent(mm_loop *loop, const mm_record *action, int64_t sent_ns);
/* ORDERS role: it did not go; verdict says why. Wakes the engine. */
MM_API bool mm_loop_not_sent(mm_loop *loop, const mm_record *action, uint64_t verdict, int64_t now_ns);
/* cffi:end */

#ifdef __cplusplus
}
#endif

#endif /* MMCORE_H */
