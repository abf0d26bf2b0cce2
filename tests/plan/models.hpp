// Headers of real model families, from tests/data/models.json.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include <halfstep/layout/int8_block.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/safetensors/header.hpp>

#include "../support/known_formats.hpp"

namespace halfstep_test {

inline boost::json::object data_file(std::string const& name) {
  std::ifstream stream(std::string(HALFSTEP_TEST_DATA_DIR) + "/" + name);
  return boost::json::parse(std::string(std::istreambuf_iterator<char>(stream), {})).as_object();
}

/// Returns the header of a model of models.json, each name behind `prefix`.
inline halfstep::safetensors::header model(std::string const& name, std::string const& prefix = {}) {
  auto const file = data_file("models.json");
  auto const& entry = file.at("models").at(name).as_object();
  auto const type = halfstep::dtype_named(std::string_view(entry.at("dtype").as_string())).value();
  std::vector<halfstep::safetensors::tensor_spec> specs;
  auto const add = [&](std::string const& tensor, boost::json::value const& shape) {
    specs.push_back({prefix + tensor, type, boost::json::value_to<std::vector<std::uint64_t>>(shape)});
  };
  for (auto const& [tensor, shape] : entry.at("top").as_object()) add(tensor, shape);
  for (auto const& repeat : entry.at("repeat").as_array())
    for (std::int64_t i = 0; i < repeat.at("count").as_int64(); ++i)
      for (auto const& [tensor, shape] : repeat.at("tensors").as_object())
        add(std::string(repeat.at("prefix").as_string()) + "." + std::to_string(i) + "." + std::string(tensor), shape);
  return halfstep::safetensors::arrange(std::move(specs), {});
}

/// Returns the header of a file with these tensors.
inline halfstep::safetensors::header header_of(std::vector<halfstep::safetensors::tensor_spec> specs) {
  return halfstep::safetensors::arrange(std::move(specs), {});
}

/// Returns the plan under `options`, in INT8 blocks of 128 where they name no format for the target.
inline halfstep::plan plan_for(halfstep::safetensors::header const& input, halfstep::plan_options options) {
  if (options.target.format.name.empty()) options.target.format = halfstep::format_of<halfstep::int8_block<128>>;
  return halfstep::make_plan(input, options);
}

}  // namespace halfstep_test
