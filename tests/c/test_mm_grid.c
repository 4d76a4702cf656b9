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

static void small_steps_are_divided(const mm_grid *grid, int64_t value)
{
    if (value >= 0 && value <= 2 * MM__GRID_SMALL - grid->step_e8) {
        MM_CHECK_INT(mm__grid_floor_small(grid, (double)value), ==, value - value % grid->step_e8);
    }
}

static void small_numbers_are_divided_exactly_in_floating_point(void)
{
    for (int n = 0; n < 300000; n++) {
        /* Steps of a few digits, powers of ten (and one of two that is almost too large), and of any size. */
        static const int64_t tens[] = {1, 10, 1000, 1000000, 100000000, MM__GRID_SMALL / 2};
        uint64_t kind = mm_test_below(3);
        int64_t step = kind == 0   ? mm_test_between(1, 1000)
                       : kind == 1 ? tens[mm_test_below(6)]
                                   : mm_test_between(1, (int64_t)1 << mm_test_below(51));
        mm_grid grid;
        MM_CHECK_INT(mm_grid_init(&grid, step), ==, MM_OK);
        int64_t last = 2 * MM__GRID_SMALL - step;
        int64_t multiple = mm_test_between(0, (last >> mm_test_below(40)) / step) * step;
        small_steps_are_divided(&grid, multiple);
        small_steps_are_divided(&grid, multiple - 1);
        small_steps_are_divided(&grid, multiple + 1);
        small_steps_are_divided(&grid, mm_test_between(0, last));
        small_steps_are_divided(&grid, last / step * step);
        small_steps_are_divided(&grid, last / step * step - 1);
        small_steps_are_divided(&grid, last);
    }
    /* A step that no small number reaches. */
    mm_grid grid;
    for (int64_t step = MM__GRID_SMALL + 1; step > 0 && step <= (int64_t)1 << 62; step += step / 3) {
        MM_CHECK_INT(mm_grid_init(&grid, step), ==, MM_OK);
        MM_CHECK_INT(mm__grid_floor_small(&grid, (double)MM__GRID_SMALL), ==, 0);
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
        MM_TEST(small_numbers_are_divided_exactly_in_floating_point),
        MM_TEST(a_grid_without_a_step_in_range_is_refused),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
