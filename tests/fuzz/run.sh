#!/usr/bin/env bash
# run.sh INCLUDE_FOLDER BUILD_FOLDER [SECONDS]: builds the fuzz targets with clang, ASan and UBSan, and runs them.
#
# The time is 12 s, as short as a change waits for, unless HALFSTEP_FUZZ_SECONDS says otherwise; five sixths go to the header.
# New inputs stay in BUILD_FOLDER, where a longer run takes them up; one that fails is printed with the way to run it.
# Exit code 77 where clang or its fuzzer library is missing.
set -euo pipefail

include=$1 build=$2 seconds=${3:-${HALFSTEP_FUZZ_SECONDS:-12}}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clang=$(command -v clang++ || command -v clang++-14 || command -v clang++-15 || command -v clang++-16 || true)
flags=(-std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
mkdir -p "$build"

if [[ -z $clang ]] || ! echo 'extern "C" int LLVMFuzzerTestOneInput(unsigned char const*, unsigned long) { return 0; }' |
    "$clang" "${flags[@]}" -x c++ - -o "$build/probe" 2>"$build/probe.log"; then
  echo "SKIPPED: fuzzing needs clang++ and its fuzzer library (Debian: clang, libclang-rt-14-dev)"
  exit 77
fi

fuzz() {  # NAME SECONDS
  "$clang" "${flags[@]}" -I "$include" "$here/$1_fuzz.cpp" -o "$build/$1_fuzz" -lboost_json
  mkdir -p "$build/$1_found"
  echo "fuzzing $1 for $2 s"
  if ! (cd "$build" && exec "./$1_fuzz" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
      -dict="$here/safetensors.dict" "$1_found" "$here/corpus/$1") >"$build/$1.log" 2>&1; then
    tail -n 100 "$build/$1.log"
    echo "FAILED: run $build/$1_fuzz with the input named above"
    return 1
  fi
  grep -E '^(Done|stat::)' "$build/$1.log"
}

fuzz parse_header $((seconds * 5 / 6))
fuzz shard_index $((seconds / 6))
