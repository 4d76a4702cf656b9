/* The promises of the event count, kept without futexes. */
#include "mm_event_faults.h"
#include "mm_event_portable.h"

#include "test_mm_event.c"
