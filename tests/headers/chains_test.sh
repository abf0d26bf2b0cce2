#!/usr/bin/env bash
# usage: chains_test.sh SCRATCH COMPILER FLAG..
# compile_chains.sh must compile each header alone: a header that borrows from the one before it in a chain is found.
set -euo pipefail
compile=$(cd "$(dirname "$0")" && pwd)/compile_chains.sh
scratch=$1
shift
failed=0

plant() {  # FILE LINE..
  mkdir -p "$(dirname "$scratch/halfstep/$1")"
  { echo '#pragma once'; printf '%s\n' "${@:2}"; } >"$scratch/halfstep/$1"
}

good_tree() {  # what is in one unit: a, b, c; and d, e in units of their own
  rm -rf "$scratch"
  plant core/a.hpp '#include <cstddef>' 'using length = std::size_t;'
  plant core/b.hpp '#include <halfstep/core/a.hpp>' '#include <vector>' 'using lengths = std::vector<length>;'
  plant core/c.hpp '#include <halfstep/core/b.hpp>' 'inline lengths none() { return {}; }'
  plant core/d.hpp '#include <halfstep/core/b.hpp>' 'inline lengths one() { return {1}; }'
  plant e.hpp '#include <utility>' 'using both = std::pair<int, int>;'
}

expect() {  # STATUS WORDS SENTENCE
  local status=0 output
  output=$("$compile" "$scratch" host 1 1 "${compiler[@]}" 2>&1) || status=$?
  if [[ $((status != 0)) != "$1" || $output != *"$2"* ]]; then
    printf '%s: status %s, not %s, or no "%s" in:\n%s\n' "$3" "$status" "$1" "$2" "$output"
    failed=1
  fi
}

compiler=("$@" -I "$scratch")
good_tree
expect 0 'halfstep/core/a.hpp halfstep/core/b.hpp halfstep/core/c.hpp' "headers that compile alone"
good_tree
plant core/b.hpp '#include <halfstep/core/a.hpp>' 'using lengths = std::vector<length>;'
expect 1 'core/b.hpp' "a header that the chain's next one could not help"
good_tree
plant core/c.hpp '#include <vector>' 'using lengths = std::vector<length>;'
plant core/d.hpp '#include <vector>' '#include <halfstep/core/b.hpp>' '#include <halfstep/core/c.hpp>'
expect 1 'core/c.hpp' "a header that takes what the one before it in a file includes"
good_tree
plant core/c.hpp '#ifdef NEVER' '#include <halfstep/core/b.hpp>' '#endif' 'inline lengths none() { return {}; }'
expect 1 'core/c.hpp' "a header whose include is under a condition"
good_tree
plant core/c.hpp '#include <halfstep/core/b.hpp>' 'struct c {};'
sed -i 1d "$scratch/halfstep/core/c.hpp"
expect 1 'core/c.hpp' "a header that cannot be included twice"

good_tree
reader=(bash -c 'cat >/dev/null')  # a compiler that is content with everything
found=$(for part in 1 2; do "$compile" "$scratch" host $part 2 "${reader[@]}"; done | tr ' ' '\n' | LC_ALL=C sort | tr '\n' ' ')
# every header is in one part
[[ $found == 'halfstep/core/a.hpp halfstep/core/b.hpp halfstep/core/c.hpp halfstep/core/d.hpp halfstep/e.hpp ' ]] || {
  echo "the parts hold: $found"
  failed=1
}
exit $failed
