# usage: awk -v want={program,device,output} -f extract.awk PAGE.md
# The blocks of a page: `program` as a C++ program that runs them in their order, `device` the CUDA ones, `output` what it must print.
#   ```cpp definitions    stands outside of functions; the device's program has it too
#   ```cpp                the body of a function; what it includes goes to the top
#   ```cuda               the same, in the device's program alone
#   ```text               what the body before it prints
function flush_block() {
  if (kind == "definitions") definitions = definitions lines
  if (kind == "body") {
    bodies = bodies "void snippet_" first "() {\n#line " first " \"" FILENAME "\"\n" lines "}\n\n"
    calls = calls "  std::printf(\"## %d\\n\", " first ");\n  snippet_" first "();\n"
  }
  if (kind == "output") expected = expected lines
}

/^```/ {
  if (kind != "") { flush_block(); kind = ""; next }
  lines = ""
  first = FNR + 1
  mine = want == "device" ? "```cuda" : "```cpp"
  if ($0 == "```cpp definitions") { kind = "definitions"; lines = "#line " first " \"" FILENAME "\"\n" }
  else if ($0 == mine || (want == "output" && $0 == "```cpp")) { kind = "body"; expected = expected "## " first "\n" }
  else if ($0 == "```text" && last == "```cpp") kind = "output"
  else kind = "other"
  last = $0
  next
}
kind == "body" && /^#include/ { includes = includes $0 "\n"; lines = lines "\n"; next }
kind == "definitions" && /^#include/ { includes = includes $0 "\n"; lines = lines "\n"; next }
kind != "" { lines = lines $0 "\n" }

END {
  if (want == "output") printf "%s", expected
  else {
    printf "#include <cstdio>\n%s%s\n%s\n\nnamespace {\n\n%s}\n\n", includes, want == "device" ? "#include <halfstep/cuda.cuh>" : "", definitions, bodies
    if (want == "device")
      printf "int main() {\n  int devices = 0;\n  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) return std::puts(\"skipped: no CUDA device\"), 77;\n%s}\n", calls
    else
      printf "int main() {\n%s}\n", calls
  }
}
