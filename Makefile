# SPDX-License-Identifier: GPL-2.0
#
# The commands of this project. `make help` lists them; what is built, and how
# the crates hang together, is in Kbuild (make is called again with that one by
# the kernel's build system).

ARCHES := x86_64 arm64
ACCELS := tcg kvm
# The first is the default (tools/pins).
KERNELS := $(shell tools/env kernels)

ARCH  ?= x86_64
ACCEL ?= tcg
KERNEL ?= $(firstword $(KERNELS))
IOMMU ?=
TEST  ?=
V     ?= 0
BENCH ?= compare
TIMES ?= 1
GUEST_TIMES ?= 1
KDIR  ?=
# The machine of run and shell.
MACHINE ?= showcase

# one_of NAME: stops unless the variable has one of the values NAMEES or NAMES.
one_of = $(if $(filter-out 1,$(words $($(1))))$(filter-out $(2),$($(1))),$(error \
	$(1)='$($(1))' is unknown; known: $(2)))
$(call one_of,ARCH,$(ARCHES))
$(call one_of,ACCEL,$(ACCELS))
$(call one_of,KERNEL,$(KERNELS))
$(call one_of,V,0 1)
$(call one_of,BENCH,compare update)

# is_count NAME: stops unless the variable is a number of runs.
is_count = $(if $(or $(filter-out 1,$(words $($(1)))),$(shell printf '%s' '$(subst ','\'',$($(1)))' \
	| grep -vxE '[1-9][0-9]{0,2}')),$(error $(1)='$($(1))' is no number of runs from 1 to 999))
$(call is_count,TIMES)
$(call is_count,GUEST_TIMES)

# What cannot be together with KERNEL. Of one kernel are: the ceilings, the committed results
# of the benchmark, the sources that the host tests take from the kernel.
DEFAULT_ONLY := stats bench host-test rust-analyzer
ifeq ($(KERNEL),debug)
$(if $(filter x86_64,$(ARCH)),,$(error KERNEL=debug: there is no debug kernel for ARCH=$(ARCH); \
	known: x86_64))
endif
ifneq ($(KERNEL),$(firstword $(KERNELS)))
$(if $(filter $(DEFAULT_ONLY),$(MAKECMDGOALS)),$(error KERNEL=$(KERNEL): \
	$(filter $(DEFAULT_ONLY),$(MAKECMDGOALS)) is for KERNEL=$(firstword $(KERNELS)) only))
endif
ifneq ($(KDIR),)
$(if $(filter command environment,$(firstword $(origin KERNEL))),$(error KERNEL=$(KERNEL) and \
	KDIR=$(KDIR): give one of them, as both name a kernel))
endif

export ARCH ACCEL KERNEL IOMMU TEST V TIMES GUEST_TIMES

ENV   := tools/env
IN    := $(ENV) enter --
GUEST := $(IN) env PYTHONPATH=tools python3 -m guest
GUEST_OPTIONS := --arch '$(ARCH)' --accel '$(ACCEL)' --kernel '$(KERNEL)' \
	$(if $(IOMMU),--iommu '$(IOMMU)') $(if $(filter 1,$(V)),--verbose)
TEST_OPTION := $(if $(TEST),--test '$(TEST)')
QUIET := $(if $(filter 1,$(V)),,@)

MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## this text
	@echo 'An IOMMU subsystem in Rust, as modules for an unmodified Debian kernel.'
	@echo
	@echo 'Commands:'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 24
	@echo
	@echo 'Variables:'
	@echo '  ARCH=$(subst $() $(),|,$(ARCHES))	the target ($(ARCH))' | expand -t 24
	@echo '  KERNEL=$(subst $() $(),|,$(KERNELS))'
	@echo '	the kernel to build for and to boot ($(KERNEL)): of Debian, by' | expand -t 24
	@echo '	series; rt is the default with PREEMPT_RT, debug checks' | expand -t 24
	@echo '	itself, and is built first: half an hour, once' | expand -t 24
	@echo '  IOMMU=<variant>	the emulated IOMMU; `make list` names them' | expand -t 24
	@echo '  TEST=<pattern>	only tests or machines with this in their name' | expand -t 24
	@echo '  MACHINE=<name>	the machine of run and shell ($(MACHINE))' | expand -t 24
	@echo '  BENCH=compare|update	bench: compare with the committed results, or renew them' | expand -t 24
	@echo '  TIMES=<n>	breakages: the host'"'"'s tests must notice n times in a row;' | expand -t 24
	@echo '	GUEST_TIMES=<n>: those of guests' | expand -t 24
	@echo '  ACCEL=$(subst $() $(),|,$(ACCELS))	how QEMU runs guest code ($(ACCEL))' | expand -t 24
	@echo '  KDIR=<tree>	modules: build against your own kernel tree, with the' | expand -t 24
	@echo '	host'"'"'s tools, outside the environment (CONFIG_RUST=y)' | expand -t 24
	@echo '  V=1	show commands and logs' | expand -t 24

.PHONY: env
env: ## make the build environment (every command below does, when needed)
	$(QUIET)$(ENV) build

.PHONY: run
run: modules ## boot the kernel and show the modules at work
	$(QUIET)$(GUEST) run --machine '$(MACHINE)' $(GUEST_OPTIONS) $(TEST_OPTION)

.PHONY: check
check: env ## everything that must be true: build, lints, host tests, guest tests
	$(QUIET)$(IN) tools/check

.PHONY: modules
ifeq ($(KDIR),)
modules: env ## build the modules for the kernel: build/$(ARCH)/*.ko
	$(QUIET)$(IN) tools/build-modules
else
modules:
	$(QUIET)KDIR='$(KDIR)' tools/build-modules
endif

.PHONY: stats
stats: modules ## count code lines, unsafe blocks, panic call sites, exports
	$(QUIET)$(IN) env PYTHONPATH=tools python3 -m stats build/$(ARCH) sites ceilings

.PHONY: shell
shell: modules ## an interactive guest with the modules loaded
	$(QUIET)$(GUEST) shell --machine '$(MACHINE)' $(GUEST_OPTIONS)

.PHONY: list
list: env ## the machines, their tests, and the IOMMU variants
	$(QUIET)$(GUEST) list --arch '$(ARCH)' --kernel '$(KERNEL)'

.PHONY: clippy
clippy: env ## lint the modules (a build of its own, in build/clippy-$(ARCH))
	$(QUIET)$(IN) tools/build-modules --clippy

.PHONY: fmt
fmt: env ## format the Rust sources in the kernel's style
	$(QUIET)$(IN) tools/fmt

.PHONY: host-test
host-test: env ## the tests that need no guest
	$(QUIET)$(IN) tools/host-test

.PHONY: bench
bench: modules ## measure against the kernel's own C driver, and compare
	$(QUIET)$(GUEST) bench $(GUEST_OPTIONS) $(if $(filter update,$(BENCH)),--update)

.PHONY: deb
deb: modules ## build Debian packages for the kernel: build/deb/<release>/*.deb
	$(if $(KDIR),$(error deb: packages are for kernels of Debian, not for KDIR=$(KDIR)))
	$(QUIET)$(IN) tools/make-deb

.PHONY: installed
installed: deb ## install the packages on Debian, in QEMU, and boot that (ten minutes)
	$(QUIET)$(ENV) installed
	$(QUIET)$(IN) tools/installed/run $(TEST)

.PHONY: breakages
breakages: env ## break the tree on purpose, and see that the tests notice
	$(QUIET)$(IN) tools/breakages/run $(TEST)

.PHONY: rust-analyzer
rust-analyzer: modules ## write rust-project.json for your editor
	$(QUIET)$(IN) tools/rust-analyzer

.PHONY: clean
clean: ## delete what was built
	$(QUIET)rm -rf --one-file-system build rust-project.json

.PHONY: distclean
distclean: clean ## delete the build environment as well
	$(QUIET)$(ENV) clean
