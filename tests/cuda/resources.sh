#!/usr/bin/env bash
# usage: resources.sh SOURCE NVCC FLAG..
# Compiles SOURCE for sm_80, sm_90, sm_100 and sm_120, prints the registers of its kernels, and fails where one spills registers or
# uses local memory.
set -euo pipefail
export LC_ALL=C
source=$1
shift
report=$(mktemp)
trap 'rm -f "$report"' EXIT
targets=()
for capability in 80 90 100 120; do targets+=("-gencode=arch=compute_$capability,code=sm_$capability"); done
if ! "$@" "${targets[@]}" -Xptxas -v -fatbin -o /dev/null "$source" 2>"$report"; then
  cat "$report"
  exit 1
fi
c++filt <"$report" | awk '
  /Compiling entry function/ {
    kernels++
    target = $0; sub(/.* for .sm_/, "sm_", target); sub(/.$/, "", target)
    name = $0; sub(/.*run_tile</, "", name); sub(/>\(.*/, "", name); gsub(/halfstep::|detail::|\(anonymous namespace\)::/, "", name)
  }
  /bytes stack frame/ {
    if ($1 + $5 + $9 > 0) { print name " on " target ": " $0; spilled++ }
  }
  /Used [0-9]+ registers/ {
    registers = $0; sub(/.*Used /, "", registers); registers += 0
    if (!(name in seen)) { seen[name] = 1; order[++names] = name }
    used[name] = used[name] sprintf(" %s:%d", target, registers)
  }
  END {
    for (i = 1; i <= names; i++) print order[i] ", registers" used[order[i]]
    print kernels + 0 " kernels, " spilled + 0 " with spills or local memory"
    exit kernels == 0 || spilled > 0
  }'
