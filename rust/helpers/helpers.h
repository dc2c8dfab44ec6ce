/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions that Rust calls because bindgen cannot: inline functions and macros of C headers.
 * The declarations for Rust stand beside their only users.
 */
#ifndef RUST_IOMMU_HELPERS_H
#define RUST_IOMMU_HELPERS_H

#include <linux/types.h>

struct device;
struct ida;
struct iommu_iotlb_gather;
struct pci_dev;
struct ratelimit_state;
struct rust_iommu_acs_probe;
struct syscore;
struct syscore_ops;

struct pci_dev *rust_iommu_helper_to_pci_dev(struct device *dev);
int rust_iommu_helper_pci_domain_nr(struct pci_dev *pdev);
struct pci_dev *rust_iommu_helper_pci_physfn(struct pci_dev *pdev);
struct pci_dev *rust_iommu_helper_pci_dma_function(struct pci_dev *pdev);
void rust_iommu_helper_hold_begin(void);
void rust_iommu_helper_hold_end(void);
bool rust_iommu_helper_hold(struct device *dev);
void rust_iommu_helper_let_go(struct device *dev);
void rust_iommu_helper_await(struct device *dev);
char *rust_iommu_helper_driver_name(struct device *dev);
char *rust_iommu_helper_why_busy(struct pci_dev *pdev);

struct rust_iommu_acs_probe *
rust_iommu_helper_acs_probe_register(void (*handler)(struct pci_dev *pdev));
void rust_iommu_helper_acs_probe_unregister(struct rust_iommu_acs_probe *probe);

int rust_iommu_helper_node_of_proximity(u32 domain);
unsigned long rust_iommu_helper_direct_map_base(void);
unsigned long rust_iommu_helper_virt_to_page(void *virt);
void rust_iommu_helper_gather_add_page(struct iommu_iotlb_gather *gather, void *virt);
void rust_iommu_helper_gather_put_pages(struct iommu_iotlb_gather *gather);
void rust_iommu_helper_gather_leak_pages(struct iommu_iotlb_gather *gather);
#if IS_BUILTIN(CONFIG_KUNIT)
void rust_iommu_helper_gather_init(struct iommu_iotlb_gather *gather);
size_t rust_iommu_helper_gather_count_pages(struct iommu_iotlb_gather *gather);
#endif
void rust_iommu_helper_ida_init(struct ida *ida);
void rust_iommu_helper_ratelimit_init(struct ratelimit_state *rs);
int rust_iommu_helper_dma_mapping_error(struct device *dev, dma_addr_t addr);

struct syscore *rust_iommu_helper_syscore_register(const struct syscore_ops *ops, void *data);
void rust_iommu_helper_syscore_unregister(struct syscore *syscore);

#endif
