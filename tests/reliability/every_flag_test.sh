#!/usr/bin/env bash
# No flag is parsed and ignored: each name in the table of flags changes what a run makes, says or refuses, or a note tells that it does not.
#
# The names come from the program, so that a flag without a case here fails. A case is `NAMES|VALUE|CONTEXT`: the run of CONTEXT alone and
# that with the flag are compared by status, files, and all that is printed but for times.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
make_model in.safetensors blocks.0.attn.weight:BF16:128x128 blocks.0.attn.bias:BF16:128 blocks.1.mlp.weight:F32:96x256
make_model nan.safetensors blocks.0.attn.weight:F32:256x256:nan@7 blocks.1.attn.weight:F32:256x256
make_model big.safetensors blocks.0.attn.weight:F32:256x256:extremes blocks.1.attn.weight:F32:256x256
make_model inputs.safetensors blocks.0.attn.input:F32:256x128
lora=(blocks.0.attn.lora_A.weight:F32:4x128 blocks.0.attn.lora_B.weight:F32:128x4)
make_model lora.safetensors "${lora[@]}"
make_model other.safetensors "${lora[@]}"
make_model stray.safetensors "${lora[@]}" nobody.lora_A.weight:F32:4x128 nobody.lora_B.weight:F32:128x4
converts "a quantized file" -i in.safetensors -o made.safetensors --preset none
converts "a file of the older form" -i in.safetensors -o older.safetensors --preset none --fp8 --scaling_mode tensor
echo '{"attn": {"format": "fp16"}}' >layers.json
echo '{"mlp": {"format": "fp16"}, "blocks.*mlp": {"format": "int8_tensorwise"}}' >parts.json
echo precious >there

learned='--preset none --optimizer adamw --num_iter 20 --min_k 2'
plateau="$learned --lr_schedule plateau --lr 0.05 --lr_patience 0 --lr_cooldown 0"
gptq='--preset none --comfy_quant --calibration-data inputs.safetensors'
quip="$gptq --optimizer quip"
transformed='--preset none --recipe engine --optimizer quip --quip-store-transformed'
edit='-i made.safetensors --edit-quant'
cases() {
  cat <<CASES
-i,--input|made.safetensors|--preset none
-o,--output|elsewhere|--preset none
--recipe|engine|--preset none
--comfy_quant||--preset none --scaling_mode axis
--comfy_target|fork|--preset none --scaling_mode axis --comfy_quant
--int8,--fp16,--fp8||--preset none
--scaling_mode|tensor|--preset none --comfy_quant
--block_size,--group_size|32|--preset none --comfy_quant
--convrot||--preset none --comfy_quant --scaling_mode axis
--convrot-group-size|16|--preset none --comfy_quant --scaling_mode axis --convrot
--simple||--preset none
--optimizer|coordinate|--preset none --min_k 2
--rounding|stochastic|--preset none
--device|cpu|SAME --preset none
--threads|1|SAME --preset none
--force||--preset none -o there
--dry-run||--preset none
--report-quality||--preset none
--verbose|DEBUG|--preset none
--quiet||--preset none
--progress|json|--preset none
--requantize||--preset none -i made.safetensors
--max-shard-size|64K|--preset none
--resume||SAME --preset none
--log|log|--preset none
--edit-quant||--save-quant-metadata -i made.safetensors
--remove-keys|per_row|$edit --add-keys 'a':1
--add-keys|'b':1|$edit --remove-keys per_row
--add-tensors|lora.safetensors|$edit --remove-keys per_row
--quant-filter|attn|$edit --remove-keys per_row
--convert-legacy||-i older.safetensors
--preset|none|
--exclude-layers|mlp|--preset none
--include-layers|mlp|
--heur||--preset none --comfy_quant --block_size 64
--t5xxl,--mistral,--visual,--flux2,--distillation_large,--distillation_small,--nerf_large,--nerf_small,--radiance,--wan,--hunyuan,--qwen,--zimage,--zimage_refiner,--lora||
--layer-config|layers.json|--preset none
--fullmatch||--preset none --layer-config parts.json
--custom-layers|attn|--preset none --comfy_quant --custom-type fp16
--custom-type|fp16|--preset none --comfy_quant --custom-layers attn --custom-simple
--custom-block-size|64|--preset none --comfy_quant --custom-layers attn --custom-simple
--custom-scaling-mode|tensor|--preset none --comfy_quant --custom-layers attn --custom-simple
--custom-simple||--preset none --comfy_quant --custom-layers attn --custom-scaling-mode axis
--custom-heur||--preset none --comfy_quant --block_size 64 --custom-layers mlp --custom-scaling-mode axis
--fallback|int8|--preset none --exclude-layers attn
--fallback-block-size|64|--preset none --exclude-layers attn --fallback int8
--fallback-simple||--preset none --exclude-layers attn --fallback int8
--memory-budget|16M|SAME --preset none
--low-memory||SAME --preset none
--quality-threshold|90|--preset none
--fail-below|90|--preset none
--verify|full|SAME --preset none
--strict||--preset none --exclude-layers nowhere
--nan|keep|-i nan.safetensors
--fp16-overflow|keep|-i big.safetensors --preset none --fp16
--full_precision_matrix_mult,--save-quant-metadata||--preset none
--no-normalize-scales||--preset none --comfy_quant --scaling_mode tensor
--manual_seed|7|--preset none --rounding stochastic
--scale_optimization|absmax|--preset none
--calibration-data|inputs.safetensors|--preset none
--sqnr-budget|9|--preset none --optimizer coordinate --min_k 2
--num_iter|3|--preset none --optimizer adamw --min_k 2 --lr 0.05
--lr|0.05|$learned
--lr_schedule|exponential|$learned --lr 0.05
--lr_gamma|0.5|$learned --lr_schedule exponential --lr 0.05
--lr_patience|9|$plateau --lr_factor 0.3
--lr_factor|0.3|$plateau
--lr_min|0.04|$plateau --lr_factor 0.3
--lr_cooldown|9|--preset none --optimizer adamw --num_iter 20 --min_k 2 --lr_schedule plateau --lr 0.05 --lr_patience 0 --lr_factor 0.3 --lr_cooldown 0
--lr_threshold|0.5|$plateau --lr_factor 0.3
--lr-threshold-mode|abs|$plateau --lr_factor 0.3 --lr_threshold 0.2
--lr-shape-influence|0|$plateau --lr_factor 0.3
--lr_adaptive_mode|no-reset|--preset none --optimizer adamw --num_iter 200 --min_k 2 --lr 0.05
--top_p|0.9|--preset none --optimizer coordinate --min_k 2
--min_k|40|--preset none --optimizer coordinate
--max_k|3|--preset none --optimizer coordinate --min_k 2
--full_matrix||--preset none --optimizer coordinate --min_k 2
--early-stop-loss|1e9|$learned --lr 0.05
--early-stop-lr|1|$learned --lr 0.05
--early-stop-stall|1|$learned --lr 0.5
--input_scale,--static-activations||$gptq
--calib_samples|7|--preset none
--calibration-lora|lora.safetensors|--preset none --comfy_quant --optimizer gptq
--smoothquant||$gptq --comfy_target fork
--smoothquant-alpha|0.9|$gptq --comfy_target fork --smoothquant
--gptq-actorder||$gptq --no-gptq-actorder
--no-gptq-actorder||$gptq
--gptq-fast,--gptq-turbo||$gptq
--quip-actorder||$quip --no-quip-actorder
--no-quip-actorder||$quip
--quip-store-transformed||$quip --comfy_target fork
--quip-no-store-transformed||$transformed
--quip-hadamard||--preset none --recipe engine --optimizer quip --no-quip-hadamard
--no-quip-hadamard||$transformed
--quip-seed|7|$transformed
--quip-requant-scheme|block|$quip
--quip-requant-tensor-per-row||$quip --no-quip-requant-tensor-per-row
--no-quip-requant-tensor-per-row||$quip
--quip-checkpointed||$quip
--quip-checkpoint-threshold,--quip-checkpoint-segments|2|$quip
--merge-lora,--merge-loras|lora.safetensors|--preset none
--merge-lora-scale|0.5|--preset none --merge-lora lora.safetensors
--merge-lora-alpha|rank|--preset none --merge-lora lora.safetensors
--merge-lora-lenient||--preset none --merge-lora stray.safetensors
--merge-lora-dampen|False|--preset none --merge-loras lora.safetensors other.safetensors
--no-merge-lora-dampen||--preset none --merge-loras lora.safetensors other.safetensors
CASES
}

outcome() {  # ARGUMENT..: status, files and words of a run, without what differs from run to run
  rm -rf out elsewhere* log in_* made_* older_* journal
  mkdir out
  local where=()
  [[ " $* " == *" -i "* || " $* " == *" --input "* ]] || where+=(-i in.safetensors)
  [[ " $* " == *" -o "* || " $* " == *" --output "* ]] || where+=(-o out/a)
  [[ " $* " == *" --threads "* ]] || where+=(--threads 1)
  echo precious >there
  timeout 300 "$bin/convert_to_quant" "${where[@]}" "$@" >stdout 2>stderr </dev/null
  echo "status $?"
  find out elsewhere* log there -type f 2>/dev/null | sort | xargs sha256sum
  sed -E 's/[0-9.]+ (s|ms|MB\/s)\b//g; /^\[[0-9]+\/[0-9]+\]/d' stdout stderr
  grep -c '^\[' stderr
}

declare -A case_of base_of
while IFS='|' read -r names value context; do
  for name in ${names//,/ }; do case_of[$name]="$value|$context"; done
done < <(cases)

built=$("$bin/convert_to_quant" --print markdown | sed '/refused by name/,$d' | sed -nE 's/^\| (`-[^|]*`).*/\1/p' | grep -o '`[^`]*`' | tr -d '`')
check "the program has flags" test "$(wc -l <<<"$built")" -gt 100
for flag in $built; do
  if [[ -z ${case_of[$flag]+known} ]]; then
    fault "$flag has no case here"
    continue
  fi
  IFS='|' read -r value context <<<"${case_of[$flag]}"
  same=0
  [[ $context == SAME* ]] && same=1 && context=${context#SAME}
  read -ra base <<<"$context"
  [[ -n ${base_of[-$context]+known} ]] || base_of[-$context]=$(outcome "${base[@]}")
  with=("$flag")
  [[ -z $value ]] || with+=("$value")
  now=$(outcome "${base[@]}" "${with[@]}")
  if ((same)); then  # it says how a run goes, and other tests what it does: the file is the same
    check "$flag is accepted" grep -qx 'status 0' <<<"$now"
    check "$flag changes no file" test "$(grep out/a <<<"$now")" = "$(grep out/a <<<"${base_of[-$context]}")"
  else
    check "$flag $value changes something beside: ${context:-nothing}" test "$now" != "${base_of[-$context]}"
    check "$flag $value is known beside: ${context:-nothing}" bash -c '! grep -q "error: unknown flag" stderr'
  fi
done
finish
