# cementwatch: the commands a person and the build server share. `make help` lists them.
VENV ?= .venv
PYTHON ?= python3
PYTEST_ARGS ?= -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed

.DEFAULT_GOAL := help
SET ?= tune
EACH ?= 1
CT ?= $(wildcard ../shared/ct)
SOAK_S ?= 3600
N ?= 100000

.PHONY: help demo test check bench score soak fuzz golden docs pictures sbom clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /\1|/' | awk -F'|' '{ printf "  make %-8s %s\n", $$1, $$2 }'

demo: $(RUNTIME) ## play two procedures over real DICOM and show the alerts; KEEP=1 leaves it running
	$(BIN)/cementwatch demo $(if $(KEEP),--keep)

test: $(DEV) ## run every test; Orthanc, DCMTK, PostgreSQL and Chromium are installed where that is allowed
	bash .ci/debian-packages
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(DEV) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(DEV) ## measure beside Orthanc and storescp, stage by stage
	bash .ci/debian-packages
	$(BIN)/python -m tests.speed.bench

score: $(RUNTIME) ## hold the detection against phantom truth; SET=exam for the set that is not tuned on, EACH=n patients, CT=folder
	$(BIN)/cementwatch score --set $(SET) --each $(EACH) $(if $(CT),--ct $(CT)) $(SCORE_ARGS)

soak: $(DEV) ## run the whole system under mixed live sources for SOAK_S seconds and watch memory, threads and counts
	$(BIN)/python -m tests.speed.soak --seconds $(SOAK_S)

fuzz: $(DEV) ## give the receiver N mutated objects and conversations, and look for crashes, hangs and growth
	$(BIN)/python -m tests.dicom_gateway.fuzz --inputs $(N)

golden: $(DEV) ## write the golden journals anew; read the difference before committing it
	$(BIN)/python -m pytest tests/golden --rewrite-golden

docs: $(DEV) ## write the pages of docs/ that come from the code: rules, settings, clinical, conformance, trace
	$(BIN)/python -m tests.house.reference

pictures: $(DEV) ## take the pictures of README.md and docs/user-guide.md anew, from the running system
	bash .ci/debian-packages
	$(BIN)/python -m tests.journeys.pictures

sbom: $(DEV) ## write what an installation is made of as CycloneDX, to build/sbom.cdx.json
	$(BIN)/python -m tests.house.bill

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Stamp files: what is installed is renewed when the wanted packages change, and only then.
$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(RUNTIME)
