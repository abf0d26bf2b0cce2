#!/usr/bin/env bash
# Memory follows the tensors in flight, not the file; without memory the run ends with status 71 and leaves nothing.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
mkdir out
if LD_TRACE_LOADED_OBJECTS=1 "$bin/convert_to_quant" | grep -Eq 'lib(asan|tsan)'; then
  skip "sanitizers reserve terabytes of addresses"
  exit 77
fi
weights() { for ((n = 0; n < $1; n++)); do echo "blocks.$n.attn.weight:BF16:2048x2048"; done; }
weights 4 | make_model short.safetensors
weights 40 | make_model long.safetensors

peak() {  # ARGUMENT..: sets $mib
  "$tools/measure" peak "$bin/convert_to_quant" --progress none --force -o out/a "$@" >stdout 2>stderr
  status=$?
  ended_with 0 "a run with $*"
  mib=$(($(cut -d' ' -f2 peak) / 1024))
}
bounded() {  # MIB_OF_DIFFERENCE MIB ARGUMENT..
  local difference=$1 limit=$2 few
  shift 2
  peak -i short.safetensors "$@"
  few=$mib
  peak -i long.safetensors "$@"
  check "32 and 320 MiB of weights with '$*' take about the same memory ($few and $mib MiB)" test "$mib" -le $((few + difference))
  check "320 MiB of weights with '$*' take at most $limit MiB, not $mib" test "$mib" -le "$limit"
}
bounded 24 160 --low-memory
bounded 64 160 --memory-budget 64MiB

out_of_memory() {
  local limit seen_71=0 seen_0=0
  for limit in 8 10 12 14 16 18 20 22 24 28 32 40 48 64 96 128 256 512 1024 4096; do  # MiB
    rm -f out/*
    prlimit --as=$((limit << 20)) "$bin/convert_to_quant" --version >/dev/null 2>&1 || continue  # the loader itself had too little
    prlimit --as=$((limit << 20)) timeout 300 "$bin/convert_to_quant" --progress none --threads 2 -i long.safetensors -o out/a >stdout 2>stderr </dev/null
    status=$?
    check "with $limit MiB of addresses: status 0 or 71, not $status" test "$status" = 0 -o "$status" = 71
    case $status in
      0) seen_0=1 ;;
      71)
        seen_71=1
        one_error_line "with $limit MiB of addresses"
        check "with $limit MiB of addresses: nothing is left" holds_only out
        ;;
      *) head -5 stderr | sed 's/^/    /' ;;
    esac
  done
  check "some limit was too low" test "$seen_71" = 1
  check "some limit was enough" test "$seen_0" = 1
}
out_of_memory
finish
