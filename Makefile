# Each target does its own set-up: a machine with Python 3.11 (or newer) and internet is enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

.PHONY: demo test test-slow check format bench bench-quick clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# The peers want other versions of what we use too: they have a place of their own.
.venv-peers/installed: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers/requirements.txt
	@touch $@

demo: $(VENV)/installed
	@$(BIN)/supaqueue demo $(ARGS)

test: $(VENV)/installed
	$(BIN)/pytest -m 'not slow' --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: $(VENV)/installed
	$(BIN)/pytest -m slow --numprocesses auto --maxprocesses 4 --dist worksteal $(ARGS)

bench: $(VENV)/installed .venv-peers/installed
	$(BIN)/python benchmarks/peers/run.py --peers-python .venv-peers/bin/python $(ARGS)

bench-quick: $(VENV)/installed .venv-peers/installed
	$(BIN)/python benchmarks/peers/run.py --peers-python .venv-peers/bin/python --quick $(ARGS)

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .venv-peers dist .mypy_cache .ruff_cache .pytest_cache
