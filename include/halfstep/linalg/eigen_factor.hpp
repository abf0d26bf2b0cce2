// Eigen's factorizations, apart from its products because they take longer to compile.
#pragma once

#include <halfstep/linalg/eigen.hpp>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 sees some in its own AVX-512 intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#if defined(__NVCC__)
#pragma nv_diagnostic push
#pragma nv_diag_suppress 20012  // annotations of Eigen's own that nvcc ignores
#endif
#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#if defined(__NVCC__)
#pragma nv_diagnostic pop
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
