#!/usr/bin/env bash
# usage: map.sh [--write]
# The parts of the pages that are made from the tree: the map of all headers in reference.md, from their first lines, and the table
# of ranks in design.md, from tests/architecture/check.sh. Says which page is not what it would be made, exit 1; --write makes it so.
set -euo pipefail
export LC_ALL=C
root=$(cd "$(dirname "$0")/.." && pwd)

# described FILE..: a row for each header, its first line without the slashes.
described() {
  for header in "$@"; do
    line=$(head -n 1 "$header")
    line=${line#// }
    printf '| `%s` | %s |\n' "${header#halfstep/}" "${line//|/\\|}"
  done
}

map_of_headers() {
  cd "$root/include"
  printf '| header | gives |\n|---|---|\n'
  described halfstep/*.hpp halfstep/*.cuh
  while read -r folder rank words; do
    printf '\n### `%s/`, rank %s\n\n%s.\n\n| header | gives |\n|---|---|\n' "$folder" "$rank" "${words^}"
    mapfile -t headers < <(find "halfstep/$folder" -name '*.hpp' -o -name '*.cuh' | sort)
    described "${headers[@]}"
  done < <("$root/tests/architecture/check.sh" --ranks)
}

table_of_ranks() {
  printf '| rank | folder | what lives there |\n|---|---|---|\n'
  "$root/tests/architecture/check.sh" --ranks | sed -E 's/^([^ ]+) ([^ ]+) (.*)$/| \2 | `\1` | \3 |/'
}

# made PAGE PART: the page with everything between its two comments for PART replaced by stdin.
made() {
  awk -v part="$2" '
    NR == FNR                          { text = text $0 "\n"; next }
    $0 == "<!-- made: " part " -->"    { print; printf "\n%s\n", text; inside = 1 }
    $0 == "<!-- end: " part " -->"     { inside = 0; found = 1 }
    !inside                            { print }
    END                                { if (!found) { print "no part " part > "/dev/stderr"; exit 1 } }' - "$1"
}

status=0
refresh() {  # PAGE PART FUNCTION
  local page=$root/docs/$1 text
  text=$("$3" | made "$page" "$2"; printf .)
  text=${text%.}
  if [[ $text. != "$(cat "$page"; printf .)" ]]; then
    if [[ ${write:-} ]]; then
      printf '%s' "$text" >"$page"
    else
      echo "docs/$1 is not what the tree makes it: run docs/map.sh --write"
      diff <(printf '%s' "$text") "$page" | head -n 20 || true
      status=1
    fi
  fi
}

[[ ${1:-} == --write ]] && write=yes
refresh reference.md headers map_of_headers
refresh design.md ranks table_of_ranks
exit $status
