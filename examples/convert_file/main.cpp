// usage: convert_file INPUT OUTPUT
// A conversion as a library call: one layout, progress, Ctrl-C that stops within a piece, and a run that was stopped is gone on
// with.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include <halfstep/converter.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/rounding/nearest.hpp>

#include "program/run.hpp"

int main(int count, char** arguments) {
  return program::run("convert_file", [&](std::atomic<bool> const& stop) {
    using namespace halfstep;
    if (count != 3) throw usage_error("two files are wanted: convert_file INPUT OUTPUT");

    conversion_options options{.input = arguments[1], .output = arguments[2]};
    options.layers.target.format = format_of<int8_axis>;  // a scale for each row, from its largest magnitude
    options.part = file::unfinished::keep;

    format_table const formats(make_format<int8_axis, nearest>());

    std::atomic<std::uint64_t> done{0};
    observer watcher;
    watcher.advanced = [&](std::string_view, std::uint64_t bytes) { done += bytes; };  // from several threads
    watcher.taken_over = watcher.advanced;
    watcher.cancelled = [&] { return stop.load(); };

    run_report const report = convert(threads(), options, formats, {}, watcher);
    std::printf("%llu bytes read, %zu layers quantized, %llu bytes in %s\n", static_cast<unsigned long long>(done.load()),
                report.layers.size(), static_cast<unsigned long long>(report.output_bytes), report.output.c_str());
  });
}
