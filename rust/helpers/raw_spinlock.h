/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RUST_IOMMU_HELPERS_RAW_SPINLOCK_H
#define RUST_IOMMU_HELPERS_RAW_SPINLOCK_H

#include <linux/spinlock_types.h>

void rust_iommu_helper_raw_spin_lock_init(raw_spinlock_t *lock, const char *name,
					  struct lock_class_key *key);
bool rust_iommu_helper_raw_spin_trylock_irqsave(raw_spinlock_t *lock, unsigned long *flags);
void rust_iommu_helper_raw_spin_assert_held(raw_spinlock_t *lock);

#endif
