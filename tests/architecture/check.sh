#!/usr/bin/env bash
# usage: check.sh ROOT | check.sh --ranks
# Holds ROOT, above all its headers, to the rules of the design: ranks, cycles, length, words. One line a fault; exit 1 if any.
# --ranks prints the table of folders: docs/map.sh makes the pages that show it.
set -euo pipefail
export LC_ALL=C

ranks='core 0 vocabulary: shapes, views, buffers, number types, errors
file 0.5 the operating system: descriptors, locks, atomic output
exec 1 where work runs
layout 1 grids, geometries, scale rules, and the layouts composed of them
rounding 1 which of two neighbouring codes
safetensors 1 the file format; knows nothing of quantization
device 1.3 what device kernels are written with
linalg 1.6 dense products and factorizations
kernel 2 algorithms: one name, one overload for each kind of executor
transform 3 changes of basis
objective 3.5 what "close" means
optimizer 3.5 update rules, rates, and when to stop
tensor 4 the typed result and its operations
calibration 4 what is known of the inputs of layers
lora 4 low-rank deltas that are merged into weights
solver 5 better codes after the first rounding
recipe 6 types under runtime names, and how files hold them
plan 7 names and shapes to what will be done; touches no tensor byte
report 7 what is known of a run: figures, text, JSON
convert 8 the whole job: pieces, layers, checks, publication'

if [[ $1 == --ranks ]]; then
  printf '%s\n' "$ranks"
  exit
fi
root=$(cd "$1" && pwd)
cd "$root/include"

files() { find halfstep -type f | sort; }

check_names() {
  files | awk '
    !/\.(hpp|cuh)$/                      { print $0 ": not a .hpp or .cuh: a header holds its declarations and definitions" }
    /[-_]inl\./ || /\/(detail|impl)\//   { print $0 ": no twin files: helpers stand in namespace detail of the file that uses them" }
    !/^[a-z0-9_\/.]+$/                   { print $0 ": names are snake_case" }'
}

check_text() {
  files | xargs awk -v ranks="$ranks" '
    BEGIN {
      count = split(ranks, table, "\n")
      for (i = 1; i <= count; ++i) { split(table[i], row, " "); rank[row[1]] = row[2] }
      system_headers = "^halfstep/file/"
    }

    function fault(why) { print FILENAME ":" FNR ": " why }
    function length_fault() { if (lines > 400) print last ": " lines " lines, at most 400"; if (last && !once) print last ": no #pragma once" }
    function folder_of(path, part) { return split(path, part, "/") > 2 ? part[2] : "" }
    function is_cuda(path) { return path ~ /(\/cuda_[a-z_]*\.hpp|_cuda\.hpp|\.cuh)$/ }

    function check_include(target,   theirs) {
      if (target ~ /^(iostream|regex|filesystem|cassert|assert\.h)$/) fault("<" target "> is not for headers")
      if (target ~ /^(sys\/.*|unistd\.h|fcntl\.h|dirent\.h)$/ && FILENAME !~ system_headers)
        fault("operating system calls live in file/ alone")
      if (target ~ /^(cuda|cub\/|thrust\/|cooperative_groups|cublas|cusolver)/ && !is_cuda(FILENAME)) fault("a host header includes <" target ">")
      if (target ~ /^boost\/regex/ && rank[folder] < 6) fault("Boost.Regex belongs to the converter")
      if (target !~ /^halfstep\//) return
      if (is_cuda(target) && !is_cuda(FILENAME)) fault("a host header includes " target)
      theirs = folder_of(target)
      if (folder == "") {
        if (FILENAME == "halfstep/halfstep.hpp" && (rank[theirs] > 5 || theirs == "")) fault("halfstep.hpp ends at rank 5, not " target)
        if (FILENAME == "halfstep/cuda.cuh" && rank[theirs] > 5) fault("cuda.cuh ends at rank 5, not " target)
        return
      }
      if (!(theirs in rank)) fault("a header of rank " rank[folder] " includes " target ", which has no rank")
      else if (theirs != folder && rank[theirs] == rank[folder]) fault("folder " folder " includes its sibling " theirs ": " target)
      else if (rank[theirs] > rank[folder]) fault("rank " rank[folder] " includes rank " rank[theirs] ": " target)
    }

    FNR == 1 {
      length_fault(); once = 0; last = FILENAME; in_comment = 0
      folder = folder_of(FILENAME)
      if (folder != "" && !(folder in rank)) fault("folder " folder " has no rank")
      if ($0 !~ /^\/\/ [^ ].*[.:]$/) fault("the first line is a one-line comment saying what lives here")
    }
    { lines = FNR; last = FILENAME }
    /^#pragma once$/ { once = 1 }
    length($0) > 130 { fault("longer than 130 columns") }
    /[ \t]$/ { fault("blank at the end of a line") }
    toupper($0) ~ /(^|[^A-Z_])(TODO|FIXME|XXX|HACK|PLACEHOLDER)([^A-Z_]|$)/ { fault("unfinished work is not landed") }

    /^ *# *include *[<"]/ {
      target = $0; sub(/^ *# *include *[<"]/, "", target); sub(/[>"].*/, "", target)
      if ($0 ~ /include *"/) fault("includes are written <halfstep/..>")
      check_include(target)
      next
    }

    /"[^"]*--[a-z]/ { fault("the library names its options in backticks, never a flag") }

    {  # from here on: code alone, without literals and comments
      code = $0
      gsub(/\\./, "", code); gsub(/"[^"]*"/, "\"\"", code); gsub(/\047[^\047]\047/, "0", code); sub(/\/\/.*/, "", code)
      if (code ~ /(^|[^a-z_0-9])(printf|fprintf|puts|exit|_Exit|quick_exit|abort|assert) *\(/) fault("the library never prints, exits or asserts")
      if (code ~ /std::(cout|cerr|clog|terminate|regex|filesystem)([^a-z_]|$)/) fault("the library never prints, exits or asserts")
      if (code ~ /(^|[^a-z_])using +namespace([^a-z_]|$)/) fault("no using namespace")
      if ((code ~ /[(,] *bool (const )?[a-z_0-9]+ *([,)=]|$)/ || code ~ /[(,] *bool *[,)]/) && code !~ /on_[a-z0-9_]+\(/)  # Boost.JSON calls on_bool
        fault("no bool parameters: a type or an enum")
      if (code ~ /(^|[^a-z_])thread_local([^a-z_]|$)/) fault("no mutable globals")
      if (code ~ /^ *(static|inline|extern) / && code !~ /[(]/ && code !~ /(^|[^a-z_])(constexpr|const|consteval|namespace)([^a-z_]|$)/ &&
          FILENAME != "halfstep/exec/thread_team.hpp")  # a process has one
        fault("no mutable globals")
      if (code ~ /^[a-z_:<>0-9]+ [a-z_0-9]+ *(=[^=].*|\{.*\})?;$/ && code !~ /^(using|struct|class|enum|template|return|concept|typedef|friend) /)
        fault("no mutable globals")
      if (code ~ /^ *# *(if|ifdef|ifndef|elif).*__CUDA/ && FILENAME !~ /^halfstep\/(core\/(compiler|arithmetic|ieee_float)\.hpp|device\/(byte_products|launch|packed_values|vector_access|warp_max)\.cuh)$/)
        fault("element math has no #if for the device")
    }
    END { length_fault() }'
}

check_cycles() {
  files | xargs awk '
    /^ *# *include *<halfstep\// { target = $0; sub(/^[^<]*</, "", target); sub(/>.*/, "", target); print FILENAME, target }' |
    { tsort 2>&1 >/dev/null || true; } | sed -n 's/^tsort: \(halfstep.*\)/\1: part of an include cycle/p'
}

# A function of namespace detail hides one of namespace halfstep from the rest of detail, but only where its header came first.
check_hidden_names() {
  files | xargs awk '
    /^namespace .*\{$/  { space[++depth] = $2 }
    /^\}  \/\/ namespace/ { --depth }
    /^(inline|constexpr|HALFSTEP_[A-Z]+) .*[a-z_0-9]\(/ {
      name = $0; sub(/\(.*/, "", name)
      if (name ~ /[={]/) next
      sub(/.*[^a-z_0-9]/, "", name)
      if (name == "") next
      if (space[depth] ~ /detail$/) helpers[name] = FILENAME
      else if (depth > 0) open[name] = FILENAME
    }
    END { for (name in helpers) if (name in open) print helpers[name] ": detail::" name " hides " name " of " open[name] }' | sort
}

# What the library throws has an id, and what its sentence names stands among its facts. A statement ends where a line ends with ";".
check_messages() {
  files | xargs awk '
    function judge(  text, name) {
      text = statement
      if (text ~ /throw [a-z_:]+[({]/ && text !~ /throw (std::bad_alloc|cuda_error)\(/ &&
          text !~ /(stated|within)\(|message\{|\.said\(\)|[(]std::move\(said\)/)
        print where ": what is thrown carries an id: stated, within or message"
      if (text ~ /(stated|within)\(/)
        while (match(text, /\{\047?[a-z_]+\}/)) {
          name = substr(text, RSTART + 1, RLENGTH - 2); sub(/^\047/, "", name)
          text = substr(text, RSTART + RLENGTH)
          if (name != "why" && index(statement, "{\"" name "\", ") == 0) print where ": the sentence tells {" name "}, which is no fact of it"
        }
      statement = ""
    }
    FNR == 1 { statement = "" }
    /^ *\/\// { next }
    statement == "" && /throw [a-z_:]+[({]|(stated|within)\(/ { where = FILENAME ":" FNR }
    statement != "" || /throw [a-z_:]+[({]|(stated|within)\(/ { statement = statement $0; if (/;( \}|$)/) judge() }'
}

check_top_level() {
  { git -C "$root" ls-files 2>/dev/null || true; } | cut -d/ -f1 | sort -u | awk '
    !/^(\..*|CMakeLists\.txt|CMakePresets\.json|LICENSE|README\.md|CONTRIBUTING\.md|include|examples|tests|bench|docs|cmake)$/ {
      print $0 ": does not belong to the top level" }'
}

faults=$(check_names; check_text; check_cycles; check_hidden_names; check_messages; check_top_level)
if [[ -n $faults ]]; then
  printf '%s\n' "$faults"
  exit 1
fi
