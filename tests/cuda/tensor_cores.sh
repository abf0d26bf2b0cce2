#!/usr/bin/env bash
# usage: tensor_cores.sh SOURCE NVDISASM NVCC FLAG..
# Compiles SOURCE for sm_80 and sm_90 and fails unless each of its kernels multiply_int8 uses the tensor cores' integer product, copies
# to shared memory without waiting, and has neither a call nor a register in local memory. Exit 77, which ctest takes for a skip,
# where there is no nvdisasm.
set -euo pipefail
export LC_ALL=C
source=$1
nvdisasm=$2
shift 2
kernels=7  # of three shapes: one sum a row; short groups, longer ones

if [[ ! -x $nvdisasm ]]; then
  echo "SKIPPED FOR WANT OF nvdisasm: install the toolkit's, or nvidia-cuda-nvdisasm from PyPI into the Python of the tests"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in sm_80 sm_90; do
  "$@" "-arch=$target" -cubin -o "$work/cubin" "$source"
  "$nvdisasm" -c "$work/cubin" >"$work/text"
  sed -n -E 's/^\s*\.section\s+\.text\.([^,"]+).*/kernel \1/p; s#^\s*/\*[0-9a-f]{4,}\*/\s+(@!?U?P[0-9T]+\s+)?([A-Z][A-Z0-9_.]*)(.*)#instruction \2 \3#p' \
      "$work/text" | c++filt | awk -v target="$target" -v kernels="$kernels" '
    /^kernel / {
      name = $0; sub(/.*multiply_int8</, "", name); sub(/>\(.*/, "", name); gsub(/halfstep::|detail::/, "", name)
      is_product = /multiply_int8</
      if (is_product) order[++count] = name
      next
    }
    !is_product { next }
    $2 ~ /^IMMA\.16832\.S8\.S8/ { products[name]++ }
    $2 ~ /^LDGSTS/ { copies[name]++ }
    # A call is one of a function; of a label it is how the compiler leaves a loop.
    $2 ~ /^(LDL|STL)/ || ($2 ~ /^CALL/ && !/`\(\.L_/) { unwanted[name]++ }
    END {
      for (i = 1; i <= count; ++i) {
        name = order[i]
        is_wrong = !products[name] || !copies[name] || unwanted[name]
        printf "%s%s on %s: %d products of matrices, %d copies, %d calls and accesses of local memory\n", is_wrong ? "WRONG: " : "",
               name, target, products[name], copies[name], unwanted[name]
        failed = failed || is_wrong
      }
      if (count != kernels) { print count + 0 " kernels, expected " kernels; failed = 1 }
      exit failed
    }'
done
