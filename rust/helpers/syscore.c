// SPDX-License-Identifier: GPL-2.0
/*
 * Core operations of the system, for rust/power.rs: the structures have no bindings.
 */
#include <linux/slab.h>
#include <linux/syscore_ops.h>

#include "helpers.h"

struct syscore *rust_iommu_helper_syscore_register(const struct syscore_ops *ops, void *data)
{
	struct syscore *syscore = kzalloc_obj(*syscore);

	if (!syscore)
		return NULL;
	syscore->ops = ops;
	syscore->data = data;
	register_syscore(syscore);
	return syscore;
}

void rust_iommu_helper_syscore_unregister(struct syscore *syscore)
{
	unregister_syscore(syscore);
	kfree(syscore);
}
