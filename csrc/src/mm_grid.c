/* Division by a step that stays the same, as a multiplication (mm__grid_steps in mm_internal.h). */
#include "mm_internal.h"

#include <math.h>

__extension__ typedef __int128 int128;

mm_status mm_grid_init(mm_grid *grid, int64_t step_e8)
{
    if (step_e8 <= 0 || step_e8 > (int64_t)1 << 62) {
        return MM_E_ARGUMENT;
    }
    uint32_t shift = step_e8 == 1 ? 0 : mm__bit_highest((uint64_t)step_e8 - 1) + 1;
    MM_ASSERT((uint64_t)step_e8 <= (uint64_t)1 << shift);
    grid->step_e8 = step_e8;
    int128 scaled = (int128)1 << (63 + shift); /* at most 2^125 */
    grid->multiplier = (uint64_t)(scaled / step_e8) + 1;
    grid->shift = shift;
    grid->pad = 0;
    grid->step = (double)step_e8;
    grid->inverse = nextafter(1.0 / grid->step, 2.0);
    MM_ASSERT(grid->multiplier > (uint64_t)1 << 63);
    return MM_OK;
}
