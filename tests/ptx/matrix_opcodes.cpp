// ldmatrix, stmatrix and mma.sync.
#include <array>
#include <cstring>

#include "memory_access.hpp"
#include "real_format.hpp"

namespace ptx {

namespace {

struct matrices {
  std::size_t count;
  bool is_transposed;
};

matrices take_matrices(decoder& d) {
  if (!d.take("sync") || !d.take("aligned") || !d.take("m8n8")) d.refuse("expected .sync.aligned.m8n8");
  std::size_t const counts[] = {1, 2, 4};
  matrices m{counts[d.take_one_of({"x1", "x2", "x4"})], d.take("trans")};
  static_cast<void>(d.take_one_of({"shared", "shared::cta"}));
  if (d.take_type() != *scalar_named("b16")) d.refuse("no type that is known");
  return m;
}

void require_all(warp& w, lane_mask lanes) {
  if (lanes != w.existing() || lanes != all_lanes) w.complain("an instruction of the whole warp that not all lanes run");
}

/// Reads the addresses of rows, which the first eight lanes a matrix give, and counts the request.
lane_values rows_of(warp& w, lane_mask lanes, address const& at, std::size_t count, access how) {
  lane_values rows{};
  at.read(w, lanes, rows);
  for (std::size_t r = 0; r < count * 8; ++r) {
    rows[r] &= ones(32);
    if (rows[r] % 16 != 0) w.stop("a misaligned address");
  }
  count_request(w, lanes & static_cast<lane_mask>(ones(static_cast<int>(count) * 8)), space::shared, rows, 16, how);
  return rows;
}

/// Calls f(lane, address, bytes, place in the register) for the pieces of matrix `n` that each lane holds.
template <class F>
void for_each_piece(lane_values const& rows, std::size_t n, bool is_transposed, F&& f) {
  for (int l = 0; l < warp_size; ++l) {
    auto const lane = static_cast<std::uint64_t>(l);
    if (!is_transposed) {
      f(l, rows[n * 8 + lane / 4] + lane % 4 * 4, 4, 0);
      continue;
    }
    for (std::uint64_t i = 0; i < 2; ++i) f(l, rows[n * 8 + lane % 4 * 2 + i] + lane / 4 * 2, 2, static_cast<int>(16 * i));
  }
}

operation ldmatrix(decoder& d) {
  matrices const m = take_matrices(d);
  auto const to = d.vector_out(0);
  address const from = d.at(1);
  if (to.size() != m.count) d.refuse("a vector of another length");
  return warp_wide(std::nullopt, [=](warp& w, lane_mask lanes) {
    require_all(w, lanes);
    lane_values const rows = rows_of(w, lanes, from, m.count, access::load);
    for (std::size_t n = 0; n < m.count; ++n) {
      lane_values values{};
      for_each_piece(rows, n, m.is_transposed, [&](int l, std::uint64_t at, int bytes, int shift) {
        std::uint64_t v = 0;
        std::memcpy(&v, w.owner().access_memory(w, l, space::shared, at, bytes, access::load), static_cast<std::size_t>(bytes));
        values[static_cast<std::size_t>(l)] |= v << shift;
      });
      std::uint64_t* const y = to[n].write(w, lanes);
      for_each_lane(lanes, [&](int l) { y[l] = values[static_cast<std::size_t>(l)]; });
    }
  });
}

operation stmatrix(decoder& d) {
  matrices const m = take_matrices(d);
  address const to = d.at(0);
  auto const from = d.vector_in(1);
  if (from.size() != m.count) d.refuse("a vector of another length");
  return warp_wide(std::nullopt, [=](warp& w, lane_mask lanes) {
    require_all(w, lanes);
    lane_values const rows = rows_of(w, lanes, to, m.count, access::store);
    for (std::size_t n = 0; n < m.count; ++n) {
      lane_values scratch;
      std::uint64_t const* const x = from[n].read(w, lanes, scratch);
      for_each_piece(rows, n, m.is_transposed, [&](int l, std::uint64_t at, int bytes, int shift) {
        std::uint64_t const v = x[l] >> shift;
        std::memcpy(w.owner().access_memory(w, l, space::shared, at, bytes, access::store), &v, static_cast<std::size_t>(bytes));
      });
    }
  });
}

/// The shape of mma.sync for one type of operands; the accumulators are 16 x 8.
struct mma_shape {
  int k;
  scalar a, b;
};

using accumulators = std::array<std::array<std::uint64_t, 8>, 16>;

/// Returns element `i` of the lane's part of register `n`, packed `bits` each.
std::uint64_t element(std::uint64_t reg, int i, int bits) { return reg >> (i * bits) & ones(bits); }

std::int64_t integer_of(std::uint64_t bits, scalar t) {
  return t.is_signed() ? sign_extended(bits, t.bits) : static_cast<std::int64_t>(bits);
}

/// Sums of products of integers wrap in 32 bits; with .satfinite they stop at the ends.
void multiply_integers(std::vector<lane_values> const& a, std::vector<lane_values> const& b, mma_shape s, bool saturates,
                       accumulators& sums) {
  std::array<std::array<std::int64_t, 32>, 16> left{};
  std::array<std::array<std::int64_t, 8>, 32> right{};
  for (int l = 0; l < warp_size; ++l) {
    std::size_t const group = static_cast<std::size_t>(l) / 4, lane = static_cast<std::size_t>(l);
    for (std::size_t n = 0; n < a.size(); ++n)
      for (int i = 0; i < 4; ++i)
        left[group + n % 2 * 8][static_cast<std::size_t>(l % 4 * 4 + i) + n / 2 * 16] =
            integer_of(element(a[n][lane], i, 8), s.a);
    for (std::size_t n = 0; n < b.size(); ++n)
      for (int i = 0; i < 4; ++i)
        right[static_cast<std::size_t>(l % 4 * 4 + i) + n * 16][group] = integer_of(element(b[n][lane], i, 8), s.b);
  }
  for (std::size_t row = 0; row < 16; ++row)
    for (std::size_t column = 0; column < 8; ++column) {
      std::int64_t sum = sign_extended(sums[row][column], 32);
      for (std::size_t k = 0; k < static_cast<std::size_t>(s.k); ++k) sum += left[row][k] * right[k][column];
      if (saturates) sum = std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX);
      sums[row][column] = static_cast<std::uint64_t>(sum) & ones(32);
    }
}

/// Products of halves are exact; their sum, whose order the ISA leaves open, is taken in FP64 and rounded once.
void multiply_reals(std::vector<lane_values> const& a, std::vector<lane_values> const& b, mma_shape s, accumulators& sums) {
  std::array<std::array<double, 16>, 16> left{};
  std::array<std::array<double, 8>, 16> right{};
  real_format const f = format_of(s.a);
  for (int l = 0; l < warp_size; ++l) {
    std::size_t const group = static_cast<std::size_t>(l) / 4, lane = static_cast<std::size_t>(l);
    for (std::size_t n = 0; n < a.size(); ++n)
      for (int i = 0; i < 2; ++i)
        left[group + n % 2 * 8][static_cast<std::size_t>(l % 4 * 2 + i) + n / 2 * 8] =
            widened(static_cast<std::uint32_t>(element(a[n][lane], i, 16)), f);
    for (std::size_t n = 0; n < b.size(); ++n)
      for (int i = 0; i < 2; ++i)
        right[static_cast<std::size_t>(l % 4 * 2 + i) + n * 8][group] =
            widened(static_cast<std::uint32_t>(element(b[n][lane], i, 16)), f);
  }
  for (std::size_t row = 0; row < 16; ++row)
    for (std::size_t column = 0; column < 8; ++column) {
      double sum = static_cast<double>(number_of<float>(sums[row][column]));
      for (std::size_t k = 0; k < static_cast<std::size_t>(s.k); ++k) sum += left[row][k] * right[k][column];
      sums[row][column] = bits_of(static_cast<float>(sum));
    }
}

std::vector<lane_values> read_all(warp& w, std::vector<source> const& from, lane_mask lanes) {
  std::vector<lane_values> all(from.size());
  for (std::size_t n = 0; n < from.size(); ++n) {
    lane_values scratch;
    std::uint64_t const* const x = from[n].read(w, lanes, scratch);
    std::copy_n(x, warp_size, all[n].begin());
  }
  return all;
}

/// mma.sync.aligned.m16n8kK.row.col{.satfinite}.D.A.B.C d, a, b, c
operation mma(decoder& d) {
  if (!d.take("sync") || !d.take("aligned") || !d.take("row") || !d.take("col")) d.refuse("expected .sync.aligned and .row.col");
  std::size_t const shape = d.take_one_of({"m16n8k32", "m16n8k16"});
  bool const saturates = d.take("satfinite");
  scalar const result = d.take_type(), a_type = d.take_type(), b_type = d.take_type(), addend = d.take_type();
  mma_shape const s{shape == 0 ? 32 : 16, a_type, b_type};
  bool const is_integer =
      !a_type.is_real() && a_type.bits == 8 && !b_type.is_real() && b_type.bits == 8 && result == *scalar_named("s32");
  bool const is_real =
      a_type.is_real() && a_type.bits == 16 && a_type == b_type && s.k == 16 && result == *scalar_named("f32") && !saturates;
  if (result != addend || !(is_integer || is_real)) d.refuse("a product of matrices that is not known");
  auto const to = d.vector_out(0);
  auto const a = d.vector_in(1), b = d.vector_in(2), c = d.vector_in(3);
  std::size_t const a_registers = static_cast<std::size_t>(s.k * a_type.bits) * 16 / 1024;
  if (to.size() != 4 || c.size() != 4 || a.size() != a_registers || b.size() * 2 != a_registers)
    d.refuse("a vector of another length");
  return warp_wide(std::nullopt, [=](warp& w, lane_mask lanes) {
    require_all(w, lanes);
    auto const left = read_all(w, a, lanes), right = read_all(w, b, lanes), added = read_all(w, c, lanes);
    accumulators sums{};
    auto const place = [&](int l, std::size_t n) -> std::uint64_t& {
      return sums[static_cast<std::size_t>(l / 4) + n / 2 * 8][static_cast<std::size_t>(l % 4 * 2) + n % 2];
    };
    for (int l = 0; l < warp_size; ++l)
      for (std::size_t n = 0; n < 4; ++n) place(l, n) = added[n][static_cast<std::size_t>(l)];
    if (is_integer)
      multiply_integers(left, right, s, saturates, sums);
    else
      multiply_reals(left, right, s, sums);
    for (std::size_t n = 0; n < 4; ++n) {
      std::uint64_t* const y = to[n].write(w, lanes);
      for_each_lane(lanes, [&](int l) { y[l] = place(l, n); });
    }
  });
}

}  // namespace

void add_matrix_opcodes(opcode_table& table) { table.insert({{"ldmatrix", ldmatrix}, {"stmatrix", stmatrix}, {"mma", mma}}); }

}  // namespace ptx
