#!/usr/bin/env bash
# --edit-quant as a user meets it: a file that the converter made, edited, inspected, and refused.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
"$tools/make_model" in.safetensors blocks.{0,1,2}.attn.weight:BF16:512x512 norm.weight:F32:512
converts "a file to edit" -i in.safetensors -o made.safetensors --simple --save-quant-metadata

converts "--dry-run" -i made.safetensors --edit-quant --add-keys "'full_precision_matrix_mult': True" --dry-run
check "--dry-run writes nothing" test ! -e made_edited.safetensors
check "--dry-run shows a change" grep -q '"full_precision_matrix_mult": true' stderr
bytes=$(sed -n 's/.*would have \([0-9]*\) bytes.*/\1/p' stdout)

converts "an edit" -i made.safetensors --edit-quant --add-keys "'full_precision_matrix_mult': True" --log edit.log
check "the output is named after the input" test "$(tail -1 stdout)" = made_edited.safetensors
check "its size was known before" test "$(stat -c %s made_edited.safetensors)" = "$bytes"
check "the log has the change and the path" bash -c 'grep -q full_precision edit.log && tail -1 edit.log | grep -q made_edited'
converts "a conversion that writes the same" -i in.safetensors -o same.safetensors --simple --save-quant-metadata --full_precision_matrix_mult
check "the edited file is what the converter writes with that flag" cmp made_edited.safetensors same.safetensors

refuses 73 "an output that is there" -i made.safetensors --edit-quant --remove-keys per_row
refuses 73 "the input for an output" -i made.safetensors -o made.safetensors --force --edit-quant --remove-keys per_row
converts "a key that loaders need" -i made.safetensors --force --edit-quant --remove-keys convrot_groupsize
check "a key that loaders need: a warning each layer" test "$(grep -c '^warning: layer' stderr)" -ge 3
refuses 65 "the same with --strict" -i made.safetensors -o strict.safetensors --strict --edit-quant --remove-keys convrot_groupsize
check "--strict publishes nothing" test ! -e strict.safetensors

refuses 2 "nothing to do" -i made.safetensors --edit-quant
refuses 2 "a key that is nowhere" -i made.safetensors --edit-quant --remove-keys per_rows
says "a key that is nowhere: nearest" "'per_row'"
refuses 2 "a filter that matches nothing" -i made.safetensors --edit-quant --remove-keys per_row --quant-filter nothing
refuses 2 "pairs that are none" -i made.safetensors --edit-quant --add-keys per_row
says "pairs that are none: the flag is named" "\-\-add-keys got 'per_row'"
refuses 2 "a conversion's flag" -i made.safetensors --edit-quant --remove-keys per_row --int8
says "a conversion's flag: named" "'--int8' contradicts '--edit-quant'"
refuses 2 "an edit's flag alone" -i in.safetensors --quant-filter x
says "an edit's flag alone: named" "'--quant-filter'"
refuses 2 "a file without markers" -i in.safetensors --edit-quant --save-quant-metadata
refuses 66 "a file that is not there" -i none.safetensors --edit-quant --remove-keys a
finish
