// SPDX-License-Identifier: GPL-2.0
/*
 * An interrupt domain of one interrupt, for a unit that is no device: see rust/x86/vector.rs.
 *
 * The parent domain, that of the CPUs' vectors, picks the CPU and the vector. What remains is to
 * write the resulting message into the unit, at first and each time the interrupt moves. In C
 * because the structures of the irq core have no bindings.
 */
#include <linux/err.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>
#include <linux/slab.h>

#include <asm/apic.h>
#include <asm/hw_irq.h>
#include <asm/irqdomain.h>

#include "x86_vector.h"

struct rust_iommu_vector {
	const struct rust_iommu_vector_operations *operations;
	const void *data;
	struct fwnode_handle *fwnode;
	struct irq_domain *domain;
	unsigned int irq;
};

/*
 * Bits 63:40 of the address take the upper bits of the APIC ID, as the registers of a remapping
 * unit allow and the MSIs of devices do not. The parent's own composing warns about such IDs.
 */
static void vector_write_message(struct irq_data *data)
{
	struct rust_iommu_vector *vector = irq_data_get_irq_chip_data(data);
	struct irq_cfg *cfg = irqd_cfg(data);
	struct rust_iommu_vector_message message;
	struct msi_msg msg = {};

	msg.arch_addr_lo.base_address = X86_MSI_BASE_ADDRESS_LOW;
	msg.arch_addr_lo.dest_mode_logical = apic->dest_mode_logical;
	msg.arch_addr_lo.destid_0_7 = cfg->dest_apicid & 0xff;
	msg.arch_addr_hi.destid_8_31 = cfg->dest_apicid >> 8;
	msg.arch_data.delivery_mode = APIC_DELIVERY_MODE_FIXED;
	msg.arch_data.vector = cfg->vector;

	message.address_low = msg.address_lo;
	message.address_high = msg.address_hi;
	message.data = msg.data;
	vector->operations->write_message(vector->data, &message);
}

static void vector_mask(struct irq_data *data)
{
	struct rust_iommu_vector *vector = irq_data_get_irq_chip_data(data);

	vector->operations->mask(vector->data);
}

static void vector_unmask(struct irq_data *data)
{
	struct rust_iommu_vector *vector = irq_data_get_irq_chip_data(data);

	vector->operations->unmask(vector->data);
}

static int vector_set_affinity(struct irq_data *data, const struct cpumask *mask, bool force)
{
	int ret = irq_chip_set_affinity_parent(data, mask, force);

	if (ret >= 0 && ret != IRQ_SET_MASK_OK_DONE)
		vector_write_message(data);
	return ret;
}

static struct irq_chip vector_chip = {
	.name			= "IOMMU",
	.irq_mask		= vector_mask,
	.irq_unmask		= vector_unmask,
	.irq_ack		= irq_chip_ack_parent,
	.irq_set_affinity	= vector_set_affinity,
	.irq_retrigger		= irq_chip_retrigger_hierarchy,
	.flags			= IRQCHIP_SKIP_SET_WAKE | IRQCHIP_MOVE_DEFERRED |
				  IRQCHIP_AFFINITY_PRE_STARTUP,
};

static int vector_domain_alloc(struct irq_domain *domain, unsigned int irq, unsigned int count,
			       void *arg)
{
	struct irq_alloc_info info = { .type = X86_IRQ_ALLOC_TYPE_DMAR };
	int ret;

	ret = irq_domain_alloc_irqs_parent(domain, irq, count, &info);
	if (ret)
		return ret;
	irq_domain_set_info(domain, irq, 0, &vector_chip, domain->host_data, handle_edge_irq, NULL,
			    "edge");
	return 0;
}

static int vector_domain_activate(struct irq_domain *domain, struct irq_data *data, bool reserve)
{
	vector_write_message(data);
	return 0;
}

static const struct irq_domain_ops vector_domain_ops = {
	.alloc		= vector_domain_alloc,
	.free		= irq_domain_free_irqs_top,
	.activate	= vector_domain_activate,
};

struct rust_iommu_vector *
rust_iommu_helper_vector_alloc(const char *name,
			       const struct rust_iommu_vector_operations *operations,
			       const void *data)
{
	struct irq_domain_info info = {
		.size		= 1,
		.hwirq_max	= 1,
		.ops		= &vector_domain_ops,
		.parent		= x86_vector_domain,
	};
	struct rust_iommu_vector *vector;
	int ret;

	vector = kzalloc_obj(*vector);
	if (!vector)
		return ERR_PTR(-ENOMEM);
	vector->operations = operations;
	vector->data = data;

	vector->fwnode = irq_domain_alloc_named_fwnode(name);
	if (!vector->fwnode) {
		ret = -ENOMEM;
		goto free_vector;
	}

	info.fwnode = vector->fwnode;
	info.host_data = vector;
	vector->domain = irq_domain_instantiate(&info);
	if (IS_ERR(vector->domain)) {
		ret = PTR_ERR(vector->domain);
		goto free_fwnode;
	}

	ret = irq_domain_alloc_irqs(vector->domain, 1, NUMA_NO_NODE, NULL);
	if (ret < 0)
		goto remove_domain;
	vector->irq = ret;
	return vector;

remove_domain:
	irq_domain_remove(vector->domain);
free_fwnode:
	irq_domain_free_fwnode(vector->fwnode);
free_vector:
	kfree(vector);
	return ERR_PTR(ret);
}

unsigned int rust_iommu_helper_vector_irq(const struct rust_iommu_vector *vector)
{
	return vector->irq;
}

void rust_iommu_helper_vector_free(struct rust_iommu_vector *vector)
{
	irq_domain_free_irqs(vector->irq, 1);
	irq_domain_remove(vector->domain);
	irq_domain_free_fwnode(vector->fwnode);
	kfree(vector);
}
