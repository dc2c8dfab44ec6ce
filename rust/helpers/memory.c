// SPDX-License-Identifier: GPL-2.0
/*
 * What rust/acpi_table.rs, consumer/, pages.rs, gather.rs, ida.rs and ratelimit.rs need that is
 * inline or a macro in C.
 */
#include <linux/acpi.h>
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/ratelimit.h>

#include "helpers.h"

/* Exported, but declared in a header that is private to drivers/iommu. */
void iommu_put_pages_list(struct iommu_pages_list *list);

int rust_iommu_helper_node_of_proximity(u32 domain)
{
	int node = pxm_to_node(domain);

	return node != NUMA_NO_NODE && node_online(node) ? node : NUMA_NO_NODE;
}

unsigned long rust_iommu_helper_direct_map_base(void)
{
	return (unsigned long)phys_to_virt(0);
}

unsigned long rust_iommu_helper_virt_to_page(void *virt)
{
	return (unsigned long)virt_to_page(virt);
}

void rust_iommu_helper_gather_add_page(struct iommu_iotlb_gather *gather, void *virt)
{
	/* The list is threaded through the descriptors of the pages. */
	list_add_tail(&virt_to_page(virt)->lru, &gather->freelist.pages);
}

void rust_iommu_helper_gather_put_pages(struct iommu_iotlb_gather *gather)
{
	iommu_put_pages_list(&gather->freelist);
	/* Which leaves the list leading to what it has freed. */
	INIT_LIST_HEAD(&gather->freelist.pages);
}

void rust_iommu_helper_gather_leak_pages(struct iommu_iotlb_gather *gather)
{
	INIT_LIST_HEAD(&gather->freelist.pages);
}

#if IS_BUILTIN(CONFIG_KUNIT)
void rust_iommu_helper_gather_init(struct iommu_iotlb_gather *gather)
{
	iommu_iotlb_gather_init(gather);
}

size_t rust_iommu_helper_gather_count_pages(struct iommu_iotlb_gather *gather)
{
	return list_count_nodes(&gather->freelist.pages);
}
#endif

void rust_iommu_helper_ida_init(struct ida *ida)
{
	ida_init(ida);
}

void rust_iommu_helper_ratelimit_init(struct ratelimit_state *rs)
{
	ratelimit_default_init(rs);
}

int rust_iommu_helper_dma_mapping_error(struct device *dev, dma_addr_t addr)
{
	return dma_mapping_error(dev, addr);
}
