/* An exact order book from the bytes an exchange sends.
 *
 *   mm_feed   decodes JSON to records: one header and the levels behind it
 *   mm_sync   puts snapshot and diffs together by their update ids and sees when one is missing
 *   mm_book   holds the book and answers questions about it
 *
 * A program with a socket would hand each message to `take` as it comes; here they stand in a
 * table. Build it with
 *
 *   cc -std=c99 embed_book.c $(pkg-config --cflags --libs mmcore)
 */
#include <mmcore.h>
#include <stdio.h>
#include <string.h>

#define TICK_E8 1000000 /* 0.01 */
#define LEVELS_MAX 1000 /* a side; memory is taken once, for these */
#define LEVELS_ASKED 5  /* what the snapshot was asked for: a shorter side is there wholly */
#define RECORDS_MAX 64  /* room for one decoded message of this program */

/* Two diffs come before the snapshot and are kept. The snapshot holds all up to id 100: the first
 * diff is older and is dropped, the second goes on from it. The last diff does not follow the one
 * before it: 104 is missing. */
static const char *const messages[] = {
    "{\"e\":\"depthUpdate\",\"E\":1700000000100,\"s\":\"BTCUSDT\",\"U\":97,\"u\":98,"
    "\"b\":[[\"66999.98\",\"9\"]],\"a\":[]}",
    "{\"e\":\"depthUpdate\",\"E\":1700000000200,\"s\":\"BTCUSDT\",\"U\":99,\"u\":102,"
    "\"b\":[[\"66999.99\",\"0.75\"]],\"a\":[[\"67000.01\",\"0\"]]}",
    "{\"lastUpdateId\":100,"
    "\"bids\":[[\"66999.99\",\"1.5\"],[\"66999.98\",\"2\"],[\"66999.95\",\"4\"]],"
    "\"asks\":[[\"67000.01\",\"0.5\"],[\"67000.02\",\"1\"],[\"67000.10\",\"3\"]]}",
    "{\"e\":\"depthUpdate\",\"E\":1700000000300,\"s\":\"BTCUSDT\",\"U\":103,\"u\":103,"
    "\"b\":[[\"67000.00\",\"0.25\"]],\"a\":[]}",
    "{\"e\":\"depthUpdate\",\"E\":1700000000500,\"s\":\"BTCUSDT\",\"U\":105,\"u\":106,"
    "\"b\":[],\"a\":[[\"67000.02\",\"0.1\"]]}",
};

static const char *const outcomes[] = {
    "diff kept until a snapshot comes",     "diff applied",
    "diff dropped: older than the book",    "a diff is missing: ask for a snapshot",
    "snapshot too old: ask for another",    "snapshot taken, kept diffs applied",
    "too many diffs kept: the oldest went",
};

typedef struct program {
    mm_feed *feed;
    mm_sync *sync;
    mm_book *book;
} program;

static void print_e8(const char *label, int64_t value_e8)
{
    char text[MM_FIXED_TEXT_MAX];
    size_t bytes = mm_fixed_format(value_e8, 2, text);
    printf("%s%.*s", label, (int)bytes, text);
}

static void print_book(const mm_book *book)
{
    const mm_top *top = mm_book_top(book);
    double imbalance = 0.0;
    if (!mm_book_imbalance(book, 5, &imbalance)) {
        printf("  no book\n");
        return;
    }
    print_e8("  bid ", top->bid_price_e8);
    print_e8(" x ", top->bid_qty_e8);
    print_e8(", ask ", top->ask_price_e8);
    print_e8(" x ", top->ask_qty_e8);
    printf(", imbalance %+.3f\n", imbalance);
}

/* Returns MM_SYNC_*, or a status below zero for a message that cannot be read. */
static int32_t take(program *self, const char *text)
{
    mm_record records[RECORDS_MAX];
    size_t record_count = 0;
    size_t error_at = 0;
    mm_status status = mm_feed_decode(self->feed, text, strlen(text), 0, records, RECORDS_MAX,
                                      &record_count, &error_at);
    if (status != MM_OK) {
        printf("byte %lu: %s\n", (unsigned long)error_at, mm_status_text(status));
        return status;
    }
    if (record_count > 0 && records[0].kind == MM_KIND_SNAPSHOT) {
        return mm_sync_snapshot(self->sync, self->book, records, LEVELS_ASKED);
    }
    if (record_count > 0 && records[0].kind == MM_KIND_DEPTH) {
        return mm_sync_depth(self->sync, self->book, records);
    }
    return MM_SYNC_DROPPED; /* another kind of message: not the book's */
}

/* What must be true of the book after a message with this outcome. */
static bool is_right(const program *self, int32_t outcome)
{
    int64_t horizon_e8;
    mm_level bid;
    switch (outcome) {
    case MM_SYNC_REPLAYED:
        /* Both sides of the snapshot were shorter than asked for: nothing can hide beyond them. */
        return !mm_book_horizon(self->book, MM_BID, &horizon_e8) &&
               !mm_book_horizon(self->book, MM_ASK, &horizon_e8);
    case MM_SYNC_APPLIED:
        return mm_book_best(self->book, MM_BID, &bid) && bid.price_e8 == 67000 * (int64_t)MM_ONE_E8;
    default:
        /* Before the snapshot, and after a gap, nothing may be asked of the book. */
        return mm_sync_state(self->sync) == MM_SYNC_WAITING;
    }
}

static int run(program *self)
{
    static const int32_t expected[] = {MM_SYNC_BUFFERED, MM_SYNC_BUFFERED, MM_SYNC_REPLAYED,
                                       MM_SYNC_APPLIED, MM_SYNC_GAP};
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        int32_t outcome = take(self, messages[i]);
        if (outcome != expected[i]) {
            printf("message %lu: outcome %d\n", (unsigned long)i, (int)outcome);
            return 1;
        }
        printf("%s\n", outcomes[outcome]);
        print_book(self->book);
        if (!is_right(self, outcome)) {
            printf("WRONG\n");
            return 1;
        }
    }
    return mm_book_valid(self->book) ? 0 : 1;
}

int main(void)
{
    mm_feed_config config;
    memset(&config, 0, sizeof config);
    strcpy(config.symbol, "BTCUSDT");
    program self = {mm_feed_new(&config), mm_sync_new(MM_EVENT_RECORDS_MAX),
                    mm_book_new(LEVELS_MAX, TICK_E8)};
    int result = 1;
    if (self.feed != NULL && self.sync != NULL && self.book != NULL) {
        printf("mmcore %s\n", mm_build_info());
        result = run(&self);
    }
    mm_book_free(self.book);
    mm_sync_free(self.sync);
    mm_feed_free(self.feed);
    return result;
}
