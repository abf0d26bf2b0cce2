// The converter: what it is told, what it plans and reports, and its jobs, declared. One unit includes converter_source.hpp too.
//
// Neither Boost nor Eigen's factorizations are met here. The headers that do the work (pipelines, calibration files, plans from
// headers, journals) are included by name where somebody takes a conversion apart.
#pragma once

#include <halfstep/calibration/known_inputs.hpp>
#include <halfstep/convert/convert.hpp>
#include <halfstep/convert/edit.hpp>
#include <halfstep/convert/fact_list.hpp>
#include <halfstep/convert/legacy.hpp>
#include <halfstep/convert/options.hpp>
#include <halfstep/convert/resume/file_stamp.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/lora/matched_adapter.hpp>
#include <halfstep/lora/options.hpp>
#include <halfstep/plan/action.hpp>
#include <halfstep/plan/analyze.hpp>
#include <halfstep/plan/architecture.hpp>
#include <halfstep/plan/layer_config.hpp>
#include <halfstep/plan/layer_template.hpp>
#include <halfstep/plan/name_pattern.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/plan/output_choice.hpp>
#include <halfstep/plan/output_name.hpp>
#include <halfstep/plan/parse_layer_config.hpp>
#include <halfstep/plan/pattern_scope.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/plan/presets.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/contract_error.hpp>
#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/format_table.hpp>
#include <halfstep/recipe/known_formats.hpp>
#include <halfstep/recipe/marker.hpp>
#include <halfstep/recipe/marker_edit.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/solve_options.hpp>
#include <halfstep/recipe/stage_table.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/report/layer_quality.hpp>
#include <halfstep/report/quality_figures.hpp>
#include <halfstep/report/quality_json.hpp>
#include <halfstep/report/quality_limit.hpp>
#include <halfstep/report/quality_number.hpp>
#include <halfstep/report/quality_summary.hpp>
#include <halfstep/report/quality_text.hpp>
#include <halfstep/report/report.hpp>
