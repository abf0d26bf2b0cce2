// A safetensors file mapped into memory, for engines that hand tensors to kernels without a copy.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <halfstep/file/file_mapping.hpp>
#include <halfstep/file/input_file.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep::safetensors {

/// A safetensors file in memory, read-only; pages are loaded when they are touched.
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
    return mapping_.bytes().subspan(static_cast<std::size_t>(opened_.data_begin + t.begin), static_cast<std::size_t>(t.bytes()));
  }

 private:
  explicit mapped_file(file::input_file const& file) : path_(file.path()), opened_(detail::read_header(file)), mapping_(file) {}

  std::string path_;
  detail::opened_header opened_;
  file::file_mapping mapping_;
};

}  // namespace halfstep::safetensors
