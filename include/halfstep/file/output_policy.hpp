// What becomes of a file that exists where an output goes, and of one that ends unfinished.
#pragma once

namespace halfstep::file {

/// What to do where the output exists.
enum class overwrite { refuse, replace };

/// What becomes of the part of an output that ends unfinished.
enum class unfinished { discard, keep };

/// What is done with a part that an earlier run left.
enum class found_part {
  empty,
  go_on  ///< taken as it is where it has the right size; what it holds is for the caller to check
};

}  // namespace halfstep::file
