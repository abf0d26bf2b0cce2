// A layer that is held in memory as a whole: the list of its steps.
#pragma once

#include <chrono>

#include <halfstep/convert/job.hpp>
#include <halfstep/convert/layer.hpp>
#include <halfstep/convert/layer_memory.hpp>
#include <halfstep/convert/refinement.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/step/choose.hpp>
#include <halfstep/convert/step/hold_out.hpp>
#include <halfstep/convert/step/load.hpp>
#include <halfstep/convert/step/measure.hpp>
#include <halfstep/convert/step/store.hpp>
#include <halfstep/convert/step/transform.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// What work on whole layers borrows.
struct layer_surroundings {
  refinement const& how;
  safetensors::reader const& input;
  safetensors::writer& output;
  observer const& watcher;
  workspace_pool& pool;
};

/// Does all that the plan says of a layer; all threads of `ex` work on it together.
///
/// Holds 1.25 times the weight in FP32, once more of it where outputs are measured, sampled inputs of up to
/// `input_rows::most_held` bytes, and what a solver needs. The bytes written depend on nothing but the weight, the recipe, the
/// options and the statistics. Throws value_error at NaN or infinity, `cancelled` when the observer says so, and what I/O throws.
inline void work_on_layer(any_host const& ex, quantize_job& job, layer_memory& memory, layer_surroundings const& around) {
  auto const start = std::chrono::steady_clock::now();
  layer l{.job = job, .how = around.how, .memory = memory, .moments = memory.shared};
  memory.grow(job.extents().count(), layer_rows::bytes_of(job.codec().format.codes), l.groups().count());
  l.rows = {&job,
            {memory.weight.data(), job.extents()},
            dtype::f32,
            memory.codes.data(),
            reinterpret_cast<std::byte*>(memory.scales.data()),
            &around.watcher};
  step::load(ex, l, around.input, around.pool);
  step::load_inputs(l);
  step::transform(ex, l);
  step::try_on_held_out(ex, l);
  step::choose_codes(ex, l);
  step::measure(ex, l.rows, job.error());
  step::count_steps(ex, l, around.pool);
  step::decode(ex, l);
  step::correct(ex, l);
  step::compare_outputs(ex, l);
  step::store(l, around.input, around.output);
  job.result(0).seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace halfstep
