// What coordinate descent makes of |U^T E V|, as a table: generated layers, and the weights of a model.
//
// usage: objective_table [--layers] [MODEL.safetensors [TEXT..]]
// Rounds every layer to nearest on absmax scales, lets `coordinate` move codes at budgets of 0.1 and 0.5 dB, and computes
// |U^T E V| before and after in FP64 from the codes, with the U and V that the library found. Blocks are 128 wide, or 64 where
// 128 does not divide the layer. MODEL: its 2-D floating-point weights, without those that have a TEXT in their names; --layers
// prints each of them. Exit status 1 where a layer costs more than its budget and 0.005 dB.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/core/source.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/linalg/singular.hpp>
#include <halfstep/objective/principal.hpp>
#include <halfstep/recipe/solve_options.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/solver/coordinate.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "generated_layer.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;

constexpr std::array budgets{0.1, 0.5};
constexpr std::size_t layouts = 3;  // block, axis, tensor
constexpr double tolerance_db = 0.005;

halfstep::threads const team;

using dense = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// |E|^2 and |U^T E V|^2 in FP64.
struct losses {
  double error = 0.0;
  double projected = 0.0;
};

dense widened(host_view<float const> x) {
  dense wide(x.rows(), x.columns());
  for (index_t i = 0; i < x.rows(); ++i)
    for (index_t j = 0; j < x.columns(); ++j) wide(i, j) = static_cast<double>(x(i, j));
  return wide;
}

template <class Grid>
losses measured(host_view<float const> w, halfstep::coded_matrix<Grid> const& q, halfstep::principal const& objective) {
  constexpr index_t strip = 256;
  dense const u = widened(objective.u()), v = widened(objective.v());
  dense left(w.rows(), objective.rank());  // E V
  index_t const strips = (w.rows() + strip - 1) / strip;
  std::vector<double> errors(static_cast<std::size_t>(strips));
  team.for_each(strips, [&](index_t s) {
    index_t const first = s * strip, rows = std::min(strip, w.rows() - first);
    dense residual(rows, w.columns());
    for (index_t i = 0; i < rows; ++i)
      for (index_t j = 0; j < w.columns(); ++j) {
        double const scale = static_cast<double>(q.scales.data()[q.geometry.group_of(first + i, j)]);
        residual(i, j) = static_cast<double>(w(first + i, j)) - static_cast<double>(q.codes(first + i, j)) * scale;
      }
    errors[static_cast<std::size_t>(s)] = residual.squaredNorm();
    left.middleRows(first, rows).noalias() = residual * v;
  });
  index_t const across = (objective.rank() + strip - 1) / strip;
  std::vector<double> projected(static_cast<std::size_t>(across));
  team.for_each(across, [&](index_t s) {
    index_t const first = s * strip, count = std::min(strip, objective.rank() - first);
    projected[static_cast<std::size_t>(s)] = (u.middleCols(first, count).transpose() * left).squaredNorm();
  });
  losses all;
  for (double const x : errors) all.error += x;
  for (double const x : projected) all.projected += x;
  return all;
}

/// What one layer gains at each budget, for each layout; nothing where the layout cannot store it.
struct result {
  std::string name;
  extents2 shape;
  index_t rank = 0;
  struct trade {
    double gain_db, cost_db;
  };
  std::array<std::array<std::vector<trade>, layouts>, budgets.size()> trades;  // at most one each
};

double decibel(double before, double after) { return 10.0 * std::log10(before / after); }

template <class Layout>
void refine(host_view<float const> w, halfstep::principal const& objective, std::size_t layout, result& found) {
  auto const nearest = halfstep::quantizer<Layout>()(team, w);
  host_buffer<std::int8_t> codes(w.extents().count());
  halfstep::coded_matrix<halfstep::symmetric_grid<127>> const q{codes.view(w.extents()), nearest.groups(),
                                                                halfstep::geometry_of<Layout>(w.extents())};
  std::copy_n(nearest.codes().data(), codes.size(), codes.data());
  losses const before = measured(w, q, objective);
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    std::copy_n(nearest.codes().data(), codes.size(), codes.data());
    halfstep::coordinate(budgets[i]).refine(team, w, q, objective);
    losses const after = measured(w, q, objective);
    found.trades[i][layout].push_back({decibel(before.projected, after.projected), decibel(after.error, before.error)});
  }
}

result solve(std::string name, host_view<float const> w) {
  extents2 const e = w.extents();
  auto directions = halfstep::leading_singular_vectors(team, w, halfstep::solve_options{}.rank(e), halfstep::philox(1));
  result found{std::move(name), e, directions.rank(), {}};
  if (directions.rank() == 0) return found;
  halfstep::principal const objective(std::move(directions.u), std::move(directions.v), e.rows, e.columns, found.rank);
  if (halfstep::int8_block<128>::fits(e))
    refine<halfstep::int8_block<128>>(w, objective, 0, found);
  else if (halfstep::int8_block<64>::fits(e))
    refine<halfstep::int8_block<64>>(w, objective, 0, found);
  refine<halfstep::int8_axis>(w, objective, 1, found);
  refine<halfstep::int8_tensor>(w, objective, 2, found);
  return found;
}

void print_header(char const* first) {
  std::printf("| %s | shape | k |", first);
  for (double const budget : budgets)
    for (char const* layout : {"block", "axis", "tensor"}) std::printf(" %s, %.1f |", layout, budget);
  std::printf("\n|---|---|---|---|---|---|---|---|---|\n");
}

void print_layer(result const& one) {
  std::printf("| %s | %lld x %lld | %lld |", one.name.c_str(), static_cast<long long>(one.shape.rows),
              static_cast<long long>(one.shape.columns), static_cast<long long>(one.rank));
  for (auto const& budget : one.trades)
    for (auto const& trade : budget) trade.empty() ? std::printf(" - |") : std::printf(" %.1f |", trade.front().gain_db);
  std::printf("\n");
  std::fflush(stdout);
}

/// Prints median and worst gain of the layers of one kind of shape.
void print_summary(char const* kind, std::vector<result const*> const& layers) {
  for (bool const worst : {false, true}) {
    std::printf("| %s of %zu %s layers | | |", worst ? "**worst**" : "**median**", layers.size(), kind);
    for (std::size_t i = 0; i < budgets.size(); ++i)
      for (std::size_t layout = 0; layout < layouts; ++layout) {
        std::vector<double> gains;
        for (auto const* one : layers)
          if (!one->trades[i][layout].empty()) gains.push_back(one->trades[i][layout].front().gain_db);
        std::sort(gains.begin(), gains.end());
        std::size_t const n = gains.size();
        n == 0 ? std::printf(" - |") : std::printf(" %.1f |", worst ? gains[0] : 0.5 * (gains[(n - 1) / 2] + gains[n / 2]));
      }
    std::printf("\n");
  }
}

void print_summaries(std::vector<result> const& layers) {
  std::map<char const*, std::vector<result const*>> kinds;
  constexpr char const *square = "square", *tall = "tall", *wide = "wide";
  for (auto const& one : layers)
    if (one.rank > 0)
      kinds[one.shape.rows == one.shape.columns ? square : one.shape.rows > one.shape.columns ? tall : wide].push_back(&one);
  for (char const* kind : {square, tall, wide})
    if (kinds.count(kind) != 0) print_summary(kind, kinds[kind]);
}

/// Prints by how much the dearest layer exceeds its budget, and returns that in dB.
double print_costs(std::vector<result> const& layers) {
  double most = -1e9;
  for (auto const& one : layers)
    for (std::size_t i = 0; i < budgets.size(); ++i)
      for (auto const& trade : one.trades[i])
        if (!trade.empty()) most = std::max(most, trade.front().cost_db - budgets[i]);
  std::printf("\nLargest cost in SQNR: budget %+.4f dB (limit %+.4f).\n\n", most, tolerance_db);
  return most;
}

std::vector<result> solve_generated() {
  std::vector<result> all;
  print_header("generated layer");
  for (extents2 const e : {extents2{1024, 1024}, extents2{3072, 3072}, extents2{4096, 1024}})
    for (auto const kind : halfstep_bench::all_layer_kinds) {
      auto const w = halfstep_bench::generated_layer(kind, e);
      all.push_back(solve(std::string(name_of(kind)), w.view(e)));
      print_layer(all.back());
    }
  return all;
}

bool is_weight(halfstep::safetensors::tensor const& tensor, std::span<char const* const> skipped) {
  bool const is_float =
      tensor.type == halfstep::dtype::f32 || tensor.type == halfstep::dtype::f16 || tensor.type == halfstep::dtype::bf16;
  return is_float && tensor.shape.size() == 2 && tensor.name.ends_with(".weight") &&
         std::none_of(skipped.begin(), skipped.end(),
                      [&](char const* text) { return tensor.name.find(text) != std::string::npos; });
}

enum class detail_level { summary, layers };

std::vector<result> solve_model(char const* path, std::span<char const* const> skipped, detail_level level) {
  std::vector<result> all;
  halfstep::safetensors::reader const file(path);
  print_header("layer of the model");
  for (auto const& tensor : file.head().tensors()) {
    if (!is_weight(tensor, skipped)) continue;
    extents2 const e{static_cast<index_t>(tensor.shape[0]), static_cast<index_t>(tensor.shape[1])};
    std::vector<std::byte> bytes(tensor.bytes());
    file.read(tensor, 0, bytes);
    host_buffer<float> w(e.count());
    halfstep::with_source_type(tensor.type, [&]<class Source>(std::type_identity<Source>) {
      halfstep::widen(team, host_view<Source const>(reinterpret_cast<Source const*>(bytes.data()), e), w.view(e));
    });
    all.push_back(solve(tensor.name, w.view(e)));
    if (level == detail_level::layers) print_layer(all.back());
  }
  return all;
}

int run(std::vector<char const*> arguments) {
  auto level = detail_level::summary;
  if (!arguments.empty() && std::string(arguments.front()) == "--layers") {
    level = detail_level::layers;
    arguments.erase(arguments.begin());
  }
  std::printf("dB by which |U^T E V| falls after rounding, at SQNR budgets of 0.1 and 0.5 dB\n\n");
  auto const layers = arguments.empty() ? solve_generated() : solve_model(arguments[0], std::span(arguments).subspan(1), level);
  print_summaries(layers);
  return print_costs(layers) <= tolerance_db ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (std::exception const& e) {
    std::fprintf(stderr, "objective_table: %s\n", e.what());
    return 2;
  }
}
