// expect: halfstep: a solver needs refine(executor
// errors: 1
#include <halfstep/layout/symmetric_grid.hpp>
#include <halfstep/objective/mean_square.hpp>
#include <halfstep/solver/concept.hpp>

struct small_solver {
#ifdef HALFSTEP_MISTAKE

#else
  halfstep::solve_report refine(auto const&, halfstep::host_view<float const>, auto const&, auto const&, auto const&) const {
    return {};
  }
  halfstep::solve_report refine(auto const& ex, halfstep::host_view<float const> weight, auto const& q,
                                auto const& objective) const {
    return refine(ex, weight, q, objective, halfstep::keep_going{});
  }
#endif
};

static_assert(halfstep::check_solver<small_solver, halfstep::symmetric_grid<127>, halfstep::mean_square>());
