/* Roles between real threads: one holder at a time, and no work left lying when threads hand roles
 * to each other. The protocol is that of docs/concepts/threads.md. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "mm_test.h"

#include "mm_internal.h"

#include <pthread.h>
#include <sched.h>

#define LOST_NS INT64_C(20000000000)

static unsigned char role_memory[3][256] MM_ALIGN_LINE;

static mm_role *role_new(int index)
{
    return mm_role_init(role_memory[index], sizeof(role_memory[index]));
}

static mm_record record_of(int64_t value)
{
    mm_record record;
    memset(&record, 0, sizeof(record));
    record.count = 1;
    record.body.command.value = value;
    return record;
}

/* ---- Exclusion ------------------------------------------------------------------------------- */

enum { RIVALS = 3, HOLDS = 20000 };

typedef struct {
    mm_role *role;
    uint64_t plain;  /* written by holders only, without atomics: a second one would be a race */
    uint32_t inside; /* atomic */
    uint64_t held[RIVALS];
} contest;

typedef struct {
    contest *all;
    uint32_t number; /* 1.. */
} rival;

static void *compete(void *context)
{
    rival *self = context;
    contest *all = self->all;
    for (int i = 0; i < HOLDS; i++) {
        if (!mm_role_try(all->role, self->number)) {
            sched_yield();
            continue;
        }
        MM_CHECK(mm__exchange_seq_cst(&all->inside, self->number) == 0);
        MM_CHECK(mm_role_holder(all->role) == self->number);
        all->plain++;
        all->held[self->number - 1]++;
        MM_CHECK(mm__exchange_seq_cst(&all->inside, 0U) == self->number);
        mm_role_release(all->role, self->number);
    }
    return NULL;
}

static void a_role_has_exactly_one_holder_at_a_time(void)
{
    pthread_t threads[RIVALS];
    rival rivals[RIVALS];
    contest all = {role_new(0), 0, 0, {0, 0, 0}};
    MM_REQUIRE(all.role != NULL);
    for (uint32_t i = 0; i < RIVALS; i++) {
        rivals[i].all = &all;
        rivals[i].number = i + 1;
        MM_REQUIRE(pthread_create(&threads[i], NULL, compete, &rivals[i]) == 0);
    }
    for (uint32_t i = 0; i < RIVALS; i++) {
        MM_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    MM_CHECK_UINT(all.plain, ==, all.held[0] + all.held[1] + all.held[2]);
    MM_CHECK_UINT(all.plain, >, 0);
    MM_CHECK_INT(mm_role_holder(all.role), ==, 0);
}

/* ---- Hand-over: short rounds that end in silence --------------------------------------------- */

enum { GIVERS = 2, ROUNDS = 60000, SPINS_MAX = 1000 };

typedef struct {
    mm_role *role;
    mm_spsc *rings[GIVERS]; /* one from each giver */
    uint64_t served;        /* the holder's, plain */
    uint32_t begun[GIVERS]; /* atomic: rounds each giver has entered */
    uint32_t ended[GIVERS]; /* atomic: rounds each giver is through with */
} handover;

/* Waits for the other giver, spinning first, so that both leave within nanoseconds. */
static void meet(uint32_t *words, uint32_t self, uint32_t round)
{
    mm__store_release(&words[self], round);
    for (uint32_t spins = 0; mm__load_acquire(&words[1 - self]) < round; spins++) {
        if (spins >= SPINS_MAX) {
            sched_yield();
        }
    }
}

/* A few nanoseconds more or less, so that the rounds try every way the two can meet. */
static void falter(uint32_t round, uint32_t self)
{
    volatile uint32_t turns = (round * UINT32_C(2654435761) >> (8 + 8 * self)) % 128;
    while (turns > 0) {
        turns--;
    }
}

static bool handover_work_waits(const handover *all)
{
    return !mm_spsc_empty(all->rings[0]) || !mm_spsc_empty(all->rings[1]);
}

/* Try; serve; release; look again. */
static void handover_serve(handover *all, uint32_t number)
{
    do {
        if (!mm_role_try(all->role, number)) {
            return; /* its holder will look again */
        }
        for (int i = 0; i < GIVERS; i++) {
            while (mm_spsc_peek(all->rings[i]) != NULL) {
                mm_spsc_release(all->rings[i]);
                all->served++;
            }
        }
        mm_role_release(all->role, number);
    } while (handover_work_waits(all));
}

static void give_a_round(handover *all, uint32_t self, uint32_t round)
{
    const mm_record record = record_of(0);
    meet(all->begun, self, round);
    falter(round, self);
    (void)mm_role_holder(
        all->role); /* brings the owner word near, so that the try reads it early */
    MM_CHECK(mm_spsc_push(all->rings[self], &record));
    handover_serve(all, self + 1);
    meet(all->ended, self, round);
}

static void *give_beside(void *context)
{
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        give_a_round(context, 1, round);
    }
    return NULL;
}

static void what_a_giver_leaves_to_the_holder_is_served(void)
{
    pthread_t thread;
    handover all = {role_new(0), {mm_spsc_new(8), mm_spsc_new(8)}, 0, {0, 0}, {0, 0}};
    MM_REQUIRE(all.role != NULL && all.rings[0] != NULL && all.rings[1] != NULL);
    MM_REQUIRE(pthread_create(&thread, NULL, give_beside, &all) == 0);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        give_a_round(&all, 0, round);
        /* Both have come back from serving: nothing may be left, for nobody is there to find it.
         * The other one cannot begin anew before this thread does. */
        MM_CHECK(!handover_work_waits(&all));
        MM_CHECK(all.served == (uint64_t)round * GIVERS);
    }
    MM_CHECK(pthread_join(thread, NULL) == 0);
    mm_spsc_free(all.rings[0]);
    mm_spsc_free(all.rings[1]);
}

/* ---- The whole: three roles, their threads parked or busy, a giver that only signals --------- */

enum { FEED, ENGINE, ORDERS, ROLES };
enum { EVENTS = 20000, WINDOW = 24 };

/* socket -> FEED -> md -> ENGINE -> action -> ORDERS -> exec -> ENGINE. */
typedef struct {
    mm_role *roles[ROLES];
    mm_event *events[ROLES]; /* of the thread at home in the role */
    mm_spsc *socket;
    mm_spsc *md;
    mm_spsc *action;
    mm_spsc *exec;
    int64_t next[ROLES]; /* each role's state, plain: the number it expects next */
    int64_t exec_next;   /* ENGINE's too */
    int64_t wrong[ROLES];
    int64_t done;  /* atomic: EVENTS answered */
    uint32_t stop; /* atomic */
} line;

typedef struct {
    line *all;
    int home;
    uint64_t lost;
} line_thread;

/* Moves what waits from one ring to the next, checking the order. */
static bool stage(mm_spsc *in, mm_spsc *out, int64_t *next, int64_t *wrong)
{
    mm_record record;
    bool any = false;
    while (mm_spsc_pop(in, &record, 1) == 1) {
        *wrong += record.body.command.value == *next ? 0 : 1;
        *next += 1;
        *wrong += out == NULL || mm_spsc_push(out, &record) ? 0 : 1;
        any = true;
    }
    return any;
}

static bool line_work_waits(const line *all, int role)
{
    switch (role) {
    case FEED:
        return !mm_spsc_empty(all->socket);
    case ENGINE:
        return !mm_spsc_empty(all->md) || !mm_spsc_empty(all->exec);
    default:
        return !mm_spsc_empty(all->action);
    }
}

/* Runs a role's rings as its holder; true if the next role has been given work. */
static bool line_run(line *all, int role)
{
    bool given;
    switch (role) {
    case FEED:
        return stage(all->socket, all->md, &all->next[FEED], &all->wrong[FEED]);
    case ENGINE:
        given = stage(all->md, all->action, &all->next[ENGINE], &all->wrong[ENGINE]);
        (void)stage(all->exec, NULL, &all->exec_next, &all->wrong[ENGINE]);
        mm__store_release(&all->done, all->exec_next);
        return given;
    default:
        return stage(all->action, all->exec, &all->next[ORDERS], &all->wrong[ORDERS]);
    }
}

static void line_serve(line *all, int role, uint32_t number)
{
    const int next_role[ROLES] = {ENGINE, ORDERS, ENGINE};
    bool given = false;
    /* Bounded by the window: every turn of this loop moves at least one event. */
    for (;;) {
        bool moved = false;
        do {
            if (!mm_role_try(all->roles[role], number)) {
                break;
            }
            moved = line_run(all, role) || moved;
            mm_role_release(all->roles[role], number);
        } while (line_work_waits(all, role));
        given = moved;
        if (!given) {
            return;
        }
        role = next_role[role];
    }
}

static void *live(void *context)
{
    line_thread *self = context;
    line *all = self->all;
    const int home = self->home;
    mm_event *event = all->events[home];
    while (mm__load_acquire(&all->stop) == 0) {
        line_serve(all, home, (uint32_t)home + 1);
        uint32_t key = mm_event_prepare(event);
        /* Work under another holder is that one's to find when it looks again. */
        bool mine = line_work_waits(all, home) && mm_role_holder(all->roles[home]) == 0;
        if (mine || mm__load_acquire(&all->stop) != 0) {
            mm_event_cancel(event);
            continue;
        }
        uint64_t ready;
        bool signalled = home == FEED ? mm_event_poll(event, key, NULL, 0, 0, LOST_NS, &ready)
                                      : mm_event_wait(event, key, LOST_NS);
        self->lost += signalled ? 0 : 1;
    }
    return NULL;
}

/* Pushes in bursts and signals; never runs a role itself. At most WINDOW events are under way, so
 * no ring of the line can be full. */
static void line_feed(line *all)
{
    for (int64_t value = 0; value < EVENTS; value++) {
        mm_record record = record_of(value);
        while (value - mm__load_acquire(&all->done) >= WINDOW) {
            sched_yield();
        }
        MM_CHECK(mm_spsc_push(all->socket, &record));
        mm_event_signal(all->events[FEED]);
        if (mm_test_below(4) == 0) { /* let everybody park now and then */
            while (mm__load_acquire(&all->done) <= value) {
                sched_yield();
            }
        }
    }
    while (mm__load_acquire(&all->done) < EVENTS) {
        sched_yield();
    }
}

static void work_goes_through_three_roles_and_no_thread_stays_parked(void)
{
    pthread_t threads[ROLES];
    line_thread contexts[ROLES];
    line all;
    memset(&all, 0, sizeof(all));
    mm_spsc **rings[] = {&all.socket, &all.md, &all.action, &all.exec};
    for (size_t i = 0; i < MM_ARRAY_COUNT(rings); i++) {
        *rings[i] = mm_spsc_new(32);
        MM_REQUIRE(*rings[i] != NULL);
    }
    for (int i = 0; i < ROLES; i++) {
        all.roles[i] = role_new(i);
        all.events[i] = mm_event_new(MM_WAIT_BLOCK, i == FEED ? 1 : 0);
        MM_REQUIRE(all.roles[i] != NULL && all.events[i] != NULL);
    }
    for (int i = 0; i < ROLES; i++) {
        contexts[i] = (line_thread){&all, i, 0};
        MM_REQUIRE(pthread_create(&threads[i], NULL, live, &contexts[i]) == 0);
    }
    line_feed(&all);
    mm__store_release(&all.stop, 1U);
    for (int i = 0; i < ROLES; i++) {
        mm_event_signal(all.events[i]);
        MM_CHECK(pthread_join(threads[i], NULL) == 0);
        MM_CHECK_UINT(contexts[i].lost, ==, 0);
        MM_CHECK_INT(all.wrong[i], ==, 0);
        MM_CHECK_INT(all.next[i], ==, EVENTS);
        MM_CHECK_INT(mm_role_holder(all.roles[i]), ==, 0);
        mm_event_free(all.events[i]);
    }
    MM_CHECK_INT(all.exec_next, ==, EVENTS);
    for (size_t i = 0; i < MM_ARRAY_COUNT(rings); i++) {
        MM_CHECK(mm_spsc_empty(*rings[i]) && mm_spsc_valid(*rings[i]));
        mm_spsc_free(*rings[i]);
    }
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_role_has_exactly_one_holder_at_a_time),
        MM_TEST(what_a_giver_leaves_to_the_holder_is_served),
        MM_TEST(work_goes_through_three_roles_and_no_thread_stays_parked),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
