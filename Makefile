# The few verbs of this project; `make help` lists them.
SHELL := /bin/sh
PYTHON ?= python3
DIST ?= trixie
HOST ?= aiko-lab
RUNTIME ?= native

VENV := .venv
BIN := $(abspath $(VENV))/bin
# The lock's checksum names the stamp: another lock is another tool chain.
STAMP := $(VENV)/.installed-$(shell sha256sum requirements.txt | cut -c1-12)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
LAB := $(PYTHON) -m tests.lab
export PATH := $(BIN):$(PATH)
# Bytecode of a run as root must not lie in a user's checkout.
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup up down status logs test lint unit molecule bench lock docs dashboards

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

setup: $(STAMP) ## Install the pinned tool chain into .venv
$(STAMP): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	    { echo "make: PYTHON=$(PYTHON) is $$($(PYTHON) -V). Expected: Python 3.11, 3.12 or 3.13. Remedy: make PYTHON=/path/to/python3.13"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	    { $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-venv; }
	@echo "Installing the tool chain into $(VENV) (a minute on a slow line)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

up: setup ## Boot a throw-away host and deploy the site on it (DIST=trixie|bookworm RUNTIME=native|container)
	@$(LAB) setup
	@$(LAB) up $(HOST) --dist $(DIST) $(if $(filter container,$(RUNTIME)),--images)
	ansible-playbook --extra-vars aiko_runtime=$(RUNTIME) site.yml
	@$(MAKE) --no-print-directory status

status: setup ## What runs where, in which version, and whether it is well
	@ANSIBLE_CALLBACKS_ENABLED=ansible.posix.timer ansible-playbook playbooks/status.yml

# A shell may export LINES, the height of its window.
NUMBER = $(if $(filter command,$(origin LINES)),$(LINES))
# SERVICE, LINES, FOLLOW and EXPORT as in `aiko-logs --help`; another inventory: ansible-playbook -i ... playbooks/logs.yml
logs: setup ## Logs of the host: make logs [SERVICE=backend] [LINES=100] [FOLLOW=1] [EXPORT=directory]
	@$(if $(FOLLOW),ssh -t -F $(or $(AIKO_LAB_RUN),/run/aiko-lab)/ssh_config $(HOST) sudo aiko-logs --follow --lines $(or $(NUMBER),10) $(SERVICE), \
	    ANSIBLE_CALLBACKS_ENABLED=ansible.posix.timer ansible-playbook playbooks/logs.yml \
	    -e 'service="$(SERVICE)"' -e 'lines=$(or $(NUMBER),100)' -e 'export="$(abspath $(EXPORT))"')

down: ## Remove the host and everything it mounted or started
	@$(LAB) down $(HOST)

test: setup ## All tests
	@$(LAB) setup --browser
	@$(BIN)/python tests/run.py

lint: setup ## Linters alone
	@$(BIN)/python tests/run.py lint

unit: setup ## Tests that need no deployed host, and the application's own
	@$(LAB) setup
	@$(BIN)/python tests/run.py policy unit app frontend

molecule: setup ## One role's tests: make molecule ROLE=redis [DIST=bookworm]
	@test -n "$(ROLE)" || { echo "make: ROLE is not set. Expected: the name of a scenario below molecule/. Remedy: make molecule ROLE=redis"; exit 1; }
	@$(LAB) setup --browser
	@molecule/run $(ROLE)$(if $(filter bookworm,$(DIST)),:bookworm)

bench: setup ## Figures: boot, converges, one package transaction as the floor, the frontend, monitoring, backups, containers
	@$(LAB) setup --browser
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench_containers

lock: setup ## Make the hash locks anew from requirements*.in
	env -u PIP_FIND_LINKS -u UV_FIND_LINKS uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url requirements.in -o requirements.txt

docs: setup ## Make the roles' READMEs anew from their argument_specs
	@$(BIN)/python tests/tools/role_readmes.py

dashboards: setup ## Make the dashboards anew from roles/grafana/dashboards
	@$(BIN)/python -m roles.grafana.dashboards
