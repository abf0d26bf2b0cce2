#!/usr/bin/env bash
# Inputs that are missing, no file, or damaged: the right status, one line, no output.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
small_model in.safetensors
mkdir out empty

no_input() {
  refuses 66 "a missing input" -i missing.safetensors -o out/a
  says "the message names the path and the reason" "missing.safetensors.*no such file"
  refuses 66 "a folder without a model" -i empty -o out/a
  mkfifo pipe
  refuses 66 "a FIFO as input, which must not block" -i pipe -o out/a
  refuses 66 "a device as input" -i /dev/null -o out/a
  cp in.safetensors secret
  chmod 000 secret
  if [[ $(id -u) != 0 ]]; then
    refuses 66 "an input that may not be read" -i secret -o out/a
    says "the message has the reason" "permission denied"
  elif chmod 711 "$scratch" && chmod 777 out && setpriv --reuid 65534 --clear-groups test -x "$bin/convert_to_quant" 2>/dev/null; then
    setpriv --reuid 65534 --clear-groups "$bin/convert_to_quant" -i secret -o out/a >stdout 2>stderr
    check "an input that may not be read: status 66" test $? = 66
    check "the message has the reason" grep -Eqi '^convert_to_quant: error: .*permission denied' stderr
  else
    skip "an input that may not be read: no other user can run the converter here"
  fi
}

damaged() {
  : >zero
  refuses 65 "a file of 0 bytes" -i zero -o out/a
  head -c 7 in.safetensors >seven
  refuses 65 "a file of 7 bytes" -i seven -o out/a
  local size
  size=$(stat -c %s in.safetensors)
  head -c $((size - 1)) in.safetensors >truncated
  refuses 65 "a truncated file" -i truncated -o out/a
  { cat in.safetensors; printf x; } >trailing
  refuses 65 "a trailing byte" -i trailing -o out/a
  local data=$((size - 8 - $(od -An -tu8 -N8 in.safetensors)))
  convert -i truncated -o out/a
  says "a truncated file's message has both sizes" "($size|$data).*($((size - 1))|$((data - 1)))|($((size - 1))|$((data - 1))).*($size|$data)"
  convert -i trailing -o out/a
  says "a trailing byte's message has both sizes" "($size|$data).*($((size + 1))|$((data + 1)))|($((size + 1))|$((data + 1))).*($size|$data)"
  head -c 100 /dev/urandom >noise
  refuses 65 "noise" -i noise -o out/a
}

malformed() {  # SENTENCE JSON DATA_BYTES
  raw_file bad.safetensors "$2" "$3"
  refuses 65 "$1" -i bad.safetensors -o out/a
}
malformed_headers() {
  local a='"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
  malformed "no object" '[]' 0
  malformed "text after the object" "{$a} x" 4
  malformed "a byte order mark" $'\xef\xbb\xbf'"{$a}" 4
  malformed "a duplicate name" "{$a,\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}" 8
  malformed "a duplicate key in an entry" '{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}' 4
  malformed "an unknown dtype" '{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}' 4
  malformed "a number with a fraction" '{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}' 4
  malformed "a number with a leading zero" '{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}' 4
  malformed "a negative number" '{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}' 4
  malformed "2 to the 64th" '{"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}}' 4
  malformed "a shape product that overflows to zero" '{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}' 0
  malformed "a gap" "{$a,\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}" 12
  malformed "an overlap" "{$a,\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}" 6
  malformed "offsets beyond the data" '{"a":{"dtype":"F32","shape":[100],"data_offsets":[0,400]}}' 4
  malformed "offsets the wrong way round" '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}' 4
  malformed "a size that does not fit the shape" '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}' 4
  malformed "an entry as an array" '{"a":["F32",[1],[0,4]]}' 4
  malformed "a metadata value that is no string" "{\"__metadata__\":{\"k\":1},$a}" 4
  malformed "invalid UTF-8 in a name" $'{"\xff":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' 4
  malformed "deep nesting" "{\"a\":$(printf '[%.0s' {1..20000})" 4
  printf '\xff\xff\xff\xff\xff\xff\xff\x7f{}' >bad.safetensors
  refuses 65 "a header length beyond all sense" -i bad.safetensors -o out/a
  printf '\x00\xe1\xf5\x05\x00\x00\x00\x00{}' >bad.safetensors
  refuses 65 "a header length beyond the file" -i bad.safetensors -o out/a
}

header_bomb() {
  { printf '\x00\x2d\x31\x01\x00\x00\x00\x00{"a":'; head -c 19999995 /dev/zero | tr '\0' '['; } >bomb  # 20 MB of opening brackets
  SECONDS=0
  refuses 65 "a header of brackets" -i bomb -o out/a
  check "a header of brackets is refused within 5 s" test "$SECONDS" -le 5
  "$tools/measure" peak "$bin/convert_to_quant" -i bomb -o out/a >/dev/null 2>&1
  check "a header of brackets takes at most 4 times its size and 64 MiB" test "$(cut -d' ' -f2 peak)" -le $((4 * 20000 + 65536))
}

no_input
damaged
malformed_headers
header_bomb
check "no damaged input left an output" holds_only out
finish
