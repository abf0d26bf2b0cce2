#!/usr/bin/env bash
# --resume: kill -9 at random times until it is done gives the file of one run, what was done is not done again, another run is refused.
source "$(dirname "$0")/support.sh"
cd "$scratch" || exit 1
make_model in.safetensors blocks.{0..59}.attn.weight:BF16:512x1024 blocks.{0..59}.attn.bias:BF16:512 kept.weight:F32:512x20x8
mkdir out
searched=(-i in.safetensors --scaling_mode block --block_size 64)
tensors=61  # that are worth a record: the weights, and one that stays
part=out/a.part
journal=out/a.part.journal

finished() { echo $(($(wc -l 2>/dev/null <$journal || echo 1) - 1)); }
only() {  # NAME..: the folder holds no other files than these
  local name
  for name in $(ls -A out); do [[ " $* " == *" $name "* ]] || return 1; done
}

killed() {  # ARGUMENT..: runs and kills until the file is there; sets $kills and $lost
  local before after
  kills=0 lost=0
  while [[ ! -e out/a ]] && ((kills < 1000)); do
    before=$(finished)
    "$bin/convert_to_quant" --progress none --resume -o out/a "$@" >stdout 2>stderr </dev/null &
    sleep "0.$(printf %03d $((30 + RANDOM % (200 + 2 * kills))))"
    kill -9 $! 2>/dev/null && kills=$((kills + 1))
    wait $! 2>/dev/null
    status=$?
    check "a resumed run ends well or by the signal, not with $status" test $status = 0 -o $status = 137
    check "nothing that was remembered is done again" not grep -q 'done again' stderr
    [[ -e out/a ]] && continue
    check "kill -9: the part and its journal alone remain" only a.part a.part.journal
    [[ -s $part ]] && check "kill -9: the part is no model" test "$(od -An -tu8 -N8 $part | tr -d ' ')" = 0
    after=$(finished)
    ((after < before)) && lost=$((lost + before - after))
  done
  rm -f $journal  # of a run that was killed between the file's new name and the end
}
not() { ! "$@"; }

until_done() {
  local total=0 rounds=0
  converts "the run without interruption" "${searched[@]}" -o whole
  while ((total < 50 && rounds < 60)); do
    killed "${searched[@]}"
    total=$((total + kills))
    rounds=$((rounds + 1))
    check "round $rounds, after $kills kills: the file of one run" cmp out/a whole
    check "round $rounds: no record was lost" test "$lost" = 0
    check "round $rounds: nothing else is left" holds_only out a
    rm -f out/a
  done
  check "50 kills in all, not $total" test "$total" -ge 50
  echo "$total kills in $rounds rounds"
}

bounded() {  # what is done is not done again: all runs together finish every tensor once
  local stops=0 work=0 before
  while [[ ! -e out/a ]] && ((stops < 200)); do
    before=$(finished)
    "$bin/convert_to_quant" --progress none --resume -o out/a "${searched[@]}" >stdout 2>stderr </dev/null &
    while kill -0 $! 2>/dev/null && (($(finished) < before + 6)); do sleep 0.005; done
    kill -9 $! 2>/dev/null && stops=$((stops + 1))
    wait $! 2>/dev/null
    [[ -e out/a ]] || work=$((work + $(finished) - before))
  done
  check "$work records in all for $tensors tensors" test "$work" -le "$tensors"
  check "stopped every few layers: the file of one run" cmp out/a whole
  check "stopped every few layers: several runs" test "$stops" -ge 3
  rm -f out/a $journal
}

interrupt() {  # ARGUMENT..: one run that is killed when some layers are finished
  "$bin/convert_to_quant" --progress none --resume -o out/a "$@" >stdout 2>stderr </dev/null &
  local n
  for ((n = 0; n < 1000; n++)); do
    (($(finished) >= 5)) && break
    sleep 0.01
  done
  kill "${signal:--9}" $! 2>/dev/null
  wait $! 2>/dev/null
  status=$?
}
refused() {  # STATUS SENTENCE PATTERN ARGUMENT..
  local wanted=$1 sentence=$2 pattern=$3
  local before
  before=$(sha $part)$(sha $journal)
  shift 3
  refuses "$wanted" "$sentence" --resume -o out/a "$@"
  says "$sentence" "$pattern"
  check "$sentence: what is done stays" test "$(sha $part)$(sha $journal)" = "$before"
}

other_runs() {
  interrupt "${searched[@]}"
  refused 2 "another option" "--block-size was 64 and is 32" -i in.safetensors --scaling_mode block --block_size 32
  refused 2 "an option less" "--block-size 64 is gone" -i in.safetensors --scaling_mode block
  refused 2 "an option more" "--exclude-layers blocks.7 is new" "${searched[@]}" --exclude-layers blocks.7
  refused 2 "a drawn seed" "a seed that is drawn anew" "${searched[@]}" --manual_seed -1
  cp in.safetensors other.safetensors
  refused 65 "another input" "the input was .* bytes, written at" -i other.safetensors "${searched[@]:2}"
  touch -r in.safetensors other.safetensors
  convert --resume -o out/a -i other.safetensors "${searched[@]:2}" --threads 1 --low-memory --verify full --quality-threshold 20
  ended_with 0 "a copy of the input, one thread, little memory"
  check "what was done is taken over" grep -Eq "note: an interrupted run to 'out/a' finished [5-9]|[1-3][0-9] tensors: this one goes on" stderr
  check "the file is the same" cmp out/a whole
  rm out/a
  touch in.safetensors
}

without_it() {
  interrupt "${searched[@]}"
  converts "a run without --resume after a killed one" "${searched[@]}" -o out/a
  check "it says what --resume would do" grep -q 'note: .*this one begins anew; --resume would go on' stderr
  check "it begins anew" cmp out/a whole
  check "it leaves nothing else" holds_only out a
  rm out/a
  converts "--resume without an interrupted run" "${searched[@]}" --resume -o out/a
  check "it says so" grep -q 'note: --resume: there is nothing to go on with' stderr
  check "and makes the file" cmp out/a whole
  rm out/a
  "$bin/convert_to_quant" --progress none -o out/a "${searched[@]}" >stdout 2>stderr </dev/null &
  while (($(finished) < 5)); do sleep 0.01; done
  kill -INT $!
  wait $!
  check "Ctrl-C without --resume: nothing is left" holds_only out
}

signals() {
  signal=-INT interrupt "${searched[@]}"
  ended_with 130 "Ctrl-C with --resume"
  check "Ctrl-C with --resume keeps what is done" test "$(finished)" -ge 5
  check "the message says how to go on" grep -q 'error: stopped by signal 2: .*run it again with --resume' stderr
  converts "after Ctrl-C" --resume -o out/a "${searched[@]}" --report-quality report.json
  check "after Ctrl-C: the file of one run" cmp out/a whole
  check "the report says what was taken over" grep -q 'taken over from an interrupted run' report.json
  converts "the report of one run" -o whole2 "${searched[@]}" --report-quality whole.json
  check "every figure of the report is the same" cmp <(figures report.json) <(figures whole.json)
  rm -f out/a whole2
}
figures() { grep -oE '"(name|sqnr_db|method|rms_error|scale_min|scale_max|moved_codes|error_steps|loss_[a-z_]*)": ("[^"]*"|\[[^]]*\]|[^,}]*)' "$1"; }

damaged() {
  interrupt "${searched[@]}"
  printf 'damaged' | dd of=$part bs=1 seek=$(($(stat -c %s $part) / 3)) conv=notrunc status=none
  printf 'torn' >>$journal
  converts "a damaged part and a torn journal" --resume -o out/a "${searched[@]}"
  check "a damaged part and a torn journal: the file of one run" cmp out/a whole
  rm out/a
  interrupt "${searched[@]}"
  rm $part
  converts "a part that is gone" --resume -o out/a "${searched[@]}"
  check "a part that is gone: the file of one run" cmp out/a whole
  check "a part that is gone: a warning" grep -q 'warning: .*were done again' stderr
  rm out/a
  interrupt "${searched[@]}"
  echo precious >out/a
  refuses 73 "an output that came meanwhile" --resume -o out/a "${searched[@]}"
  check "an output that came meanwhile: what is done stays" only a a.part a.part.journal
  converts "replaced on request" --resume -o out/a --force "${searched[@]}"
  check "replaced on request: the file of one run" cmp out/a whole
  check "replaced on request: nothing else is left" holds_only out a
  rm out/a
}

until_done
bounded
other_runs
without_it
signals
damaged
finish
