// A fingerprint as the first record of a journal.
#pragma once

#include <bit>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include <halfstep/convert/resume/fingerprint.hpp>
#include <halfstep/convert/resume/record.hpp>

namespace halfstep {

/// Returns the fingerprint as a record of a journal; floating-point numbers by their bits, so that what is read is what was
/// written.
inline std::string serialize(fingerprint const& f) {
  boost::json::array files, numbers, asked;
  for (auto const& [name, file] : f.files) files.push_back(boost::json::array{name, file.bytes, file.modified_ns});
  for (auto const& [name, number] : f.numbers) numbers.push_back(boost::json::array{name, std::bit_cast<std::uint64_t>(number)});
  for (auto const& [name, text] : f.asked) asked.push_back(boost::json::array{name, text});
  boost::json::object record{{"version", f.version}, {"files", files},     {"samples", f.samples},
                             {"plan", f.plan},       {"numbers", numbers}, {"asked", asked}};
  if (f.seed) record["seed"] = *f.seed;
  if (f.sign_seed) record["sign_seed"] = *f.sign_seed;
  return boost::json::serialize(record);
}

/// Returns the fingerprint in a record; nothing where it is another record, or one of a version that knew other facts.
inline std::optional<fingerprint> parse_fingerprint(std::string_view record) {
  try {
    auto const all = detail::parse_record(record);
    auto const text = [](boost::json::value const& value) { return boost::json::value_to<std::string>(value); };
    auto const number = [](boost::json::value const& value) { return value.to_number<std::uint64_t>(); };
    fingerprint f{.samples = number(all.at("samples")), .version = text(all.at("version")), .plan = number(all.at("plan"))};
    for (auto const& fact : all.at("files").as_array()) {
      auto const& file = fact.as_array();
      f.files.push_back({text(file.at(0)), {number(file.at(1)), file.at(2).to_number<std::int64_t>()}});
    }
    for (auto const& fact : all.at("numbers").as_array())
      f.numbers.push_back({text(fact.as_array().at(0)), std::bit_cast<double>(number(fact.as_array().at(1)))});
    for (auto const& fact : all.at("asked").as_array())
      f.asked.emplace_back(text(fact.as_array().at(0)), text(fact.as_array().at(1)));
    if (auto const* seed = all.if_contains("seed")) f.seed = number(*seed);
    if (auto const* seed = all.if_contains("sign_seed")) f.sign_seed = number(*seed);
    return f;
  } catch (std::exception const&) {
    return std::nullopt;
  }
}

}  // namespace halfstep
