# One command each; thin over CMake presets and tools/. See CONTRIBUTING.md.
.PHONY: all demo test lint fmt asan tsan bench docs clean setup-build setup-test core
.DEFAULT_GOAL := all
PYTHON := .venv/bin/python

setup-build:
	@tools/setup.sh build
setup-test:
	@tools/setup.sh test

# The tests are part of the release build once their libraries are there.
core:
	@cmake --preset release -DPython_EXECUTABLE=$(CURDIR)/$(PYTHON) -DVARVE_TESTS=$(TESTS) >build-configure.log 2>&1 || (cat build-configure.log; exit 1); rm -f build-configure.log
	@cmake --build --preset release -- --quiet
	@echo "$(CURDIR)/python" > $$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/varve.pth
	@ln -sf ../../build/release/bin/varve .venv/bin/varve

all: setup-build
	@$(MAKE) --no-print-directory core TESTS=$$(dpkg-query -W libgtest-dev >/dev/null 2>&1 && echo ON || echo OFF)

demo: all
	@$(PYTHON) tools/demo.py

test: setup-test
	@$(MAKE) --no-print-directory core TESTS=ON
	@$(MAKE) --no-print-directory lint
	@ctest --test-dir build/release --output-on-failure
	@$(PYTHON) -m pytest tests -q

lint: setup-test
	@$(PYTHON) tools/check_layers.py
	@$(PYTHON) tools/tidy.py
	@$(PYTHON) tools/gen_errors.py --check
	@git ls-files "*.cc" "*.h" | xargs .venv/bin/clang-format --dry-run -Werror
	@$(PYTHON) -m ruff check -q python tools tests bench
	@$(PYTHON) -m mypy --no-error-summary python/varve

fmt: setup-test
	@git ls-files "*.cc" "*.h" | xargs .venv/bin/clang-format -i
	@$(PYTHON) -m ruff check -q --fix python tools tests bench

asan tsan: setup-test
	@cmake --preset $@ >/dev/null
	@cmake --build --preset $@ -- --quiet
	@ctest --test-dir build/$@ --output-on-failure

bench: setup-test
	@$(MAKE) --no-print-directory core TESTS=ON
	@$(PYTHON) bench/checkpoint.py

docs: setup-test
	@$(PYTHON) tools/gen_errors.py

clean:
	@rm -rf build .venv python/varve/_core*.so
