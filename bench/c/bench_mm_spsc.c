/* The ring between two pinned threads: throughput, and the round trip beside that of a bare cache
 * line.
 *
 * A line that two cores write in turn is the least any hand-over can cost, and its time changes
 * from process to process with where the cores and the memory lie; so it is measured here, turn by
 * turn with the ring. */
#include "mm_bench.h"

#include "mm_internal.h"

#include <pthread.h>

enum { CAPACITY = 4096, BATCH = 16 };
/* A repetition ends within a time slice or two, so that on a busy machine some of them run undisturbed. */
#define THROUGHPUT_RECORDS UINT64_C(1000000)
#define ROUND_TRIPS UINT64_C(20000)

static const char WORKLOAD_THROUGHPUT[] = "64B x2 cores, cap 4096";
static const char WORKLOAD_ROUND_TRIP[] = "64B ping-pong 2 cores";

typedef struct {
    mm_spsc *there;
    mm_spsc *back;
    uint64_t rounds;
    uint64_t sum;
} peer;

typedef struct {
    uint64_t word;
    char pad[MM_CACHE_PAIR_BYTES - sizeof(uint64_t)];
} line;

typedef struct {
    line *there;
    line *back;
} line_peer;

static pthread_t start(void *(*run)(void *), void *context)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, context) != 0) {
        fprintf(stderr, "bench_mm_spsc: no thread could be started\n");
        exit(1);
    }
    return thread;
}

static mm_spsc *ring_new(void)
{
    mm_spsc *ring = mm_spsc_new(CAPACITY);
    if (ring == NULL) {
        fprintf(stderr, "bench_mm_spsc: no memory\n");
        exit(1);
    }
    return ring;
}

/* An event of `count` records whose every payload word says `value`. */
static void fill(mm_record *records, uint32_t count, uint64_t value)
{
    for (uint32_t i = 0; i < count; i++) {
        records[i].kind = MM_KIND_TIMER;
        records[i].flags = 0;
        records[i].count = i == 0 ? count : 0;
        records[i].body.command.now_ns = (int64_t)value;
        records[i].body.command.command = (int64_t)value;
        records[i].body.command.value = (int64_t)value;
        records[i].body.command.value2 = (int64_t)value;
        records[i].body.command.verdict = value;
        records[i].body.command.order_seq = value;
    }
}

/* ---- Throughput ------------------------------------------------------------------------------ */

/* Takes events of any length until `rounds` records have come. It pauses when there is none, as a consumer that spins
 * does: looking without a pause would take the line away that the producer is writing. */
static void *take_all(void *context)
{
    peer *self = context;
    (void)mm_bench_pin(1);
    for (uint64_t seen = 0; seen < self->rounds;) {
        const mm_record *header = mm_spsc_peek(self->there);
        if (header == NULL) {
            mm__pause();
            continue;
        }
        uint32_t count = header->count;
        for (uint32_t i = 0; i < count; i++) {
            self->sum += mm_spsc_at(self->there, i)->body.command.order_seq;
        }
        mm_spsc_release(self->there);
        seen += count;
    }
    return NULL;
}

static void bench_throughput(const mm_bench *bench, const char *figure, uint32_t batch)
{
    mm_bench_samples samples = {0};
    mm_record records[BATCH];
    if (!mm_bench_wants(bench, figure)) {
        return;
    }
    for (int rep = 0; rep < bench->reps; rep++) {
        peer other = {ring_new(), NULL, THROUGHPUT_RECORDS, 0};
        pthread_t thread = start(take_all, &other);
        uint64_t sum = 0;
        int64_t start_ns = mm_bench_now_ns();
        for (uint64_t i = 0; i < THROUGHPUT_RECORDS; i += batch) {
            fill(records, batch, i);
            while (!mm_spsc_push(other.there, records)) {
                mm__pause();
            }
            sum += i * batch;
        }
        pthread_join(thread, NULL);
        mm_bench_add(&samples, (double)(mm_bench_now_ns() - start_ns), THROUGHPUT_RECORDS);
        if (other.sum != sum) {
            fprintf(stderr, "bench_mm_spsc: records were lost\n");
            exit(1);
        }
        mm_spsc_free(other.there);
    }
    char extra[64];
    snprintf(extra, sizeof(extra), ",\"records_per_event\":%" PRIu32, batch);
    mm_bench_emit(figure, WORKLOAD_THROUGHPUT, &samples, extra);
}

static void bench_same_thread(const mm_bench *bench)
{
    mm_bench_samples samples = {0};
    mm_record record;
    mm_record out;
    if (!mm_bench_wants(bench, "spsc_same_thread_push_pop")) {
        return;
    }
    mm_spsc *ring = ring_new();
    for (int rep = 0; rep < bench->reps; rep++) {
        int64_t start_ns = mm_bench_now_ns();
        for (uint64_t i = 0; i < THROUGHPUT_RECORDS; i++) {
            fill(&record, 1, i);
            mm_bench_barrier();
            bool pushed = mm_spsc_push(ring, &record);
            size_t popped = mm_spsc_pop(ring, &out, 1);
            mm_bench_sink(out.body.command.order_seq + (pushed ? popped : 0));
        }
        mm_bench_add(&samples, (double)(mm_bench_now_ns() - start_ns), THROUGHPUT_RECORDS);
    }
    mm_spsc_free(ring);
    mm_bench_emit("spsc_same_thread_push_pop", "64B", &samples, "");
}

/* ---- Round trip ------------------------------------------------------------------------------ */

static uint64_t take_one(mm_spsc *ring)
{
    const mm_record *header = mm_spsc_peek(ring);
    while (header == NULL) {
        header = mm_spsc_peek(ring);
    }
    uint64_t value = header->body.command.order_seq;
    mm_spsc_release(ring);
    return value;
}

static void *echo_records(void *context)
{
    peer *self = context;
    mm_record record;
    (void)mm_bench_pin(1);
    for (uint64_t i = 0; i < self->rounds; i++) {
        fill(&record, 1, take_one(self->there));
        (void)mm_spsc_push(self->back, &record);
    }
    return NULL;
}

static void *echo_lines(void *context)
{
    line_peer *self = context;
    (void)mm_bench_pin(1);
    for (uint64_t i = 1; i <= ROUND_TRIPS; i++) {
        while (mm__load_acquire(&self->there->word) != i) {
            continue;
        }
        mm__store_release(&self->back->word, i);
    }
    return NULL;
}

/* Nanoseconds per round trip of a bare line: a repetition's mean, no clock is read inside. */
static double line_round_trip_ns(void)
{
    static line lines[2] MM_ALIGN_PAIR;
    line_peer other = {&lines[0], &lines[1]};
    lines[0].word = 0;
    lines[1].word = 0;
    pthread_t thread = start(echo_lines, &other);
    int64_t start_ns = 0;
    for (uint64_t i = 1; i <= ROUND_TRIPS; i++) {
        mm__store_release(&lines[0].word, i);
        while (mm__load_acquire(&lines[1].word) != i) {
            continue;
        }
        /* The first one waits for the thread to start. */
        start_ns = i == 1 ? mm_bench_now_ns() : start_ns;
    }
    double elapsed_ns = (double)(mm_bench_now_ns() - start_ns);
    pthread_join(thread, NULL);
    return elapsed_ns / (double)(ROUND_TRIPS - 1);
}

/* The same through two rings. With `each_ns` the clock is read around every trip, as the reference
 * does it. */
static double ring_round_trip_ns(mm_bench_samples *each_ns)
{
    peer other = {ring_new(), ring_new(), ROUND_TRIPS, 0};
    pthread_t thread = start(echo_records, &other);
    mm_record record;
    int64_t start_ns = 0;
    for (uint64_t i = 0; i < ROUND_TRIPS; i++) {
        int64_t sent_ns = each_ns != NULL ? mm_bench_now_ns() : 0;
        fill(&record, 1, i);
        (void)mm_spsc_push(other.there, &record);
        mm_bench_sink(take_one(other.back));
        if (each_ns != NULL && i % (ROUND_TRIPS / MM_BENCH_REPS_MAX) == 0) {
            mm_bench_add(each_ns, (double)(mm_bench_now_ns() - sent_ns), 1);
        }
        start_ns = i == 0 ? mm_bench_now_ns() : start_ns;
    }
    double elapsed_ns = (double)(mm_bench_now_ns() - start_ns);
    pthread_join(thread, NULL);
    mm_spsc_free(other.there);
    mm_spsc_free(other.back);
    return elapsed_ns / (double)(ROUND_TRIPS - 1);
}

static void bench_round_trip(const mm_bench *bench)
{
    mm_bench_samples rings = {0};
    mm_bench_samples lines = {0};
    mm_bench_samples ratios = {0};
    if (!mm_bench_wants(bench, "spsc_rtt")) {
        return;
    }
    for (int rep = 0; rep < bench->reps; rep++) {
        double line_ns = line_round_trip_ns();
        double ring_ns = ring_round_trip_ns(NULL);
        mm_bench_add(&lines, line_ns, 1);
        mm_bench_add(&rings, ring_ns, 1);
        mm_bench_add(&ratios, ring_ns / line_ns, 1);
    }
    char extra[96];
    snprintf(extra, sizeof(extra), ",\"line_ns\":%.3f,\"lines\":%.3f",
             mm_bench_quantile(&lines, 0.5), mm_bench_quantile(&ratios, 0.5));
    mm_bench_emit("spsc_rtt", WORKLOAD_ROUND_TRIP, &rings, extra);
    mm_bench_emit("line_rtt", "2 cores", &lines, "");
}

static void bench_round_trip_p50(const mm_bench *bench)
{
    mm_bench_samples medians = {0};
    mm_bench_samples trips;
    if (!mm_bench_wants(bench, "spsc_rtt_p50")) {
        return;
    }
    for (int rep = 0; rep < bench->reps; rep++) {
        trips.count = 0;
        (void)ring_round_trip_ns(&trips);
        mm_bench_add(&medians, mm_bench_quantile(&trips, 0.5), 1);
    }
    mm_bench_emit(
        "spsc_rtt_p50", WORKLOAD_ROUND_TRIP, &medians,
        ",\"note\":\"ns = median over reps of the per-rep p50, includes two clock reads\"");
}

int main(int argc, char **argv)
{
    mm_bench bench = mm_bench_options(argc, argv);
    if (!mm_bench_pin(0)) {
        fprintf(stderr, "bench_mm_spsc: threads are not pinned here\n");
    }
    bench_throughput(&bench, "spsc_throughput", 1);
    bench_throughput(&bench, "spsc_throughput_batched", BATCH);
    bench_same_thread(&bench);
    bench_round_trip_p50(&bench);
    bench_round_trip(&bench);
    return 0;
}
