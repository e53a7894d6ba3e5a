# Every target works on a fresh clone: what it needs, it installs into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo demo-clean demo-vsphere demo-vsphere-clean demo-nsxt demo-nsxt-clean demo-heal demo-heal-clean demo-kubernetes demo-kubernetes-clean test check bench format install install-vsphere

help:
	@echo "make demo        deploy the sample to this machine and look at it"
	@echo "make demo-clean  remove everything the demo made"
	@echo "make demo-vsphere"
	@echo "                 the same in a simulated vCenter; break it, see it found and repaired; removes all of it"
	@echo "make demo-nsxt   the same on networks of its own, behind a load balancer, in a simulated NSX-T; removes all of it"
	@echo "make demo-heal   the sample on this machine: a job, a VM, the director and a network die, and it heals; removes all of it"
	@echo "make demo-kubernetes"
	@echo "                 a real Kubernetes cluster on this machine: used, resized, a node killed; as root; removes all of it"
	@echo "make demo-kubernetes-clean"
	@echo "                 remove what a killed run of it left"
	@echo "make install     only make .venv/bin/director"
	@echo "make install-vsphere"
	@echo "                 the same with what a vCenter needs"
	@echo "make test        run every test"
	@echo "make check       lint, types, import contracts, generated code"
	@echo "make bench       measure, print a table, write build/bench.json"

# pip comes last into a new environment: where it is, the environment is whole.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.vsphere: pyproject.toml $(VENV)/.runtime
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[vsphere]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.vsphere
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

install: $(VENV)/.runtime

install-vsphere: $(VENV)/.vsphere

demo: $(VENV)/.runtime
	@tools/demo run

demo-clean:
	@tools/demo clean

demo-vsphere: $(VENV)/.vsphere
	@$(BIN)/python tools/demo-vsphere run

# A run removes all it made by itself; this is for one that was killed outright.
demo-vsphere-clean: $(VENV)/.vsphere
	@$(BIN)/python tools/demo-vsphere clean

demo-nsxt: $(VENV)/.vsphere
	@$(BIN)/python tools/demo-nsxt run

demo-nsxt-clean: $(VENV)/.vsphere
	@$(BIN)/python tools/demo-nsxt clean

demo-heal: $(VENV)/.runtime
	@$(BIN)/python tools/demo-heal run

demo-heal-clean: $(VENV)/.runtime
	@$(BIN)/python tools/demo-heal clean

demo-kubernetes: $(VENV)/.runtime
	@$(BIN)/python tools/demo-kubernetes run

demo-kubernetes-clean: $(VENV)/.runtime
	@$(BIN)/python tools/demo-kubernetes clean

check: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/generate-wire --check

test: $(VENV)/.dev
	@tools/install-test-tools
	@tools/test

bench: $(VENV)/.dev
	$(BIN)/python -m bench

format: $(VENV)/.dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
