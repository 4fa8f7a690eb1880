# Everything is installed in .venv; nothing else of the machine is changed. `make help` lists the targets.

VENV := .venv
PY := $(VENV)/bin/python
.DEFAULT_GOAL := help

# The interpreter that .venv is made of, for example: make run PYTHON=/opt/python3.12/bin/python3
PYTHON ?=
# What `make test` hands to pytest, for example: make test ARGS="tests/engine -x" (then without the coverage report)
ARGS ?=

# Those that also run on PostgreSQL and Redis: all that has to do with the database or the queue.
ON_SERVERS := $(addprefix tests/,admin alerts api bench/test_pipeline.py facewatch faults flows ledger pages recognition)
# Three processes: two processors are enough for them, because tests often wait for what they start. A file stays in one
# of them, which starts what its tests share once; `tests/conftest.py` says which files come first.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

# pip keeps no cache outside .venv, and wheels alone are installed: no compiler is needed.
export PIP_NO_CACHE_DIR := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
INSTALL := $(PY) -m pip install --quiet --only-binary :all: --require-hashes

# $(call installed,FILE): a copy of FILE, made once what it pins is installed.
installed = $(VENV)/installed-$(1)
# Present while pip is at work: if it is found later, pip was interrupted and .venv is made anew.
UNFINISHED := $(VENV)/unfinished

.PHONY: help run demo test lint chaos bench screenshots lock clean environment runtime development peer photos

help:  ## List what make can do here
	@sed -nE 's/^([a-z]+):.*  ## (.*)/make \1\t\2/p' $(MAKEFILE_LIST)

run: runtime  ## Set up what is missing, then serve: web, workers and sweeper until Ctrl-C
	@exec $(PY) manage.py serve

demo: runtime  ## The same on demonstration photos, and show an alert happening
	@exec $(PY) manage.py demo

# Once on SQLite, all of them; once more on PostgreSQL and Redis, which the tests start themselves, those of the database.
test: development peer photos  ## Run the tests, with coverage by branch: make test ARGS="tests/engine -x" ON=servers
ifdef ARGS
	TESTS_ON=$(ON) $(PY) -m pytest $(ARGS)
else
	TESTS_ON=servers $(PY) -m pytest $(PARALLEL) --quiet $(ON_SERVERS)
	$(PY) -m pytest $(PARALLEL) --cov --cov-report=term-missing:skip-covered
endif

lint: development  ## Check style, types and the direction of imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	FACEWATCH_DATA_DIR=$(VENV)/cache/data $(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --cache-dir $(VENV)/cache/imports

chaos: development photos  ## Kill everything at random, and count what is lost: make chaos DURATION=60 SEED=1 REDIS=yes
	@exec $(PY) -m tests.faults.chaos $(if $(DURATION),--duration $(DURATION)) $(if $(SEED),--seed $(SEED)) $(if $(REDIS),--redis)

bench: development peer photos  ## Measure, and compare with the peer
	@exec $(PY) -m bench

screenshots: development photos  ## Take the pictures of the pages in docs/images anew
	@exec $(PY) -m bench.screenshots

# Pins stay as they are where pyproject.toml still allows them; `make lock UPGRADE=--upgrade` takes the newest.
# pip's index, if one is configured, is used but not written down.
LOCK := $(VENV)/bin/uv pip compile --quiet --cache-dir $(VENV)/cache/uv --system-certs --universal \
	--python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --custom-compile-command "make lock" $(UPGRADE)
lock: development  ## Compile the requirements files from pyproject.toml
	@index=$$($(PY) -m pip config get global.index-url 2>/dev/null || true); \
	index=$${PIP_INDEX_URL:-$$index}; if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; set -ex; \
	$(LOCK) pyproject.toml --output-file requirements.txt; \
	$(LOCK) pyproject.toml --group dev --constraints requirements.txt --output-file requirements-dev.txt; \
	$(LOCK) --group peer --no-deps --output-file requirements-peer.txt

clean:  ## Remove .venv and the caches; the data folder stays
	rm -rf $(VENV) .coverage .coverage.* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@if [ ! -e $(UNFINISHED) ] && $(PY) -c 'import pip' 2>/dev/null; then exit 0; fi; \
	for python in $(if $(PYTHON),'$(PYTHON)',python3.13 python3.12 python3.11 python3); do \
		if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(VENV) with $$("$$python" --version) ($$python)"; \
			rm -rf $(VENV) && exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo "Facewatch needs Python 3.11 or newer with its venv module, and found none: install it" \
		"(Debian, Ubuntu: apt install python3-venv), or name one: make PYTHON=/path/to/python3 ..." >&2; \
	exit 1

# A folder of its own: the peer asks for a dlib that has to be compiled, and pip would call the environment broken.
PEER_FOLDER := $(VENV)/peer

runtime: environment
	@$(call install,requirements.txt,$(INSTALL) -r requirements.txt)

development: environment
	@$(call install,requirements-dev.txt,$(INSTALL) -r requirements-dev.txt)

peer: environment
	@$(call install,requirements-peer.txt,$(INSTALL) --no-deps --upgrade --target $(PEER_FOLDER) -r requirements-peer.txt)

photos: environment
	@$(PY) -m demo.photos

# $(call install,FILE,COMMAND): run COMMAND unless it has been done for this content of FILE.
define install
if ! cmp -s $(1) $(call installed,$(1)); then \
	echo "installing $(1)"; touch $(UNFINISHED) && $(2) && cp $(1) $(call installed,$(1)) && rm $(UNFINISHED); \
fi
endef
