// SPDX-License-Identifier: GPL-2.0
/*
 * Being called before the kernel sets access control of a PCI function, for rust/pci/kept_acs.rs.
 */
#include <linux/err.h>
#include <linux/kprobes.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "helpers.h"

struct rust_iommu_acs_probe {
	struct kprobe kprobe;
	void (*handler)(struct pci_dev *pdev);
};

static int before_acs(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct rust_iommu_acs_probe *probe;

	probe = container_of(kprobe, struct rust_iommu_acs_probe, kprobe);
	probe->handler((struct pci_dev *)regs_get_kernel_argument(regs, 0));
	return 0;
}

struct rust_iommu_acs_probe *
rust_iommu_helper_acs_probe_register(void (*handler)(struct pci_dev *pdev))
{
	struct rust_iommu_acs_probe *probe = kzalloc_obj(*probe);
	int err;

	if (!probe)
		return ERR_PTR(-ENOMEM);
	probe->handler = handler;
	probe->kprobe.symbol_name = "pci_enable_acs";
	probe->kprobe.pre_handler = before_acs;
	err = register_kprobe(&probe->kprobe);
	if (err) {
		kfree(probe);
		return ERR_PTR(err);
	}
	return probe;
}

void rust_iommu_helper_acs_probe_unregister(struct rust_iommu_acs_probe *probe)
{
	/* Waits for handlers that are under way. */
	unregister_kprobe(&probe->kprobe);
	kfree(probe);
}
