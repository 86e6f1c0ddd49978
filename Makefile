# make up     the services of services.d/, supervised, in the foreground (Ctrl-C stops them)
# make test   everything that must hold: lint, types, import rules, tests
# make ways   the tests in four ways: with uvloop and without, workers forked and executed (minutes)
# make bench  the benchmarks, with ratios (BENCH_FLAGS=--quick: under three minutes)
# make chaos  500 rounds of faults under load, from a fixed seed, and the figures of each (minutes)
# make clean  removes what these made
#
# Needs python3 (3.11 or later), make and pip.  Another interpreter: make up PYTHON=python3.12

PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
BIN := .venv/bin
PIP_FLAGS := --quiet --disable-pip-version-check --no-input
PYTEST_FLAGS ?= --quiet -n 6 --dist worksteal

.PHONY: up test before-test ways lint bench chaos clean
.DELETE_ON_ERROR:
unexport PYTHONDONTWRITEBYTECODE  # it would compile everything at each of a thousand starts

up: .venv/all.stamp
	@exec $(BIN)/kettlingard up --home .kettlingard --services services.d

# Hundreds of tests start real processes, several tests at once. One that failed in that
# crowd is tried once more with nothing beside it: what fails twice has failed.
test: .venv/dev.stamp
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target before-test
	$(call pytest,$(BIN)/python)

pytest = $(1) -m pytest $(PYTEST_FLAGS) || { echo "again, one after the other:"; \
	$(1) -m pytest --quiet --last-failed --last-failed-no-failures none; }

before-test: lint .venv/compiled.stamp

# Beside lint, which leaves a core idle: once, instead of by each of the tests' processes.
.venv/compiled.stamp: .venv/dev.stamp
	@$(BIN)/python -m pytest --collect-only --quiet >/dev/null 2>&1 || true
	@touch $@

ways: .venv/dev.stamp .venv-asyncio/dev.stamp
	export KETTLINGAR_TEST_ZYGOTE=1; $(call pytest,$(BIN)/python)
	export KETTLINGAR_TEST_ZYGOTE=0; $(call pytest,$(BIN)/python)
	export KETTLINGAR_TEST_ZYGOTE=1; $(call pytest,.venv-asyncio/bin/python)
	export KETTLINGAR_TEST_ZYGOTE=0; $(call pytest,.venv-asyncio/bin/python)

.venv-asyncio/dev.stamp: .venv/dev.stamp
	@echo "installing into .venv-asyncio (extras: dev; without uvloop)"
	@$(BIN)/python -m venv --without-pip --clear .venv-asyncio
	@$(BIN)/python -m pip --python .venv-asyncio/bin/python install $(PIP_FLAGS) -e '.[dev]'
	@$(BIN)/python -m pip --python .venv-asyncio/bin/python uninstall --quiet --yes uvloop
	@touch $@

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/typing
	$(BIN)/lint-imports

# The peers have a venv of their own; one that cannot be installed is skipped, with a word.
# From the distribution, if you want them beside ours: apt install nginx-light s6 wrk
bench: .venv/dev.stamp .venv-bench/peers.stamp
	$(BIN)/python -m benchmarks $(BENCH_FLAGS)

# CHAOS_ROUNDS=20 CHAOS_SEED=7: another run of it.  FIGURES=: without the others.
CHAOS_ROUNDS ?= 500
CHAOS_SEED ?= 5
chaos: .venv/dev.stamp
	KETTLINGAR_LONG=1 KETTLINGAR_CHAOS_ROUNDS=$(CHAOS_ROUNDS) KETTLINGAR_CHAOS_SEED=$(CHAOS_SEED) \
		$(BIN)/python -m pytest --quiet -s tests/faults/test_chaos.py $(FIGURES)

FIGURES ?= tests/faults/test_figures.py tests/faults/test_supervisor_dies.py \
	tests/faults/test_upgrade.py tests/integration/daemon/test_on_demand.py

.venv-bench/peers.stamp: benchmarks/peers.txt | $(BIN)/python
	@echo "installing the peers into .venv-bench"
	@$(BIN)/python -m venv .venv-bench 2>/dev/null || { \
		$(BIN)/python -m venv --without-pip --clear .venv-bench && \
		$(BIN)/python -m pip --python .venv-bench/bin/python install $(PIP_FLAGS) pip; }
	@for peer in $$(grep -v '^#' $<); do \
		.venv-bench/bin/python -m pip install $(PIP_FLAGS) $$peer \
			|| echo "$$peer cannot be installed here: skipped" >&2; done
	@touch $@

clean:
	rm -rf .venv .venv-asyncio .venv-bench .bench.json .kettlingard .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
		.coverage build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp for each set of extras; a changed pyproject.toml installs anew.
.venv/%.stamp: pyproject.toml | $(BIN)/python
	@echo "installing into .venv (extras: $*)"
	@$(BIN)/python -m pip install $(PIP_FLAGS) -e '.[$*]'
	@touch $@

# Some distributions split pip out of venv: the pip beside $(PYTHON) then fills the venv.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "cannot make .venv: no Python 3.11 or later found; set PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv .venv 2>/dev/null || { \
		$(PYTHON) -m venv --without-pip --clear .venv && \
		$(PYTHON) -m pip --python $(BIN)/python install $(PIP_FLAGS) pip; }
