# Every target needs make and Python 3.11 or newer; the first call installs the dependencies into .venv.
PYTHON ?= python3
VENV := .venv
IN_VENV := $(VENV)/bin/python
READY := $(VENV)/ready

.PHONY: demo test test-fast test-one faults measure-masking bench histories fingerprints lint format lock clean

demo: $(READY)
	@$(IN_VENV) -m devstack.demo

test: $(READY)
	@$(IN_VENV) -m pytest

# The tests without a Temporal server and without a database, under 45 seconds.
test-fast: $(READY)
	@$(IN_VENV) -m pytest tests/unit tests/properties/requests

# The tests of one area, in every folder: make test-one AREA=databases
test-one: $(READY)
	@test -n "$(wildcard tests/*/$(AREA))" || { echo "Name an area: make test-one AREA=NAME, one of $(sort $(notdir $(patsubst %/,%,$(wildcard tests/unit/*/ tests/integration/*/ tests/properties/*/))))"; exit 2; }
	@$(IN_VENV) -m pytest $(wildcard tests/*/$(AREA))

# Run 652 restores and 185 swaps with injected faults, which takes two hours, and write the tables into docs/reliability.md.
faults: $(READY)
	@$(IN_VENV) -m tests.chaos --restores 650 --document --defects
	@$(IN_VENV) -m tests.chaos.swaps --document

# Rows per minute of masking beside UPDATEs written by hand on the same data; docs/masking.md has measured figures.
measure-masking: $(READY)
	@$(IN_VENV) -m tests.benchmarks.masking

# How much longer a restore takes than AWS itself, beside other tools, what becomes of each when its process is killed, and
# what a worker takes with 1,000 restores in flight and with a fleet of 200; writes its tables into docs/performance.md.
bench: $(READY)
	@$(IN_VENV) -m tests.benchmarks.restores --document
	@$(IN_VENV) -m tests.benchmarks.kills --document
	@$(IN_VENV) -m tests.benchmarks.in_flight --document
	@$(IN_VENV) -m tests.benchmarks.fleet --document

# Record a version's histories, against which later versions are replayed (docs/upgrading.md). Eight minutes.
histories: $(READY)
	@$(IN_VENV) -m tests.integration.versions histories

fingerprints: $(READY)
	@$(IN_VENV) -m tests.integration.versions fingerprints

lint: $(READY)
	@$(IN_VENV) -m ruff check .
	@$(IN_VENV) -m ruff format --check .
	@$(IN_VENV) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

format: $(READY)
	@$(IN_VENV) -m ruff check --fix .
	@$(IN_VENV) -m ruff format .

# Write the lock files: exact versions, and no address of a registry.
lock: $(READY)
	$(IN_VENV) -m piptools compile -q --no-header --no-annotate --strip-extras --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --no-emit-options -o requirements.lock pyproject.toml
	$(IN_VENV) -m piptools compile -q --no-header --no-annotate --strip-extras --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --no-emit-options --extra devstack --extra report --extra traces --extra dev -c requirements.lock \
		-o requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This is Python " + sys.version.split()[0] + "; Python 3.11 or newer is needed. Choose another one:\n  make PYTHON=python3.12 …")'
	@echo "Installing requirements-dev.lock into $(VENV). This takes a minute or two, once."
	@$(PYTHON) -m venv $(VENV)
	@$(IN_VENV) -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock & pid=$$!; \
		while kill -0 $$pid 2>/dev/null; do printf .; sleep 1; done; echo; wait $$pid
	@touch $@
