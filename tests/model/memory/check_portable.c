/* The event count's promises where there is no futex: the same scenarios over the lock and the condition variable. */
#define MODEL_PORTABLE

#include "check_event.c"
