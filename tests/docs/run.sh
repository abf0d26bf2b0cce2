#!/usr/bin/env bash
# usage: run.sh PROGRAM PAGE
# Runs the blocks of a page in an empty folder; what they print must be what the page says.
set -euo pipefail
program=$1
expected=$(awk -v want=output -f "$(dirname "$0")/extract.awk" "$2")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
diff <(printf '%s\n' "$expected") <("$program" || echo "ended with status $?") || {
  echo "left is $2, right what its blocks print; a number behind ## is the line where a block begins"
  exit 1
}
