# opsverify: does live infrastructure meet its operations manual, and how do you know?
PROFILE ?= lab
ARGS ?=
PY := .venv/bin/python
STAMP := .venv/.from-lock

.DEFAULT_GOAL := help
.PHONY: help verify restore-drill gate-pre gate-post test unit lint format lock lab-up lab-down lab-status clean

help: ## show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'
	@echo '  PROFILE=lab|staging|production chooses what is asked; CHANGE=CHG-… which change; ARGS="-k HLT-PG" goes on'

verify: $(STAMP) ## verify PROFILE (default: the lab, which is started when needed) against the manual
ifeq ($(PROFILE),lab)
	@$(PY) -m lab up
endif
	@$(PY) -m pytest checks --profile $(PROFILE) $(ARGS)

restore-drill: $(STAMP) ## restore the newest backups of PROFILE in a scratch place, compare, and record the outcome
ifeq ($(PROFILE),lab)
	@$(PY) -m lab up
endif
	@$(PY) -m opsverify.cli restore-drill --profile $(PROFILE) $(ARGS)

gate-pre: $(STAMP) ## before CHANGE: is its record in order, and what is the state of PROFILE? Its baseline
ifeq ($(PROFILE),lab)
	@$(PY) -m lab up
endif
	@$(PY) -m opsverify.cli gate pre $(CHANGE) --profile $(PROFILE) $(ARGS)

gate-post: $(STAMP) ## after CHANGE: go or no-go, against that baseline (ARGS=--execute-rollback)
	@$(PY) -m opsverify.cli gate post $(CHANGE) --profile $(PROFILE) $(ARGS)

test: lint unit ## lint, unit tests, and the tests against the lab (sets everything up by itself)
	@$(PY) -m lab up
	@$(PY) -m pytest tests/lab

unit: $(STAMP) ## the tests that need no lab (pages are looked at in Debian's Chromium)
	@scripts/need 'command -v chromium' chromium fonts-dejavu-core
	@# Only checks tell of their assertions that hold: in libraries of properties that costs as much as all the tests.
	@$(PY) -m pytest tests/unit -n auto --dist worksteal -o enable_assertion_pass_hook=false $(ARGS)

lint: $(STAMP) ## ruff (lint and format) and mypy --strict
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy --no-error-summary

format: $(STAMP) ## let ruff put the code in order
	@.venv/bin/ruff check --quiet --fix .
	@.venv/bin/ruff format --quiet .

lab-up: $(STAMP) ## start the lab (idempotent)
	@$(PY) -m lab up

lab-down: $(STAMP) ## remove the lab; it leaves nothing behind
	@$(PY) -m lab down

lab-status: $(STAMP) ## show the lab's services
	@$(PY) -m lab status

lock: $(STAMP) ## pin the dependencies anew, with hashes and without addresses (needs pip-tools)
	@.venv/bin/python -m piptools compile --quiet --generate-hashes --strip-extras --extra dev --allow-unsafe \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file requirements.lock pyproject.toml

clean: ## remove the virtual environment and caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache

$(STAMP): requirements.lock pyproject.toml
	@scripts/bootstrap
	@touch $@
