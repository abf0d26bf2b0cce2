// A single number that a tensor of an adapter holds.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Returns the number in `t`, of any float type that weights have, I32 or I64. Throws format_error for another type and for more
/// elements than one, value_error for NaN and infinity, and io_error.
inline double stored_number(safetensors::reader const& file, safetensors::tensor const& t) {
  std::string const described = "LoRA " + quoted(file.path()) + ": " + quoted(t.name);
  if (t.count() != 1)
    throw format_error(stated("lora.no_scalar", "{tensor} of the shape {shape} is no single number",
                              {{"tensor", described}, {"shape", shape_text(t.shape)}}));
  double value = 0.0;
  switch (t.type) {
    case dtype::i64:
    case dtype::i32: {
      std::int64_t whole = 0;  // little endian: the low half is the number of an I32
      file.read(t, 0, std::as_writable_bytes(std::span(&whole, 1)).first(t.bytes()));
      value = t.type == dtype::i64 ? static_cast<double>(whole) : static_cast<double>(static_cast<std::int32_t>(whole));
      break;
    }
    case dtype::f64:
      file.read(t, 0, std::as_writable_bytes(std::span(&value, 1)));
      break;
    case dtype::f32:
    case dtype::f16:
    case dtype::bf16:
      with_source_type(t.type, [&]<class Source>(std::type_identity<Source>) {
        Source stored;
        file.read(t, 0, std::as_writable_bytes(std::span(&stored, 1)));
        value = static_cast<double>(widen(stored));
      });
      break;
    default:
      throw format_error(stated("lora.wrong_type", "{tensor} is {type}, not F32, F16 or BF16",
                                {{"tensor", described}, {"type", name_of(t.type)}}));
  }
  if (!std::isfinite(value)) throw value_error(stated("lora.not_finite", "{tensor} is not finite", {{"tensor", described}}));
  return value;
}

}  // namespace halfstep
