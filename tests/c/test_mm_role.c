/* The owner word of a role on one thread; test_mm_role_race.c has the threads. */
#include "mm_test.h"

#include "mm_internal.h"

static mm_role *role_new(void)
{
    static unsigned char memory[256] MM_ALIGN_LINE;
    memset(memory, 0xFF, sizeof(memory));
    return mm_role_init(memory, sizeof(memory));
}

static void a_new_role_is_free(void)
{
    mm_role *role = role_new();
    MM_REQUIRE(role != NULL);
    MM_CHECK_INT(mm_role_bytes(), <=, 256);
    MM_CHECK_INT(mm_role_holder(role), ==, 0);
}

static void a_role_has_one_holder_at_a_time(void)
{
    mm_role *role = role_new();
    MM_REQUIRE(role != NULL);
    MM_CHECK(mm_role_try(role, 1));
    MM_CHECK_INT(mm_role_holder(role), ==, 1);
    MM_CHECK(!mm_role_try(role, 2));
    MM_CHECK(!mm_role_try(role, 1)); /* not even twice to the same */
    MM_CHECK_INT(mm_role_holder(role), ==, 1);
    mm_role_release(role, 1);
    MM_CHECK_INT(mm_role_holder(role), ==, 0);
    MM_CHECK(mm_role_try(role, UINT32_MAX));
    MM_CHECK_INT(mm_role_holder(role), ==, UINT32_MAX);
    mm_role_release(role, UINT32_MAX);
}

static void misuse_is_caught(void)
{
    mm_role *role = role_new();
    MM_REQUIRE(role != NULL);
    MM_CHECK_PANICS(mm_role_try(role, 0));     /* 0 names nobody */
    MM_CHECK_PANICS(mm_role_release(role, 1)); /* not held */
    MM_CHECK(mm_role_try(role, 1));
    MM_CHECK_PANICS(mm_role_release(role, 2)); /* held by another */
    MM_CHECK_INT(mm_role_holder(role), ==, 1);
    mm_role_release(role, 1);
}

static void a_role_in_memory_that_does_not_do_is_not_made_and_nobody_is_killed_for_it(void)
{
    static unsigned char memory[256] MM_ALIGN_LINE;
    MM_CHECK(mm_role_init(memory, mm_role_bytes() - 1) == NULL);
    MM_CHECK(mm_role_init(memory + 8, mm_role_bytes()) == NULL);
    MM_CHECK(mm_role_init(NULL, mm_role_bytes()) == NULL);
    MM_CHECK(!mm_panic_killed());
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_role_in_memory_that_does_not_do_is_not_made_and_nobody_is_killed_for_it),
        MM_TEST(a_new_role_is_free),
        MM_TEST(a_role_has_one_holder_at_a_time),
        MM_TEST(misuse_is_caught),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
