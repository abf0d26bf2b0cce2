#!/usr/bin/env bash
# The same input, options and version give the same bytes: 1 and 2 threads, serial and overlapped drivers, three runs.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
make_model in.safetensors --metadata 'config={"a": "b"}' blocks.{0,1,2}.attn.weight:BF16:1024x1024 blocks.0.attn.bias:BF16:1024 \
  blocks.0.big.weight:F32:4096x2048 blocks.1.wide.weight:F16:256x8192 blocks.1.odd.weight:BF16:515x513 \
  blocks.2.f64.weight:F64:512x256 blocks.2.zero.weight:BF16:256x256:zeros embed.weight:F16:300x512 step:I64:scalar empty:F32:0x4

same_for() {  # OPTION..
  local n=0 name="'$*'"
  converts "$name" -i in.safetensors -o first --force "$@"
  local wanted
  wanted=$(sha first)
  again() {
    n=$((n + 1))
    converts "$name $*" -i in.safetensors -o again --force "${options[@]}" "$@"
    check "$name: the same bytes with: $*" test "$(sha again)" = "$wanted"
  }
  local options=("$@")
  again
  again
  again --threads 1
  again --threads 2
  again --threads 7
  again --low-memory
  again --low-memory --threads 1
  again --memory-budget 32MiB
  again --memory-budget 32MiB --threads 1
}
same_for --simple --comfy_quant --scaling_mode block
same_for --simple --comfy_quant --scaling_mode block --block_size 64
same_for --simple --comfy_quant --scaling_mode axis
same_for --simple --comfy_quant --scaling_mode axis --convrot
same_for --simple --comfy_quant --scaling_mode tensor
same_for --fp16
same_for --recipe fork
same_for --recipe engine
same_for --simple --comfy_quant --scaling_mode axis --rounding stochastic --manual_seed 7

seeds() {
  convert -i in.safetensors -o a --force --comfy_quant --scaling_mode axis --rounding stochastic --manual_seed 1
  convert -i in.safetensors -o b --force --comfy_quant --scaling_mode axis --rounding stochastic --manual_seed 2
  check "another seed gives other codes" test "$(bytes_of a blocks.0.attn.weight | sha256sum)" != "$(bytes_of b blocks.0.attn.weight | sha256sum)"
}
seeds
no_flags() {
  convert -i in.safetensors -o a --force
  convert -i in.safetensors -o b --force --recipe comfyui
  check "no format flag is --recipe comfyui" cmp a b
  convert -i in.safetensors -o b --force --comfy_quant --scaling_mode axis --convrot
  check "--recipe comfyui is --comfy_quant --scaling_mode axis --convrot" cmp a b
}
no_flags
finish
