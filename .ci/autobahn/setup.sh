#!/usr/bin/env bash
# Builds the suite's Python 2.7 environment in $AB_HOME/venv27 unless it is there, and prints the path
# of a launcher for its python. Called by server.sh and client.sh.
#
#   AB_HOME=target/autobahn-home .ci/autobahn/setup.sh
#
# Needs python3 with venv, and a Python 2.7: $AB_PYTHON2, pyenv's, one on PATH, or else Debian 11's,
# which python27-debs.sh unpacks into $AB_HOME. AB_ONLY_DEBS=1 goes straight to the last.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$AB_HOME"
AB_HOME=$(cd "$AB_HOME" && pwd)
venv=$AB_HOME/venv27
launcher=$venv/bin/ab-python
export PIP_CACHE_DIR=$AB_HOME/.pip-cache VIRTUALENV_OVERRIDE_APP_DATA=$AB_HOME/.virtualenv
export PIP_DISABLE_PIP_VERSION_CHECK=1

if [ -x "$launcher" ]; then
    echo "$launcher"
    exit 0
fi

works() { "$1" -c 'import sys, zlib, ssl, json; assert sys.version_info[:2] == (2, 7)' >/dev/null 2>&1; }

python2=
libs=
if [ "${AB_ONLY_DEBS:-0}" != 1 ]; then
    # A shim on PATH may refuse to run: "works" weeds that out.
    for candidate in "${AB_PYTHON2:-}" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python2.7 \
        "$(command -v python2.7 || true)"; do
        if [ -x "$candidate" ] && works "$candidate"; then
            python2=$candidate
            break
        fi
    done
fi
if [ -z "$python2" ]; then
    python2=$AB_HOME/py27/usr/bin/python2.7
    # Its libssl1.1, libffi7 and Python.h are not on the system.
    libs=$AB_HOME/py27/usr/lib/$(uname -m)-linux-gnu
    export LD_LIBRARY_PATH=$libs
    export CPATH=$AB_HOME/py27/usr/include:$AB_HOME/py27/usr/include/python2.7
    works "$python2" || "$here/python27-debs.sh" "$AB_HOME" >&2
    works "$python2" || { echo "setup.sh: no Python 2.7 that works" >&2; exit 2; }
fi

{
    rm -rf "$venv"
    if [ ! -x "$AB_HOME/venv3/bin/virtualenv" ]; then
        python3 -m venv "$AB_HOME/venv3"
        # The last virtualenv that makes Python 2.7 environments; it carries the pip they need.
        "$AB_HOME/venv3/bin/pip" install -q 'virtualenv==20.21.1'
    fi
    "$AB_HOME/venv3/bin/virtualenv" -q --no-periodic-update -p "$python2" "$venv"
    # wsaccel is built from source; without a compiler the suite runs in pure Python.
    export PIP_CONSTRAINT=$here/build-constraints.txt
    if ! "$venv/bin/python" -m pip install -q -r "$here/requirements27.txt"; then
        echo "setup.sh: once more, without the wsaccel extension" >&2
        grep -v -e '^wsaccel' -e '^#' "$here/requirements27.txt" >"$AB_HOME/no-wsaccel.txt"
        "$venv/bin/python" -m pip install -q --no-deps -r "$AB_HOME/no-wsaccel.txt"
    fi
    "$venv/bin/wstest" -a
    # Written last: its presence says that the environment is whole.
    printf '#!/bin/sh\n%sexec "%s" "$@"\n' "${libs:+LD_LIBRARY_PATH='$libs' }" "$venv/bin/python" >"$launcher.new"
    chmod +x "$launcher.new"
    mv "$launcher.new" "$launcher"
} >&2
echo "$launcher"
