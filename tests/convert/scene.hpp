// A small model on disk, and conversions of it.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/writer.hpp>

#include "../support/weights.hpp"

namespace halfstep_test {

/// A folder that goes away with the test.
class scratch_folder {
 public:
  scratch_folder() : path_(std::filesystem::temp_directory_path() / ("halfstep_" + std::to_string(getpid()) + "_XXXXXX")) {
    std::string name = path_.string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = name;
  }
  scratch_folder(scratch_folder const&) = delete;
  scratch_folder& operator=(scratch_folder const&) = delete;
  ~scratch_folder() { std::filesystem::remove_all(path_); }

  std::string file(std::string const& name) const { return (path_ / name).string(); }
  bool empty() const { return std::filesystem::is_empty(path_); }

 private:
  std::filesystem::path path_;
};

inline std::vector<char> bytes_of(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Tensors with their bytes, to be written as a model.
struct model_part {
  halfstep::safetensors::tensor_spec spec;
  std::vector<std::byte> bytes;
};

template <class Source>
model_part weight(std::string name, halfstep::extents2 e, std::uint64_t seed) {
  auto const x = noise<Source>(e, seed);
  auto const bytes = std::as_bytes(std::span(x.data(), static_cast<std::size_t>(x.size())));
  return {{std::move(name),
           halfstep::source_traits<Source>::type,
           {static_cast<std::uint64_t>(e.rows), static_cast<std::uint64_t>(e.columns)}},
          {bytes.begin(), bytes.end()}};
}

inline void write_model(std::string const& path, std::vector<model_part> const& parts,
                        halfstep::safetensors::metadata_list metadata = {}) {
  metadata.emplace_back("format", "pt");
  std::vector<halfstep::safetensors::tensor_spec> specs;
  for (auto const& part : parts) specs.push_back(part.spec);
  halfstep::safetensors::writer file(path, halfstep::safetensors::arrange(specs, std::move(metadata)),
                                     halfstep::file::overwrite::replace, {});
  for (auto const& part : parts) file.write(file.at(part.spec.name), 0, part.bytes);
  file.commit();
}

/// Weights of every type and of shapes that are multiples of little, and tensors that stay.
inline std::vector<model_part> small_model() {
  using namespace halfstep;
  model_part bias = weight<float>("blocks.0.attn.bias", {1, 320}, 9);
  bias.spec.shape = {320};
  return {weight<bfloat16>("blocks.0.attn.weight", {320, 256}, 1),
          weight<float>("blocks.0.mlp.weight", {256, 384}, 2),
          weight<float16>("blocks.1.attn.weight", {256, 320}, 3),
          weight<double>("blocks.1.mlp.weight", {384, 256}, 4),
          weight<bfloat16>("blocks.1.wide.weight", {256, 4096}, 5),
          std::move(bias),
          weight<float>("head.weight", {10, 256}, 6)};
}

}  // namespace halfstep_test
