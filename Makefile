# All development commands. `make` lists them.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
# Many processes start in a run; without byte code, each would compile everything again.
export PYTHONDONTWRITEBYTECODE :=
.DEFAULT_GOAL := help
.PHONY: help setup run quick test lint format bench soak openapi lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.dev ## Make .venv with everything for running, testing and linting

run: .venv/.run ## Run Coffer with demo data on http://127.0.0.1:8000/ (PORT=8001 for another port)
	@$(BIN)/python -m dashboard.dev

quick: .venv/.dev ## Run the tests that need neither a browser nor separate processes
	@$(BIN)/python -m pytest -n 3 -m 'not soak and not slow' -p no:playwright -p no:schemathesis \
		--ignore=tests/style --ignore=tests/browser --ignore=tests/scenarios $(ARGS)

# Three workers on two cores, because many tests wait for processes and clocks.
test: .venv/.dev ## Run all tests except the long ones
	@tests/browser/install_chromium.sh
	@$(BIN)/python -m pytest -n 3 --no-loadscope-reorder --ignore=tests/style $(ARGS)

lint: .venv/.dev ## Check style, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -p no:cacheprovider tests/style

format: .venv/.dev ## Rewrite the files in the common style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/.dev ## Measure speed against baselines from the same run
	@$(BIN)/python -m bench $(ARGS)

soak: .venv/.dev ## Run the long tests
	@$(BIN)/python -m pytest -m soak $(ARGS)

openapi: .venv/.dev ## Write docs/openapi*.json and the answers of the examples, after a change of the API
	@COFFER_WRITE_EXAMPLES=1 $(BIN)/python -m pytest -q tests/api/test_examples.py
	@COFFER_WRITE_OPENAPI=1 $(BIN)/python -m pytest -q tests/architecture/test_api_promises.py

lock: .venv/.dev ## Resolve requirements*.in into requirements*.txt, with hashes
	@UV="$$(command -v uv >/dev/null && uv --version >/dev/null 2>&1 && echo uv || echo $(BIN)/uv)"; \
	for name in requirements requirements-dev; do \
		$$UV pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
			$$name.in -o $$name.txt || exit 1; \
	done

clean: ## Remove .venv and caches; with CONFIRM=1, also the data in var/
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache test-results
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
	@if [ "$(CONFIRM)" = 1 ]; then \
		for pointer in var/embedded/postgres.path var/test/embedded/postgres.path; do \
			[ ! -f $$pointer ] || rm -rf "$$(cat $$pointer)"; \
		done; \
		rm -rf var; \
	elif [ -d var ]; then echo "var/ contains your data and was kept; make clean CONFIRM=1 removes it too"; fi

# Running needs only requirements.txt, but installed test tools stay installed.
.venv/.run: requirements.txt
	@if [ -f .venv/.dev ]; then $(MAKE) -s .venv/.dev; else $(call install,requirements.txt); fi
	@touch $@

.venv/.dev: requirements-dev.txt
	@$(call install,requirements-dev.txt)
	@touch .venv/.run $@

define install
if [ ! -x $(BIN)/python ] || ! $(BIN)/python -c '' 2>/dev/null; then \
	[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed (Debian: apt-get install python3 python3-venv)" >&2; exit 1; }; \
	$(PYTHON) -m venv --clear .venv >/dev/null 2>&1 || { rm -rf .venv; uv venv -q --seed -p $(PYTHON) .venv 2>/dev/null; } || { \
		rm -rf .venv; \
		echo "$(PYTHON) cannot create a virtual environment: install its venv package (Debian: apt-get install python3-venv)" >&2; \
		exit 1; }; \
fi; \
if uv --version >/dev/null 2>&1; then UV=uv; \
else [ -x $(BIN)/uv ] || $(BIN)/python -m pip install -q --disable-pip-version-check uv || true; UV=$(BIN)/uv; fi; \
echo "Installing $(1)"; \
$$UV pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes $(1) || { \
	echo "uv failed; trying pip, which takes longer"; \
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(1); }
endef
