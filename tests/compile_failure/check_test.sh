#!/usr/bin/env bash
# usage: check_test.sh SCRATCH COMPILER FLAG..
# check.sh must tell a good case from each kind of bad one.
set -uo pipefail
check=$(cd "$(dirname "$0")" && pwd)/check.sh
scratch=$1
shift
failed=0
mkdir -p "$scratch"

expect() {  # STATUS SENTENCE, the case on stdin
  cat >"$scratch/case.cpp"
  output=$("$check" "$scratch/case.cpp" "${@:3}")
  status=$?
  [[ $status == "$1" && $output == *"$2"* ]] || { printf 'expected %s "%s", got %s:\n%s\n' "$1" "$2" "$status" "$output"; failed=1; }
}

mistake=$'#ifdef HALFSTEP_MISTAKE\nstatic_assert(sizeof(int) == 1, "an int is a byte");\n#endif'
expect 0 "" "$@" <<<$'// expect: an int is a byte\n// errors: 1\n'"$mistake"
expect 1 "compiles with its mistake" "$@" <<<$'// expect: an int is a byte\nint a;'
expect 1 "does not compile without" "$@" <<<$'// expect: an int is a byte\nint a = b;'
expect 1 "the compiler says" "$@" <<<$'// expect: an int is a word\n'"$mistake"
expect 1 "1 errors where 2 are expected" "$@" <<<$'// expect: an int is a byte\n// errors: 2\n'"$mistake"
expect 1 "must say what to expect" "$@" <<<"$mistake"
exit $failed
