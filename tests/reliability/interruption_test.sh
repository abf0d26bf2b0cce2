#!/usr/bin/env bash
# Ctrl-C, SIGTERM and kill -9 at any call and at random moments: the final path holds the old or the complete new file.
source "$(dirname "$0")/support.sh"
need_faults
cd "$scratch" || exit 1
long_model in.safetensors
mkdir out
converts "the run without interruption" -i in.safetensors -o whole
check "the whole file is a valid one" is_model whole
echo precious >old

signalled() {  # CALL SIGNAL STATUS: raised at the first, second, .. call
  local call=$1 signal=$2 wanted=$3 n
  for ((n = 1; n < 400; n += n < 6 ? 1 : n / 4 + 2)); do
    rm -rf out
    mkdir out
    cp old out/a
    with_faults "$call:$n:signal=$signal" -i in.safetensors -o out/a --force
    [[ -e $struck ]] || break
    check "signal $signal at $call $n: status $wanted or 0, not $status" test "$status" = "$wanted" -o "$status" = 0
    if [[ $status == 0 ]]; then
      check "signal $signal at $call $n came too late, the file is whole" cmp out/a whole
    else
      check "signal $signal at $call $n: the old or the whole new file" old_or_whole
    fi
    check "signal $signal at $call $n: no part is left" holds_only out a
  done
  check "$call is called" test "$n" -gt 1
}
had_old=yes
old_or_whole() {
  if [[ $had_old == no && ! -e out/a ]]; then return 0; fi
  cmp -s out/a old || cmp out/a whole
}

in_time() {
  local sent
  rm -rf out
  mkdir out
  set -m
  HALFSTEP_FAULTS=pwrite:every:wait=10 LD_PRELOAD=$faults "$bin/convert_to_quant" --progress none -i in.safetensors -o out/a >stdout 2>stderr &
  set +m
  wait_for_part
  kill -INT $!
  sent=$(date +%s%N)
  wait $!
  status=$?
  ended_with 130 "Ctrl-C in the middle"
  check "Ctrl-C ends the run within one chunk" test $((($(date +%s%N) - sent) / 1000000)) -lt 1500
  check "Ctrl-C leaves nothing" holds_only out
}
wait_for_part() {
  local n
  for ((n = 0; n < 500; n++)); do
    [[ -e out/a.part ]] && break
    sleep 0.01
  done
}

part_is_invalid_or_whole() {  # a part is a valid file only once all of its bytes are in place
  [[ -e out/a.part ]] || return 0
  if [[ $(od -An -tu8 -N8 out/a.part | tr -d ' ') == 0 || ! -s out/a.part ]]; then
    ! is_model out/a.part
  else
    cmp out/a.part whole
  fi
}
killed_once() {  # SENTENCE: what holds after kill -9
  check "$1: the old or the whole new file" old_or_whole
  check "$1: the part is no valid file before it is complete" part_is_invalid_or_whole
  check "$1: only the part and its journal are left" only_part
}
only_part() {
  [[ -e out/a.part.journal ]] && set -- a.part.journal
  [[ -e out/a.part ]] && set -- "$@" a.part
  [[ -e out/a ]] && set -- "$@" a
  holds_only out "$@"
}

killed_at_calls() {
  local call n
  for call in open flock fallocate pread pwrite write fsync ftruncate rename unlinkat close; do
    for ((n = 1; n < 400; n += n < 4 ? 1 : n / 3 + 3)); do
      rm -rf out
      mkdir out
      cp old out/a
      with_faults "$call:$n:signal=9" -i in.safetensors -o out/a --force
      [[ -e $struck ]] || break
      killed_once "kill -9 at $call $n"
      converts "--resume after kill -9 at $call $n" -i in.safetensors -o out/a --force --resume
      check "--resume after kill -9 at $call $n: the whole file" cmp out/a whole
      check "--resume after kill -9 at $call $n: nothing else is left" holds_only out a
    done
  done
  convert -i in.safetensors -o out/a --force
  ended_with 0 "a run after killed ones"
  check "a run after killed ones makes the whole file" cmp out/a whole
  check "a run after killed ones leaves no part" holds_only out a
}

killed_at_random() {
  local n survived=0
  for ((n = 0; n < 20; n++)); do
    rm -rf out
    mkdir out
    had_old=no
    if ((n % 2)); then
      had_old=yes
      cp old out/a
    fi
    HALFSTEP_FAULTS=pwrite:every:wait=1 LD_PRELOAD=$faults "$bin/convert_to_quant" --progress none -i in.safetensors -o out/a --force \
      >stdout 2>stderr </dev/null &
    sleep "0.$(printf %03d $((RANDOM % 400)))"
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    killed_once "kill -9 at random moment $n"
    cmp -s out/a whole && survived=$((survived + 1))
  done
  check "kill -9 came before the end in some of 20 runs" test "$survived" -lt 20
}

signalled pwrite 2 130
signalled pwrite 15 143
signalled pread 2 130
signalled fsync 15 143
in_time
killed_at_calls
killed_at_random
finish
