/* Ordered map from uint64 keys to int64 values in a bounded slab of nodes: a B+ tree.
 *
 * The side store of the book: levels its window by tick does not hold. Every operation costs
 * O(log n) with a small bound (at most one split or merge a floor), and none allocates. Leaves are
 * linked in order; the leftmost is always node 0. Keys are below MM__TREE_NONE. One thread. */
#ifndef MM_TREE_H
#define MM_TREE_H

#include "mm_internal.h"

/* Entries of a node, and the fewest of a node that is not the root: a node under it is filled up
 * from its neighbour or merged into it. The gap between LOW and half of FANOUT keeps split and
 * merge from alternating. */
#define MM__TREE_FANOUT 32
#define MM__TREE_LOW 12
#define MM__TREE_MERGED_MAX 28
/* Entries removed at once: a leaf that had LOW of them keeps some. */
#define MM__TREE_RUN_MAX 8
/* Floors of a tree of 2^28 entries: 12^8 is more. */
#define MM__TREE_FLOORS_MAX 8
#define MM__TREE_NONE UINT64_MAX
#define MM__TREE_PAD INT64_MAX

/* `ranks` are keys with the highest bit turned over, so that signed order is theirs. Behind the
 * last entry they are MM__TREE_PAD, so that a search may look at any of them. */
typedef struct mm__tree_node {
    int64_t ranks[MM__TREE_FANOUT];  /* ascending; above the leaves ranks[i] <= all below child i */
    int64_t values[MM__TREE_FANOUT]; /* of a leaf; above the leaves: the child's node number */
    uint32_t count;
    uint32_t next, previous; /* neighbours of a leaf; MM__TREE_END at the ends. A free node's
                                `next`: the list */
} mm__tree_node;

#define MM__TREE_END UINT32_MAX

typedef struct mm__tree {
    mm__tree_node *nodes;
    uint64_t first_key; /* smallest key, MM__TREE_NONE when empty */
    size_t count;
    uint32_t node_capacity;
    uint32_t node_fresh; /* nodes from here on were never used */
    uint32_t node_free;  /* list of given back nodes */
    uint32_t root;
    uint32_t last;   /* rightmost leaf */
    uint32_t floors; /* 1 = the root is a leaf */
} mm__tree;

/* Place of an entry. */
typedef struct mm__tree_at {
    uint32_t node;
    uint32_t slot;
} mm__tree_at;

/* Nodes that hold any tree of up to `count_max` entries. */
size_t mm__tree_nodes(size_t count_max);
void mm__tree_init(mm__tree *tree, mm__tree_node *nodes, size_t node_capacity);
/* Forgets everything, O(1). */
void mm__tree_clear(mm__tree *tree);
/* Adds or replaces; returns the old value, 0 when the key is new (values are not 0). */
int64_t mm__tree_put(mm__tree *tree, uint64_t key, int64_t value);
/* Returns the removed value, 0 when the key was not there. */
int64_t mm__tree_remove(mm__tree *tree, uint64_t key);
/* Removes the entry `key`, which is there, and those behind it in the same leaf, 1..RUN_MAX
 * together. */
void mm__tree_remove_run(mm__tree *tree, uint64_t key, uint32_t count);
/* 0 when absent. */
int64_t mm__tree_get(const mm__tree *tree, uint64_t key);
/* Place of the first entry with a key >= `key`; false = none. */
bool mm__tree_seek(const mm__tree *tree, uint64_t key, mm__tree_at *at);
/* Place of the last entry with a key < `key`; false = none. */
bool mm__tree_before(const mm__tree *tree, uint64_t key, mm__tree_at *at);
/* Largest key; the tree is not empty. */
uint64_t mm__tree_last_key(const mm__tree *tree);
/* Full invariant check, O(entries). */
bool mm__tree_valid(const mm__tree *tree);

static inline int64_t mm__tree_rank_of_key(uint64_t key)
{
    return (int64_t)(key ^ (uint64_t)1 << 63);
}

static inline uint64_t mm__tree_key_of_rank(int64_t rank)
{
    return (uint64_t)rank ^ (uint64_t)1 << 63;
}

static inline uint64_t mm__tree_key(const mm__tree *tree, mm__tree_at at)
{
    return mm__tree_key_of_rank(tree->nodes[at.node].ranks[at.slot]);
}

static inline int64_t mm__tree_value(const mm__tree *tree, mm__tree_at at)
{
    return tree->nodes[at.node].values[at.slot];
}

/* True at the last entry of a leaf. */
static inline bool mm__tree_at_leaf_end(const mm__tree *tree, mm__tree_at at)
{
    return at.slot + 1 == tree->nodes[at.node].count;
}

/* Moves to the next entry; false at the end. */
static inline bool mm__tree_step(const mm__tree *tree, mm__tree_at *at)
{
    const mm__tree_node *leaf = &tree->nodes[at->node];
    if (at->slot + 1 < leaf->count) {
        at->slot++;
        return true;
    }
    at->node = leaf->next;
    at->slot = 0;
    return at->node != MM__TREE_END;
}

#endif /* MM_TREE_H */
