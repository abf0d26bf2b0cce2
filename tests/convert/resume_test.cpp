// Runs that are interrupted and gone on with.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/convert/convert.hpp>
#include <halfstep/convert/resume/finished_record.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/file/journal_file.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/contract_error.hpp>
#include <halfstep/report/quality_json.hpp>
#include <halfstep/report/quality_limit.hpp>

#include <formats/formats.hpp>
#include <solvers/solvers.hpp>

#include "../support/known_formats.hpp"
#include "scene.hpp"

namespace {

using namespace halfstep_test;
using halfstep::conversion_options;
using halfstep::file_conversion;
using halfstep::format_of;
using halfstep::run_report;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::SizeIs;
using testing::ThrowsMessage;
namespace st = halfstep::safetensors;

/// The report without what differs from run to run.
std::string figures(run_report report) {
  report.seconds = 0.0;
  report.output.clear();
  report.settings_list.clear();
  for (auto& layer : report.layers) layer.seconds = 0.0;
  return quality_json(report, 30.0);
}

class Resume : public testing::Test {
 protected:
  Resume() {
    auto parts = small_model();
    parts.push_back(weight<halfstep::bfloat16>("kept.large", {600, 100}, 7));  // large enough for a record
    parts.back().spec.shape = {600, 10, 10};
    write_model(options.input, parts);
  }

  template <class Executor>
  run_report run(Executor const& ex, halfstep::observer const& watcher = {}) {
    file_conversion job(options);
    auto report = job.run(ex, convert_to_quant::all_formats(), convert_to_quant::all_stages(), watcher);
    job.publish(watcher);
    taken_over = job.taken_over();
    return report;
  }

  /// Runs until `count` pieces or layers are done; returns whether that was before the end.
  template <class Executor>
  bool interrupt_after(Executor const& ex, int count) {
    std::atomic<int> steps{0};
    halfstep::observer const watcher{.advanced = [&](std::string_view, std::uint64_t) { ++steps; },
                                     .cancelled = [&] { return steps >= count; }};
    try {
      run(ex, watcher);
      return false;
    } catch (halfstep::cancelled const&) {
      return true;
    }
  }

  std::size_t records() const { return halfstep::file::journal_file::read(options.output).texts.size(); }
  std::string part() const { return options.output + ".part"; }
  std::string journal() const { return part() + ".journal"; }

  std::set<std::string> files() const {
    std::set<std::string> all;
    for (auto const& entry : std::filesystem::directory_iterator(folder.file(""))) all.insert(entry.path().filename().string());
    return all;
  }

  /// Runs once as a whole and many times with an interruption, each later than the last; expects the same file and figures.
  template <class Executor>
  void expect_same(Executor const& ex) {
    options.output = folder.file("whole");
    auto const whole = figures(run(ex));
    options.output = folder.file("out");
    std::size_t most = 0;
    int tried = 0;
    for (int count = 1; interrupt_after(ex, count); count += 1 + count / 6) {
      std::size_t const finished = std::max<std::size_t>(records(), 1) - 1;
      auto const resumed = figures(run(ex));
      EXPECT_EQ(taken_over, finished) << "after " << count << " steps";
      EXPECT_EQ(resumed, whole) << "after " << count << " steps";
      EXPECT_EQ(bytes_of(options.output), bytes_of(folder.file("whole"))) << "after " << count << " steps";
      EXPECT_THAT(files(), testing::ElementsAre("model.safetensors", "out", "whole"));
      std::filesystem::remove(options.output);
      most = std::max(most, taken_over);
      ++tried;
    }
    EXPECT_GE(tried, 5);
    EXPECT_GE(most, 3u) << "some interruptions came late";
  }

  scratch_folder folder;
  conversion_options options{.input = folder.file("model.safetensors"),
                             .output = folder.file("out"),
                             .layers = {.target = {.format = format_of<halfstep::int8_axis>}},
                             .part = halfstep::file::unfinished::keep};
  std::size_t taken_over = 0;
};

TEST_F(Resume, GivesTheSameFileAndFigures) {
  options.settings.piece_bytes = 1 << 16;
  expect_same(halfstep::serial{});
}

TEST_F(Resume, GivesTheSameFileAndFiguresOnThreads) {
  options.settings.piece_bytes = 1 << 16;
  options.layers.target = {.format = format_of<halfstep::int8_tensor>};  // its ranges span pieces
  expect_same(halfstep::threads(2));
}

TEST_F(Resume, GivesTheSameFileAndFiguresOfRandomRounding) {
  options.layers.target = {.format = format_of<halfstep::int8_block<32>>, .rounding = "stochastic"};
  options.settings.seed = 5;
  expect_same(halfstep::threads(2));
}

TEST_F(Resume, GivesTheSameFileAndFiguresOfLayersHeldInMemory) {
  options.layers.target = {.format = format_of<halfstep::int8_axis>, .scales = "bounded", .solver = "coordinate"};
  options.solving.top_p = 0.05;
  options.solving.min_k = 4;
  expect_same(halfstep::threads(2));
}

TEST_F(Resume, GivesTheSameFileAndFiguresOfWhatInputsAreKnownFor) {
  auto inputs = weight<float>("blocks.0.attn.input", {64, 256}, 8);
  write_model(folder.file("inputs.safetensors"), {std::move(inputs)});
  options.calibration_data = {folder.file("inputs.safetensors")};
  options.layers.target = {.format = format_of<halfstep::int8_axis>, .scales = "auto", .solver = "gptq"};
  options.output = folder.file("whole");
  auto const whole = run(halfstep::serial{});
  auto const layer = std::ranges::find(whole.layers, "blocks.0.attn", &halfstep::layer_quality::layer);
  ASSERT_EQ(layer->bias, halfstep::bias_state::corrected) << "the bias is a part of the layer";
  ASSERT_TRUE(layer->output_error);
  options.output = folder.file("out");
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 7));
  EXPECT_EQ(figures(run(halfstep::serial{})), figures(whole));
  EXPECT_GE(taken_over, 1u);
  EXPECT_EQ(bytes_of(options.output), bytes_of(folder.file("whole")));
}

TEST_F(Resume, GivesTheSameFileAndFiguresOfLayersThatWereQuantized) {
  options.output = folder.file("codes.safetensors");
  run(halfstep::serial{});
  options.input = options.output;
  options.layers.requantize = halfstep::requantization::allow;
  options.layers.formats = halfstep_test::known_formats();
  options.layers.target.format = format_of<halfstep::int8_tensor>;
  options.output = folder.file("whole");
  auto const whole = run(halfstep::serial{});
  ASSERT_TRUE(whole.layers.front().is_requantized);
  options.output = folder.file("out");
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 8));
  EXPECT_EQ(figures(run(halfstep::serial{})), figures(whole));
  EXPECT_GE(taken_over, 1u);
  EXPECT_EQ(bytes_of(options.output), bytes_of(folder.file("whole")));
}

TEST_F(Resume, GoesOnWithAnotherNumberOfThreadsAndOtherPieces) {
  options.output = folder.file("whole");
  run(halfstep::serial{});
  options.output = folder.file("out");
  options.settings.piece_bytes = 1 << 16;
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 12));
  options.settings.piece_bytes = 1 << 19;
  options.settings.order = halfstep::piece_order::one_tensor;
  options.settings.verify = halfstep::verification::full;
  run(halfstep::threads(3));
  EXPECT_GT(taken_over, 0u);
  EXPECT_EQ(bytes_of(options.output), bytes_of(folder.file("whole")));
}

TEST_F(Resume, TellsItsWatcherWhatWasDoneBefore) {
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 6));
  std::map<std::string, std::uint64_t> before, advanced;
  halfstep::observer const watcher{
      .advanced = [&](std::string_view tensor, std::uint64_t bytes) { advanced[std::string(tensor)] += bytes; },
      .cancelled = {},
      .taken_over =
          [&](std::string_view tensor, std::uint64_t bytes) {
            EXPECT_TRUE(advanced.empty());
            before[std::string(tensor)] += bytes;
          }};
  run(halfstep::serial{}, watcher);
  EXPECT_EQ(before.size(), taken_over);
  EXPECT_GE(taken_over, 2u);
  st::reader const given(options.input);
  for (auto const& t : given.head().tensors())
    EXPECT_EQ((before.contains(t.name) ? before : advanced)[t.name], t.bytes()) << t.name;
  for (auto const& [name, bytes] : before) EXPECT_FALSE(advanced.contains(name)) << name;
}

TEST_F(Resume, RedoesWhatThePartDoesNotHold) {
  options.output = folder.file("whole");
  run(halfstep::serial{});
  options.output = folder.file("out");
  for (double const place : {0.2, 0.5, 0.8}) {
    options.part = halfstep::file::unfinished::keep;
    ASSERT_TRUE(interrupt_after(halfstep::serial{}, 5));
    auto const finished = records() - 1;
    {
      std::fstream bytes(part(), std::ios::in | std::ios::out | std::ios::binary);
      for (std::uint64_t at = 0; at < std::filesystem::file_size(part()); at += 3000) {
        bytes.seekp(static_cast<std::streamoff>(at));
        bytes.put('\x55');
      }
    }
    auto const report = run(halfstep::serial{});
    EXPECT_EQ(taken_over, 0u) << "every tensor is larger than the gaps";
    EXPECT_THAT(report.warnings, testing::Contains(ContainsRegex(std::to_string(finished) + " tensors of the interrupted run")));
    EXPECT_EQ(bytes_of(options.output), bytes_of(folder.file("whole"))) << place;
    std::filesystem::remove(options.output);
  }
}

TEST_F(Resume, BelievesNoJournalAboutBytesItDoesNotName) {
  options.output = folder.file("whole");
  run(halfstep::serial{});
  options.output = folder.file("out");
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 5));
  auto records = halfstep::file::journal_file::read(options.output).texts;
  ASSERT_GT(records.size(), 2u);
  for (auto& record : records) {
    auto done = halfstep::parse_finished_tensor(record);
    if (!done) continue;
    for (auto& [tensor, ranges] : done->ranges) ranges.pop_back();
    record = serialize(*done);
  }
  {
    halfstep::file::journal_file forged(options.output, {});
    for (auto const& record : records) ASSERT_TRUE(forged.append(record));
  }
  std::filesystem::resize_file(part(), 0);  // and the part is lost
  run(halfstep::serial{});
  EXPECT_EQ(taken_over, 0u);
  EXPECT_EQ(bytes_of(options.output), bytes_of(folder.file("whole")));
}

TEST_F(Resume, RefusesAnotherRunByName) {
  options.settings.seed = 3;
  options.layers.target.rounding = "stochastic";
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 5));
  auto const left = std::pair(bytes_of(part()), bytes_of(journal()));
  auto const expect_refused = [&](conversion_options other, std::string const& what) {
    auto const mine = std::exchange(options, std::move(other));
    EXPECT_THAT([&] { run(halfstep::serial{}); }, ThrowsMessage<halfstep::error>(testing::AllOf(
                                                      HasSubstr("cannot resume"), HasSubstr(what), HasSubstr(options.output))));
    options = mine;
    EXPECT_EQ(std::pair(bytes_of(part()), bytes_of(journal())), left) << "what is done stays";
  };
  auto other = options;
  other.settings.seed = 4;
  expect_refused(other, "the seed was 3 and is 4");
  other = options;
  other.layers.target.format = format_of<halfstep::int8_tensor>;
  expect_refused(other, "the plan was");
  other.asked = {{"--scaling-mode", "tensor"}};
  expect_refused(other, "--scaling-mode tensor is new");
  other = options;
  other.layers.exclude = {"blocks.1.wide"};
  expect_refused(other, "the plan was");
  auto const written = std::filesystem::last_write_time(options.input);
  std::filesystem::last_write_time(options.input, written + std::chrono::seconds(1));
  expect_refused(options, "the input was");
  std::filesystem::last_write_time(options.input, written);
  write_model(options.input, small_model(), {{"another", "header"}});
  std::filesystem::last_write_time(options.input, written);
  expect_refused(options, "the input's digest was");
}

TEST_F(Resume, TakesOverASeedThatWasDrawn) {
  options.layers.target = {.format = halfstep::format_of<halfstep::int8_block<32>>, .rounding = "stochastic"};
  auto const draw = [&](std::uint64_t seed) {
    options.settings.seed = seed;
    options.layers.added_metadata = {{"seed", std::to_string(seed)}};
    options.drawn = halfstep::drawn_seed{.metadata_key = "seed"};
  };
  draw(1234567890);
  options.output = folder.file("whole");
  run(halfstep::serial{});
  for (std::uint64_t const shard_bytes : {0, 300'000}) {
    options.layers.max_shard_bytes = shard_bytes;
    options.output = folder.file("out");
    draw(1234567890);
    ASSERT_TRUE(interrupt_after(halfstep::serial{}, 6));
    draw(42);
    EXPECT_EQ(file_conversion(options).seed(), 1234567890u);
    run(halfstep::serial{});
    EXPECT_GT(taken_over, 0u);
    if (shard_bytes == 0) {
      EXPECT_EQ(bytes_of(options.output), bytes_of(folder.file("whole")));
    }
  }
  EXPECT_EQ(file_conversion(options).seed(), 42u) << "there is nothing to go on with";
}

TEST_F(Resume, KeepsTheSeedThatWasGiven) {
  options.settings.seed = 3;
  options.layers.target.rounding = "stochastic";
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 6));
  options.settings.seed = 4;
  EXPECT_THROW(run(halfstep::serial{}), halfstep::usage_error);
}

TEST_F(Resume, KeepsOthersOutFromThePlanOn) {
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 5));
  {
    file_conversion const first(options);
    EXPECT_THROW(file_conversion{options}, halfstep::io_error);
    options.part = halfstep::file::unfinished::discard;
    EXPECT_THROW(run(halfstep::serial{}), halfstep::io_error);
    options.part = halfstep::file::unfinished::keep;
  }
  run(halfstep::serial{});
  EXPECT_GT(taken_over, 0u);
}

TEST_F(Resume, RefusesAJournalOfAnotherVersionByName) {
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 5));
  {
    halfstep::file::journal_file older(options.output, {});
    ASSERT_TRUE(older.append("{\"inputs\":[[\"the input\",\"5 bytes\"]],\"chosen\":[],\"asked\":[]}"));
  }
  auto const left = std::pair(bytes_of(part()), bytes_of(journal()));
  EXPECT_THAT([&] { run(halfstep::serial{}); }, ThrowsMessage<halfstep::usage_error>(HasSubstr("made by another version")));
  EXPECT_EQ(std::pair(bytes_of(part()), bytes_of(journal())), left);
}

TEST_F(Resume, BeginsAnewWhereItIsNotAsked) {
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 5));
  options.part = halfstep::file::unfinished::discard;
  EXPECT_THAT(file_conversion(options).planned().notes, testing::Contains(HasSubstr("`unfinished keep` would go on with it")));
  run(halfstep::serial{});
  EXPECT_EQ(taken_over, 0u);
  EXPECT_THAT(files(), testing::ElementsAre("model.safetensors", "out"));
}

TEST_F(Resume, LeavesNothingWhereItIsNotAsked) {
  options.part = halfstep::file::unfinished::discard;
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 5));
  EXPECT_THAT(files(), testing::ElementsAre("model.safetensors"));
}

TEST_F(Resume, SaysThatThereIsNothingToGoOnWith) {
  EXPECT_THAT(file_conversion(options).planned().notes, testing::Contains(HasSubstr("nothing to go on with")));
  run(halfstep::serial{});
  EXPECT_THAT(files(), testing::ElementsAre("model.safetensors", "out"));
}

TEST_F(Resume, GoesOnWithShards) {
  options.layers.max_shard_bytes = 300'000;
  options.output = folder.file("whole");
  run(halfstep::serial{});
  options.output = folder.file("out");
  for (int const count : {1, 3, 5, 7}) {
    std::set<std::string> before = files();
    ASSERT_TRUE(interrupt_after(halfstep::serial{}, count));
    run(halfstep::serial{});
    for (auto const& name : files())
      if (!before.contains(name)) {
        auto const twin = "whole" + name.substr(3);
        if (!name.ends_with("json")) {
          EXPECT_EQ(bytes_of(folder.file(name)), bytes_of(folder.file(twin))) << name;
        }
        EXPECT_EQ(name.find("part"), std::string::npos) << name;
        std::filesystem::remove(folder.file(name));
      }
  }
  EXPECT_GT(taken_over, 2u);
}

TEST_F(Resume, ChecksWhatItTakesOver) {
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 6));
  auto records = halfstep::file::journal_file::read(options.output).texts;
  bool spoilt = false;
  for (auto& record : records) {  // as if the run had read a wrong bit: its bytes are what it wrote, and not what it should have
    auto done = halfstep::parse_finished_tensor(record);
    if (!done || !done->quality || spoilt) continue;
    done->quality->error.error_square *= 1.0000001;
    record = serialize(*done);
    spoilt = true;
  }
  ASSERT_TRUE(spoilt);
  {
    halfstep::file::journal_file forged(options.output, {});
    for (auto const& record : records) ASSERT_TRUE(forged.append(record));
  }
  EXPECT_THROW(run(halfstep::threads(2)), halfstep::contract_error);
  EXPECT_THAT(files(), testing::ElementsAre("model.safetensors")) << "what cannot be trusted is not gone on with";
}

TEST_F(Resume, KnowsHowLongLayersTook) {
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 6));
  std::map<std::string, double> seconds;
  for (auto const& record : halfstep::file::journal_file::read(options.output).texts)
    if (auto const done = halfstep::parse_finished_tensor(record); done && done->quality)
      seconds[done->name] = done->quality->seconds;
  ASSERT_FALSE(seconds.empty());
  for (auto const& layer : run(halfstep::serial{}).layers)
    if (auto const known = seconds.find(layer.layer + ".weight"); known != seconds.end()) {
      EXPECT_EQ(layer.seconds, known->second);
    }
}

TEST_F(Resume, LeavesNothingWhereNothingIsFinished) {
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 0));
  EXPECT_THAT(files(), testing::ElementsAre("model.safetensors"));
}

TEST_F(Resume, TakesAJournalWithoutAPartForNothing) {
  ASSERT_TRUE(interrupt_after(halfstep::serial{}, 5));
  std::filesystem::remove(part());
  options.layers.target.format = format_of<halfstep::int8_tensor>;
  EXPECT_THAT(file_conversion(options).planned().notes, testing::Contains(HasSubstr("nothing to go on with")));
  run(halfstep::serial{});
  EXPECT_EQ(taken_over, 0u);
  EXPECT_THAT(files(), testing::ElementsAre("model.safetensors", "out"));
}

TEST_F(Resume, PublishesWhatWasRefusedForItsQuality) {
  auto refused = options;
  refused.fail_below_db = 200.0;
  EXPECT_THROW(halfstep::convert(halfstep::serial{}, refused, convert_to_quant::all_formats(), {}), halfstep::quality_error);
  run(halfstep::serial{});
  EXPECT_EQ(taken_over, 6u) << "five layers and a large copy";
}

TEST_F(Resume, DoesWithoutAJournalThatCannotBeOpened) {
  std::filesystem::create_directory(journal());
  EXPECT_THAT([&] { run(halfstep::serial{}); }, ThrowsMessage<halfstep::io_error>(HasSubstr("remove it")));
  EXPECT_FALSE(std::filesystem::exists(part()));
  options.part = halfstep::file::unfinished::discard;
  run(halfstep::serial{});
  EXPECT_TRUE(std::filesystem::exists(options.output));
}

}  // namespace
