# Two commands set everything up on a fresh Debian machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
RUNS := 1000

.PHONY: help demo test truth bench check coverage images host-test unit-test bus-test guest-test lock pictures completions clean

help:
	@echo 'make demo    the main job, shown: scoperun --mem 20M -- ./bigleak2'
	@echo 'make test    every test that CI runs'
	@echo 'make truth   docs/truth.md, from some 1000 runs whose end is known beforehand, or RUNS=2000'
	@echo 'make bench   docs/benchmarks.md: what scoperun costs compared with its alternatives; as root'
	@echo 'make check   formatting, lint and types'
	@echo 'make coverage  which lines and branches tests/unit and tests/bus run'
	@echo 'make pictures, make completions  docs/*.svg, and the completions of scopectl: after a change of it'
	@echo 'make lock    update what CI installs: requirements.lock, tests/lab/requirements.lock'

demo: $(VENV)/ready
	@$(VENV)/bin/python -m tests.lab.demo

# The images come over the network while the tests that need none of them run; tests/bus mostly waits.
test: $(VENV)/ready
	@$(MAKE) --no-print-directory --jobs=4 check unit-test bus-test guest-test

truth: images
	$(VENV)/bin/python -m tests.truth --runs $(RUNS)

bench: images
	$(VENV)/bin/python -m tests.bench

images: $(VENV)/ready
	$(VENV)/bin/python -m tests.lab build

host-test: unit-test bus-test

unit-test: $(VENV)/ready
	$(VENV)/bin/python -m pytest tests/unit

bus-test: $(VENV)/ready
	$(VENV)/bin/python -m pytest tests/bus

guest-test: $(VENV)/ready
	$(VENV)/bin/python -m tests.lab test

check: $(VENV)/ready
	$(VENV)/bin/ruff format --check --quiet
	$(VENV)/bin/ruff check --quiet
	$(VENV)/bin/mypy

# What only guests run is not counted. Each process of a test writes a file of its own.
# Tests of what a start imports fail here, since coverage imports some of that: they do not end this.
coverage: $(VENV)/ready
	$(VENV)/bin/pip install --quiet 'coverage>=7.10'
	$(VENV)/bin/coverage erase
	-$(VENV)/bin/coverage run -m pytest tests/unit tests/bus
	$(VENV)/bin/coverage combine --quiet
	$(VENV)/bin/coverage report

# Python compiles what it imports, which is a small part of what these packages have.
$(VENV)/ready: pyproject.toml requirements.lock
	@sh tests/packages.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-compile --require-hashes --requirement requirements.lock
	$(VENV)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The newest releases that pyproject.toml allows, for every Python and every machine.
lock: $(VENV)/ready
	$(VENV)/bin/pip install --quiet uv
	@set -e; for lock in dev=requirements.lock test=tests/lab/requirements.lock; do \
	    file=$${lock#*=}; head -2 $$file >$$file.new; \
	    $(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	        --no-header --no-annotate --group $${lock%%=*} pyproject.toml >>$$file.new; \
	    mv $$file.new $$file; \
	done

pictures: images
	$(VENV)/bin/python -m tests.pictures

completions: $(VENV)/ready
	$(VENV)/bin/python -m tests.completions

clean:
	rm -rf $(VENV) dist
