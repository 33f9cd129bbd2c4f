# Everything installs itself: a bare Debian 12 with CPython >= 3.11, pip and make is enough.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
PYTEST_ARGS ?=

.PHONY: help setup system demo test test-all lint format bench lock pages docs clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{ printf "  make %-10s %s\n", $$1, $$2 }'

# The development environment is the one that envlock itself locked: every file is checked against its sha256.
$(VENV)/.installed: lockfiles/pylock.dev.toml pyproject.toml tools/requirements.py
	@echo "Installing the locked development environment into $(VENV) ..."
	@$(PYTHON) tools/requirements.py lockfiles/pylock.dev.toml > .requirements.txt
	@grep '^uv==' .requirements.txt > .requirements-uv.txt
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --upgrade --target .boot -r .requirements-uv.txt
	@.boot/bin/uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	@.boot/bin/uv pip sync --quiet --no-config --python $(VENV) --require-hashes .requirements.txt
	@.boot/bin/uv pip install --quiet --no-config --python $(VENV) --no-build-isolation --no-deps --editable .
	@rm -f .requirements.txt .requirements-uv.txt
	@touch $@

setup: $(VENV)/.installed ## Install envlock and its development environment into .venv

system: ## Install what the full tests need from Debian: a Docker Engine and a registry
	@tools/system.sh

demo: setup ## TensorFlow 2.5 against 2.6: two locks, two images, one verdict
	@$(RUN)/python tools/demo.py

test: setup system ## Run the tests (TensorFlow and other frameworks apart)
	$(RUN)/pytest -n 2 --dist loadfile -m "not tensorflow and not frameworks" $(PYTEST_ARGS)

test-all: setup system ## Run every test, TensorFlow's too
	$(RUN)/pytest $(PYTEST_ARGS)

lint: setup ## Check style, types and layering
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

format: setup ## Format the code
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

bench: setup ## Measure against the alternatives and the physical floor (see benchmarks/README.md)
	$(RUN)/python -m benchmarks

lock: setup ## Lock this repository's environments again
	$(RUN)/envlock lock

pages: setup ## Write the generated reference pages again
	@mkdir -p .pages
	$(RUN)/python tools/rules_page.py > .pages/rules.md && mv .pages/rules.md docs/rules.md
	$(RUN)/python tools/probes_page.py > .pages/probes.md && mv .pages/probes.md docs/probes.md
	$(RUN)/python tools/commands_page.py > .pages/commands.md && mv .pages/commands.md docs/reference/commands.md
	$(RUN)/python tools/exit_codes_page.py > .pages/codes.md && mv .pages/codes.md docs/reference/exit-codes.md
	@rmdir .pages

docs: setup ## Build the documentation as a site, into site/
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --strict --quiet
	@echo "site/index.html"

clean: ## Remove what was built and installed here
	rm -rf $(VENV) .venv-* .boot .envlock demo dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
