// The definitions of what converter.hpp declares: exactly one unit of a program includes this.
//
// It needs Boost.JSON and Boost.Regex. A program of a single unit includes both headers there; a larger one gives it a unit of
// its own, which is compiled once.
#pragma once

#include <halfstep/convert/convert_source.hpp>
#include <halfstep/convert/edit_source.hpp>
#include <halfstep/convert/legacy_source.hpp>
#include <halfstep/plan/parse_layer_config_source.hpp>
