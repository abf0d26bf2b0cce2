#!/usr/bin/env bash
# Names and habits: outputs called after what was done, the input without -i, names that other tools use, edits that add tensors.
source "$(dirname "$0")/../reliability/support.sh"
cd "$scratch" || exit 1
small_model model.safetensors
mkdir loras painting
for lora in loras/style painting/adapter_model; do
  make_model $lora.safetensors --seed ${#lora} blocks.0.attn.lora_A.weight:F32:4x512 blocks.0.attn.lora_B.weight:F32:512x4
done
make_model inputs.safetensors blocks.0.attn.input:F32:64x512 blocks.1.mlp.input:F32:64x256 blocks.1.proj.input:F32:64x768

names_follow_from_what_was_done() {  # the file's name behind "model_", and the flags of the run
  local name flags words
  while IFS='|' read -r name flags; do
    read -ra words <<<"$flags"
    converts "'$flags', after all those before it" -i model.safetensors --preset none "${words[@]}"
    check "'$flags' writes model_$name.safetensors, not $(tail -1 stdout)" test -f "model_$name.safetensors"
  done <<'RUNS'
comfyui_int8|
comfyui_int8_simple|--simple
comfyui_int8_calibrated|--calibration-data inputs.safetensors
comfyui_int8_gptq|--calibration-data inputs.safetensors --optimizer gptq
comfyui_int8_tensor|--recipe comfyui --scaling_mode tensor
comfyui_fp8_tensor|--recipe comfyui --fp8
int8_block128|--comfy_quant
int8_block64|--comfy_quant --block_size 64
int8_axis|--comfy_quant --scaling_mode axis
int8_tensor|--comfy_quant --scaling_mode tensor
int8_axis_convrot64|--comfy_quant --scaling_mode axis --convrot --convrot-group-size 64
int8_axis_quip_nearest|--comfy_quant --optimizer quip
int8_axis_quip_transformed_nearest_unmarked|--recipe engine --optimizer quip --quip-store-transformed
int8_axis_quip_transformed_unmarked|--recipe engine --optimizer quip --quip-store-transformed --calibration-data inputs.safetensors
comfyui_int8_lora_style|--merge-lora loras/style.safetensors
comfyui_int8_lora_style@0.5|--merge-lora loras/style.safetensors:0.5
comfyui_int8_lora_painting|--merge-lora painting/adapter_model.safetensors
comfyui_int8_lora_style+painting@0.9|--merge-loras loras/style.safetensors painting/adapter_model.safetensors
comfyui_int8_lora_style+painting|--merge-loras loras/style.safetensors painting/adapter_model.safetensors --no-merge-lora-dampen
int8_block128_simple_lora_style|--comfy_quant --simple --merge-lora loras/style.safetensors
int8_axis_quip|--comfy_quant --optimizer quip --calibration-data inputs.safetensors
int8_block128_gptq_nearest|--comfy_quant --optimizer gptq
int8_block128_gptq|--comfy_quant --optimizer gptq --calibration-data inputs.safetensors
int8_block128_mse|--comfy_quant --scale_optimization mse
int8_block128_adamw|--comfy_quant --optimizer adamw --num_iter 2 --min_k 2
int8_block128_unmarked|--recipe engine
int8_block128_simple_unmarked|--simple --int8
int8_axis_fork|--comfy_quant --comfy_target fork --scaling_mode axis
int8_block128_stochastic|--comfy_quant --rounding stochastic
int8_block128_full_precision|--comfy_quant --full_precision_matrix_mult
int8_block128+fp16|--comfy_quant --custom-layers attn --custom-type fp16
int8_block128+int8_tensor|--comfy_quant --custom-layers attn --custom-scaling-mode tensor
fp8_tensor_unmarked|--fp8 --scaling_mode tensor
fp16|--fp16
simple_int8_bs128|--comfy_quant --simple
simple_int8_bs32|--comfy_quant --simple --block_size 32
simple_fp8_bs128|--comfy_quant --fp8 --simple
learned_int8_bs128|--comfy_quant --optimizer original --num_iter 2 --min_k 2
RUNS
  refuses 73 "the same run again" -i model.safetensors --preset none
  rm -f model_*
}

the_input_without_a_flag() {
  converts "with -i" -i model.safetensors -o with.safetensors --preset none
  local arguments
  for arguments in 'model.safetensors --preset none' '--preset none model.safetensors' '--comfy_quant model.safetensors --preset none --scaling_mode axis --convrot' \
    '--preset none --verify full model.safetensors'; do
    # shellcheck disable=SC2086
    converts "$arguments" $arguments -o without.safetensors --force
    check "$arguments: the same file" cmp with.safetensors without.safetensors
  done
  converts "behind a flag that may stand alone" --preset none --dry-run model.safetensors
  check "a dry run of it" grep -q '^output: ' stdout
  converts "behind another" --preset none -o report.safetensors --report-quality model.safetensors
  converts "a dry run's word is none" --dry-run analyze model.safetensors
  mkdir analyze
  converts "not even where a folder is called so" --dry-run analyze model.safetensors
  converts "in front of a flag with several values" model.safetensors -o several.safetensors --preset none --calibration-data inputs.safetensors
  refuses 2 "behind a flag with several values" --preset none --calibration-data inputs.safetensors model.safetensors
  says "where to put it" "'-i' is missing.*in front of --calibration-data"
  refuses 2 "two inputs" model.safetensors inputs.safetensors
  says "two inputs: both are named" "'inputs.safetensors'.*'model.safetensors' already"
  refuses 2 "one with -i and one without" -i model.safetensors inputs.safetensors
  says "one with -i and one without: named" "'inputs.safetensors'"
  refuses 2 "none at all" --preset none
  says "none at all: named" "'-i' is missing"
  check "the help shows it" grep -q '\[-i\] MODEL' <("$bin/convert_to_quant" --help)
}

names_of_other_tools() {
  converts "prodigy" -i model.safetensors -o short.safetensors --preset none --comfy_quant --optimizer prodigy --num_iter 2 --min_k 2
  converts "ProdigyPlusScheduleFree" -i model.safetensors -o long.safetensors --preset none --comfy_quant --optimizer ProdigyPlusScheduleFree --num_iter 2 --min_k 2
  check "two names of one optimizer" cmp short.safetensors long.safetensors
  converts "create-template" -i model.safetensors --preset none --dry-run create-template
  cp stdout template
  converts "create_template" -i model.safetensors --preset none --dry-run create_template
  check "two names of one dry run" cmp stdout template
}

nearest_flags() {
  local flag
  for flag in --scaling_mod --optimiser --comfyquant --report --merge-loar --conv; do
    refuses 2 "$flag" -i model.safetensors "$flag" x
    says "$flag resembles another" 'the nearest known one is'
  done
  for flag in --foo --loss-function --workers --zzzzqqqq --dtype --gpu; do
    refuses 2 "$flag" -i model.safetensors "$flag" x
    check "$flag resembles nothing (the message is: $error)" bash -c '! grep -q nearest <<<"$1"' - "$error"
    says "$flag: the help is named" 'see --help'
  done
}

said_once() {
  converts "a conversion" -i model.safetensors -o once.safetensors --preset none --force
  check "what was chosen is said once" test "$(cat stdout stderr | grep -c 'recipe comfyui: ')" = 1
  check "the summary is printed once" test "$(cat stdout stderr | grep -c 'MiB -> ')" = 1
  converts "with a table" -i model.safetensors -o once.safetensors --preset none --force --report-quality
  check "what was chosen is said once beside a table" test "$(cat stdout stderr | grep -c 'recipe comfyui: ')" = 1
  check "sizes are printed once beside a table" test "$(cat stdout stderr | grep -c 'MiB -> ')" = 1
  check "medians are printed once beside a table" test "$(cat stdout stderr | grep -c 'median ')" = 1
  make_model one.safetensors blocks.0.attn.weight:BF16:512x512
  converts "one layer" -i one.safetensors -o once.safetensors --preset none --force --report-quality --quality-threshold 90
  check "one layer is no layers" bash -c '! grep -E "(^|[^0-9])1 (layers|tensors|biases)" stdout stderr'
  check "one layer" grep -q '  1 layer as ' stdout
  check "one layer in the table" grep -q 'over 1 layer; 1 below' stdout
  refuses 3 "one layer below" -i one.safetensors -o once.safetensors --preset none --force --fail-below 90
  says "one layer below" '1 layer is below'
}

dry_runs_name_what_a_loader_sees() {
  local words flags
  while IFS='|' read -r words flags; do
    # shellcheck disable=SC2086
    converts "a dry run of $flags" -i model.safetensors --preset none --dry-run $flags
    check "a dry run of $flags names '$words'" grep -Fq "quantize  $words  " stdout
  done <<'RUNS'
int8_tensorwise, per row, ConvRot 256|
int8_tensorwise, per row|--comfy_quant --scaling_mode axis
int8_axiswise|--comfy_quant --comfy_target fork --scaling_mode axis
int8_blockwise 128|--comfy_quant
int8_tensorwise|--comfy_quant --scaling_mode tensor
float8_e4m3fn|--fp8 --comfy_quant --scaling_mode tensor
fp16|--fp16
int8_axiswise + convrot 256|--scaling_mode axis --convrot
RUNS
}

tensors_are_added() {
  converts "a quantized file" -i model.safetensors -o made.safetensors --preset none --exclude-layers embed
  make_model more.safetensors extra.bias:F32:7 blocks.0.norm.weight:F32:512:zeros
  refuses 2 "a tensor that is there" -i made.safetensors --edit-quant --add-tensors more.safetensors
  says "a tensor that is there: named, with what to do" "--add-tensors got 'more.safetensors'.*'blocks.0.norm.weight' already.*--remove-keys"
  check "nothing is written" test ! -e made_edited.safetensors
  converts "a dry run" -i made.safetensors --edit-quant --add-tensors more.safetensors --remove-keys blocks.0.norm.weight --dry-run
  check "a dry run tells what is added" grep -q "tensor 'extra.bias' added: F32 \[7\]" stderr
  check "a dry run tells what is replaced" grep -q "tensor 'blocks.0.norm.weight' replaced: F32 \[512\]" stderr
  local bytes
  bytes=$(sed -n 's/.*would have \([0-9]*\) bytes.*/\1/p' stdout)
  converts "as the message says" -i made.safetensors --edit-quant --add-tensors more.safetensors --remove-keys blocks.0.norm.weight
  check "the size was known before" test "$(stat -c %s made_edited.safetensors)" = "$bytes"
  check "what is added lies there" cmp <(bytes_of made_edited.safetensors extra.bias) <(bytes_of more.safetensors extra.bias)
  check "what is replaced is the new one" cmp <(bytes_of made_edited.safetensors blocks.0.norm.weight) <(bytes_of more.safetensors blocks.0.norm.weight)
  check "weights are as they were" cmp <(bytes_of made_edited.safetensors blocks.0.attn.weight) <(bytes_of made.safetensors blocks.0.attn.weight)
  refuses 73 "the added file as the output" -i made.safetensors -o more.safetensors --force --edit-quant --add-tensors more.safetensors --remove-keys blocks.0.norm.weight
  refuses 66 "a file that is not there" -i made.safetensors --edit-quant --add-tensors none.safetensors
  make_model empty.safetensors </dev/null
  refuses 2 "a file without tensors" -i made.safetensors --force --edit-quant --add-tensors empty.safetensors
  says "a file without tensors: named" "'empty.safetensors' holds no tensor"
  # a layer with its marker, taken out of one file and put into another
  converts "without the layer" -i made.safetensors -o without.safetensors --force --edit-quant --save-quant-metadata \
    --remove-keys blocks.0.attn.weight,blocks.0.attn.weight_scale,blocks.0.attn.comfy_quant
  make_model alone.safetensors blocks.0.attn.weight:BF16:512x512
  converts "the layer alone" -i alone.safetensors -o layer.safetensors --preset none
  converts "both" -i without.safetensors -o whole.safetensors --edit-quant --add-tensors layer.safetensors --strict
  check "the metadata, which loaders believe first, has the added layer" bash -c 'head -c 20000 whole.safetensors | grep -aq "blocks.0.attn.*_quantization_metadata\|_quantization_metadata.*blocks.0.attn"'
  for input in made more; do
    cp $input.safetensors precious
    refuses 2 "an input as the log of an edit" -i made.safetensors -o new.safetensors --edit-quant --add-tensors more.safetensors --remove-keys blocks.0.norm.weight --log $input.safetensors
    says "an input as the log of an edit: named" "--log got '$input.safetensors', which is an input"
    check "an input as the log of an edit is as it was" cmp $input.safetensors precious
  done
  refuses 2 "without --edit-quant" -i model.safetensors --add-tensors more.safetensors
}

names_follow_from_what_was_done
the_input_without_a_flag
names_of_other_tools
nearest_flags
said_once
dry_runs_name_what_a_loader_sees
tensors_are_added
finish
