#!/usr/bin/env bash
# usage: compile_alone.sh HEADER COMPILER FLAG..
# Compiles a translation unit that holds nothing but an include of HEADER, twice.
set -euo pipefail
header=$1
shift
language=c++
[[ $1 == *nvcc* ]] && language=cu
printf '#include <%s>\n#include <%s>\n' "$header" "$header" | "$@" -x "$language" -
