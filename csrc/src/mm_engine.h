/* Private to mm_engine*.c: the engine's state and the calls between its files.
 *
 *   mm_engine.c          memory, step, actions, deadlines
 *   mm_engine_market.c   market data in: sync, top, signals, staleness
 *   mm_engine_exec.c     reports in: orders, ledger, channels, commands
 *   mm_engine_reconcile.c  reads of open orders, trades and balances, and what they prove
 *   mm_engine_decide.c   BATCH_END: verdict, quotes
 *   mm_engine_move.c     wishes and resting orders to actions out
 *   mm_engine_read.c     status out
 */
#ifndef MM_ENGINE_H
#define MM_ENGINE_H

#include "mm_internal.h"

/* Most actions of one batch: a cancel and a query or an amend for every order, a place for every layer of both
 * sides, cancels of leftovers, and the requests to the REST worker. */
#define MM__ACTIONS_MAX 256
/* Most of them that are cancels, and most that are not: with more room in a ring than this the rest waits for the
 * next batch. */
#define MM__ROOM_MAX (MM__ACTIONS_MAX / 2)
/* Orders of an earlier run (or unknown to us) that are being cancelled by exchange id. */
#define MM__LEFTOVERS_MAX 64

/* Most snapshots a minute, of few levels. */
#define MM__SNAPSHOTS_MAX 32

/* Progress of a read that has to be empty twice: at the start and at the end of a run. */
typedef struct mm__confirm {
    int32_t active;
    int32_t empty_reads;  /* in a row */
    int64_t token;        /* of the read under way, 0 = none */
    int64_t asked_ns;
    int64_t next_ns;      /* when to ask again */
    int32_t rows;         /* own orders seen in the read under way */
    int32_t answered;     /* a read came back since the last decision */
} mm__confirm;

/* Since own events last may have been lost: nothing to look for; no account read since that cannot lag behind them;
 * `lost` is what the first such one showed. */
enum { MM__LOST_NONE = 0, MM__LOST_UNSEEN = 1, MM__LOST_SEEN = 2 };
enum { MM__READ_OPEN = 0, MM__READ_TRADES = 1, MM__READ_ACCOUNT = 2, MM__READ_COUNT = 3 };
/* A read that is repeated while trading and comes at once when there is doubt. */
typedef struct mm__read {
    int64_t token;    /* of the question under way, 0 = none */
    int64_t asked_ns; /* of the last question */
    int64_t shown_ns; /* of the last question that was answered */
    int64_t next_ns;  /* of the next one, where nothing calls for it sooner */
    int32_t soon;     /* as soon as the spacing between two allows */
    int32_t urgent;   /* nothing is quoted before it is answered */
    int32_t failures; /* questions in a row without an answer, as far as they delay the next */
} mm__read;

/* An order that a read of the open orders did not show though it should have been there. */
typedef struct mm__missing {
    uint64_t seq;
    int64_t since_ns; /* when that read was asked for */
} mm__missing;
#define MM__SHOWN_MAX (2 * MM_PLAN_MAX)

struct mm_engine {
    mm_engine_config config;
    mm_book *book;
    mm_book *spare;             /* what a later snapshot makes of the book: compared with it, then in its place */
    mm_sync *sync;
    mm_orders *orders;
    mm_ledger *ledger;
    mm_budget *budget;
    mm_risk *risk;
    mm_signals signals;
    mm_strategy strategy;
    mm_quote_stance stance;     /* of inventory_skew */
    mm_grid tick; /* of the symbol */
    mm_grid lot;

    /* time: only what BATCH_END and records say */
    int64_t now_ns;
    int64_t deadline_ns;

    /* market */
    mm_top ticker;
    int64_t ticker_id;          /* -1 none */
    int64_t pending_ticker_id;  /* a ticker the depth book has not caught up with, -1 none */
    int64_t pending_ticker_ns;
    int64_t ticker_ns;          /* when `ticker` came */
    int64_t frame_ns;           /* last sign of life of the market connection */
    int64_t answered_ns;        /* when the youngest ping left whose answer is here; 0 = no answer told that yet */
    int32_t stalled;            /* it was silent for too long: what comes now may have been held up, see is_stale */
    int64_t depth_ns;           /* last depth message */
    int64_t cause_ns;           /* receive stamp of the first market frame since the last decision */
    int64_t snapshot_asked_ns;  /* 0 = none under way */
    int64_t snapshot_next_ns;
    int64_t snapshot_failures;
    int64_t snapshot_times_ns[MM__SNAPSHOTS_MAX]; /* when the last ones were asked for */
    uint64_t snapshot_count;
    int64_t renewed_ns;         /* latest sync or merge: how old the known depth is */
    int64_t depth_e8[2];        /* then, from the best price to the horizon; 0 = the side is wholly known */
    int64_t synced_ns;          /* first sync */
    int64_t resynced_ns;        /* latest sync */
    int64_t first_mid_e8;       /* of an exact book, 0 = none yet: values the start inventory */
    int64_t last_mid_e8;        /* newest mid of an exact book, 0 = none yet */
    int64_t crossed_since_ns;   /* 0 = not crossed */
    int32_t crossed_run;        /* depth messages in a row that left it crossed */
    int32_t market_up;
    int32_t market_changed;     /* since the last decision */
    int32_t gapped;             /* the book was lost to a gap and is not back yet */
    int32_t mismatched;         /* it was lost because a snapshot differed */
    int64_t malformed_ns;       /* when a message that could not be decoded last counted */
    int64_t malformed_of[MM_ARBITER_SOCKETS]; /* how many each market connection has brought since a second without */
    int32_t buffered_any;       /* a diff arrived since the last reset: a snapshot may be asked for */

    /* account and channels */
    int32_t order_up;
    int32_t user_up;
    int32_t user_was_up;
    int32_t started;
    int32_t start_confirmed;
    int32_t symbol_trading;
    int32_t clock_known;
    int32_t clock_wanted;       /* ask the worker to measure it */
    int64_t clock_offset_ns;
    int64_t ban_until_ns;
    int64_t mismatch_since_ns;  /* ledger and account differ by the same since, 0 = equal */
    uint64_t mismatch[MM_ASSETS_MAX]; /* what the account has more, modulo 2^64 */
    int32_t mismatch_reads;     /* account reads since that still show the same difference */
    int32_t times_forgotten;    /* since then: the exchange's clock may have stepped back */
    int32_t events_lost;        /* own events may have been lost: MM__LOST_* */
    int64_t user_up_ns;         /* since when they come (again) */
    uint64_t lost[MM_ASSETS_MAX]; /* what the first account read that counts showed more, modulo 2^64, less what trades told since */
    int32_t doubt_account;      /* since a reconnect, until account and ledger are equal again */
    mm__read reads[MM__READ_COUNT];
    uint64_t shown[MM__SHOWN_MAX]; /* own orders the read of open orders under way has shown */
    uint32_t shown_count;       /* > MM__SHOWN_MAX: not all were kept */
    uint32_t missing_count;
    mm__missing missing[MM__SHOWN_MAX];
    int64_t price_asked_ns;     /* of the assets fees are paid in, 0 = never */
    uint64_t price_unknown;     /* fees that had no price when it was last asked for */
    int32_t rules_wanted;       /* ask the worker to read the symbol's rules */
    int64_t rules_asked_ns;
    int32_t regrid;             /* orders may rest that the symbol's new steps do not allow */
    int64_t complete_id;        /* last trade of the last answered read of trades: none up to it is missing */
    int64_t shown_id;           /* last trade the read under way has shown */
    int64_t target_e8;          /* inventory target; INT64_MIN until known */
    int64_t exchange_id_high;   /* highest order id seen */
    int64_t exchange_id_ns;     /* when it was seen */
    int64_t history_id;         /* newest own trade known when trades were last asked for: it must come again, -1 none */
    int32_t history_seen;
    int32_t history_lost;       /* it did not */
    int32_t rebased;            /* the new account's first read is still to come */
    int32_t was_reset;          /* the account was reset during this run: what it forgot cannot be waited for */
    int64_t reset_ns;           /* when that was recognised */
    int64_t start_equity_e8;    /* quote, at the first judgement; 0 = none yet */
    mm__confirm start_check;
    mm__confirm stop_check;
    int64_t leftovers[MM__LEFTOVERS_MAX];
    uint32_t leftover_count;

    /* life */
    int32_t state;
    int32_t said_state;         /* as the last STATE action told it, with these reasons */
    uint64_t said_verdict;
    uint64_t tell_bits;         /* reasons to be told once though they stop nothing */
    int32_t stopping;
    int32_t stopped;
    int32_t killed;
    uint64_t kill_bits;         /* why */
    uint64_t halt_bits;         /* reasons that stay until RESUME */
    uint64_t pause_bits;
    int64_t loss_speed_until_ns;
    int32_t strategy_fault;

    /* decision */
    mm_quotes wanted;
    mm_quotes python_quotes;
    int32_t python_have;
    int32_t need_quote;         /* asked and not answered */
    uint64_t verdict;
    uint64_t side_verdict[2];
    int32_t side_resting[2];    /* an own order of that side was resting after the last decision */
    mm_level waiting[2][MM_LAYERS_MAX]; /* wishes that could not be acted on yet, quantity 0 = none */
    int64_t budget_ns;          /* a move waits for the budget: when it has room */
    int32_t replan;             /* something had no room: decide again soon */
    int64_t action_room;
    int64_t cancel_room;

    mm_record actions[MM__ACTIONS_MAX];
    uint32_t action_count;
    uint64_t action_seq;

    mm_engine_status counters;  /* the counting fields only */
};

/* actions */
/* The caller has taken it out of the room it was given: there is always one. */
mm_record *mm__engine_emit(mm_engine *engine, uint16_t kind);
bool mm__engine_emit_cancel(mm_engine *engine, mm_order *order);
bool mm__engine_emit_query(mm_engine *engine, const mm_order *order);
void mm__engine_emit_new(mm_engine *engine, const mm_order *order, const mm_order *leaves);
bool mm__engine_emit_amend(mm_engine *engine, mm_order *order, int64_t qty_e8);
/* A read by the worker, charged to the budget; NULL = no room, or nothing may leave. `levels`: of a snapshot. */
mm_record *mm__engine_emit_read(mm_engine *engine, uint16_t kind, int64_t levels);
bool mm__engine_emit_want(mm_engine *engine, uint16_t kind, int64_t token, int64_t value2, uint64_t order_seq);

/* market */
void mm__engine_market(mm_engine *engine, const mm_record *event);
void mm__engine_invalidate(mm_engine *engine);
bool mm__engine_top(const mm_engine *engine, mm_top *top);
uint64_t mm__engine_market_verdict(mm_engine *engine);
void mm__engine_want_snapshot(mm_engine *engine);
/* Request weight of a snapshot. */
int64_t mm__engine_snapshot_weight(int64_t levels);
int64_t mm__engine_market_deadline(const mm_engine *engine);

/* exec */
void mm__engine_exec(mm_engine *engine, const mm_record *event);
void mm__engine_command(mm_engine *engine, const mm_record *event);
void mm__engine_due(mm_engine *engine);
const mm_order *mm__engine_order(mm_engine *engine, const mm_record *event);
void mm__engine_doubt(mm_engine *engine, const mm_order *order);
void mm__engine_halt(mm_engine *engine, int32_t reason);
void mm__engine_kill(mm_engine *engine, int32_t reason);
void mm__engine_check_balances(mm_engine *engine);
/* What the account has more of than the ledger, for each of MM_ASSETS_MAX assets, modulo 2^64. */
void mm__engine_difference(const mm_engine *engine, uint64_t *more);
uint64_t mm__engine_account_verdict(mm_engine *engine);
int64_t mm__engine_exec_deadline(const mm_engine *engine);
int64_t mm__engine_inventory(const mm_engine *engine);

/* reconcile */
void mm__engine_rules(mm_engine *engine, const mm_record *event);
void mm__engine_price(mm_engine *engine, const mm_record *event);
void mm__engine_trading(mm_engine *engine, bool trading);
void mm__engine_read_now(mm_engine *engine, int32_t kind);
void mm__engine_read_soon(mm_engine *engine, int32_t kind);
bool mm__engine_reading(const mm_engine *engine);
void mm__engine_open_row(mm_engine *engine, const mm_record *event);
void mm__engine_open_end(mm_engine *engine, int64_t token);
void mm__engine_trade_row(mm_engine *engine, int64_t trade_id);
void mm__engine_trades_end(mm_engine *engine, int64_t token);
void mm__engine_account_end(mm_engine *engine, int64_t token);
void mm__engine_accept_reset(mm_engine *engine);
void mm__engine_account_reset(mm_engine *engine);
void mm__engine_confirm(mm_engine *engine, mm__confirm *confirm);
void mm__engine_reconcile(mm_engine *engine);
int64_t mm__engine_reconcile_deadline(const mm_engine *engine);

/* decide */
void mm__engine_decide(mm_engine *engine);
void mm__engine_quote(mm_engine *engine, const mm_record *event);
void mm__engine_view(const mm_engine *engine, const mm_top *top, mm_risk_view *view);
bool mm__engine_quote_input(const mm_engine *engine, mm_quote_input *input);

/* move */
void mm__engine_move(mm_engine *engine, const mm_top *top);
int64_t mm__engine_move_deadline(const mm_engine *engine);

#endif /* MM_ENGINE_H */
