#!/usr/bin/env bash
# A full disk and a file size limit: status 74 at once, the old file intact, nothing left behind.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
make_model bad.safetensors blocks.{0,1,2,3}.attn.weight:F32:512x512 blocks.4.attn.weight:F32:256x256:nan@7
make_model in.safetensors blocks.{0,1,2,3}.attn.weight:F32:512x512
mkdir out small

size_limit() {
  status=$(ulimit -f 100; timeout 300 "$bin/convert_to_quant" --progress none -i in.safetensors -o out/a >stdout 2>stderr </dev/null; echo $?)
  ended_with 74 "a file size limit (ulimit -f)"
  one_error_line "a file size limit (ulimit -f)"
  check "a file size limit leaves nothing" holds_only out
}

small_tmpfs() {
  if ! mount -t tmpfs -o size=512k none small 2>/dev/null; then
    skip "a full disk: mounting a tmpfs needs root"
    return
  fi
  mounts+=("$scratch/small")
  refuses 74 "a disk of 512 KB, found before the data is read" -i bad.safetensors -o small/a
  says "the message has the reason" "no space left"
  check "nothing is left on the small disk" holds_only small
  echo precious >small/a
  refuses 74 "a disk of 512 KB that holds an older output" -i in.safetensors -o small/a --force
  check "the older output is intact" grep -qx precious small/a
  check "only the older output is left on the small disk" holds_only small a
  refuses 74 "a disk of 512 KB with --low-memory" -i in.safetensors -o small/b --low-memory
  make_model tiny.safetensors blocks.0.attn.weight:F32:256x256
  converts "what fits a disk of 512 KB" -i tiny.safetensors -o small/b
  check "only the outputs are on the small disk" holds_only small a b
  no_room_for_a_journal
}

no_room_for_a_journal() {
  local pages=$((($(stat -c %s small/b) + 4095) / 4096))
  mkdir exact
  mount -t tmpfs -o size=$((pages * 4096)) none exact
  mounts+=("$scratch/exact")
  converts "a disk with room for the output and for no journal" -i tiny.safetensors -o exact/b
  check "the same output" cmp exact/b small/b
  check "only the output is on that disk" holds_only exact b
}

size_limit
small_tmpfs
finish
