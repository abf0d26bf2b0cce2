#include <halfstep/convert/edit.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/core/error.hpp>

#include "../support/known_formats.hpp"
#include "scene.hpp"

namespace {

using namespace halfstep_test;
using halfstep::dtype;
using halfstep::edit_options;
using halfstep::file_edit;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string const marker = R"({"format": "int8_tensorwise", "per_row": true})";

model_part text(std::string name, std::string const& value) {
  auto const bytes = std::as_bytes(std::span(value));
  return {{std::move(name), dtype::u8, {value.size()}}, {bytes.begin(), bytes.end()}};
}

model_part codes(std::string name, std::uint64_t rows, std::uint64_t columns) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7);
  return {{std::move(name), dtype::i8, {rows, columns}}, std::move(bytes)};
}

model_part scales(std::string name, std::vector<std::uint64_t> shape) {
  std::uint64_t count = 1;
  for (auto const n : shape) count *= n;
  std::vector<float> const ones(static_cast<std::size_t>(count), 0.5f);
  auto const bytes = std::as_bytes(std::span(ones));
  return {{std::move(name), dtype::f32, std::move(shape)}, {bytes.begin(), bytes.end()}};
}

struct FileEdit : testing::Test {
  FileEdit() { write({}); }

  void write(halfstep::safetensors::metadata_list metadata) {
    std::vector<model_part> parts;
    for (std::string const layer : {"a.0", "b.0", "b.1"}) {
      parts.push_back(codes(layer + ".weight", 4, 16));
      parts.push_back(scales(layer + ".weight_scale", {4, 1}));
      parts.push_back(text(layer + ".comfy_quant", marker));
    }
    parts.push_back(weight<float>("norm.weight", {3, 5}, 4));
    write_model(options.input, parts, std::move(metadata));
  }

  /// Edits, and returns every tensor of the result as text.
  std::map<std::string, std::string> edited() {
    file_edit job(options);
    faults = job.faults();
    changes = job.changes();
    job.write({});
    job.publish();
    halfstep::safetensors::reader const made(options.output);
    EXPECT_EQ(made.file_bytes(), job.output_bytes());
    metadata = made.head().metadata();
    std::map<std::string, std::string> all;
    for (auto const& t : made.head().tensors()) {
      auto& bytes = all[t.name];
      bytes.resize(static_cast<std::size_t>(t.bytes()));
      made.read(t, 0, std::as_writable_bytes(std::span(bytes)));
    }
    return all;
  }

  std::string refusal() {
    return message_of([&] { file_edit const job(options); });
  }

  scratch_folder folder;
  edit_options options{
      .input = folder.file("in.safetensors"), .output = folder.file("out.safetensors"), .formats = known_formats()};
  std::vector<std::string> changes, faults;
  halfstep::safetensors::metadata_list metadata;
};

TEST_F(FileEdit, ChangesTheMarkersThatTheFilterPicksAndNothingElse) {
  options.markers.set = {{"full_precision_matrix_mult", "true"}};
  options.layers = "^b";
  auto const all = edited();
  EXPECT_EQ(all.at("a.0.comfy_quant"), marker);
  for (std::string const layer : {"b.0", "b.1"})
    EXPECT_EQ(all.at(layer + ".comfy_quant"),
              R"({"format": "int8_tensorwise", "per_row": true, "full_precision_matrix_mult": true})");
  halfstep::safetensors::reader const from(options.input);
  for (auto const& t : from.head().tensors()) {
    if (t.name.ends_with(".comfy_quant")) continue;
    std::string bytes(static_cast<std::size_t>(t.bytes()), '\0');
    from.read(t, 0, std::as_writable_bytes(std::span(bytes)));
    EXPECT_EQ(all.at(t.name), bytes) << t.name;
  }
  EXPECT_THAT(changes, ElementsAre(HasSubstr("layer 'b.0'"), HasSubstr("layer 'b.1'")));
  EXPECT_THAT(faults, IsEmpty());
  EXPECT_THAT(metadata, ElementsAre(std::pair<std::string, std::string>("format", "pt")));
}

TEST_F(FileEdit, RemovesKeysAndTensorsAndSaysWhatLoadersWillMiss) {
  options.markers.remove = {"per_row", "a.0.comfy_quant", "norm.weight", "norm.weight"};
  auto const all = edited();
  EXPECT_EQ(std::count(changes.begin(), changes.end(), "tensor 'norm.weight' removed"), 1);
  EXPECT_EQ(all.at("b.0.comfy_quant"), R"({"format": "int8_tensorwise"})");
  EXPECT_FALSE(all.contains("a.0.comfy_quant"));
  EXPECT_FALSE(all.contains("norm.weight"));
  EXPECT_THAT(faults, ElementsAre(HasSubstr("'a.0': it has scales but no marker"),
                                  HasSubstr("'b.0': one scale a tensor is wanted"), HasSubstr("'b.1'")));
}

TEST_F(FileEdit, RepairsAFormatAndSaysNothingOfWhatWasWrongBefore) {
  options.markers.remove = {"format"};
  edited();
  EXPECT_THAT(faults, ElementsAre(HasSubstr("'a.0': its marker names no format"), HasSubstr("'b.0'"), HasSubstr("'b.1'")));
  options = {.input = options.output, .output = folder.file("again.safetensors"), .formats = known_formats()};
  options.markers.set = {{"format", R"("int8_tensorwise")"}};
  options.layers = "a";
  edited();
  EXPECT_THAT(faults, IsEmpty());  // b.0 and b.1 are as they were
}

TEST_F(FileEdit, KeepsTheMetadataThatOverridesMarkersInLineWithThem) {
  options.metadata = halfstep::quant_metadata::save;
  edited();
  std::string const saved =
      R"({"format_version": "1.0", "layers": {"a.0": )" + marker + R"(, "b.0": )" + marker + R"(, "b.1": )" + marker + "}}";
  EXPECT_THAT(metadata, testing::Contains(std::pair<std::string, std::string>("_quantization_metadata", saved)));

  options = {.input = options.output, .output = folder.file("again.safetensors"), .formats = known_formats()};
  options.markers = {.remove = {"b.1.comfy_quant"}, .set = {{"per_row", "false"}}};
  options.layers = "a";
  edited();
  EXPECT_THAT(metadata, testing::Contains(std::pair<std::string, std::string>(
                            "_quantization_metadata", R"({"format_version": "1.0", "layers": {"a.0": )"
                                                      R"({"format": "int8_tensorwise", "per_row": false}, "b.0": )" +
                                                          marker + "}}")));
}

TEST_F(FileEdit, RefusesWhatChangesNothingOrNamesNothing) {
  EXPECT_THAT(refusal(), HasSubstr("nothing would change"));
  options.markers.set = {{"per_row", "true"}};
  EXPECT_THAT(refusal(), HasSubstr("nothing would change"));
  options.markers = {.remove = {"per_rows"}};
  EXPECT_THAT(refusal(), HasSubstr("'per_rows', which is neither a tensor nor a key of a marker: nearest is 'per_row'"));
  options.markers = {.remove = {"a.0.weight_scal"}};
  EXPECT_THAT(refusal(), HasSubstr("nearest is 'a.0.weight_scale'"));
  options.markers = {.remove = {"per_row"}};
  options.layers = "c";
  EXPECT_THAT(refusal(), HasSubstr("`edit layers` 'c' matches none of the 3 layers with a marker"));
  write_model(options.input, {weight<float>("norm.weight", {3, 5}, 4)});
  options = {.input = options.input, .output = options.output, .metadata = halfstep::quant_metadata::save};
  EXPECT_THAT(refusal(), HasSubstr("repeats the markers"));
  options = {.input = options.input, .output = options.output};
  options.markers.set = {{"per_row", "true"}};
  EXPECT_THAT(refusal(), HasSubstr("`edit set` changes markers, and '" + options.input + "' holds none"));
}

TEST_F(FileEdit, RefusesMarkersAndMetadataThatItCannotRead) {
  options.markers.remove = {"per_row"};
  write_model(options.input, {text("a.comfy_quant", "{")});
  EXPECT_THAT(refusal(), HasSubstr("the marker 'a.comfy_quant'"));
  write_model(options.input, {text("a.comfy_quant", "[1]")});
  EXPECT_THAT(refusal(), HasSubstr("no JSON object"));
  write_model(options.input, {codes("a.comfy_quant", 2, 2)});
  EXPECT_THAT(refusal(), HasSubstr("is no text"));
  for (std::string const value : {"{", "{}", R"({"layers": []})", R"({"layers": {"a": "int8"}})"}) {
    write({{"_quantization_metadata", value}});
    EXPECT_THAT(refusal(), HasSubstr("_quantization_metadata")) << value;
  }
}

TEST_F(FileEdit, NamesItsOutputAfterTheInputWhereNobodyDoes) {
  options.output.clear();
  options.markers.remove = {"per_row"};
  EXPECT_EQ(file_edit(options).output_path(), folder.file("in_edited.safetensors"));
}

TEST_F(FileEdit, LeavesNothingBehindWhenStopped) {
  options.markers.remove = {"per_row"};
  {
    file_edit job(options);
    int asked = 0;
    EXPECT_THROW(job.write({.advanced = {}, .cancelled = [&] { return ++asked > 3; }}), halfstep::cancelled);
  }
  EXPECT_FALSE(std::filesystem::exists(options.output));
  EXPECT_FALSE(std::filesystem::exists(options.output + ".part"));
}

}  // namespace
