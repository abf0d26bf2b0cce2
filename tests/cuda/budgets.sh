#!/usr/bin/env bash
# usage: budgets.sh SOURCE NVDISASM NVCC FLAG..
# Compiles SOURCE for sm_90 and holds the kernels that memory should bind to what lets them run at the speed of a copy: machine
# instructions an element, blocks that a multiprocessor has room for, no register in local memory. Every line of the table below must
# find its kernel. Exit 77, which ctest takes for a skip, where there is no nvdisasm.
set -euo pipefail
export LC_ALL=C
source=$1
nvdisasm=$2
shift 2

# a part of the kernel's name | threads of a block | elements of a thread | most instructions an element | fewest blocks
budgets='fit_quantize_tile<int8_axis, nearest, bfloat16, 128, 1> | 128 | 32 | 12 | 3
fit_quantize_tile<int8_axis, nearest, bfloat16, 256, 1> | 256 | 32 | 12 | 3
fit_quantize_tile<int8_axis, nearest, bfloat16, 384, 1> | 384 | 32 | 12 | 3
fit_quantize_tile<int8_axis, nearest, bfloat16, 512, 1> | 512 | 32 | 12 | 3
fit_quantize_tile<int8_axis, nearest, bfloat16, 512, 2> | 512 | 64 | 12 | 3
fit_quantize_tile<int8_block<128>, nearest, bfloat16, 128, 1> | 128 | 32 | 12 | 3
fit_quantize_tile<int8_block<128>, nearest, bfloat16, 256, 1> | 256 | 32 | 12 | 3
fit_quantize_tile<int8_block<128>, nearest, bfloat16, 384, 1> | 384 | 32 | 12 | 3
fit_quantize_tile<int8_block<128>, nearest, bfloat16, 512, 1> | 512 | 32 | 12 | 3
fit_quantize_tile<int8_block<128>, nearest, bfloat16, 512, 2> | 512 | 64 | 12 | 3
vector_tile<int8_numbers_op<int8_axis, bfloat16>, 4> | 256 | 32 | 7 | 3
vector_tile<int8_numbers_op<int8_block<128>, bfloat16>, 4> | 256 | 32 | 7 | 3
vector_tile<int8_numbers_op<int8_tensor, bfloat16>, 4> | 256 | 32 | 7 | 3
rotate_quantize_tile<int8_axis, bfloat16, 128, 2> | 128 | 32 | 24 | 3
rotate_quantize_tile<int8_axis, bfloat16, 256, 2> | 256 | 32 | 24 | 3
rotate_quantize_tile<int8_axis, bfloat16, 512, 2> | 512 | 32 | 24 | 1
rotate_quantize_tile<int8_axis, bfloat16, 512, 3> | 512 | 48 | 24 | 1
residual_vector_tile<int8_axis, bfloat16> | 256 | 16 | 46 | 3
residual_vector_tile<int8_block<128>, bfloat16> | 256 | 16 | 46 | 3
residual_vector_tile<int8_tensor, bfloat16> | 256 | 16 | 46 | 3
hadamard_tile<float, butterfly_stages, 12, 2, 4, 256> | 128 | 32 | 26 | 3
hadamard_tile<float, butterfly_stages, 12, 2, 4, 2048> | 128 | 32 | 26 | 3
hadamard_tile<float, butterfly_stages, 12, 3, 4, 4096> | 128 | 32 | 26 | 3
hadamard_tile<float, butterfly_stages, 13, 3, 4, 8192> | 256 | 32 | 26 | 3
hadamard_tile<float, butterfly_stages, 14, 3, 4, 16384> | 512 | 32 | 26 | 1'

if [[ ! -x $nvdisasm ]]; then
  echo "SKIPPED FOR WANT OF nvdisasm: install the toolkit's, or nvidia-cuda-nvdisasm from PyPI into the Python of the tests"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! "$@" -arch=sm_90 -cubin -Xptxas -v -o "$work/cubin" "$source" 2>"$work/report"; then
  cat "$work/report"
  exit 1
fi
"$nvdisasm" -c "$work/cubin" >"$work/text"

# Two kinds of lines, `kernel NAME` before what is known of it: registers and shared memory, or its instructions.
{
  sed -n -E "s/.*Compiling entry function '([^']*)'.*/kernel \1/p; s/.*Used ([0-9]+) registers.*/registers \1 &/p" "$work/report"
  sed -n -E 's/^\s*\.section\s+\.text\.([^,"]+).*/kernel \1/p; s#^\s*/\*[0-9a-f]{4,}\*/\s+(@!?U?P[0-9T]+\s+)?([A-Z][A-Z0-9_.]*).*#instruction \2#p' \
      "$work/text"
} | c++filt | awk -v budgets="$budgets" '
  /^kernel / {
    name = $0; sub(/.*run_tile</, "", name); gsub(/halfstep::|detail::/, "", name)
    next
  }
  /^registers / {
    registers[name] = $2
    shared[name] = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART) + 0 : 0
  }
  /^instruction / && $2 != "NOP" {
    instructions[name]++
    if ($2 ~ /^(LDL|STL)/) { print name ": " $2; failed = 1 }
  }
  # How many blocks a multiprocessor of sm_90 holds: registers come in eights a thread, shared memory with 1 KiB of the system.
  function resident(name, threads,   by_registers, by_shared, least) {
    by_registers = int(65536 / (int((registers[name] + 7) / 8) * 8 * threads))
    by_shared = int(233472 / (shared[name] + 1024))
    least = int(2048 / threads)
    if (by_registers < least) least = by_registers
    if (by_shared < least) least = by_shared
    return least
  }
  END {
    count = split(budgets, table, "\n")
    for (i = 1; i <= count; ++i) {
      split(table[i], row, / *\| */)
      found = ""
      for (name in instructions) if (index(name, row[1]) == 1) found = name
      if (found == "") { print "no kernel is called " row[1]; failed = 1; continue }
      an_element = instructions[found] / row[3]
      blocks = resident(found, row[2])
      is_over = an_element > row[4] || blocks < row[5]
      printf "%s%s: %.1f instructions an element (%d), %d blocks (%d), %d registers, %d bytes shared\n", is_over ? "OVER: " : "", row[1],
             an_element, row[4], blocks, row[5], registers[found], shared[found]
      failed = failed || is_over
    }
    exit failed
  }'
