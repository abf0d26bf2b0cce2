// A finished file in memory, which a test breaks.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <halfstep/recipe/contract.hpp>
#include <halfstep/recipe/loader_faults.hpp>
#include <halfstep/safetensors/header.hpp>

#include "../support/known_formats.hpp"

namespace halfstep_test {

struct file_in_memory {
  struct entry {
    halfstep::dtype type;
    std::vector<std::uint64_t> shape;
    std::string bytes;
  };
  std::map<std::string, entry> tensors;
  halfstep::safetensors::metadata_list metadata;

  void set(std::string const& name, halfstep::dtype type, std::vector<std::uint64_t> const& shape, std::string bytes = {}) {
    bytes.resize(halfstep::safetensors::tensor_bytes(type, shape).value());
    tensors[name] = {type, shape, bytes};
  }
  void set_marker(std::string const& layer, std::string const& text) {
    set(layer + ".comfy_quant", halfstep::dtype::u8, {text.size()}, text);
  }
  void set_scales(std::string const& name, std::vector<std::uint64_t> const& shape, float value = 0.5f) {
    std::string bytes;
    for (std::uint64_t i = 0; i < halfstep::safetensors::tensor_bytes(halfstep::dtype::f32, shape).value() / 4; ++i)
      bytes.append(reinterpret_cast<char const*>(&value), 4);
    set(name, halfstep::dtype::f32, shape, bytes);
  }

  halfstep::safetensors::header head() const {
    std::vector<halfstep::safetensors::tensor_spec> specs;
    for (auto const& [name, t] : tensors) specs.push_back({name, t.type, t.shape});
    return halfstep::safetensors::arrange(specs, metadata);
  }
  void read(halfstep::safetensors::tensor const& t, std::uint64_t offset, std::span<std::byte> into) const {
    std::memcpy(into.data(), tensors.at(t.name).bytes.data() + offset, into.size());
  }

  void check(halfstep::contract const& expected) const {
    halfstep::check_contract(head(), expected,
                             [&](auto const& t, std::uint64_t offset, std::span<std::byte> into) { read(t, offset, into); });
  }
  std::vector<std::string> faults() const {
    return halfstep::loader_faults(
        head(), known_formats(), [&](auto const& t, std::uint64_t offset, std::span<std::byte> into) { read(t, offset, into); });
  }
};

}  // namespace halfstep_test
