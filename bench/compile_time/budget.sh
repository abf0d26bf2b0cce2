#!/usr/bin/env bash
# usage: budget.sh HEADER SECONDS COMPILER FLAG..
# The processor time of compiling an include of HEADER, the best of up to five runs, must not exceed SECONDS.
set -euo pipefail
export LC_ALL=C
header=$1
budget=$2
shift 2
best=
for _ in 1 2 3 4 5; do
  TIMEFORMAT='%U %S'
  spent=$({ time "$@" -x c++ - <<<"#include <$header>"; } 2>&1 | awk '{ s = $1 + $2 } END { print s }')
  best=$(awk -v a="${best:-$spent}" -v b="$spent" 'BEGIN { print a < b ? a : b }')
  if awk -v a="$best" -v b="$budget" 'BEGIN { exit !(a <= b) }'; then
    echo "$header: $best s, budget $budget s"
    exit 0
  fi
done
echo "$header: $best s, over its budget of $budget s"
exit 1
