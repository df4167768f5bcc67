# The front door of the course: `make` alone prints what there is.
#
# Each target first sets up what it needs in .venv, once. What was set up is remembered in .venv/.with-<extras>, which
# is remade when pyproject.toml or constraints.txt changes. GNU make 3.81 and sh are enough.

PYTHON ?=
MODEL ?=
ARGS ?=

SHELL := /bin/sh
BIN := .venv/bin
VERSION_FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help generate chat serve train lab labs notebooks grade bench bench-grade gpu site lint test test-quick test-long clean

help:
	@echo 'llaisys_mini: from one neuron to a Qwen decoder that speaks, one operator at a time'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  ARGS=...    passed on:  make generate ARGS="--help"'
	@echo "                          make generate ARGS='\"Once upon a time\" --seed 3'"
	@echo '  MODEL=...   a checkpoint folder or a Hugging Face name, for generate, chat and serve'
	@echo '  PYTHON=...  the Python (3.11 to 3.14) that .venv is made from; found by itself otherwise'

generate: .venv/.with-run ## the shipped model writes
	@$(BIN)/llaisys-mini generate $(if $(MODEL),--model "$(MODEL)") $(ARGS)

chat: .venv/.with-run ## talk with a model
	@$(BIN)/llaisys-mini chat $(if $(MODEL),--model "$(MODEL)") $(ARGS)

serve: .venv/.with-serve ## answer over HTTP at http://127.0.0.1:8000/, with a chat page
	@$(BIN)/llaisys-mini serve $(if $(MODEL),--model "$(MODEL)") $(ARGS)

# Stopped, it goes on where it was when it is called again.
STORIES := build/stories.txt
train: .venv/.with-run ## a story model from nothing, with the course's kernels
	@$(BIN)/python -m training.story_text $(STORIES)
	@$(BIN)/llaisys-mini train $(STORIES) --out build/story-model $(ARGS)

# .jupyter holds settings for the course: no question about Jupyter news, no buttons of nbgrader for students after
# `make grade`, and how lectures look when exported. The lectures are signed first, as JupyterLab wants before it lets a
# notebook style its pictures and run its widgets; .jupyter/jupyter_config.py says where. The address that JupyterLab
# prints leads to the first lecture too, for those whose browser is on another machine. It refuses root, as whom
# containers run.
FIRST := /lab/tree/notebooks/00_start_here.ipynb
WITH_SETTINGS := JUPYTER_CONFIG_PATH="$$PWD/.jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}"
lab: .venv/.with-notebooks ## open JupyterLab, at the first lecture
	@mkdir -p build/trust
	@$(WITH_SETTINGS) $(BIN)/python -m nbformat.sign --log-level=ERROR notebooks/*.ipynb > /dev/null
	@PATH="$$PWD/$(BIN):$$PATH" $(WITH_SETTINGS) \
	    $(BIN)/python -m jupyterlab --ServerApp.root_dir="$$PWD" --LabApp.default_url=$(FIRST) \
	    $$(test `id -u` != 0 || echo --allow-root) $(ARGS)

labs: .venv/.with-notebooks,grading ## make labs/ from solutions/labs (instructors)
	@$(BIN)/python -m autograder.labs

notebooks: .venv/.with-notebooks ## execute the lectures that changed
	@$(BIN)/python -m notebooks.source.build $(ARGS)

grade: .venv/.with-grading ## grade the example class, or ARGS
	@$(BIN)/python -m autograder grade $(or $(ARGS),data/class --build build/example_class)

bench: .venv/.with-bench,parity ## measure all kernels against NumPy and torch, and whole models
	@$(BIN)/python -m benchmarks $(ARGS)

bench-grade: .venv/.with-grading,cluster ## measure grading a class of 120 against plain nbgrader (50 minutes)
	@$(BIN)/python -m benchmarks.grading $(ARGS)

# A CUDA image brings its own Python with the packages: that one is used as it is where it has them.
GPU_NEEDS := import ml_dtypes, numba, numba_cuda, numpy, rich
gpu: ## check and time the CUDA kernels on a GPU; without one, what needs none
	@chosen=; for candidate in $(if $(PYTHON),"$(PYTHON)",$(BIN)/python python3); do \
	    if "$$candidate" -c '$(GPU_NEEDS)' 2>/dev/null; then chosen=$$candidate; break; fi; \
	done; \
	if [ -z "$$chosen" ]; then $(MAKE) .venv/.with-cuda && chosen=$(BIN)/python || exit 1; fi; \
	PYTHONPATH="$$PWD" "$$chosen" -m benchmarks.gpu $(ARGS)

# REPOSITORY=https://...: where the source is shown; without it, links to source files are left out.
site: .venv/.with-site ## the course as a website in build/site, without a network
	@$(BIN)/python -m docs.site.build $(if $(REPOSITORY),--repository "$(REPOSITORY)") $(ARGS)

define LINT
@$(BIN)/python -m ruff check .
@$(BIN)/python -m ruff format --check .
@$(BIN)/python -m mypy
@$(BIN)/lint-imports --no-logo
endef

# tests/conftest.py says how the tests are spread.
ON_ALL_CORES := -n auto --dist loadfile

lint: .venv/.with-test ## style and types, without the tests
	$(LINT)

test: .venv/.with-test,parity,cuda ## style, types and all tests, as CI runs them (installs torch and transformers)
	$(LINT)
	@$(BIN)/python -m pytest $(ON_ALL_CORES) --durations 20 $(ARGS)

test-quick: .venv/.with-test ## the tests that need neither patience nor torch
	$(LINT)
	@$(BIN)/python -m pytest $(ON_ALL_CORES) -m 'not slow and not parity' --ignore-glob='*_parity.py' $(ARGS)

test-long: .venv/.with-test,parity,cuda ## the long forms of some tests; nothing is tested by these alone
	@$(BIN)/python -m pytest $(ON_ALL_CORES) -m long --durations 20 $(ARGS)

clean: ## remove .venv and everything else that can be made again; your kernels stay
	rm -rf .venv build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -name .git -prune -o -name __pycache__ -prune -exec rm -rf {} +

# ---- set-up ----------------------------------------------------------------------------------------------------------

takes-run := about a minute
takes-serve := about a minute
takes-notebooks := about two minutes
takes-grading := about two minutes
takes-notebooks,grading := about three minutes
takes-site := about two minutes
takes-cuda := about two minutes
takes-test := about two minutes
takes-bench,parity := several minutes: torch is large
takes-test,parity,cuda := several minutes: torch is large

# `run` is what generation needs and no extra; every set-up includes it. --no-compile: Python compiles a module when it
# is first imported; all modules of all packages at once take longer than what is left of the set-up. But where it is told
# not to keep what it compiled, each start would take a second and a half longer.
.venv/.with-%: .venv/.made-in pyproject.toml constraints.txt
	@echo 'setting up .venv [$*] (once, $(or $(takes-$*),a few minutes)) ...'
	@start=`date +%s`; \
	$(BIN)/python -m pip install --quiet $(if $(PYTHONDONTWRITEBYTECODE),,--no-compile) --disable-pip-version-check --no-input \
	    -c constraints.txt -e '.$(if $(filter run,$*),,[$*])' || { \
	    echo 'The set-up failed; pip says why above. `make clean` starts afresh.' >&2; exit 1; }; \
	touch .venv/.with-run $@; \
	echo "done in $$((`date +%s` - start)) s"

# Scripts and the editable install hold the folder's path, so a moved or renamed checkout needs a new .venv.
ifneq ($(shell test -x .venv/bin/python && test "`cat .venv/.made-in 2>/dev/null`" = "`pwd -P`" && echo here),here)
.PHONY: .venv/.made-in
endif

# A .venv that someone made by hand is used as it is, when it has a fitting Python and pip.
.venv/.made-in:
	@if [ -e .venv/.made-in ] || ! $(BIN)/python -c 'import pip; $(VERSION_FITS)' 2>/dev/null; then \
	    chosen= bare=; \
	    for candidate in $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11 python3.14); do \
	        "$$candidate" -c '$(VERSION_FITS)' 2>/dev/null || continue; \
	        if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then chosen=$$candidate; break; fi; \
	        bare=$$candidate; \
	    done; \
	    if [ -n "$$chosen" ]; then \
	        rm -rf .venv && "$$chosen" -m venv .venv || { rm -rf .venv; exit 1; }; \
	    elif [ -n "$$bare" ]; then \
	        echo "$$bare comes without the venv module. On Debian or Ubuntu: sudo apt install python3-venv" >&2; exit 1; \
	    else \
	        echo 'No Python 3.11 to 3.14 found (tried: $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14)).' >&2; \
	        echo 'Install one, or name it: make generate PYTHON=/path/to/python3' >&2; exit 1; \
	    fi; \
	fi; \
	pwd -P > .venv/.made-in
