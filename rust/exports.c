// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the Rust symbols of rust_iommu.ko to the modules above it, as the kernel exports those
 * of its own crates. The list is made from the objects when building.
 */
#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports.h"
