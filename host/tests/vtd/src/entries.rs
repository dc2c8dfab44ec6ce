// SPDX-License-Identifier: GPL-2.0

//! Root and context entries, while devices use them.

use crate::{
    invalidate::descriptor,
    machine::{
        Machine,
        Request,
        Running,
        BASE, //
    },
    regs::{
        self,
        command::Command,
        fault::FSTS_REG,
        invalidation::IQT_REG, //
    }, //
};
use bridge::unit::Translation;
use iommu_core::{
    domain::Domain,
    endpoint::Endpoint,
    group::{
        Group,
        Target, //
    },
    route::Route,
    table::Prot, //
};
use iommu_ext::{
    addr::{
        Iova,
        PhysAddr, //
    },
    pages::{
        Gfp,
        NumaNode,
        TablePage, //
    }, //
};
use kernel::{
    prelude::*,
    print,
    processor::cpu_relax,
    str::CString,
    sync::{
        atomic::Relaxed as Unordered,
        Arc, //
    }, //
};
use std::sync::atomic::{
    AtomicBool,
    AtomicUsize,
    Ordering::Relaxed, //
};
use vtd_model::{
    config::Config,
    fault::Reason, //
};

const SID: u16 = 0x0110;
const IOVA: u64 = 0x7000;

/// A domain in which [`IOVA`] leads to `pa`.
fn domain_to(endpoint: &Endpoint, pa: u64) -> Arc<Domain> {
    let table = endpoint.instance().driver().alloc_table(endpoint).unwrap();
    let prot = Prot {
        read: true,
        write: true,
        snoop: false,
    };
    let mapped = table.map(Iova(IOVA), PhysAddr(pa), 4096, 1, prot, Gfp::KERNEL);
    assert_eq!(mapped, (4096, Ok(())));
    Domain::new(table).unwrap()
}

fn endpoint(running: &Running) -> Arc<Endpoint> {
    let mut ids = KVec::new();
    ids.push(SID.into(), GFP_KERNEL).unwrap();
    let name = CString::try_from(c"0000:01:02.0").unwrap();
    running.instance.probe(name, ids, None, None).unwrap()
}

/// Sets a flag when dropped: also when a test has failed.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// A device that never stops to send sees the old domain or the new one, at each moment of a
/// replacement: no fault, and no mixture of one's table with the other's domain ID.
#[test]
fn a_replacement_is_one_step() {
    const ROUNDS: usize = 3000;
    // Contexts are forgotten at once, so that the entry is read all the time.
    let config = Config {
        evict_one_in: 1,
        ..Config::default()
    };
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    let endpoint = endpoint(&running);
    let group = Group::new().unwrap();
    group.join(endpoint.clone()).unwrap();
    let to = [0x2_0000_0000, 0x3_0000_0000];
    let domains = to.map(|pa| domain_to(&endpoint, pa));
    let attach = |which: usize| {
        let target = Target::Domain(domains[which].clone());
        group.attach(&endpoint, Route::Rid, target).unwrap();
    };
    attach(0);

    // And between stores of the CPU, where a thread does not come by often.
    machine.traffic(vec![Request {
        sid: SID,
        address: IOVA,
        write: false,
    }]);
    let done = AtomicBool::new(false);
    let seen = [AtomicUsize::new(0), AtomicUsize::new(0)];
    std::thread::scope(|scope| {
        let device = scope.spawn(|| {
            let _entered = machine.enter();
            while !done.load(Relaxed) {
                let found = machine.hardware.dma(SID, IOVA, true);
                let which = to.iter().position(|pa| found == Ok(*pa));
                seen[which.expect("a device sees neither domain")].fetch_add(1, Relaxed);
            }
        });
        let _end = SetAtEnd(&done);
        // The device may be kept waiting by other tests.
        let is_seen = || seen.iter().all(|count| count.load(Relaxed) >= 1000);
        let mut round = 0;
        while (round < ROUNDS || !is_seen()) && !device.is_finished() {
            round += 1;
            attach(round % 2);
            for _ in 0..3 {
                assert_eq!(machine.hardware.dma(SID, IOVA, false), Ok(to[round % 2]));
            }
        }
    });

    // Each domain has its table, and always the same tag.
    assert_eq!(machine.hardware.contexts_read().len(), 2);

    group.leave(&endpoint, &Target::Blocked);
    running.instance.release(&endpoint);
    assert!(machine.hardware.dma(SID, IOVA, false).is_err());
}

/// Devices that firmware uses leave a unit that is about to go: their DMA passes untranslated, in
/// whatever order they leave that share a requester ID, until the unit is to stay after all.
#[test]
fn a_device_may_leave_untranslated() {
    let config = Config::default();
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    for firmware_uses in [[true, false], [false, true], [false, false]] {
        let group = Group::new().unwrap();
        let endpoints = [endpoint(&running), endpoint(&running)];
        let domain = domain_to(&endpoints[0], 0x2_0000_0000);
        for endpoint in &endpoints {
            group.join(endpoint.clone()).unwrap();
            let target = Target::Domain(domain.clone());
            group.attach(endpoint, Route::Rid, target).unwrap();
        }
        for (endpoint, passes) in endpoints.iter().zip(firmware_uses) {
            assert_eq!(machine.hardware.dma(SID, IOVA, true), Ok(0x2_0000_0000));
            let after = if passes {
                Target::Identity
            } else {
                Target::Blocked
            };
            group.leave(endpoint, &after);
            running.instance.release(endpoint);
        }
        let passes = firmware_uses.contains(&true);
        let found = machine.hardware.dma(SID, IOVA, true);
        assert_eq!(found.ok(), passes.then_some(IOVA), "{firmware_uses:?}");
        running.instance.block_passing();
        assert!(machine.hardware.dma(SID, IOVA, true).is_err());
    }
}

/// A device whose first attach has failed leaves; the one that shares its requester ID goes on.
#[test]
fn a_member_that_led_nowhere_leaves_the_others_alone() {
    let config = Config::default();
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    let group = Group::new().unwrap();
    let [works, fails] = [endpoint(&running), endpoint(&running)];
    group.join(works.clone()).unwrap();
    let target = Target::Domain(domain_to(&works, 0x2_0000_0000));
    group.attach(&works, Route::Rid, target).unwrap();
    group.join(fails.clone()).unwrap();
    group.leave(&fails, &Target::Blocked);
    running.instance.release(&fails);
    assert_eq!(machine.hardware.dma(SID, IOVA, true), Ok(0x2_0000_0000));
    group.leave(&works, &Target::Blocked);
    running.instance.release(&works);
    assert!(machine.hardware.dma(SID, IOVA, true).is_err());
}

/// What hardware sees of tables that are new is what is in them, and not what memory held before.
#[test]
fn new_tables_are_empty_to_hardware() {
    for coherent in [false, true] {
        let config = Config {
            coherent,
            ..Config::default()
        };
        let machine = Machine::new(config);
        let running = Running::new(&machine, &config);
        let reason = |sid| machine.hardware.dma(sid, IOVA, false).unwrap_err().reason;
        assert!((0..=u16::MAX)
            .step_by(77)
            .all(|sid| reason(sid) == Reason::RootAbsent));
        let endpoint = endpoint(&running);
        assert!((0x0100..0x0200).all(|sid| reason(sid) == Reason::ContextAbsent));
        running.instance.release(&endpoint);
    }
}

/// Loading may fail after a unit was turned on. Then, too, it is stopped before its tables go.
#[test]
fn a_unit_is_stopped_before_its_tables_go() {
    let config = Config::default();
    let machine = Machine::new(config);
    let unit = machine.claim(config.host_bits).unwrap();
    let started = unit.start().unwrap();
    started.forget_all().unwrap();
    unit.enable().unwrap();
    assert!(machine.hardware.is_translating());
    drop(started);
    assert!(!machine.hardware.is_translating());
}

/// A unit that was left translating, or with a queue, is stopped first.
#[test]
fn a_unit_in_use_is_taken_over() {
    let config = Config {
        protected_memory: true,
        ..Config::default()
    };
    let machine = Machine::new(config);
    let first = Running::new(&machine, &config);
    assert!(!machine.hardware.protects_memory());
    // What comes first is lost, as by a kernel that has crashed.
    let tables = first.unit.clone();
    std::mem::forget(first);
    let second = Running::new(&machine, &config);
    assert!(machine.hardware.is_translating());
    assert!(!machine.hardware.protects_memory());
    assert!(machine.hardware.dma(SID, IOVA, false).is_err());
    drop(second);
    assert!(!machine.hardware.is_translating());
    assert_eq!(machine.hardware.dma(SID, IOVA, false), Ok(IOVA));
    // As they are lost, they are leaked.
    assert_eq!(machine.memory.live(), 4);
    drop(tables);
    machine.forget();
}

/// A queue was left waiting for a device that does not answer (ITE): the unit fetches nothing any
/// more, so that the queue never becomes empty.
#[test]
fn a_queue_that_waits_for_a_device_is_taken_over() {
    for seed in 1..50 {
        let config = Config {
            seed,
            ..Config::default()
        };
        let machine = Machine::new(config);
        let ring = TablePage::alloc(NumaNode::ANY, Gfp::KERNEL).unwrap();
        {
            let (regs, _) = regs::map(PhysAddr(BASE)).unwrap();
            let regs = Arc::new(regs, GFP_KERNEL).unwrap();
            let command = Arc::pin_init(Command::new(regs.clone()), GFP_KERNEL).unwrap();
            command.enable_queue(ring.phys()).unwrap();
            // Two waits, which tell their ends behind them in the page.
            for slot in [0, 2] {
                let status = PhysAddr(ring.phys().0 + 256 + slot as u64 * 8);
                let [low, high] = descriptor::wait(1, status);
                ring.entries()[slot].store(low, Unordered);
                ring.entries()[slot + 1].store(high, Unordered);
            }
            machine.hardware.time_out(1);
            regs.write_reg(IQT_REG::zeroed().with_qt(2u8));
            while !regs.read(FSTS_REG).ite() {
                cpu_relax();
            }
        }
        let running = Running::new(&machine, &config);
        drop(running);
    }
}

/// Claims the unit of a machine, and returns whether it can serve, with what is said about it.
fn claim(config: Config) -> (Result, Vec<String>) {
    print::capture();
    let machine = Machine::new(config);
    let claimed = machine.claim(config.host_bits).map(drop);
    (claimed, print::captured())
}

#[test]
fn a_unit_that_cannot_serve_is_refused_in_words() {
    let good = Config::default();
    for (config, words) in [
        (
            Config {
                queue: false,
                ..good
            },
            "error: dmar0: the unit has no invalidation queue (ECAP_REG.QI)\n",
        ),
        (
            Config { sagaw: 0, ..good },
            "error: dmar0: the unit has no second-stage page tables (CAP_REG.SAGAW): DMA remapping \
             is turned off\n",
        ),
    ] {
        assert_eq!(claim(config), (Err(ENODEV), vec![words.into()]));
    }
}

#[test]
fn a_unit_that_cannot_pass_dma_through_says_so() {
    for pass_through in [false, true] {
        let config = Config {
            pass_through,
            ..Config::default()
        };
        let (claimed, lines) = claim(config);
        assert_eq!(claimed, Ok(()));
        let is_said = lines.iter().any(|line| line.contains("iommu=pt"));
        assert_eq!(is_said, !pass_through, "{lines:?}");
    }
}
