#!/usr/bin/env bash
# Two runs to one output cannot interleave: the second ends at once with status 75.
source "$(dirname "$0")/support.sh"
need_faults
cd "$scratch" || exit 1
small_model in.safetensors
small_model other.safetensors --seed 5
mkdir out
converts "the run alone" -i in.safetensors -o whole

HALFSTEP_FAULTS=pwrite:every:wait=500 LD_PRELOAD=$faults "$bin/convert_to_quant" --progress none --threads 1 -i in.safetensors -o out/a \
  >first 2>&1 </dev/null &
first=$!
for ((n = 0; n < 500; n++)); do
  [[ -e out/a.part ]] && break
  sleep 0.01
done
sleep 0.05
started=$(date +%s%N)
refuses 75 "a second run to the same output" -i other.safetensors -o out/a
check "the second run ends at once" test $((($(date +%s%N) - started) / 1000000)) -lt 1000
refuses 75 "a second run to the same output with --force" -i other.safetensors -o out/a --force
refuses 75 "a second run to the same output with --resume" -i in.safetensors -o out/a --resume
check "the first run still works on its part" test -e out/a.part
wait $first
status=$?
check "the first run ends well: status 0, not $status" test "$status" = 0
check "the first run's file is whole" cmp out/a whole
check "nothing else is left" holds_only out a
converts "another run afterwards" -i other.safetensors -o out/a --force

many() {
  local n codes=()
  rm -rf out
  mkdir out
  for ((n = 0; n < 8; n++)); do
    "$bin/convert_to_quant" --progress none --threads 1 -i in.safetensors -o out/a --force $( ((n % 2)) && echo --resume) >/dev/null 2>"error.$n" </dev/null &
    codes+=($!)
  done
  for n in "${!codes[@]}"; do
    wait "${codes[n]}"
    status=$?
    check "run $n of 8 at once: status 0 or 75, not $status" test "$status" = 0 -o "$status" = 75
  done
  check "8 runs at once leave the whole file" cmp out/a whole
  check "8 runs at once leave nothing else" holds_only out a
}
many
finish
