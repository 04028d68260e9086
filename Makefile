# The commands people use. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Secrets for commands that only read the code; nothing is ever encrypted or signed with them.
LOOKING := SECRET_KEY=only-to-look-at-the-code-$(shell printf 'x%.0s' $$(seq 40)) CREDENTIAL_KEYS=dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk= AUDIT_KEYS=looking:dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk= DATA_DIR=build

# Half of a test's time is waiting: three workers a core; a browser keeps a core busy. The long files are collected first.
PARALLEL := -n 6 --dist loadfile --no-loadscope-reorder
# What `make check` runs.
STATIC := tests/test_architecture.py tests/test_documents.py tests/test_translations.py
# Compiling every file in every process costs more than a test.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check messages permissions docs pictures bench soak mutants image sbom lock clean

help:  ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

demo: $(VENV)/run  ## run the dashboard here, with a simulated cloud
	@exec $(BIN)/python manage.py demo

test: $(VENV)/dev  ## run the tests on SQLite, then the database tests on PostgreSQL, even if the first part fails
	@tests/twice.sh browser $(BIN)/python -n 2 --dist loadfile tests/browser; browser=$$?; \
	tests/twice.sh sqlite $(BIN)/python $(PARALLEL) $(addprefix --ignore=,tests/browser $(STATIC)); sqlite=$$?; \
	$(BIN)/python tests/postgres.py tests/twice.sh postgresql $(BIN)/python $(PARALLEL) -m "not any_database" \
	  $(addprefix tests/,access accounts api audit clusters deployment faults notifications web); postgresql=$$?; \
	$(BIN)/python tests/postgres.py --icu $(BIN)/python -m pytest -q tests/accounts/test_g43_one_person_one_subject.py; icu=$$?; \
	if [ $$postgresql = 77 ] && [ "$$CI" != true ]; then postgresql=0; icu=0; \
	  echo "Skipped on PostgreSQL: its server is not installed (Debian: apt-get install postgresql)."; fi; \
	for half in Browser:$$browser SQLite:$$sqlite PostgreSQL:$$postgresql ICU:$$icu; do \
	  [ $${half#*:} = 0 ] && echo "$${half%:*}: passed" || echo "$${half%:*}: FAILED ($${half#*:})"; done; \
	[ $$browser$$sqlite$$postgresql$$icu = 0000 ]

check: $(VENV)/dev  ## check format, lint, types, templates, scripts, migrations, architecture, documents, translations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/shellcheck deploy/*.sh tests/*.sh .ci/run
	$(LOOKING) $(BIN)/python manage.py check
	$(BIN)/python -m pytest -q $(STATIC)

messages: $(VENV)/dev  ## extract the sentences and compile the translations (needs gettext)
	$(LOOKING) $(BIN)/python manage.py makemessages -l zh_Hans --no-obsolete --no-location -i build -i tests -i bench -i $(VENV)
	$(LOOKING) $(BIN)/python manage.py compilemessages -l zh_Hans -v0

permissions: $(VENV)/dev  ## write docs/permissions.md from the declarations on the views
	$(LOOKING) $(BIN)/python manage.py shell -v0 -c "from tests.permissions import write; write()"

docs: permissions  ## write every page of docs/ that comes from the code
	$(LOOKING) $(BIN)/python manage.py shell -v0 -c "from tests.documents import write; write()"

pictures: $(VENV)/dev  ## take pictures of every page, light and dark, wide and narrow, in both languages (PICTURES=part for some)
	$(BIN)/python -m tests.browser.pictures $(PICTURES)

bench: $(VENV)/dev  ## measure the speed beside alternatives, on PostgreSQL (BENCH=part for one part)
	$(BIN)/python tests/postgres.py --fsync $(BIN)/python -m bench $(BENCH)

soak: $(VENV)/dev  ## run every kill point, fault and race in full, then random kills, on SQLite and PostgreSQL
	FAULTS=full RACES=50 $(BIN)/python -m pytest -q -n 4 --maxschedchunk 1 tests/faults
	$(BIN)/python -m tests.faults.soak
	FAULTS=full RACES=200 $(BIN)/python tests/postgres.py $(BIN)/python -m pytest -q -n 4 --maxschedchunk 1 tests/faults
	$(BIN)/python tests/postgres.py $(BIN)/python -m tests.faults.soak

mutants: $(VENV)/dev  ## put faults into the code and count what the tests catch (MUTANTS="audit --count 20")
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-mutants.txt
	$(BIN)/python -m tests.mutants $(MUTANTS)

image:  ## run the image's steps in a clean folder: install, collect, migrate, serve, stop (no container engine needed)
	@sh deploy/rehearse.sh

sbom: $(VENV)/dev  ## write the dependencies as CycloneDX into build/sbom.json
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements.txt --of JSON -o build/sbom.json

lock: $(VENV)/dev  ## lock the newest allowed versions of the dependencies, with hashes
	$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q requirements.in -o requirements.txt
	$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q requirements-tracing.in -o requirements-tracing.txt
	$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -c requirements-dev.txt requirements-mutants.in -o requirements-mutants.txt

clean:  ## remove what was installed and created here, including the demo's data
	rm -rf $(VENV) .demo build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/run: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/dev: requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
