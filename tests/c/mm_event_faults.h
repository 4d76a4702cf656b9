/* What the system may refuse an event count without futexes, and what another giver may do between two steps of this one: ordered
 * by a test that includes this file before mm_event_portable.h. */
#ifndef MM_EVENT_FAULTS_H
#define MM_EVENT_FAULTS_H

#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* as mm_event.c */
#endif

#include "mm_internal.h"

#include <errno.h>
#include <pthread.h>

static struct {
    bool no_lock;         /* no lock can be made */
    bool no_condition;    /* no condition variable */
    bool another_signals; /* just before the next compare-and-swap of a giver */
} event_faults;

static inline int faulty_lock_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes)
{
    return event_faults.no_lock ? EAGAIN : pthread_mutex_init(lock, attributes);
}

static inline int faulty_condition_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    return event_faults.no_condition ? EAGAIN : pthread_cond_init(condition, attributes);
}

static inline bool raced_cas(uint32_t *word, uint32_t *expected, uint32_t desired)
{
    if (event_faults.another_signals) {
        event_faults.another_signals = false;
        __atomic_store_n(word, desired, __ATOMIC_SEQ_CST);
    }
    return mm__cas_relaxed(word, expected, desired);
}

/* Not within the functions above, which were defined before. */
#define pthread_mutex_init faulty_lock_init
#define pthread_cond_init faulty_condition_init
#undef mm__cas_relaxed
#define mm__cas_relaxed raced_cas

#endif /* MM_EVENT_FAULTS_H */
