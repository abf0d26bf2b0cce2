#include <halfstep/safetensors/open_model.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/files.hpp"

namespace {

using halfstep::dtype;
using halfstep::format_error;
using halfstep::io_error;
using halfstep_test::framed;
using halfstep_test::save;
using halfstep_test::thrown;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace st = halfstep::safetensors;

std::string text_of(st::reader const& model, std::string const& name) {
  auto const* const t = model.head().find(name);
  if (t == nullptr) return "no " + name;
  std::string text(t->bytes(), '?');
  model.read(*t, 0, std::as_writable_bytes(std::span(text)));
  return text;
}

class OpenModel : public testing::Test {
 protected:
  OpenModel() {
    shard("m-00001-of-00002.safetensors", {{"b", "BBB"}, {"none", ""}, {"a", "AA"}}, {{"format", "pt"}});
    shard("m-00002-of-00002.safetensors", {{"c", "CCCC"}}, {{"format", "pt"}, {"config", "{}"}});
  }

  void shard(std::string const& file, std::vector<std::pair<std::string, std::string>> const& tensors,
             st::metadata_list const& metadata = {}) {
    std::vector<st::tensor> all;
    std::string data;
    for (auto const& [name, bytes] : tensors) {
      all.push_back({name, dtype::u8, {bytes.size()}, data.size(), data.size() + bytes.size()});
      data += bytes;
    }
    save(folder_.path(file), framed(st::header(std::move(all), metadata), data));
  }

  std::string index(std::string const& map = whole, std::string const& name = "m.safetensors.index.json") {
    save(folder_.path(name), "{\"weight_map\":" + map + "}");
    return folder_.path(name);
  }

  template <class Error>
  std::string refusal(std::string const& path) {
    return thrown<Error>([&] { st::open_model(path); });
  }

  static constexpr char const* whole =
      R"({"a":"m-00001-of-00002.safetensors","b":"m-00001-of-00002.safetensors","none":"m-00001-of-00002.safetensors",)"
      R"("c":"m-00002-of-00002.safetensors"})";
  halfstep_test::temporary_folder folder_;
};

TEST_F(OpenModel, ReadsShardsAsOneFile) {
  auto const model = st::open_model(index());
  EXPECT_EQ(model.file.head().tensors().size(), 4u);
  EXPECT_EQ(model.file.head().data_bytes(), 9u);
  EXPECT_EQ(text_of(model.file, "a"), "AA");
  EXPECT_EQ(text_of(model.file, "b"), "BBB");
  EXPECT_EQ(text_of(model.file, "c"), "CCCC");
  EXPECT_EQ(text_of(model.file, "none"), "");
  EXPECT_THAT(model.file.head().metadata(), ElementsAre(testing::Pair("format", "pt"), testing::Pair("config", "{}")));
  EXPECT_EQ(model.file.identities().size(), 3u) << "the index is an input too";
  std::uint64_t sum = 0;
  for (auto const& name : folder_.names()) sum += std::filesystem::file_size(folder_.path(name));
  EXPECT_EQ(model.file.file_bytes(), sum);
  EXPECT_THAT(model.notes, IsEmpty());
  EXPECT_THAT(model.warnings, IsEmpty());
}

TEST_F(OpenModel, ReadsPartsOfTensors) {
  auto const model = st::open_model(index());
  std::string text = "??";
  model.file.read(*model.file.head().find("c"), 1, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(text, "CC");
  EXPECT_THROW(model.file.read(*model.file.head().find("a"), 1, std::as_writable_bytes(std::span(text))), halfstep::shape_error);
}

TEST_F(OpenModel, TakesAFolderForTheIndexOrTheOneFileInIt) {
  index();
  EXPECT_EQ(text_of(st::open_model(folder_.path()).file, "c"), "CCCC");
  EXPECT_EQ(text_of(st::open_model(folder_.path() + "/").file, "c"), "CCCC");
  index("{}", "other.safetensors.index.fp16.json");
  EXPECT_THAT(refusal<io_error>(folder_.path()),
              AllOf(HasSubstr("'m.safetensors.index.json', 'other.safetensors.index.fp16.json'"), HasSubstr("give the one")));
  std::filesystem::remove(folder_.path("m.safetensors.index.json"));
  std::filesystem::remove(folder_.path("other.safetensors.index.fp16.json"));
  EXPECT_THAT(refusal<io_error>(folder_.path()), AllOf(HasSubstr("'m-00001-of-00002.safetensors'"), HasSubstr("no index")));
  std::filesystem::remove(folder_.path("m-00002-of-00002.safetensors"));
  EXPECT_THAT(refusal<io_error>(folder_.path()), HasSubstr("no index")) << "one shard is no model";
  std::filesystem::rename(folder_.path("m-00001-of-00002.safetensors"), folder_.path("m.safetensors"));
  EXPECT_EQ(text_of(st::open_model(folder_.path()).file, "a"), "AA");
  std::filesystem::remove(folder_.path("m.safetensors"));
  EXPECT_THAT(refusal<io_error>(folder_.path()), HasSubstr("no safetensors file"));
}

TEST_F(OpenModel, TakesAShardForTheWholeModelIfAnIndexNamesIt) {
  auto const shard_file = folder_.path("m-00002-of-00002.safetensors");
  auto const alone = st::open_model(shard_file);
  EXPECT_EQ(alone.file.head().tensors().size(), 1u);
  EXPECT_THAT(alone.warnings, ElementsAre(HasSubstr("its tensors alone are read")));
  index();
  index(R"({"x":"y.safetensors"})", "a.safetensors.index.json");
  auto const model = st::open_model(shard_file);
  EXPECT_EQ(model.file.head().tensors().size(), 4u);
  EXPECT_EQ(model.file.path(), folder_.path("m.safetensors.index.json"));
  EXPECT_THAT(model.notes, ElementsAre("'m-00002-of-00002.safetensors' is one of the 2 shards of 'm.safetensors.index.json': "
                                       "the whole model is read"));
}

TEST_F(OpenModel, TakesAnyOtherNameForAFileAlone) {
  index(R"({"a":"model.safetensors"})");
  for (std::string const name : {"model.safetensors", "m-1-of.safetensors", "m-of-2.safetensors", "-of-00002.safetensors"}) {
    shard(name, {{"z", "ZZ"}});
    auto const model = st::open_model(folder_.path(name));
    EXPECT_EQ(text_of(model.file, "z"), "ZZ");
    EXPECT_THAT(model.warnings, IsEmpty());
  }
}

TEST_F(OpenModel, RefusesWhatTheIndexPromisesInVain) {
  EXPECT_THAT(refusal<io_error>(index(R"({"a":"m-00003-of-00003.safetensors"})")),
              HasSubstr("its shard 'm-00003-of-00003.safetensors' is missing"));
  EXPECT_THAT(refusal<format_error>(index(R"({"d":"m-00001-of-00002.safetensors"})")),
              HasSubstr("'d' is not in its shard 'm-00001-of-00002.safetensors'"));
  EXPECT_THROW(st::open_model(folder_.path("none.json")), io_error);
}

TEST_F(OpenModel, RefusesATensorThatLiesInTwoShards) {
  shard("m-00002-of-00002.safetensors", {{"a", "aa"}, {"c", "CCCC"}});
  EXPECT_THAT(refusal<format_error>(index()),
              HasSubstr("'a' lies in two shards, 'm-00001-of-00002.safetensors' and 'm-00002-of-00002.safetensors'"));
}

TEST_F(OpenModel, RefusesShardsOutsideTheModelsFolder) {
  std::filesystem::create_directory(folder_.path("model"));
  for (std::string const escape : {"../m-00001-of-00002.safetensors", "/m-00001-of-00002.safetensors"})
    EXPECT_THAT(refusal<format_error>(index(R"({"a":")" + escape + "\"}", "model/m.safetensors.index.json")),
                HasSubstr("not a file in the index's own directory"));
  std::filesystem::create_symlink("../m-00001-of-00002.safetensors", folder_.path("model/1.safetensors"));
  auto const map = R"({"a":"1.safetensors","b":"1.safetensors","none":"1.safetensors"})";
  EXPECT_THAT(refusal<format_error>(index(map, "model/m.safetensors.index.json")),
              AllOf(HasSubstr("its shard '1.safetensors' leads to"), HasSubstr("outside the model's folder")));
  std::filesystem::create_directory_symlink("..", folder_.path("model/up"));
  EXPECT_THAT(refusal<format_error>(index(R"({"c":"up/m-00002-of-00002.safetensors"})", "model/m.safetensors.index.json")),
              HasSubstr("outside the model's folder"));
}

TEST_F(OpenModel, FollowsLinksInsideTheFolderAndInTheHubsCache) {
  std::filesystem::create_symlink("m-00002-of-00002.safetensors", folder_.path("2.safetensors"));
  EXPECT_EQ(text_of(st::open_model(index(R"({"c":"2.safetensors"})")).file, "c"), "CCCC");
  std::filesystem::create_directories(folder_.path("hub/snapshots/abc"));
  std::filesystem::create_directory(folder_.path("hub/blobs"));
  std::filesystem::rename(folder_.path("m-00002-of-00002.safetensors"), folder_.path("hub/blobs/123"));
  std::filesystem::create_symlink("../../blobs/123", folder_.path("hub/snapshots/abc/2.safetensors"));
  auto const map = R"({"c":"2.safetensors"})";
  EXPECT_EQ(text_of(st::open_model(index(map, "hub/snapshots/abc/m.safetensors.index.json")).file, "c"), "CCCC");
  EXPECT_EQ(text_of(st::open_model(folder_.path("hub/snapshots/abc")).file, "c"), "CCCC");
}

TEST_F(OpenModel, LeavesOutWhatTheIndexDoesNotName) {
  auto const model = st::open_model(index(R"({"a":"m-00001-of-00002.safetensors","c":"m-00002-of-00002.safetensors"})"));
  EXPECT_EQ(model.file.head().tensors().size(), 2u);
  EXPECT_EQ(text_of(model.file, "a"), "AA");
  EXPECT_EQ(text_of(model.file, "c"), "CCCC");
  EXPECT_THAT(model.warnings, ElementsAre("2 tensors of the shards, 'b' first, are not in the index and left out"));
}

TEST_F(OpenModel, KeepsTheFirstShardsMetadata) {
  shard("m-00002-of-00002.safetensors", {{"c", "CCCC"}}, {{"format", "np"}});
  auto const model = st::open_model(index());
  EXPECT_THAT(model.file.head().metadata(), ElementsAre(testing::Pair("format", "pt")));
  EXPECT_THAT(model.warnings, ElementsAre(HasSubstr("the metadata 'format' of 'm-00002-of-00002.safetensors'")));
}

TEST_F(OpenModel, SeesWhenAShardChanges) {
  auto const model = st::open_model(index());
  model.file.require_unchanged();
  std::filesystem::resize_file(folder_.path("m-00002-of-00002.safetensors"), 20);
  EXPECT_THROW(model.file.require_unchanged(), io_error);
  EXPECT_THAT(thrown<io_error>([&] { text_of(model.file, "c"); }), HasSubstr("m-00002-of-00002.safetensors"));
}

}  // namespace
