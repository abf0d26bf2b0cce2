#!/usr/bin/env bash
# Models in shards, in and out: the same tensors as one file, every size as told, and nothing left where a run ends early.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
parts=(blocks.{0,1,2,3}.attn.weight:BF16:512x512 blocks.{0,1,2,3}.attn.bias:BF16:512 blocks.0.odd.weight:F32:515x257 blocks.{0,1}.norm.weight:F32:512
  embed.weight:F16:100x512 step:I64:scalar empty:F32:0x4 final_layer.weight:BF16:256x256)
make_model whole.safetensors --metadata format=pt --metadata config=x "${parts[@]}"
mkdir model out
make_model model/m-00001-of-00003.safetensors --metadata format=pt "${parts[@]:0:4}" "${parts[@]:13}"
make_model model/m-00002-of-00003.safetensors --metadata format=pt "${parts[@]:4:5}"
make_model model/m-00003-of-00003.safetensors --metadata config=x "${parts[@]:9:4}"
index=model/m.safetensors.index.json

names_in() { header_of "$1" | grep -oE '"[^"]+":\{"dtype"' | cut -d'"' -f2; }
index_of() {  # FOLDER: the index of its shards
  local shard name separator=
  printf '{"metadata": {}, "weight_map": {'
  for shard in "$1"/*.safetensors; do
    for name in $(names_in "$shard"); do
      printf '%s"%s": "%s"' "$separator" "$name" "${shard##*/}"
      separator=,
    done
  done
  printf '}}\n'
}
index_of model >$index
tensors() {  # FILE..: name, type and digest of every tensor
  local file name
  for file in "$@"; do
    for name in $(names_in "$file"); do echo "$name $(dtype_of "$file" "$name") $(bytes_of "$file" "$name" | sha256sum)"; done
  done | sort
}
sizes() { stat -c %s "$@" | awk '{ sum += $1 } END { print sum }'; }

inputs() {
  converts "one file" -i whole.safetensors -o out/whole
  local path
  for path in $index model model/ model/m-00002-of-00003.safetensors; do
    converts "$path" -i $path -o out/a
    check "$path gives the tensors of one file" cmp <(tensors out/a) <(tensors out/whole)
    check "$path gives the very file" cmp out/a out/whole
    rm out/a
  done
  check "a shard that stands for the whole is named" grep -q "note: 'm-00002-of-00003.safetensors' is one of the 3 shards" stderr
  converts "the index from its own folder" -i model --recipe engine --optimizer none
  check "the output is called after the folder" test -f model_int8_block128_unmarked.safetensors
  (cd model && "$bin/convert_to_quant" --progress none -i . >/dev/null 2>&1)
  check "the output of '.' is called after the index" test -f model/m_comfyui_int8.safetensors
  rm model/m_comfyui_int8.safetensors model_int8_block128_unmarked.safetensors
  mkdir alone && cp model/m-00002-of-00003.safetensors alone
  converts "a shard without its index" -i alone/m-00002-of-00003.safetensors -o out/a
  check "a shard without its index: a warning" grep -q 'warning: .*its tensors alone are read' stderr
  refuses 2 "a shard without its index, strictly" -i alone/m-00002-of-00003.safetensors -o out/a --force --strict
  refuses 66 "a folder with a shard and no index" -i alone -o out/b
  says "a folder with a shard and no index: the message says what to give" "no index"
  rm -r out/a alone
}

broken() {  # STATUS SENTENCE PATTERN: the model in the folder broken is refused
  refuses "$1" "$2" -i broken -o out/a
  says "$2" "$3"
  check "$2: nothing is left" holds_only out whole
}
broken_models() {
  cp -r model broken
  rm broken/m-00003-of-00003.safetensors
  broken 66 "a missing shard" "its shard 'm-00003-of-00003.safetensors' is missing"
  cp broken/m-00002-of-00003.safetensors broken/m-00003-of-00003.safetensors
  broken 65 "a tensor in two shards" "lies in two shards"
  rm broken/m-00003-of-00003.safetensors
  ln -s "$scratch/model/m-00003-of-00003.safetensors" broken
  broken 65 "a link out of the folder" "outside the model's folder"
  sed -i 's,m-00003,../model/m-00003,g' broken/m.safetensors.index.json
  broken 65 "a path out of the folder" "own directory"
  sed -i "s,\\.\\./model,$scratch/model," broken/m.safetensors.index.json
  broken 65 "an absolute path" "own directory"
  head -c 100 $index >broken/m.safetensors.index.json
  broken 65 "a torn index" "broken/m.safetensors.index.json"
  rm -r broken
  cp -r model broken
  truncate -s -1 broken/m-00001-of-00003.safetensors
  broken 65 "a truncated shard" "m-00001-of-00003.safetensors"
  rm -r broken
  local shard
  for shard in model/*; do
    refuses 73 "$shard as the output" -i model -o "$shard" --force
    refuses 2 "$shard as the log" -i model -o out/a --log "$shard"
  done
  check "the model is as it was" cmp <(tensors model/*.safetensors) <(tensors whole.safetensors)
}

outputs() {
  local limit told
  for limit in 100K 300K 700K; do
    converts "the dry run of --max-shard-size $limit" -i whole.safetensors -o out/m.safetensors --max-shard-size $limit --dry-run
    told=$(sed -nE 's/^output: ([0-9]+) bytes .* shards and their index.*/\1/p' stdout)
    check "the dry run wrote nothing" holds_only out whole
    converts "--max-shard-size $limit" -i whole.safetensors -o out/m.safetensors --max-shard-size $limit --verify full --report-quality report.json
    check "the last line is the index" test "$(tail -1 stdout)" = out/m.safetensors.index.json
    check "--max-shard-size $limit: the tensors of one file" cmp <(tensors out/m-*.safetensors) <(tensors out/whole)
    check "--max-shard-size $limit: the size is as told" test "$told" = "$(sizes out/m*)"
    check "--max-shard-size $limit: the report has the size" grep -q "\"output_bytes\": *$told" report.json
    check "--max-shard-size $limit: every tensor of a shard is in the index" cmp <(index_of out | grep -oE '"[^"]*": "m-[^"]*"' | sort) \
      <(grep -oE '"[^"]*": "m-[^"]*"' out/m.safetensors.index.json | sort)
    check "--max-shard-size $limit: metadata in every shard" test "$(grep -l '"config":"x"' out/m-* | wc -l)" = "$(ls out/m-* | wc -l)"
    one_layer_one_shard
    if [[ $limit != 100K ]]; then
      check "no shard is larger than $limit" test "$(stat -c %s out/m-* | sort -n | tail -1)" -le $((${limit%K} * 1024))
    else
      check "a layer that is larger is told" grep -q 'warning: .* larger than --max-shard-size' stderr
    fi
    refuses 2 "its own output as input" -i out/m.safetensors.index.json -o out/never
    says "its own output as input" "already quantized"
    rm out/m*
  done
  converts "--max-shard-size of a model that fits" -i $index -o out/m.safetensors --max-shard-size 1G
  check "one file is enough then" cmp out/m.safetensors out/whole
  check "--max-shard-size that changes nothing says so" grep -q 'note: --max-shard-size changes nothing here' stderr
  rm out/m.safetensors
  converts "shards to shards" -i model --max-shard-size 400K -o out/m.safetensors.index.json
  check "shards to shards: the tensors of one file" cmp <(tensors out/m-*.safetensors) <(tensors out/whole)
  refuses 73 "shards that exist" -i model --max-shard-size 400K -o out/m.safetensors
  converts "shards that exist, with --force" -i model --max-shard-size 400K -o out/m.safetensors --force
  rm out/m*
  refuses 73 "an output folder that is missing" -i model --max-shard-size 400K -o nowhere/m.safetensors
  refuses 2 "a size that is no size" -i model --max-shard-size many -o out/m
  refuses 2 "a size that holds no header" -i model --max-shard-size 100 -o out/m
  says "a size that holds no header" 'max-shard-size'
}
one_layer_one_shard() {
  local layer
  for layer in blocks.{0,1,2,3}.attn; do
    check "all of $layer lies in one shard" test "$(grep -oE "\"$layer\\.[a-z_]*\": \"m-[^\"]*\"" out/m.safetensors.index.json | cut -d'"' -f4 | sort -u | wc -l)" = 1
  done
}

quantized_already() {
  converts "one file of the older form" -i whole.safetensors -o out/older --recipe engine --simple
  converts "shards of the older form" -i whole.safetensors -o out/m.safetensors --recipe engine --simple --max-shard-size 300K
  refuses 2 "quantized shards as input" -i out/m.safetensors.index.json -o out/a
  local path
  for path in out/older out/m.safetensors.index.json; do
    converts "$path to markers" -i $path -o "out/marked.${path##*[./]}" --convert-legacy
    converts "$path again" -i $path -o "out/again.${path##*[./]}" --requantize --simple
  done
  check "shards of the older form get the markers of one file" cmp <(tensors out/marked.older) <(tensors out/marked.json)
  check "shards of the older form are quantized again as one file is" cmp <(tensors out/again.older) <(tensors out/again.json)
  rm out/m* out/again* out/older
}

clean_ends() {
  refuses 3 "--fail-below" -i model --max-shard-size 300K -o out/m --fail-below 200
  check "--fail-below: nothing is published" holds_only out whole
  status=$(ulimit -f 150; timeout 300 "$bin/convert_to_quant" --progress none -i model --max-shard-size 300K -o out/m >stdout 2>stderr </dev/null; echo $?)
  ended_with 74 "a file size limit"
  check "a file size limit leaves nothing" holds_only out whole
  [[ -n $faults ]] || return 0
  converts "shards" -i model --max-shard-size 300K -o out/m.safetensors
  mkdir sharded
  mv out/m* sharded
  local rule n
  for rule in pwrite:signal=2:130 fsync:signal=15:143 rename:EIO:74 fsync:EIO:74 pwrite:ENOSPC:74; do
    for ((n = 1; n < 60; n += n < 8 ? 1 : 5)); do
      with_faults "${rule%%:*}:$n:$(cut -d: -f2 <<<"$rule")" -i model --max-shard-size 300K -o out/m.safetensors
      [[ -e $struck ]] || break
      check "$rule at call $n: status ${rule##*:} or 0, not $status" test "$status" = "${rule##*:}" -o "$status" = 0
      if ((status == 0)); then
        check "$rule at call $n: the whole model" cmp <(cat out/m*) <(cat sharded/*)
      elif [[ -e out/m.safetensors.index.json ]]; then
        check "$rule at call $n: a model with its index is whole" cmp <(cat out/m*) <(cat sharded/*)
      else
        check "$rule at call $n: nothing is left" holds_only out whole
      fi
      rm -f out/m*
    done
    rm -f out/m*
    check "$rule struck" test "$n" -gt 1
  done
  for ((n = 1; n < 12; ++n)); do
    with_faults "rename:$n:signal=9" -i model --max-shard-size 300K -o out/m.safetensors
    [[ -e $struck ]] || break
    check "kill -9 at rename $n: no index before all shards are there" no_torn_model
    rm -f out/m*
  done
}
no_torn_model() { [[ ! -e out/m.safetensors.index.json ]] || cmp <(cat out/m*) <(cat sharded/*); }

inputs
broken_models
outputs
quantized_already
clean_ends
finish
