// SPDX-License-Identifier: GPL-2.0

//! Code that can panic in every way there is, a function for each, and code that cannot.
//!
//! Compiled like a module's, over the kernel's `core`, and counted: see test_panics.py. The names
//! of functions that can panic begin with `panics_`.

#![no_std]
#![feature(core_intrinsics)]
#![allow(internal_features, reason = "to have an instruction that traps")]

use core::{
    cell::RefCell,
    fmt,
    hint,
    intrinsics, //
};

#[inline(never)]
pub fn panics_by_macro() {
    panic!("by macro")
}

#[inline(never)]
pub fn panics_formatted(x: u32) {
    panic!("{x}")
}

#[inline(never)]
pub fn panics_unreachable(x: u32) -> u32 {
    match x {
        0 => 1,
        _ => unreachable!(),
    }
}

#[inline(never)]
pub fn panics_todo() {
    todo!()
}

#[inline(never)]
pub fn panics_assert(x: u32) {
    assert!(x == 1)
}

#[inline(never)]
pub fn panics_assert_eq(x: u32) {
    assert_eq!(x, 1)
}

#[inline(never)]
pub fn panics_index(x: &[u32], at: usize) -> u32 {
    x[at]
}

#[inline(never)]
pub fn panics_slice_from(x: &[u32], at: usize) -> &[u32] {
    &x[at..]
}

#[inline(never)]
pub fn panics_slice_to(x: &[u32], at: usize) -> &[u32] {
    &x[..at]
}

#[inline(never)]
pub fn panics_slice_range(x: &[u32], at: usize, to: usize) -> &[u32] {
    &x[at..to]
}

#[inline(never)]
pub fn panics_text(x: &str, at: usize) -> &str {
    &x[at..]
}

#[inline(never)]
pub fn panics_split_at(x: &[u32], at: usize) -> (&[u32], &[u32]) {
    x.split_at(at)
}

#[inline(never)]
pub fn panics_copy(to: &mut [u32], from: &[u32]) {
    to.copy_from_slice(from)
}

#[inline(never)]
pub fn panics_chunks(x: &[u32], by: usize) -> usize {
    x.chunks(by).count()
}

#[inline(never)]
pub fn panics_add(x: u32, y: u32) -> u32 {
    x + y
}

#[inline(never)]
pub fn panics_sub(x: u32, y: u32) -> u32 {
    x - y
}

#[inline(never)]
pub fn panics_mul(x: u32, y: u32) -> u32 {
    x * y
}

#[inline(never)]
pub fn panics_neg(x: i32) -> i32 {
    -x
}

#[inline(never)]
pub fn panics_shl(x: u32, y: u32) -> u32 {
    x << y
}

#[inline(never)]
pub fn panics_shr(x: u32, y: u32) -> u32 {
    x >> y
}

#[inline(never)]
pub fn panics_div(x: u32, y: u32) -> u32 {
    x / y
}

#[inline(never)]
pub fn panics_rem(x: u32, y: u32) -> u32 {
    x % y
}

#[inline(never)]
pub fn panics_unwrap(x: Option<u32>) -> u32 {
    x.unwrap()
}

#[inline(never)]
pub fn panics_expect(x: Option<u32>) -> u32 {
    x.expect("some")
}

#[inline(never)]
pub fn panics_unwrap_result(x: Result<u32, fmt::Error>) -> u32 {
    x.unwrap()
}

#[inline(never)]
pub fn panics_unwrap_err(x: Result<u32, fmt::Error>) -> fmt::Error {
    x.unwrap_err()
}

#[inline(never)]
pub fn panics_borrow(x: &RefCell<u32>) -> u32 {
    *x.borrow()
}

#[inline(never)]
pub fn panics_borrow_mut(x: &RefCell<u32>) {
    *x.borrow_mut() = 1
}

#[inline(never)]
pub fn panics_trap() {
    intrinsics::abort()
}

#[inline(never)]
pub fn checked(x: u32, y: u32) -> Option<u32> {
    x.checked_add(y)?.checked_mul(y)?.checked_div(y)
}

#[inline(never)]
pub fn masked(x: &[u32; 16], at: usize) -> u32 {
    x[at & 15]
}

#[inline(never)]
pub fn taken(x: &[u32], at: usize) -> &[u32] {
    x.get(at..).unwrap_or(&[])
}

#[inline(never)]
pub fn summed(x: &[u8]) -> u8 {
    x.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

#[inline(never)]
pub fn printed(f: &mut fmt::Formatter<'_>, x: u32) -> fmt::Result {
    write!(f, "{x:#x} {}", hint::black_box(x))
}

#[inline(never)]
pub fn text(x: &[u8]) -> Option<&str> {
    core::str::from_utf8(x).ok()
}
