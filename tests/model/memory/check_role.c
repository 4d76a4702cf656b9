/* The promises of roles, over every run: one holder at a time, who sees what the last one left, and no work left lying
 * when threads hand roles to each other. serve and live are those of docs/concepts/threads.md. */
#if !defined(MODEL_ROLE_SOURCE)
#define MODEL_ROLE_SOURCE "mm_role.c"
#endif
#include "model.h"

#include MODEL_ROLE_SOURCE

#include "check.h"

#include <string.h>

enum { GIVERS_MAX = 3 };

typedef struct {
    mm_role *role;
    mm_event *event;            /* of the thread at home */
    mm_spsc *rings[GIVERS_MAX]; /* one from each giver */
    mm_role *next_role;         /* of a second stage */
    mm_spsc *next_ring;
    int64_t givers;
    int64_t events;      /* from each giver */
    int64_t rounds;      /* a serving thread goes round at most; then it signals the thread at home */
    int64_t *served;      /* plain: the role's state */
    int64_t *next_served; /* plain: the second role's */
} shared;

typedef struct {
    int64_t inside[2]; /* holders of either role */
} ghost;

static shared *all;
static ghost *run;

static mm_role *role_new(void)
{
    mm_role *role = mm_role_init(model_memory(mm_role_bytes()), mm_role_bytes());
    MODEL_REQUIRE(role != NULL);
    return role;
}

static void begin(const int64_t *arguments)
{
    run = model_ghost(sizeof(*run));
    all = model_memory(sizeof(*all));
    all->givers = arguments[0];
    all->events = arguments[1];
    all->rounds = arguments[2];
    all->role = role_new();
    all->served = model_memory(sizeof(*all->served));
    all->next_served = model_memory(sizeof(*all->next_served));
    for (int64_t i = 0; i < all->givers; i++) {
        all->rings[i] = model_ring(2, 0);
    }
    all->event = model_event();
}

static void begin_two_stages(const int64_t *arguments)
{
    begin(arguments);
    all->next_role = role_new();
    all->next_ring = model_ring(4, 0);
}

static uint32_t number_of_self(void)
{
    return (uint32_t)model_self() + 1;
}

static bool work_waits(void)
{
    for (int64_t i = 0; i < all->givers; i++) {
        if (!mm_spsc_empty(all->rings[i])) {
            return true;
        }
    }
    return false;
}

static void take_all(void)
{
    const mm_record *event;
    for (int64_t i = 0; i < all->givers; i++) {
        while ((event = mm_spsc_peek(all->rings[i])) != NULL) {
            if (all->next_ring != NULL) {
                MODEL_REQUIRE(mm_spsc_push(all->next_ring, event));
            }
            mm_spsc_release(all->rings[i]);
            (*all->served)++;
        }
    }
}

static void hold(void (*work)(void), mm_role *role)
{
    MODEL_REQUIRE(mm_role_holder(role) == number_of_self());
    MODEL_REQUIRE(++run->inside[role != all->role] == 1);
    work();
    run->inside[role != all->role]--;
    mm_role_release(role, number_of_self());
}

/* Tries; serves; releases; looks again. */
static void serve(void)
{
    for (int64_t round = 0; round < all->rounds; round++) {
        if (!mm_role_try(all->role, number_of_self())) {
            return; /* its holder will look again */
        }
        hold(take_all, all->role);
        if (!work_waits()) {
            return;
        }
    }
    mm_event_signal(all->event);
}

static void push(int64_t giver, int64_t event)
{
    mm_record record;
    memset(&record, 0, sizeof(record));
    record.count = 1;
    record.body.numbers[0] = event;
    while (!mm_spsc_push(all->rings[giver], &record)) {
    }
}

/* ---- Exclusion --------------------------------------------------------------------------------------------------- */

static void count_one(void)
{
    (*all->served)++;
}

static void compete(void)
{
    for (int64_t turn = 0; turn < all->events; turn++) {
        while (!mm_role_try(all->role, number_of_self())) {
        }
        hold(count_one, all->role);
    }
}

static void each_has_counted(void)
{
    int64_t threads = 0;
    while (threads < MODEL_THREADS_MAX && model_done((int)threads)) {
        threads++;
    }
    MODEL_REQUIRE(*all->served == threads * all->events && threads >= 2);
    MODEL_REQUIRE(mm_role_holder(all->role) == 0);
}

/* ---- Hand-over between those who give ------------------------------------------------------------------------------ */

static void give_and_serve(int64_t giver)
{
    for (int64_t event = 0; event < all->events; event++) {
        push(giver, event);
        serve();
    }
}

static void give_0(void)
{
    give_and_serve(0);
}

static void give_1(void)
{
    give_and_serve(1);
}

static void give_2(void)
{
    give_and_serve(2);
}

static void all_is_served(void)
{
    for (int i = 0; i < (int)all->givers; i++) {
        MODEL_REQUIRE(model_done(i));
    }
    MODEL_REQUIRE(!work_waits());
    MODEL_REQUIRE(*all->served == all->givers * all->events);
    MODEL_REQUIRE(mm_role_holder(all->role) == 0);
}

/* ---- A thread at home, one that only signals, one that serves ------------------------------------------------------ */

static void give_and_signal(void)
{
    for (int64_t event = 0; event < all->events; event++) {
        push(0, event);
        mm_event_signal(all->event);
    }
}

/* Has nothing of its own for the role, but runs it if it is free. */
static void pass_by(void)
{
    serve();
}

/* For ever; the run ends when it sleeps and nobody is left to wake it. */
static void live(void)
{
    for (;;) {
        serve();
        uint32_t key = mm_event_prepare(all->event);
        /* Work under another holder is that one's to find when it looks again. */
        if (work_waits() && mm_role_holder(all->role) == 0) {
            mm_event_cancel(all->event);
        } else {
            MODEL_REQUIRE(mm_event_wait(all->event, key, -1));
        }
    }
}

static void all_is_served_at_home(void)
{
    MODEL_REQUIRE(model_done(0));
    MODEL_REQUIRE(!work_waits());
    MODEL_REQUIRE(*all->served == all->givers * all->events);
    MODEL_REQUIRE(mm_role_holder(all->role) == 0);
}

/* ---- Two roles in a row -------------------------------------------------------------------------------------------- */

static void take_next(void)
{
    while (mm_spsc_peek(all->next_ring) != NULL) {
        mm_spsc_release(all->next_ring);
        (*all->next_served)++;
    }
}

static void serve_next(void)
{
    do {
        if (!mm_role_try(all->next_role, number_of_self())) {
            return;
        }
        hold(take_next, all->next_role);
    } while (!mm_spsc_empty(all->next_ring));
}

static void give_through(int64_t giver)
{
    for (int64_t event = 0; event < all->events; event++) {
        push(giver, event);
        serve();
        serve_next();
    }
}

static void give_through_0(void)
{
    give_through(0);
}

static void give_through_1(void)
{
    give_through(1);
}

static void all_went_through(void)
{
    all_is_served();
    MODEL_REQUIRE(*all->next_served == all->givers * all->events && mm_spsc_empty(all->next_ring));
}

static const model_scenario exclusion_of_two = {
    "a role has one holder, who sees what the last one left", begin, {compete, compete}, each_has_counted};
static const model_scenario exclusion_of_three = {"a role has one holder of three rivals",
                                                  begin,
                                                  {compete, compete, compete},
                                                  each_has_counted};
static const model_scenario handover = {
    "what a giver leaves to the holder is served", begin, {give_0, give_1}, all_is_served};
static const model_scenario handover_of_three = {
    "what two givers leave to the holder is served", begin, {give_0, give_1, give_2}, all_is_served};
static const model_scenario at_home = {"all threads sleep only when all rings are empty",
                                       begin,
                                       {give_and_signal, live, pass_by},
                                       all_is_served_at_home};
static const model_scenario at_home_alone = {
    "who stops serving early wakes the thread at home", begin, {give_0, live}, all_is_served_at_home};
static const model_scenario two_stages = {"work goes through two roles and none is left between",
                                          begin_two_stages,
                                          {give_through_0, give_through_1},
                                          all_went_through};

#define NO_BOUND INT64_MAX

/* givers, events of each, rounds of a serving thread */
const model_case model_role_cases[] = {
    {&exclusion_of_two, "3 holds each", {0, 3, NO_BOUND, 0}, false},
    {&exclusion_of_three, "1 hold each", {0, 1, NO_BOUND, 0}, false},
    {&exclusion_of_three, "2 holds each", {0, 2, NO_BOUND, 0}, true},
    {&handover, "1 event each", {2, 1, NO_BOUND, 0}, false},
    {&handover, "2 events each", {2, 2, NO_BOUND, 0}, false},
    {&handover, "3 events each", {2, 3, NO_BOUND, 0}, true},
    {&handover_of_three, "1 event each", {3, 1, NO_BOUND, 0}, true},
    {&at_home_alone, "2 events, 1 round", {1, 2, 1, 0}, false},
    {&at_home, "1 event", {1, 1, NO_BOUND, 0}, false},
    {&at_home, "1 event, 1 round", {1, 1, 1, 0}, false},
    {&two_stages, "1 event each", {2, 1, NO_BOUND, 0}, false},
    {NULL, NULL, {0}, false},
};
