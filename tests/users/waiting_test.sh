#!/usr/bin/env bash
# Threads that wait take no processor time: while one of them reads from a slow disk, and while one alone has something to do. No
# variable has to be set for that, and none makes it worse. Where the system refuses threads, the advice that is given works.
source "$(dirname "$0")/../reliability/support.sh"
cd "$scratch" || exit 1
unset OMP_WAIT_POLICY OMP_NUM_THREADS GOMP_SPINCOUNT KMP_BLOCKTIME
linear() { echo "$1.weight:BF16:256x256"; }
make_model in.safetensors $(for i in {0..39}; do linear blocks.$i.proj; done)
make_model rows.safetensors $(for i in {0..39}; do echo blocks.$i.proj.input:BF16:64x256; done)
mkdir out

# takes_part_of SHARE SENTENCE FAULTS ARGUMENT..: a run with those faults has 0 as its status and takes at most SHARE percent of its
# wall time as processor time more than the same run without the faults.
takes_part_of() {
  local share=$1 sentence=$2 rules=$3 quick slow
  shift 3
  local run=("$bin/convert_to_quant" --progress none -i in.safetensors -o out/a --force --comfy_quant --preset none "$@")
  "$tools/measure" quick "${run[@]}" >stdout 2>stderr </dev/null
  "$tools/measure" slow env HALFSTEP_FAULTS="$rules" LD_PRELOAD="$faults" "${run[@]}" >stdout 2>stderr </dev/null
  status=$?
  check "$sentence: status 0, not $status" test "$status" = 0
  read -r _ _ quick <quick
  read -r wall _ slow <slow
  check "$sentence: $slow s of processor time in $wall s, $quick s without the slow calls" \
    awk -v slow="$slow" -v quick="$quick" -v wall="$wall" -v share="$share" 'BEGIN { exit !(slow - quick <= wall * share / 100) }'
  check "$sentence: the slow calls are slow" awk -v wall="$wall" 'BEGIN { exit !(wall > 0.4) }'
}

if [[ -n $faults ]] && LD_PRELOAD=$faults "$bin/convert_to_quant" --version >/dev/null 2>&1; then
  for settings in "" OMP_WAIT_POLICY=active; do
    [[ -z $settings ]] || export OMP_WAIT_POLICY=active GOMP_SPINCOUNT=infinity
    for recipe in "--simple" "" "--calibration-data rows.safetensors" "--optimizer coordinate" "--optimizer adamw --num_iter 5"; do
      read -ra flags <<<"$recipe"
      takes_part_of 15 "slow reads, ${recipe:-the default} $settings" pread:every:wait=10 --threads 2 ${flags[@]+"${flags[@]}"}
      takes_part_of 15 "slow writes, ${recipe:-the default} $settings" pwrite:every:wait=10 --threads 2 ${flags[@]+"${flags[@]}"}
    done
  done
else
  skip "calls that take long: the library for them cannot be preloaded into this build"
fi

in_little_memory() { (ulimit -v 2000000; exec "$bin/convert_to_quant" --progress none "$@") >stdout 2>stderr </dev/null; }
rm -f out/*
if (ulimit -v 2000000; exec "$bin/convert_to_quant" --version) >/dev/null 2>&1; then
  in_little_memory -i in.safetensors -o out/a --preset none --threads 2000
  status=$?
  check "threads that the system refuses: status 71, not $status" test "$status" = 71
  check "threads that the system refuses: one line says so" grep -q '^convert_to_quant: error: .*refused a thread.*--threads 1' stderr
  check "threads that the system refuses: nothing is left" holds_only out
  in_little_memory -i in.safetensors -o out/a --preset none --threads 1
  status=$?
  check "what is advised then: status 0, not $status" test "$status" = 0
else
  skip "threads that the system refuses: this build needs more memory than is left to it"
fi
finish
