#!/usr/bin/env bash
# usage: fast_math.sh SOURCE NVCC FLAG..
# Compiles SOURCE with -use_fast_math and fails where that reaches a kernel: an instruction that flushes subnormal numbers or is only
# near the result.
set -euo pipefail
export LC_ALL=C
source=$1
shift
ptx=$(mktemp)
trap 'rm -f "$ptx"' EXIT
"$@" -use_fast_math -arch=compute_90 -ptx -o "$ptx" "$source"
c++filt <"$ptx" | awk '
  /\.entry/ {
    kernels++
    name = $0; sub(/.*run_tile</, "", name); gsub(/halfstep::|detail::|\(anonymous namespace\)::/, "", name)
  }
  /\.ftz|\.approx|\.full\./ && /;/ && !/^[ \t]*\/\// {
    if (/rcp\.approx\.ftz\.f32 near,/) next  # of usual_reciprocal, where what follows corrects it, with the flag and without
    if (!(name in seen)) print name
    seen[name] = 1
    print "  " $0
    reached++
  }
  END {
    print kernels + 0 " kernels, " reached + 0 " instructions that -use_fast_math reached"
    exit kernels == 0 || reached > 0
  }'
