/* What we own: balances as reported beside balances as our own fills make them, and the profit.
 *
 * Profit is kept as one equation that every entry keeps true to the atom,
 *
 *     realized - fees - cost == quote - fees paid in third assets - basis,
 *
 * where cost is what the base held cost in total, and basis is what the account began with plus
 * what was put in or taken out since, in quote. Adding the base's value on both sides gives
 *
 *     realized + (base value - cost) - fees == equity - basis:
 *
 * the total is the change of equity, and no rounding can come between them. A sale takes its share
 * of the cost, rounded down; what the rounding leaves stays with the base that is left, and the
 * last sale takes all. A fee in base is a sale of that base to the exchange at the fill's price; a
 * rebate in base a purchase at it.
 *
 * A deposit or withdrawal of base is valued at the last mid, as the difference it makes to the
 * base's value there: at that mid the total does not move, and from then on the base counts like
 * any other.
 *
 * Fills come once by their trade's id and side: where the account trades with itself (the
 * operator's own order takes one of ours) one trade is two fills. The largest such keys stand in a
 * ring in their order; trade ids of a symbol only rise, so a new one nearly always goes behind the
 * last, and a late one moves few. When the ring is full the smallest leaves, and from then on none
 * up to it is taken for new: whether it was applied cannot be known any more, to apply it twice
 * would be wrong without anybody noticing, and to leave it out shows at once as a difference
 * between ledger and account. */
#include "mm_internal.h"

#include <string.h>

#define TRADE_IDS_MAX ((size_t)1 << 28)
#define TRADE_ID_MAX (INT64_MAX / 2 - 1)
#define BASE 0
#define QUOTE 1
#define ASSET_BYTES 16
/* An engine's table never holds more of a side. */
#define OPEN_MAX (2 * MM_PLAN_MAX)

MM_STATIC_ASSERT(sizeof(((mm_balance *)0)->asset) == ASSET_BYTES, names_of_balances_are_alike);
MM_STATIC_ASSERT(sizeof(((mm_balance_body *)0)->asset) == ASSET_BYTES, names_of_reports_are_alike);
MM_STATIC_ASSERT(sizeof(((mm_fill_body *)0)->fee_asset) == ASSET_BYTES, names_of_fees_are_alike);

typedef struct {
    mm_balance balance;
    int64_t price_e8; /* of a third asset in quote, 0 = not known */
    int64_t time_us;  /* of the newest report, 0 = not said */
    int32_t reported; /* 1 = `free` and `locked` are of a report since the start */
} ledger_asset;

/* The numbers of the equation. */
typedef struct {
    int64_t base_e8;
    int64_t quote_e8;
    int64_t position_e8;
    int64_t cost_e8;
    int64_t realized_e8;
    int64_t fees_e8;
    int64_t third_fees_e8; /* the part of the fees that was not paid in quote or base */
    int64_t basis_e8;
} ledger_books;

struct mm_ledger {
    ledger_asset assets[MM_ASSETS_MAX]; /* BASE and QUOTE are always there */
    size_t asset_count;
    ledger_books books;   /* base_e8, quote_e8 repeat the two balances' ledger_e8 */
    int64_t start_mid_e8; /* 0 = none yet: only balances and position are kept */
    int64_t last_mid_e8;
    uint64_t mark;
    uint64_t fills;
    uint64_t unpriced;
    int64_t *keys; /* ring of fills seen, ascending from key_first */
    size_t key_mask;
    size_t key_first;
    size_t key_count;
    int64_t key_evicted; /* largest that left the ring, -1 = none did */
};

/* ---- Life ------------------------------------------------------------------------------------ */

size_t mm_ledger_bytes(size_t trade_ids)
{
    bool power = trade_ids != 0 && (trade_ids & (trade_ids - 1)) == 0;
    if (!power || trade_ids > TRADE_IDS_MAX) {
        return 0;
    }
    return mm__round_line(sizeof(mm_ledger)) + mm__round_line(trade_ids * sizeof(int64_t));
}

static bool name_is_allowed(const char *asset)
{
    return asset[0] != 0 && memchr(asset, 0, ASSET_BYTES) != NULL;
}

static bool same_name(const char *a, const char *b)
{
    return strncmp(a, b, ASSET_BYTES) == 0;
}

mm_status mm_ledger_init(void *memory, size_t memory_bytes, size_t trade_ids,
                         const mm_symbol *symbol, mm_ledger **ledger)
{
    size_t bytes = mm_ledger_bytes(trade_ids);
    if (bytes == 0 || !name_is_allowed(symbol->base) || !name_is_allowed(symbol->quote) ||
        same_name(symbol->base, symbol->quote)) {
        return MM_E_ARGUMENT;
    }
    if (!mm__memory_fits(memory, memory_bytes, bytes)) {
        return MM_E_CAPACITY;
    }
    mm_ledger *made = memory;
    memset(memory, 0, bytes);
    made->keys = (int64_t *)((unsigned char *)memory + mm__round_line(sizeof *made));
    made->key_mask = trade_ids - 1;
    made->key_evicted = -1;
    made->asset_count = 2;
    strcpy(made->assets[BASE].balance.asset, symbol->base);
    strcpy(made->assets[QUOTE].balance.asset, symbol->quote);
    *ledger = made;
    return MM_OK;
}

/* ---- Fills seen ------------------------------------------------------------------------------ */

static bool id_is_allowed(int64_t trade_id)
{
    return trade_id >= 0 && trade_id <= TRADE_ID_MAX;
}

/* An account is on each side of a trade at most once. */
static int64_t key_of(int32_t side, int64_t trade_id)
{
    MM_ASSERT(side == MM_BID || side == MM_ASK);
    MM_ASSERT(id_is_allowed(trade_id));
    return 2 * trade_id + side;
}

static int64_t *key_at(const mm_ledger *ledger, size_t index)
{
    return &ledger->keys[(ledger->key_first + index) & ledger->key_mask];
}

/* How many of the remembered keys are smaller. */
static size_t key_rank(const mm_ledger *ledger, int64_t key)
{
    size_t low = 0;
    size_t high = ledger->key_count;
    if (high == 0 || *key_at(ledger, high - 1) < key) {
        return high;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (*key_at(ledger, middle) < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool mm_ledger_seen(const mm_ledger *ledger, int32_t side, int64_t trade_id)
{
    int64_t key = key_of(side, trade_id);
    if (key <= ledger->key_evicted) {
        return true;
    }
    size_t rank = key_rank(ledger, key);
    return rank < ledger->key_count && *key_at(ledger, rank) == key;
}

/* The books repeat what the two balances hold. */
static MM_INVARIANT bool books_match(const mm_ledger *ledger)
{
    return ledger->books.base_e8 == ledger->assets[BASE].balance.ledger_e8 &&
           ledger->books.quote_e8 == ledger->assets[QUOTE].balance.ledger_e8;
}

static void remember(mm_ledger *ledger, int32_t side, int64_t trade_id)
{
    MM_ASSERT(!mm_ledger_seen(ledger, side, trade_id));
    int64_t key = key_of(side, trade_id);
    size_t rank = key_rank(ledger, key);
    if (ledger->key_count <= ledger->key_mask) {
        ledger->key_count++;
    } else if (rank == 0) {
        ledger->key_evicted = key; /* smaller than all of a full ring: it would leave at once */
        return;
    } else {
        ledger->key_evicted = *key_at(ledger, 0);
        ledger->key_first = (ledger->key_first + 1) & ledger->key_mask;
        rank--;
    }
    for (size_t at = ledger->key_count - 1; at > rank; at--) {
        *key_at(ledger, at) = *key_at(ledger, at - 1);
    }
    *key_at(ledger, rank) = key;
}

/* ---- Exact sums: the first failure sticks ---------------------------------------------------- */

static void note(mm_status *status, mm_status next)
{
    *status = *status != MM_OK ? *status : next;
}

static void add(mm_status *status, int64_t *sum, int64_t amount)
{
    note(status, mm_fixed_add(*sum, amount, sum));
}

static void subtract(mm_status *status, int64_t *difference, int64_t amount)
{
    note(status, mm_fixed_sub(*difference, amount, difference));
}

/* a * b rounded down; 0 after a failure. */
static int64_t value_of(mm_status *status, int64_t qty_e8, int64_t price_e8)
{
    int64_t value_e8 = 0;
    mm_status multiplied = mm_fixed_mul(qty_e8, price_e8, MM_ROUND_FLOOR, &value_e8);
    note(status, multiplied);
    return multiplied == MM_OK ? value_e8 : 0;
}

/* ---- Entries --------------------------------------------------------------------------------- */

/* Base comes in that cost so much. */
static void base_in(mm_status *status, ledger_books *books, int64_t qty_e8, int64_t cost_e8)
{
    MM_ASSERT(qty_e8 >= 0);
    add(status, &books->base_e8, qty_e8);
    add(status, &books->cost_e8, cost_e8);
}

/* Base goes out that brought so much. MM_E_STATE: there is less. */
static void base_out(mm_status *status, ledger_books *books, int64_t qty_e8, int64_t value_e8)
{
    MM_ASSERT(qty_e8 > 0);
    if (qty_e8 > books->base_e8) {
        note(status, MM_E_STATE);
        return;
    }
    int64_t share_e8 = 0;
    mm_status shared = mm_fixed_muldiv(books->cost_e8, qty_e8, books->base_e8, MM_ROUND_FLOOR, &share_e8);
    MM_ASSERT(shared == MM_OK); /* qty <= base, so the share is no more than the cost */
    books->base_e8 -= qty_e8;
    books->cost_e8 -= share_e8;
    add(status, &books->realized_e8, value_e8);
    subtract(status, &books->realized_e8, share_e8);
}

static void trade(mm_status *status, ledger_books *books, int32_t side, int64_t qty_e8,
                  int64_t quote_e8)
{
    if (side == MM_BID) {
        base_in(status, books, qty_e8, quote_e8);
        subtract(status, &books->quote_e8, quote_e8);
        add(status, &books->position_e8, qty_e8);
    } else {
        base_out(status, books, qty_e8, quote_e8);
        add(status, &books->quote_e8, quote_e8);
        subtract(status, &books->position_e8, qty_e8);
    }
}

static void fee_in_base(mm_status *status, ledger_books *books, int64_t fee_e8, int64_t price_e8)
{
    int64_t magnitude_e8 = fee_e8 < 0 ? -fee_e8 : fee_e8;
    int64_t value_e8 = value_of(status, magnitude_e8, price_e8);
    if (fee_e8 >= 0) {
        base_out(status, books, fee_e8, value_e8);
        add(status, &books->fees_e8, value_e8);
    } else {
        base_in(status, books, magnitude_e8, value_e8);
        subtract(status, &books->fees_e8, value_e8);
    }
    subtract(status, &books->position_e8, fee_e8);
}

static void fee_in_quote(mm_status *status, ledger_books *books, int64_t fee_e8)
{
    subtract(status, &books->quote_e8, fee_e8);
    add(status, &books->fees_e8, fee_e8);
}

static void fee_in_third(mm_status *status, ledger_books *books, int64_t fee_e8, int64_t price_e8)
{
    int64_t magnitude_e8 = fee_e8 < 0 ? -fee_e8 : fee_e8;
    int64_t value_e8 = value_of(status, magnitude_e8, price_e8);
    value_e8 = fee_e8 < 0 ? -value_e8 : value_e8;
    add(status, &books->fees_e8, value_e8);
    add(status, &books->third_fees_e8, value_e8);
}

/* Base put in or taken out from outside, valued at a mid (0 = none yet). MM_E_STATE: less is there.
 */
static void base_moved(mm_status *status, ledger_books *books, int64_t delta_e8, int64_t mid_e8)
{
    int64_t after_e8 = books->base_e8;
    add(status, &after_e8, delta_e8);
    if (after_e8 < 0) {
        *status = MM_E_STATE;
        return;
    }
    int64_t value_e8 =
        value_of(status, after_e8, mid_e8) - value_of(status, books->base_e8, mid_e8);
    if (delta_e8 >= 0) {
        base_in(status, books, delta_e8, value_e8);
    } else {
        base_out(status, books, -delta_e8, -value_e8);
    }
    add(status, &books->basis_e8, value_e8);
}

static void quote_moved(mm_status *status, ledger_books *books, int64_t delta_e8)
{
    add(status, &books->quote_e8, delta_e8);
    add(status, &books->basis_e8, delta_e8);
}

/* Before the first mid nothing has a value: cost and profit begin there. */
static void forget_profit(ledger_books *books)
{
    books->cost_e8 = 0;
    books->realized_e8 = 0;
    books->fees_e8 = 0;
    books->third_fees_e8 = 0;
    books->basis_e8 = 0;
}

static void commit(mm_ledger *ledger, const ledger_books *books)
{
    ledger->books = *books;
    if (ledger->start_mid_e8 == 0) {
        forget_profit(&ledger->books);
    }
    MM_ASSERT(ledger->books.base_e8 >= 0);
    MM_ASSERT(ledger->books.cost_e8 >= 0);
    ledger->assets[BASE].balance.ledger_e8 = books->base_e8;
    ledger->assets[QUOTE].balance.ledger_e8 = books->quote_e8;
}

/* ---- Assets ---------------------------------------------------------------------------------- */

/* NULL: not known. */
static ledger_asset *asset_of(mm_ledger *ledger, const char *name)
{
    for (size_t i = 0; i < ledger->asset_count; i++) {
        if (same_name(ledger->assets[i].balance.asset, name)) {
            return &ledger->assets[i];
        }
    }
    return NULL;
}

/* NULL: no room, or not a name. */
static ledger_asset *asset_made(mm_ledger *ledger, const char *name)
{
    ledger_asset *asset = asset_of(ledger, name);
    if (asset != NULL || ledger->asset_count == MM_ASSETS_MAX || !name_is_allowed(name)) {
        return asset;
    }
    asset = &ledger->assets[ledger->asset_count++];
    strcpy(asset->balance.asset, name);
    return asset;
}

/* An asset changes from outside by `delta_e8`; of base and quote the basis moves with it. */
static mm_status move_asset(mm_ledger *ledger, ledger_asset *asset, int64_t delta_e8,
                            int64_t mid_e8)
{
    ledger_books books = ledger->books;
    mm_status status = MM_OK;
    if (asset == &ledger->assets[BASE]) {
        base_moved(&status, &books, delta_e8, mid_e8);
    } else if (asset == &ledger->assets[QUOTE]) {
        quote_moved(&status, &books, delta_e8);
    } else {
        add(&status, &asset->balance.ledger_e8, delta_e8);
    }
    if (status == MM_OK) {
        commit(ledger, &books);
    }
    return status;
}

/* The first report of an asset: what our fills and known deposits changed before is part of it, the
 * rest was there at the start. */
static mm_status begin_asset(mm_ledger *ledger, ledger_asset *asset, int64_t total_e8)
{
    mm_status status = MM_OK;
    int64_t delta_e8 = total_e8;
    int64_t start_e8 = asset->balance.start_e8;
    subtract(&status, &delta_e8, asset->balance.ledger_e8);
    add(&status, &start_e8, delta_e8);
    if (status == MM_OK) {
        status = move_asset(ledger, asset, delta_e8, ledger->start_mid_e8);
    }
    if (status == MM_OK) {
        asset->balance.start_e8 = start_e8;
        asset->reported = 1;
    }
    return status;
}

mm_status mm_ledger_balance(mm_ledger *ledger, const mm_balance_body *balance)
{
    mm_status status = MM_OK;
    int64_t total_e8 = balance->free_e8;
    if (!name_is_allowed(balance->asset) || balance->free_e8 < 0 || balance->locked_e8 < 0) {
        return MM_E_ARGUMENT;
    }
    ledger_asset *asset = asset_of(ledger, balance->asset);
    if (asset == NULL) {
        return MM_OK; /* whatever the account does with it is nothing our fills could explain */
    }
    add(&status, &total_e8, balance->locked_e8);
    if (status != MM_OK) {
        return status;
    }
    /* A read may lag behind events that came before its answer. They count in ms, events perhaps finer. */
    if (asset->reported && balance->time_us > 0 && balance->time_us / 1000 < asset->time_us / 1000) {
        return MM_OK;
    }
    if (!asset->reported) {
        status = begin_asset(ledger, asset, total_e8);
        if (status != MM_OK) {
            return status;
        }
    }
    asset->balance.free_e8 = balance->free_e8;
    asset->balance.locked_e8 = balance->locked_e8;
    asset->balance.mark = ++ledger->mark;
    asset->time_us = balance->time_us > 0 ? balance->time_us : asset->time_us;
    MM_ASSERT(asset->reported);
    MM_ASSERT(books_match(ledger));
    return MM_OK;
}

mm_status mm_ledger_deposit(mm_ledger *ledger, const mm_balance_body *delta)
{
    mm_status status = MM_OK;
    int64_t delta_e8 = delta->free_e8;
    if (!name_is_allowed(delta->asset)) {
        return MM_E_ARGUMENT;
    }
    ledger_asset *asset = asset_of(ledger, delta->asset);
    if (asset == NULL) {
        return MM_OK;
    }
    add(&status, &delta_e8, delta->locked_e8);
    return status != MM_OK ? status : move_asset(ledger, asset, delta_e8, ledger->last_mid_e8);
}

/* ---- Fills ----------------------------------------------------------------------------------- */

/* The fee of a fill; who paid it and what it has paid altogether are given back through *payer and *paid_e8. */
static void charge(mm_status *status, mm_ledger *ledger, ledger_books *books, int64_t price_e8,
                   const mm_fill_body *fill, ledger_asset **payer, int64_t *paid_e8)
{
    if (fill->fee_e8 == 0 || *status != MM_OK) {
        return; /* a fill that is refused leaves no asset behind */
    }
    ledger_asset *asset = asset_made(ledger, fill->fee_asset);
    if (asset == NULL || fill->fee_e8 == INT64_MIN) {
        *status = asset != NULL                      ? MM_E_OVERFLOW
                  : name_is_allowed(fill->fee_asset) ? MM_E_CAPACITY
                                                     : MM_E_ARGUMENT;
        return;
    }
    if (asset == &ledger->assets[BASE]) {
        fee_in_base(status, books, fill->fee_e8, price_e8);
    } else if (asset == &ledger->assets[QUOTE]) {
        fee_in_quote(status, books, fill->fee_e8);
    } else {
        fee_in_third(status, books, fill->fee_e8, asset->price_e8);
    }
    *payer = asset;
    *paid_e8 = asset->balance.fees_e8;
    add(status, paid_e8, fill->fee_e8);
}

/* The fee is paid: of base and quote the books have it, a third asset's balance is kept here. */
static mm_status pay(mm_ledger *ledger, ledger_asset *asset, int64_t fee_e8, int64_t paid_e8)
{
    mm_status status = MM_OK;
    if (asset > &ledger->assets[QUOTE]) {
        int64_t left_e8 = asset->balance.ledger_e8;
        subtract(&status, &left_e8, fee_e8);
        if (status != MM_OK) {
            return status;
        }
        asset->balance.ledger_e8 = left_e8;
        ledger->unpriced += asset->price_e8 == 0;
    }
    asset->balance.fees_e8 = paid_e8;
    return status;
}

bool mm_ledger_fill(mm_ledger *ledger, int32_t side, int64_t price_e8, int64_t qty_e8,
                    const mm_fill_body *fill, mm_status *status)
{
    MM_ASSERT(side == MM_BID || side == MM_ASK);
    *status = MM_OK;
    if (!id_is_allowed(fill->trade_id) || price_e8 <= 0 || qty_e8 <= 0) {
        *status = MM_E_ARGUMENT;
        return true;
    }
    if (mm_ledger_seen(ledger, side, fill->trade_id)) {
        return false;
    }
    ledger_books books = ledger->books;
    ledger_asset *payer = NULL;
    int64_t paid_e8 = 0;
    int64_t quote_e8 = fill->quote_e8 < 0 ? value_of(status, qty_e8, price_e8) : fill->quote_e8;
    trade(status, &books, side, qty_e8, quote_e8);
    charge(status, ledger, &books, price_e8, fill, &payer, &paid_e8);
    if (*status == MM_OK && payer != NULL) {
        *status = pay(ledger, payer, fill->fee_e8, paid_e8);
    }
    if (*status != MM_OK) {
        return true;
    }
    commit(ledger, &books);
    remember(ledger, side, fill->trade_id);
    ledger->fills++;
    MM_ASSERT(books_match(ledger) && mm_ledger_seen(ledger, side, fill->trade_id));
    return true;
}

/* Of an asset that no report has shown yet there is nothing to move: the first one has the trade in it. */
static mm_status adopt_part(mm_ledger *ledger, const char *asset, int64_t amount_e8)
{
    mm_balance_body delta;
    const ledger_asset *known = asset_of(ledger, asset);
    if (known == NULL || !known->reported) {
        return MM_OK;
    }
    memset(&delta, 0, sizeof delta);
    memcpy(delta.asset, asset, sizeof delta.asset);
    delta.free_e8 = amount_e8;
    return amount_e8 == 0 ? MM_OK : mm_ledger_deposit(ledger, &delta);
}

mm_status mm_ledger_adopt(mm_ledger *ledger, int32_t side, int64_t price_e8, int64_t qty_e8,
                          const mm_fill_body *fill)
{
    mm_status status = MM_OK;
    if (!id_is_allowed(fill->trade_id) || price_e8 <= 0 || qty_e8 <= 0 || (side != MM_BID && side != MM_ASK)) {
        return MM_E_ARGUMENT;
    }
    if (fill->fee_e8 == INT64_MIN) {
        return MM_E_OVERFLOW;
    }
    if (mm_ledger_seen(ledger, side, fill->trade_id)) {
        return MM_OK;
    }
    /* All of it or nothing: what was refused will be told again. */
    ledger_asset assets[MM_ASSETS_MAX];
    ledger_books books = ledger->books;
    memcpy(assets, ledger->assets, sizeof assets);
    int64_t quote_e8 = fill->quote_e8 < 0 ? value_of(&status, qty_e8, price_e8) : fill->quote_e8;
    if (status == MM_OK) {
        status = adopt_part(ledger, ledger->assets[BASE].balance.asset, side == MM_BID ? qty_e8 : -qty_e8);
    }
    if (status == MM_OK) {
        status = adopt_part(ledger, ledger->assets[QUOTE].balance.asset, side == MM_BID ? -quote_e8 : quote_e8);
    }
    if (status == MM_OK && fill->fee_asset[0] != 0) {
        status = adopt_part(ledger, fill->fee_asset, -fill->fee_e8);
    }
    if (status == MM_OK) {
        remember(ledger, side, fill->trade_id);
    } else {
        ledger->books = books;
        memcpy(ledger->assets, assets, sizeof assets);
    }
    MM_ASSERT(books_match(ledger));
    MM_ASSERT(status != MM_OK || mm_ledger_seen(ledger, side, fill->trade_id));
    return status;
}

mm_status mm_ledger_adopt_balances(mm_ledger *ledger)
{
    mm_status status = MM_OK;
    for (size_t i = 0; i < ledger->asset_count; i++) {
        ledger_asset *asset = &ledger->assets[i];
        if (!asset->reported) {
            continue; /* the first report will have it: what came from trades or deposits until then stays */
        }
        int64_t delta_e8 = asset->balance.free_e8; /* the sum fits, it was checked when it was reported */
        add(&status, &delta_e8, asset->balance.locked_e8);
        subtract(&status, &delta_e8, asset->balance.ledger_e8);
        if (status == MM_OK && delta_e8 != 0) {
            status = move_asset(ledger, asset, delta_e8, ledger->last_mid_e8);
        }
    }
    MM_ASSERT(status != MM_OK || mm_ledger_equal(ledger));
    return status;
}

void mm_ledger_forget_times(mm_ledger *ledger)
{
    for (size_t i = 0; i < ledger->asset_count; i++) {
        ledger->assets[i].time_us = 0;
    }
}

void mm_ledger_rebase(mm_ledger *ledger)
{
    for (size_t i = 0; i < ledger->asset_count; i++) {
        ledger_asset *asset = &ledger->assets[i];
        /* Until its first report the asset stands as the account last had it. */
        asset->balance.ledger_e8 = asset->balance.free_e8 + asset->balance.locked_e8;
        asset->balance.start_e8 = asset->balance.ledger_e8;
        asset->reported = 0;
        asset->balance.fees_e8 = 0;
        asset->time_us = 0; /* the account may be another one */
    }
    memset(&ledger->books, 0, sizeof ledger->books);
    ledger->books.base_e8 = ledger->assets[BASE].balance.ledger_e8;
    ledger->books.quote_e8 = ledger->assets[QUOTE].balance.ledger_e8;
    ledger->start_mid_e8 = 0;
    ledger->last_mid_e8 = 0;
    ledger->fills = 0;
    ledger->unpriced = 0;
    ledger->key_first = 0;
    ledger->key_count = 0;
    ledger->key_evicted = -1;
    MM_ASSERT(books_match(ledger));
    MM_ASSERT(mm_ledger_equal(ledger)); /* nothing is reported that could differ */
}

/* ---- Values ---------------------------------------------------------------------------------- */

void mm_ledger_start_mid(mm_ledger *ledger, int64_t mid_e8)
{
    MM_ASSERT(mid_e8 > 0);
    ledger_books *books = &ledger->books;
    ledger->last_mid_e8 = mid_e8;
    if (ledger->start_mid_e8 != 0) {
        return;
    }
    mm_status status = MM_OK;
    int64_t cost_e8 = value_of(&status, books->base_e8, mid_e8);
    int64_t basis_e8 = books->quote_e8;
    add(&status, &basis_e8, cost_e8);
    if (status == MM_OK) { /* else there is no profit to be told: mm_ledger_pnl stays false */
        forget_profit(books);
        books->cost_e8 = cost_e8;
        books->basis_e8 = basis_e8;
        ledger->start_mid_e8 = mid_e8;
    }
}

void mm_ledger_price(mm_ledger *ledger, const char *asset, int64_t price_e8)
{
    ledger_asset *known = asset_made(ledger, asset);
    if (known != NULL) {
        known->price_e8 = price_e8 > 0 ? price_e8 : 0;
    }
}

bool mm_ledger_pnl(const mm_ledger *ledger, int64_t mid_e8, mm_pnl *pnl)
{
    const ledger_books *books = &ledger->books;
    mm_status status = MM_OK;
    if (ledger->start_mid_e8 == 0 || mid_e8 <= 0) {
        return false;
    }
    mm_pnl made;
    made.realized_e8 = books->realized_e8;
    made.fees_e8 = books->fees_e8;
    made.unrealized_e8 = value_of(&status, books->base_e8, mid_e8);
    subtract(&status, &made.unrealized_e8, books->cost_e8);
    made.total_e8 = made.realized_e8;
    add(&status, &made.total_e8, made.unrealized_e8);
    subtract(&status, &made.total_e8, made.fees_e8);
    if (status == MM_OK) {
        *pnl = made;
    }
    return status == MM_OK;
}

bool mm_ledger_equity(const mm_ledger *ledger, int64_t mid_e8, int64_t *equity_e8)
{
    mm_status status = MM_OK;
    if (mid_e8 <= 0) {
        return false;
    }
    int64_t sum_e8 = value_of(&status, ledger->books.base_e8, mid_e8);
    add(&status, &sum_e8, ledger->books.quote_e8);
    subtract(&status, &sum_e8, ledger->books.third_fees_e8);
    if (status == MM_OK) {
        *equity_e8 = sum_e8;
    }
    return status == MM_OK;
}

int64_t mm_ledger_position(const mm_ledger *ledger)
{
    return ledger->books.position_e8;
}

int64_t mm_ledger_base(const mm_ledger *ledger)
{
    return ledger->books.base_e8;
}

int64_t mm_ledger_quote(const mm_ledger *ledger)
{
    return ledger->books.quote_e8;
}

/* ---- What may be used ------------------------------------------------------------------------ */

/* Whether the last report of the asset came before the order's lock was in it. */
static bool is_not_in_free(const mm_order *order, const mm_balance *balance)
{
    return order->state != MM_ORDER_LIVE || balance->mark <= order->balance_mark;
}

/* What an order of quantity qty_e8 locks with what has been executed of it. */
static int64_t lock_of(const mm_order *order, int64_t qty_e8, int32_t rounding, mm_status *status)
{
    int64_t need_e8 = qty_e8 > order->executed_e8 ? qty_e8 - order->executed_e8 : 0;
    if (order->side == MM_BID) {
        *status = mm_fixed_mul(need_e8, order->price_e8, rounding, &need_e8);
    }
    return *status == MM_OK ? need_e8 : 0;
}

/* What comes free when a resting order goes: nothing as long as its lock is not in the balance; of a quantity that
 * is being made smaller, the smaller. */
static int64_t freed_by(const mm_order *order, const mm_balance *balance)
{
    if (order == NULL || is_not_in_free(order, balance)) {
        return 0;
    }
    mm_status status = MM_OK;
    return lock_of(order, order->amend_qty_e8 != 0 ? order->amend_qty_e8 : order->qty_e8, MM_ROUND_FLOOR, &status);
}

/* What an order will lock beyond what comes free with the one it replaces. */
static int64_t need_of(const mm_orders *orders, const mm_order *order, const mm_balance *balance, mm_status *status)
{
    int64_t need_e8 = lock_of(order, order->qty_e8, MM_ROUND_CEIL, status);
    const mm_order *old = order->replaces_seq != 0 ? mm_orders_find(orders, order->replaces_seq) : NULL;
    int64_t freed_e8 = old != NULL && old->replaced_by == order->seq ? freed_by(old, balance) : 0;
    return need_e8 > freed_e8 ? need_e8 - freed_e8 : 0;
}

int64_t mm_ledger_available(const mm_ledger *ledger, const mm_orders *orders, int32_t side, const mm_order *leaves)
{
    MM_ASSERT(side == MM_BID || side == MM_ASK);
    MM_ASSERT(leaves == NULL || leaves->side == side);
    const mm_balance *balance = &ledger->assets[side == MM_BID ? QUOTE : BASE].balance;
    mm_order *open[OPEN_MAX + 1];
    int64_t left_e8 = balance->free_e8;
    mm_status status = mm_fixed_add(left_e8, freed_by(leaves, balance), &left_e8);
    size_t count = mm_orders_open(orders, side, open, MM_ARRAY_COUNT(open));
    if (count > OPEN_MAX) {
        return 0;
    }
    for (size_t i = 0; i < count && status == MM_OK; i++) {
        if (open[i] == leaves || !is_not_in_free(open[i], balance)) {
            continue;
        }
        int64_t need_e8 = need_of(orders, open[i], balance, &status);
        left_e8 = status == MM_OK && need_e8 < left_e8 ? left_e8 - need_e8 : 0;
    }
    return status == MM_OK ? left_e8 : 0;
}

uint64_t mm_ledger_mark(const mm_ledger *ledger)
{
    return ledger->mark;
}

bool mm_ledger_equal(const mm_ledger *ledger)
{
    for (size_t i = 0; i < ledger->asset_count; i++) {
        const mm_balance *balance = &ledger->assets[i].balance;
        if (ledger->assets[i].reported && balance->free_e8 + balance->locked_e8 != balance->ledger_e8) {
            return false;
        }
    }
    return true;
}

size_t mm_ledger_balances(const mm_ledger *ledger, mm_balance *out, size_t out_capacity)
{
    size_t count = ledger->asset_count < out_capacity ? ledger->asset_count : out_capacity;
    for (size_t i = 0; i < count; i++) {
        out[i] = ledger->assets[i].balance;
    }
    return count;
}

uint64_t mm_ledger_unpriced(const mm_ledger *ledger)
{
    return ledger->unpriced;
}

uint64_t mm_ledger_fills(const mm_ledger *ledger)
{
    return ledger->fills;
}

int64_t mm_ledger_last_trade_id(const mm_ledger *ledger)
{
    return ledger->key_count == 0 ? -1 : *key_at(ledger, ledger->key_count - 1) / 2;
}

/* ---- Invariants ------------------------------------------------------------------------------ */

static MM_INVARIANT bool equation_holds(const ledger_books *books)
{
    mm_status status = MM_OK;
    int64_t left_e8 = books->realized_e8;
    int64_t right_e8 = books->quote_e8;
    subtract(&status, &left_e8, books->fees_e8);
    subtract(&status, &left_e8, books->cost_e8);
    subtract(&status, &right_e8, books->third_fees_e8);
    subtract(&status, &right_e8, books->basis_e8);
    return status != MM_OK || left_e8 == right_e8;
}

MM_INVARIANT bool mm_ledger_valid(const mm_ledger *ledger)
{
    const ledger_books *books = &ledger->books;
    bool sides = ledger->assets[BASE].balance.ledger_e8 == books->base_e8 &&
                 ledger->assets[QUOTE].balance.ledger_e8 == books->quote_e8;
    bool cost =
        books->base_e8 >= 0 && books->cost_e8 >= 0 && (books->base_e8 > 0 || books->cost_e8 == 0);
    bool profit = ledger->start_mid_e8 == 0 || equation_holds(books);
    bool bounds = ledger->asset_count >= 2 && ledger->asset_count <= MM_ASSETS_MAX &&
                  ledger->key_count <= ledger->key_mask + 1;
    for (size_t i = 1; i < ledger->key_count; i++) {
        if (*key_at(ledger, i - 1) >= *key_at(ledger, i)) {
            return false;
        }
    }
    bool fence = ledger->key_count == 0 || *key_at(ledger, 0) > ledger->key_evicted;
    return sides && cost && profit && bounds && fence;
}
