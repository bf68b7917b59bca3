# The face of mirl. `make help` lists the targets; every one is a line of `common/.venv/bin/mirl` or close to it.
#   PAPER=mime TASK=wide_ring METHOD=mime SEEDS=0,1,2 BUDGET=tiny|workstation|paper JOBS=2 DEVICE=cpu|gpu
#   EXECUTOR=local|slurm RETRIES=2 RUNS_PER_GPU=2

PYTHON ?= $(shell for python in python3.11 python3.12; do $$python -c "" 2> /dev/null && echo $$python && break; done)
DEVICE ?=
# What a shell brings and our own environments must not see.
unexport PYTHONPATH PYTHONHOME PYTHONUSERBASE PYTHONSTARTUP PYTHONOPTIMIZE
export PYTHONNOUSERSITE = 1
GET_PYTHON = Debian 12: sudo apt-get install -y python3.11-venv; Ubuntu 24.04: sudo apt-get install -y python3.12-venv; \
	elsewhere install one beside your own and name it: make PYTHON=/path/to/python3.11
VENVS   = $(PYTHON) common/src/mirl/suite/venvs.py
MIRL    = common/.venv/bin/mirl
POETRY  = .tools/poetry/bin
TEMPLATE = common/src/mirl/suite/rooms/template
PAPERS  = $(notdir $(patsubst %/pyproject.toml,%,$(wildcard papers/*/pyproject.toml)))
# What the tests and the lint of one paper need: its own environment. Where all are asked for, `setup` makes them one after
# another, since apt lets nobody install beside it.
NEEDED  = $(if $(filter lint test test-suite,$(MAKECMDGOALS)),setup,setup-%)

ROOM    = $(shell printf %s "$(PAPER)" | tr A-Z a-z)

option  = $(if $(strip $($(1))),--$(2) "$(strip $($(1)))")
CHOICE  = $(call option,PAPER,paper) $(call option,TASK,task)
RUNS    = $(CHOICE) $(call option,METHOD,method) $(call option,SEEDS,seeds) $(call option,BUDGET,budget) $(call option,JOBS,jobs)
HOW     = $(call option,EXECUTOR,executor) $(call option,RETRIES,retries) $(call option,RUNS_PER_GPU,runs-per-gpu) $(call option,RUNNER,runner)

.DEFAULT_GOAL := help
.PHONY: help setup suite new reproduce reproduce-all plan list status compare regress documents report bench check images image image-check \
	doctor test test-suite gpu-check gpu-table fuzz soak test-cluster lint lint-suite lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: suite ## set up the suite and PAPER (default: all papers), on DEVICE (default: what is there)
	@for paper in $(if $(PAPER),"$(PAPER)",$(PAPERS)); do $(MIRL) setup --paper "$$paper" $(call option,DEVICE,device) || exit; done

setup-%: suite
	@$(MIRL) setup --paper "$*" $(call option,DEVICE,device)

suite:
	@$(if $(PYTHON),$(VENVS) common,echo "make: neither python3.11 nor python3.12 is here. $(GET_PYTHON)" >&2; exit 2)

new: suite ## write a room for one more PAPER, which works as it is, to start from
	@$(MIRL) new "$(PAPER)"

reproduce: suite ## run PAPER [TASK METHOD SEEDS BUDGET JOBS EXECUTOR RUNNER=docker], then compare; again continues
	@$(MIRL) reproduce $(RUNS) $(HOW)

reproduce-all: suite ## run every reported experiment of all papers [BUDGET JOBS EXECUTOR]; again continues
	@$(MIRL) reproduce --all $(call option,BUDGET,budget) $(call option,JOBS,jobs) $(HOW)

plan: suite ## the runs of [PAPER TASK METHOD SEEDS BUDGET] and what they cost here
	@$(MIRL) plan $(RUNS)

list: suite ## what was run: reference, ours, verdict, cost (PAPER: every experiment of it)
	@$(MIRL) list $(call option,PAPER,paper)

status: suite ## the runs that were begun, live with WATCH=1
	@$(MIRL) status $(call option,PAPER,paper) $(call option,BUDGET,budget) $(if $(WATCH),--watch)

compare: suite ## verdicts of PAPER [TASK BUDGET] against the paper's numbers
	@$(MIRL) compare $(CHOICE) $(call option,BUDGET,budget)

regress: suite ## tiny runs of [PAPER TASK METHOD] against the regression bands
	@$(MIRL) regress $(CHOICE) $(call option,METHOD,method) $(call option,JOBS,jobs)

documents: suite ## renew the tables in README.md and docs that a command makes
	@$(MIRL) documents

report: suite ## a site of all results, or of PAPER [BUDGET], to open in a browser; OWN=1: of this host's runs
	@$(MIRL) report $(call option,PAPER,paper) $(call option,BUDGET,budget) $(if $(OWN),--runs)

bench: suite ## speed of PAPER [TASK], beside its plain twin
	@$(MIRL) bench $(CHOICE)

check: suite ## validate everything under results
	@$(MIRL) check results

images: suite ## build mirl/<paper>:<device> of every paper, DEVICE=cpu|gpu (default: both)
	@for device in $(if $(DEVICE),"$(DEVICE)",cpu gpu); do for paper in $(PAPERS); do \
		common/.venv/bin/python docker/build.py $$paper $$device || exit; done; done

image: suite ## build the image of PAPER for DEVICE=cpu|gpu (default: cpu), with docker, podman or buildah
	@common/.venv/bin/python docker/build.py "$(PAPER)" "$(or $(DEVICE),cpu)"

image-check: suite ## check that image as its user meets it
	@common/.venv/bin/python docker/check.py "$(PAPER)" "$(or $(DEVICE),cpu)"

doctor: ## what this host has, what is missing and the command that mends it
	@if [ -f common/.venv/.ready ]; then exec $(MIRL) doctor; fi; \
	python=$(or $(PYTHON),$$(command -v python3)); [ -n "$$python" ] || { echo "make: no Python is here. $(GET_PYTHON)" >&2; exit 2; }; \
	PYTHONPATH=common/src exec "$$python" -m mirl.suite.doctor

test: $(if $(PAPER),test-$(ROOM),test-suite $(PAPERS:%=test-%)) ## fast tests: all, or those of PAPER, each paper's in its own environment (make -j2 -O: two at a time)

test-suite: setup
	@common/.venv/bin/python -m pytest -q -m "not slow and not cluster" common/tests tests

test-%: $(NEEDED)
	@cd papers/$* && .venv/bin/python -m pytest -q -m "not slow" tests

fuzz: suite ## INPUTS (default: 20000) damaged files and command lines through the commands; `make test` tries 1000
	@common/.venv/bin/python -m pytest -q common/tests/fuzz --inputs $(or $(INPUTS),20000)

gpu-check: suite ## try every method on the GPU of this host, 10 to 15 minutes; again continues [PAPER]
	@$(MIRL) gpu-check $(call option,PAPER,paper)

gpu-table: suite ## count again what the methods launch and wait for on a card, into docs/gpu.md
	@common/.venv/bin/python tests/launches.py

soak: suite ## kill tiny runs of PAPER (default: all that are set up) at random moments for MINUTES (20), compare [JOBS]
	@$(MIRL) soak $(call option,PAPER,paper) $(call option,MINUTES,minutes) $(call option,JOBS,jobs)

test-cluster: suite ## tests on a real Slurm of two nodes, made here and taken away again; needs root and apt
	@for paper in amigo mime; do $(MIRL) setup --paper $$paper || exit; done
	@common/.venv/bin/python -m pytest -q -m cluster common/tests

lint: $(if $(PAPER),lint-$(ROOM),lint-suite lint-template $(PAPERS:%=lint-%)) ## ruff and mypy: of all, or of PAPER

lint-suite: suite
	@common/.venv/bin/ruff check . && common/.venv/bin/ruff format --check .
	@common/.venv/bin/mypy --exclude $(TEMPLATE)/ common/src

lint-template: $(if $(filter lint,$(MAKECMDGOALS)),setup,setup-mime)
	@MYPYPATH=$(TEMPLATE)/papers/newpaper/src common/.venv/bin/mypy --cache-dir .mypy_cache/newpaper \
		--python-executable papers/mime/.venv/bin/python --package newpaper

lint-%: $(NEEDED)
	@common/.venv/bin/ruff check papers/$* && common/.venv/bin/ruff format --check papers/$*
	@common/.venv/bin/mypy --cache-dir .mypy_cache/$* --python-executable papers/$*/.venv/bin/python papers/$*/src

lock: $(POETRY)/poetry ## renew the lock and the hashed requirements of PAPER (default: common and all papers)
	@for project in $(if $(PAPER),papers/$(PAPER),common $(addprefix papers/,$(PAPERS))); do \
		$(POETRY)/python common/src/mirl/suite/lock.py $$project || exit; done

$(POETRY)/poetry:
	@$(PYTHON) -m venv .tools/poetry && $(POETRY)/pip install --quiet poetry==2.5.1 poetry-plugin-export==1.10.1 $(POETRY_PLUGINS)

clean: ## remove environments and caches; results stay
	@rm -rf common/.venv papers/*/.venv .tools .mypy_cache .ruff_cache .pytest_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
