#!/usr/bin/env bash
# What is printed from the table of flags: completions that shells take, a man page without warnings, and the reference in docs.
source "$(dirname "$0")/support.sh"
project=$(cd "$(dirname "$0")/../.." && pwd)
cd "$scratch" || exit 1

for what in bash zsh man markdown; do
  converts "--print $what" --print $what
  check "--print $what prints no error" test ! -s stderr
  cp stdout "$what"
done
converts "--print=man" --print=man
check "--print=man is --print man" cmp stdout man
refuses 2 "--print fish" --print fish
says "--print fish: what it takes" 'bash, zsh, man, markdown'

check "docs/options.md is what --print markdown prints: write it again" cmp markdown "$project/docs/options.md"

# Every flag of the help is in every document.
flags=$(for page in --help -he -hf -ha; do "$bin/convert_to_quant" $page; done | sed -En 's/^  (-[^ ]+(, -[^ ]+)*).*/\1/p' | tr -s ', ' '\n' | sort -u)
check "the help has flags" test "$(wc -l <<<"$flags")" -gt 80
unbuilt=$(sed -n '/refused by name/,$p' markdown)
for flag in $flags; do
  check "the reference has $flag" grep -Fq -- "\`$flag\`" markdown
  grep -Fq -- "\`$flag\`" <<<"$unbuilt" && continue
  check "bash completes $flag" grep -Fqw -- "$flag" bash
  check "zsh completes $flag" grep -Fq -- "'$flag[" zsh
  check "the man page has $flag" grep -Fq -- "\\fB${flag//-/\\-}\\fR" man
done

completions() {  # WORD.. : what bash offers for the last one
  bash -c 'source ./bash; COMP_WORDS=(convert_to_quant "$@"); COMP_CWORD=$#; compopt() { :; }; _convert_to_quant; printf "%s\n" "${COMPREPLY[@]}"' - "$@"
}
touch model.safetensors
check "bash: a flag" test "$(completions --conv | head -1)" = --convrot
check "bash: words of a flag" test "$(completions --optimizer ad)" = adamw
check "bash: files" test "$(completions -i mod)" = model.safetensors
touch 'a name with blanks.safetensors'
check "bash: a file with blanks in its name is one file" test "$(completions -i 'a n')" = 'a name with blanks.safetensors'
check "bash: dashes for underscores" test "$(completions --scaling-mode ax)" = axis
check "bash: a value behind =" test "$(completions --recipe = eng)" = engine
check "bash: a value right behind =" test "$(completions --recipe = | tr '\n' ' ')" = 'comfyui fork engine '
check "bash: words of a flag that may stand alone" test "$(completions --dry-run c)" = create-template
check "bash: a flag behind one that may stand alone" test "$(completions --dry-run --forc)" = --force
check "bash: nothing for a number" test -z "$(completions --threads '')"
if command -v zsh >/dev/null; then
  check "zsh parses its completions" zsh -n zsh
else
  echo "SKIPPED: zsh is not installed, its completions are not parsed"
fi
if command -v groff >/dev/null; then
  check "the man page has no warnings" test -z "$(groff -man -Tutf8 -ww man 2>&1 >/dev/null)"
else
  echo "SKIPPED: groff is not installed, the man page is not formatted"
fi
finish
