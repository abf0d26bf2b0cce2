#!/usr/bin/env bash
# examples/convert_file: the conversion as a library call makes the file that the converter makes, stops, goes on, and fails with one line.
source "$(dirname "$0")/support.sh"
need_faults
if [[ ! -x $bin/convert_file ]]; then
  echo "skipped: no convert_file in $bin"
  exit 77
fi
cd "$scratch" || exit 1
long_model in.safetensors
mkdir out
converts "the converter" -i in.safetensors -o whole --simple --comfy_quant --scaling_mode axis
call() {  # ARGUMENT..: sets $status
  timeout 300 "$bin/convert_file" "$@" >stdout 2>stderr </dev/null
  status=$?
}
call in.safetensors out/a
ended_with 0 "the library call"
check "the library call makes the converter's file" cmp out/a whole
check "it counts what it read" grep -qx "50335744 bytes read, 6 layers quantized, $(stat -c %s whole) bytes in out/a" stdout
rm out/a

HALFSTEP_FAULTS=pwrite:every:wait=5 LD_PRELOAD=$faults "$bin/convert_file" in.safetensors out/a >stdout 2>stderr </dev/null &
for ((n = 0; n < 1000; n++)); do
  (($(wc -l 2>/dev/null <out/a.part.journal || echo 0) >= 3)) && break
  sleep 0.01
done
kill -INT $!
wait $!
check "Ctrl-C stops it: status 130" test $? = 130
check "what is done is kept" holds_only out a.part a.part.journal
call in.safetensors out/a
ended_with 0 "the library call again"
check "it goes on and makes the same file" cmp out/a whole
check "all of the input is counted, whoever read it" grep -q '^50335744 bytes read' stdout
check "nothing else is left" holds_only out a

call in.safetensors out/a
ended_with 73 "an output that exists"
check "an output that exists: one line" test "$(grep -c '^convert_file: error: ' stderr)" = 1
call in.safetensors
ended_with 2 "an argument is missing"
finish
