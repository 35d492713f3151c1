# One command each; thin over CMake presets and tools/. See CONTRIBUTING.md.
.PHONY: all demo test lint fmt asan tsan fuzz sim exam soak bench docs clean setup-build setup-test core
.NOTPARALLEL:
.DEFAULT_GOAL := all
PYTHON := .venv/bin/python
SOURCES = $$(find include src python fuzz sim tests bench -name '*.h' -o -name '*.cc' 2>/dev/null)
# Warnings are errors with the compiler that is tested; elsewhere a new warning stops nobody.
WERROR = $$(c++ -dumpversion | grep -qx 12 && echo ON || echo OFF)
# The tests are configured once all their libraries are there, so that `make` and `make test` share a build.
TESTS = $$(dpkg-query -W -f '$${Status}\n' libgtest-dev libgmock-dev libboost-context-dev 2>/dev/null | grep -c '^install ok installed' | grep -qx 3 && echo ON || echo OFF)

all: setup-build
	@$(MAKE) --no-print-directory core GOALS="varve_command varve_core"

setup-build:
	@tools/setup.sh build
setup-test:
	@tools/setup.sh test

demo: all
	@$(PYTHON) tools/demo.py

test: setup-test
	@$(MAKE) --no-print-directory core
	@ctest --test-dir build/release --output-on-failure -j2
	@$(PYTHON) -m pytest tests -q
	@$(MAKE) --no-print-directory lint

# GOALS: targets of the build; empty means all.
core:
	@mkdir -p build
	@cmake --preset release -DPython_EXECUTABLE=$(CURDIR)/$(PYTHON) -DVARVE_TESTS=$(TESTS) -DVARVE_WERROR=$(WERROR) \
	  >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	@[ -x build/release/bin/varve ] || echo "building into build/release: some minutes, the first time"
	@ninja -C build/release --quiet $(GOALS)
	@echo "$(CURDIR)/python" > $$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/varve.pth
	@ln -sfn ../../build/release/bin/varve .venv/bin/varve

lint: setup-test
	@$(PYTHON) tools/check_layers.py
	@$(PYTHON) tools/tidy.py
	@$(PYTHON) tools/gen_errors.py --check
	@.venv/bin/clang-format --dry-run -Werror $(SOURCES)
	@$(PYTHON) -m ruff check -q .
	@$(PYTHON) -m mypy --no-error-summary python/varve

fmt: setup-test
	@.venv/bin/clang-format -i $(SOURCES)
	@$(PYTHON) -m ruff check -q --fix .

# `setarch -R`, where it may: the sanitizers need an address space that is not too random. Fewer random histories and
# crashes: `make test` runs the million, and a crash at every request.
asan tsan: setup-test
	@mkdir -p build
	@cmake --preset $@ -DVARVE_WERROR=$(WERROR) >build/configure-$@.log 2>&1 || { cat build/configure-$@.log; exit 1; }
	@ninja -C build/$@ --quiet
	@fixed=$$(setarch -R true 2>/dev/null && echo setarch -R || true); \
	  VARVE_RETENTION_HISTORIES=50000 VARVE_CRASH_STEP=5 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1 $$fixed ctest --test-dir build/$@ -L unit --output-on-failure

# One fuzz target for a while: make fuzz T=commit SECONDS=60
T ?= commit
SECONDS ?= 60
fuzz: setup-test
	@cmake --preset fuzz >/dev/null && ninja -C build/fuzz --quiet $(T)_fuzz
	@mkdir -p build/fuzz/found/$(T)
	@build/fuzz/bin/$(T)_fuzz -max_total_time=$(SECONDS) build/fuzz/found/$(T) fuzz/corpus/$(T)

# Seeds of the simulator; a single one with its trace: make sim SEED=7, make sim SEED=1 COUNT=1000
SEED ?= 1
COUNT ?= 1
JOBS ?= $$(nproc)
sim: setup-test
	@$(MAKE) --no-print-directory core GOALS=varve_sim
	@build/release/bin/varve_sim --seed $(SEED) $(if $(filter 1,$(COUNT)),--trace,--count $(COUNT) --jobs $(JOBS))

# The simulator's exam: every planted bug must be found.
exam: setup-test
	@$(MAKE) --no-print-directory core GOALS=varve_exam
	@build/release/bin/varve_exam --jobs $(JOBS)

# The simulator for long, many kills, then the unit tests again and again: make soak SEEDS=2000000 KILLS=200 ROUNDS=20
ROUNDS ?= 20
KILLS ?= 200
SEEDS ?= 2000000
soak: setup-test
	@$(MAKE) --no-print-directory core
	@build/release/bin/varve_sim --seed 1 --count $(SEEDS) --jobs $(JOBS)
	@for server in minio versitygw; do tools/s3_server.sh $$server install || [ $$? = 3 ] || exit 1; done
	@$(PYTHON) -m pytest tests/servers -q
	@VARVE_SIGV4_CASES=50000 $(PYTHON) -m pytest tests/s3/test_sigv4.py -q
	@VARVE_TERM_ROUNDS=30 $(PYTHON) -m pytest tests/python/test_sigterm.py -q
	@VARVE_CRASH_ROUNDS=$(KILLS) VARVE_CRASH_CALLS=1000 $(PYTHON) -m pytest tests/crash -q -s
	@ctest --test-dir build/release -L unit --output-on-failure --repeat until-fail:$(ROUNDS)
	@build/release/bin/model_explore

bench: setup-test
	@$(MAKE) --no-print-directory core
	@tools/peers.sh
	@$(PYTHON) bench/checkpoint.py
	@$(PYTHON) bench/s3/run.py

docs: setup-test
	@$(PYTHON) tools/gen_errors.py

clean:
	@rm -rf build .venv python/varve/_core*.so
