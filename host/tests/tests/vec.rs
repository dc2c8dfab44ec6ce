// SPDX-License-Identifier: GPL-2.0

//! Vectors: growing, and losing elements.

use iommu_ext::vec::KVecExt;
use kernel::prelude::*;

fn numbers(upto: u32) -> KVec<u32> {
    let mut numbers = KVec::new();
    for number in 0..upto {
        numbers
            .try_push(number, GFP_KERNEL)
            .expect("the host has memory");
    }
    numbers
}

#[test]
fn elements_stay_in_the_order_they_were_pushed() {
    assert_eq!(numbers(0)[..], []);
    assert!(numbers(100).iter().copied().eq(0..100));
}

#[test]
fn elements_that_are_not_wanted_go_and_the_others_stay_in_order() {
    for unwanted in 0u32..1 << 6 {
        let mut left = numbers(6);
        left.remove_where(|number| unwanted >> number & 1 != 0);
        assert!(left
            .iter()
            .copied()
            .eq((0..6).filter(|number| unwanted >> number & 1 == 0)));
    }
}

#[test]
fn each_element_is_asked_about_once() {
    let mut asked = Vec::new();
    numbers(5).remove_where(|number| {
        asked.push(*number);
        number % 2 == 0
    });
    assert_eq!(asked, [0, 1, 2, 3, 4]);
}
