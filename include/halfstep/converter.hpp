// The converter's parts: recipes, plans, conversions, and what they need (Boost.JSON and Boost.Regex).
#pragma once

#include <halfstep/convert/job.hpp>
#include <halfstep/convert/layer_quality.hpp>
#include <halfstep/convert/nonfinite.hpp>
#include <halfstep/convert/piece.hpp>
#include <halfstep/convert/pipeline.hpp>
#include <halfstep/convert/report.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/verify.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/plan/analyze.hpp>
#include <halfstep/plan/architecture.hpp>
#include <halfstep/plan/input_check.hpp>
#include <halfstep/plan/layer_pattern.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/plan/output_name.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/plan/presets.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/codec_table.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/contract.hpp>
#include <halfstep/recipe/marker.hpp>
#include <halfstep/recipe/recipe.hpp>
