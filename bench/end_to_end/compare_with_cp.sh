#!/usr/bin/env bash
# usage: compare_with_cp.sh [--bin FOLDER] [--scratch FOLDER] [--rounds N] [--double N] [--single N] [MODE..]
# Converts a BF16 file with the layer shapes of FLUX.1-dev, page cache warm, and prints the wall time as a ratio to `cp` of that file
# followed by `sync` of the copy, with and without the syncs, and to writing and syncing a file of the output's size alone.
# Then the peak memory with the default budget and with --low-memory, for this file and one of half its size.
# FOLDER: the built programs, build/release/bin. MODE: block, axis, convrot. Medians of N (5) alternating runs, each a fresh file.
# 4 double and 6 single blocks are 4.5 GB; the scratch folder holds two times that.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
bin=$here/../../build/release/bin
scratch=
rounds=5
double=4
single=6
modes=()
while (($#)); do
  case $1 in
    --bin) bin=$2; shift ;;
    --scratch) scratch=$2; shift ;;
    --rounds) rounds=$2; shift ;;
    --double) double=$2; shift ;;
    --single) single=$2; shift ;;
    block | axis | convrot) modes+=("$1") ;;
    *) echo "compare_with_cp.sh: what is '$1'?" >&2; exit 2 ;;
  esac
  shift
done
((${#modes[@]})) || modes=(block axis convrot)
for program in convert_to_quant make_model measure write_bytes no_sync.so; do
  [[ -e $bin/$program ]] || { echo "compare_with_cp.sh: no $program in $bin: build the examples, the tests and the benches" >&2; exit 1; }
done
own=$(mktemp -d "${scratch:-$PWD}/compare_with_cp.XXXXXX")
trap 'rm -rf "$own"' EXIT
cd "$own"

flags() {
  case $1 in
    block) echo --simple --comfy_quant --scaling_mode block ;;
    axis) echo --simple --comfy_quant --scaling_mode axis ;;
    convrot) echo --simple --comfy_quant --scaling_mode axis --convrot ;;
  esac
}

linear() { echo "$1.weight:BF16:$2x$3"; echo "$1.bias:BF16:$2"; }
flux() {  # DOUBLE SINGLE: the tensors of a FLUX.1-dev with that many blocks, one a line
  local i side
  linear img_in 3072 64
  linear txt_in 3072 4096
  for side in time_in guidance_in; do linear $side.in_layer 3072 256; linear $side.out_layer 3072 3072; done
  linear vector_in.in_layer 3072 768
  linear vector_in.out_layer 3072 3072
  for ((i = 0; i < $1; i++)); do
    for side in img txt; do
      linear double_blocks.$i.${side}_mod.lin 18432 3072
      linear double_blocks.$i.${side}_attn.qkv 9216 3072
      linear double_blocks.$i.${side}_attn.proj 3072 3072
      echo double_blocks.$i.${side}_attn.norm.{query,key}_norm.scale:BF16:128 | tr ' ' '\n'
      linear double_blocks.$i.${side}_mlp.0 12288 3072
      linear double_blocks.$i.${side}_mlp.2 3072 12288
    done
  done
  for ((i = 0; i < $2; i++)); do
    linear single_blocks.$i.linear1 21504 3072
    linear single_blocks.$i.linear2 3072 15360
    linear single_blocks.$i.modulation.lin 9216 3072
    echo single_blocks.$i.norm.{query,key}_norm.scale:BF16:128 | tr ' ' '\n'
  done
  linear final_layer.linear 64 3072
  linear final_layer.adaLN_modulation.1 6144 3072
}

median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
spread() { sort -g "$1" | awk 'NR == 1 { low = $1 } { high = $1 } END { printf "%.2f..%.2f", low, high }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
timed() {  # FILE COMMAND..: appends the seconds to FILE; leaves the peak in $kib
  local file=$1
  shift
  "$bin/measure" one "$@" >log 2>&1 || { echo "failed: $*" >&2; cat log >&2; exit 1; }
  cut -d' ' -f1 one >>"$file"
  kib=$(cut -d' ' -f2 one)
}
quiet_disk() { rm -f copy out; sync; }

flux "$double" "$single" | "$bin/make_model" in.safetensors
flux $((double / 2)) $((single / 2)) | "$bin/make_model" half.safetensors
bytes=$(stat -c %s in.safetensors)

echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)," \
  "$(df --output=fstype . | tail -1), Linux $(uname -r)"
echo "commit: $(git -C "$here" rev-parse --short HEAD), $("$bin/convert_to_quant" --version | head -1), $(date -u +%F)"
echo "input: $bytes bytes, $double double and $single single blocks of FLUX.1-dev, BF16; load $(cut -d' ' -f1-3 /proc/loadavg)"
echo "seconds are medians of $rounds alternating runs (lowest..highest)"

step() {  # NAME: one timed run, on a disk with nothing left to write
  cat in.safetensors >/dev/null
  quiet_disk
  case $1 in
    cp)
      timed cp cp --reflink=never in.safetensors copy
      timed sync sync copy
      paste -d' ' <(tail -n 1 cp) <(tail -n 1 sync) | awk '{ print $1 + $2 }' >>cp_sync
      ;;
    ours) timed ours "$bin/convert_to_quant" --progress none -i in.safetensors -o out "${options[@]}" ;;
    unsynced)
      timed unsynced env LD_PRELOAD="$bin/no_sync.so" "$bin/convert_to_quant" --progress none -i in.safetensors -o out "${options[@]}"
      out_bytes=$(stat -c %s out)
      ;;
    floor) timed floor "$bin/write_bytes" out "$out_bytes" ;;
  esac
}

for mode in "${modes[@]}"; do
  read -ra options < <(flags "$mode")
  rm -f cp sync cp_sync ours unsynced floor
  steps=(unsynced cp ours floor)
  for ((round = 0; round < rounds; round++)); do
    for name in "${steps[@]}"; do step "$name"; done
    steps=("${steps[0]}" "${steps[@]:2}" "${steps[1]}")  # so that none always follows the same one
  done
  quiet_disk
  a=$(median ours) b=$(median cp_sync)
  echo
  echo "$mode (${options[*]}): $out_bytes bytes out"
  printf '  %-44s %6.2f s (%s)\n' "convert_to_quant" "$a" "$(spread ours)" "cp and sync" "$b" "$(spread cp_sync)" \
    "convert_to_quant without its syncs" "$(median unsynced)" "$(spread unsynced)" "cp alone" "$(median cp)" "$(spread cp)" \
    "writing and syncing the output's size" "$(median floor)" "$(spread floor)"
  echo "  ratio to cp and sync: $(ratio "$a" "$b"); both without syncs: $(ratio "$(median unsynced)" "$(median cp)")"
  echo "  ratio to cp alone, ours synced: $(ratio "$a" "$(median cp)")"
  echo "  ratio to writing and syncing the output's size: $(ratio "$a" "$(median floor)")"
  echo "  input read at $(awk -v b="$bytes" -v s="$a" 'BEGIN { printf "%.2f GB/s", b / s / 1e9 }')"
done

echo
echo "peak resident memory, MiB ($(stat -c %s half.safetensors) and $bytes bytes of input)"
for mode in "${modes[@]}"; do
  read -ra options < <(flags "$mode")
  for extra in "" --low-memory; do
    line="  $mode ${extra:-(default budget)}:"
    for file in half in; do
      quiet_disk
      timed ignored "$bin/convert_to_quant" --progress none -i $file.safetensors -o out "${options[@]}" $extra
      line+=" $((kib / 1024))"
    done
    echo "$line"
  done
done
