#!/usr/bin/env bash
# Make a virtual environment with Python 3.11 or 3.12 and install the locked packages and Purse into it.
# PYTHON names another interpreter. With uv when it is there, otherwise with a uv that pip brings.
set -euo pipefail
venv=$1
needed_gb=6

stop() {
    echo "make install: $*" >&2
    exit 1
}

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; }

python=""
for candidate in ${PYTHON:-python3 python3.12 python3.11}; do
    if fits "$candidate"; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || stop "Purse needs Python 3.11 or 3.12, found ${PYTHON:-python3}:" \
    "$("${PYTHON:-python3}" --version 2>&1 | head -n 1); install one, or name it with 'make install PYTHON=/path/to/python3.12'."

free_gb=$(df -Pk . | awk 'NR == 2 {print int($4 / 1024 / 1024)}')
[ -x "$venv/bin/python" ] || [ "$free_gb" -ge "$needed_gb" ] ||
    stop "about $needed_gb GB of free disk are needed for packages and data, found $free_gb GB in $PWD; free some and try again."

if ! fits "$venv/bin/python"; then
    "$python" -m venv --clear "$venv" ||
        stop "'$python -m venv' failed; on Debian and Ubuntu install the package python3-venv and try again."
fi
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    "$venv/bin/python" -m pip install --quiet uv || stop "pip could not install uv; look at the lines above."
    uv=$venv/bin/uv
fi

# Compiled now: without bytecode every step would spend three times as long on its imports.
"$uv" pip install --python "$venv/bin/python" --require-hashes --compile-bytecode --requirements requirements.lock
"$uv" pip install --python "$venv/bin/python" --no-deps --editable .
packages=$(sed -n 's/^packages = \[\(.*\)\]/\1/p' pyproject.toml | tr -d '",')
# shellcheck disable=SC2086  # several words
"$venv/bin/python" -m compileall -q $packages
