# Shorthands; what each does stands in one line. The virtual environment is .venv.
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install test ctest bench soak soak-sockets resting lint fmt sanitize tsan msan aarch64 model coverage fuzz clean

$(BIN)/python:
	python3 -m venv $(VENV)

install: $(BIN)/python  ## the package, editable, with the tools for testing and linting
	$(BIN)/pip install -e '.[test,dev,bench]'

test:  ## all tests, the C tests among them
	$(BIN)/pytest

ctest:  ## the C tests alone
	cmake --preset release
	cmake --build --preset release
	ctest --preset release

soak:  ## a thousand hours of trading in virtual time, with faults: HOURS=1000 SEED=1
	$(BIN)/python -m tests.sim.soak --hours $(or $(HOURS),1000) --seed $(or $(SEED),1)

bench:  ## all benches, in C and through cffi
	$(BIN)/pytest bench --benchmark-only

soak-sockets:  ## ten minutes over sockets through every fault of the venue, SEED=1
	$(BIN)/python -m tests.e2e.soak --minutes 10 --seed $(or $(SEED),1)

resting:  ## five minutes of a recording at real speed: how much of the time quotes rest
	$(BIN)/python -m tests.e2e.resting --minutes 5

lint:
	$(BIN)/ruff check .
	$(BIN)/mypy --strict mmcore
	cppcheck --std=c99 --enable=warning,portability --error-exitcode=1 --quiet -U MM_MODEL -I csrc/include csrc/src

fmt:
	$(BIN)/ruff check --fix --select I .
	clang-format -i csrc/src/*.c csrc/src/*.h $$(find tests/c bench/c examples/c -name '*.[ch]' 2>/dev/null)

sanitize:  ## the C tests under AddressSanitizer and UndefinedBehaviorSanitizer
	cmake --preset asan
	cmake --build --preset asan
	ctest --preset asan

tsan:  ## the race tests under ThreadSanitizer
	cmake --preset tsan
	cmake --build --preset tsan
	ctest --preset tsan

coverage:  ## the branches of csrc/ that the C tests do not take, as file:line
	cmake --preset coverage
	cmake --build --preset coverage
	find build/coverage -name '*.gcda' -delete
	ctest --preset coverage
	$(BIN)/python tools/branch_coverage.py build/coverage

msan:  ## the C tests under clang's MemorySanitizer; .ci/run has valgrind for that
	cmake --preset msan
	cmake --build --preset msan
	ctest --preset msan

aarch64:  ## the C tests under qemu-user, but those of races (it keeps the host's memory order) and of single steps (it has none)
	cmake --preset aarch64
	cmake --build --preset aarch64
	ctest --preset aarch64

model:  ## ring, event count and roles through every run of larger cases, minutes; .ci/run takes the smaller
	python3 tests/model/memory/check.py --deep

fuzz:  ## one fuzz target, or all of them: T=book SECONDS=300
	$(BIN)/python tests/fuzz/run.py $(T) --seconds $(or $(SECONDS),300)

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
