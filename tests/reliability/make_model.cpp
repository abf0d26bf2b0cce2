// Writes safetensors files for the tests and benches: made without the library's writer, so that neither can hide the other's
// faults.
//
// usage: make_model FILE [--seed N] [--metadata KEY=VALUE].. [NAME:DTYPE:SHAPE[:FILL]..]
//
// SHAPE is 512x256 or `scalar`. Tensors lie in the order given; with none on the command line they are read from standard input,
// one a line. FILL: `trained` (the default for floats: heavy tails, rows and columns of unequal size, about 1 / sqrt(columns)),
// `count` (the default for integers: 0, 1, 2, ..), `zeros`, `extremes` (denormals, ties, the largest numbers of FP32),
// `hole` (zeros that take no room on the disk), or `nan@INDEX`, `inf@INDEX`: trained, but for that element. The bytes depend on
// the seed, the name and the index alone.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/core/source.hpp>

namespace {

using namespace std::string_literals;
using halfstep::dtype;

struct tensor {
  std::string name;
  dtype type = dtype::f32;
  std::vector<std::uint64_t> shape;
  std::string fill;
  std::uint64_t special = ~std::uint64_t{0};
  std::uint64_t begin = 0;

  std::uint64_t count() const {
    std::uint64_t n = 1;
    for (std::uint64_t const extent : shape) n *= extent;
    return n;
  }
  std::uint64_t bytes() const { return count() * static_cast<std::uint64_t>(halfstep::bits_of(type)) / 8; }
  std::uint64_t columns() const { return shape.empty() ? 1 : shape.back(); }
};

tensor parse(std::string const& text) {
  std::vector<std::string> part(1);
  for (char const c : text) c == ':' ? part.emplace_back() : part.back() += c;
  if (part.size() < 3 || part.size() > 4) throw std::runtime_error("expected NAME:DTYPE:SHAPE[:FILL], got '" + text + "'");
  tensor t;
  t.name = part[0];
  auto const type = halfstep::dtype_named(part[1]);
  if (!type) throw std::runtime_error("no dtype is called '" + part[1] + "'");
  t.type = *type;
  if (part[2] != "scalar")
    for (char const* at = part[2].c_str();;) {
      char* end = nullptr;
      t.shape.push_back(std::strtoull(at, &end, 10));
      if (end == at || (*end != 'x' && *end != 0)) throw std::runtime_error("bad shape '" + part[2] + "'");
      if (*end == 0) break;
      at = end + 1;
    }
  bool const is_float = part[1][0] == 'F' || part[1] == "BF16";
  t.fill = part.size() == 4 ? part[3] : is_float ? "trained" : "count";
  if (auto const at = t.fill.find('@'); at != std::string::npos) {
    t.special = std::strtoull(t.fill.c_str() + at + 1, nullptr, 10);
    t.fill.resize(at);
  }
  return t;
}

/// Numbers of a Student distribution with 6 degrees of freedom and variance 1, drawn once and looked up by hash.
std::vector<float> const& heavy_tailed() {
  static std::vector<float> const table = [] {
    std::vector<float> numbers(1u << 16);
    halfstep::philox const random(1);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      double normal[7];
      for (std::size_t k = 0; k < 7; ++k) {
        auto const block = random(i * 8 + k);
        double const radius = std::sqrt(-2 * std::log((block.word[0] + 1.0) * 0x1p-32));
        normal[k] = radius * std::cos(6.283185307179586 * block.word[1] * 0x1p-32);
      }
      double square = 0;
      for (std::size_t k = 1; k < 7; ++k) square += normal[k] * normal[k];
      numbers[i] = static_cast<float>(normal[0] / std::sqrt(square / 6) * std::sqrt(4.0 / 6.0));
    }
    return numbers;
  }();
  return table;
}

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// The value of element `index`.
class values {
 public:
  values(tensor const& t, std::uint64_t seed) : tensor_(t), key_(halfstep::random_key(seed, t.name)) {
    scale_ = t.shape.size() < 2 ? 0.1f : 1.0f / std::sqrt(static_cast<float>(t.columns()));
    column_scale_.resize(t.columns());
    for (std::size_t j = 0; j < column_scale_.size(); ++j) column_scale_[j] = scale_ * (mix(key_ + j) % 101 == 0 ? 4.0f : 1.0f);
  }

  void fill(std::uint64_t first, std::size_t count, float* out) const {
    if (tensor_.fill == "zeros") return std::fill(out, out + count, 0.0f);
    if (tensor_.fill == "count")
      return static_cast<void>(std::generate(out, out + count, [i = first]() mutable { return float(i++); }));
    if (tensor_.fill == "extremes") return extremes(first, count, out);
    std::vector<float> const& table = heavy_tailed();
    for (std::size_t i = 0; i < count;) {
      std::uint64_t const row = (first + i) / column_scale_.size();
      std::uint64_t const column = (first + i) % column_scale_.size();
      std::size_t const run = std::min<std::size_t>(column_scale_.size() - column, count - i);
      float const row_scale = std::exp(0.3f * table[mix(key_ ^ row * 0x9e3779b97f4a7c15u) & 0xffff]);
      for (std::size_t k = 0; k < run; ++k)
        out[i + k] = row_scale * column_scale_[column + k] * table[((first + i + k) * 0x9e3779b97f4a7c15u + key_) >> 48];
      i += run;
    }
    if (tensor_.special - first < count)
      out[tensor_.special - first] =
          tensor_.fill == "nan" ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
  }

 private:
  static void extremes(std::uint64_t first, std::size_t count, float* out) {
    static constexpr float numbers[] = {1e-45f, -1e-45f, 1e-40f, 0.0f,    -0.0f,  127.0f,  -127.0f, 0.5f,    1.5f,     -0.5f,
                                        -1.5f,  2.5f,    126.5f, -126.5f, 1e-20f, -1e-20f, 1e20f,   3.4e38f, -3.4e38f, 64.5f};
    for (std::size_t i = 0; i < count; ++i) out[i] = numbers[(first + i) % std::size(numbers)];
  }

  tensor const& tensor_;
  std::uint64_t key_;
  float scale_;
  std::vector<float> column_scale_;
};

template <class T, class Convert>
void store(std::vector<float> const& from, std::byte* to, Convert convert) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    T const value = convert(from[i]);
    std::memcpy(to + i * sizeof(T), &value, sizeof(T));
  }
}

void encode(dtype type, std::vector<float> const& from, std::byte* to) {
  switch (type) {
    case dtype::f64:
      return store<double>(from, to, [](float x) { return double{x}; });
    case dtype::f32:
      return store<float>(from, to, [](float x) { return x; });
    case dtype::f16:
      return store<halfstep::float16>(from, to, halfstep::to_float16);
    case dtype::bf16:
      return store<halfstep::bfloat16>(from, to, halfstep::to_bfloat16);
    case dtype::f8_e4m3:
      return store<halfstep::float8_e4m3>(from, to, halfstep::to_float8_e4m3);
    case dtype::f8_e5m2:
      return store<halfstep::float8_e5m2>(from, to, halfstep::to_float8_e5m2);
    default:
      break;
  }
  int const bytes = halfstep::bits_of(type) / 8;
  for (std::size_t i = 0; i < from.size(); ++i) {
    auto const value = static_cast<std::uint64_t>(from[i]);
    std::memcpy(to + i * static_cast<std::size_t>(bytes), &value, static_cast<std::size_t>(bytes));
  }
}

void write_at(int file, void const* from, std::size_t count, std::uint64_t offset) {
  auto const* at = static_cast<char const*>(from);
  while (count > 0) {
    ssize_t const written = ::pwrite(file, at, count, static_cast<off_t>(offset));
    if (written < 0) throw std::runtime_error("write: "s + std::strerror(errno));
    at += written;
    offset += static_cast<std::uint64_t>(written);
    count -= static_cast<std::size_t>(written);
  }
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  out += text;
  out += '"';
  return out;
}

std::string header_of(std::vector<tensor>& tensors, std::vector<std::string> const& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (std::string const& pair : metadata) {
      auto const at = pair.find('=');
      std::string value;
      for (char const c : pair.substr(at + 1)) {
        if (c == '"' || c == '\\') value += '\\';
        value += c;
      }
      if (text.back() != '{') text += ',';
      text += quoted(pair.substr(0, at)) + ":" + quoted(value);
    }
    text += "}";
  }
  std::uint64_t end = 0;
  for (tensor& t : tensors) {
    t.begin = end;
    end += t.bytes();
    if (text.size() > 1) text += ',';
    text += quoted(t.name) + ":{\"dtype\":" + quoted(halfstep::name_of(t.type)) + ",\"shape\":[";
    for (std::uint64_t const extent : t.shape) {
      if (text.back() != '[') text += ',';
      text += std::to_string(extent);
    }
    text += "],\"data_offsets\":[" + std::to_string(t.begin) + "," + std::to_string(end) + "]}";
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

void write_tensor(int file, tensor const& t, std::uint64_t data_begin, std::uint64_t seed) {
  constexpr std::uint64_t piece = 1u << 22;
  auto const width = static_cast<std::uint64_t>(halfstep::bits_of(t.type) / 8);
  values const source(t, seed);
  std::atomic<std::uint64_t> next{0};
  auto const work = [&] {
    for (std::uint64_t first; (first = next.fetch_add(piece)) < t.count();) {
      std::vector<float> numbers(std::min(piece, t.count() - first));
      std::vector<std::byte> bytes(numbers.size() * width);
      source.fill(first, numbers.size(), numbers.data());
      encode(t.type, numbers, bytes.data());
      write_at(file, bytes.data(), bytes.size(), data_begin + t.begin + first * width);
    }
  };
  std::vector<std::jthread> team;
  for (std::uint64_t i = 1; i < std::min<std::uint64_t>(std::thread::hardware_concurrency(), (t.count() + piece - 1) / piece);
       ++i)
    team.emplace_back(work);
  work();
}

void make(std::vector<std::string> const& arguments) {
  if (arguments.empty())
    throw std::runtime_error("usage: make_model FILE [--seed N] [--metadata KEY=VALUE].. [NAME:DTYPE:SHAPE[:FILL]..]");
  std::uint64_t seed = 0;
  std::vector<std::string> metadata;
  std::vector<tensor> tensors;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == "--seed") {
      seed = std::stoull(arguments.at(++i));
    } else if (arguments[i] == "--metadata") {
      metadata.push_back(arguments.at(++i));
    } else {
      tensors.push_back(parse(arguments[i]));
    }
  }
  if (tensors.empty())
    for (std::string line; std::getline(std::cin, line);)
      if (!line.empty()) tensors.push_back(parse(line));
  std::string const header = header_of(tensors, metadata);
  std::uint64_t const length = header.size();
  int const file = ::open(arguments[0].c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) throw std::runtime_error(arguments[0] + ": " + std::strerror(errno));
  write_at(file, &length, 8, 0);
  write_at(file, header.data(), header.size(), 8);
  std::uint64_t end = 0;
  for (tensor const& t : tensors) {
    if (t.fill != "hole") write_tensor(file, t, 8 + length, seed);
    end = std::max(end, t.begin + t.bytes());
  }
  if (::ftruncate(file, static_cast<off_t>(8 + length + end)) != 0)
    throw std::runtime_error(arguments[0] + ": " + std::strerror(errno));
  if (::close(file) != 0) throw std::runtime_error(arguments[0] + ": " + std::strerror(errno));
}

}  // namespace

int main(int count, char** arguments) {
  try {
    make({arguments + 1, arguments + count});
  } catch (std::exception const& e) {
    std::cerr << "make_model: " << e.what() << "\n";
    return 1;
  }
  return 0;
}
