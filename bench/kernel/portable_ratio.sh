#!/usr/bin/env bash
# usage: portable_ratio.sh FOLDER
# How many times slower each kernel is in a consumer's plain -O3 build (quantize_portable_bench) than with this machine's
# instruction set (quantize_bench), both in FOLDER: the processor time of one thread, so that other work disturbs little.
set -euo pipefail

times() {  # name and processor time of every kernel
  "$1" 2>/dev/null | awk '/manual_time/ { sub(/\/.*/, "", $1); print $1, $4 }'
}

native=$(times "$1/quantize_bench" | sort)
portable=$(times "$1/quantize_portable_bench" | sort)
join <(echo "$native") <(echo "$portable") | awk '$1 != "memory_copy" { printf "%-28s %5.2f times\n", $1, $3 / $2 }'
