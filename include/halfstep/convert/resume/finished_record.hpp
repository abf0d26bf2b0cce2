// A finished tensor as a record of a journal.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include <halfstep/convert/resume/finished_tensor.hpp>
#include <halfstep/convert/resume/record.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/report/layer_quality.hpp>
#include <halfstep/solver/concept.hpp>

namespace halfstep {

namespace detail {

/// Calls `f(name, figure)` for everything that is found out about a layer.
template <class Quality, class F>
void for_each_figure(Quality& q, F const& f) {
  auto& [layer, how, shape, error, scale_min, scale_max, seconds, method, solved, output_error, output_error_8bit, input_rows,
         shrinkage, unseen_columns, bias, is_requantized, error_steps, only_value] = q;
  auto& [weight_square, error_square, product, max_error, clipped] = error;
  f("weight_square", weight_square);
  f("error_square", error_square);
  f("product", product);
  f("max_error", max_error);
  f("clipped", clipped);
  f("scale_min", scale_min);
  f("scale_max", scale_max);
  f("seconds", seconds);
  f("method", method);
  f("solved", solved);
  f("output_error", output_error);
  f("output_error_8bit", output_error_8bit);
  f("input_rows", input_rows);
  f("shrinkage", shrinkage);
  f("unseen_columns", unseen_columns);
  f("bias", bias);
  f("error_steps", error_steps);
  f("only_value", only_value);
}

template <class Report, class F>
void for_each_solver_figure(Report& r, F const& f) {
  auto& [loss_before, loss_after, error_before, error_after, moved, iterations, damping] = r;
  f("loss_before", loss_before);
  f("loss_after", loss_after);
  f("error_before", error_before);
  f("error_after", error_after);
  f("moved", moved);
  f("iterations", iterations);
  f("damping", damping);
}

/// Stores figures in an object; floating-point numbers by their bits, so that what is read is what was written.
struct figure_writer {
  boost::json::object& to;

  void operator()(char const* name, double x) const { to[name] = std::bit_cast<std::uint64_t>(x); }
  void operator()(char const* name, float x) const { (*this)(name, static_cast<double>(x)); }
  void operator()(char const* name, index_t x) const { to[name] = x; }
  void operator()(char const* name, int x) const { to[name] = x; }
  void operator()(char const* name, bias_state x) const { to[name] = static_cast<int>(x); }
  void operator()(char const* name, std::string const& x) const { to[name] = x; }
  void operator()(char const* name, error_bins const& x) const { to[name] = boost::json::array(x.begin(), x.end()); }
  void operator()(char const* name, std::optional<double> const& x) const {
    if (x) (*this)(name, *x);
  }
  void operator()(char const* name, std::optional<solve_report> const& x) const {
    if (x) for_each_solver_figure(*x, figure_writer{to[name].emplace_object()});
  }
};

/// Reads what `figure_writer` stored. Throws what Boost.JSON throws where something else is stored.
struct figure_reader {
  boost::json::object const& from;

  void operator()(char const* name, double& x) const { x = std::bit_cast<double>(from.at(name).to_number<std::uint64_t>()); }
  void operator()(char const* name, float& x) const {
    double wide = 0.0;
    (*this)(name, wide);
    x = static_cast<float>(wide);
  }
  void operator()(char const* name, index_t& x) const { x = from.at(name).to_number<index_t>(); }
  void operator()(char const* name, int& x) const { x = from.at(name).to_number<int>(); }
  void operator()(char const* name, bias_state& x) const {
    auto const number = from.at(name).to_number<std::uint8_t>();
    if (number > static_cast<std::uint8_t>(bias_state::corrected))
      throw format_error(stated("journal.no_bias_state", "no state of a bias"));
    x = static_cast<bias_state>(number);
  }
  void operator()(char const* name, std::string& x) const { x = boost::json::value_to<std::string>(from.at(name)); }
  void operator()(char const* name, error_bins& x) const {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = from.at(name).as_array().at(i).to_number<index_t>();
  }
  void operator()(char const* name, std::optional<double>& x) const {
    if (from.contains(name)) (*this)(name, x.emplace());
  }
  void operator()(char const* name, std::optional<solve_report>& x) const {
    if (from.contains(name)) for_each_solver_figure(x.emplace(), figure_reader{from.at(name).as_object()});
  }
};

}  // namespace detail

/// Returns `done` as a record of a journal.
inline std::string serialize(finished_tensor const& done) {
  boost::json::object record{{"tensor", done.name}};
  auto& written = record["ranges"].emplace_object();
  for (auto const& [tensor, ranges] : done.ranges) {
    auto& all = written[tensor].emplace_array();
    for (auto const& range : ranges) all.push_back(boost::json::array{range.offset, range.bytes, range.digest});
  }
  if (done.quality) detail::for_each_figure(*done.quality, detail::figure_writer{record["quality"].emplace_object()});
  return boost::json::serialize(record);
}

/// Returns the tensor in a record; nothing where it is another record.
inline std::optional<finished_tensor> parse_finished_tensor(std::string_view record) {
  try {
    auto const all = detail::parse_record(record);
    finished_tensor done{.name = boost::json::value_to<std::string>(all.at("tensor")), .ranges = {}, .quality = {}};
    for (auto const& [tensor, ranges] : all.at("ranges").as_object()) {
      auto& written = done.ranges[{tensor.data(), tensor.size()}];
      for (auto const& range : ranges.as_array()) {
        auto const number = [&](std::size_t i) { return range.as_array().at(i).to_number<std::uint64_t>(); };
        written.push_back({number(0), number(1), number(2)});
      }
    }
    if (auto const* quality = all.if_contains("quality"))
      detail::for_each_figure(done.quality.emplace(), detail::figure_reader{quality->as_object()});
    return done;
  } catch (std::exception const&) {
    return std::nullopt;
  }
}

}  // namespace halfstep
