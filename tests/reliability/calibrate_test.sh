#!/usr/bin/env bash
# `calibrate` keeps the converter's promises: no half-written file, whatever goes wrong, and an exit code that says what did.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
if [[ ! -x $bin/calibrate ]]; then
  skip "no calibrate in $bin"
  exit 77
fi
make_model rows.safetensors blocks.{0,1,2}.proj.input:BF16:3000x1024
mkdir out

calibrate() {  # ENVIRONMENT.. -- ARGUMENT..
  local settings=()
  while [[ $1 != -- ]]; do settings+=("$1"); shift; done
  { timeout 300 env "${settings[@]}" "$bin/calibrate" "${@:2}" >stdout 2>stderr </dev/null; status=$?; } 2>/dev/null
}
refuses_to() {  # STATUS SENTENCE ENVIRONMENT.. -- ARGUMENT..
  calibrate "${@:3}"
  check "$2: status $1, not $status" test "$status" = "$1"
  check "$2: one line begins 'calibrate: error: '" test "$(grep -c '^calibrate: error: ' stderr)" = 1
  check "$2: nothing is left" holds_only out
}

head -c 5000 rows.safetensors >cut.safetensors
refuses_to 65 "a cut file" -- -o out/a.safetensors cut.safetensors
refuses_to 66 "no file" -- -o out/a.safetensors none.safetensors
refuses_to 2 "an unknown flag" -- -o out/a.safetensors rows.safetensors --what
refuses_to 73 "no folder for the output" -- -o nowhere/a.safetensors rows.safetensors
if [[ -n $faults ]] && LD_PRELOAD=$faults "$bin/calibrate" --version >/dev/null 2>&1; then
  for fault in pwrite:2:EIO pwrite:9:ENOSPC pread:4:EIO fsync:1:EIO fsync:2:EIO; do
    refuses_to 74 "a failing call, $fault" HALFSTEP_FAULTS=$fault LD_PRELOAD="$faults" -- -o out/a.safetensors rows.safetensors
  done
  for call in pwrite pread; do
    calibrate HALFSTEP_FAULTS="$call:4:signal=2" LD_PRELOAD="$faults" -- -o out/a.safetensors rows.safetensors
    check "Ctrl-C at $call 4: status 130, not $status" test "$status" = 130
    check "Ctrl-C at $call 4: nothing is left" holds_only out
  done
else
  skip "calls that fail: the library for them cannot be preloaded into this build"
fi
make_model wide.safetensors p.input:BF16:16x14000
in_little_memory() { (ulimit -v 500000; exec "$bin/calibrate" --threads 1 -o out/a.safetensors wide.safetensors) >stdout 2>stderr </dev/null; }
if (ulimit -v 500000; exec "$bin/calibrate" --version) >/dev/null 2>&1; then
  in_little_memory
  status=$?
  check "a Hessian that does not fit into memory: status 71, not $status" test "$status" = 71
  check "a Hessian that does not fit into memory: nothing is left" holds_only out
fi

calibrate -- -o out/a.safetensors rows.safetensors
check "the run: status 0, not $status" test "$status" = 0
check "the output alone is there" holds_only out a.safetensors
finish
