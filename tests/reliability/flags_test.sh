#!/usr/bin/env bash
# Bad use ends with status 2 and one line that names the flag; a flag that is not built is refused by name, never ignored.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
small_model in.safetensors
mkdir out
usual=(-i in.safetensors -o out/a)

unknown() {
  refuses 2 "an unknown flag" "${usual[@]}" --scalling_mode axis
  says "an unknown flag: the message names it" 'scalling[_-]mode'
  says "an unknown flag: the message suggests the nearest" '--scaling[_-]mode'
  refuses 2 "an unknown flag that resembles nothing" "${usual[@]}" --zzzzqqqq
  says "an unknown flag that resembles nothing: named" 'zzzzqqqq'
  refuses 2 "a stray word" "${usual[@]}" stray
  says "a stray word: named" stray
  refuses 2 "no input" -o out/a
  says "no input: the message names --input" "'(-i|--input)'"
  refuses 2 "no arguments"
  refuses 2 "a name that begins with a dash" -i -model.safetensors -o out/a
  says "a name that begins with a dash: what to write" "'\./-model\.safetensors'.*'--input=-model\.safetensors'"
  cp in.safetensors ./-model.safetensors
  converts "a name that begins with a dash, behind =" --input=-model.safetensors --output=out/a
  converts "an expression that begins with a dash" "${usual[@]}" --force --exclude-layers=-x
  rm -f ./-model.safetensors out/*
}

bad_value() {  # FLAG VALUE [MORE..]
  refuses 2 "$*" "${usual[@]}" "$@"
  says "$*: the message names the flag" "${1//[_-]/[_-]}"
  check "$*: the message has the value (the message is: $error)" grep -Fq -- "$2" <<<"$error"
}
bad_values() {
  local flag
  for flag in -i -o --exclude-layers --include-layers --custom-layers --layer-config --preset --log --quant-filter --merge-lora \
    --calibration-data --threads --recipe --max-shard-size --report-quality; do
    refuses 2 "$flag with an empty value" "${usual[@]}" "$flag" ''
    says "$flag with an empty value: named" "'-*${flag//-/.}' got an empty value"
  done
  refuses 2 "--exclude-layers= and nothing" "${usual[@]}" --exclude-layers=
  says "--exclude-layers= and nothing: named" "'--exclude-layers' got an empty value, takes REGEX"
  refuses 2 "an empty argument" '' "${usual[@]}"
  bad_value --max-shard-size -1
  bad_value --memory-budget -5G
  bad_value --fail-below nan
  bad_value --fail-below inf
  bad_value --quality-threshold nan
  bad_value --manual_seed 99999999999999999999
  bad_value --manual_seed 0x10
  bad_value --manual_seed 1.5
  bad_value --num_iter 99999999999999999999
  bad_value --threads 99999999999
  bad_value --scaling_mode diagonal
  bad_value --block_size 100
  bad_value --block_size 8
  bad_value --block_size 512
  bad_value --block_size twelve
  bad_value --convrot-group-size 128 --scaling_mode axis --convrot
  bad_value --rounding down
  bad_value --optimizer sgd
  bad_value --threads -1
  bad_value --threads many
  bad_value --device tpu
  bad_value --verbose LOUD
  bad_value --preset nosuchfamily
  bad_value --dry-run create-cake
  bad_value --exclude-layers '(unclosed'
  bad_value --include-layers '[z-a]'
  bad_value --custom-layers '(unclosed' --custom-type fp16
  bad_value --custom-layers nowhere --custom-type fp16
  bad_value --include-layers nowhere
  bad_value --custom-type int7 --custom-layers attn
  bad_value --custom-block-size 100 --custom-layers attn
  bad_value --custom-scaling-mode diagonal --custom-layers attn
  bad_value --fallback int7
  bad_value --fallback-block-size 8 --fallback int8
  bad_value --memory-budget 12QB
  bad_value --max-shard-size 12QB
  bad_value --max-shard-size 1000
  bad_value --verify somewhat
  bad_value --nan maybe
  bad_value --recipe cake
  bad_value --comfy_target nowhere
  bad_value --quality-threshold high
  bad_value --manual_seed seven
  bad_value --scale_optimization best
  bad_value --sqnr-budget -1
  bad_value --num_iter 0
  bad_value --lr 0
  bad_value --lr_schedule cosine
  bad_value --lr_adaptive_mode never
  bad_value --lr-threshold-mode both
  bad_value --lr_gamma 2
  bad_value --lr_factor 1
  bad_value --lr-shape-influence 3
  bad_value --top_p 1.5
  bad_value --min_k 0
  bad_value --early-stop-stall 0
  bad_value --calib_samples none
}

progress() {
  "$bin/convert_to_quant" "${usual[@]}" --progress loud >stdout 2>stderr
  check "--progress loud: status 2" test $? = 2
  check "--progress loud: the message names flag and value" grep -Eq '^convert_to_quant: error: .*--progress.*loud' stderr
  "$bin/convert_to_quant" "${usual[@]}" --force --progress plain >stdout 2>stderr
  check "--progress plain has a line for every layer" test "$(cat stdout stderr | grep -c 'blocks\.[01]\.[a-z]*\.weight')" -ge 3
  "$bin/convert_to_quant" "${usual[@]}" --force --progress bar >stdout 2>stderr
  check "--progress bar: status 0" test $? = 0
  rm -f out/*
  "$bin/convert_to_quant" "${usual[@]}" --progress json >stdout 2>stderr
  check "--progress json: status 0" test $? = 0
  check "--progress json: one object a line, nothing else" test -z "$(grep -v '^{"event":"[a-z]*",.*}$' stderr)"
  check "--progress json: messages" grep -q '^{"event":"message","text":"recipe comfyui' stderr
  check "--progress json: the last step has all bytes" bash -c 'tail -1 stderr | grep -Eq "\"bytes_done\":([0-9]+),\"bytes\":\1,"'
  check "--progress json: the last line of the output is the path" test "$(tail -1 stdout)" = out/a
  rm -f out/*
}

log() {
  converts "--log" "${usual[@]}" --log run.log
  check "--log has a line a tensor" test "$(grep -c '^\[[0-9]*/[0-9]*\].*blocks\.[01]\.[a-z]*\.weight' run.log)" -ge 3
  check "--log has the summary and the path" test "$(tail -1 run.log)" = out/a
  refuses 73 "a run that fails" "${usual[@]}" --log run.log
  check "--log keeps what was there, and has the error" bash -c 'grep -q "^out/a$" run.log && tail -1 run.log | grep -q "^error: .*out/a"'
  refuses 73 "a log in a folder that is not there" "${usual[@]}" --force --log none/run.log
  says "a log in a folder that is not there: named" '\-\-log'
  refuses 2 "a log in the report's file" "${usual[@]}" --force --log run.txt --report-quality run.txt
  converts "a log on a full disk" "${usual[@]}" --force --log /dev/full
  check "a log on a full disk: said once" test "$(grep -c '^warning: the log ends here' stderr)" = 1
  cp in.safetensors model.txt
  refuses 2 "a log over the input" -i model.txt -o out/b --log model.txt
  check "a log over the input: it is untouched" cmp in.safetensors model.txt
  echo '{}' >known.json
  refuses 2 "a report over an input" "${usual[@]}" --force --calibration-data known.json --report-quality ./known.json
  check "a report over an input: it is untouched" test "$(cat known.json)" = '{}'
  cp known.json directions.json
  refuses 2 "a report over a LoRA" "${usual[@]}" --force --calibration-lora directions.json --report-quality directions.json
  check "a report over a LoRA: it is untouched" cmp known.json directions.json
  rm -f out/* run.log model.txt {known,directions}.json
}

contradictions() {
  refuses 2 "--fp16 --convrot" "${usual[@]}" --fp16 --convrot
  says "--fp16 --convrot: named" 'convrot'
  refuses 2 "--convrot with block scaling" "${usual[@]}" --convrot --scaling_mode block
  says "--convrot with block scaling: named" 'convrot'
  refuses 2 "--fp16 --int8" "${usual[@]}" --fp16 --int8
  refuses 2 "--simple with a solver" "${usual[@]}" --simple --optimizer coordinate
  says "--simple with a solver: named" 'optimizer coordinate'
  refuses 2 "--simple with searched scales" "${usual[@]}" --simple --scale_optimization mse
  refuses 2 "--fp16 with a solver" "${usual[@]}" --fp16 --optimizer adamw
  refuses 2 "a solver with stochastic rounding" "${usual[@]}" --optimizer coordinate --rounding stochastic
  refuses 2 "--smoothquant for stock ComfyUI" "${usual[@]}" --smoothquant --comfy_quant
  says "--smoothquant for stock ComfyUI: the reason" 'drops the smoothing factors'
  refuses 2 "dense rotations that are stored" "${usual[@]}" --optimizer quip --quip-store-transformed --no-quip-hadamard
  refuses 2 "--quip-store-transformed for stock ComfyUI" "${usual[@]}" --optimizer quip --quip-store-transformed
  says "--quip-store-transformed for stock ComfyUI: the reason" 'stock ComfyUI takes the codes'
  refuses 2 "--static-activations without calibration data" "${usual[@]}" --static-activations
  says "--static-activations without calibration data: what is missing" 'calibration-data'
}

per_layer() {
  converts "--custom-layers" "${usual[@]}" --scaling_mode axis --comfy_quant --custom-layers 'mlp|proj' --custom-type fp16
  check "--custom-type fp16: F16 numbers" test "$(dtype_of out/a blocks.1.mlp.weight)" = F16
  check "--custom-type fp16: no scales" test -z "$(dtype_of out/a blocks.1.mlp.weight_scale)"
  check "--custom-layers leaves the others" test "$(dtype_of out/a blocks.0.attn.weight)" = I8
  rm -f out/*
  converts "--custom-scaling-mode" "${usual[@]}" --scaling_mode axis --comfy_quant --custom-layers mlp --custom-scaling-mode block \
    --custom-block-size 64 --custom-simple
  check "--custom-scaling-mode and --custom-block-size: the marker" \
    test "$(bytes_of out/a blocks.1.mlp.comfy_quant)" = '{"format": "int8_blockwise", "group_size": 64}'
  check "other layers keep the run's scaling" \
    test "$(bytes_of out/a blocks.0.attn.comfy_quant)" = '{"format": "int8_tensorwise", "per_row": true}'
  mv out/a custom
  converts "--simple --custom-*" "${usual[@]}" --scaling_mode block --block_size 64 --comfy_quant --simple
  check "--custom-simple gives the codes of --simple" cmp <(bytes_of custom blocks.1.mlp.weight) <(bytes_of out/a blocks.1.mlp.weight)
  check "without it other layers differ from --simple" \
    bash -c '! cmp -s "$1" "$2"' _ <(bytes_of custom blocks.0.attn.weight) <(bytes_of out/a blocks.0.attn.weight)
  rm -f out/* custom
  converts "--custom-heur" "${usual[@]}" --custom-layers 'embed|mlp' --custom-type int8 --custom-heur
  check "--custom-heur keeps what its blocks do not divide" test "$(dtype_of out/a embed.weight)" = F16
  rm -f out/*
  refuses 2 "--custom-layers that cannot be stored" "${usual[@]}" --scaling_mode axis --custom-layers 'embed|proj' --custom-block-size 256
  says "the layer is named" "embed.weight' \\[100, 512\\] is not divisible by blocks of 256"
  converts "--fallback" "${usual[@]}" --comfy_quant --exclude-layers attn --fallback fp16
  check "--fallback fp16 stores what --exclude-layers keeps as F16" test "$(dtype_of out/a blocks.0.attn.weight)" = F16
  check "--fallback leaves 1-D tensors" test "$(dtype_of out/a blocks.0.attn.bias)" = BF16
  rm -f out/*
  converts "--fallback int8" "${usual[@]}" --comfy_quant --fp16 --exclude-layers attn --fallback int8 --fallback-block-size 32 --fallback-simple
  check "--fallback int8: the marker" test "$(bytes_of out/a blocks.0.attn.comfy_quant)" = '{"format": "int8_blockwise", "group_size": 32}'
  check "--fallback int8: the others are FP16" test "$(dtype_of out/a blocks.1.mlp.weight)" = F16
  rm -f out/*
  refuses 2 "--custom-type alone" "${usual[@]}" --custom-type fp16
  refuses 2 "--custom-layers alone" "${usual[@]}" --custom-layers attn
  refuses 2 "--fallback-simple alone" "${usual[@]}" --fallback-simple
  refuses 2 "--custom-scaling-mode of FP16" "${usual[@]}" --custom-layers attn --custom-type fp16 --custom-scaling-mode axis
  converts "--custom-simple of FP16" "${usual[@]}" --custom-layers attn --custom-type fp16 --custom-simple
  check "--custom-simple of FP16 says that it changes nothing" grep -q -- '--custom-simple changes nothing here' stderr
  rm -f out/*
}

layer_config() {
  cat >layers.json <<'JSON'
{"_comment": "attention as INT8 with scales a row, the rest of block 1 as FP16",
 "_default": {"format": "keep"},
 "attn": {"format": "int8_axiswise", "convrot": true, "convrot_groupsize": 64, "full_precision_matrix_mult": true},
 "blocks\\.1\\..*": {"format": "fp16"},
 "mlp": {"block_size": 64, "simple": true}}
JSON
  converts "--layer-config" "${usual[@]}" --comfy_quant --layer-config layers.json
  check "--layer-config: format, rotation and precision" test "$(bytes_of out/a blocks.0.attn.comfy_quant)" = \
    '{"format": "int8_tensorwise", "per_row": true, "convrot": true, "convrot_groupsize": 64, "full_precision_matrix_mult": true}'
  check "--layer-config: the more specific pattern wins" test "$(dtype_of out/a blocks.1.mlp.weight)" = F16
  check "--layer-config: _default" test "$(dtype_of out/a embed.weight)" = F16
  converts "--layer-config alone is a format flag" "${usual[@]}" --force --layer-config layers.json
  check "--layer-config alone writes no markers" test -z "$(dtype_of out/a blocks.0.attn.comfy_quant)"
  rm -f out/*
  echo '{"attn": {"skip": true}, "blocks.*": {"format": "fp16"}}' >layers.json
  refuses 2 "--fullmatch with a pattern that matches part of a name" "${usual[@]}" --layer-config layers.json --fullmatch
  says "--fullmatch: the pattern is named" "'attn' matches no weight"
  converts "--layer-config without --fullmatch" "${usual[@]}" --layer-config layers.json
  check "--layer-config: equal patterns, the longer literal wins" test "$(dtype_of out/a blocks.0.attn.weight)" = F16
  refuses 2 "--fullmatch alone" "${usual[@]}" --fullmatch
  refuses 66 "--layer-config that is missing" "${usual[@]}" --layer-config nowhere.json
  refuses 73 "--layer-config as the output" -i in.safetensors -o layers.json --force --layer-config layers.json
  check "the layer configuration is untouched" grep -q attn layers.json
  local broken
  for broken in '' '{' '[]' '{}' '{"attn": {}} x' '{"attn": {}, "attn": {}}' '{"attn": {"bits": 8}}' '{"attn": {"format": "int3"}}' '{"a(b": {}}' \
    '{"embed": {"block_size": 64}}' '{"attn": 1}' '{"attn": {"block_size": 1e2}}' '{"(x+x+)+y|a": {}, "q": {}}' \
    "{\"$(printf 'x%.0s' {1..1001})\": {}}" "{\"$(printf '(%.0s' {1..450})a$(printf ')%.0s' {1..450})\": {}, \"q\": {}}"; do
    echo "$broken" >broken.json
    refuses 2 "--layer-config ${broken:0:60}" "${usual[@]}" --force --layer-config broken.json
    says "--layer-config ${broken:0:60}: named" 'layer-config'
  done
  for broken in '{"nowhere": {}}' '{"norm": {}}'; do
    echo "$broken" >broken.json
    refuses 65 "--layer-config $broken, of which nothing is used" "${usual[@]}" --force --layer-config broken.json
    says "--layer-config $broken: named" 'layer-config'
  done
  head -c 2000000 /dev/zero >broken.json
  refuses 2 "--layer-config of two megabytes" "${usual[@]}" --force --layer-config broken.json
  rm -f out/*
}

template() {  # FLAG..: a model converted with the template of a run is that run's model
  converts "the run with $*" "${usual[@]}" --force "$@"
  mv out/a expected
  converts "--dry-run create-template $*" "${usual[@]}" "$@" --dry-run create-template
  check "--dry-run create-template writes nothing" holds_only out
  cp stdout layers.json
  if (($# > 0)); then  # --layer-config alone is a format flag
    converts "the template beside the same flags" "${usual[@]}" "$@" --layer-config layers.json
    check "the template of $* gives the same file beside the same flags" cmp expected out/a
  fi
  local beside
  beside=$(sed -nE 's/.*--layer-config, beside ([^"]*)",$/\1/p' layers.json)
  # shellcheck disable=SC2086
  converts "the template of $* beside '$beside'" "${usual[@]}" --force $beside --layer-config layers.json
  check "the template of $* gives the same file beside '$beside'" cmp expected out/a
  rm -f out/*
}
templates() {
  template
  template --recipe engine
  template --recipe fork --simple
  template --fp16 --fallback int8 --exclude-layers attn
  template --comfy_quant --custom-layers 'mlp|embed' --custom-type fp16 --full_precision_matrix_mult
  template --scaling_mode axis --convrot --convrot-group-size 64 --preset none
  template --fp8 --scaling_mode tensor --comfy_quant
  template --comfy_quant --custom-layers mlp --custom-type fp8
}

fp8() {
  converts "--fp8" "${usual[@]}" --fp8 --scaling_mode tensor --comfy_quant
  check "--fp8: E4M3 codes" test "$(dtype_of out/a blocks.0.attn.weight)" = F8_E4M3
  check "--fp8: the marker" test "$(bytes_of out/a blocks.0.attn.comfy_quant)" = '{"format": "float8_e4m3fn"}'
  check "--fp8 --scaling_mode tensor loads in stock ComfyUI" grep -q 'loads in stock ComfyUI' stderr
  rm -f out/*
  converts "--fp8 in blocks" "${usual[@]}" --fp8 --block_size 64 --comfy_quant
  check "--fp8: blocks" test "$(bytes_of out/a blocks.0.attn.comfy_quant)" = '{"format": "float8_e4m3fn_blockwise", "group_size": 64}'
  check "--fp8 in blocks names who loads it" grep -q 'not in stock ComfyUI' stderr
  rm -f out/*
  converts "--recipe comfyui --fp8" "${usual[@]}" --recipe comfyui --fp8
  check "--recipe comfyui --fp8 has one scale a tensor" test "$(bytes_of out/a blocks.0.attn.comfy_quant)" = '{"format": "float8_e4m3fn"}'
  rm -f out/*
  converts "--fp8 without markers" "${usual[@]}" --fp8 --scaling_mode tensor
  check "--fp8 without markers: the older name" test "$(dtype_of out/a blocks.0.attn.scale_weight)" = F32
  rm -f out/*
  local name
  for name in coordinate adamw quip; do
    converts "--fp8 --optimizer $name" "${usual[@]}" --fp8 --scaling_mode tensor --force --optimizer $name --num_iter 5 --min_k 8
  done
  converts "--fp8 --scale_optimization mse" "${usual[@]}" --fp8 --force --scale_optimization mse
  rm -f out/*
  converts "--custom-type fp8" "${usual[@]}" --scaling_mode axis --comfy_quant --custom-layers mlp --custom-type fp8
  check "--custom-type fp8 beside axis scaling has one scale a tensor" \
    test "$(bytes_of out/a blocks.1.mlp.comfy_quant)" = '{"format": "float8_e4m3fn"}'
  rm -f out/*
  converts "--fallback fp8" "${usual[@]}" --comfy_quant --exclude-layers attn --fallback fp8
  check "--fallback fp8" test "$(dtype_of out/a blocks.0.attn.weight)" = F8_E4M3
  rm -f out/*
  converts "--fp8, no output path" -i in.safetensors --fp8 --simple --comfy_quant
  check "the derived name of --fp8" test -f in_simple_fp8_bs128.safetensors
  rm -f in_*.safetensors
  echo '{"attn": {"format": "float8_e4m3fn"}, "mlp": {"format": "float8_e4m3fn_blockwise", "block_size": 64}}' >layers.json
  converts "--layer-config with FP8" "${usual[@]}" --comfy_quant --layer-config layers.json
  check "--layer-config: float8_e4m3fn" test "$(bytes_of out/a blocks.0.attn.comfy_quant)" = '{"format": "float8_e4m3fn"}'
  check "--layer-config: float8_e4m3fn_blockwise" test "$(bytes_of out/a blocks.1.mlp.comfy_quant)" = \
    '{"format": "float8_e4m3fn_blockwise", "group_size": 64}'
  rm -f out/*
  echo '{"attn": {"format": "float8_e4m3fn", "scaling_mode": "axis"}}' >layers.json
  refuses 2 "--layer-config with FP8 and a scale a row" "${usual[@]}" --comfy_quant --layer-config layers.json
  refuses 2 "--fp8 --int8" "${usual[@]}" --fp8 --int8
  refuses 2 "--fp8 --fp16" "${usual[@]}" --fp8 --fp16
  refuses 2 "--fp8 with a scale a row" "${usual[@]}" --fp8 --scaling_mode axis
  says "--fp8 with a scale a row: what it takes" 'tensor or block'
  refuses 2 "--fp8 --convrot" "${usual[@]}" --fp8 --convrot
  refuses 2 "--fp8 --smoothquant" "${usual[@]}" --fp8 --smoothquant
  refuses 2 "--fp8, transformed storage" "${usual[@]}" --fp8 --optimizer quip --quip-store-transformed
  refuses 2 "--custom-type fp8 with a scale a row" "${usual[@]}" --custom-layers attn --custom-type fp8 --custom-scaling-mode axis
}

requantize() {
  converts "a quantized model to begin with" "${usual[@]}" --comfy_quant --scaling_mode axis --convrot --save-quant-metadata
  mv out/a quantized.safetensors
  local again=(-i quantized.safetensors -o out/a)
  refuses 2 "a quantized input" "${again[@]}"
  says "a quantized input: named, with what it is and the flag" "'blocks\.0\.attn' is int8_tensorwise \+ convrot.*--requantize"
  refuses 2 "a quantized input, dry run" "${again[@]}" --dry-run
  check "a refused input leaves nothing" holds_only out
  converts "--requantize" "${again[@]}" --requantize --comfy_quant --block_size 64 --report-quality requantized.json
  check "--requantize: what its figures are against, as a note, in the summary and in the report" test 3 = \
    "$(cat stdout stderr requantized.json | grep -c 'layers decoded in FP32 and quantized again; .* not against the weights they once were')"
  check "--requantize: the new marker" test "$(bytes_of out/a blocks.0.attn.comfy_quant)" = '{"format": "int8_blockwise", "group_size": 64}'
  check "--requantize: no stale metadata" bash -c '! grep -aq _quantization_metadata out/a'
  rm -f out/*
  converts "--requantize, some layers" "${again[@]}" --requantize --comfy_quant --exclude-layers mlp
  check "--requantize: what stays keeps its marker" grep -q convrot <<<"$(bytes_of out/a blocks.1.mlp.comfy_quant)"
  check "--requantize: what stays keeps its entry in the metadata" bash -c 'head -c 4096 out/a | grep -aq "_quantization_metadata.*blocks.1.mlp"'
  rm -f out/*
  converts "a quantized input of which nothing is chosen" "${again[@]}" --exclude-layers .
  check "a quantized input of which nothing is chosen keeps its metadata" grep -aq '_quantization_metadata.*convrot_groupsize' out/a
  check "a quantized input of which nothing is chosen: a note" grep -q 'layers already quantized, kept' stderr
  rm -f out/*
  converts "--requantize of a model of numbers" "${usual[@]}" --requantize
  check "--requantize of a model of numbers: a note" grep -q 'note: --requantize changes nothing' stderr
  rm -f out/*
  converts "QuIP's storage" "${usual[@]}" --optimizer quip --quip-store-transformed --recipe engine
  mv out/a quip.safetensors
  refuses 2 "QuIP's storage as an input" -i quip.safetensors -o out/a --requantize
  says "QuIP's storage as an input: why" "QuIP"
  rm -f quantized.safetensors quip.safetensors requantized.json
}

convert_legacy() {
  converts "a file of the older form to begin with" "${usual[@]}" --fp8 --scaling_mode tensor
  mv out/a older.safetensors
  converts "--convert-legacy" -i older.safetensors -o out/a --convert_legacy
  check "--convert-legacy: the marker" test "$(bytes_of out/a blocks.0.attn.comfy_quant)" = '{"format": "float8_e4m3fn"}'
  check "--convert-legacy: the newer name" test "$(dtype_of out/a blocks.0.attn.weight_scale)" = F32
  check "--convert-legacy: where it loads" grep -q 'loads in stock ComfyUI' stderr
  refuses 73 "--convert-legacy over a file that is there" -i older.safetensors -o out/a --convert_legacy
  refuses 73 "--convert-legacy over its input" -i older.safetensors -o older.safetensors --convert_legacy --force
  rm -f out/*
  converts "--convert-legacy --dry-run" -i older.safetensors -o out/a --convert_legacy --dry-run
  check "--convert-legacy --dry-run writes nothing" holds_only out
  converts "--convert-legacy, no output path" -i older.safetensors --convert_legacy
  check "the derived name of --convert-legacy" test -f older_markers.safetensors
  refuses 2 "--convert-legacy of what has its markers" -i older_markers.safetensors -o out/a --convert_legacy
  refuses 2 "--convert-legacy with a flag of quantizing" -i older.safetensors -o out/a --convert_legacy --simple
  says "--convert-legacy with a flag of quantizing: named" "'--simple' contradicts '--convert-legacy'"
  rm -f older.safetensors older_markers.safetensors
}

unbuilt() {  # FLAG [VALUE]
  refuses 2 "$*" "${usual[@]}" "$@"
  says "$*: named" "${1//[_-]/[_-]}"
}
unbuilt_flags() {
  local flag
  for flag in --streaming --streaming-aggressive \
    --no-memory-limits --verbose-pinned; do
    unbuilt $flag
  done
  unbuilt --streaming-mode auto
  unbuilt --bf16-compute on
  unbuilt --device cuda
}

spellings() {
  converts "underscores" "${usual[@]}" --comfy_quant --scaling_mode block --block_size 64
  converts "dashes" -i in.safetensors -o out/b --comfy-quant --scaling-mode block --block-size 64
  check "both spellings are one flag" cmp out/a out/b
  converts "--flag=value" -i in.safetensors -o out/b --force --comfy-quant --scaling-mode=block --block-size=64
  check "--flag=value is --flag value" cmp out/a out/b
  converts "--scaling_mode axis" -i in.safetensors -o out/a --force --comfy_quant --scaling_mode axis
  converts "--scaling_mode row" -i in.safetensors -o out/b --force --comfy_quant --scaling_mode row
  check "row is an alias of axis" cmp out/a out/b
  converts "--group_size" -i in.safetensors -o out/a --force --comfy_quant --group_size 64
  converts "--block_size" -i in.safetensors -o out/b --force --comfy_quant --block_size 64
  check "--group_size is an alias of --block_size" cmp out/a out/b
  rm -f out/*
}

learned() {
  local name
  for name in coordinate original adamw radam prodigy; do
    converts "--optimizer $name" "${usual[@]}" --force --optimizer $name --num_iter 5 --lr 0.01 --min_k 8 --report-quality out/report.txt
    check "--optimizer $name is in the report" grep -q "$name, k = " out/report.txt
    check "--optimizer $name leaves no report of a worse objective" test -z "$(grep -- 'solved.*-[0-9]' stdout)"
  done
  converts "--lr_schedule plateau" "${usual[@]}" --force --optimizer adamw --num_iter 5 --lr_schedule plateau --lr_patience 1 --lr_cooldown 0
  converts "--lr_schedule exponential" "${usual[@]}" --force --optimizer adamw --num_iter 5 --lr_schedule exponential --lr_gamma 0.9
  converts "--full_matrix" "${usual[@]}" --force --optimizer coordinate --full_matrix
  converts "--scale_optimization mse" "${usual[@]}" --force --scale_optimization mse
  check "mse without calibration data warns" grep -q 'warning: --scale_optimization mse' stderr
  rm -f out/*
}

no_effect() {
  converts "--num_iter without a solver" "${usual[@]}" --num_iter 5 --calib_samples 3
  check "--num_iter says that it changes nothing" grep -q -- '--num-iter changes nothing here' stderr
  check "--calib_samples says that it changes nothing" grep -q -- '--calib_samples changes nothing' stderr
  rm -f out/*
  converts "--block_size with axis scaling" "${usual[@]}" --comfy_quant --scaling_mode axis --block_size 64
  check "a flag that changes nothing says so" grep -q -- '--block_size changes nothing' stdout stderr
  rm -f out/*
  converts "flags of markers, scales and random numbers" "${usual[@]}" --recipe engine --full_precision_matrix_mult --no-normalize-scales \
    --manual_seed 5
  local flag
  for flag in --full-precision-matrix-mult --no-normalize-scales --manual-seed; do
    check "$flag says that it changes nothing" grep -q -- "note: $flag changes nothing here" stderr
  done
  rm -f out/*
  converts "the same flags where they are read" "${usual[@]}" --comfy_quant --scaling_mode tensor --full_precision_matrix_mult \
    --no-normalize-scales --rounding stochastic --manual_seed 5
  check "flags that are read have no note" bash -c '! grep -q "changes nothing" stderr'
  rm -f out/*
}

help() {
  local flag
  for flag in --help -h --help-experimental -he --help-filters -hf --help-advanced -ha --version; do
    converts "$flag" $flag
    check "$flag prints something" test -s stdout
    check "$flag prints no error" test ! -s stderr
  done
  check "--version has the version" grep -Eq '[0-9]+\.[0-9]+\.[0-9]+' stdout
}

dry_run() {
  converts "--dry-run analyze" "${usual[@]}" --dry-run analyze
  check "--dry-run writes nothing" holds_only out
  cp stdout analysis
  converts "--dry-run without a value" "${usual[@]}" --dry-run
  check "--dry-run alone is analyze" cmp stdout analysis
  converts "the run" "${usual[@]}"
  converts "--dry-run with a limit of quality" "${usual[@]}" --force --dry-run --fail-below 99
  check "--dry-run with a limit of quality: a note" grep -q 'note: --fail-below changes nothing here' stdout stderr
  check "--dry-run tells the exact size" grep -Eq "$(stat -c %s out/a | sed -E ':a; s/([0-9])([0-9]{3})($|\[)/\1[, _]?\2\3/; ta')" analysis
  rm -f out/*
}

quality() {
  refuses 3 "--fail-below 200" "${usual[@]}" --fail-below 200 --report-quality report.json
  check "--fail-below: the report is written" test -s report.json
  check "--fail-below: the file is not published" holds_only out
  converts "--fail-below 10" "${usual[@]}" --fail-below 10 --report-quality report.txt
  check "the text report is written" test -s report.txt
  converts "a page" "${usual[@]}" --force --report-quality report.html
  check "the page is written" grep -q '</html>' report.html
  refuses 2 "a report of another kind" "${usual[@]}" --force --report-quality report.pdf
  rm -f out/*
}

derived_name() {
  converts "no output path" -i in.safetensors
  check "the derived name of the default recipe" test -f in_comfyui_int8.safetensors
  converts "no output path, block scales" -i in.safetensors --comfy_quant --simple
  check "the derived name with format flags" test -f in_simple_int8_bs128.safetensors
  rm -f in_*.safetensors
}

verbose() {
  converts "--verbose NORMAL" "${usual[@]}" --force --verbose NORMAL
  check "--verbose NORMAL shows no table" bash -c '! grep -q "^count  name" stderr'
  converts "--verbose VERBOSE" "${usual[@]}" --force --verbose VERBOSE
  check "--verbose VERBOSE shows the plan by patterns" grep -q "^count  name" stderr
  converts "--verbose DEBUG" "${usual[@]}" --force --verbose DEBUG
  check "--verbose DEBUG shows every tensor" grep -q "^  .*: kept, " stderr
  rm -f out/*
}

quiet() {
  refuses 2 "--quiet --verbose DEBUG" "${usual[@]}" --quiet --verbose DEBUG
  converts "--quiet" "${usual[@]}" --quiet
  check "--quiet prints the output's path and nothing else" cmp <(echo out/a) <(cat stdout stderr)
  rm -f out/*
}

unknown
bad_values
progress
log
contradictions
per_layer
layer_config
templates
fp8
requantize
convert_legacy
unbuilt_flags
check "refused runs left nothing" holds_only out
spellings
learned
no_effect
help
dry_run
quality
derived_name
verbose
quiet
finish
