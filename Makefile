# Two commands to begin with: `make demo` (the whole loop on this machine) and `make test`. `make help` lists the rest.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
PYTEST := $(BIN)/pytest --durations=15 $(ARGS)
# Two at a time: half of what these do is waiting. The connected tests stop and start servers that others need.
PARALLEL := -n 2 --dist loadfile
export SEAWEED ?= $(abspath $(BIN)/weed)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo install install-dev unit test test-loop test-studio test-e2e test-compose check format stubs requirements up down clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install ## train on AN4 from scratch, optimise, serve, transcribe: all in one process tree, nothing else needed
	$(BIN)/voxloom demo $(ARGS)

install: $(VENV)/.embedded ## everything that runs the loop on this machine, into .venv
install-dev: $(VENV)/.dev ## the same with the tools for make test and make check

$(VENV)/.embedded: requirements/embedded.txt scripts/torch.env pyproject.toml
	scripts/install.sh $(VENV) embedded
	$(BIN)/pip install -q --no-deps -e .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.embedded
	scripts/install.sh $(VENV) dev
	touch $@

unit: install-dev ## the unit tests: under 30 s, no network
	$(PYTEST) -n auto tests/unit

test: unit test-loop test-studio test-e2e test-compose ## all tests, layer by layer

test-loop: install-dev ## trainer (torch), contract, integration and connected tests, with a RabbitMQ and an S3 server of their own
	trap 'scripts/services.sh down' EXIT && scripts/services.sh up >/dev/null && eval "$$(scripts/services.sh env)" \
	  && $(PYTEST) $(PARALLEL) tests/trainer tests/contract tests/integration && $(PYTEST) tests/connected

test-studio: install-dev ## the studio's pages in headless Chromium; skipped, with the reason, where there is none
	$(PYTEST) $(PARALLEL) tests/studio

test-e2e: install-dev ## the loop from recording to transcript, in embedded mode
	$(PYTEST) tests/e2e

test-compose: install-dev ## the containers, on a Docker engine; skipped, with the reason, where there is none
	$(PYTEST) tests/compose

check: install-dev ## what CI runs before the tests: lint, format, types, import contracts, stubs, repository rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	scripts/protos.sh --check
	$(BIN)/python scripts/check_repository.py

format: install-dev ## rewrite the code as ruff wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

stubs: ## voxloom/v1 from protos/
	scripts/protos.sh

requirements: ## requirements/*.txt from pyproject.toml
	scripts/requirements.sh

up: ## all five services: in containers where a Docker engine answers, else in one process on this machine
	@if docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then \
	  echo "A Docker engine answers: the services run in containers."; \
	  docker compose up --build --detach --wait && cat deploy/welcome.txt; \
	else \
	  echo "No Docker engine with Compose v2 answers: the services run in one process here (docs/adr/0010)."; \
	  $(MAKE) install && exec $(BIN)/voxloom up; \
	fi

down: ## stop the containers; the volumes stay
	docker compose --profile '*' down

clean: ## remove what the commands above installed and cached; recordings and models stay
	rm -rf $(VENV) .venv-protos .venv-uv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build dist
