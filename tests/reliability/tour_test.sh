#!/usr/bin/env bash
# Replays docs/tour.md: every command in its blocks, in order, in one folder, prints what stands there.
#
# `…` matches the rest of a line or a part of it; a line of nothing else, any number of lines. `[exit code N]` ends what a command
# that fails prints; without it the code is 0.
source "$(dirname "$0")/support.sh"
tour=$(cd "$(dirname "$0")/../.." && pwd)/docs/tour.md
cd "$scratch" || exit 1
mkdir tour
export PATH=$bin:$PATH
commands=0

expression() {  # LINE: as an expression of grep -E, its … as .*
  sed -e 's/[][\.*^$+?(){}|/]/\\&/g' -e 's/…/.*/g' <<<"$1"
}

matches() {  # whether the lines of the file `actual` are those of `expected`, … being what it stands for
  local -a have want
  mapfile -t have <actual
  mapfile -t want <expected
  local i=0 skip=no line
  for line in "${want[@]}"; do
    if [[ $line == … ]]; then
      skip=yes
      continue
    fi
    until ((i >= ${#have[@]})) || grep -Eqx -- "$(expression "$line")" <<<"${have[i]}"; do
      [[ $skip == yes ]] || return 1
      i=$((i + 1))
    done
    ((i < ${#have[@]})) || return 1
    i=$((i + 1))
    skip=no
  done
  [[ $skip == yes ]] || ((i == ${#have[@]}))
}

replay() {  # COMMAND, what it prints is in `expected`
  commands=$((commands + 1))
  (cd tour && timeout 300 bash -c "$1") >actual 2>&1 </dev/null
  local status=$?
  ((status == 0)) || echo "[exit code $status]" >>actual
  check "$1: prints what the tour shows" matches
  matches || diff expected actual | head -20 | cut -c1-200 | sed 's/^/    /'
}

inside=no
command=
while IFS= read -r line; do
  if [[ $line == '```console' ]]; then
    inside=yes
    command=
  elif [[ $line == '```' || ($inside == yes && $line == '$ '*) ]]; then
    [[ -z $command ]] || replay "$command"
    command=
    : >expected
    if [[ $line == '```' ]]; then inside=no; else command=${line#'$ '}; fi
  elif [[ $inside == yes ]]; then
    printf '%s\n' "$line" >>expected
  fi
done <"$tour"
check "the tour has commands" test "$commands" -ge 15
finish
