#!/usr/bin/env sh
# Installs Zhiwen from this folder, without a network:  sh install.sh FOLDER [PYTHON]
# 在没有网络的机器上安装知问：  sh install.sh 目标文件夹 [python 可执行文件]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=${1:?usage: sh install.sh FOLDER [PYTHON]}
wanted=$(cat "$here/python-version")
python=${2:-python$wanted}

command -v "$python" >/dev/null || { echo "install: there is no $python; name one: sh install.sh $to /usr/bin/python$wanted" >&2; exit 1; }
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$found" = "$wanted" ] || { echo "install: the packages here are for Python $wanted; $python is $found" >&2; exit 1; }
[ ! -e "$to/.incomplete" ] || rm -rf "$to"  # what an installation left that was killed
[ ! -e "$to" ] || { echo "install: $to is there already; name another folder. Documents of an earlier installation lie in its data folder: copy that over." >&2; exit 1; }

echo "Checking the files / 正在校验文件"
(cd "$here" && sha256sum --quiet --check SHA256SUMS)

mkdir -p "$(dirname "$to")"
to=$(cd "$(dirname "$to")" && pwd)/$(basename "$to")
mkdir "$to"
# At its own name, because a virtual environment cannot be moved; whatever ends this early takes it along.
trap 'rm -rf "$to"' EXIT
trap 'exit 1' HUP INT TERM
touch "$to/.incomplete"
cd "$to"
tar -xzf "$here/zhiwen.tar.gz" --strip-components=1
echo "Installing / 正在安装"
"$python" -m venv .venv
.venv/bin/python -m pip install --quiet --no-index --find-links "$here/wheels" --constraint constraints.txt torch setuptools wheel
.venv/bin/python -m pip install --quiet --no-index --find-links "$here/wheels" --constraint constraints.txt --no-build-isolation --editable '.[local-models]'
.venv/bin/python -m pip install --quiet --no-index --find-links "$here/wheels" --constraint constraints.txt --force-reinstall --no-deps opencv-python-headless
mkdir -p data
tar -xzf "$here/models.tar.gz" -C data
touch .venv/.installed
rm .incomplete
trap - EXIT
echo "Ready / 安装完成:  cd $to && .venv/bin/python webui.py"
