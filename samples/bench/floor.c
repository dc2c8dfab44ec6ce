// SPDX-License-Identifier: GPL-2.0
/*
 * rust_iommu_floor.ko: an IOMMU that does nothing, for QEMU's iommu-testdev. What an operation
 * takes over this one is the C core's own part: the floor under every driver. For rust_iommu_bench;
 * DMA of the device is not translated, and must not be used.
 */
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#define TESTDEV_ID 0x0005

static struct iommu_device floor_iommu;

static int floor_attach_dev(struct iommu_domain *domain, struct device *dev,
			    struct iommu_domain *old)
{
	return 0;
}

static int floor_map_pages(struct iommu_domain *domain, unsigned long iova, phys_addr_t paddr,
			   size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	*mapped = pgsize * pgcount;
	return 0;
}

static size_t floor_unmap_pages(struct iommu_domain *domain, unsigned long iova, size_t pgsize,
				size_t pgcount, struct iommu_iotlb_gather *gather)
{
	return pgsize * pgcount;
}

static void floor_flush_iotlb_all(struct iommu_domain *domain)
{
}

static void floor_iotlb_sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
}

static phys_addr_t floor_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	return iova;
}

static void floor_free(struct iommu_domain *domain)
{
	kfree(domain);
}

static const struct iommu_domain_ops floor_domain_ops = {
	.attach_dev = floor_attach_dev,
	.map_pages = floor_map_pages,
	.unmap_pages = floor_unmap_pages,
	.flush_iotlb_all = floor_flush_iotlb_all,
	.iotlb_sync = floor_iotlb_sync,
	.iova_to_phys = floor_iova_to_phys,
	.free = floor_free,
};

static struct iommu_domain *floor_domain_alloc_paging(struct device *dev)
{
	struct iommu_domain *domain = kzalloc(sizeof(*domain), GFP_KERNEL);

	if (!domain)
		return NULL;
	domain->pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G;
	domain->geometry.aperture_end = DMA_BIT_MASK(48);
	domain->geometry.force_aperture = true;
	return domain;
}

static struct iommu_device *floor_probe_device(struct device *dev)
{
	struct pci_dev *pdev;

	if (!dev_is_pci(dev))
		return ERR_PTR(-ENODEV);
	pdev = to_pci_dev(dev);
	if (pdev->vendor != PCI_VENDOR_ID_REDHAT || pdev->device != TESTDEV_ID)
		return ERR_PTR(-ENODEV);
	return &floor_iommu;
}

/* As every IOMMU of an x86 machine says, so that addresses are looked for in the same places. */
static void floor_get_resv_regions(struct device *dev, struct list_head *head)
{
	struct iommu_resv_region *region;

	region = iommu_alloc_resv_region(0xfee00000, SZ_1M, 0, IOMMU_RESV_MSI, GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, head);
}

static bool floor_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY || cap == IOMMU_CAP_DEFERRED_FLUSH;
}

static const struct iommu_ops floor_ops = {
	.owner = THIS_MODULE,
	.capable = floor_capable,
	.domain_alloc_paging = floor_domain_alloc_paging,
	.probe_device = floor_probe_device,
	.device_group = pci_device_group,
	.get_resv_regions = floor_get_resv_regions,
	.default_domain_ops = &floor_domain_ops,
};

static int __init floor_init(void)
{
	int ret = iommu_device_sysfs_add(&floor_iommu, NULL, NULL, "floor");

	if (ret)
		return ret;
	ret = iommu_device_register(&floor_iommu, &floor_ops, NULL);
	if (ret)
		iommu_device_sysfs_remove(&floor_iommu);
	return ret;
}
module_init(floor_init);

/*
 * No exit: the device holds a reference on the module, and its driver could not be told that the
 * IOMMU goes. The machine ends with the benchmark.
 */

MODULE_DESCRIPTION("An IOMMU that does nothing, to measure the C core with");
MODULE_LICENSE("GPL");
