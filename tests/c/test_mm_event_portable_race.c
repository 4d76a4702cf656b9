/* The event count between real threads, without futexes. */
#include "mm_event_portable.h"

#include "test_mm_event_race.c"
