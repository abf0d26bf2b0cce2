#!/usr/bin/env bash
# usage: generate.sh DOXYGEN DOXYFILE
# Writes the reference; fails on any warning. What a concept or the docstring of the class says of a member is not said again at
# the member, so members without a docstring of their own are the one thing that is let pass.
set -euo pipefail
output=$("$1" "$2" 2>&1) || { printf '%s\n' "$output"; exit 1; }
faults=$(grep -vE ': Member .* of (class|struct) .* is not documented\.$' <<<"$output" || true)
if [[ -n $faults ]]; then
  printf '%s\n' "$faults"
  exit 1
fi
