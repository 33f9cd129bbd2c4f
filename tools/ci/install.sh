#!/bin/sh
# Installs envlock into an environment of its own, so that nothing of it reaches the one that is verified.
# Usage: install.sh SOURCE, a clone of envlock or a requirement; what is on PATH already is used as it is.
set -eu
source=${1:?a clone of envlock, or a requirement such as envlock-ml==1.0}
command -v envlock >/dev/null 2>&1 && exit 0
home=${RUNNER_TEMP:-${TMPDIR:-/tmp}}/envlock-tool
python3 -I -m venv "$home"
"$home/bin/python" -I -m pip install --quiet --disable-pip-version-check "$source"
if [ -n "${GITHUB_PATH:-}" ]; then
    echo "$home/bin" >> "$GITHUB_PATH"
else
    echo "envlock is $home/bin/envlock"
fi
