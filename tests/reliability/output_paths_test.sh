#!/usr/bin/env bash
# What stands at the output path, or is no place for a file, is refused before any work and stays as it was.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
small_model in.safetensors
cp in.safetensors kept
mkdir out

output_is_input() {
  refuses 73 "output is the input by the same path" -i in.safetensors -o in.safetensors --force
  refuses 73 "output is the input by another spelling of the path" -i in.safetensors -o out/../in.safetensors --force
  ln -s in.safetensors link
  refuses 73 "output is a symlink to the input" -i in.safetensors -o link --force
  refuses 73 "input is a symlink to the output" -i link -o in.safetensors --force
  ln in.safetensors hard
  refuses 73 "output is a hard link to the input" -i in.safetensors -o hard --force
  check "the input is untouched" cmp in.safetensors kept
  check "a link to the input stays a link" test -L link
  check "nothing is left beside the input" holds_only . in.safetensors kept out link hard stdout stderr check
  rm link hard
}

output_is_no_file() {
  refuses 73 "output is a folder" -i in.safetensors -o out --force
  mkfifo pipe
  refuses 73 "output is a FIFO" -i in.safetensors -o pipe --force
  check "the FIFO is still there" test -p pipe
  ln -s nowhere dangling
  refuses 73 "output is a dangling symlink" -i in.safetensors -o dangling --force
  check "the dangling symlink is still there" test -L dangling
  check "the dangling symlink's target was not made" test ! -e nowhere
  if mknod device c 1 3 2>/dev/null; then
    refuses 73 "output is a device" -i in.safetensors -o device --force
    check "the device is still there" test -c device
    rm device
  else
    skip "output is a device: mknod needs root"
  fi
  rm pipe dangling
}

output_has_no_place() {
  make_model bad.safetensors blocks.0.attn.weight:F32:256x256:nan@7
  refuses 73 "the output's folder is missing, found before the data is read" -i bad.safetensors -o missing/out.safetensors
  says "the message names the path" missing
  refuses 73 "the output's folder is a file" -i bad.safetensors -o kept/out.safetensors
  mkdir read_only
  if [[ $(id -u) != 0 ]]; then
    chmod 555 read_only
  elif mount -t tmpfs -o ro none read_only 2>/dev/null; then
    mounts+=("$scratch/read_only")
  else
    skip "the output's folder is read-only: mounting needs more rights"
    return
  fi
  refuses 73 "the output's folder is read-only, found before the data is read" -i bad.safetensors -o read_only/out.safetensors
  says "the message has the reason" "permission denied|read-only file system"
}

output_stands_already() {
  echo precious >old
  refuses 73 "an existing output is refused without --force" -i in.safetensors -o old
  says "the message names --force" "--force"
  check "the existing output is untouched" grep -qx precious old
  converts "an existing output is replaced with --force" -i in.safetensors -o old --force
  converts "a new output" -i in.safetensors -o fresh
  check "the replaced file equals a fresh one" cmp old fresh
  cp old .old.copy
  ln -s old link
  converts "a symlink to an older output is followed or replaced" -i in.safetensors -o link --force
  check "what the symlink's path shows is the complete file" cmp link fresh
  check "no part is left" test ! -e old.part -a ! -e link.part
}

closed_streams() {  # a file that is opened must not get the number of a closed stream: messages would go into it
  converts "a file to compare with" -i in.safetensors -o whole
  local streams
  for streams in '2>&-' '>&-' '>&- 2>&-' '<&-' '<&- >&- 2>&-'; do
    bash -c "\"\$1\" -i in.safetensors -o out/a $streams" - "$bin/convert_to_quant" >/dev/null 2>&1
    check "closed streams $streams: status 0" test $? = 0
    check "closed streams $streams: the same file" cmp out/a whole
    rm -f out/a
  done
  check "closed streams: the input is untouched" cmp in.safetensors kept
  local what
  for what in '-i in.safetensors -o out/a --quiet' '-i in.safetensors --dry-run create-template' '--print man'; do
    # shellcheck disable=SC2086
    "$bin/convert_to_quant" $what >/dev/full 2>stderr
    check "$what, printed to a full disk: status 74" test $? = 74
    check "$what, printed to a full disk: said" grep -q '^convert_to_quant: error: cannot write to the standard output: No space' stderr
  done
  check "printed to a full disk: the model is whole" cmp out/a whole
  "$bin/convert_to_quant" --print man 2>stderr | head -1 >/dev/null
  check "a reader that goes away is no error" test "${PIPESTATUS[0]}" = 0 -a ! -s stderr
  rm -f out/a whole
}

output_is_input
output_is_no_file
output_has_no_place
output_stands_already
closed_streams
converts "a path that holds an option's name in backquotes" -i in.safetensors -o "x\`strict\`.safetensors" --simple
check "it is printed as it is" grep -qxF "x\`strict\`.safetensors" stdout
finish
