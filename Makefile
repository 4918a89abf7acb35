# Purse. `make demo` takes a clean machine with Python 3.11 or 3.12 to scored users; `make test` checks everything.
SHELL := bash
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help demo up down status logs install test test-long services-for-tests lint type audit format reference pictures lock clean

help:     ## what there is
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 20

demo: install  ## install, start the services, and take real shoppers from files to scores
	@$(BIN)/purse up
	@$(BIN)/purse demo

up: install    ## start MLflow, Airflow and the live service on this machine
	@$(BIN)/purse up

down:          ## stop what `make up` started
	@[ ! -x $(BIN)/purse ] || $(BIN)/purse down

status: install ## what runs, where, and the login
	@$(BIN)/purse status

logs: install  ## follow the logs of the services (Ctrl-C ends it); NAME=scheduler for one
	@$(BIN)/purse logs --follow $(NAME)

install: $(INSTALLED)  ## make .venv and install requirements.lock into it

$(INSTALLED): requirements.lock pyproject.toml scripts/install.sh
	@scripts/install.sh $(VENV)
	@touch $@

test: services-for-tests lint type audit ## install what the tests need, then lint, types, audit and every test
	$(BIN)/pytest

test-long: services-for-tests install ## hundreds of examples of each property, more than 10,000 fuzzed requests, and 30 nights of a shop
	HYPOTHESIS_PROFILE=long $(BIN)/pytest -m "property or long" --timeout=0

services-for-tests: ## install the servers that the tests use (Debian and Ubuntu; without them those tests are skipped)
	@scripts/test_services.sh

lint: install  ## style and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

type: install  ## static types
	$(BIN)/mypy

audit: install ## licences of the locked packages, and published advisories where they can be reached
	$(BIN)/python scripts/audit.py

format: install ## rewrite to the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: install  ## write docs/reference from settings, commands, endpoints, DAGs and features
	@PYTHONPATH=. $(BIN)/python scripts/reference.py

pictures: install   ## write docs/images from the screens of the running stack (after make demo; needs a Chromium on PATH)
	@PYTHONPATH=. $(BIN)/python scripts/screenshots.py

lock:          ## resolve pyproject.toml again into requirements.lock (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --extra dev --extra distributed --extra jax --extra spark --extra redis --extra postgres pyproject.toml -o requirements.lock

clean: down    ## remove the environment and caches; data in var/ stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
