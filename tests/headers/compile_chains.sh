#!/usr/bin/env bash
# usage: compile_chains.sh INCLUDE KIND PART PARTS COMPILER FLAG..
# Compiles every header of a kind below the folder INCLUDE alone, twice, in the units of chains.awk: those of the given part, from 1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
include=$1 kind=$2 part=$3 parts=$4
shift 4
language=c++
[[ $kind == device ]] && language=cu

mapfile -t headers < <(cd "$include" && find halfstep -type f -name '*.[hc]*' | LC_ALL=C sort)
mapfile -t chains < <(cd "$include" && awk -v kind="$kind" -f "$here/chains.awk" "${headers[@]}" | awk "NR % $parts == $part % $parts")
((${#chains[@]})) || { echo "no headers of kind $kind here"; exit 1; }

failed=0
for chain in "${chains[@]}"; do
  echo "$chain"
  for header in $chain; do printf '#include <%s>\n#include <%s>\n' "$header" "$header"; done | "$@" -x "$language" - || failed=1
done
exit $failed
