#!/usr/bin/env bash
# usage: budget.sh HEADER RATIO YARDSTICK COMPILER FLAG..
# The processor time of compiling an include of HEADER (or of a source file, by its path), over that of YARDSTICK in the same run, must not exceed RATIO.
# Both take turns, and the best of up to five runs of each counts: machines and their neighbours differ more than headers do.
set -euo pipefail
export LC_ALL=C
header=$1
budget=$2
yardstick=$3
shift 3

least() {  # BEST_SO_FAR COMMAND.. : the smaller of it and the processor time of the command on an include of $included
  local best=$1 spent
  TIMEFORMAT='%U %S'
  spent=$({ time "${@:2}" -x c++ - <<<"#include <$included>"; } 2>&1 | awk '{ s = $1 + $2 } END { print s }')
  awk -v a="${best:-$spent}" -v b="$spent" 'BEGIN { print a < b ? a : b }'
}

ours=
theirs=
for _ in 1 2 3 4 5; do
  theirs=$(included=$yardstick least "$theirs" "$@")
  ours=$(included=$header least "$ours" "$@")
  said="$header: $ours s, $(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.2f", a / b }') times $yardstick ($theirs s)"
  if awk -v a="$ours" -v b="$theirs" -v r="$budget" 'BEGIN { exit !(a <= r * b) }'; then
    echo "$said, at most $budget"
    exit 0
  fi
done
echo "$said: over its budget of $budget"
exit 1
