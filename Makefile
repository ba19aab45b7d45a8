# The targets people use. Each is one line here; the work is in scripts/, where it can be read and run alone.
#
#   make run       an opening with a simulated crowd on this machine; stop with Ctrl-C, run again to resume
#                  its options:  make run ARGS="--start-in 20s --lan"
#   make check     the quick loop while writing: format, lints, unit tests, types
#   make test      every check there is, on real databases and in a real browser; CI runs exactly this
#                  one part alone:  make test PARTS="clippy it-postgres"
#   make soak      for a night: more seeds in the simulator, more kills, thousands of hostile clients, faults of Redis,
#                  Postgres and gateways under thousands of buyers; KAIPAN_SIM_SEEDS, KAIPAN_SOAK_KILLS, KAIPAN_SOAK_CHAOS
#   make load      10,000 buyers tap within a tenth of a second, every answer audited; report in target/load/
#                  another scenario, other flags:  make load ARGS="ramp --buyers 2000"
#   make bench     the figures beside their baselines, in short; one row alone:  make bench ARGS="--rows hall"
#   make bench-full  every figure in full, medians of five, on all cores and on two; long, for a quiet machine

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run check test soak load bench bench-full

help:
	@sed -n 's/^#   //p' Makefile

run:
	@scripts/prepare.sh run
	@scripts/run.sh $(ARGS)

check:
	@scripts/prepare.sh check
	@scripts/test.sh --quick

test:
	@scripts/prepare.sh test
	@scripts/test.sh $(PARTS)

soak:
	@scripts/prepare.sh test
	@scripts/test.sh soak-sim soak-kill soak-hostile soak-chaos

load:
	@scripts/prepare.sh run
	@scripts/load.sh $(ARGS)

bench:
	@scripts/prepare.sh bench
	@scripts/bench.sh $(ARGS)

bench-full:
	@scripts/prepare.sh bench
	@scripts/bench.sh --full --markdown docs/performance.md $(ARGS)
	@scripts/bench.sh --full --cores 2 --markdown docs/performance.md $(ARGS)
