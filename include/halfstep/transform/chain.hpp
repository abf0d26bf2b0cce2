// Transforms one after the other.
#pragma once

#include <cstddef>
#include <string_view>
#include <tuple>
#include <utility>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/transform/concept.hpp>

namespace halfstep {

/// Applies `Links` in their order and undoes them from the last to the first; an input goes through all of them in their order.
template <class... Links>
class chain {
  static_assert((check_transform<Links>() && ...));

 public:
  static constexpr std::string_view name = "chain";

  chain() = default;
  explicit chain(Links... links) : links_(std::move(links)...) {}

  /// Returns the link at `Place`, counted from 0.
  template <std::size_t Place>
  auto const& link() const {
    return std::get<Place>(links_);
  }

  bool fits(extents2 e) const {
    return std::apply([&](auto const&... link) { return (link.fits(e) && ...); }, links_);
  }

  template <executor Executor>
  void apply(Executor const& ex, matrix_view<float, typename Executor::space> w) const {
    std::apply([&](auto const&... link) { (link.apply(ex, w), ...); }, links_);
  }

  template <executor Executor>
  void invert(Executor const& ex, matrix_view<float, typename Executor::space> w) const {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (std::get<sizeof...(Links) - 1 - I>(links_).invert(ex, w), ...); }
    (std::index_sequence_for<Links...>{});
  }

  template <executor Executor>
  void apply_to_input(Executor const& ex, matrix_view<float, typename Executor::space> x) const {
    std::apply([&](auto const&... link) { (link.apply_to_input(ex, x), ...); }, links_);
  }

 private:
  std::tuple<Links...> links_;
};

}  // namespace halfstep
