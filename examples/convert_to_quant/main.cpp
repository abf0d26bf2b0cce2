// convert_to_quant: quantizes the weights of a safetensors file.
#include <atomic>
#include <cstdio>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "advice.hpp"
#include "convert_legacy.hpp"
#include "edit.hpp"
#include "parse.hpp"
#include "program/run.hpp"
#include "run.hpp"
#include "sentences.hpp"

int main(int count, char** values) {
  return program::run(
      "convert_to_quant",
      [&](std::atomic<bool> const& stop) {
        auto const asked = convert_to_quant::parse({values + 1, values + count});
        if (auto const* text = std::get_if<convert_to_quant::information>(&asked)) {
          std::fputs(text->text.c_str(), stdout);
          return;
        }
        auto const& o = std::get<convert_to_quant::options>(asked);
        if (o.edit_quant) return convert_to_quant::edit(o, stop);
        (o.convert_legacy ? convert_to_quant::convert_legacy : convert_to_quant::run)(o, stop);
      },
      [&](std::string_view text) {
        std::vector<std::string> const given(values + 1, values + count);
        return convert_to_quant::beyond_given(convert_to_quant::in_flags(text), given);
      });
}
