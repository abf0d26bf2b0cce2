#include <halfstep/convert/convert.hpp>

#include <atomic>
#include <filesystem>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/report/quality_limit.hpp>
#include <halfstep/safetensors/open_model.hpp>
#include <halfstep/safetensors/writer.hpp>

#include <formats/formats.hpp>

#include "scene.hpp"

namespace {

using namespace halfstep_test;
using halfstep::conversion_options;
using halfstep::file_conversion;
using halfstep::format_of;
using testing::HasSubstr;
using testing::Throws;
using testing::ThrowsMessage;

class FileConversion : public testing::Test {
 protected:
  FileConversion() { write_model(options.input, small_model()); }

  std::size_t files() const {
    std::size_t count = 0;
    for ([[maybe_unused]] auto const& entry : std::filesystem::directory_iterator(folder.file(""))) ++count;
    return count;
  }

  scratch_folder folder;
  conversion_options options{.input = folder.file("model.safetensors"),
                             .layers = {.target = {.format = format_of<halfstep::int8_axis>}}};
};

TEST_F(FileConversion, IsOneCallThatSaysWhatItMade) {
  std::map<std::string, std::uint64_t> advanced;
  std::mutex guard;
  halfstep::observer const watcher{.advanced =
                                       [&](std::string_view tensor, std::uint64_t bytes) {
                                         std::scoped_lock const lock(guard);
                                         advanced[std::string(tensor)] += bytes;
                                       },
                                   .cancelled = {}};
  auto const report = halfstep::convert(halfstep::threads(2), options, convert_to_quant::all_formats(), {}, watcher);
  EXPECT_EQ(report.output, folder.file("model_int8_axis_simple.safetensors"));
  halfstep::safetensors::reader const made(report.output);
  EXPECT_EQ(report.output_bytes, made.file_bytes());
  EXPECT_EQ(report.layers.size(), 5u);
  EXPECT_EQ(report.formats.at("layers as int8_axiswise"), 5);
  EXPECT_EQ(files(), 2u);
  halfstep::safetensors::reader const given(options.input);
  for (auto const& t : given.head().tensors()) EXPECT_EQ(advanced[t.name], t.bytes()) << t.name;
}

TEST_F(FileConversion, LeavesNothingWhereItIsCancelled) {
  std::atomic<int> calls{0};
  for (int const after : {0, 1, 3}) {
    calls = 0;
    halfstep::observer const watcher{.advanced = {}, .cancelled = [&] { return calls.fetch_add(1) >= after; }};
    EXPECT_THROW(halfstep::convert(halfstep::threads(2), options, convert_to_quant::all_formats(), {}, watcher),
                 halfstep::cancelled);
    EXPECT_EQ(files(), 1u);
  }
}

TEST_F(FileConversion, PlansBeforeItWorksAndPublishesOnRequestAlone) {
  options.output = folder.file("out");
  {
    file_conversion job(options);
    EXPECT_EQ(job.planned().families.size(), 0u);
    EXPECT_EQ(files(), 1u) << "a plan writes nothing";
    job.run(halfstep::serial{}, convert_to_quant::all_formats(), {}, {});
    EXPECT_FALSE(std::filesystem::exists(folder.file("out")));
    EXPECT_EQ(files(), 3u) << "the part and its journal";
  }
  EXPECT_EQ(files(), 1u);
  file_conversion job(options);
  job.run(halfstep::serial{}, convert_to_quant::all_formats(), {}, {});
  job.publish({});
  EXPECT_TRUE(std::filesystem::exists(folder.file("out")));
}

TEST_F(FileConversion, RefusesLayersBelowTheQualityAskedFor) {
  options.fail_below_db = 200.0;
  EXPECT_THAT([&] { halfstep::convert(halfstep::serial{}, options, convert_to_quant::all_formats(), {}); },
              ThrowsMessage<halfstep::quality_error>(HasSubstr("nothing was published")));
  try {
    halfstep::convert(halfstep::serial{}, options, convert_to_quant::all_formats(), {});
  } catch (halfstep::error const& e) {
    EXPECT_EQ(e.id(), "layers.below_quality");
    EXPECT_EQ(e.fact("layers"), "5");
  }
  EXPECT_EQ(files(), 1u);
}

TEST_F(FileConversion, RefusesAnInputThatChangesMeanwhile) {
  file_conversion job(options);
  job.run(halfstep::serial{}, convert_to_quant::all_formats(), {}, {});
  std::filesystem::last_write_time(options.input, std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_THAT([&] { job.publish({}); }, Throws<halfstep::io_error>());
  EXPECT_FALSE(std::filesystem::exists(job.output_path()));
}

TEST_F(FileConversion, ReadsAndWritesShards) {
  namespace st = halfstep::safetensors;
  std::vector<std::vector<st::tensor_spec>> groups;
  for (auto const& part : small_model()) groups.push_back({part.spec});
  std::filesystem::create_directory(folder.file("model"));
  {
    st::writer shards(folder.file("model/m"), st::arrange_shards(groups, {{"format", "pt"}}, 300'000),
                      halfstep::file::overwrite::refuse, {});
    for (auto const& part : small_model()) shards.write(shards.at(part.spec.name), 0, part.bytes);
    shards.commit();
  }
  options.output = folder.file("one");
  halfstep::convert(halfstep::serial{}, options, convert_to_quant::all_formats(), {});
  options.input = folder.file("model");
  options.output = folder.file("joined");
  halfstep::convert(halfstep::serial{}, options, convert_to_quant::all_formats(), {});
  EXPECT_EQ(bytes_of(folder.file("joined")), bytes_of(folder.file("one")));

  options.layers.max_shard_bytes = 200'000;
  options.settings.verify = halfstep::verification::full;
  std::filesystem::create_directory(folder.file("out"));
  options.output = folder.file("out/m.safetensors");
  file_conversion job(options);
  EXPECT_GT(job.planned().shards.size(), 2u);
  auto const report = job.run(halfstep::threads(2), convert_to_quant::all_formats(), {}, {});
  job.publish({});
  EXPECT_EQ(report.output, folder.file("out/m.safetensors.index.json"));
  std::uint64_t bytes = 0;
  for (auto const& entry : std::filesystem::directory_iterator(folder.file("out"))) bytes += entry.file_size();
  EXPECT_EQ(report.output_bytes, bytes);
  EXPECT_EQ(job.planned().output_bytes, bytes);
  auto const made = st::open_model(folder.file("out")).file;
  st::reader const one(folder.file("one"));
  ASSERT_EQ(made.head().tensors().size(), one.head().tensors().size());
  for (auto const& t : one.head().tensors()) {
    auto const* const again = made.head().find(t.name);
    ASSERT_NE(again, nullptr) << t.name;
    std::vector<std::byte> expected(t.bytes()), got(again->bytes());
    one.read(t, 0, expected);
    made.read(*again, 0, got);
    EXPECT_EQ(got, expected) << t.name;
  }
}

TEST_F(FileConversion, LeavesNothingOfShardsWhereItIsCancelled) {
  options.layers.max_shard_bytes = 200'000;
  std::atomic<int> calls{0};
  halfstep::observer const watcher{.advanced = {}, .cancelled = [&] { return calls.fetch_add(1) >= 3; }};
  EXPECT_THROW(halfstep::convert(halfstep::threads(2), options, convert_to_quant::all_formats(), {}, watcher),
               halfstep::cancelled);
  EXPECT_EQ(files(), 1u);
}

TEST_F(FileConversion, RefusesWarningsWhereTheyAreErrors) {
  options.layers.target.scales = "mse";
  EXPECT_THAT(file_conversion(options).planned().warnings, testing::Contains(HasSubstr("without `calibration_data` clips")));
  options.layers.strict = halfstep::strictness::refuse;
  EXPECT_THAT([&] { file_conversion const job(options); }, ThrowsMessage<halfstep::usage_error>(HasSubstr("`strict`: ")));
}

}  // namespace
