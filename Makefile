# Every target makes its own environment: git, Python 3.11 or newer and make are all that a machine needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(VENV)-uv/bin/uv
READY  := $(VENV)/.ready
DOCS_STUDY ?= work-docs-study
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 10

# Compiled modules are kept: else every start compiles torch anew, 15 seconds of it, where this variable is set.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo docs test-wheel test tests test-pythons test-whole test-nightly test-benchmarks check bench bench-truth bench-demo bench-trace bench-paper bench-stages bench-head bench-features bench-audit bench-small bench-evidence bench-prepare bench-photos bench-check bench-read-load bench-read-kill bench-read-fuzz bench-reading bench-pasi demo-pasi soak lock clean bench-report sbom audit-packages

demo: $(READY)           ## the whole story on the embedded cohort: demo-study/report/report.html
	$(BIN)/grasp demo demo-study

demo-pasi: $(READY)      ## the same story on the score as a number: demo-pasi-study/report/report.html
	$(BIN)/grasp demo demo-pasi-study --preset pasi-demo

test: $(READY)           ## everything that has to hold: lint, types, import contracts, tests; two cores, side by side
	$(MAKE) --no-print-directory --jobs 2 check tests

tests: $(READY)          ## the product's tests alone
	$(PYTEST) --ignore tests/benchmarks $(TESTS)

test-whole: $(READY)     ## whole runs of the product (browser, killed, cluster, real size), and the tests of the benchmarks
	$(PYTEST) -m "(whole or benchmark) and not nightly"

test-wheel: $(UV)        ## wheel and source archive, each installed in a bare environment and used outside this folder
	scripts/test_wheel.sh $(PYTHON)

test-nightly: $(READY)     ## the long forms of tests whose short forms run always
	$(PYTEST) -m nightly

test-pythons: $(UV)      ## the package and the product's tests on every Python of 3.11 to 3.13 that is here, each in an environment of its own
	scripts/test_pythons.sh

test-benchmarks: $(READY)  ## the tests of the benchmarks
	$(PYTEST) -m "not nightly" tests/benchmarks

check: $(READY)          ## lint, format, strict types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: bench-demo bench-trace

bench-demo: $(READY)     ## what pruning wins back from a planted shortcut, over five seeds
	$(BIN)/python -m benchmarks.demo

bench-trace: $(READY) requirements-bench.lock  ## what tracing costs beside a plain pass, a training step and other tools; BRIEF=1: minutes
	$(UV) pip install --python $(BIN)/python -r requirements-bench.lock
	$(BIN)/python -m benchmarks.trace $(if $(BRIEF),--brief,--neighbours captum dattri vmap)

bench-stages: $(READY)   ## what a look at a finished study and its proof cost, and which damages are named
	$(BIN)/python -m benchmarks.stages_proof

bench-features: $(READY) ## how fast features are extracted, beside a plain timm loop
	$(BIN)/python -m benchmarks.feature_extraction

bench-head: $(READY)     ## a head on frozen features beside a linear probe, on a study of yours: STUDY=folder
	$(BIN)/python -m benchmarks.frozen_head $(STUDY)

bench-report: $(READY)   ## how large the report of a study of the paper's size is, how fast it opens: STUDY=folder
	$(BIN)/python -m benchmarks.report_size $(STUDY)

bench-check: $(READY)    ## how long a table of a million photos takes to check, and how much memory
	$(BIN)/python -m benchmarks.check_tables

bench-prepare: $(READY)  ## how fast photos are prepared, beside a plain Pillow loop
	$(BIN)/python -m benchmarks.prepare

bench-photos: $(READY)   ## which photos to take again are named, and which copies are found, where both are known
	$(BIN)/python -m benchmarks.photo_findings

bench-small: $(READY)    ## how long a small study takes once its features stand, with five training seeds
	$(BIN)/python -m benchmarks.small_study

bench-evidence: $(READY) ## whether intervals cover, warnings warn, findings name the cause, diagnoses are right; resumes
	$(BIN)/python -m benchmarks.evidence

bench-read-load: $(READY) ## twenty readers at once: how long a page of the reading app takes beside the same page alone
	$(BIN)/python -m benchmarks.reading_app load

bench-read-kill: $(READY) ## the reading app killed 100 times under two readers: answers lost, readings doubled
	$(BIN)/python -m benchmarks.reading_app killed --kills 100

bench-read-fuzz: $(READY) ## ten thousand random requests to the reading app: how often it meets a fault of its own
	$(BIN)/python -m benchmarks.reading_app fuzz --requests 10000

bench-audit: $(READY)    ## what each ranking of the audit finds, drawn, and on a study of yours: STUDY=folder TUNED_ON=file
	$(BIN)/python -m benchmarks.audit $(STUDY) $(if $(TUNED_ON),--tuned-on $(TUNED_ON))

bench-reading: $(READY)  ## what reading again is worth: errors found, and training on kept, removed and corrected labels; resumes
	$(BIN)/python -m benchmarks.reading

bench-pasi: $(READY)     ## PASI as a number beside the readers, and a planted shortcut in points; resumes
	$(BIN)/python -m benchmarks.pasi

soak: $(READY)           ## the tiny study made under faults (killed at writes and instants, disk full, moved) until 300 kills: the same bytes
	$(BIN)/python -m benchmarks.soak

bench-paper: $(READY)    ## the paper's study at its size, within a budget of time: a big GPU
	$(BIN)/python -m benchmarks.paper_preset

bench-truth: $(READY)    ## every score against real retraining; FULL=1: all seeds, hours, resumes; PARTS=grid: see docs/experiments.md
	$(BIN)/python -m benchmarks.truth $(if $(FULL),--full) $(if $(PARTS),--parts $(PARTS)) $(if $(CELLS),--cells $(CELLS)) \
		$(if $(STUDY),--study $(STUDY)) $(if $(TUNED_ON),--tuned-on $(TUNED_ON)) $(if $(PROCESSES),--processes $(PROCESSES)) \
		$(if $(ARMS),--arms $(ARMS))

sbom: $(READY)           ## bill of materials of the environment, CycloneDX: sbom.json
	$(UV) tool run --from cyclonedx-bom cyclonedx-py environment $(BIN)/python --output-reproducible -o sbom.json

audit-packages: $(UV)    ## known faults of the pinned versions; offline it says that it skipped
	$(UV) tool run pip-audit -s osv --disable-pip --no-deps -r requirements.lock || \
		{ code=$$?; curl -sfm 10 -o /dev/null https://api.osv.dev/ || { echo "skipped: the database of known faults cannot be reached"; exit 0; }; exit $$code; }

docs: $(READY) requirements-docs.lock  ## the documentation as a site that opens from disk: build/site/index.html; DOCS_STUDY: a finished study to show
	$(UV) pip install --quiet --python $(BIN)/python -r requirements-docs.lock
	test -e "$(DOCS_STUDY)/report/report.html" || $(BIN)/grasp demo "$(DOCS_STUDY)" --preset tiny
	rm -rf build/site
	GRASP_STUDY="$(abspath $(DOCS_STUDY))" $(BIN)/python -m sphinx -q -W --keep-going -b html -d $(VENV)/doctrees docs build/site
	$(BIN)/python scripts/check_site.py build/site

lock: $(UV)              ## pins the versions; no index address is written
	$(UV) pip compile pyproject.toml --group dev --universal --no-header --no-annotate \
		--python-version 3.11 -o requirements.lock
	$(UV) pip compile --group bench -c requirements.lock --universal --no-header --no-annotate \
		--python-version 3.11 -o requirements-bench.lock
	$(UV) pip compile --group docs -c requirements.lock --universal --no-header --no-annotate \
		--python-version 3.11 -o requirements-docs.lock

$(READY): requirements.lock pyproject.toml $(UV)
	test -x $(BIN)/python || $(UV) venv --python $(PYTHON) $(VENV)
	$(UV) pip install --python $(BIN)/python -r requirements.lock
	$(UV) pip install --python $(BIN)/python --no-deps -e .
	$(BIN)/python -c "import cleanlab, sklearn, timm"  # compiles them once, not in every first process
	touch $@

# plain pip would pick a CPU-only torch that torchvision cannot use; uv resolves the ordinary one
$(UV):
	$(PYTHON) -m venv $(VENV)-uv
	$(VENV)-uv/bin/python -m pip install --quiet uv

clean:
	rm -rf $(VENV) $(VENV)-uv $(VENV)-3.* demo-study demo-pasi-study work-* build
