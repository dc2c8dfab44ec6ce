/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RUST_IOMMU_HELPERS_X86_VECTOR_H
#define RUST_IOMMU_HELPERS_X86_VECTOR_H

#include <linux/types.h>

struct rust_iommu_vector;

/* Mirrors of Message and Operations in rust/x86/vector.rs. */
struct rust_iommu_vector_message {
	u32 address_low;
	u32 address_high;
	u32 data;
};

struct rust_iommu_vector_operations {
	void (*write_message)(const void *data, const struct rust_iommu_vector_message *message);
	void (*mask)(const void *data);
	void (*unmask)(const void *data);
};

struct rust_iommu_vector *
rust_iommu_helper_vector_alloc(const char *name,
			       const struct rust_iommu_vector_operations *operations,
			       const void *data);
unsigned int rust_iommu_helper_vector_irq(const struct rust_iommu_vector *vector);
void rust_iommu_helper_vector_free(struct rust_iommu_vector *vector);

#endif
