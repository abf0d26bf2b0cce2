#!/usr/bin/env bash
# usage: run.sh SCRIPT
# Runs a Python test with the Python of the environment variable HALFSTEP_PYTHON, else the one that CMake found; 77: skipped.
python=${HALFSTEP_PYTHON:-${HALFSTEP_PYTHON_FOUND:-python3}}
if [[ $python == *-NOTFOUND ]] || ! command -v "$python" >/dev/null; then
  echo "skipped: no Python '$python'"
  exit 77
fi
export PYTHONDONTWRITEBYTECODE=1
exec "$python" "$1"
