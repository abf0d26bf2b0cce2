#!/usr/bin/env bash
# usage: names.sh PAGE INCLUDE
# Every name in the right-hand column of the page's tables stands in a header.
set -euo pipefail
page=$1
include=$2
names=$(sed -n -E 's/^\| [^|]* \| (.*) \|$/\1/p' "$page" | grep -o '`[^`]*`' | grep -oE '[A-Za-z_][A-Za-z0-9_]*' | sort -u)
missing=0 count=0
for name in $names; do
  case $name in
    Layout | Space | Transform | hpp | cuh | _async) continue ;;  # of template arguments, files, and half of a name
  esac
  count=$((count + 1))
  grep -rqw -- "$name" "$include" || { echo "$page names $name, which no header has"; missing=1; }
done
((count >= 20)) || { echo "$page: only $count names found"; exit 1; }
exit $missing
