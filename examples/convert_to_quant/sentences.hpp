// The library's sentences in the words of the command line.
#pragma once

#include <string>
#include <string_view>

#include <halfstep/plan/planned.hpp>
#include <halfstep/report/report.hpp>

namespace convert_to_quant {

/// Returns `text` with the flags of this program in place of the names that the library has for its options, which stand in
/// backticks: "keep it with `exclude`" is "keep it with --exclude-layers" here.
std::string in_flags(std::string_view text);

/// Returns `p` with all that is said of it in the words of the command line.
halfstep::plan in_flags(halfstep::plan p);

/// Returns `r` with the sentences of its warnings so; its paths and names are as they were.
halfstep::run_report in_flags(halfstep::run_report r);

}  // namespace convert_to_quant
