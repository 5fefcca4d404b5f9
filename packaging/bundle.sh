#!/usr/bin/env bash
# Makes one folder that installs Zhiwen on a machine that never had a network.
#   packaging/bundle.sh FOLDER     wheels, source, models, checksums and the script install.sh
# Wheels are for the platform and the Python that this runs on; the other machine needs the same.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: packaging/bundle.sh FOLDER}
python=.venv/bin/python
torch=${TORCH:-torch==2.13.0}

[[ ! -e $out ]] || { echo "bundle: $out is there already; name another folder or remove it" >&2; exit 1; }
mkdir -p "$out/wheels"
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

git archive --format=tar.gz --prefix=zhiwen/ --output="$out/zhiwen.tar.gz" HEAD
$python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb")); print(*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["local-models"], *project["build-system"]["requires"], "wheel", sep="\n")' >"$made/requirements.txt"
$python -m pip --disable-pip-version-check wheel --quiet --wheel-dir "$out/wheels" \
  --constraint constraints.txt "$torch" --requirement "$made/requirements.txt"
$python -m app --data-dir "$made/data" models prepare >/dev/null
tar -czf "$out/models.tar.gz" -C "$made/data" models
cp packaging/install.sh "$out/install.sh"
$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' >"$out/python-version"
(cd "$out" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
echo "$out: $(du -sh "$out" | cut -f1). Copy the folder over and run: sh install.sh /where/zhiwen/shall/stand"
