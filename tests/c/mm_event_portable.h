/* The event count's other half, for systems without futexes, under names of its own: a test that
 * includes this file first tests a lock, a condition variable and a pipe. */
#ifndef MM_EVENT_PORTABLE_H
#define MM_EVENT_PORTABLE_H

#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* as mm_event.c */
#endif

#define MM_EVENT_PORTABLE

#define mm_event_bytes mm_portable_event_bytes
#define mm_event_init mm_portable_event_init
#define mm_event_new mm_portable_event_new
#define mm_event_close mm_portable_event_close
#define mm_event_free mm_portable_event_free
#define mm_event_fd mm_portable_event_fd
#define mm_event_prepare mm_portable_event_prepare
#define mm_event_cancel mm_portable_event_cancel
#define mm_event_wait mm_portable_event_wait
#define mm_event_poll mm_portable_event_poll
#define mm_event_signal mm_portable_event_signal

#if !defined(MM_EVENT_SOURCE)
#define MM_EVENT_SOURCE "../../csrc/src/mm_event.c"
#endif
#include MM_EVENT_SOURCE

#endif /* MM_EVENT_PORTABLE_H */
