#!/usr/bin/env bash
# usage: mutants.sh PROGRAM INCLUDE SOURCE NVCC FLAG..
# Spoils one thing at a time in a copy of the library's device code, compiles the kernels of SOURCE that have it, and runs the GPU
# tests of PROGRAM with them: a test must fail or the machine complain. A mutant that survives fails the script, and so do kernels
# that are refused before anything is spoiled.
set -euo pipefail
export LC_ALL=C
program=$1
include=$2
source=$3
shift 3
compiler=("$@")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/include"
cp -R "$include/halfstep" "$work/include/"
export HALFSTEP_GPU_TEST_WORK=200000 HALFSTEP_PTX_CAPABILITY=90
wrong=0

# verdict KERNELS TESTS: compiles the set KERNELS from the copy and prints `passes`, `fails`, or what else happened.
verdict() {
  if ! "${compiler[@]}" "-DHALFSTEP_KERNELS=$1" -arch=compute_90a -ptx -o "$work/kernels.ptx" "$source" "-I$work/include" \
      >"$work/report" 2>&1; then
    echo "does not compile: $(grep -m1 error "$work/report")"
    return
  fi
  local status=0
  HALFSTEP_PTX_INSTEAD="$work/kernels.ptx" timeout 900 "$program" --gtest_filter="$2" >"$work/report" 2>&1 || status=$?
  if grep -q 'that the machine does not know' "$work/report"; then
    echo "is unknown to the machine"
  elif ((status == 0)); then
    if grep -q '^\[  PASSED  \] [1-9]' "$work/report"; then echo passes; else echo "ran no test"; fi
  elif grep -q '^\[  FAILED  \]' "$work/report"; then
    echo fails
  else
    echo "stops with status $status"
  fi
}

# sound KERNELS TESTS: once for each pair, what is not spoiled must pass.
declare -A is_sound
sound() {
  if [[ -z ${is_sound[$1 $2]:-} ]]; then
    is_sound[$1 $2]=$(verdict "$1" "$2")
    if [[ ${is_sound[$1 $2]} != passes ]]; then
      echo "WRONG: $1, not spoiled: $2 ${is_sound[$1 $2]}"
      sed -n '/Failure/,$p' "$work/report" | head -n 20
      wrong=1
    fi
  fi
}

# mutant WHAT FILE OLD NEW KERNELS TESTS: replaces the only OLD of FILE.
mutant() {
  local what=$1 file=$work/include/halfstep/$2 old=$3 new=$4 text rest result how
  sound "$5" "$6"
  text=$(<"$file")
  rest=${text#*"$old"}
  if [[ $rest == "$text" || $rest == *"$old"* ]]; then
    echo "WRONG: $what: $2 does not have exactly one: $old"
    wrong=1
    return
  fi
  cp "$file" "$work/before"
  printf '%s\n' "${text/"$old"/"$new"}" >"$file"
  result=$(verdict "$5" "$6")
  cp "$work/before" "$file"
  if [[ $result == fails ]]; then
    how=$(sed -n '/the PTX machine complains/{n;s/,.*//;p;q}' "$work/report")
    echo "killed: $what: ${how:-other results}"
  else
    echo "WRONG: $what: $result"
    wrong=1
  fi
}

at_every_length='RowKernels.GiveTheBitsOfTheHostAtEveryLength'
short_rows='RowKernels.GiveTheBitsOfTheHostWhereAFewLanesHoldARow'
row_scales='LinearInt8Gpu.GivesTheBitsOfTheHostForRowScales'
misaligned='RowKernels.GiveTheBitsOfTheHostWhereOnlyWeightsOrOnlyCodesAreAligned'

mutant 'no barrier between phases' device/launch.cuh '__syncthreads();' ';' fits "$at_every_length"
mutant 'a warp instruction that names half of the warp' device/warp_max.cuh \
  '__reduce_max_sync(0xffffffffu, value);
  if' '__reduce_max_sync(0x0000ffffu, value);
  if' fits "$at_every_length"
mutant 'compare and store in place of an atomic maximum' device/warp_max.cuh \
  'largest > 0) atomicMax(slots + slot, largest);' 'largest > slots[slot]) slots[slot] = largest;' ranges "$misaligned"
mutant 'loads past the end' device/vector_tile.cuh 'near = n < vectors ? n : vectors - 1;' 'near = n;' numbers "$at_every_length"
mutant 'more threads than the launch bounds' device/launch.cuh '__launch_bounds__(Tile::max_threads,' \
  '__launch_bounds__(Tile::max_threads / 2,' fits "$at_every_length"
mutant 'the lane that stores is the first of the warp, not of the row' kernel/fit_short_rows.cuh 'if (mine == 0) {' \
  'if (at.thread % 32 == 0) {' fits "$short_rows"
mutant 'no look at the alignment' kernel/linear_int8.cuh 'if (is_aligned) {' 'if (true) {' products "$row_scales"

mutant 'fit_short_rows: one vector too many' kernel/fit_short_rows.cuh 'if (i * max_threads < state.left)' \
  'if (i * max_threads <= state.left)' fits "$short_rows"
mutant 'fit_quantize: one vector of codes too many' kernel/fit_quantize.cuh 'if (n * Threads >= state.left) continue;' \
  'if (n * Threads > state.left) continue;' fits "$at_every_length"
mutant 'quantize: the scale of the row of blocks' kernel/quantize.cuh \
  'return Layout::unpack(groups[group(row, column)]);' 'return Layout::unpack(groups[group(row, 0)]);' codes 'Scales/*'
mutant 'dequantize: the scale of the row of blocks' kernel/dequantize.cuh \
  'groups[group(row, column)]' 'groups[group(row, 0)]' numbers 'Scales/*'
mutant 'rotate_quantize: no barrier of the warp' device/launch.cuh '__syncwarp();' ';' rotations 'RowKernels.RotateAndRoundAtOnce'
mutant 'hadamard_tile: stores past the end' kernel/hadamard_tile.cuh 'if (is_inside(place, left)) y.store' 'y.store' transforms \
  'PlainKernels.TransformGroupsOfAnySizeInPlace'
mutant 'hadamard_tile: padding that does not grow' kernel/hadamard_tile.cuh '+ 4 * above;' '+ 4 * (above & 7);' transforms \
  'PlainKernels.TransformGroupsOfAnySizeInPlace'
mutant 'residual_statistics: one vector twice' kernel/residual_statistics.cuh 'if (n >= vectors) break;' \
  'if (n > vectors) break;' residuals 'ResidualKernels.*'
mutant 'residual_statistics: loads past the end' kernel/residual_statistics.cuh 'near = n < vectors ? n : v;' \
  'near = n;' residuals 'ResidualKernels.*'
mutant 'linear_int8: one column too many' kernel/linear_int8.cuh 'n < in.weight.rows()) write' 'n <= in.weight.rows()) write' \
  products "$row_scales"
mutant 'int8_mma: no barrier between slices' kernel/int8_mma.cuh '__syncthreads();' ';' products "$row_scales"
mutant 'int8_mma: a slice that is still being copied' kernel/int8_mma.cuh 'wait_for_copies<stages - 2>();' \
  'wait_for_copies<stages - 1>();' products "$row_scales"
mutant 'int8_mma: copies past the end of a row' kernel/int8_mma.cuh 'column * 16 < p.columns;' 'column * 16 <= p.columns;' products \
  "$row_scales"
exit "$wrong"
