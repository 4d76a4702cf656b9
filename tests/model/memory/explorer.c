/* Explores every run of a scenario: every schedule of its threads and every message a load may return (model.h).
 *
 * A thread is a coroutine that stops before each atomic access and each call of the system. What it will do next
 * depends on nothing but its stack and registers, the shared memory and the explorer's own lists of messages. All of
 * that together is a state: it is copied out, made canonical (what no thread can tell apart is made equal) and hashed
 * to 128 bits. A depth-first search goes on from each state once, with each step that is possible there. Two states
 * with one hash would be taken for one; with 10^8 states the chance of that is below 10^-22.
 *
 * Found are: promises that do not hold, data races, and states from which the end cannot be reached any more. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "model.h"

#include "mmcore.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum {
    THREADS = MODEL_THREADS_MAX,
    ATOMS = 24,    /* words that are accessed atomically */
    PLACES = 64,   /* atoms, then cache lines with other written data */
    MESSAGES = 24, /* of one atom, that a thread can still read */
    DESCRIPTORS = 4,
    SITES = 128,
    ARENA_BYTES = 8192,
    GHOST_BYTES = 512, /* the arena's start */
    LINE_BYTES = 64,
    WORD_BYTES = 4,
    STACK_BYTES = 32768,
    STACK_CLEARED = 1024, /* below the live part, before a thread goes on: what is left there is no state */
    STEPS_MAX = 10000,    /* of one run */
    LOCAL_STEPS_MAX = 100 /* without a stop, lest a thread waits for ever for somebody not yet known to write */
};
#define NONE 255

static void stop(const char *text)
{
    fprintf(stderr, "explorer: %s\n", text);
    exit(2);
}

static void *grown(void *memory, size_t bytes)
{
    void *result = realloc(memory, bytes);
    if (result == NULL) {
        stop("out of memory");
    }
    return result;
}

/* ---- The state --------------------------------------------------------------------------------------------------- */

/* What has come to a thread, or comes with a message. Bits stand for places. */
typedef struct {
    uint8_t reached[ATOMS];   /* by atom: the oldest message that may still be read */
    uint64_t wrote;           /* the last writes of the place happen before */
    uint64_t read[THREADS];   /* the thread's last plain read of the place happens before */
} view;

typedef struct {
    view carried;
    uint64_t value;
    uint8_t pinned; /* written by compare-and-swap or exchange: nothing comes between it and its predecessor */
} message;

typedef enum {
    OP_NONE,
    OP_LOAD,
    OP_STORE,
    OP_EXCHANGE,
    OP_CAS,
    OP_FENCE,
    OP_FUTEX_WAIT,
    OP_FUTEX_SLEEP,
    OP_FUTEX_WAKE,
    OP_WOKEN,
    OP_GIVE,
    OP_TAKE,
    OP_DESCRIPTORS,
    OP_CLOCK,
    OP_LOCK,
    OP_UNLOCK,
    OP_CONDITION_WAIT,
    OP_CONDITION_SLEEP,
    OP_CONDITION_SIGNAL
} op_kind;

static const char *const op_names[] = {
    "none",  "load",        "store", "exchange",   "cas",   "fence", "futex wait", "futex sleep",    "futex wake",     "woken",
    "write", "read",        "poll",  "clock",      "lock",  "unlock", "cond wait",  "cond sleep", "cond signal",
};

/* What a thread is about to do, and what came of it. */
typedef struct {
    uint8_t kind;
    uint8_t atom;
    uint8_t bytes;
    uint8_t timed;
    uint8_t sleeps;
    uint8_t count;
    uint8_t descriptors[DESCRIPTORS];
    const void *address;
    const void *lock;
    uint64_t value;
    uint64_t expected;
    uint64_t result;
    model_site *site;
} operation;

typedef enum { THREAD_READY, THREAD_DONE, THREAD_STOPPED } thread_status;

typedef struct {
    int status;
    operation op;
    view now;      /* what it has seen */
    view loaded;   /* and what an acquire fence would add */
    view fenced;   /* what a relaxed store carries: the view at the last release fence */
    uintptr_t low; /* of its live stack */
    jmp_buf context;
} thread;

typedef struct {
    uint8_t spurious; /* still allowed */
    uint8_t timeouts;
    uint8_t late; /* how often the clock has passed every deadline */
    uint8_t lock_owner; /* number + 1 */
    uint8_t descriptor_count;
    uint8_t level[DESCRIPTORS];
} kernel;

static struct {
    int thread_count;
    thread threads[THREADS];
    kernel system;
    view fences;                   /* full fences: `reached` only, for they order but do not synchronise */
    view futex;                    /* `reached` only */
    view descriptors[DESCRIPTORS]; /* `reached` only */
    view lock;
    uint8_t message_count[ATOMS];
    message messages[ATOMS][MESSAGES];
} world;

static unsigned char arena[ARENA_BYTES] __attribute__((aligned(LINE_BYTES)));
static size_t arena_used;
static size_t ghost_used;
static unsigned char *stacks;

/* Found while exploring, and then the same for the whole exploration, which begins anew when there is something new. */
static uint8_t atom_of_word[ARENA_BYTES / WORD_BYTES];
static unsigned char *atom_address[ATOMS];
static uint8_t atom_bytes[ATOMS];
static uint8_t atom_writers[ATOMS]; /* threads, as bits */
static int atom_count;
static uint8_t place_of_line[ARENA_BYTES / LINE_BYTES];
static int line_count;
static bool renewed;

static const model_scenario *scenario;
static thread *running; /* NULL while the explorer itself runs, a setup or a finish */
static jmp_buf explorer_context;
static jmp_buf finish_context;
static const char *failure;
static char failure_text[256];
/* Places the running thread has touched since it went on: a second time changes nothing. */
static uint64_t touched_read, touched_written;
static int local_steps;

static model_site *sites[SITES];
static int site_count;

model_site *model_site_of(const char *file, int line, const char *function, const char *access, int order)
{
    for (int i = 0; i < site_count; i++) {
        if (sites[i]->line == line && strcmp(sites[i]->file, file) == 0 && strcmp(sites[i]->access, access) == 0 &&
            strcmp(sites[i]->function, function) == 0) {
            return sites[i];
        }
    }
    if (site_count == SITES) {
        stop("SITES is too small");
    }
    model_site *made = grown(NULL, sizeof(*made));
    *made = (model_site){file, function, access, line, order, order};
    sites[site_count++] = made;
    return made;
}

/* ---- Views ------------------------------------------------------------------------------------------------------- */

static view *all_views[THREADS * 3 + 1 + ATOMS * MESSAGES];
static int all_view_count; /* 0: to be listed again */

static void view_reach(view *into, const view *from)
{
    for (int a = 0; a < atom_count; a++) {
        if (into->reached[a] < from->reached[a]) {
            into->reached[a] = from->reached[a];
        }
    }
}

static void view_join(view *into, const view *from)
{
    view_reach(into, from);
    into->wrote |= from->wrote;
    for (int t = 0; t < THREADS; t++) {
        into->read[t] |= from->read[t];
    }
}

/* Every view that knows of writes and reads. */
static void views_list(void)
{
    if (all_view_count > 0) {
        return;
    }
    for (int t = 0; t < world.thread_count; t++) {
        all_views[all_view_count++] = &world.threads[t].now;
        all_views[all_view_count++] = &world.threads[t].loaded;
        all_views[all_view_count++] = &world.threads[t].fenced;
    }
    all_views[all_view_count++] = &world.lock;
    for (int a = 0; a < atom_count; a++) {
        for (int m = 0; m < world.message_count[a]; m++) {
            all_views[all_view_count++] = &world.messages[a][m].carried;
        }
    }
}

static void view_initial(view *made)
{
    memset(made, 0, sizeof(*made));
    made->wrote = UINT64_MAX;
    memset(made->read, 0xff, sizeof(made->read));
}

/* ---- Threads as coroutines --------------------------------------------------------------------------------------- */

static __attribute__((noinline)) uintptr_t stack_low(void)
{
    return (uintptr_t)__builtin_frame_address(0);
}

/* From a thread to the explorer; comes back when the explorer lets it go on. */
static __attribute__((noinline)) void thread_leave(void)
{
    running->low = stack_low();
    if (_setjmp(running->context) == 0) {
        _longjmp(explorer_context, 1);
    }
}

static __attribute__((noinline)) void thread_enter(thread *self)
{
    running = self;
    touched_read = 0;
    touched_written = 0;
    local_steps = 0;
    if (_setjmp(explorer_context) == 0) {
        memset((void *)(self->low - STACK_CLEARED), 0, STACK_CLEARED);
        _longjmp(self->context, 1);
    }
    running = NULL;
}

static void thread_main(void)
{
    scenario->threads[running - world.threads]();
    running->status = THREAD_DONE;
    for (;;) {
        thread_leave();
    }
}

static __attribute__((noinline)) void thread_begin(int number)
{
    static ucontext_t context;
    running = &world.threads[number];
    touched_read = 0;
    touched_written = 0;
    local_steps = 0;
    if (getcontext(&context) != 0) {
        stop("getcontext");
    }
    context.uc_stack.ss_sp = stacks + (size_t)number * STACK_BYTES;
    context.uc_stack.ss_size = STACK_BYTES;
    context.uc_link = NULL;
    makecontext(&context, thread_main, 0);
    if (_setjmp(explorer_context) == 0) {
        setcontext(&context);
    }
    running = NULL;
}

static void give_up(const char *text)
{
    failure = text;
    if (running == NULL) {
        _longjmp(finish_context, 1);
    }
    running->status = THREAD_STOPPED;
    thread_leave();
    stop("a stopped thread went on");
}

void model_fail(const char *text)
{
    give_up(text);
    abort();
}

/* The library's failed assertions. */
void mm_panic(const char *expression, const char *file, int32_t line)
{
    snprintf(failure_text, sizeof(failure_text), "assertion at %s:%d: %s", strrchr(file, '/') ? strrchr(file, '/') + 1 : file,
             (int)line, expression);
    give_up(failure_text);
}

/* The scenario touches memory as it did not before: all that was explored is void. */
static void begin_anew(void)
{
    renewed = true;
    give_up("anew");
}

int model_self(void)
{
    return (int)(running - world.threads);
}

bool model_done(int number)
{
    return world.threads[number].status == THREAD_DONE;
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

void *model_memory(size_t bytes)
{
    size_t at = arena_used;
    arena_used += (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    if (arena_used > ARENA_BYTES) {
        stop("ARENA_BYTES is too small");
    }
    return arena + at;
}

void *model_ghost(size_t bytes)
{
    size_t at = ghost_used;
    ghost_used += (bytes + 7) / 8 * 8;
    if (ghost_used > GHOST_BYTES) {
        stop("GHOST_BYTES is too small");
    }
    return arena + at;
}

void model_disturb(int spurious, int timeouts)
{
    world.system.spurious = (uint8_t)spurious;
    world.system.timeouts = (uint8_t)timeouts;
}

static uint64_t word_get(const void *address, size_t bytes)
{
    uint32_t small;
    uint64_t wide;
    if (bytes == sizeof(small)) {
        memcpy(&small, address, sizeof(small));
        return small;
    }
    memcpy(&wide, address, sizeof(wide));
    return wide;
}

static void word_put(void *address, size_t bytes, uint64_t value)
{
    uint32_t small = (uint32_t)value;
    if (bytes == sizeof(small)) {
        memcpy(address, &small, sizeof(small));
    } else {
        memcpy(address, &value, sizeof(value));
    }
}

/* The atom at an address, which the scenario's memory must hold. */
static int atom_at(const void *address, size_t bytes)
{
    size_t offset = (size_t)((const unsigned char *)address - arena);
    if ((const unsigned char *)address < arena + GHOST_BYTES || offset >= arena_used || offset % bytes != 0) {
        stop("an atomic access outside the scenario's memory");
    }
    int atom = atom_of_word[offset / WORD_BYTES];
    if (atom != NONE) {
        if (atom_address[atom] != arena + offset || atom_bytes[atom] != bytes) {
            stop("atomic accesses of two sizes to one word");
        }
        return atom;
    }
    if (atom_count == ATOMS) {
        stop("ATOMS is too small");
    }
    atom_address[atom_count] = arena + offset;
    atom_bytes[atom_count] = (uint8_t)bytes;
    for (size_t at = 0; at < bytes; at += WORD_BYTES) {
        atom_of_word[(offset + at) / WORD_BYTES] = (uint8_t)atom_count;
    }
    atom_count++;
    begin_anew();
    return NONE;
}

/* ---- Plain accesses: races --------------------------------------------------------------------------------------- */

static void race(const char *what, size_t offset)
{
    snprintf(failure_text, sizeof(failure_text), "data race: %s at byte %zu of the shared memory", what, offset);
    give_up(failure_text);
}

static bool reads_seen(const view *seen, uint64_t bit)
{
    for (int t = 0; t < world.thread_count; t++) {
        if ((seen->read[t] & bit) == 0) {
            return false;
        }
    }
    return true;
}

static void place_read(uint64_t bit, size_t offset)
{
    int self = model_self();
    if ((running->now.wrote & bit) == 0) {
        race("a read beside a write", offset);
    }
    views_list();
    for (int i = 0; i < all_view_count; i++) {
        all_views[i]->read[self] &= ~bit;
    }
    running->now.read[self] |= bit;
    running->loaded.read[self] |= bit;
    touched_read |= bit;
}

static void place_written(uint64_t bit, size_t offset)
{
    if ((running->now.wrote & bit) == 0) {
        race("a write beside a write", offset);
    }
    if (!reads_seen(&running->now, bit)) {
        race("a write beside a read", offset);
    }
    views_list();
    for (int i = 0; i < all_view_count; i++) {
        all_views[i]->wrote &= ~bit;
        for (int t = 0; t < THREADS; t++) {
            all_views[i]->read[t] |= bit;
        }
    }
    running->now.wrote |= bit;
    running->loaded.wrote |= bit;
    touched_written |= bit;
}

static void word_touched(size_t offset, bool writes)
{
    int place = atom_of_word[offset / WORD_BYTES];
    if (place != NONE) {
        if (writes) {
            race("a plain write to an atomic word", offset);
        }
    } else {
        place = place_of_line[offset / LINE_BYTES];
        if (place == NONE && !writes) {
            return; /* nobody writes there */
        }
        if (place == NONE) {
            if (ATOMS + line_count == PLACES) {
                stop("PLACES is too small");
            }
            place_of_line[offset / LINE_BYTES] = (uint8_t)(ATOMS + line_count++);
            begin_anew();
        }
    }
    uint64_t bit = UINT64_C(1) << place;
    if (writes && (touched_written & bit) == 0) {
        place_written(bit, offset);
    } else if (!writes && ((touched_read | touched_written) & bit) == 0) {
        place_read(bit, offset);
    }
}

static void touched(const void *address, size_t bytes, bool writes)
{
    if (running == NULL || (const unsigned char *)address < arena + GHOST_BYTES ||
        (const unsigned char *)address >= arena + arena_used) {
        return;
    }
    size_t first = (size_t)((const unsigned char *)address - arena);
    for (size_t at = first / WORD_BYTES * WORD_BYTES; at < first + bytes; at += WORD_BYTES) {
        word_touched(at, writes);
    }
}

#define ACCESSES(bytes)                                                                                                \
    void __tsan_read##bytes(void *address);                                                                            \
    void __tsan_write##bytes(void *address);                                                                           \
    void __tsan_unaligned_read##bytes(void *address);                                                                  \
    void __tsan_unaligned_write##bytes(void *address);                                                                 \
    void __tsan_read##bytes(void *address) { touched(address, bytes, false); }                                         \
    void __tsan_write##bytes(void *address) { touched(address, bytes, true); }                                         \
    void __tsan_unaligned_read##bytes(void *address) { touched(address, bytes, false); }                               \
    void __tsan_unaligned_write##bytes(void *address) { touched(address, bytes, true); }

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_read_range(void *address, size_t bytes);
void __tsan_write_range(void *address, size_t bytes);
void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void *model_memcpy(void *to, const void *from, size_t bytes);
void *model_memset(void *to, int value, size_t bytes);

void __tsan_read_range(void *address, size_t bytes) { touched(address, bytes, false); }
void __tsan_write_range(void *address, size_t bytes) { touched(address, bytes, true); }
void __tsan_init(void) {}
void __tsan_func_entry(void *caller) { (void)caller; }
void __tsan_func_exit(void) {}

/* What the sources of the library call by these names (see the command line in check.py). */
void *model_memcpy(void *to, const void *from, size_t bytes)
{
    touched(from, bytes, false);
    touched(to, bytes, true);
    return memcpy(to, from, bytes);
}

void *model_memset(void *to, int value, size_t bytes)
{
    touched(to, bytes, true);
    return memset(to, value, bytes);
}

/* ---- Messages ---------------------------------------------------------------------------------------------------- */

/* Puts a message at position p of the atom's list, moving later ones on. */
static message *message_insert(int atom, int p)
{
    int count = world.message_count[atom];
    if (count == MESSAGES) {
        stop("MESSAGES is too small");
    }
    if (p < count) {
        views_list();
        for (int i = 0; i < all_view_count; i++) {
            all_views[i]->reached[atom] = (uint8_t)(all_views[i]->reached[atom] + (all_views[i]->reached[atom] >= p));
        }
        view *others[] = {&world.fences, &world.futex, &world.descriptors[0], &world.descriptors[1],
                          &world.descriptors[2], &world.descriptors[3]};
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
            others[i]->reached[atom] = (uint8_t)(others[i]->reached[atom] + (others[i]->reached[atom] >= p));
        }
        memmove(&world.messages[atom][p + 1], &world.messages[atom][p], (size_t)(count - p) * sizeof(message));
    }
    world.message_count[atom]++;
    all_view_count = 0;
    memset(&world.messages[atom][p], 0, sizeof(message));
    return &world.messages[atom][p];
}

/* Writes behind message m, which a compare-and-swap or exchange has read. */
static void message_write(thread *self, int m, uint64_t value, bool reads)
{
    int atom = self->op.atom;
    int order = self->op.site->effective;
    uint64_t bit = UINT64_C(1) << atom;
    if (!reads_seen(&self->now, bit)) {
        failure = "data race: an atomic write beside a plain read";
        return;
    }
    bool ordered = (self->now.wrote & bit) != 0;
    views_list();
    for (int i = 0; i < all_view_count; i++) {
        all_views[i]->wrote &= ~bit;
    }
    message *made = message_insert(atom, m + 1);
    self->now.reached[atom] = (uint8_t)(m + 1);
    self->loaded.reached[atom] = (uint8_t)(m + 1);
    if (ordered) {
        self->now.wrote |= bit;
        self->loaded.wrote |= bit;
    }
    made->value = value;
    made->pinned = reads;
    made->carried = (order & MODEL_RELEASE) != 0 ? self->now : self->fenced;
    made->carried.reached[atom] = (uint8_t)(m + 1);
    if (reads) { /* the release sequence goes on */
        view_join(&made->carried, &world.messages[atom][m].carried);
    }
    if (m + 2 == world.message_count[atom]) {
        word_put(atom_address[atom], atom_bytes[atom], value);
    }
}

/* ---- Steps: what a thread asks for ------------------------------------------------------------------------------- */

static operation asked(op_kind kind, const void *address, model_site *site)
{
    operation op;
    memset(&op, 0, sizeof(op));
    op.kind = (uint8_t)kind;
    op.atom = NONE;
    op.address = address;
    op.site = site;
    return op;
}

static uint64_t ask(operation op)
{
    running->op = op;
    thread_leave();
    return running->op.result;
}

uint64_t model_load(const void *address, size_t bytes, model_site *site)
{
    if (running == NULL) {
        return word_get(address, bytes);
    }
    int atom = atom_at(address, bytes);
    if (atom_writers[atom] == 1u << model_self() && ++local_steps <= LOCAL_STEPS_MAX) {
        /* Nobody else writes it: the load can return one value, and when it does makes no difference. */
        return word_get(address, bytes);
    }
    operation op = asked(OP_LOAD, address, site);
    op.atom = (uint8_t)atom;
    op.bytes = (uint8_t)bytes;
    return ask(op);
}

static void writes_atom(int atom)
{
    uint8_t bit = (uint8_t)(1u << model_self());
    if ((atom_writers[atom] & bit) == 0) {
        atom_writers[atom] |= bit;
        begin_anew();
    }
}

static operation asked_write(op_kind kind, void *address, size_t bytes, uint64_t value, model_site *site)
{
    operation op = asked(kind, address, site);
    op.atom = (uint8_t)atom_at(address, bytes);
    op.bytes = (uint8_t)bytes;
    op.value = value;
    writes_atom(op.atom);
    return op;
}

void model_store(void *address, size_t bytes, uint64_t value, model_site *site)
{
    if (running == NULL) {
        word_put(address, bytes, value);
        return;
    }
    (void)ask(asked_write(OP_STORE, address, bytes, value, site));
}

uint64_t model_exchange(void *address, size_t bytes, uint64_t value, model_site *site)
{
    return ask(asked_write(OP_EXCHANGE, address, bytes, value, site));
}

bool model_cas(void *address, size_t bytes, uint64_t *expected, uint64_t desired, model_site *site)
{
    operation op = asked_write(OP_CAS, address, bytes, desired, site);
    op.expected = *expected;
    uint64_t found = ask(op);
    bool swapped = found == *expected;
    *expected = found;
    return swapped;
}

void model_fence(model_site *site)
{
    (void)ask(asked(OP_FENCE, NULL, site));
}

long model_futex_wait(const void *address, uint32_t key, bool timed)
{
    operation op = asked(OP_FUTEX_WAIT, address, NULL);
    op.atom = (uint8_t)atom_at(address, sizeof(key));
    op.expected = key;
    op.timed = timed;
    long result = (long)ask(op);
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

void model_futex_wake(const void *address)
{
    operation op = asked(OP_FUTEX_WAKE, address, NULL);
    op.atom = (uint8_t)atom_at(address, sizeof(uint32_t));
    (void)ask(op);
}

int model_descriptor_new(void)
{
    if (world.system.descriptor_count == DESCRIPTORS) {
        stop("DESCRIPTORS is too small");
    }
    return world.system.descriptor_count++;
}

void model_descriptor_give(int descriptor)
{
    operation op = asked(OP_GIVE, NULL, NULL);
    op.descriptors[0] = (uint8_t)descriptor;
    (void)ask(op);
}

bool model_descriptor_take(int descriptor)
{
    operation op = asked(OP_TAKE, NULL, NULL);
    op.descriptors[0] = (uint8_t)descriptor;
    return ask(op) != 0;
}

uint32_t model_descriptors_wait(const int *descriptors, size_t count, bool sleeps, bool timed)
{
    operation op = asked(OP_DESCRIPTORS, NULL, NULL);
    op.count = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        op.descriptors[i] = (uint8_t)descriptors[i];
    }
    op.sleeps = sleeps;
    op.timed = timed;
    return (uint32_t)ask(op);
}

int64_t model_clock_ns(void)
{
    return (int64_t)ask(asked(OP_CLOCK, NULL, NULL));
}

void model_lock(void *lock)
{
    (void)ask(asked(OP_LOCK, lock, NULL));
}

void model_unlock(void *lock)
{
    (void)ask(asked(OP_UNLOCK, lock, NULL));
}

void model_condition_wait(void *condition, void *lock, bool timed)
{
    operation op = asked(OP_CONDITION_WAIT, condition, NULL);
    op.lock = lock;
    op.timed = timed;
    (void)ask(op);
}

void model_condition_signal(void *condition)
{
    (void)ask(asked(OP_CONDITION_SIGNAL, condition, NULL));
}

/* ---- Steps: how many ways there are ------------------------------------------------------------------------------ */

#define LATE_NS INT64_C(1000000000000000)

/* May something be put right behind message m? */
static bool open_behind(int atom, int m)
{
    return m + 1 == world.message_count[atom] || !world.messages[atom][m + 1].pinned;
}

/* May the step read message m? A compare-and-swap that finds what it expects must be able to write behind it. */
static bool readable(const operation *op, int m)
{
    switch (op->kind) {
    case OP_EXCHANGE:
    case OP_STORE:
        return open_behind(op->atom, m);
    case OP_CAS:
        return world.messages[op->atom][m].value != op->expected || open_behind(op->atom, m);
    default:
        return true;
    }
}

/* The oldest message the step may read, or behind which it may write. */
static int oldest(const thread *self)
{
    int from = self->now.reached[self->op.atom];
    if (self->op.kind == OP_FUTEX_WAIT && world.futex.reached[self->op.atom] > from) {
        from = world.futex.reached[self->op.atom];
    }
    return from;
}

/* The message of a choice, the newest first; -1 behind the last choice. */
static int message_of(const thread *self, int choice)
{
    for (int m = world.message_count[self->op.atom] - 1; m >= oldest(self); m--) {
        if (readable(&self->op, m) && choice-- == 0) {
            return m;
        }
    }
    return -1;
}

static int sleeper_of(op_kind kind, const void *address, int choice)
{
    for (int t = 0; t < world.thread_count; t++) {
        const thread *other = &world.threads[t];
        if (other->status == THREAD_READY && other->op.kind == kind && other->op.address == address && choice-- == 0) {
            return t;
        }
    }
    return -1;
}

static uint32_t ready_of(const operation *op)
{
    uint32_t ready = 0;
    for (int i = 0; i < op->count; i++) {
        ready |= world.system.level[op->descriptors[i]] > 0 ? UINT32_C(1) << i : 0;
    }
    return ready;
}

static int disturbances(const operation *op)
{
    return (world.system.spurious > 0 ? 1 : 0) + (op->timed && world.system.timeouts > 0 ? 1 : 0);
}

static int sleepers(op_kind kind, const void *address)
{
    int count = 0;
    while (sleeper_of(kind, address, count) >= 0) {
        count++;
    }
    return count > 0 ? count : 1;
}

static int choices_of(const thread *self)
{
    int count = 0;
    if (self->status != THREAD_READY) {
        return 0;
    }
    switch (self->op.kind) {
    case OP_LOAD:
    case OP_STORE:
    case OP_EXCHANGE:
    case OP_CAS:
    case OP_FUTEX_WAIT:
        while (message_of(self, count) >= 0) {
            count++;
        }
        return count;
    case OP_FUTEX_SLEEP:
    case OP_CONDITION_SLEEP:
        return disturbances(&self->op);
    case OP_FUTEX_WAKE:
        return sleepers(OP_FUTEX_SLEEP, self->op.address);
    case OP_CONDITION_SIGNAL:
        return sleepers(OP_CONDITION_SLEEP, self->op.address);
    case OP_DESCRIPTORS:
        return ready_of(&self->op) != 0 || !self->op.sleeps ? 1 : disturbances(&self->op);
    case OP_CLOCK:
        return world.system.timeouts > 0 ? 2 : 1;
    case OP_LOCK:
        return world.system.lock_owner == 0 ? 1 : 0;
    default:
        return 1;
    }
}

/* ---- Steps: one of them is taken --------------------------------------------------------------------------------- */

static void message_read(thread *self, int atom, int m, int order)
{
    const view *carried = &world.messages[atom][m].carried;
    view here;
    memset(&here, 0, sizeof(here));
    here.reached[atom] = (uint8_t)m;
    view_reach(&self->now, &here);
    view_reach(&self->loaded, &here);
    view_join(&self->loaded, carried);
    if ((order & MODEL_ACQUIRE) != 0) {
        view_join(&self->now, carried);
    }
}

static void fence(thread *self)
{
    int order = self->op.site->effective;
    if ((order & MODEL_ACQUIRE) != 0) {
        view_join(&self->now, &self->loaded);
    }
    if ((order & MODEL_FULL) != 0) {
        view_reach(&world.fences, &self->now);
        view_reach(&self->now, &world.fences);
        view_reach(&self->loaded, &self->now);
    }
    if ((order & MODEL_RELEASE) != 0) {
        self->fenced = self->now;
    }
}

static bool step_atom(thread *self, int choice)
{
    operation *op = &self->op;
    int m = message_of(self, choice);
    uint64_t value = world.messages[op->atom][m].value;
    switch (op->kind) {
    case OP_LOAD:
        message_read(self, op->atom, m, op->site->effective);
        op->result = value;
        return true;
    case OP_STORE:
        message_write(self, m, op->value, false);
        return true;
    case OP_FUTEX_WAIT:
        /* The system's own look: the thread is told nothing but whether it was equal. */
        if (value == op->expected) {
            op->kind = OP_FUTEX_SLEEP;
            return false;
        }
        op->result = (uint64_t)(int64_t)-EAGAIN;
        return true;
    default:
        op->result = value;
        if (op->kind == OP_CAS && value != op->expected) {
            bool acquires = (op->site->effective & MODEL_FAILS_ACQUIRE) != 0;
            message_read(self, op->atom, m, acquires ? MODEL_ACQUIRE : MODEL_RELAXED);
        } else {
            message_read(self, op->atom, m, op->site->effective);
            message_write(self, m, op->value, true);
        }
        return true;
    }
}

/* A sleep ends without a wake-up: for no reason if that is still allowed and the first choice, else by its time. */
static int disturbed(int choice)
{
    if (world.system.spurious > 0 && choice == 0) {
        world.system.spurious--;
        return EINTR;
    }
    world.system.timeouts--;
    world.system.late++;
    return ETIMEDOUT;
}

static bool step_sleep(thread *self, int choice)
{
    operation *op = &self->op;
    int t;
    switch (op->kind) {
    case OP_FUTEX_SLEEP:
        op->result = (uint64_t)(int64_t)-disturbed(choice);
        return true;
    case OP_FUTEX_WAKE:
        t = sleeper_of(OP_FUTEX_SLEEP, op->address, choice);
        if (t >= 0) {
            world.threads[t].op.kind = OP_WOKEN;
        }
        if (world.futex.reached[op->atom] < self->now.reached[op->atom]) {
            world.futex.reached[op->atom] = self->now.reached[op->atom];
        }
        return true;
    case OP_CONDITION_WAIT:
        op->kind = OP_CONDITION_SLEEP;
        view_join(&world.lock, &self->now);
        world.system.lock_owner = 0;
        return false;
    case OP_CONDITION_SLEEP:
        (void)disturbed(choice);
        op->kind = OP_LOCK;
        return false;
    default: /* OP_CONDITION_SIGNAL */
        t = sleeper_of(OP_CONDITION_SLEEP, op->address, choice);
        if (t >= 0) {
            world.threads[t].op.kind = OP_LOCK;
        }
        return true;
    }
}

static bool step_descriptor(thread *self, int choice)
{
    operation *op = &self->op;
    int descriptor = op->descriptors[0];
    if (op->kind == OP_GIVE) {
        world.system.level[descriptor] = 1;
        view_reach(&world.descriptors[descriptor], &self->now);
    } else if (op->kind == OP_TAKE) {
        op->result = world.system.level[descriptor];
        world.system.level[descriptor] = 0;
        view_reach(&self->now, &world.descriptors[descriptor]);
        view_reach(&self->loaded, &self->now);
    } else {
        op->result = ready_of(op);
        if (op->result == 0 && op->sleeps) {
            (void)disturbed(choice);
        }
    }
    return true;
}

/* Takes the step; true when the thread goes on. */
static bool step(thread *self, int choice)
{
    operation *op = &self->op;
    switch (op->kind) {
    case OP_LOAD:
    case OP_STORE:
    case OP_EXCHANGE:
    case OP_CAS:
    case OP_FUTEX_WAIT:
        return step_atom(self, choice);
    case OP_FENCE:
        fence(self);
        return true;
    case OP_GIVE:
    case OP_TAKE:
    case OP_DESCRIPTORS:
        return step_descriptor(self, choice);
    case OP_CLOCK:
        if (choice == 1) {
            world.system.timeouts--;
            world.system.late++;
        }
        op->result = world.system.late * (uint64_t)LATE_NS;
        return true;
    case OP_LOCK:
        world.system.lock_owner = (uint8_t)(self - world.threads + 1);
        view_join(&self->now, &world.lock);
        view_join(&self->loaded, &self->now);
        return true;
    case OP_UNLOCK:
        world.system.lock_owner = 0;
        view_join(&world.lock, &self->now);
        return true;
    case OP_WOKEN:
        return true;
    default:
        return step_sleep(self, choice);
    }
}

/* ---- Canonical states -------------------------------------------------------------------------------------------- */

/* What every thread has seen already: nothing that carries it says more. */
static void common_view(view *common)
{
    view_initial(common);
    memset(common->reached, 0xff, sizeof(common->reached));
    for (int t = 0; t < world.thread_count; t++) {
        const thread *self = &world.threads[t];
        if (self->status == THREAD_DONE) {
            continue;
        }
        for (int a = 0; a < ATOMS; a++) {
            if (self->now.reached[a] < common->reached[a]) {
                common->reached[a] = self->now.reached[a];
            }
        }
        common->wrote &= self->now.wrote;
        for (int r = 0; r < THREADS; r++) {
            common->read[r] &= self->now.read[r];
        }
    }
    for (int a = 0; a < ATOMS; a++) {
        if (common->reached[a] >= world.message_count[a]) {
            common->reached[a] = (uint8_t)(a < atom_count ? world.message_count[a] - 1 : 0);
        }
    }
}

static void view_rebase(view *seen, const view *common)
{
    view_join(seen, common);
    for (int a = 0; a < atom_count; a++) {
        seen->reached[a] = (uint8_t)(seen->reached[a] - common->reached[a]);
    }
}

static void canonical(void)
{
    view common;
    common_view(&common);
    for (int t = 0; t < world.thread_count; t++) {
        thread *self = &world.threads[t];
        if (self->status == THREAD_DONE) {
            memset(&self->now, 0, sizeof(self->now));
            memset(&self->loaded, 0, sizeof(self->loaded));
            memset(&self->fenced, 0, sizeof(self->fenced));
            memset(&self->op, 0, sizeof(self->op));
            continue;
        }
        view_rebase(&self->now, &common);
        view_rebase(&self->loaded, &common);
        view_rebase(&self->fenced, &common);
    }
    view_rebase(&world.fences, &common);
    world.fences.wrote = 0;
    memset(world.fences.read, 0, sizeof(world.fences.read));
    view_rebase(&world.futex, &common);
    view_rebase(&world.lock, &common);
    for (int d = 0; d < world.system.descriptor_count; d++) {
        view_rebase(&world.descriptors[d], &common);
    }
    for (int a = 0; a < atom_count; a++) {
        int base = common.reached[a];
        world.message_count[a] = (uint8_t)(world.message_count[a] - base);
        memmove(&world.messages[a][0], &world.messages[a][base], world.message_count[a] * sizeof(message));
        world.messages[a][0].pinned = 0;
        for (int m = 0; m < world.message_count[a]; m++) {
            view_rebase(&world.messages[a][m].carried, &common);
        }
    }
    all_view_count = 0;
}

/* ---- Copies of the state ----------------------------------------------------------------------------------------- */

static unsigned char *copies; /* the search's stack of them */
static size_t copies_bytes;   /* that it can hold */

static uintptr_t stack_top(int number)
{
    return (uintptr_t)stacks + ((size_t)number + 1) * STACK_BYTES;
}

typedef struct {
    size_t at;
    bool saves;
} copier;

static void copy_part(copier *copy, void *part, size_t bytes)
{
    if (copy->saves && copy->at + bytes > copies_bytes) {
        copies_bytes = 2 * (copy->at + bytes);
        copies = grown(copies, copies_bytes);
    }
    if (copy->saves) {
        memcpy(copies + copy->at, part, bytes);
    } else {
        memcpy(part, copies + copy->at, bytes);
    }
    copy->at += bytes;
}

/* Writes the state to the copies from `at` on, or restores it from there; returns where the copy ends. All parts are
 * multiples of 8 bytes. */
static size_t copy_state(size_t at, bool saves)
{
    copier copy = {at, saves};
    uint64_t status[THREADS + 1] = {0};
    uint64_t counts[ATOMS / 8 + 2] = {0};
    for (int t = 0; t < world.thread_count; t++) {
        status[t] = (uint64_t)world.threads[t].status;
    }
    memcpy(counts, world.message_count, sizeof(world.message_count));
    copy_part(&copy, status, sizeof(status));
    copy_part(&copy, counts, sizeof(counts));
    memcpy(world.message_count, counts, sizeof(world.message_count));
    uint64_t system[2] = {0, 0};
    memcpy(system, &world.system, sizeof(world.system));
    copy_part(&copy, system, sizeof(system));
    memcpy(&world.system, system, sizeof(world.system));
    for (int t = 0; t < world.thread_count; t++) {
        thread *self = &world.threads[t];
        self->status = (int)status[t];
        if (self->status == THREAD_DONE) {
            continue;
        }
        copy_part(&copy, &self->op, sizeof(self->op));
        copy_part(&copy, &self->now, 3 * sizeof(view));
        copy_part(&copy, &self->low, sizeof(self->low));
        copy_part(&copy, &self->context, sizeof(self->context));
        copy_part(&copy, (void *)self->low, stack_top(t) - self->low);
    }
    copy_part(&copy, &world.fences, sizeof(view));
    copy_part(&copy, &world.futex, sizeof(view));
    copy_part(&copy, &world.lock, sizeof(view));
    copy_part(&copy, world.descriptors, world.system.descriptor_count * sizeof(view));
    for (int a = 0; a < atom_count; a++) {
        copy_part(&copy, world.messages[a], world.message_count[a] * sizeof(message));
    }
    copy_part(&copy, arena, ghost_used);
    copy_part(&copy, arena + GHOST_BYTES, arena_used - GHOST_BYTES);
    all_view_count = 0;
    return copy.at;
}

typedef struct {
    uint64_t high, low;
} digest;

static uint64_t mixed(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static digest digest_of(const unsigned char *bytes, size_t count)
{
    digest result = {UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xd1b54a32d192ed03)};
    for (size_t at = 0; at + 8 <= count; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof(word));
        result.high = mixed(result.high ^ word, UINT64_C(0xa0761d6478bd642f) + at);
        result.low = mixed(result.low + word, UINT64_C(0xe7037ed1a0b428db) ^ (at << 17)) + result.high;
    }
    return result;
}

/* ---- The search -------------------------------------------------------------------------------------------------- */

typedef struct {
    digest key;
    uint32_t number; /* + 1; 0: free */
} known;

typedef struct {
    size_t at; /* of its copy */
    uint32_t number;
    uint8_t ways[THREADS];
    int thread;
    int choice;
    operation taken; /* the last step from here, for the report */
} frame;

typedef struct {
    uint64_t states, steps, ends, depth;
} totals;

static known *table;
static size_t table_size;
static uint32_t (*edges)[2];
static size_t edge_count, edge_room;
static uint32_t *ends;
static size_t end_count, end_room;
static frame *path;
static int path_count;
static uint32_t state_count;

static known *table_slot(digest key)
{
    size_t at = key.low & (table_size - 1);
    while (table[at].number != 0 && (table[at].key.high != key.high || table[at].key.low != key.low)) {
        at = (at + 1) & (table_size - 1);
    }
    return &table[at];
}

static void table_grow(void)
{
    known *old = table;
    size_t old_size = table_size;
    table_size = old_size == 0 ? 1 << 16 : 2 * old_size;
    table = calloc(table_size, sizeof(*table));
    if (table == NULL) {
        stop("out of memory");
    }
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].number != 0) {
            *table_slot(old[i].key) = old[i];
        }
    }
    free(old);
}

/* Sets the number of the state with this digest; true when it is new. */
static bool state_number(digest key, uint32_t *number)
{
    if (2 * (size_t)state_count >= table_size) {
        table_grow();
    }
    known *slot = table_slot(key);
    bool fresh = slot->number == 0;
    if (fresh) {
        slot->key = key;
        slot->number = ++state_count;
    }
    *number = slot->number;
    return fresh;
}

static void edge_add(uint32_t from, uint32_t to)
{
    if (edge_count == edge_room) {
        edge_room = edge_room == 0 ? 1 << 16 : 2 * edge_room;
        edges = grown(edges, edge_room * sizeof(*edges));
    }
    edges[edge_count][0] = from;
    edges[edge_count][1] = to;
    edge_count++;
}

static void end_add(uint32_t number)
{
    if (end_count == end_room) {
        end_room = end_room == 0 ? 1 << 10 : 2 * end_room;
        ends = grown(ends, end_room * sizeof(*ends));
    }
    ends[end_count++] = number;
}

/* States from which no end can be reached. */
static uint64_t stuck_states(void)
{
    uint32_t *first = calloc((size_t)state_count + 2, sizeof(*first)); /* edges by their target */
    uint32_t *from = grown(NULL, (edge_count + 1) * sizeof(*from));
    uint32_t *todo = grown(NULL, ((size_t)state_count + 1) * sizeof(*todo));
    bool *good = calloc((size_t)state_count + 1, sizeof(*good));
    size_t todo_count = 0;
    uint64_t reached = 0;
    if (first == NULL || good == NULL) {
        stop("out of memory");
    }
    for (size_t i = 0; i < edge_count; i++) {
        first[edges[i][1] + 1]++;
    }
    for (uint32_t s = 1; s <= state_count + 1; s++) {
        first[s] += first[s - 1];
    }
    for (size_t i = 0; i < edge_count; i++) {
        from[first[edges[i][1]]++] = edges[i][0]; /* first[] now ends each list */
    }
    for (size_t i = 0; i < end_count; i++) {
        good[ends[i]] = true;
        todo[todo_count++] = ends[i];
    }
    while (todo_count > 0) {
        uint32_t state = todo[--todo_count];
        reached++;
        for (uint32_t i = first[state - 1]; i < first[state]; i++) {
            if (!good[from[i]]) {
                good[from[i]] = true;
                todo[todo_count++] = from[i];
            }
        }
    }
    free(first);
    free(from);
    free(todo);
    free(good);
    return state_count - reached;
}

static void path_push(size_t at, uint32_t number)
{
    if (path_count == STEPS_MAX) {
        stop("STEPS_MAX is too small");
    }
    frame *top = &path[path_count++];
    memset(top, 0, sizeof(*top));
    top->at = at;
    top->number = number;
    for (int t = 0; t < world.thread_count; t++) {
        top->ways[t] = (uint8_t)choices_of(&world.threads[t]);
    }
}

static bool path_next(frame *top)
{
    while (top->thread < world.thread_count && top->choice >= top->ways[top->thread]) {
        top->thread++;
        top->choice = 0;
    }
    return top->thread < world.thread_count;
}

static bool is_end(const frame *top)
{
    for (int t = 0; t < world.thread_count; t++) {
        if (top->ways[t] > 0) {
            return false;
        }
    }
    return true;
}

/* Runs a part of the scenario that is no thread. */
static void run_outside(void (*part)(void))
{
    if (part != NULL && _setjmp(finish_context) == 0) {
        part();
    }
}

/* Takes the next step from the top of the path; the state it leads to becomes the new top if it is new. */
static void advance(size_t *copies_end, totals *sum)
{
    frame *top = &path[path_count - 1];
    (void)copy_state(top->at, false);
    thread *self = &world.threads[top->thread];
    bool goes_on = step(self, top->choice);
    top->taken = self->op;
    top->taken.count = (uint8_t)top->thread;
    top->choice++;
    sum->steps++;
    if (failure == NULL && goes_on) {
        thread_enter(self);
    }
    if (failure != NULL) {
        return;
    }
    canonical();
    size_t end = copy_state(*copies_end, true);
    uint32_t number;
    bool fresh = state_number(digest_of(copies + *copies_end, end - *copies_end), &number);
    edge_add(top->number, number);
    if (!fresh) {
        return;
    }
    path_push(*copies_end, number);
    *copies_end = end;
    sum->depth = sum->depth > (uint64_t)path_count ? sum->depth : (uint64_t)path_count;
    if (is_end(&path[path_count - 1])) {
        sum->ends++;
        end_add(number);
        run_outside(scenario->finish);
    }
}

static void begin(const model_case *tried)
{
    memset(&world, 0, sizeof(world));
    memset(arena, 0, sizeof(arena));
    memset(stacks, 0, THREADS * STACK_BYTES);
    arena_used = GHOST_BYTES;
    ghost_used = 0;
    all_view_count = 0;
    failure = NULL;
    renewed = false;
    scenario = tried->scenario;
    if (_setjmp(finish_context) == 0) {
        scenario->setup(tried->arguments);
    }
    while (world.thread_count < THREADS && scenario->threads[world.thread_count] != NULL) {
        thread *self = &world.threads[world.thread_count++];
        view_initial(&self->now);
        view_initial(&self->loaded);
        view_initial(&self->fenced);
    }
    view_initial(&world.lock);
    for (int a = 0; a < atom_count; a++) {
        world.message_count[a] = 1;
        world.messages[a][0].value = word_get(atom_address[a], atom_bytes[a]);
        view_initial(&world.messages[a][0].carried);
    }
    for (int t = 0; t < world.thread_count && failure == NULL; t++) {
        thread_begin(t);
    }
}

static totals search(const model_case *tried)
{
    totals sum = {0, 0, 0, 0};
    free(table);
    table = NULL;
    table_size = 0;
    state_count = 0;
    edge_count = 0;
    end_count = 0;
    path_count = 0;
    begin(tried);
    if (failure != NULL) {
        return sum;
    }
    canonical();
    uint32_t number;
    size_t copies_end = copy_state(0, true);
    (void)state_number(digest_of(copies, copies_end), &number);
    path_push(0, number);
    while (path_count > 0 && failure == NULL) {
        frame *top = &path[path_count - 1];
        if (path_next(top)) {
            advance(&copies_end, &sum);
        } else {
            copies_end = top->at;
            path_count--;
        }
    }
    sum.states = state_count;
    if (failure == NULL && stuck_states() > 0) {
        failure = "states from which the end cannot be reached any more";
    }
    if (failure == NULL) {
        run_outside(scenario->after);
    }
    return sum;
}

/* Explores a case whole, or up to its first failure. */
static totals explore(const model_case *tried)
{
    totals sum;
    memset(atom_of_word, NONE, sizeof(atom_of_word));
    memset(place_of_line, NONE, sizeof(place_of_line));
    memset(atom_writers, 0, sizeof(atom_writers));
    atom_count = 0;
    line_count = 0;
    do {
        sum = search(tried);
    } while (renewed);
    return sum;
}

/* ---- Reports ----------------------------------------------------------------------------------------------------- */

static const char *base_name(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash == NULL ? file : slash + 1;
}

static void print_path(void)
{
    for (int i = 0; i < path_count; i++) {
        const operation *op = &path[i].taken;
        if (op->kind == OP_NONE) {
            continue;
        }
        printf("    thread %d  %-11s", op->count, op_names[op->kind]);
        if (op->atom != NONE && op->address != NULL) {
            printf(" @%-5td", (const unsigned char *)op->address - arena);
        }
        if (op->site != NULL) {
            printf(" %s:%d %s", base_name(op->site->file), op->site->line, op->site->function);
        }
        if (op->kind == OP_STORE) {
            printf(" <- %#llx", (unsigned long long)op->value);
        } else if (op->kind == OP_CAS) {
            printf(" %#llx: %#llx -> %#llx", (unsigned long long)op->result, (unsigned long long)op->expected,
                   (unsigned long long)op->value);
        } else {
            printf(" = %#llx", (unsigned long long)op->result);
        }
        printf("\n");
    }
}

static const struct {
    const char *name;
    const model_case *cases;
} units[] = {
    {"litmus", model_litmus_cases},
    {"spsc", model_spsc_cases},
    {"event", model_event_cases},
    {"portable", model_portable_cases},
    {"role", model_role_cases},
};

typedef struct {
    const char *unit; /* NULL: all */
    bool deep;
    bool orders;
    bool mutant;
} options;

static bool wanted(const options *chosen, size_t unit)
{
    return chosen->unit == NULL || strcmp(chosen->unit, units[unit].name) == 0;
}

/* All cases as they are; true when every promise holds. */
static bool report_cases(const options *chosen)
{
    totals all = {0, 0, 0, 0};
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        for (const model_case *tried = units[u].cases; wanted(chosen, u) && tried->scenario != NULL; tried++) {
            if (tried->deep && !chosen->deep) {
                continue;
            }
            totals sum = explore(tried);
            printf("%-8s  %-66s  %-34s %9llu %9llu %6llu %4llu\n", units[u].name, tried->scenario->name, tried->sizes,
                   (unsigned long long)sum.states, (unsigned long long)sum.steps, (unsigned long long)sum.ends,
                   (unsigned long long)sum.depth);
            fflush(stdout);
            all.states += sum.states;
            all.steps += sum.steps;
            all.ends += sum.ends;
            if (failure != NULL) {
                printf("FAILED: %s\n", failure);
                print_path();
                return false;
            }
        }
    }
    printf("%-8s  %-66s  %-34s %9llu %9llu %6llu\n", "all", "", "", (unsigned long long)all.states,
           (unsigned long long)all.steps, (unsigned long long)all.ends);
    return true;
}

/* The first case that fails, NULL when none does. */
static const model_case *first_failure(const options *chosen)
{
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        for (const model_case *tried = units[u].cases; wanted(chosen, u) && tried->scenario != NULL; tried++) {
            if (tried->deep && !chosen->deep) {
                continue;
            }
            (void)explore(tried);
            if (failure != NULL) {
                return tried;
            }
        }
    }
    return NULL;
}

static const char *weakening_name(int without)
{
    switch (without) {
    case MODEL_ACQUIRE:
        return "no acquire";
    case MODEL_RELEASE:
        return "no release";
    case MODEL_FULL:
        return "acq_rel only";
    default:
        return "no acquire where it fails";
    }
}

/* One order less: without the full fence, without release, without acquire. */
static bool report_weakened(const options *chosen, model_site *site, int without)
{
    site->effective = site->order & ~without;
    const model_case *caught = first_failure(chosen);
    printf("%-14s %4d  %-24s %-16s %-26s %s%s%s\n", base_name(site->file), site->line, site->function, site->access,
           weakening_name(without), caught == NULL ? "SURVIVES" : caught->scenario->name,
           caught == NULL ? "" : ": ", caught == NULL ? "" : failure);
    fflush(stdout);
    site->effective = site->order;
    return caught != NULL;
}

/* Every acquire, release and full fence of the library weakened, one by one; true when each is found out. */
static bool report_orders(const options *chosen)
{
    int tried = 0;
    int caught = 0;
    int count = site_count;
    for (int i = 0; i < count; i++) {
        if (strncmp(base_name(sites[i]->file), "mm_", 3) != 0) {
            continue; /* a scenario's own */
        }
        for (int without = MODEL_ACQUIRE; without <= MODEL_FAILS_ACQUIRE; without *= 2) {
            bool part_of_fence = (sites[i]->order & MODEL_FULL) != 0 && without != MODEL_FULL;
            if ((sites[i]->order & without) != 0 && !part_of_fence) {
                tried++;
                caught += report_weakened(chosen, sites[i], without) ? 1 : 0;
            }
        }
    }
    printf("orders weakened: %d, found out: %d\n", tried, caught);
    return caught == tried;
}

static int usage(void)
{
    fprintf(stderr, "usage: model [--deep] [--unit litmus|spsc|event|portable|role] [--orders | --mutant]\n");
    return 2;
}

int main(int argc, char **argv)
{
    options chosen = {NULL, false, false, false};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--deep") == 0) {
            chosen.deep = true;
        } else if (strcmp(argv[i], "--orders") == 0) {
            chosen.orders = true;
        } else if (strcmp(argv[i], "--mutant") == 0) {
            chosen.mutant = true;
        } else if (strcmp(argv[i], "--unit") == 0 && i + 1 < argc) {
            chosen.unit = argv[++i];
        } else {
            return usage();
        }
    }
    stacks = mmap(NULL, THREADS * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    path = grown(NULL, STEPS_MAX * sizeof(*path));
    if (stacks == MAP_FAILED) {
        stop("no memory for stacks");
    }
    if (chosen.mutant) {
        const model_case *caught = first_failure(&chosen);
        printf("%s%s%s\n", caught == NULL ? "SURVIVES" : caught->scenario->name, caught == NULL ? "" : ": ",
               caught == NULL ? "" : failure);
        return caught == NULL ? 1 : 0;
    }
    if (!report_cases(&chosen)) {
        return 1;
    }
    return chosen.orders && !report_orders(&chosen) ? 1 : 0;
}
