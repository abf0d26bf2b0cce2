// A conversion's report for the tests of what is written from it.
#pragma once

#include <string>
#include <utility>

#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/report/report.hpp>

inline halfstep::layer_quality quality_of(std::string name, double signal, double noise) {
  halfstep::layer_quality q;
  q.layer = std::move(name);
  q.how = {.format = halfstep::format_of<halfstep::int8_axis>};
  q.shape = {4, 5};
  q.error.weight_square = signal;
  q.error.error_square = noise;
  return q;
}

/// SQNR 30, 20, exact and 50 dB.
inline halfstep::run_report plain_report() {
  halfstep::run_report r;
  r.settings = "axis";
  r.input = "in \"quoted\"";
  r.output = "folder/out.safetensors";
  r.layers = {quality_of("a", 1000.0, 1.0), quality_of("b", 100.0, 1.0), quality_of("c", 1.0, 0.0), quality_of("d", 1e5, 1.0)};
  r.input_bytes = 200;
  r.output_bytes = 100;
  r.seconds = 2.0;
  return r;
}

/// The same where two of its layers were quantized already.
inline halfstep::run_report requantized_report() {
  auto r = plain_report();
  r.layers[1].is_requantized = r.layers[3].is_requantized = true;
  return r;
}

/// The same with all that solvers and known inputs add to its first two layers.
inline halfstep::run_report full_report() {
  auto r = plain_report();
  r.settings_list = {{"optimizer", "coordinate"}, {"seed", "7"}};
  r.measured_on = "400 rows of <captured> inputs";
  r.formats = {{"layers as int8_axiswise", 4}};
  r.layers[0].method = "coordinate, k = 614";
  r.layers[0].solved = halfstep::solve_report{
      .loss_before = 2.0, .loss_after = 0.2, .error_before = 1.0, .error_after = 1.0232929923, .moved = 12345, .iterations = 9};
  r.layers[0].output_error = 0.01;
  r.layers[0].output_error_8bit = 0.02;
  r.layers[0].bias = halfstep::bias_state::corrected;
  r.layers[0].error_steps = {10, 0, 0, 0, 0, 0, 0, 0, 0, 5, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  r.layers[1].solved = halfstep::solve_report{
      .loss_before = 4.0, .loss_after = 2.0, .error_before = 1.0, .error_after = 1.0, .moved = 5, .iterations = 1};
  r.layers[1].output_error = 0.1;
  return r;
}
