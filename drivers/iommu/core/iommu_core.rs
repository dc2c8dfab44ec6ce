// SPDX-License-Identifier: GPL-2.0

//! The core: what is true of every IOMMU, written once.
//!
//! A *domain* ([`domain`]) is one I/O address space with one page table. A *route* ([`route`]) is
//! a way into it: a requester ID, or a (requester ID, PASID) pair of an *endpoint* ([`endpoint`]).
//! Attaching points the hardware entry of a route at the domain's table; a change of the table is
//! followed by one invalidation, fanned out to every *instance* ([`instance`]) that may have
//! cached it. What hardware needs for that is a [`driver::Driver`]; the *registry*
//! ([`registry`]) gives a device the one instance that its firmware names ([`firmware`]).
//!
//! This crate knows no C type, no register and no page-table bit. It is called by the front ends
//! (`bridge`, later `iommufd`) and by the hardware drivers, which register instances and report
//! faults.
//!
//! # Lock order
//!
//! [`group::Group`] -> [`domain::Domain`] -> locks of the driver. The first two may sleep. The locks
//! of [`registry`] and [`firmware`] are held for a look-up only. The invalidation and fault paths
//! take no lock of the core: what they read is under RCU.

#![deny(unsafe_code)]

pub mod ats;
pub mod domain;
pub mod driver;
pub mod endpoint;
pub mod fault;
pub mod firmware;
pub mod group;
pub mod instance;
pub mod quirks;
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod recorder;
pub mod registry;
pub mod reserved;
pub mod route;
pub mod table;

/// What the lines of this crate in the kernel log begin with.
const __LOG_PREFIX: &[u8] = b"rust_iommu\0";
