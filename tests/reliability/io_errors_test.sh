#!/usr/bin/env bash
# Every I/O call fails once, falls short or is interrupted: the run either still makes the same file or fails and leaves what was there.
source "$(dirname "$0")/support.sh"
need_faults
cd "$scratch" || exit 1
small_model in.safetensors
mkdir out
converts "the run without faults" -i in.safetensors -o whole
echo precious >old

fails_cleanly() {  # CALL ERRNO STATUS..: make the first, second, .. call fail until no call is left to fail
  local call=$1 error_name=$2 n wanted
  shift 2
  for ((n = 1; n < 200; n++)); do
    rm -rf out
    mkdir out
    cp old out/a
    with_faults "$call:$n:$error_name" -i in.safetensors -o out/a --force --threads 2
    [[ -e $struck ]] || break
    if [[ $status == 0 ]]; then
      check "$call $n fails with $error_name, status 0: the file is whole" cmp out/a whole
    else
      wanted=" $* "
      check "$call $n fails with $error_name: status $*, not $status" test "${wanted/ $status /}" != "$wanted"
      one_error_line "$call $n fails with $error_name"
      check "$call $n fails with $error_name: what stood at the output is intact" cmp_old_or_whole
    fi
    check "$call $n fails with $error_name: nothing else is left" holds_only out a
  done
  check "$call: at least one call was made to fail" test "$n" -gt 1
  check "$call: the calls come to an end" test "$n" -lt 200
}
cmp_old_or_whole() { cmp -s out/a old || cmp out/a whole; }  # once renamed, the complete new file stands there

big_tensors() {  # scales that span a tensor: whoever waits for its ranges must not wait for ever
  long_model long.safetensors
  local n
  for ((n = 3; n < 60; n += 8)); do
    rm -rf out
    mkdir out
    with_faults "pread:$n:EIO" -i long.safetensors -o out/a --comfy_quant --scaling_mode tensor --threads 4
    [[ -e $struck ]] || break
    ended_with 74 "read $n of a tensor with one scale fails"
    check "read $n of a tensor with one scale fails: nothing is left" holds_only out
  done
  check "tensors with one scale: reads were made to fail" test "$n" -gt 3
}
big_tensors
fails_cleanly pread EIO 74
fails_cleanly pwrite EIO 74
fails_cleanly pwrite ENOSPC 74
fails_cleanly fallocate ENOSPC 74
fails_cleanly fallocate EDQUOT 74
fails_cleanly fsync EIO 74
fails_cleanly rename EIO 73 74
fails_cleanly close EIO 74
fails_cleanly open EACCES 66 73 74

survives() {  # SENTENCE RULES
  rm -rf out
  mkdir out
  with_faults "$2" -i in.safetensors -o out/a
  check "$1: a call was struck" test -e "$struck"
  ended_with 0 "$1"
  check "$1: the same bytes" cmp out/a whole
  check "$1: nothing else is left" holds_only out a
}
survives "every read falls short" pread:every:short
survives "every write falls short" pwrite:every:short
survives "every second read is interrupted" pread:every:interrupted
survives "every second write is interrupted" pwrite:every:interrupted
survives "reads and writes fall short and are interrupted" pread:every:short,pread:every:interrupted,pwrite:every:short,pwrite:every:interrupted

lock_errors() {
  rm -rf out
  mkdir out
  with_faults flock:1:ENOLCK -i in.safetensors -o out/a
  check "a file system without locks is not taken for a busy output" test "$status" != 75
  if [[ $status == 0 ]]; then
    check "without locks the file is whole" cmp out/a whole
  else
    one_error_line "a file system without locks"
    check "without locks nothing is left" holds_only out
  fi
}
lock_errors
finish
