#!/usr/bin/env bash
# usage: old_device.sh NVCC FLAG..
# Compiling cuda.cuh for a device that is too old must fail with one sentence that says so.
set -euo pipefail
export LC_ALL=C
source=$(mktemp --suffix=.cu)
trap 'rm -f "$source"' EXIT
echo '#include <halfstep/cuda.cuh>' >"$source"
if output=$("$@" -arch=compute_75 -ptx -o /dev/null "$source" 2>&1); then
  echo "compiles for compute capability 7.5"
  exit 1
fi
if ! grep -qF 'halfstep: device kernels need compute capability 8.0 or later' <<<"$output" || [[ $(grep -c 'error' <<<"$output") -gt 2 ]]; then
  printf 'expected one sentence, the compiler says:\n%s\n' "$output"
  exit 1
fi
