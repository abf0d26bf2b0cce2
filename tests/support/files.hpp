// Files of the tests: a folder that removes itself, and safetensors files by their parts.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/parse_header.hpp>

namespace halfstep_test {

namespace st = halfstep::safetensors;

class temporary_folder {
 public:
  temporary_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "halfstep_test_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  temporary_folder(temporary_folder const&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string path(std::string_view name = "") const { return name.empty() ? path_ : path_ + "/" + std::string(name); }

  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (auto const& entry : std::filesystem::directory_iterator(path_)) found.push_back(entry.path().filename().string());
    std::sort(found.begin(), found.end());
    return found;
  }

 private:
  std::string path_;
};

inline void save(std::string const& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string load(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string framed(std::string_view json, std::string_view data = "") {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(json.size() >> 8 * i & 0xff);
  return out.append(json).append(data);
}

inline std::string framed(st::header const& h, std::string_view data) { return framed(st::serialize(h), data); }

inline st::header parse(std::string_view json, std::uint64_t data_bytes = 0) {
  return st::parse_header(std::span(json.data(), json.size()), data_bytes);
}

// The refusal's text, or nothing where the header was accepted.
inline std::string refusal(std::string_view json, std::uint64_t data_bytes = 0) {
  try {
    parse(json, data_bytes);
    return "";
  } catch (halfstep::format_error const& e) {
    return e.what();
  }
}

// The text of the error of type Error that `action` throws; other errors pass.
template <class Error, class Action>
std::string thrown(Action action) {
  try {
    action();
    return "";
  } catch (Error const& e) {
    return e.what();
  }
}

inline std::span<std::byte const> bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

}  // namespace halfstep_test
