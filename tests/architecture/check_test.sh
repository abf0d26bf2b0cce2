#!/usr/bin/env bash
# usage: check_test.sh SCRATCH
# check.sh must pass a clean tree and name each fault that is planted into it.
set -euo pipefail
check=$(cd "$(dirname "$0")" && pwd)/check.sh
scratch=$1
failed=0

plant() {  # FILE, then its lines on stdin
  mkdir -p "$(dirname "$scratch/include/halfstep/$1")"
  cat >"$scratch/include/halfstep/$1"
}

clean_tree() {
  rm -rf "$scratch"
  plant core/a.hpp <<<$'// Something.\n#pragma once\n\nnamespace halfstep {\ninline constexpr int a = 1;\ninline int twice(int x) { return 2 * x; }\n}'
  plant layout/b.hpp <<<$'// Something else.\n#pragma once\n\n#include <halfstep/core/a.hpp>'
  plant cuda.cuh <<<$'// The device side.\n#pragma once\n\n#include <cuda_runtime.h>\n#include <halfstep/layout/b.hpp>'
}

expect() {  # SENTENCE FILE, then its lines on stdin
  clean_tree
  plant "$2"
  if output=$("$check" "$scratch"); then
    echo "not found: $1"
    failed=1
  elif [[ $output != *"$1"* ]]; then
    printf 'expected "%s", got:\n%s\n' "$1" "$output"
    failed=1
  fi
}

header() { printf '// Something.\n#pragma once\n\n%s\n' "$1"; }

clean_tree
"$check" "$scratch" || { echo "the clean tree does not pass"; failed=1; }

expect "rank 0 includes rank 1" core/c.hpp < <(header '#include <halfstep/layout/b.hpp>')
expect "folder rounding includes its sibling layout" rounding/c.hpp < <(header '#include <halfstep/layout/b.hpp>')
expect "halfstep.hpp ends at rank 5" halfstep.hpp < <(header '#include <halfstep/plan/c.hpp>')
expect "cuda.cuh ends at rank 5" cuda.cuh < <(header '#include <halfstep/plan/c.hpp>')
expect "which has no rank" plan/c.hpp < <(header '#include <halfstep/halfstep.hpp>')
expect "folder misc has no rank" misc/c.hpp < <(header 'namespace halfstep {}')
expect "part of an include cycle" core/a.hpp < <(header '#include <halfstep/layout/b.hpp>')
expect "a host header includes <cuda_runtime.h>" core/c.hpp < <(header '#include <cuda_runtime.h>')
expect "a host header includes halfstep/core/c.cuh" core/c.hpp < <(header '#include <halfstep/core/c.cuh>')
expect "Boost.Regex belongs to the converter" core/c.hpp < <(header '#include <boost/regex.hpp>')
expect "operating system calls" core/c.hpp < <(header '#include <unistd.h>')
for name in iostream regex filesystem cassert; do
  expect "<$name> is not for headers" core/c.hpp < <(header "#include <$name>")
done
expect "401 lines" core/c.hpp < <(header "$(yes '//' | head -398)")
expect "no #pragma once" core/c.hpp <<<'// Something.'
expect "one-line comment" core/c.hpp <<<'#pragma once'
expect "not a .hpp or .cuh" core/c.inl < <(header '')
expect "no twin files" core/detail/c.hpp < <(header '')
expect "names are snake_case" core/Wrong.hpp < <(header '')
expect "longer than 130 columns" core/c.hpp < <(header "// $(yes x | head -140 | tr -d '\n')")
expect "blank at the end" core/c.hpp < <(header '// x ')
expect "never a flag" core/c.hpp < <(header 'inline constexpr auto text = "leave out --force";')
expect "carries an id" core/c.hpp < <(header 'inline void f() { throw format_error("it is empty"); }')
expect "tells {path}, which is no fact" core/c.hpp < <(header 'inline void f() { throw format_error(stated("file.empty", "{path} is empty")); }')
expect "unfinished work" core/c.hpp < <(header '// TODO: later')
expect "written <halfstep" core/c.hpp < <(header '#include "a.hpp"')
for call in 'std::printf("x");' 'exit(1);' 'std::abort();' 'assert(x);' 'std::cerr << 1;'; do
  expect "never prints, exits or asserts" core/c.hpp < <(header "inline void f(int x) { $call }")
done
expect "no using namespace" core/c.hpp < <(header 'using namespace std;')
expect "no bool parameters" core/c.hpp < <(header 'void f(int x, bool fast);')
for global in 'inline int counter = 0;' 'static int counter;' 'int counter = 0;' 'inline thread_local int x = 0;'; do
  expect "no mutable globals" core/c.hpp < <(header "$global")
done
expect "detail::twice hides twice of halfstep/core/a.hpp" layout/c.hpp < <(header $'namespace halfstep {\nnamespace detail {\ninline int twice(int x) { return x; }\n}  // namespace detail\n}  // namespace halfstep')
expect "no #if for the device" core/c.hpp < <(header '#ifdef __CUDACC__')

clean_tree
git init -q "$scratch"
touch "$scratch/misc.txt"
git -C "$scratch" add misc.txt
[[ $("$check" "$scratch") == *"misc.txt: does not belong to the top level"* ]] || { echo "a stray file at the top is not found"; failed=1; }

exit $failed
