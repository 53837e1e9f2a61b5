# make reports [PRESET=quick]   run all studies, write reports/<preset>/index.html
# make test                     unit tests, notebooks, findings
# make lint · make pair · make methods · make bench
# The first call builds .venv from environment.yml. PYTHON=python3.12 chooses the interpreter.

PRESET ?= quick
PYTHON ?= python3

READY := .venv/ready
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# A checkout that is not this one must not be imported.
unexport PYTHONPATH PYTHONHOME

.PHONY: reports test lint pair methods bench

reports: $(READY)
	@python -m lib.report all $(PRESET)

test: $(READY)
	python -m pytest -n 2 --dist loadgroup

lint: $(READY)
	ruff check
	ruff format --check
	mypy

# The .py is the source; never the other way, and never --sync, which trusts file times.
pair: $(READY)
	jupytext --quiet --to ipynb --update notebooks/*.py notebooks/examples/*.py

# The README's section on methods, from their docstrings.
methods: $(READY)
	@python -m lib.report methods

bench: $(READY)
	pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	python benchmarks/cascade.py
	python benchmarks/similarity_speed.py
	python benchmarks/photograph_speed.py
	python benchmarks/photograph_memory.py

# One list of dependencies: what stands below "- pip:" in environment.yml.
$(READY): environment.yml pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	sed -n '/- pip:/,$$ s/^      - //p' environment.yml > .venv/requirements.txt
	pip install --quiet --disable-pip-version-check --no-warn-script-location -r .venv/requirements.txt
	@touch $@
