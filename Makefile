# The companion's commands. `make reproduce` and `make test` are the two that matter.
PYTHON ?= python3
PRESET ?= short
CORES  ?= all
REPOSITORY ?=
STUDY ?=
# Of Snakemake, for a cluster: profiles/slurm. Without one, this machine.
PROFILE ?=
PY      = .venv/bin/python
READY   = .venv/.ready
# Ends with make, whatever ends that: $$PPID is make's own number.
WITH_MAKE = @FFCL_MAKE_PID=$$PPID exec $(PY) -m ffcl_utils
WHERE   = --cores $(CORES) --profile "$(PROFILE)"
# Kernels work in notebooks/: there, a path as seen from here would lead elsewhere.
seen_from_anywhere = $(shell case "$$$(1)" in (/*) echo "$$$(1)";; (*) echo "$$PWD/$$$(1)";; esac)
ifneq ($(FFCL_DATA_DIR),)
export FFCL_DATA_DIR := $(call seen_from_anywhere,FFCL_DATA_DIR)
endif
ifneq ($(FFCL_STORE),)
export FFCL_STORE := $(call seen_from_anywhere,FFCL_STORE)
endif

.PHONY: help reproduce reproduce-all study test lab site bench bench-reproduce results lock

help:  ## these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## *(.*)/\1|\2/' | \
	    awk -F '|' '{ printf "make %-14s %s\n", $$1, $$2 }'

reproduce: $(READY)  ## the two papers' claims on MNIST, at PRESET (smoke or short; paper: Fashion-MNIST too)
	$(WITH_MAKE) reproduce --preset $(PRESET) $(WHERE)

reproduce-all: $(READY)  ## the same, Fashion-MNIST, and the notebooks beyond the papers
	$(WITH_MAKE) reproduce --preset $(PRESET) --studies $(WHERE)

study: $(READY)  ## settings x seeds as STUDY=studies/<name>.yaml says, into one table and a figure
	$(WITH_MAKE) study "$(STUDY)" $(WHERE)

test: $(READY)  ## style, tests, and every notebook at the smoke preset
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PY) -m pytest -n logical --dist loadfile --no-loadscope-reorder --nbval-lax --nbval-current-env tests notebooks

lab: $(READY)  ## explore the notebooks in JupyterLab
	.venv/bin/jupyter lab --notebook-dir=. --LabApp.default_url=/lab/tree/notebooks

site: $(READY)  ## the committed results as pages to read, in site/
	$(PY) -m ffcl_utils site site --repository "$(REPOSITORY)"

bench: $(READY)  ## speed, side by side with a plain implementation
	$(PY) benchmarks/improved_ffcl.py
	$(PY) benchmarks/forward_forward.py
	$(PY) benchmarks/convolutional_twins.py
	$(PY) benchmarks/relaxation.py
	$(PY) benchmarks/growth.py

bench-reproduce: $(READY)  ## time make reproduce: full or empty store, one core, beside a busy one
	$(PY) benchmarks/reproduce.py --preset $(PRESET)

results: $(READY)  ## make a finished runs/PRESET the reference that the README quotes
	$(PY) -m ffcl_utils promote runs/$(PRESET) results/$(PRESET)

lock:  ## exact versions for Linux and macOS; needs uv (pip install uv)
	uv pip compile --universal --python-version 3.11 --all-extras --no-annotate \
	    --custom-compile-command "make lock" pyproject.toml -o requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet -r requirements.lock
	$(PY) -m pip install --quiet --no-deps -e .
	@touch $(READY)
