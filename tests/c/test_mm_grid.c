/* mm_grid.c against division. */
#include "mm_internal.h"
#include "mm_test.h"

static void grid_steps_are_divided(const mm_grid *grid, int64_t value)
{
    MM_CHECK_INT(mm__grid_steps(grid, value), ==, value / grid->step_e8);
    MM_CHECK_INT(mm__grid_floor(grid, value), ==, value - value % grid->step_e8);
}

static void a_grid_divides_exactly_whatever_the_step_and_the_value(void)
{
    for (int n = 0; n < 200000; n++) {
        int64_t step = mm_test_between(1, (int64_t)1 << mm_test_below(63));
        mm_grid grid;
        MM_CHECK_INT(mm_grid_init(&grid, step), ==, MM_OK);
        grid_steps_are_divided(&grid, mm_test_between(0, INT64_MAX));
        /* Next to a multiple is where a product that is off would show. */
        int64_t multiple = mm_test_between(0, INT64_MAX / step) * step;
        grid_steps_are_divided(&grid, multiple);
        grid_steps_are_divided(&grid, multiple > 0 ? multiple - 1 : 0);
        grid_steps_are_divided(&grid, INT64_MAX);
    }
}

static void a_grid_without_a_step_in_range_is_refused(void)
{
    mm_grid grid;
    MM_CHECK_INT(mm_grid_init(&grid, 0), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_grid_init(&grid, -1), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_grid_init(&grid, ((int64_t)1 << 62) + 1), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_grid_init(&grid, (int64_t)1 << 62), ==, MM_OK);
    grid_steps_are_divided(&grid, INT64_MAX);
    MM_CHECK_INT(mm_grid_init(&grid, 1), ==, MM_OK);
    grid_steps_are_divided(&grid, INT64_MAX);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_grid_divides_exactly_whatever_the_step_and_the_value),
        MM_TEST(a_grid_without_a_step_in_range_is_refused),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
