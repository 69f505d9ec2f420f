# Two commands matter: `make demo` and `make test`. Both set everything up by themselves and can be repeated.
VENV ?= .venv
BIN := $(VENV)/bin

FAULTS ?= 200

.PHONY: demo test slow faults scale bench bench-limit bench-large bench-memory bench-accuracy check fmt docs clean

demo: $(VENV)/.core
	$(BIN)/muster demo

test: $(VENV)/.dev
	$(BIN)/pytest -n auto --dist worksteal -m "not slow"

slow: $(VENV)/.dev
	$(BIN)/pytest -n auto --dist worksteal -m slow

faults: $(VENV)/.dev
	$(BIN)/python scripts/faults.py --seeds $(FAULTS) $(if $(WRITE),--write)

scale: $(VENV)/.dev
	$(BIN)/python -m benchmarks.scale $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.peers $(ARGS)

bench-limit: $(VENV)/.dev
	$(BIN)/python -m benchmarks.limit $(ARGS)

bench-large: $(VENV)/.dev
	$(BIN)/python benchmarks/large.py $(ARGS)

bench-memory: $(VENV)/.dev
	$(BIN)/python -m benchmarks.memory $(ARGS)

bench-accuracy: $(VENV)/.dev
	$(BIN)/python -m benchmarks.accuracy $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev
	$(BIN)/python scripts/reference.py
	$(BIN)/python scripts/asyncapi.py

$(VENV)/.core: pyproject.toml constraints.txt scripts/setup.sh
	scripts/setup.sh $(VENV) core

$(VENV)/.dev: pyproject.toml constraints.txt scripts/setup.sh
	scripts/setup.sh $(VENV) dev

clean:
	rm -rf $(VENV) build dist demo
