#include "converted.hpp"

#include <cstdint>
#include <span>

#include <halfstep/convert/pipeline.hpp>
#include <halfstep/convert/verify.hpp>

#include <formats/formats.hpp>
#include <solvers/solvers.hpp>

namespace halfstep_test {

namespace {

template <class Executor>
std::vector<halfstep::layer_quality> run(Executor const& ex, halfstep::safetensors::reader const& from,
                                         halfstep::plan const& what, std::string const& to, conversion_case const& how) {
  halfstep::safetensors::writer output(to, what.output, halfstep::file::overwrite::replace, {});
  auto const formats = convert_to_quant::all_formats();
  halfstep::conversion job(from, what, formats, output, how.settings, how.watcher,
                           {how.stages ? *how.stages : convert_to_quant::all_stages(), how.solving, how.inputs, how.merge});
  job.run(ex);
  halfstep::verify_output(ex, job, what, from, output, how.settings, how.watcher);
  if (how.tamper) {
    how.tamper(output);
    halfstep::verify_output(ex, job, what, from, output, how.settings, how.watcher);
  }
  halfstep::check_contract(
      output.head(), halfstep::contract_of(what),
      [&](auto const& t, std::uint64_t offset, std::span<std::byte> into) { output.read_back(output.at(t.name), offset, into); });
  output.commit();
  return job.quality();
}

}  // namespace

std::vector<halfstep::layer_quality> converted(team_size team, halfstep::safetensors::reader const& from,
                                               halfstep::plan const& what, std::string const& to, conversion_case const& how) {
  if (team.count == 0) return run(halfstep::serial{}, from, what, to, how);
  return run(halfstep::threads(team.count), from, what, to, how);
}

}  // namespace halfstep_test
