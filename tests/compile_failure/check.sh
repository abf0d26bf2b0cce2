#!/usr/bin/env bash
# usage: check.sh FILE COMPILER FLAG..
# FILE must compile, and must not compile with -DHALFSTEP_MISTAKE. Its first lines say what the mistake gives:
#   // expect: a part of the sentence that the compiler must print
#   // errors: how many errors it may print (optional)
#   // flags: what to compile the mistake with, beside the macro (optional)
set -uo pipefail
export LC_ALL=C
file=$1
shift
field() { sed -n "1,3s|^// $1: ||p" "$file"; }

expected=$(field expect)
errors=$(field errors)
read -ra flags <<<"$(field flags)"
[[ -n $expected ]] || { echo "$file: its first line must say what to expect"; exit 1; }

if ! output=$("$@" "$file" 2>&1); then
  printf '%s: does not compile without its mistake:\n%s\n' "$file" "$output"
  exit 1
fi
if output=$("$@" -DHALFSTEP_MISTAKE ${flags[@]+"${flags[@]}"} "$file" 2>&1); then
  echo "$file: compiles with its mistake"
  exit 1
fi
if ! grep -qF -- "$expected" <<<"$output"; then
  printf '%s: expected "%s", the compiler says:\n%s\n' "$file" "$expected" "$output"
  exit 1
fi
found=$(grep -c 'error:' <<<"$output")
if [[ -n $errors && $found != "$errors" ]]; then
  printf '%s: %s errors where %s are expected:\n%s\n' "$file" "$found" "$errors" "$output"
  exit 1
fi
