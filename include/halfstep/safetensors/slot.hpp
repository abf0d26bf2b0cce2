// A tensor's place in one output.
#pragma once

#include <cstddef>

#include <halfstep/safetensors/header.hpp>

namespace halfstep::safetensors {

class writer;

/// A tensor's place in the output of one `writer`, which alone gives it out and takes it: a tensor of the same name in another
/// file lies elsewhere, so its header's entry is no way to say where bytes go. Valid as long as the writer.
class slot {
 public:
  /// Returns what the output's header says of the tensor.
  tensor const& entry() const { return *entry_; }

  /// Returns the tensor's number in the output's header.
  std::size_t index() const { return index_; }

 private:
  friend class writer;
  slot(writer const& owner, tensor const& entry, std::size_t index) : owner_(&owner), entry_(&entry), index_(index) {}

  writer const* owner_;
  tensor const* entry_;
  std::size_t index_;
};

}  // namespace halfstep::safetensors
