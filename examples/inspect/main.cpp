// inspect FILE [--json]: checks a safetensors file, or all shards of an index, and shows the header.
//
// Exit code 0; 2 for bad use; 65 with the reason where the file is not valid; 66 where there is none; 74 where output fails.

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/version.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/file/folder.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/open_model.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace {

namespace st = halfstep::safetensors;

// The columns that `text` takes: bytes that do not continue a character.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(std::string text, std::size_t width) { return text.append(width - std::min(width, columns(text)), ' '); }

std::string right(std::string const& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string table(st::reader const& file) {
  auto const tensors = file.head().tensors();
  std::size_t name_width = 4, shape_width = 5, bytes_width = 5;
  for (st::tensor const& t : tensors) {
    name_width = std::max(name_width, columns(t.name));
    shape_width = std::max(shape_width, halfstep::shape_text(t.shape).size());
    bytes_width = std::max(bytes_width, std::to_string(t.bytes()).size());
  }
  name_width = std::min<std::size_t>(name_width, 100);
  std::string out =
      padded("name", name_width) + "  dtype        " + padded("shape", shape_width) + "  " + right("bytes", bytes_width) + '\n';
  for (st::tensor const& t : tensors)
    out += padded(t.name, name_width) + "  " + padded(std::string(halfstep::name_of(t.type)), 11) + "  " +
           padded(halfstep::shape_text(t.shape), shape_width) + "  " + right(std::to_string(t.bytes()), bytes_width) + '\n';
  for (auto const& [key, value] : file.head().metadata())
    out += "metadata " + halfstep::quoted(key) + " = " + halfstep::quoted(value) + '\n';
  std::uint64_t elements = 0;
  for (st::tensor const& t : tensors) elements += t.count();
  return out + std::to_string(tensors.size()) + " tensors, " + std::to_string(elements) + " elements, " +
         std::to_string(file.head().data_bytes()) + " bytes of data, " + std::to_string(file.file_bytes()) + " bytes in all\n";
}

std::string json(st::reader const& file) {
  std::string out = "{\"file\":";
  halfstep::append_json_string(out, file.path());
  out += ",\"file_bytes\":" + std::to_string(file.file_bytes()) + ",\"data_bytes\":" + std::to_string(file.head().data_bytes());
  out += ",\"metadata\":{";
  std::string_view separator;
  for (auto const& [key, value] : file.head().metadata()) {
    out += std::exchange(separator, ",");
    halfstep::append_json_string(out, key);
    out += ':';
    halfstep::append_json_string(out, value);
  }
  out += "},\"tensors\":[";
  separator = "";
  for (st::tensor const& t : file.head().tensors()) {
    out += std::exchange(separator, ",");
    out += "{\"name\":";
    halfstep::append_json_string(out, t.name);
    out += ",\"dtype\":\"" + std::string(halfstep::name_of(t.type)) + "\",\"shape\":" + halfstep::shape_text(t.shape) +
           ",\"bytes\":" + std::to_string(t.bytes()) + ",\"begin\":" + std::to_string(t.begin) +
           ",\"end\":" + std::to_string(t.end) + '}';
  }
  return out + "]}\n";
}

int fail(int code, std::string_view why) {
  std::cerr << "inspect: error: " << why << '\n';
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Checks a safetensors file and shows its header.", "inspect");
  std::string path;
  bool as_json = false;
  app.add_option("FILE", path, "a .safetensors file, the .index.json of shards, or a folder with either")->required();
  app.add_flag("--json", as_json, "print one JSON object instead of a table");
  app.set_version_flag("--version", std::string(halfstep::version));
  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  try {
    bool const is_file = halfstep::file::kind_of(path) != halfstep::file::path_kind::folder && !path.ends_with(".json");
    st::reader const file = is_file ? st::reader(path) : st::open_model(path).file;  // a shard is shown for itself
    std::cout << (as_json ? json(file) : table(file)) << std::flush;
    return std::cout ? 0 : fail(74, "cannot write to standard output; check where it goes");
  } catch (halfstep::io_error const& e) {
    return fail(e.stage() == halfstep::io_stage::open_input      ? 66
                : e.stage() == halfstep::io_stage::input_changed ? 65
                                                                 : 74,
                e.what());
  } catch (halfstep::format_error const& e) {
    return fail(65, e.what());
  } catch (std::bad_alloc const&) {
    return fail(71, "out of memory; the header alone may take four times its length");
  }
}
