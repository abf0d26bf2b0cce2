#!/usr/bin/env bash
# An input that shrinks or changes during the run: status 65, nothing published, never a crash.
source "$(dirname "$0")/support.sh"
need_faults
cd "$scratch" || exit 1
long_model model.safetensors
mkdir out

changed_by() {  # SENTENCE COMMAND..: run on a copy, slowly, while the command changes it
  local sentence=$1
  shift
  rm -rf out
  mkdir out
  cp model.safetensors in.safetensors
  HALFSTEP_FAULTS=pread:every:wait=30,pwrite:every:wait=2 LD_PRELOAD=$faults \
    "$bin/convert_to_quant" --progress none --threads 1 -i in.safetensors -o out/a >stdout 2>stderr </dev/null &
  local n
  for ((n = 0; n < 1000; n++)); do
    [[ -e out/a.part ]] && break
    sleep 0.01
  done
  sleep 0.2
  "$@"
  wait $!
  status=$?
  error=$(grep '^convert_to_quant: error: ' stderr)
  ended_with 65 "$sentence"
  one_error_line "$sentence"
  says "$sentence: the message names the input" "in.safetensors"
  check "$sentence: nothing is left" holds_only out
}
one_byte_more() { printf x >>in.safetensors; }
one_byte_other() { printf x | dd of=in.safetensors bs=1 seek=$(($(stat -c %s in.safetensors) - 100)) conv=notrunc status=none; }

changed_by "the input is cut in half" truncate -s 20000000 in.safetensors
changed_by "the input is emptied" truncate -s 0 in.safetensors
changed_by "the input grows" one_byte_more
changed_by "a byte of the input changes" one_byte_other
changed_by "the input's time changes" touch -d '2001-01-01' in.safetensors
finish
