/* The B+ tree of mm_tree.h. A search goes down to the leaf, or looks into the first one at once: most is asked of
 * the smallest keys. Where a leaf has to be split or merged, a second way down keeps the path, and the change walks
 * it back up. A separator above the leaves may be smaller than the smallest key below its child (a removal leaves it
 * alone) but never larger, and never as small as a key of the child before. That of the leftmost children is the
 * least there is. */
#include "mm_tree.h"

#include <string.h>

/* The way from the root (floor 0) to a leaf. */
typedef struct {
    uint32_t nodes[MM__TREE_FLOORS_MAX];
    uint32_t
        slots[MM__TREE_FLOORS_MAX]; /* which child was taken; at the leaf: the place of the key */
} path;

/* ---- Search
 * -------------------------------------------------------------------------------------- */

MM_STATIC_ASSERT(MM__TREE_FANOUT == 32, four_quarters_of_four_pairs);

/* How many ranks of a node are below `rank`: whole quarters of it, then pairs of the next quarter, then what is
 * left. The loads of a step wait for nothing but the step before, and there is no branch. */
static inline uint32_t count_below(const mm__tree_node *node, int64_t rank)
{
    const int64_t *at = node->ranks;
    at += 8 * ((size_t)(at[7] < rank) + (size_t)(at[15] < rank) + (size_t)(at[23] < rank));
    at += 2 * ((size_t)(at[1] < rank) + (size_t)(at[3] < rank) + (size_t)(at[5] < rank));
    at += (size_t)(at[0] < rank) + (size_t)(at[1] < rank);
    return (uint32_t)(at - node->ranks);
}

/* The place of the first key not below `key` in the leaf where `key` is or belongs; may be behind the leaf's last
 * entry. */
static mm__tree_at find(const mm__tree *tree, uint64_t key)
{
    const mm__tree_node *front = &tree->nodes[0];
    int64_t rank = mm__tree_rank_of_key(key);
    mm__tree_at at = {0, 0};
    MM_ASSERT(key < MM__TREE_NONE);
    if (front->count == 0 || front->ranks[front->count - 1] < rank) {
        at.node = tree->root;
        for (uint32_t floor = 1; floor < tree->floors; floor++) {
            const mm__tree_node *node = &tree->nodes[at.node];
            at.node = (uint32_t)node->values[count_below(node, rank + 1) - 1]; /* ranks[0] is not above any key that leads here */
        }
    }
    at.slot = count_below(&tree->nodes[at.node], rank);
    return at;
}

static bool holds(const mm__tree_node *leaf, uint32_t slot, uint64_t key)
{
    return slot < leaf->count && leaf->ranks[slot] == mm__tree_rank_of_key(key);
}

int64_t mm__tree_get(const mm__tree *tree, uint64_t key)
{
    mm__tree_at at = find(tree, key);
    const mm__tree_node *leaf = &tree->nodes[at.node];
    return holds(leaf, at.slot, key) ? leaf->values[at.slot] : 0;
}

bool mm__tree_seek(const mm__tree *tree, uint64_t key, mm__tree_at *at)
{
    *at = find(tree, key);
    if (at->slot < tree->nodes[at->node].count) {
        return true;
    }
    at->node = tree->nodes[at->node].next;
    at->slot = 0;
    return at->node != MM__TREE_END;
}

bool mm__tree_before(const mm__tree *tree, uint64_t key, mm__tree_at *at)
{
    *at = find(tree, key);
    if (at->slot == 0) {
        at->node = tree->nodes[at->node].previous;
        if (at->node == MM__TREE_END) {
            return false;
        }
        at->slot = tree->nodes[at->node].count;
    }
    at->slot--;
    return true;
}

uint64_t mm__tree_last_key(const mm__tree *tree)
{
    const mm__tree_node *leaf = &tree->nodes[tree->last];
    MM_ASSERT(tree->count > 0);
    MM_ASSERT(leaf->count > 0);
    return mm__tree_key_of_rank(leaf->ranks[leaf->count - 1]);
}

/* ---- Nodes
 * --------------------------------------------------------------------------------------- */

size_t mm__tree_nodes(size_t count_max)
{
    /* Every floor has at most 1/LOW of the nodes below it, one at least. */
    size_t total = 0;
    size_t floor = count_max;
    do {
        floor = floor / MM__TREE_LOW + 1;
        total += floor;
    } while (floor > 1);
    return total;
}

/* Marks the places [begin, end) as empty. */
static void ranks_pad(mm__tree_node *node, uint32_t begin, uint32_t end)
{
    for (uint32_t i = begin; i < end; i++) {
        node->ranks[i] = MM__TREE_PAD;
    }
}

static uint32_t node_take(mm__tree *tree)
{
    uint32_t index = tree->node_free;
    if (index != MM__TREE_END) {
        tree->node_free = tree->nodes[index].next;
    } else {
        index = tree->node_fresh++;
    }
    MM_ASSERT(index < tree->node_capacity);
    tree->nodes[index].count = 0;
    tree->nodes[index].next = MM__TREE_END;
    tree->nodes[index].previous = MM__TREE_END;
    ranks_pad(&tree->nodes[index], 0, MM__TREE_FANOUT);
    return index;
}

static void node_give(mm__tree *tree, uint32_t index)
{
    MM_ASSERT(index > 0 && index < tree->node_fresh);
    tree->nodes[index].next = tree->node_free;
    tree->node_free = index;
}

void mm__tree_clear(mm__tree *tree)
{
    tree->first_key = MM__TREE_NONE;
    tree->count = 0;
    tree->node_fresh = 0;
    tree->node_free = MM__TREE_END;
    tree->floors = 1;
    tree->root = node_take(tree);
    tree->last = tree->root;
    MM_ASSERT(tree->root == 0);
}

void mm__tree_init(mm__tree *tree, mm__tree_node *nodes, size_t node_capacity)
{
    MM_ASSERT(node_capacity > 0 && node_capacity < MM__TREE_END);
    tree->nodes = nodes;
    tree->node_capacity = (uint32_t)node_capacity;
    mm__tree_clear(tree);
}

static void entry_insert(mm__tree_node *node, uint32_t slot, int64_t rank, int64_t value)
{
    size_t tail = node->count - slot;
    MM_ASSERT(node->count < MM__TREE_FANOUT && slot <= node->count);
    memmove(&node->ranks[slot + 1], &node->ranks[slot], tail * sizeof node->ranks[0]);
    memmove(&node->values[slot + 1], &node->values[slot], tail * sizeof node->values[0]);
    node->ranks[slot] = rank;
    node->values[slot] = value;
    node->count++;
}

static void entries_remove(mm__tree_node *node, uint32_t slot, uint32_t count)
{
    size_t tail = node->count - slot - count;
    MM_ASSERT(slot + count <= node->count);
    memmove(&node->ranks[slot], &node->ranks[slot + count], tail * sizeof node->ranks[0]);
    memmove(&node->values[slot], &node->values[slot + count], tail * sizeof node->values[0]);
    node->count -= count;
    ranks_pad(node, node->count, node->count + count);
}

/* Moves `count` entries from the front of `right` to the end of `left`. */
static void entries_to_left(mm__tree_node *left, mm__tree_node *right, uint32_t count)
{
    uint32_t rest = right->count - count;
    MM_ASSERT(count <= right->count && left->count + count <= MM__TREE_FANOUT);
    memcpy(&left->ranks[left->count], right->ranks, count * sizeof left->ranks[0]);
    memcpy(&left->values[left->count], right->values, count * sizeof left->values[0]);
    memmove(right->ranks, &right->ranks[count], rest * sizeof right->ranks[0]);
    memmove(right->values, &right->values[count], rest * sizeof right->values[0]);
    ranks_pad(right, rest, right->count);
    left->count += count;
    right->count = rest;
}

/* Moves `count` entries from the end of `left` to the front of `right`. */
static void entries_to_right(mm__tree_node *left, mm__tree_node *right, uint32_t count)
{
    uint32_t rest = left->count - count;
    MM_ASSERT(count <= left->count && right->count + count <= MM__TREE_FANOUT);
    memmove(&right->ranks[count], right->ranks, right->count * sizeof right->ranks[0]);
    memmove(&right->values[count], right->values, right->count * sizeof right->values[0]);
    memcpy(right->ranks, &left->ranks[rest], count * sizeof right->ranks[0]);
    memcpy(right->values, &left->values[rest], count * sizeof right->values[0]);
    ranks_pad(left, rest, left->count);
    left->count = rest;
    right->count += count;
}

/* ---- Change
 * -------------------------------------------------------------------------------------- */

/* The way to the leaf where `key` is or belongs, and its place there. */
static path way_to(const mm__tree *tree, uint64_t key)
{
    path way;
    uint32_t leaf_floor = tree->floors - 1;
    int64_t rank = mm__tree_rank_of_key(key);
    MM_ASSERT(key < MM__TREE_NONE);
    MM_ASSERT(leaf_floor < MM__TREE_FLOORS_MAX);
    way.nodes[0] = tree->root;
    for (uint32_t floor = 0; floor < leaf_floor; floor++) {
        const mm__tree_node *node = &tree->nodes[way.nodes[floor]];
        way.slots[floor] = count_below(node, rank + 1) - 1;
        way.nodes[floor + 1] = (uint32_t)node->values[way.slots[floor]];
    }
    way.slots[leaf_floor] = count_below(&tree->nodes[way.nodes[leaf_floor]], rank);
    return way;
}

/* Halves the full node way->nodes[floor]; its parent has room. */
static void split(mm__tree *tree, path *way, uint32_t floor)
{
    uint32_t left_index = way->nodes[floor];
    uint32_t right_index = node_take(tree);
    mm__tree_node *left = &tree->nodes[left_index];
    mm__tree_node *right = &tree->nodes[right_index];
    bool is_leaf = floor == tree->floors - 1;
    entries_to_right(left, right, MM__TREE_FANOUT / 2);
    if (is_leaf) {
        right->next = left->next;
        right->previous = left_index;
        if (left->next == MM__TREE_END) {
            tree->last = right_index;
        } else {
            tree->nodes[left->next].previous = right_index;
        }
        left->next = right_index;
    }
    entry_insert(&tree->nodes[way->nodes[floor - 1]], way->slots[floor - 1] + 1, right->ranks[0],
                 (int64_t)right_index);
    /* A key between the halves goes left: to the right it would undercut the separator. */
    if (is_leaf ? way->slots[floor] > left->count : way->slots[floor] >= left->count) {
        way->nodes[floor] = right_index;
        way->slots[floor] -= left->count;
        way->slots[floor - 1]++;
    }
}

/* Puts a new root above the old one. */
static void grow(mm__tree *tree, path *way)
{
    uint32_t root = node_take(tree);
    MM_ASSERT(tree->floors < MM__TREE_FLOORS_MAX);
    tree->nodes[root].ranks[0] = INT64_MIN;
    tree->nodes[root].values[0] = (int64_t)tree->root;
    tree->nodes[root].count = 1;
    memmove(&way->nodes[1], &way->nodes[0], tree->floors * sizeof way->nodes[0]);
    memmove(&way->slots[1], &way->slots[0], tree->floors * sizeof way->slots[0]);
    way->nodes[0] = root;
    way->slots[0] = 0;
    tree->root = root;
    tree->floors++;
}

/* Makes room for one entry in the leaf of `way`: every full node from the lowest one that has a
 * parent with room down to the leaf is halved. */
static void make_room(mm__tree *tree, path *way)
{
    uint32_t floor = tree->floors - 1;
    while (floor > 0 && tree->nodes[way->nodes[floor - 1]].count == MM__TREE_FANOUT) {
        floor--;
    }
    if (floor == 0) {
        grow(tree, way);
        floor = 1;
    }
    for (; floor < tree->floors; floor++) {
        split(tree, way, floor);
    }
}

int64_t mm__tree_put(mm__tree *tree, uint64_t key, int64_t value)
{
    mm__tree_at at = find(tree, key);
    mm__tree_node *leaf = &tree->nodes[at.node];
    MM_ASSERT(value != 0);
    if (holds(leaf, at.slot, key)) {
        int64_t old = leaf->values[at.slot];
        leaf->values[at.slot] = value;
        return old;
    }
    if (MM_UNLIKELY(leaf->count == MM__TREE_FANOUT)) {
        path way = way_to(tree, key);
        make_room(tree, &way);
        leaf = &tree->nodes[way.nodes[tree->floors - 1]];
        at.slot = way.slots[tree->floors - 1];
    }
    entry_insert(leaf, at.slot, mm__tree_rank_of_key(key), value);
    tree->count++;
    tree->first_key = mm__tree_key_of_rank(tree->nodes[0].ranks[0]);
    return 0;
}

/* Evens out or merges the two children at `slot` and `slot + 1` of `parent`. */
static void rebalance(mm__tree *tree, mm__tree_node *parent, uint32_t slot, bool are_leaves)
{
    uint32_t left_index = (uint32_t)parent->values[slot];
    uint32_t right_index = (uint32_t)parent->values[slot + 1];
    mm__tree_node *left = &tree->nodes[left_index];
    mm__tree_node *right = &tree->nodes[right_index];
    uint32_t total = left->count + right->count;
    if (total > MM__TREE_MERGED_MAX) {
        if (left->count < right->count) {
            entries_to_left(left, right, total / 2 - left->count);
        } else {
            entries_to_right(left, right, total / 2 - right->count);
        }
        parent->ranks[slot + 1] = right->ranks[0];
        return;
    }
    entries_to_left(left, right, right->count);
    if (are_leaves) {
        left->next = right->next;
        if (right->next == MM__TREE_END) {
            tree->last = left_index;
        } else {
            tree->nodes[right->next].previous = left_index;
        }
    }
    entries_remove(parent, slot + 1, 1);
    node_give(tree, right_index);
}

/* Fills up or merges the leaf of `way`, and those above it as far as that takes. */
static void mend(mm__tree *tree, const path *way)
{
    uint32_t floor = tree->floors - 1;
    mm__tree_node *node = &tree->nodes[way->nodes[floor]];
    MM_ASSERT(tree->floors > 1); /* a leaf that is the root may be as empty as it is */
    for (; floor > 0 && node->count < MM__TREE_LOW; floor--) {
        mm__tree_node *parent = &tree->nodes[way->nodes[floor - 1]];
        uint32_t mine = way->slots[floor - 1];
        rebalance(tree, parent, mine > 0 ? mine - 1 : 0, floor == tree->floors - 1);
        node = parent;
    }
    if (tree->nodes[tree->root].count == 1) {
        uint32_t root = tree->root;
        tree->root = (uint32_t)tree->nodes[root].values[0];
        tree->floors--;
        node_give(tree, root);
    }
}

/* Removes `count` entries from the place of `key` on, all in its leaf. */
static void remove_at(mm__tree *tree, mm__tree_at at, uint64_t key, uint32_t count)
{
    mm__tree_node *leaf = &tree->nodes[at.node];
    entries_remove(leaf, at.slot, count);
    tree->count -= count;
    if (MM_UNLIKELY(leaf->count < MM__TREE_LOW && tree->floors > 1)) {
        path way = way_to(tree, key);
        mend(tree, &way);
    }
    tree->first_key =
        tree->count > 0 ? mm__tree_key_of_rank(tree->nodes[0].ranks[0]) : MM__TREE_NONE;
}

int64_t mm__tree_remove(mm__tree *tree, uint64_t key)
{
    mm__tree_at at = find(tree, key);
    const mm__tree_node *leaf = &tree->nodes[at.node];
    if (!holds(leaf, at.slot, key)) {
        return 0;
    }
    int64_t old = leaf->values[at.slot];
    remove_at(tree, at, key, 1);
    return old;
}

void mm__tree_remove_run(mm__tree *tree, uint64_t key, uint32_t count)
{
    mm__tree_at at = find(tree, key);
    MM_ASSERT(holds(&tree->nodes[at.node], at.slot, key));
    MM_ASSERT(count <= MM__TREE_RUN_MAX);
    remove_at(tree, at, key, count);
}

/* ---- Invariants
 * ---------------------------------------------------------------------------------- */

/* Fill, order and bounds of one node whose ranks must lie in [low, high). */
static MM_INVARIANT bool node_valid(const mm__tree *tree, uint32_t index, int64_t low, int64_t high,
                       bool is_leaf)
{
    if (index >= tree->node_fresh) {
        return false;
    }
    const mm__tree_node *node = &tree->nodes[index];
    uint32_t fewest = index != tree->root ? MM__TREE_LOW : is_leaf ? 0 : 2;
    if (node->count < fewest || node->count > MM__TREE_FANOUT) {
        return false;
    }
    bool valid = true;
    for (uint32_t i = 0; i < node->count; i++) {
        valid &= (i == 0 || node->ranks[i - 1] < node->ranks[i]) && node->ranks[i] >= low &&
                 node->ranks[i] < high;
    }
    for (uint32_t i = node->count; i < MM__TREE_FANOUT; i++) {
        valid &= node->ranks[i] == MM__TREE_PAD;
    }
    return valid;
}

/* Where a walk over all nodes stands on one floor. */
typedef struct {
    uint32_t node, slot;
    int64_t low, high;
} stand;

/* Steps down to the next child of the node that `at` stands on. */
static stand step_down(const mm__tree_node *node, stand *at)
{
    uint32_t slot = at->slot++;
    stand child = {(uint32_t)node->values[slot], 0, node->ranks[slot], at->high};
    if (slot + 1 < node->count) {
        child.high = node->ranks[slot + 1];
    }
    return child;
}

/* Walks all nodes left to right with an explicit path, and the leaves' links along with it. */
MM_INVARIANT bool mm__tree_valid(const mm__tree *tree)
{
    stand way[MM__TREE_FLOORS_MAX] = {{tree->root, 0, INT64_MIN, MM__TREE_PAD}};
    uint32_t leaf_before = MM__TREE_END;
    uint32_t floor = 0;
    size_t count = 0;
    if (tree->floors < 1 || tree->floors > MM__TREE_FLOORS_MAX) {
        return false;
    }
    for (;;) {
        stand *at = &way[floor];
        const mm__tree_node *node = &tree->nodes[at->node];
        bool is_leaf = floor == tree->floors - 1;
        if (at->slot == 0 && !node_valid(tree, at->node, at->low, at->high, is_leaf)) {
            return false;
        }
        if (!is_leaf && at->slot < node->count) {
            way[floor + 1] = step_down(node, at);
            floor++;
            continue;
        }
        if (is_leaf) {
            uint32_t expected = leaf_before == MM__TREE_END ? 0 : tree->nodes[leaf_before].next;
            if (at->node != expected || node->previous != leaf_before) {
                return false;
            }
            leaf_before = at->node;
            count += node->count;
        }
        if (floor == 0) {
            break;
        }
        floor--;
    }
    uint64_t first = count > 0 ? mm__tree_key_of_rank(tree->nodes[0].ranks[0]) : MM__TREE_NONE;
    return tree->nodes[leaf_before].next == MM__TREE_END && leaf_before == tree->last &&
           count == tree->count && first == tree->first_key;
}
