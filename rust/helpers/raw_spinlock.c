// SPDX-License-Identifier: GPL-2.0
/*
 * What rust/sync/irq_lock.rs needs that is inline or a macro in C.
 */
#include <linux/lockdep.h>
#include <linux/spinlock.h>

#include "raw_spinlock.h"

void rust_iommu_helper_raw_spin_lock_init(raw_spinlock_t *lock, const char *name,
					  struct lock_class_key *key)
{
#ifdef CONFIG_DEBUG_SPINLOCK
	__raw_spin_lock_init(lock, name, key, LD_WAIT_SPIN);
#else
	*lock = __RAW_SPIN_LOCK_UNLOCKED(lock);
#endif
}

bool rust_iommu_helper_raw_spin_trylock_irqsave(raw_spinlock_t *lock, unsigned long *flags)
{
	return raw_spin_trylock_irqsave(lock, *flags);
}

void rust_iommu_helper_raw_spin_assert_held(raw_spinlock_t *lock)
{
	lockdep_assert_held(lock);
}
