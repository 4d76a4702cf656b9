/* The B+ tree against a sorted array: any mixture of puts and removals, and every neighbour query.
 */
#include "mm_test.h"

#include "mm_tree.h"

enum { ENTRIES_MAX = 6000 };

typedef struct {
    uint64_t keys[ENTRIES_MAX];
    int64_t values[ENTRIES_MAX];
    size_t count;
} naive;

static naive model;
static mm__tree tree;
static mm__tree_node nodes[ENTRIES_MAX / MM__TREE_LOW + 64];

static size_t naive_rank(uint64_t key)
{
    size_t low = 0;
    size_t high = model.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (model.keys[middle] < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int64_t naive_put(uint64_t key, int64_t value)
{
    size_t at = naive_rank(key);
    if (at < model.count && model.keys[at] == key) {
        int64_t old = model.values[at];
        model.values[at] = value;
        return old;
    }
    memmove(&model.keys[at + 1], &model.keys[at], (model.count - at) * sizeof(model.keys[0]));
    memmove(&model.values[at + 1], &model.values[at], (model.count - at) * sizeof(model.values[0]));
    model.keys[at] = key;
    model.values[at] = value;
    model.count++;
    return 0;
}

static int64_t naive_remove(uint64_t key)
{
    size_t at = naive_rank(key);
    if (at == model.count || model.keys[at] != key) {
        return 0;
    }
    int64_t old = model.values[at];
    model.count--;
    memmove(&model.keys[at], &model.keys[at + 1], (model.count - at) * sizeof(model.keys[0]));
    memmove(&model.values[at], &model.values[at + 1], (model.count - at) * sizeof(model.values[0]));
    return old;
}

static void start(size_t count_max)
{
    size_t needed = mm__tree_nodes(count_max);
    model.count = 0;
    MM_REQUIRE(needed <= sizeof(nodes) / sizeof(nodes[0]));
    mm__tree_init(&tree, nodes, needed);
}

/* Neighbours of a key, on both sides. */
static void check_around(uint64_t key)
{
    size_t at = naive_rank(key);
    mm__tree_at place;
    bool found = mm__tree_seek(&tree, key, &place);
    MM_CHECK(found == (at < model.count));
    if (found && at < model.count) {
        MM_CHECK_UINT(mm__tree_key(&tree, place), ==, model.keys[at]);
        MM_CHECK_INT(mm__tree_value(&tree, place), ==, model.values[at]);
    }
    found = mm__tree_before(&tree, key, &place);
    MM_CHECK(found == (at > 0));
    if (found && at > 0) {
        MM_CHECK_UINT(mm__tree_key(&tree, place), ==, model.keys[at - 1]);
    }
    bool here = at < model.count && model.keys[at] == key;
    MM_CHECK_INT(mm__tree_get(&tree, key), ==, here ? model.values[at] : 0);
}

static void check_whole(void)
{
    mm__tree_at at = {0, 0};
    size_t count = 0;
    MM_CHECK(mm__tree_valid(&tree));
    MM_CHECK_UINT(tree.count, ==, model.count);
    MM_CHECK_UINT(tree.first_key, ==, model.count > 0 ? model.keys[0] : MM__TREE_NONE);
    bool more = tree.count > 0;
    if (more) {
        MM_CHECK_UINT(mm__tree_last_key(&tree), ==, model.keys[model.count - 1]);
    }
    for (; more && count < model.count; more = mm__tree_step(&tree, &at)) {
        MM_CHECK_UINT(mm__tree_key(&tree, at), ==, model.keys[count]);
        count++;
    }
    MM_CHECK(!more && count == model.count);
}

static void put(uint64_t key, int64_t value)
{
    int64_t wanted = naive_put(key, value);
    int64_t before = mm__tree_put(&tree, key, value);
    MM_CHECK_INT(before, ==, wanted);
}

static void drop(uint64_t key)
{
    int64_t wanted = naive_remove(key);
    int64_t before = mm__tree_remove(&tree, key);
    MM_CHECK_INT(before, ==, wanted);
}

static void any_mixture_of_puts_and_removals_is_the_sorted_array(void)
{
    for (int round = 0; round < 12; round++) {
        uint64_t range = round < 6 ? 3000 : UINT64_MAX - 1;
        start(ENTRIES_MAX - 1);
        for (int i = 0; i < 12000; i++) {
            /* Waves of growth and decay, so that nodes split and merge again and again. */
            uint64_t puts = i / 3000 % 2 == 0 ? 80 : 20;
            uint64_t key = mm_test_below(range);
            if (mm_test_below(100) < puts && model.count < ENTRIES_MAX - 2) {
                put(key, 1 + (int64_t)mm_test_below(1000));
            } else if (model.count > 0 && mm_test_below(4) != 0) {
                drop(model.keys[mm_test_below(model.count)]);
            } else {
                drop(key);
            }
            check_around(mm_test_below(range));
            if (i % 400 == 0) {
                check_whole();
            }
        }
        check_whole();
    }
}

static void order_of_arrival_does_not_matter(void)
{
    for (int order = 0; order < 4; order++) {
        start(ENTRIES_MAX - 1);
        for (uint64_t i = 0; i < 5000; i++) {
            uint64_t key = order == 0   ? i
                           : order == 1 ? 5000 - i
                           : order == 2 ? i * 2971 % 5003
                                        : i / 2 + i % 2 * 2500;
            put(key, (int64_t)i + 1);
        }
        check_whole();
        for (uint64_t i = 0; i < 5000; i++) {
            uint64_t key = order == 0 ? 5000 - i : order == 1 ? 5000 - i : i * 977 % 5003;
            drop(key);
            if (i % 500 == 0) {
                check_whole();
            }
        }
        check_whole();
    }
}

static void runs_of_a_leaf_are_removed_at_once(void)
{
    for (int round = 0; round < 20; round++) {
        start(ENTRIES_MAX - 1);
        for (uint64_t i = 0; i < 3000; i++) {
            put(mm_test_below(100000), 9);
        }
        while (model.count > 0) {
            mm__tree_at at;
            uint64_t from = model.keys[mm_test_below(model.count)];
            uint32_t count = 1;
            MM_REQUIRE(mm__tree_seek(&tree, from, &at));
            while (count < 1 + mm_test_below(MM__TREE_RUN_MAX) &&
                   !mm__tree_at_leaf_end(&tree, at)) {
                MM_REQUIRE(mm__tree_step(&tree, &at));
                count++;
            }
            mm__tree_remove_run(&tree, from, count);
            for (uint32_t i = 0; i < count; i++) {
                naive_remove(model.keys[naive_rank(from)]);
            }
            if (model.count % 10 == 0) {
                check_whole();
            }
        }
        check_whole();
    }
}

static void a_tree_of_its_greatest_size_never_lacks_a_node(void)
{
    /* Filled to the brim, thinned out to the fewest entries a node may have, filled again
     * elsewhere. */
    start(3000);
    for (int round = 0; round < 6; round++) {
        uint64_t base = (uint64_t)round * 100000;
        while (model.count < 3000) {
            put(base + mm_test_below(90000), 1);
        }
        check_whole();
        for (uint64_t key = 0; key < model.count; key++) {
            drop(model.keys[key]); /* every other one */
        }
        check_whole();
    }
}

static void clear_forgets_everything(void)
{
    start(1000);
    for (uint64_t i = 0; i < 1000; i++) {
        put(i * 3, 7);
    }
    mm__tree_clear(&tree);
    model.count = 0;
    check_whole();
    put(5, 6);
    check_whole();
}

static void a_damaged_tree_is_not_valid(void)
{
    start(1000);
    for (uint64_t i = 0; i < 1000; i++) {
        put(i * 3, 7);
    }
    MM_CHECK(mm__tree_valid(&tree));
    int64_t rank = nodes[0].ranks[1];
    nodes[0].ranks[1] = nodes[0].ranks[0];
    MM_CHECK(!mm__tree_valid(&tree));
    nodes[0].ranks[1] = rank;
    rank = nodes[0].ranks[MM__TREE_FANOUT - 1];
    nodes[0].ranks[MM__TREE_FANOUT - 1] = 5; /* behind the last entry */
    MM_CHECK(nodes[0].count == MM__TREE_FANOUT || !mm__tree_valid(&tree));
    nodes[0].ranks[MM__TREE_FANOUT - 1] = rank;
    tree.count++;
    MM_CHECK(!mm__tree_valid(&tree));
    tree.count--;
    nodes[0].next = MM__TREE_END;
    MM_CHECK(!mm__tree_valid(&tree));
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(any_mixture_of_puts_and_removals_is_the_sorted_array),
        MM_TEST(order_of_arrival_does_not_matter),
        MM_TEST(runs_of_a_leaf_are_removed_at_once),
        MM_TEST(a_tree_of_its_greatest_size_never_lacks_a_node),
        MM_TEST(clear_forgets_everything),
        MM_TEST(a_damaged_tree_is_not_valid),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
