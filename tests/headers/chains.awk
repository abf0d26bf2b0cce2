# usage: awk -v kind=host|runtime|device -f chains.awk HEADER..
# Prints the headers of a kind in chains, one a line, as few as there can be: each header of a chain is included by the next one. A unit
# that includes a chain from left to right thus compiles each of its headers alone: what a header finds before it, it includes itself.
# Kinds: host needs a C++ compiler, runtime the headers of CUDA too, device nvcc. An include under #if counts for nothing.

function kind_of(header) {
  return header ~ /\.cuh$/ ? "device" : header ~ /(\/cuda_[a-z_]*|_cuda)\.hpp$/ ? "runtime" : "host"
}

function add(header, included) {
  if (!((header, included) in includes)) {
    includes[header, included]
    closure[header] = closure[header] " " included
  }
}

function close_over(header,   count, i, names, further, j, theirs) {
  if (header in closure) return
  closure[header] = ""
  count = split(direct[header], names, " ")
  for (i = 1; i <= count; ++i) {
    add(header, names[i])
    close_over(names[i])
    further = split(closure[names[i]], theirs, " ")
    for (j = 1; j <= further; ++j) add(header, theirs[j])
  }
}

# Gives `header` a successor, moving those of others where need be: one step of a largest matching.
function give_next(header,   queue, first, last, user, users, count, i, from, was) {
  split("", from)
  first = last = 1
  queue[1] = header
  while (first <= last) {
    header = queue[first++]
    count = split(users_of[header], users, " ")
    for (i = 1; i <= count; ++i) {
      user = users[i]
      if (user in from) continue
      from[user] = header
      if (user in previous) {
        queue[++last] = previous[user]
        continue
      }
      for (; user != ""; user = was) {
        header = from[user]
        was = (header in next_of) ? next_of[header] : ""
        next_of[header] = user
        previous[user] = header
      }
      return
    }
  }
}

FNR == 1 { depth = 0; if (kind_of(FILENAME) == kind) wanted[++wanted_count] = FILENAME }
/^ *# *if/ { ++depth }
/^ *# *endif/ { --depth }
depth == 0 && /^ *# *include *<halfstep\// {
  name = $0
  sub(/^[^<]*</, "", name)
  sub(/>.*/, "", name)
  direct[FILENAME] = direct[FILENAME] " " name
}

END {
  for (i = 1; i <= wanted_count; ++i) {
    close_over(wanted[i])
    count = split(closure[wanted[i]], names, " ")
    for (j = 1; j <= count; ++j)
      if (kind_of(names[j]) == kind) users_of[names[j]] = users_of[names[j]] " " wanted[i]
  }
  for (i = 1; i <= wanted_count; ++i) give_next(wanted[i])
  for (i = 1; i <= wanted_count; ++i) {
    if (wanted[i] in previous) continue
    line = name = wanted[i]
    while (name in next_of) {
      name = next_of[name]
      line = line " " name
    }
    print line
  }
}
