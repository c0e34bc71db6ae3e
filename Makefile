# `make help` lists what there is to do. Every target installs what it needs by itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
SECONDS ?= 60
# Where fuzzing starts from: the cases, and the folder of more captures where the environment names one.
FUZZ_CORPUS := $(if $(wildcard pcaps),$(CURDIR)/pcaps) $(SIPSENSOR_CAPTURES)
PACKAGE := pyproject.toml setup.py .ci/environment .ci/build.txt
PYTEST := $(BIN)/python -m pytest
# Of what imports packages of others; a test of the house holds it complete.
LOWEST := $(addprefix tests/unit/,cli config export live/test_reference.py signatures sources test_app.py)
TERSE := --quiet --tb=short -p no:cacheprovider

##@ Using it

.PHONY: setup
setup: $(VENV)/.runtime build ## a .venv with the command sipsensor in it, and the system packages it needs (installed when root)

.PHONY: run
run: setup ## start the sensor on this host: observe mode, deploy/sipsensor.toml, state under ./var
	@mkdir -p var
	$(BIN)/sipsensor run --config deploy/sipsensor.toml --state var

.PHONY: replay
replay: setup ## judge capture files: make replay PCAP="one.pcap two.pcapng"
	@test -n "$(PCAP)" || { echo 'make replay: which file? make replay PCAP=calls.pcap' >&2; exit 2; }
	@$(BIN)/sipsensor replay $(PCAP)

.PHONY: demo
demo: ## what an attacker gets without and with the sensor, side by side, in under a minute (root; nothing stays)
	@test "$$(id -u)" -eq 0 || { echo 'make demo: needs root, because it makes network namespaces: sudo make demo' >&2; exit 2; }
	@$(MAKE) --no-print-directory setup
	@.ci/system-packages demo
	@$(BIN)/python -m tests.lab.demo

.PHONY: install
install: ## install the service on this machine: /opt/sipsensor, unit, configuration where there is none; starts nothing (DESTDIR=, PREFIX=)
	@deploy/installer install

.PHONY: uninstall
uninstall: ## take it away; configuration, state and logs stay, unless PURGE=1
	@deploy/installer uninstall

.PHONY: wheels
wheels: ## build what install installs, for a machine without a compiler: make install WHEELS=build/wheels
	@deploy/installer wheels

##@ Working on it

.PHONY: build
build: $(VENV)/.runtime ## compile the extensions in place
	@$(BIN)/python setup.py --quiet build_ext --inplace

.PHONY: format
format: $(VENV)/.dev ## lay the code out, and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: check
check: lint types layers unit ## the quick judgement: lint, types, layers, unit tests

.PHONY: lint
lint: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

.PHONY: types
types: $(VENV)/.dev build
	@$(BIN)/mypy
	@$(BIN)/python .ci/stubs.py

.PHONY: layers
layers: $(VENV)/.dev
	@$(BIN)/lint-imports --no-logo

.PHONY: unit
unit: $(VENV)/.dev build
	@$(PYTEST) tests/unit

.PHONY: golden
golden: $(VENV)/.dev build ## the cases of pcaps/ give what they gave
	@$(PYTEST) tests/golden

.PHONY: golden-update
golden-update: $(VENV)/.dev build ## write what the cases of pcaps/ give now; read the diff before you commit it
	@$(PYTEST) tests/golden/test_cases.py --golden-update

.PHONY: reference
reference: build ## write the generated pages of docs/reference/ anew
	@write() { $(BIN)/python -m "$$1" >"$$2.new" && mv "$$2.new" "$$2"; }; mkdir -p docs/reference; \
	write sipsensor.config.reference docs/reference/configuration.md; \
	write sipsensor.signatures.reference docs/reference/signatures.md; \
	write sipsensor.live.reference docs/reference/metrics.md; \
	write sipsensor.config.detectors docs/detectors.md

.PHONY: test
test: setup-test ## all that CI runs
	@$(MAKE) --no-print-directory lint types layers
	@$(MAKE) --no-print-directory -j4 --output-sync=target test-lab-a-g test-lab-h-z test-unit test-rest

# The lab, by the first letters of its files, and many unit tests mostly wait: for tools, packets, seconds. The rest has the processor meanwhile.
.PHONY: test-lab-a-g test-lab-h-z
test-lab-a-g test-lab-h-z: test-lab-%: $(VENV)/.dev build
	@$(PYTEST) $(TERSE) -m "not slow" tests/lab/test_[$*]*.py

.PHONY: test-unit
test-unit: $(VENV)/.dev build
	@$(PYTEST) $(TERSE) -m "not slow" tests/unit tests/packaging
	@$(MAKE) --no-print-directory -j1 lowest

.PHONY: test-rest
test-rest: $(VENV)/.dev build
	@CFLAGS=-O0 $(MAKE) --no-print-directory -j1 fuzz SECONDS=30
	@$(PYTEST) $(TERSE) -m "not slow and not lab" --ignore=tests/unit --ignore=tests/packaging

.PHONY: test-all
test-all: setup-test ## everything, the long parts included
	@$(MAKE) --no-print-directory lint types layers
	@$(MAKE) --no-print-directory lowest pythons
	@$(MAKE) --no-print-directory fuzz SECONDS=900
	@$(MAKE) --no-print-directory coverage
	@$(MAKE) --no-print-directory bench
	@$(PYTEST)

.PHONY: lab-asterisk
lab-asterisk: setup-test ## a real Asterisk 22 behind the sensor; fetched from Debian sid into build/ the first time (root, 330 MB)
	@$(PYTEST) tests/lab/test_asterisk.py tests/lab/test_asterisk_guessing.py tests/lab/test_asterisk_forged.py

.PHONY: setup-test
setup-test: $(VENV)/.dev build
	@.ci/system-packages test || { test "$${CI:-}" != true && echo 'make: going on; what needs them is skipped' >&2; }

.PHONY: lowest
lowest: $(VENV)/.dev build ## the unit tests of what imports others' packages on the lowest versions that pyproject.toml allows
	@.ci/environment lowest build/lowest
	@build/lowest/bin/python -m pytest --quiet -p no:cacheprovider $(LOWEST)

.PHONY: pythons
pythons: ## unit, property and golden tests on every Python that is here: make pythons PYTHONS="python3.12 python3.13"
	@.ci/pythons $(PYTHONS)

.PHONY: fuzz
fuzz: $(VENV)/.dev ## mutate a corpus against fastpath/, and what rooms above it take in, under the sanitizers: make fuzz SECONDS=60
	@.ci/sanitized $(VENV) tests/fuzz/fuzz_fastpath.py --seconds $$(($(SECONDS) / 2)) $(FUZZ_CORPUS)
	@.ci/sanitized $(VENV) tests/fuzz/fuzz_rooms.py --seconds $$(($(SECONDS) / 2))

.PHONY: coverage
coverage: $(VENV)/.dev ## which lines the tests reach, those of the compiled modules included
	@.ci/covered $(VENV)

.PHONY: bench
bench: $(VENV)/.dev build ## measure
	@$(PYTEST) tests/bench --benchmark-enable --benchmark-only

.PHONY: bench-live
bench-live: setup-test ## what a packet costs and how long it is held, beside an accept-all floor and Suricata (root, an otherwise idle machine)
	@$(PYTEST) tests/bench/test_readers.py tests/bench/test_latency.py -s

.PHONY: bench-replay
bench-replay: setup-test ## what a capture file costs, beside suricata -r
	@$(PYTEST) tests/bench/test_replay.py -s

.PHONY: bench-suricata
bench-suricata: setup-test ## Suricata 8 for these two, fetched from Debian sid into build/ (root, 220 MB)
	@$(BIN)/python -m tests.bench.suricata

.PHONY: lock
lock: ## write the locked environments anew, from pyproject.toml
	@.ci/lock

.PHONY: clean
clean: ## remove what was built; .venv and ./var stay
	@rm -rf build dist *.egg-info .coverage htmlcov .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find sipsensor signatures tests -name __pycache__ -prune -exec rm -rf {} +
	@find sipsensor -name '*.so' -delete

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.runtime: $(PACKAGE) .ci/runtime.txt
	@.ci/system-packages run
	@.ci/environment runtime $(VENV)
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime .ci/dev.txt
	@.ci/environment dev $(VENV)
	@touch $@
