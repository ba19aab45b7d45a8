# The targets people use. Each is one line here; the work is in scripts/, where it can be read and run alone.
#
#   make check     the quick loop while writing: format, lints, unit tests, types (under two minutes warm)
#   make test      every check there is, on real databases and in a real browser; CI runs exactly this
#                  one part alone:  make test PARTS="clippy it-postgres"

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help check test

help:
	@sed -n 's/^#   //p' Makefile

check:
	@scripts/prepare.sh check
	@scripts/test.sh --quick

test:
	@scripts/prepare.sh test
	@scripts/test.sh $(PARTS)
