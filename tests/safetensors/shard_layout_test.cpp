#include <halfstep/safetensors/shard_layout.hpp>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/safetensors/open_model.hpp>
#include <halfstep/safetensors/writer.hpp>

#include "../support/files.hpp"

namespace {

using halfstep::dtype;
using halfstep::io_error;
using halfstep_test::bytes_of;
using halfstep_test::load;
using halfstep_test::save;
using halfstep_test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;
namespace st = halfstep::safetensors;

std::vector<std::string> names_of(st::header const& h) {
  std::vector<std::string> names;
  for (auto const& t : h.tensors()) names.push_back(t.name);
  return names;
}

st::tensor_spec bytes(std::string name, std::uint64_t count) { return {std::move(name), dtype::u8, {count}}; }

TEST(ShardLayout, FillsFilesInOrderAndSplitsNoGroup) {
  auto const made = st::arrange_shards(
      {{bytes("c", 1000), bytes("a", 500)}, {bytes("b", 700)}, {bytes("d", 1800), bytes("e", 100)}}, {{"k", "v"}}, 3000);
  ASSERT_EQ(made.shards.size(), 2u);
  EXPECT_THAT(names_of(made.shards[0]), ElementsAre("a", "b", "c"));
  EXPECT_THAT(names_of(made.shards[1]), ElementsAre("d", "e"));
  EXPECT_THAT(made.shards[1].metadata(), ElementsAre(testing::Pair("k", "v")));
  EXPECT_THAT(names_of(made.whole), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(made.whole.find("d")->begin, 2200u);
}

TEST(ShardLayout, KeepsFilesWithinTheLimitHeaderAndAll) {
  std::vector<std::vector<st::tensor_spec>> groups;
  for (int i = 0; i < 200; ++i)
    groups.push_back({bytes("blocks." + std::to_string(i) + ".\"quoted\\\".weight", 10 + 7 * static_cast<std::uint64_t>(i)),
                      {"blocks." + std::to_string(i) + ".scale", dtype::f32, {}}});
  for (std::uint64_t const limit : {4000u, 5000u, 20'000u, 1'000'000u}) {
    auto const made = st::arrange_shards(groups, {{"config", std::string(300, 'x')}}, limit);
    std::uint64_t sum = 0;
    for (auto const& shard : made.shards) {
      auto const size = 8 + st::serialize(shard).size() + shard.data_bytes();
      EXPECT_LE(size, limit);
      EXPECT_FALSE(shard.tensors().empty());
      sum += size;
    }
    EXPECT_EQ(made.bytes(), sum);
    EXPECT_EQ(made.whole.tensors().size(), 400u);
  }
}

TEST(ShardLayout, GivesAGroupThatIsTooLargeAFileOfItsOwn) {
  auto const made = st::arrange_shards({{bytes("a", 10)}, {bytes("b", 9000)}, {bytes("c", 10)}}, {}, 1000);
  ASSERT_EQ(made.shards.size(), 3u);
  EXPECT_THAT(names_of(made.shards[1]), ElementsAre("b"));
}

TEST(ShardLayout, HoldsModelsWithoutTensors) { EXPECT_EQ(st::arrange_shards({}, {}, 1000).shards.size(), 1u); }

TEST(ShardLayout, RefusesTensorsOfOneNameInTwoShards) {
  EXPECT_THROW(st::arrange_shards({{bytes("a", 900)}, {bytes("a", 900)}}, {}, 1000), halfstep::format_error);
}

TEST(ShardLayout, NamesFilesAsTheUsualToolsDo) {
  for (std::string const path : {"x/m", "x/m.safetensors", "x/m.safetensors.index.json"}) {
    EXPECT_EQ(st::shard_path(path, 0, 12), "x/m-00001-of-00012.safetensors");
    EXPECT_EQ(st::shard_index_path(path), "x/m.safetensors.index.json");
  }
  auto const made = st::arrange_shards({{bytes("a", 900)}, {bytes("b", 900)}}, {}, 1000);
  auto const index = st::index_of(made.shards, "x/m");
  EXPECT_EQ(index.total_size, 1800u);
  EXPECT_THAT(index.weight_map, ElementsAre(testing::Pair("a", "m-00001-of-00002.safetensors"),
                                            testing::Pair("b", "m-00002-of-00002.safetensors")));
}

class ShardWriter : public testing::Test {
 protected:
  static st::shard_layout layout() {
    return st::arrange_shards({{bytes("a", 900), bytes("s", 4)}, {bytes("none", 0)}, {bytes("b", 900)}}, {{"k", "v"}}, 1300);
  }
  st::writer open(halfstep::file::overwrite existing = halfstep::file::overwrite::refuse) {
    return st::writer(folder_.path("m.safetensors"), layout(), existing, {});
  }
  static void fill(st::writer& w, char letter) {
    w.write(w.at("b"), 0, bytes_of(std::string(900, letter)));
    w.write(w.at("a"), 100, bytes_of(std::string(800, letter)));
    w.write(w.at("a"), 0, bytes_of(std::string(100, letter)));
    w.write(w.at("s"), 0, bytes_of(std::string(4, letter)));
    w.write(w.at("none"), 0, {});
  }
  void expect_whole(char letter) {
    auto const model = st::open_model(folder_.path()).file;
    EXPECT_EQ(model.head().tensors().size(), 4u);
    for (auto const& t : model.head().tensors()) {
      std::string text(t.bytes(), '?');
      model.read(t, 0, std::as_writable_bytes(std::span(text)));
      EXPECT_EQ(text, std::string(t.bytes(), letter)) << t.name;
    }
  }

  std::vector<std::string> const files_{"m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors",
                                        "m.safetensors.index.json"};
  halfstep_test::temporary_folder folder_;
};

TEST_F(ShardWriter, PublishesShardsAndTheirIndex) {
  {
    auto w = open();
    EXPECT_EQ(w.path(), folder_.path("m.safetensors.index.json"));
    fill(w, 'x');
    std::string back(900, '?');
    w.read_back(w.at("b"), 0, std::as_writable_bytes(std::span(back)));
    EXPECT_EQ(back, std::string(900, 'x'));
    for (auto const& name : folder_.names()) EXPECT_THAT(name, testing::EndsWith(".part"));
    w.commit();
    std::uint64_t sum = 0;
    for (auto const& name : files_) sum += std::filesystem::file_size(folder_.path(name));
    EXPECT_EQ(w.file_bytes(), sum);
  }
  EXPECT_EQ(folder_.names(), files_);
  expect_whole('x');
}

TEST_F(ShardWriter, LeavesNothingUncommitted) {
  {
    auto w = open();
    fill(w, 'x');
  }
  EXPECT_THAT(folder_.names(), testing::IsEmpty());
}

TEST_F(ShardWriter, RefusesWhatExistsAndTakesNothingAway) {
  for (auto const& name : files_) {
    save(folder_.path(name), "old");
    EXPECT_THAT(thrown<io_error>([&] { open(); }), HasSubstr("it exists"));
    EXPECT_THAT(folder_.names(), ElementsAre(name));
    std::filesystem::remove(folder_.path(name));
  }
}

TEST_F(ShardWriter, ReplacesAWholeModel) {
  for (char const letter : {'x', 'y'}) {
    auto w = open(halfstep::file::overwrite::replace);
    fill(w, letter);
    w.commit();
  }
  EXPECT_EQ(folder_.names(), files_);
  expect_whole('y');
}

TEST_F(ShardWriter, LeavesNoIndexToShardsOfTwoModels) {
  {
    auto w = open();
    fill(w, 'x');
    w.commit();
  }
  {
    auto w = open(halfstep::file::overwrite::replace);
    fill(w, 'y');
    std::filesystem::remove(folder_.path(files_[1]));
    std::filesystem::create_directory(folder_.path(files_[1]));
    EXPECT_THROW(w.commit(), io_error);
  }
  std::filesystem::remove(folder_.path(files_[1]));
  EXPECT_THAT(folder_.names(), testing::IsEmpty()) << "the first shard was replaced, and is withdrawn with its index";
}

TEST_F(ShardWriter, KeepsAnIndexWhoseShardsItDoesNotReplace) {
  save(folder_.path(files_[2]), "old");
  {
    auto w = open(halfstep::file::overwrite::replace);
    fill(w, 'y');
    std::filesystem::create_directory(folder_.path(files_[1]));
    EXPECT_THROW(w.commit(), io_error);
  }
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{files_[1], files_[2]}));
}

TEST_F(ShardWriter, IsHeldByOneRunAtATime) {
  auto const first = open();
  EXPECT_THAT(thrown<io_error>([&] { open(); }), HasSubstr("another run"));
}

TEST_F(ShardWriter, MissesNoBytes) {
  auto w = open();
  w.write(w.at("a"), 0, bytes_of(std::string(900, 'x')));
  EXPECT_THAT(thrown<halfstep::error>([&] { w.commit(); }), HasSubstr("900 of its 1804"));
}

}  // namespace
