#include <halfstep/kernel/add_product.hpp>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::add_product;
using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::packed_factor;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::noise;

struct shapes {
  index_t rows, rank, columns;
};

TEST(AddProduct, AddsTheProductOfMatricesThatAreMultiplesOfNothing) {
  for (auto const [m, k, n] : {shapes{1, 1, 1}, {7, 5, 33}, {300, 32, 1000}, {65, 64, 31}, {3, 0, 40}}) {
    auto const a = noise({m, k}, 1), b = noise({k, n}, 2), start = noise({m, n}, 3);
    auto c = noise({m, n}, 3), again = noise({m, n}, 3);
    packed_factor const packed(host_view<float const>(b.data(), {k, n}));
    add_product(serial{}, host_view<float const>(a.data(), {m, k}), packed, c.view({m, n}));
    add_product(threads(2), host_view<float const>(a.data(), {m, k}), packed, again.view({m, n}));
    for (index_t i = 0; i < m; ++i) {
      for (index_t j = 0; j < n; ++j) {
        double exact = static_cast<double>(start[i * n + j]);
        for (index_t r = 0; r < k; ++r) exact += static_cast<double>(a[i * k + r]) * static_cast<double>(b[r * n + j]);
        ASSERT_NEAR(c[i * n + j], exact, 3e-8) << m << " x " << k << " x " << n << " at " << i << ", " << j;
        ASSERT_EQ(c[i * n + j], again[i * n + j]);
      }
    }
  }
}

TEST(AddProduct, GivesTheSameBitsForAnyCutIntoRows) {
  extents2 const e{37, 70};
  index_t const rank = 20;
  auto const a = noise({e.rows, rank}, 1), b = noise({rank, e.columns}, 2);
  packed_factor const packed(host_view<float const>(b.data(), {rank, e.columns}));
  auto whole = noise(e, 3);
  add_product(serial{}, host_view<float const>(a.data(), {e.rows, rank}), packed, whole.view(e));
  for (index_t const step : {1, 2, 3, 5}) {
    auto cut = noise(e, 3);
    for (index_t first = 0; first < e.rows; first += step) {
      index_t const rows = std::min(step, e.rows - first);
      add_product(serial{}, host_view<float const>(a.data(), {e.rows, rank}).rows(first, rows), packed,
                  cut.view(e).rows(first, rows));
    }
    for (index_t i = 0; i < e.count(); ++i) ASSERT_EQ(cut[i], whole[i]) << "rows by " << step;
  }
}

TEST(AddProduct, RefusesExtentsThatDoNotGoTogether) {
  auto a = noise({4, 3}), b = noise({3, 5}), c = noise({4, 5});
  packed_factor const packed(host_view<float const>(b.data(), {3, 5}));
  EXPECT_THROW(add_product(serial{}, host_view<float const>(a.data(), {3, 4}), packed, c.view({4, 5})), halfstep::shape_error);
  EXPECT_THROW(add_product(serial{}, host_view<float const>(a.data(), {4, 3}), packed, c.view({5, 4})), halfstep::shape_error);
}

}  // namespace
