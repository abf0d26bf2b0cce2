#!/usr/bin/env bash
# --resume: kill -9 at random times until it is done gives the file of one run, what was done is not done again, another run is refused.
source "$(dirname "$0")/support.sh"
need_faults
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
  echo "{\"blocks.3.attn\": {\"channel_mean\": [0$(printf ', 0%.0s' {2..1024})]}}" >inputs.json
  refused 2 "another option" "--block-size was 64 and is 32" -i in.safetensors --scaling_mode block --block_size 32
  refused 2 "an option less" "--block-size 64 is gone" -i in.safetensors --scaling_mode block
  refused 2 "an option more" "--exclude-layers blocks.7 is new" "${searched[@]}" --exclude-layers blocks.7
  refused 2 "a file more" "--calibration-data inputs.json is new" "${searched[@]}" --calibration-data inputs.json
  cp in.safetensors other.safetensors
  refused 65 "another input" "the input was [0-9]+ bytes of .* UTC and is" -i other.safetensors "${searched[@]:2}"
  touch -r in.safetensors other.safetensors
  convert --resume -o out/a -i other.safetensors "${searched[@]:2}" --threads 1 --low-memory --verify full --quality-threshold 20
  ended_with 0 "a copy of the input, one thread, little memory"
  check "what was done is said" grep -q "note: --resume: going on with what an interrupted run to 'out/a' has finished" stderr
  check "the file is the same" cmp out/a whole
  rm out/a
  touch in.safetensors
}

without_it() {
  interrupt "${searched[@]}"
  converts "a run without --resume after a killed one" "${searched[@]}" -o out/a
  check "it says what --resume would do" grep -q 'note: beside .* lies what another run has finished: this one begins anew; --resume would go on' stderr
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
  check "and there are some" test "$(figures report.json | grep -c '"sqnr_db"')" = 60
  rm -f out/a whole2
}
figures() { sed -n '/"layers": \[$/,$p' "$1" | sed -E 's/"seconds": [^,}]*//'; }  # of every layer
first_code() {  # the place of a byte of the codes of the first layer
  local begin
  begin=$(header_of whole | grep -oE '"blocks.0.attn.weight":\{[^}]*\}' | sed -E 's/.*\[([0-9]+),.*/\1/')
  echo $((8 + $(header_of whole | wc -c) + begin + 1000))
}

damaged() {
  interrupt "${searched[@]}"
  printf 'damaged' | dd of=$part bs=1 seek=$(first_code) conv=notrunc status=none
  printf 'torn' >>$journal
  converts "a damaged part and a torn journal" --resume -o out/a "${searched[@]}"
  check "a damaged part and a torn journal: the file of one run" cmp out/a whole
  check "a damaged part: a warning" grep -q 'warning: 1 tensor of the interrupted run .* done again' stderr
  rm out/a
  interrupt "${searched[@]}"
  rm $part
  converts "a part that is gone" --resume -o out/a "${searched[@]}"
  check "a part that is gone: the file of one run" cmp out/a whole
  check "a part that is gone: a note" grep -q 'there is nothing to go on with' stderr
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

# A journal that cannot be written any more keeps what it has.
broken_journal() {
  HALFSTEP_FAULTS=write:8:ENOSPC LD_PRELOAD=$faults "$bin/convert_to_quant" --progress none --resume -o out/a "${searched[@]}" >stdout 2>stderr </dev/null
  status=$?
  ended_with 0 "a journal that cannot be written"
  check "a journal that cannot be written: the file of one run" cmp out/a whole
  check "a journal that cannot be written: a warning" grep -q 'warning: the journal .* could not be written' stderr
  check "a journal that cannot be written: nothing is left" holds_only out a
  rm out/a
  HALFSTEP_FAULTS=write:8:ENOSPC,pwrite:every:wait=5 LD_PRELOAD=$faults "$bin/convert_to_quant" --progress none --resume -o out/a "${searched[@]}" \
    >stdout 2>stderr </dev/null &
  local n
  for ((n = 0; n < 1000; n++)); do
    (($(finished) >= 6)) && break
    sleep 0.01
  done
  sleep 0.1
  kill -INT $!
  wait $!
  check "Ctrl-C then: the records stay" test "$(finished)" = 6
  converts "after that" --resume -o out/a "${searched[@]}" --report-quality report.json
  check "after that: six tensors are taken over" grep -q '"taken over from an interrupted run", "6 tensors"' report.json
  check "after that: the file of one run" cmp out/a whole
  rm out/a
}

odd_options() {
  local -a random=(-i in.safetensors --simple --rounding stochastic --manual_seed -1)
  interrupt "${random[@]}"
  local seed
  seed=$(sed -nE 's/.*rounded stochastically with seed ([0-9]+).*/\1/p' stderr)
  converts "a seed that was drawn" --resume -o out/a "${random[@]}"
  check "a seed that was drawn is drawn once" grep -q "with seed $seed" stderr
  converts "the run with that seed" "${random[@]/-1/$seed}" -o whole2
  check "a seed that was drawn: the codes of one run" cmp <(bytes_of out/a blocks.50.attn.weight) <(bytes_of whole2 blocks.50.attn.weight)
  rm out/a whole2
  interrupt "${searched[@]}" --exclude-layers $'blocks.7|zz\xe9'
  converts "an option that is not UTF-8" --resume -o out/a "${searched[@]}" --exclude-layers $'blocks.7|zz\xe9' --report-quality report.json
  check "an option that is not UTF-8: gone on with" grep -q 'taken over from an interrupted run' report.json
  rm out/a
}

# Shards that were renamed before the end are in the way: --force replaces them, and everything else is taken over.
shards() {
  converts "shards" "${searched[@]}" --max-shard-size 4M -o out/b
  mkdir shards
  mv out/* shards
  with_faults rename:3:signal=9 "${searched[@]}" --max-shard-size 4M -o out/b --resume
  check "two shards have their names, and the index has not" test "$(ls out/b-*.safetensors | wc -l)" = 2 -a ! -e out/b.safetensors.index.json
  refuses 73 "shards that are there already" "${searched[@]}" --max-shard-size 4M -o out/b --resume
  says "shards that are there already" "b-00001-of-.*exists.*--force"
  converts "--resume --force" "${searched[@]}" --max-shard-size 4M -o out/b --resume --force --report-quality report.json
  check "--resume --force: some are taken over" grep -q 'taken over from an interrupted run' report.json
  check "--resume --force: the shards of one run" diff -r out shards
  rm -r out/* shards
}

until_done
bounded
broken_journal
odd_options
shards
other_runs
without_it
signals
damaged
finish
