# shellcheck shell=bash
# Sourced by the tests here: a scratch folder, small models, and one line for every promise that did not hold.
#
# Every function that runs the converter leaves $status, $error (its one error line) and the files $scratch/stdout and $scratch/stderr.
set -uo pipefail
export LC_ALL=C
bin=${HALFSTEP_BIN_DIR:?the folder of the built programs}
tools=${HALFSTEP_TOOLS_DIR:-$bin}
faults=${HALFSTEP_FAULTS_LIBRARY:-}
failures=0
checks=0

if [[ ! -x $bin/convert_to_quant ]]; then
  echo "skipped: no converter in $bin"
  exit 77
fi

scratch=$(mktemp -d)
mounts=()
cleanup() {
  local each
  for each in "${mounts[@]}"; do umount -l "$each" 2>/dev/null; done
  chmod -R u+rwx "$scratch" 2>/dev/null
  rm -rf "$scratch"
}
trap cleanup EXIT

skip() { echo "skipped: $1"; }
fault() { echo "failed: $1"; failures=$((failures + 1)); }
check() {  # SENTENCE COMMAND..
  local sentence=$1
  shift
  checks=$((checks + 1))
  "$@" >"$scratch/check" 2>&1 || { fault "$sentence"; head -20 "$scratch/check" | sed 's/^/    /'; }
}
finish() {
  if ((checks == 0)); then
    skip "every case"
    exit 77
  fi
  echo "$checks checks, $failures failed"
  exit $((failures > 0))
}

convert() {  # ARGUMENT..
  timeout 300 "$bin/convert_to_quant" --progress none "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null
  status=$?
  error=$(grep '^convert_to_quant: error: ' "$scratch/stderr")
}
converts() {  # SENTENCE ARGUMENT..
  local sentence=$1
  shift
  convert "$@"
  ended_with 0 "$sentence"
}
refuses() {  # STATUS SENTENCE ARGUMENT..
  local wanted=$1 sentence=$2
  shift 2
  convert "$@"
  ended_with "$wanted" "$sentence"
  one_error_line "$sentence"
}
ended_with() {  # STATUS SENTENCE
  check "$2: status $1, not $status" test "$status" = "$1"
  ((status == $1)) || { cat "$scratch/stdout" "$scratch/stderr"; } | head -8 | cut -c1-300 | sed 's/^/    /'
}
one_error_line() {  # SENTENCE
  check "$1: one line begins 'convert_to_quant: error: '" test "$(grep -c '^convert_to_quant: error: ' "$scratch/stderr")" = 1
}
says() {  # SENTENCE PATTERN: the error line of the last run matches
  check "$1 (the message is: $error)" grep -Eqi -- "$2" <<<"$error"
}
holds_only() {  # FOLDER NAME..: nothing else was left there
  local folder=$1
  shift
  diff <(printf '%s\n' "$@" | sed '/^$/d' | sort) <(ls -A "$folder" | sort)
}

struck=$scratch/struck
with_faults() {  # RULES ARGUMENT..: the converter under the preloaded library
  local rules=$1
  shift
  rm -f "$struck"
  {
    timeout 300 env HALFSTEP_FAULTS="$rules" HALFSTEP_FAULTS_STRUCK="$struck" LD_PRELOAD="$faults" \
      "$bin/convert_to_quant" --progress none "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null
    status=$?
  } 2>/dev/null  # bash reports killed programs there
  error=$(grep '^convert_to_quant: error: ' "$scratch/stderr")
}
need_faults() {
  if [[ -z $faults ]] || ! LD_PRELOAD=$faults "$bin/convert_to_quant" --version >/dev/null 2>&1; then
    skip "the library that makes calls fail cannot be preloaded into this build"
    exit 77
  fi
}

make_model() { "$tools/make_model" "$@" || { echo "make_model failed"; exit 1; }; }
small_model() {  # FILE [TENSOR..]
  make_model "$1" --metadata 'format=pt' blocks.0.attn.weight:BF16:512x512 blocks.0.attn.bias:BF16:512 blocks.0.norm.weight:F32:512 \
    blocks.1.mlp.weight:F32:768x256 blocks.1.proj.weight:F16:256x768 embed.weight:F16:100x512 step:I64:scalar "${@:2}"
}
long_model() {  # FILE: enough pieces that something can happen between them
  make_model "$1" blocks.{0,1,2,3,4,5}.attn.weight:BF16:2048x2048 blocks.0.attn.bias:BF16:2048
}

header_of() { tail -c +9 "$1" | head -c "$(od -An -tu8 -N8 "$1" | tr -d ' ')"; }  # a file's JSON
bytes_of() {  # FILE TENSOR: its bytes
  local length begin end
  length=$(od -An -tu8 -N8 "$1" | tr -d ' ')
  read -r begin end < <(header_of "$1" | sed -nE "s/.*\"$2\":\{[^}]*\"data_offsets\":\[([0-9]+),([0-9]+)\].*/\1 \2/p")
  [[ -n ${end:-} ]] && tail -c +$((8 + length + begin + 1)) "$1" | head -c $((end - begin))
}
dtype_of() { header_of "$1" | sed -nE "s/.*\"$2\":\{\"dtype\":\"([A-Z0-9_]+)\".*/\1/p"; }
sha() { sha256sum "$1" | cut -d' ' -f1; }
raw_file() {  # FILE JSON DATA_BYTES
  local n=${#2}
  { printf "$(printf '\\x%02x' $((n & 255)) $((n >> 8 & 255)) $((n >> 16 & 255)) $((n >> 24 & 255)) 0 0 0 0)"
    printf '%s' "$2"; head -c "$3" /dev/zero; } >"$1"
}
is_model() {  # FILE: a valid safetensors file, quantized (status 2) or not
  "$bin/convert_to_quant" -i "$1" -o "$scratch/never" --dry-run >/dev/null 2>&1
  (($? != 65))
}
