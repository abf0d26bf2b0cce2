// Models and adapters of a few numbers, on disk.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <halfstep/core/source.hpp>
#include <halfstep/lora/merge.hpp>
#include <halfstep/safetensors/writer.hpp>

#include "../support/files.hpp"
#include "../support/weights.hpp"

namespace halfstep_test {

using shape = std::vector<std::uint64_t>;

/// A safetensors file that is put together tensor by tensor.
class made_file {
 public:
  template <class T = float>
  made_file& add(std::string const& name, shape const& dimensions, std::vector<float> const& values) {
    std::vector<T> stored;
    for (float const x : values) stored.push_back(halfstep::narrow<T>(x));
    return raw(name, halfstep::source_traits<T>::type, dimensions, stored.data(), stored.size() * sizeof(T));
  }

  made_file& raw(std::string const& name, halfstep::dtype type, shape const& dimensions, void const* data, std::size_t bytes) {
    tensors_[name] = {{name, type, dimensions}, std::string(static_cast<char const*>(data), bytes)};
    return *this;
  }

  /// Adds a tensor of ones.
  made_file& ones(std::string const& name, shape const& dimensions) {
    std::uint64_t count = 1;
    for (auto const n : dimensions) count *= n;
    return add(name, dimensions, std::vector<float>(count, 1.0f));
  }

  made_file& say(std::string const& key, std::string const& value) {
    metadata_.emplace_back(key, value);
    return *this;
  }

  halfstep::safetensors::header head() const {
    std::vector<halfstep::safetensors::tensor_spec> specs;
    for (auto const& [name, t] : tensors_) specs.push_back(t.spec);
    return halfstep::safetensors::arrange(specs, metadata_);
  }

  std::string save(std::string const& path) const {
    auto const header = head();
    std::string data;
    for (auto const& t : header.tensors()) data += tensors_.at(t.name).bytes;
    halfstep_test::save(path, framed(header, data));
    return path;
  }

 private:
  struct entry {
    halfstep::safetensors::tensor_spec spec;
    std::string bytes;
  };
  std::map<std::string, entry> tensors_;
  halfstep::safetensors::metadata_list metadata_;
};

}  // namespace halfstep_test
