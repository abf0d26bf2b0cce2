// Leading singular vectors of a matrix on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/eigen_factor.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/orthonormal.hpp>

namespace halfstep {

/// Singular vectors and values of a matrix [M, N], the largest value first.
struct singular_vectors {
  host_buffer<float> u;       ///< [M, k], orthonormal columns
  host_buffer<float> v;       ///< [N, k], orthonormal columns
  std::vector<float> values;  ///< [k], descending

  index_t rank() const { return static_cast<index_t>(values.size()); }
};

namespace detail {

/// Cuts what lies below the noise of FP32, since directions there are not determined.
inline index_t determined(std::vector<double> const& values, index_t most) {
  index_t count = 0;
  while (count < most && values[static_cast<std::size_t>(count)] > 3e-6 * values.front()) ++count;
  return count;
}

inline void check_rank(extents2 e, index_t k) {
  index_t const least = std::min(e.rows, e.columns);
  if (k < 1 || k > least)
    throw shape_error(stated("shape.rank",
                             "halfstep: {vectors} singular vectors of a matrix of {rows} x {columns}: expected 1 to {most}",
                             {{"vectors", k}, {"rows", e.rows}, {"columns", e.columns}, {"most", least}}));
}

/// The singular values of a matrix from the ascending eigenvalues of its Gram matrix, the largest first.
inline std::vector<double> descending_roots(Eigen::VectorXd const& ascending) {
  std::vector<double> roots;
  for (index_t i = ascending.size() - 1; i >= 0; --i) roots.push_back(std::sqrt(std::max(ascending(i), 0.0)));
  return roots;
}

template <class Executor>
void multiply(Executor const& ex, host_view<float const> a, operand how, host_view<float const> b, host_view<float> c) {
  gemm(ex, a, how, b, operand::plain, c);
}

}  // namespace detail

/// Returns about the `k` leading singular vectors of `a`, by randomized subspace iteration.
///
/// a [M, N]; 1 <= k <= min(M, N), else shape_error. q = min(k + 10, M, N) random directions, two power iterations with
/// re-orthonormalization at each half step; FP32 but for Gram matrices. Within 1 to 3 % of the energy of the exact vectors where
/// the spectrum is flat, much closer where it is not. Fewer than k where the matrix has a lower rank. About 12 M N q flops and
/// 2 (M + N) q floats. On one machine the same bits for every number of threads; `random` fixes the directions.
/// Source: N. Halko et al., "Finding structure with randomness", SIAM Review 53, 2011.
template <host_executor Executor>
singular_vectors leading_singular_vectors(Executor const& ex, host_view<float const> a, index_t k, philox random) {
  index_t const least = std::min(a.rows(), a.columns());
  detail::check_rank(a.extents(), k);
  index_t const q = std::min(k + 10, least);
  extents2 const left{a.rows(), q}, right{a.columns(), q}, small{q, q};
  host_buffer<float> y(left.count()), z(right.count()), scratch(std::max(left.count(), right.count()));
  auto const y_scratch = host_view<float>(scratch.data(), left);
  auto const z_scratch = host_view<float>(scratch.data(), right);
  for (index_t i = 0; i < z.size(); i += 128) {
    auto const words = random(static_cast<std::uint64_t>(i / 128));
    for (index_t bit = 0; bit < std::min<index_t>(128, z.size() - i); ++bit)
      z[i + bit] = (words.word[bit / 32] >> (bit % 32) & 1u) != 0 ? 1.0f : -1.0f;
  }
  detail::multiply(ex, a, operand::plain, z.view(right), y.view(left));
  orthonormalize(ex, y.view(left), y_scratch);
  for (int iteration = 0; iteration < 2; ++iteration) {
    detail::multiply(ex, a, operand::transposed, y.view(left), z.view(right));
    orthonormalize(ex, z.view(right), z_scratch);
    detail::multiply(ex, a, operand::plain, z.view(right), y.view(left));
    orthonormalize(ex, y.view(left), y_scratch);
  }
  // With Y orthonormal, a ~ Y Z^T for Z = a^T Y; the eigenvectors X of Z^T Z turn both into singular vectors.
  detail::multiply(ex, a, operand::transposed, y.view(left), z.view(right));
  host_buffer<double> gram(small.count());
  detail::gram(ex, z.view(right), gram.view(small));
  Eigen::SelfAdjointEigenSolver<detail::dense<double>> const solved(detail::eigen_map(gram.view(small)));
  std::vector<double> const values = detail::descending_roots(solved.eigenvalues());
  index_t const rank = values.front() > 0.0 ? detail::determined(values, k) : 0;
  singular_vectors found{host_buffer<float>(a.rows() * rank), host_buffer<float>(a.columns() * rank), {}};
  if (rank == 0) return found;
  extents2 const turn{q, rank}, u{a.rows(), rank}, v{a.columns(), rank};
  host_buffer<float> for_u(turn.count()), for_v(turn.count());
  for (index_t i = 0; i < q; ++i)
    for (index_t j = 0; j < rank; ++j) {
      double const x = solved.eigenvectors()(i, q - 1 - j);
      for_u[i * rank + j] = static_cast<float>(x);
      for_v[i * rank + j] = static_cast<float>(x / values[static_cast<std::size_t>(j)]);
    }
  detail::multiply(ex, y.view(left), operand::plain, for_u.view(turn), found.u.view(u));
  detail::multiply(ex, z.view(right), operand::plain, for_v.view(turn), found.v.view(v));
  orthonormalize(ex, found.v.view(v), host_view<float>(scratch.data(), v));
  for (index_t j = 0; j < rank; ++j) found.values.push_back(static_cast<float>(values[static_cast<std::size_t>(j)]));
  return found;
}

/// Returns the `k` leading singular vectors of `a` from all of its spectrum; otherwise as `leading_singular_vectors`.
///
/// The eigenvectors of a^T a, or of a a^T where that is smaller, in FP64: of a matrix in FP32 it loses nothing above the noise at
/// which directions are cut. About 2 M N s + 9 s^3 flops for s = min(M, N), the latter on one thread, and 24 s^2 bytes.
template <host_executor Executor>
singular_vectors exact_singular_vectors(Executor const& ex, host_view<float const> a, index_t k) {
  index_t const least = std::min(a.rows(), a.columns());
  detail::check_rank(a.extents(), k);
  bool const wide = a.rows() < a.columns();
  index_t const most = std::max(a.rows(), a.columns());
  extents2 const tall{most, least}, square{least, least};
  host_buffer<float> turned(wide ? tall.count() : 0);
  if (wide) detail::eigen_map(turned.view(tall)) = detail::eigen_map(a).transpose();
  host_view<float const> const x = wide ? host_view<float const>(turned.view(tall)) : a;
  host_buffer<double> gram(square.count());
  detail::gram(ex, x, gram.view(square));
  Eigen::SelfAdjointEigenSolver<detail::dense<double>> const solved(detail::eigen_map(gram.view(square)));
  std::vector<double> const values = detail::descending_roots(solved.eigenvalues());
  index_t const rank = values.front() > 0.0 ? detail::determined(values, k) : 0;
  extents2 const turn{least, rank}, image{most, rank};
  host_buffer<float> axes(turn.count()), scaled(turn.count()), images(image.count()), scratch(image.count());
  for (index_t i = 0; i < turn.count(); ++i) {
    double const e = solved.eigenvectors()(i / rank, least - 1 - i % rank);
    axes[i] = static_cast<float>(e);
    scaled[i] = static_cast<float>(e / values[static_cast<std::size_t>(i % rank)]);
  }
  if (rank > 0) {
    detail::multiply(ex, x, operand::plain, scaled.view(turn), images.view(image));
    orthonormalize(ex, images.view(image), scratch.view(image));
  }
  singular_vectors found{std::move(wide ? axes : images), std::move(wide ? images : axes), {}};
  for (index_t j = 0; j < rank; ++j) found.values.push_back(static_cast<float>(values[static_cast<std::size_t>(j)]));
  return found;
}

}  // namespace halfstep
