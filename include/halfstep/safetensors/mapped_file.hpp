// A safetensors file mapped into memory, for engines that hand tensors to kernels without a copy.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <halfstep/file/file_mapping.hpp>
#include <halfstep/file/input_file.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/lent_bytes.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep::safetensors {

/// A safetensors file in memory; pages are loaded when they are touched.
///
/// The risk is the caller's: if another process truncates the file, touching what is gone kills this one with SIGBUS, and what
/// another process overwrites changes under the caller's feet. `reader` has neither problem. Only the header, checked when the
/// file was opened, is a private copy. The format does not align tensors: a kernel that needs alignment must copy.
class mapped_file {
 public:
  /// Opens and maps `path` and checks the whole header. Throws io_error (open_input, transfer) and format_error.
  explicit mapped_file(std::string path) : mapped_file(file::input_file(std::move(path))) {}

  header const& head() const { return opened_.head; }
  std::string const& path() const { return path_; }

  /// Returns the bytes of `t`, one of this file's; valid as long as this object.
  std::span<std::byte const> bytes(tensor const& t) const {
    return mapping_->bytes().subspan(place_of(t), static_cast<std::size_t>(t.bytes()));
  }

  /// Returns the bytes of `t` to borrow, which may outlive this object: who holds the lender may change them, and the file keeps
  /// its own. Nothing where they may only be read.
  lent_bytes lend(tensor const& t) const {
    auto const all = mapping_->own_bytes();
    if (all.empty()) return {};
    return {all.subspan(place_of(t), static_cast<std::size_t>(t.bytes())), mapping_};
  }

 private:
  explicit mapped_file(file::input_file const& file)
      : path_(file.path()), opened_(detail::read_header(file)), mapping_(std::make_shared<file::file_mapping>(file)) {}

  std::size_t place_of(tensor const& t) const { return static_cast<std::size_t>(opened_.data_begin + t.begin); }

  std::string path_;
  detail::opened_header opened_;
  std::shared_ptr<file::file_mapping> mapping_;
};

}  // namespace halfstep::safetensors
