#!/usr/bin/env bash
# usage: optimized_copies_test.sh MAP: the linker's map of the converter.
# An inline function that stands in several units is kept once, from the unit that the linker meets first. No function of the kernels or
# of the conversions may be kept from the command line, which is not optimized, nor may a loop over weights stand there alone: rotations
# once took 14 times as long that way.
set -euo pipefail
export LC_ALL=C
awk '
  /^Linker script and memory map/ { kept = 1 }
  /^ \.text\._Z[^ ]*$/ { name = $1; next }
  /^ \.text\._Z/ { name = $1; object = $NF; address = $2 }
  /^ +0x/ && name { object = $NF; address = $1 }
  name && object {
    if (!kept && object ~ /converter_kernels|converter_source/) { ++dropped; from[name] = object }
    if (kept && object ~ /command_line/ && name in from) { print name " is kept from " object ", not from " from[name]; ++wrong }
    if (kept && object ~ /command_line/ && name ~ /rotate_|gemm|encode_rows|decode_rows|residual_of|apply_rows|group_range|histogram_of|two_sided_hadamard.*apply|digest/) {
      print name " stands in " object " alone"; ++wrong
    }
    name = object = ""
  }
  END {
    if (!dropped) { print "no copy was dropped: is this a map of ld?"; exit 1 }
    print dropped " copies of the kernels and conversions dropped for others, " wrong + 0 " of them for ones that are not optimized"
    exit wrong > 0
  }' "$1" | tail -25
