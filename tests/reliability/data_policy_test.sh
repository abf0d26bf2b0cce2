#!/usr/bin/env bash
# NaN, infinities, zeros, odd shapes, odd names: refused by name, kept, or stored exactly.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
mkdir out

not_finite() {
  local kind
  for kind in nan inf; do
    make_model bad.safetensors blocks.0.good.weight:BF16:512x512 blocks.1.bad.weight:BF16:512x256:$kind@131000 blocks.1.bad.bias:BF16:512
    refuses 65 "$kind in a weight" -i bad.safetensors -o out/a
    says "$kind: the message names the tensor" 'blocks\.1\.bad\.weight'
    says "$kind: the message names the element, 131000 or [511, 184]" '131000|511, ?184'
    check "$kind: nothing is left" holds_only out
    refuses 65 "$kind in a weight, --nan refuse, block scales" -i bad.safetensors -o out/a --nan refuse --scaling_mode block
    refuses 65 "$kind in a weight, tensor scale" -i bad.safetensors -o out/a --scaling_mode tensor
    refuses 65 "$kind in a rotated weight" -i bad.safetensors -o out/a --scaling_mode axis --convrot
    converts "$kind with --nan keep" -i bad.safetensors -o out/a --comfy_quant --nan keep
    check "$kind with --nan keep: the tensor stays as it was" \
      cmp <(bytes_of bad.safetensors blocks.1.bad.weight) <(bytes_of out/a blocks.1.bad.weight)
    check "$kind with --nan keep: it stays BF16" test "$(dtype_of out/a blocks.1.bad.weight)" = BF16
    check "$kind with --nan keep: the others are quantized" test "$(dtype_of out/a blocks.0.good.weight)" = I8
    check "$kind with --nan keep: the run says so" grep -q 'blocks\.1\.bad' stdout stderr
    rm out/a
  done
  make_model bias.safetensors blocks.0.good.weight:BF16:512x512 blocks.0.good.bias:BF16:512:nan@3
  converts "NaN in a tensor that is only copied" -i bias.safetensors -o out/a --comfy_quant
  check "NaN in a tensor that is only copied: the same bytes" \
    cmp <(bytes_of bias.safetensors blocks.0.good.bias) <(bytes_of out/a blocks.0.good.bias)
  rm out/a
}

zeros() {
  local mode
  make_model zero.safetensors blocks.0.zero.weight:BF16:256x512:zeros blocks.0.good.weight:BF16:512x512
  for mode in block axis tensor; do
    converts "an all-zero layer, $mode" -i zero.safetensors -o out/a --comfy_quant --scaling_mode $mode --verify full
    check "an all-zero layer, $mode: codes 0" cmp <(head -c 131072 /dev/zero) <(bytes_of out/a blocks.0.zero.weight)
    local floor=6042a20d  # 1e-30 as FP32, little endian
    [[ $mode == block ]] && floor=77cc2b32  # 1e-8
    check "an all-zero layer, $mode: its scales are the floor" \
      test "$(bytes_of out/a blocks.0.zero.weight_scale | od -An -tx1 -v -w4 | sort -u | tr -d ' ')" = $floor
    rm out/a
  done
  converts "an all-zero layer, rotated" -i zero.safetensors -o out/a --comfy_quant --scaling_mode axis --convrot --verify full
  check "an all-zero layer, rotated: codes 0" cmp <(head -c 131072 /dev/zero) <(bytes_of out/a blocks.0.zero.weight)
  rm out/a
}

extremes() {
  make_model x.safetensors blocks.0.x.weight:F32:256x384:extremes blocks.0.d.weight:F32:256x256
  local mode
  for mode in block axis tensor; do
    converts "denormals, ties and FLT_MAX, $mode" -i x.safetensors -o out/a --comfy_quant --scaling_mode $mode --verify full
    rm -f out/a
  done
}

odd_shapes() {
  make_model odd.safetensors blocks.0.odd.weight:BF16:257x300 blocks.0.even.weight:BF16:256x384 blocks.0.scalar:F32:scalar blocks.0.one:F32:1 \
    blocks.0.three:F16:3x4x5 blocks.0.four:F32:2x2x2x2 blocks.0.five:F32:2x3x1x2x2 blocks.0.none.weight:F32:0x300 blocks.0.flag:BOOL:3
  converts "odd dimensions in blocks" -i odd.safetensors -o out/a --comfy_quant
  check "odd dimensions in blocks: kept as it was" cmp <(bytes_of odd.safetensors blocks.0.odd.weight) <(bytes_of out/a blocks.0.odd.weight)
  check "odd dimensions in blocks: listed" grep -q 'blocks\.0\.odd' stdout stderr
  check "the layer that fits is quantized" test "$(dtype_of out/a blocks.0.even.weight)" = I8
  rm -f out/a
  converts "odd dimensions by rows" -i odd.safetensors -o out/a --comfy_quant --scaling_mode axis
  check "odd dimensions by rows: quantized" test "$(dtype_of out/a blocks.0.odd.weight)" = I8
  local name
  for name in scalar one three four five none.weight flag; do
    check "rank or size of blocks.0.$name: copied" cmp <(bytes_of odd.safetensors blocks.0.$name) <(bytes_of out/a blocks.0.$name)
  done
  rm -f out/a
  refuses 2 "odd dimensions with --strict" -i odd.safetensors -o out/a --comfy_quant --strict
  refuses 2 "odd dimensions named by --include-layers" -i odd.safetensors -o out/a --comfy_quant --include-layers 'odd'
  says "the message names the layer" 'blocks\.0\.odd'
  make_model odd2.safetensors blocks.{0,1,2}.odd.weight:BF16:257x300 blocks.0.even.weight:BF16:256x384
  refuses 2 "three odd layers with --strict" -i odd2.safetensors -o out/a --comfy_quant --strict
  check "all layers that do not fit are named at once" \
    test "$(cat stdout stderr | grep -o 'blocks\.[012]\.odd' | sort -u | wc -l)" = 3
}

odd_names() {
  local long
  long=$(head -c 4000 /dev/zero | tr '\0' n)
  make_model names.safetensors "блоки.0.$long.weight:BF16:256x256" 'blocks.0.重み.weight:BF16:256x256' 'blocks.0.a b/../c.weight:BF16:256x256' \
    'blocks.1.x.weight:BF16:256x256'
  converts "names that are long, not ASCII, or look like paths" -i names.safetensors -o out/a --comfy_quant --scaling_mode axis
  check "a name that is not ASCII is kept" test -n "$(dtype_of out/a 'blocks.0.重み.weight')"
  check "nothing is written to a path made of a name" holds_only out a
  rm -f out/a
}

many_tensors() {
  for ((n = 0; n < 100000; n++)); do echo "blocks.$n.norm.weight:F32:4"; done >list
  echo "blocks.0.attn.weight:BF16:256x256" >>list
  make_model many.safetensors <list
  SECONDS=0
  converts "100,001 tensors" -i many.safetensors -o out/a --comfy_quant
  check "100,001 tensors take at most 60 s" test "$SECONDS" -le 60
  check "100,001 tensors: the file is a valid one" is_model out/a
  rm -f out/a
}

not_finite
zeros
extremes
odd_shapes
odd_names
many_tensors
check "refused inputs left nothing" holds_only out
finish
