#!/usr/bin/env bash
# usage: busy_machine.sh [--bin FOLDER] [--before FOLDER] [--scratch FOLDER] [--rounds N] [--spinning N] [MODE..]
# What a second thread is worth on a busy machine: conversions with 1 and with 2 threads, in turn, beside N (2) processes that spin;
# --spinning 0 is the idle machine. Prints wall and processor time, medians of N (5) rounds, and the ratios of 2 threads to 1.
# Limits on the busy machine: 1.10 of the wall time, 1.15 of the processor time.
# FOLDER: built programs, build/release/bin; --before: those of another build, to compare with. MODE: simple, auto (searched
# scales), gptq, coordinate, adamw.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
bin=$here/../../build/release/bin
before=
scratch=
rounds=5
spinning=2
modes=()
while (($#)); do
  case $1 in
    --bin) bin=$2; shift ;;
    --before) before=$2; shift ;;
    --scratch) scratch=$2; shift ;;
    --rounds) rounds=$2; shift ;;
    --spinning) spinning=$2; shift ;;
    simple | auto | gptq | coordinate | adamw) modes+=("$1") ;;
    *) echo "busy_machine.sh: what is '$1'?" >&2; exit 2 ;;
  esac
  shift
done
((${#modes[@]})) || modes=(simple auto gptq coordinate adamw)
for program in convert_to_quant make_model measure; do
  [[ -e $bin/$program ]] || { echo "busy_machine.sh: no $program in $bin: build the examples and the tests" >&2; exit 1; }
done
bin=$(cd "$bin" && pwd)
[[ -z $before ]] || before=$(cd "$before" && pwd)
own=$(mktemp -d "${scratch:-$PWD}/busy_machine.XXXXXX")
spinners=()
leave() {
  ((${#spinners[@]} == 0)) || kill "${spinners[@]}" 2>/dev/null || true
  rm -rf "$own"
}
trap leave EXIT
cd "$own"

flags() {
  case $1 in
    simple) echo -i wide.safetensors --simple ;;
    auto) echo -i wide.safetensors ;;
    gptq) echo -i narrow.safetensors --optimizer gptq --calibration-data rows.safetensors ;;
    coordinate) echo -i narrow.safetensors --optimizer coordinate ;;
    adamw) echo -i narrow.safetensors --optimizer adamw --num_iter 20 ;;
  esac
}
weights() { for ((i = 0; i < $1; i++)); do echo "blocks.$i.proj.weight:BF16:$2"; done; }
weights 24 3072x3072 | "$bin/make_model" wide.safetensors
weights 2 1536x1536 | "$bin/make_model" narrow.safetensors
for i in 0 1; do echo blocks.$i.proj.input:BF16:4096x1536; done | "$bin/make_model" rows.safetensors

median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
spread() { sort -g "$1" | awk 'NR == 1 { low = $1 } { high = $1 } END { printf "%.2f..%.2f", low, high }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
run() {  # NAME FOLDER THREADS MODE: adds what it took to NAME.wall and NAME.cpu
  local options
  read -ra options < <(flags "$4")
  "$bin/measure" one "$2/convert_to_quant" --progress none --comfy_quant --preset none --force -o out --threads "$3" "${options[@]}" \
    >log 2>&1 </dev/null || { echo "failed: $4" >&2; cat log >&2; exit 1; }
  cut -d' ' -f1 one >>"$1.wall"
  cut -d' ' -f3 one >>"$1.cpu"
}

echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores, Linux $(uname -r); load $(cut -d' ' -f1-3 /proc/loadavg)"
echo "commit: $(git -C "$here" rev-parse --short HEAD), $("$bin/convert_to_quant" --version | head -1), $(date -u +%F)"
echo "$spinning processes spin; seconds are medians of $rounds rounds (lowest..highest), wall and processor time"
for ((i = 0; i < spinning; i++)); do
  bash -c 'while :; do :; done' &
  spinners+=($!)
done

for mode in "${modes[@]}"; do
  rm -f ./*.wall ./*.cpu
  for ((round = 0; round < rounds; round++)); do
    run one "$bin" 1 "$mode"
    run two "$bin" 2 "$mode"
    if [[ -n $before ]]; then
      run before_one "$before" 1 "$mode"
      run before_two "$before" 2 "$mode"
    fi
  done
  echo
  echo "$mode ($(flags "$mode"))"
  for name in one two before_one before_two; do
    [[ -e $name.wall ]] || continue
    printf '  %-11s %6.2f s (%s) %6.2f s (%s)\n' "${name/_/, }" "$(median $name.wall)" "$(spread $name.wall)" "$(median $name.cpu)" \
      "$(spread $name.cpu)"
  done
  echo "  2 threads to 1: wall $(ratio "$(median two.wall)" "$(median one.wall)"), processor $(ratio "$(median two.cpu)" "$(median one.cpu)")"
  [[ -z $before ]] ||
    echo "  to the build before: 1 thread, processor $(ratio "$(median one.cpu)" "$(median before_one.cpu)");" \
      "2 threads, wall $(ratio "$(median two.wall)" "$(median before_two.wall)"), processor $(ratio "$(median two.cpu)" "$(median before_two.cpu)")"
done
