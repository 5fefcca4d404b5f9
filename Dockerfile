# Zhiwen in one image: application, libraries and default models. It needs no network and no download to run.
#   docker build -t zhiwen .                                       without a GPU
#   docker build -t zhiwen-gpu --build-arg TORCH_FLAVOUR=cuda .    with one
# docs/image.md says what each part is for, what it weighs and how the image is carried to an offline machine.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG TORCH_FLAVOUR=cpu
# Index of CPU-only torch wheels; where the build's pip knows such a wheel already, it is not needed.
ARG TORCH_INDEX=
RUN if ! python3 -m venv --help >/dev/null 2>&1; then \
      apt-get update && apt-get install -y --no-install-recommends python3 python3-venv; \
    fi
WORKDIR /opt/zhiwen
RUN python3 -m venv .venv
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY pyproject.toml constraints.txt ./
# Libraries change less often than the source: a layer of their own, made from the names in pyproject.toml.
RUN set -eu; \
    if [ "$TORCH_FLAVOUR" = cpu ] && [ -n "$TORCH_INDEX" ]; then \
      .venv/bin/pip install --quiet --index-url "$TORCH_INDEX" torch==2.13.0; \
    else \
      .venv/bin/pip install --quiet torch==2.13.0; \
    fi; \
    .venv/bin/python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*project["dependencies"], *project["optional-dependencies"]["local-models"], sep="\n")' > requirements.txt; \
    .venv/bin/pip install --quiet --constraint constraints.txt --requirement requirements.txt; \
    # Two packages bring OpenCV: the one without windows must be on top, and the other's own libraries serve nobody.
    .venv/bin/pip install --quiet --constraint constraints.txt --force-reinstall --no-deps opencv-python-headless; \
    rm -rf .venv/lib/python3*/site-packages/opencv_contrib_python.libs \
           .venv/lib/python3*/site-packages/torch/include \
           .venv/lib/python3*/site-packages/torch/test; \
    find .venv -name tests -type d -path '*/site-packages/*' \
         \( -path '*/pandas/*' -o -path '*/sklearn/*' -o -path '*/scipy/*' -o -path '*/networkx/*' -o -path '*/sympy/*' \) \
         -prune -exec rm -rf {} +
COPY . .
RUN set -eu; \
    .venv/bin/pip install --quiet --no-deps --editable .; \
    .venv/bin/python -m compileall -q app loaders models vectorstore knowledge_base api.py webui.py; \
    ZHIWEN_MODELS_DIR=/opt/zhiwen/models-made .venv/bin/python -m app models prepare; \
    .venv/bin/pip uninstall --quiet --yes pip; \
    rm -rf requirements.txt data

FROM ${BASE_IMAGE}
# CJK glyphs for the pictures of pages whose fonts are not embedded; they are under the Open Font License.
RUN apt-get update \
    && apt-get install -y --no-install-recommends fonts-noto-cjk \
         $(command -v python3 >/dev/null || echo python3) \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc/*
RUN useradd --uid 10001 --create-home --home-dir /home/zhiwen zhiwen \
    && install -d -o zhiwen -g zhiwen /data
COPY --from=build /opt/zhiwen /opt/zhiwen
WORKDIR /opt/zhiwen
ENV PATH=/opt/zhiwen/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# In the environment, so that a settings file that is mounted only adds to them. The port is published on the
# loopback address alone (compose.yaml); once a key is made, it is needed.
ENV ZHIWEN_DATA_DIR=/data ZHIWEN_MODELS_DIR=/opt/zhiwen/models-made \
    ZHIWEN_SERVER__HOST=0.0.0.0 ZHIWEN_SERVER__OPEN_WITHOUT_KEYS=true
USER 10001
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
CMD ["python", "webui.py"]
