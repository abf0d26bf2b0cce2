// Calibration files that tests put together.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/safetensors/header.hpp>

#include "../support/files.hpp"

namespace halfstep_test {

/// A calibration file that is put together by hand.
class made_file {
 public:
  template <class T>
  made_file& add(std::string const& name, halfstep::dtype type, std::vector<std::uint64_t> const& shape,
                 std::vector<T> const& values) {
    tensors_[name] = {type, shape, std::string(reinterpret_cast<char const*>(values.data()), values.size() * sizeof(T))};
    return *this;
  }
  made_file& add(std::string const& name, std::vector<float> const& values) {
    return add(name, halfstep::dtype::f32, {values.size()}, values);
  }
  made_file& add_scalar(std::string const& name, float value) { return add<float>(name, halfstep::dtype::f32, {}, {value}); }
  made_file& say(std::string const& key, std::string const& value) {
    metadata_.emplace_back(key, value);
    return *this;
  }
  std::string save(std::string const& path) const {
    std::vector<halfstep::safetensors::tensor_spec> specs;
    for (auto const& [name, t] : tensors_) specs.push_back({name, t.type, t.shape});
    auto const header = halfstep::safetensors::arrange(specs, metadata_);
    std::string data;
    for (auto const& t : header.tensors()) data += tensors_.at(t.name).bytes;
    halfstep_test::save(path, framed(header, data));
    return path;
  }

 private:
  struct entry {
    halfstep::dtype type;
    std::vector<std::uint64_t> shape;
    std::string bytes;
  };
  std::map<std::string, entry> tensors_;
  halfstep::safetensors::metadata_list metadata_;
};

}  // namespace halfstep_test
