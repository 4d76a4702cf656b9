/* Parts that one unit's scenarios lend to another's; setup only. */
#ifndef CHECK_H
#define CHECK_H

#include "mmcore.h"

/* A ring in the scenario's memory, as if `start` records had gone through it (check_spsc.c). */
mm_spsc *model_ring(size_t capacity, uint64_t start);
/* An event count whose consumer blocks; its announcements' numbers are about to wrap (check_event.c). */
mm_event *model_event(void);

#endif /* CHECK_H */
