# make up      set everything up, run the main job on real data, stay up until Ctrl-C
# make demo    the same without a terminal; writes var/demo/report.json
# make test    set up and run the tests          make check   everything that must hold before a commit
# make bench   figures against references        make fmt     format the code
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
SHELL := /bin/bash
# A worker per core, each with a PostgreSQL of its own; `make test WORKERS=0` runs all in one process.
WORKERS ?= logical

.PHONY: up demo test check bench fmt

$(VENV)/run: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Firstlight needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@echo "Setting up $(VENV): about a minute, once."
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

$(VENV)/dev: requirements-dev.txt $(VENV)/run
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	@touch $@

up: $(VENV)/run
	@$(RUN) manage.py up

demo: $(VENV)/run
	@$(RUN) manage.py up --headless

test: $(VENV)/dev
	$(RUN) -m pytest -n $(WORKERS) --maxprocesses 4

check: $(VENV)/dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy .
	cd clients/python && $(CURDIR)/$(VENV)/bin/mypy
	PYTHONPATH=platform:. $(VENV)/bin/lint-imports
	$(RUN) manage.py makemigrations --check --dry-run
	$(RUN) -m pytest -n $(WORKERS) --maxprocesses 4

bench: $(VENV)/dev
	$(RUN) -m bench

fmt: $(VENV)/dev
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .
