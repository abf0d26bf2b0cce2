// A folder for the files of a bench.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include <halfstep/core/error.hpp>

namespace halfstep_bench {

/// A folder that goes away with its object. Throws io_error where there can be none.
class scratch_folder {
 public:
  scratch_folder() : path_((std::filesystem::temp_directory_path() / "halfstep_bench_XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) throw halfstep::io_error(halfstep::io_stage::create_output, "no scratch folder");
  }
  scratch_folder(scratch_folder const&) = delete;
  scratch_folder& operator=(scratch_folder const&) = delete;
  ~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string file(std::string const& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace halfstep_bench
