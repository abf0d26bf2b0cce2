// What becomes of a file that exists where an output goes, and of one that ends unfinished.
#pragma once

namespace halfstep::file {

/// What to do where the output exists.
enum class overwrite { refuse, replace };

/// What becomes of the part of an output that ends unfinished.
enum class unfinished { discard, keep };

}  // namespace halfstep::file
