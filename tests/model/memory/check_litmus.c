/* The explorer itself, on small programs whose outcomes under C11 are known: it must find each outcome that is allowed, and
 * no other. Names are those of the literature; the one exception to C11 is load buffering (model.h). */
#include "model.h"

#include "mmcore.h"

#include "mm_internal.h"

enum { REGISTERS = 4, OUTCOMES_MAX = 64 };

typedef bool outcome_rule(const int64_t *r);

static uint32_t *x, *y;
static int64_t *reads; /* what the threads have read, and what the end finds */
static int64_t base;  /* every one is smaller */
static int64_t count; /* of them that matter */
static uint64_t seen; /* outcomes, as bits; of the whole exploration */

static void begin(const int64_t *arguments)
{
    x = model_memory(sizeof(*x));
    y = model_memory(sizeof(*y));
    reads = model_ghost(REGISTERS * sizeof(*reads));
    base = arguments[0];
    count = arguments[1];
    seen = 0;
}

static void note_outcome(void)
{
    int64_t outcome = 0;
    for (int64_t i = count - 1; i >= 0; i--) {
        MODEL_REQUIRE(reads[i] >= 0 && reads[i] < base);
        outcome = outcome * base + reads[i];
    }
    MODEL_REQUIRE(outcome < OUTCOMES_MAX);
    seen |= UINT64_C(1) << outcome;
}

static void note_with_memory(void)
{
    reads[count - 2] = (int64_t)mm__load_relaxed(x);
    reads[count - 1] = (int64_t)mm__load_relaxed(y);
    note_outcome();
}

static void expect_outcomes(outcome_rule *allowed)
{
    int64_t outcomes = 1;
    for (int64_t i = 0; i < count; i++) {
        outcomes *= base;
    }
    for (int64_t outcome = 0; outcome < outcomes; outcome++) {
        int64_t digits[REGISTERS] = {0};
        for (int64_t i = 0, rest = outcome; i < count; i++, rest /= base) {
            digits[i] = rest % base;
        }
        bool found = (seen >> outcome & 1) != 0;
        if (found && !allowed(digits)) {
            model_fail("an outcome that C11 forbids");
        }
        if (!found && allowed(digits)) {
            model_fail("an outcome that C11 allows is not found");
        }
    }
}

/* ---- Threads: W writes, R reads into a register, F is a full fence; in the order of their names -------------------- */

#define W(word, value) mm__store_relaxed(word, (uint32_t)(value))
#define W_REL(word, value) mm__store_release(word, (uint32_t)(value))
#define R(i, word) (reads[i] = (int64_t)mm__load_relaxed(word))
#define R_ACQ(i, word) (reads[i] = (int64_t)mm__load_acquire(word))
#define F() mm__fence_seq_cst()

#define THREAD(name, ...)                                                                                              \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        __VA_ARGS__;                                                                                                   \
    }
#define OUTCOMES(name, rule)                                                                                           \
    static bool name##_allowed(const int64_t *r)                                                                       \
    {                                                                                                                  \
        return (rule);                                                                                                 \
    }                                                                                                                  \
    static void name##_after(void)                                                                                     \
    {                                                                                                                  \
        expect_outcomes(name##_allowed);                                                                               \
    }

static bool swap(uint32_t *word, uint32_t from, uint32_t to)
{
    return mm__cas_relaxed(word, &from, to);
}

THREAD(wx_wy, W(x, 1), W(y, 1))
THREAD(wx_wy_rel, W(x, 1), W_REL(y, 1))
THREAD(wx_f_wy, W(x, 1), F(), W(y, 1))
THREAD(ry_rx, R(0, y), R(1, x))
THREAD(ry_acq_rx, R_ACQ(0, y), R(1, x))
THREAD(ry_f_rx, R(0, y), F(), R(1, x))
THREAD(wx_rel_ry_acq, W_REL(x, 1), R_ACQ(0, y))
THREAD(wy_rel_rx_acq, W_REL(y, 1), R_ACQ(1, x))
THREAD(wx_f_ry, W(x, 1), F(), R(0, y))
THREAD(wy_f_rx, W(y, 1), F(), R(1, x))
THREAD(ry_wx, R(0, y), W(x, 1))
THREAD(rx_wy, R(1, x), W(y, 1))
THREAD(wx, W(x, 1))
THREAD(wy, W(y, 1))
THREAD(wx_rel, W_REL(x, 1))
THREAD(wy_rel, W_REL(y, 1))
THREAD(rx_acq_ry_acq, R_ACQ(0, x), R_ACQ(1, y))
THREAD(ry_acq_rx_acq, R_ACQ(2, y), R_ACQ(3, x))
THREAD(rx_f_ry, R(0, x), F(), R(1, y))
THREAD(ry_f_rx_2, R(2, y), F(), R(3, x))
THREAD(wx1_wx2, W(x, 1), W(x, 2))
THREAD(rx_rx, R(0, x), R(1, x))
THREAD(wx1_wy2, W_REL(x, 1), W_REL(y, 2))
THREAD(wy1_wx2, W_REL(y, 1), W_REL(x, 2))
THREAD(wx1_f_wy2, W(x, 1), F(), W(y, 2))
THREAD(wy1_f_wx2, W(y, 1), F(), W(x, 2))
THREAD(wy2_f_rx, W(y, 2), F(), R(0, x))
THREAD(swap_y, (void)swap(y, 1, 2))
THREAD(wx_wy_rel_wy2, W(x, 1), W_REL(y, 1), W(y, 2))
THREAD(rx_acq_wy_rel, R_ACQ(0, x), W_REL(y, 1))
THREAD(ry_acq_rx_2, R_ACQ(1, y), R(2, x))
THREAD(swap_0_1, reads[0] = swap(x, 0, 1))
THREAD(swap_0_2, reads[1] = swap(x, 0, 2))
THREAD(exchange_1, reads[0] = (int64_t)mm__exchange_seq_cst(x, 1U))
THREAD(exchange_2, reads[1] = (int64_t)mm__exchange_seq_cst(x, 2U))

OUTCOMES(any, r != NULL)
OUTCOMES(not_10, !(r[0] == 1 && r[1] == 0))
OUTCOMES(not_00, !(r[0] == 0 && r[1] == 0))
OUTCOMES(not_11, !(r[0] == 1 && r[1] == 1))
OUTCOMES(not_apart, !(r[0] == 1 && r[1] == 0 && r[2] == 1 && r[3] == 0))
OUTCOMES(forwards, r[0] <= r[1])
OUTCOMES(written, r[0] >= 1 && r[1] >= 1)
OUTCOMES(written_not_11, r[0] >= 1 && r[1] >= 1 && !(r[0] == 1 && r[1] == 1))
/* r[0] is what was read of x, then x and y at the end. */
OUTCOMES(last_write_of_y, r[1] == 1 && r[2] >= 1 && r[0] <= 1 && !(r[2] == 2 && r[0] == 0))
OUTCOMES(carried_on, r[1] <= 1 && (r[0] == 0 || r[1] == 1))
OUTCOMES(broken_off, r[1] <= 1 && (r[0] != 1 || r[1] == 1))
OUTCOMES(not_110, !(r[0] == 1 && r[1] == 1 && r[2] == 0))
OUTCOMES(one_wins, r[0] + r[1] == 1)
OUTCOMES(one_behind_the_other, (r[0] == 0 && r[1] == 1) || (r[0] == 2 && r[1] == 0))

#define PROGRAM(name, outcomes, end, ...) {name, begin, {__VA_ARGS__}, end, outcomes##_after}

static const model_scenario programs[] = {
    PROGRAM("MP, relaxed: the flag may come before the data", any, note_outcome, wx_wy, ry_rx),
    PROGRAM("MP, relaxed and acquire", any, note_outcome, wx_wy, ry_acq_rx),
    PROGRAM("MP, release and relaxed", any, note_outcome, wx_wy_rel, ry_rx),
    PROGRAM("MP, release and acquire", not_10, note_outcome, wx_wy_rel, ry_acq_rx),
    PROGRAM("MP, fences", not_10, note_outcome, wx_f_wy, ry_f_rx),
    PROGRAM("MP, release and fence", not_10, note_outcome, wx_wy_rel, ry_f_rx),
    PROGRAM("MP, fence and acquire", not_10, note_outcome, wx_f_wy, ry_acq_rx),
    PROGRAM("SB, release and acquire: both may miss the other", any, note_outcome, wx_rel_ry_acq, wy_rel_rx_acq),
    PROGRAM("SB, one fence", any, note_outcome, wx_f_ry, wy_rel_rx_acq),
    PROGRAM("SB, fences", not_00, note_outcome, wx_f_ry, wy_f_rx),
    PROGRAM("LB, relaxed: left out of this model", not_11, note_outcome, ry_wx, rx_wy),
    PROGRAM("IRIW, release and acquire: readers may disagree", any, note_outcome, wx_rel, wy_rel, rx_acq_ry_acq,
            ry_acq_rx_acq),
    PROGRAM("IRIW, fences", not_apart, note_outcome, wx, wy, rx_f_ry, ry_f_rx_2),
    PROGRAM("CoRR: one word never goes backwards", forwards, note_outcome, wx1_wx2, rx_rx),
    PROGRAM("2+2W, release: both first writes may be the last", written, note_with_memory, wx1_wy2, wy1_wx2),
    PROGRAM("2+2W, fences", written_not_11, note_with_memory, wx1_f_wy2, wy1_f_wx2),
    PROGRAM("R, fences", last_write_of_y, note_with_memory, wx_f_wy, wy2_f_rx),
    PROGRAM("a release sequence goes on through a compare-and-swap", carried_on, note_outcome, wx_wy_rel, swap_y,
            ry_acq_rx),
    PROGRAM("and not through a store", broken_off, note_outcome, wx_wy_rel_wy2, ry_acq_rx),
    PROGRAM("WRC, release and acquire", not_110, note_outcome, wx, rx_acq_wy_rel, ry_acq_rx_2),
    PROGRAM("of two compare-and-swaps one succeeds", one_wins, note_outcome, swap_0_1, swap_0_2),
    PROGRAM("of two exchanges one finds the other", one_behind_the_other, note_outcome, exchange_1, exchange_2),
};

/* base, count */
const model_case model_litmus_cases[] = {
    {&programs[0], "all outcomes", {2, 2}, false},
    {&programs[1], "all outcomes", {2, 2}, false},
    {&programs[2], "all outcomes", {2, 2}, false},
    {&programs[3], "all but 1", {2, 2}, false},
    {&programs[4], "all but 1", {2, 2}, false},
    {&programs[5], "all but 1", {2, 2}, false},
    {&programs[6], "all but 1", {2, 2}, false},
    {&programs[7], "all outcomes", {2, 2}, false},
    {&programs[8], "all outcomes", {2, 2}, false},
    {&programs[9], "all but 1", {2, 2}, false},
    {&programs[10], "all but 1", {2, 2}, false},
    {&programs[11], "all outcomes", {2, 4}, false},
    {&programs[12], "all but 1", {2, 4}, false},
    {&programs[13], "6 of 9", {3, 2}, false},
    {&programs[14], "all", {3, 2}, false},
    {&programs[15], "all but 1", {3, 2}, false},
    {&programs[16], "3 of 4", {3, 3}, false},
    {&programs[17], "4 of 6", {3, 2}, false},
    {&programs[18], "5 of 6", {3, 2}, false},
    {&programs[19], "all but 1", {2, 3}, false},
    {&programs[20], "2 of 4", {2, 2}, false},
    {&programs[21], "2 of 9", {3, 2}, false},
    {NULL, NULL, {0}, false},
};
