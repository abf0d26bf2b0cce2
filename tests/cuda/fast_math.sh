#!/usr/bin/env bash
# usage: fast_math.sh SOURCE NVCC FLAG..
# Compiles SOURCE with -use_fast_math and fails where that reaches a kernel: an instruction that flushes subnormal numbers or is only
# near the result. Activations alone may have some: their last bits are nobody's promise.
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
    allowed = name ~ /^element_tile<form_op<gelu_/
  }
  /\.ftz|\.approx|\.full\./ && /;/ && !/^[ \t]*\/\// {
    if (allowed) { permitted++; next }
    if (/rcp\.approx\.ftz\.f32 near,/) next  # of usual_reciprocal, where what follows corrects it, with the flag and without
    if (!(name in seen)) print name
    seen[name] = 1
    print "  " $0
    reached++
  }
  END {
    print kernels + 0 " kernels, " reached + 0 " instructions that -use_fast_math reached, " permitted + 0 " in activations"
    exit kernels == 0 || reached > 0
  }'
