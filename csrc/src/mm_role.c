/* A role's owner word: the number of the thread that may touch the role's state, 0 when none may.
 *
 * The promise beside exclusion is that no work is left lying when threads hand roles to each other.
 *   Giver of work:   push to a ring of the role;  full fence;  try the role.
 *   Holder:          owner word = 0;  full fence;  look at the rings again;  park.
 * Suppose the try fails because it still reads the holder's number. The two fences stand in one
 * order. If the holder's came first, the try would read 0 or something later, so the giver's came
 * first; then the holder's look comes after the push and finds the work. Either the giver gets the
 * role, or the holder sees what was given. The same holds between a holder and a signaller of its
 * event count, whose announcement stands in the place of the owner word. */
#include "mm_internal.h"

struct mm_role {
    uint32_t owner;
    char pad[MM_CACHE_PAIR_BYTES - sizeof(uint32_t)];
};

size_t mm_role_bytes(void)
{
    return sizeof(mm_role);
}

mm_role *mm_role_init(void *memory, size_t memory_bytes)
{
    if (!mm__memory_fits(memory, memory_bytes, sizeof(mm_role))) {
        return NULL;
    }
    mm_role *role = memory;
    mm__store_relaxed(&role->owner, 0U); /* no other thread knows of it yet */
    return role;
}

bool mm_role_try(mm_role *role, uint32_t holder)
{
    MM_ASSERT(holder != 0);
    /* Full fence: what the caller pushed stands before its look at the owner (proof above). */
    mm__fence_seq_cst();
    uint32_t owner = mm__load_relaxed(&role->owner);
    if (owner != 0) {
        return false;
    }
    /* Acquire: pairs with the release below, so the role's state is seen as the last holder left
     * it. A lost race is no loss of work either: it too read a holder's number after the fence. */
    return mm__cas_acquire(&role->owner, &owner, holder);
}

void mm_role_release(mm_role *role, uint32_t holder)
{
    MM_ASSERT(holder != 0);
    MM_ASSERT(mm__load_relaxed(&role->owner) == holder);
    /* Release: everything this holder did to the role's state comes before the next one's try. */
    mm__store_release(&role->owner, 0U);
    /* Full fence: the look at the rings that the caller owes now comes after the word is free. */
    mm__fence_seq_cst();
}

uint32_t mm_role_holder(const mm_role *role)
{
    /* Relaxed: only a holder may draw a conclusion from it, and its own store it always sees. */
    return mm__load_relaxed(&role->owner);
}
