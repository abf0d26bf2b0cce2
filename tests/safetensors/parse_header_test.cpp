#include <halfstep/safetensors/parse_header.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/files.hpp"

namespace {

using halfstep_test::parse;
using halfstep_test::refusal;
using testing::HasSubstr;
namespace st = halfstep::safetensors;

struct header_case {
  char const* rule;
  std::string json;
  std::uint64_t data_bytes = 0;
  char const* reason = "";  // part of the message
};

std::ostream& operator<<(std::ostream& out, header_case const& c) { return out << c.rule; }

std::string entry(std::string const& fields, std::string const& name = "a") { return "{\"" + name + "\":{" + fields + "}}"; }
std::string shaped(std::string const& shape, std::string const& offsets = "[0,0]", std::string const& type = "U8") {
  return entry("\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets);
}
std::string named(std::string const& name) { return entry(R"("dtype":"U8","shape":[0],"data_offsets":[0,0])", name); }
std::string with_field(std::string const& field) { return entry(R"("dtype":"U8","shape":[0],"data_offsets":[0,0],)" + field); }
std::string repeated(std::string const& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}
std::string nested(int depth) { return with_field("\"x\":" + repeated("[", depth) + repeated("]", depth)); }
std::string rank(int dimensions) { return shaped("[" + repeated("1,", dimensions - 1) + "1]", "[0,1]"); }
std::string const two_tensors(std::string const& first, std::string const& second, std::string const& type = "U8") {
  return R"({"a":{"dtype":")" + type + R"(","shape":)" + first + R"(},"b":{"dtype":")" + type + R"(","shape":)" + second + "}}";
}

std::vector<header_case> accepted() {
  return {
      {"an empty object", "{}"},
      {"spaces around", "  {}  "},
      {"tab, CR and LF around", "\t\r\n{}\n\r\t"},
      {"white space inside", "{ \"a\" :\n{ \"dtype\" : \"U8\" ,\t\"shape\" : [ 0 , 1 ] , \"data_offsets\" : [ 0 , 0 ] } }"},
      {"metadata of strings", R"({"__metadata__":{"k":"v","":""}})"},
      {"metadata null", R"({"__metadata__":null})"},
      {"metadata empty", R"({"__metadata__":{}})"},
      {"metadata with escaped control characters", R"({"__metadata__":{"a\nb":"c\u0000d"}})"},
      {"metadata last", R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"__metadata__":{"k":"v"}})"},
      {"an unknown field with a number", with_field("\"x\":7")},
      {"an unknown field with a string", with_field("\"x\":\"y\"")},
      {"an unknown field with null and booleans", with_field("\"x\":[null,true,false]")},
      {"an unknown field with an object", with_field(R"("x":{"dtype":"?","shape":{},"a":[{"b":{}}]})")},
      {"the same name in two objects", with_field(R"("x":{"a":{},"b":{"a":1}})")},
      {"fields in another order", entry(R"("data_offsets":[0,0],"shape":[0],"dtype":"U8")")},
      {"an escaped key", named(R"(\u0061\u00e9\ud83d\ude00)")},
      {"an escaped field name", entry(R"("\u0064type":"U8","sh\u0061pe":[0],"data_offsets":[0,0])")},
      {"an empty name", named("")},
      {"odd names", named("../../etc/passwd \\\\ ' / \xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80")},
      {"a name of 4096 bytes", named(std::string(4096, 'n'))},
      {"a scalar", shaped("[]", "[0,8]", "F64"), 8},
      {"a rank of 64", rank(64), 1},
      {"the largest dimension beside a zero", shaped("[0,2305843009213693951]")},
      {"depth 32", nested(30)},
      {"sub-byte elements that fill bytes", shaped("[2]", "[0,1]", "F4"), 1},
      {"six-bit elements that fill bytes", shaped("[2,2]", "[0,3]", "F6_E2M3"), 3},
      {"six-bit elements of the other kind", shaped("[4]", "[0,3]", "F6_E3M2"), 3},
      {"an empty sub-byte tensor", shaped("[0,3]", "[0,0]", "F4")},
      {"an empty tensor in front", two_tensors(R"([0],"data_offsets":[0,0])", R"([4],"data_offsets":[0,4])"), 4},
      {"an empty tensor in between",
       R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"e":{"dtype":"I8","shape":[0,9],"data_offsets":[4,4]},)"
       R"("b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
       8},
      {"an empty tensor at the end", two_tensors(R"([4],"data_offsets":[0,4])", R"([0],"data_offsets":[4,4])"), 4},
      {"tensors in any order", two_tensors(R"([4],"data_offsets":[4,8])", R"([4],"data_offsets":[0,4])"), 8},
      {"offsets without alignment", two_tensors(R"([3],"data_offsets":[0,3])", R"([5],"data_offsets":[3,8])"), 8},
      {"a huge tensor", shaped("[1073741824,1073741824]", "[0,1152921504606846976]"), 1152921504606846976u},
  };
}

std::vector<header_case> refused() {
  return {
      {"nothing", "", 0, "broken"},
      {"white space alone", "   ", 0, "broken"},
      {"a byte order mark", "\xef\xbb\xbf{}", 0, "broken"},
      {"NUL in front", std::string("\0{}", 3), 0, "broken"},
      {"NUL behind", std::string("{}\0", 3), 0, "follows"},
      {"text behind", "{}x", 0, "follows"},
      {"a second object", "{}{}", 0, "follows"},
      {"other white space", "\v{}", 0, "broken"},
      {"no-break space", "\xc2\xa0{}", 0, "broken"},
      {"an array at the top", "[]", 0, "an object"},
      {"a string at the top", "\"a\"", 0, "an object"},
      {"a number at the top", "1", 0, "an object"},
      {"null at the top", "null", 0, "an object"},
      {"true at the top", "true", 0, "an object"},
      {"an open object", "{", 0, "broken"},
      {"an open string", "{\"a", 0, "broken"},
      {"a trailing comma", "{\"__metadata__\":{},}", 0, "broken"},
      {"a comment", "{/**/}", 0, "broken"},
      {"a bare key", "{a:1}", 0, "broken"},
      {"single quotes", "{'a':1}", 0, "broken"},
      {"NaN", with_field("\"x\":NaN"), 0, "broken"},
      {"a tensor twice",
       R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0,
       "two tensors are called 'a'"},
      {"a tensor twice, once escaped",
       R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0,
       "two tensors are called 'a'"},
      {"metadata twice", R"({"__metadata__":{},"__metadata__":{}})", 0, "twice"},
      {"metadata twice, once null", R"({"__metadata__":null,"__metadata__":{"a":"b"}})", 0, "twice"},
      {"a metadata key twice", R"({"__metadata__":{"a":"1","b":"2","a":"1"}})", 0, "twice"},
      {"a metadata key twice, once escaped", R"({"__metadata__":{"a":"1","\u0061":"1"}})", 0, "twice"},
      {"a field twice", entry(R"("dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0])"), 0, "twice"},
      {"an offset field twice", entry(R"("dtype":"U8","shape":[0],"data_offsets":[0,0],"data_offsets":[])"), 0, "twice"},
      {"an unknown field twice", with_field("\"x\":1,\"x\":2"), 0, "twice"},
      {"a name twice inside an unknown field", with_field(R"("x":[{"y":{"z":1,"z":1}}])"), 0, "twice"},
      {"an entry as an array", R"({"a":["U8",[0],[0,0]]})", 0, "an array"},
      {"a type as an object", entry(R"("dtype":{"U8":null},"shape":[0],"data_offsets":[0,0])"), 0, "an object"},
      {"a type as a number", entry(R"("dtype":4,"shape":[0],"data_offsets":[0,0])"), 0, "a number"},
      {"a type that is null", entry(R"("dtype":null,"shape":[0],"data_offsets":[0,0])"), 0, "null"},
      {"a shape as an object", entry(R"("dtype":"U8","shape":{},"data_offsets":[0,0])"), 0, "an object"},
      {"a shape as a number", entry(R"("dtype":"U8","shape":0,"data_offsets":[0,0])"), 0, "a number"},
      {"a shape of shapes", shaped("[[0]]"), 0, "an array"},
      {"a shape of strings", shaped("[\"0\"]"), 0, "a string"},
      {"a shape of null", shaped("[null]"), 0, "null"},
      {"a shape of booleans", shaped("[false]"), 0, "a boolean"},
      {"a shape of objects", shaped("[{}]"), 0, "an object"},
      {"no offsets", entry(R"("dtype":"U8","shape":[0])"), 0, "lacks"},
      {"no shape", entry(R"("dtype":"U8","data_offsets":[0,0])"), 0, "lacks"},
      {"no type", entry(R"("shape":[0],"data_offsets":[0,0])"), 0, "lacks"},
      {"an empty entry", entry(""), 0, "lacks"},
      {"an entry that is null", R"({"a":null})", 0, "null"},
      {"an entry that is a string", R"({"a":"b"})", 0, "a string"},
      {"one offset", shaped("[0]", "[0]"), 0, "lacks"},
      {"three offsets", shaped("[0]", "[0,0,0]"), 0, "more than two"},
      {"offsets in an object", shaped("[0]", "{\"begin\":0,\"end\":0}"), 0, "an object"},
      {"metadata that is an array", R"({"__metadata__":[]})", 0, "an array"},
      {"metadata that is a string", R"({"__metadata__":"a"})", 0, "a string"},
      {"metadata of numbers", R"({"__metadata__":{"a":1}})", 0, "a number"},
      {"metadata of null", R"({"__metadata__":{"a":null}})", 0, "null"},
      {"metadata of objects", R"({"__metadata__":{"a":{}}})", 0, "an object"},
      {"metadata of arrays", R"({"__metadata__":{"a":[]}})", 0, "an array"},
      {"a fraction", shaped("[1.0]", "[0,1]"), 1, "plain decimal"},
      {"an exponent", shaped("[1e0]", "[0,1]"), 1, "plain decimal"},
      {"an exponent without fraction", shaped("[1E+0]", "[0,1]"), 1, "plain decimal"},
      {"a fraction among the offsets", shaped("[1]", "[0,1.0]"), 1, "plain decimal"},
      {"minus zero", shaped("[-0]"), 0, "plain decimal"},
      {"minus zero as an offset", shaped("[0]", "[-0,0]"), 0, "plain decimal"},
      {"minus one", shaped("[-1]"), 0, "plain decimal"},
      {"a plus sign", shaped("[+1]", "[0,1]"), 1, "broken"},
      {"a leading zero", shaped("[01]", "[0,1]"), 1, "broken"},
      {"a leading zero far from the end", shaped("[00000000000000000001]", "[0,1]"), 1, "broken"},
      {"2^64", shaped("[0,18446744073709551616]"), 0, "plain decimal"},
      {"more than 2^64", shaped("[0,99999999999999999999999999]"), 0, "plain decimal"},
      {"a number past every exponent", shaped("[1e999999999999]"), 0, ""},
      {"a hexadecimal number", shaped("[0x1]", "[0,1]"), 1, "broken"},
      {"a fraction in an unknown field", with_field("\"x\":1.5"), 0, "plain decimal"},
      {"a bare continuation byte", named("a\x80"), 0, "broken"},
      {"an overlong sequence", named("a\xc0\xaf"), 0, "broken"},
      {"a truncated sequence", named("a\xe2\x82"), 0, "broken"},
      {"a surrogate in UTF-8", named("a\xed\xa0\x80"), 0, "broken"},
      {"beyond U+10FFFF", named("a\xf4\x90\x80\x80"), 0, "broken"},
      {"invalid UTF-8 in metadata", "{\"__metadata__\":{\"a\":\"\xff\"}}", 0, "broken"},
      {"invalid UTF-8 in an unknown field", with_field("\"x\":\"\xfe\""), 0, "broken"},
      {"a lone leading surrogate", named(R"(a\ud800)"), 0, "broken"},
      {"a lone trailing surrogate", named(R"(a\udc00)"), 0, "broken"},
      {"two leading surrogates", named(R"(a\ud800\ud800)"), 0, "broken"},
      {"a lone surrogate in metadata", R"({"__metadata__":{"a":"\ud83d"}})", 0, "broken"},
      {"a bad escape", named(R"(a\x)"), 0, "broken"},
      {"a short escape", named(R"(a\u12)"), 0, "broken"},
      {"a raw line feed", named("a\nb"), 0, "broken"},
      {"a raw NUL", named(std::string("a\0b", 3)), 0, "broken"},
      {"a raw tab in metadata", "{\"__metadata__\":{\"a\":\"\t\"}}", 0, "broken"},
      {"an escaped control character in a name", named(R"(a\nb)"), 0, "control"},
      {"an escaped NUL in a name", named(R"(\u0000)"), 0, "control"},
      {"DEL in a name", named("a\x7f"), 0, "control"},
      {"a C1 control character in a name", named("a\xc2\x9b"), 0, "control"},
      {"an unknown type", shaped("[0]", "[0,0]", "F128"), 0, "unknown type 'F128'"},
      {"a type in lower case", shaped("[0]", "[0,0]", "f32"), 0, "unknown type"},
      {"an empty type", shaped("[0]", "[0,0]", ""), 0, "unknown type"},
      {"a type with a NUL", shaped("[0]", "[0,0]", R"(F32\u0000)"), 0, "unknown type"},
      {"depth 33", nested(31), 0, "too deep"},
      {"a depth of ten thousand", nested(10000), 0, "too deep"},
      {"a depth of ten thousand at the top", repeated("[", 10000), 0, "an object"},
      {"ten thousand objects deep", with_field("\"x\":" + repeated("{\"x\":", 10000)), 0, "too deep"},
      {"a rank of 65", rank(65), 1, "64 dimensions"},
      {"a rank of ten thousand", rank(10000), 1, "64 dimensions"},
      {"a name of 4097 bytes", named(std::string(4097, 'n')), 0, "4097 bytes"},
      {"a long escaped name", named(repeated("\\u0061", 4097)), 0, "4097 bytes"},
      {"a gap", two_tensors(R"([4],"data_offsets":[0,4])", R"([4],"data_offsets":[5,9])"), 9, "ends at 4"},
      {"an overlap", two_tensors(R"([4],"data_offsets":[0,4])", R"([4],"data_offsets":[3,7])"), 7, "ends at 4"},
      {"the same place twice", two_tensors(R"([4],"data_offsets":[0,4])", R"([4],"data_offsets":[0,4])"), 4, "ends at 4"},
      {"an empty tensor inside another", two_tensors(R"([4],"data_offsets":[0,4])", R"([0],"data_offsets":[2,2])"), 4,
       "ends at 4"},
      {"a first tensor that starts late", shaped("[4]", "[1,5]"), 5, "ends at 0"},
      {"an end before its begin", shaped("[0]", "[1,0]"), 0, "ends at 0"},
      {"an end before its begin, with a wrapped size", shaped("[18446744073709551615]", "[1,0]"), 0, "overflows"},
      {"an empty tensor past the end", shaped("[0]", "[9,9]"), 0, "ends at 0"},
      {"too little data", shaped("[4]", "[0,4]"), 3, "need 4 bytes of data, and 3"},
      {"too much data", shaped("[4]", "[0,4]"), 5, "need 4 bytes of data, and 5"},
      {"data without tensors", "{}", 1, "need 0 bytes of data, and 1"},
      {"a shape that needs more", shaped("[5]", "[0,4]"), 4, "its shape needs 5"},
      {"a shape that needs less", shaped("[3]", "[0,4]"), 4, "its shape needs 3"},
      {"a scalar of no bytes", shaped("[]", "[0,0]"), 0, "its shape needs 1"},
      {"the wrong type for the size", shaped("[4]", "[0,4]", "F16"), 4, "its shape needs 8"},
      {"a product that overflows to zero", shaped("[4294967296,4294967296]"), 0, "overflows"},
      {"a product that overflows to the size", shaped("[4294967296,4294967296,1]", "[0,1]"), 1, "overflows"},
      {"bits that overflow to zero", shaped("[2305843009213693952]", "[0,0]", "F64"), 0, "overflows"},
      {"bytes that overflow to the size", shaped("[2305843009213693953]", "[0,8]", "F64"), 8, "overflows"},
      {"an overflow behind a zero", shaped("[0,18446744073709551615,2]"), 0, "overflows"},
      {"rank 8 with the wrong size", shaped("[1,1,1,1,1,1,1,9]", "[0,1]"), 1, "its shape needs 9"},
      {"rank 8 that overflows", shaped("[256,256,256,256,256,256,256,256]"), 0, "overflows"},
      {"half a byte", shaped("[1]", "[0,1]", "F4"), 1, "inside a byte"},
      {"three quarters of a byte", shaped("[1]", "[0,0]", "F6_E2M3"), 0, "inside a byte"},
  };
}

class AcceptedHeader : public testing::TestWithParam<header_case> {};
class RefusedHeader : public testing::TestWithParam<header_case> {};

TEST_P(AcceptedHeader, IsReadAndWrittenBack) {
  st::header const first = parse(GetParam().json, GetParam().data_bytes);
  std::string const written = st::serialize(first);
  EXPECT_EQ(written.size() % 8, 0u);
  EXPECT_EQ(parse(written, GetParam().data_bytes), first) << written;
}

TEST_P(RefusedHeader, SaysWhyInOneLine) {
  std::string const text = refusal(GetParam().json, GetParam().data_bytes);
  EXPECT_THAT(text, testing::StartsWith("cannot read 'header': "));
  EXPECT_THAT(text, HasSubstr(GetParam().reason));
  EXPECT_THAT(text, testing::Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(Rules, AcceptedHeader, testing::ValuesIn(accepted()));
INSTANTIATE_TEST_SUITE_P(Rules, RefusedHeader, testing::ValuesIn(refused()));

TEST(ParseHeader, TakesEveryTypeByItsNameAlone) {
  for (auto const& known : halfstep::detail::dtype_table) {
    std::uint64_t const bytes = static_cast<std::uint64_t>(known.bits);
    std::string const offsets = "[0," + std::to_string(bytes) + "]";
    auto const h = parse(shaped("[8]", offsets, std::string(known.name)), bytes);
    EXPECT_EQ(halfstep::name_of(h.tensors()[0].type), known.name);
    EXPECT_EQ(refusal(shaped("[8]", "[0," + std::to_string(bytes + 1) + "]", std::string(known.name)), bytes + 1).empty(), false);
  }
}

TEST(ParseHeader, GivesNamesShapesOffsetsAndMetadataAsTheyAre) {
  auto const h = parse(R"({"__metadata__":{"z":"1","a":"\"\u00e9\n"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[1,13]},)"
                       R"("\ud83d\ude00":{"dtype":"BOOL","shape":[],"data_offsets":[0,1]}})",
                       13);
  ASSERT_EQ(h.tensors().size(), 2u);
  EXPECT_EQ(h.tensors()[0].name, "\xf0\x9f\x98\x80");
  EXPECT_EQ(h.tensors()[0].count(), 1u);
  EXPECT_EQ(h.tensors()[1].shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(h.tensors()[1].begin, 1u);
  EXPECT_EQ(h.tensors()[1].bytes(), 12u);
  EXPECT_EQ(h.find("b"), &h.tensors()[1]);
  EXPECT_EQ(h.find("c"), nullptr);
  EXPECT_EQ(h.metadata(), (st::metadata_list{{"z", "1"}, {"a", "\"\xc3\xa9\n"}}));
  EXPECT_EQ(h.data_bytes(), 13u);
}

TEST(ParseHeader, RefusesMoreThanAHundredMegabytes) {
  EXPECT_THAT(refusal(std::string(100'000'001, ' ')), HasSubstr("longer than 100000000"));
}

TEST(ParseHeader, ReadsIntegersBeyondDoublePrecisionExactly) {
  auto const h = parse(shaped("[9007199254740993]", "[0,9007199254740993]"), 9007199254740993u);
  EXPECT_EQ(h.tensors()[0].shape[0], 9007199254740993u);
  EXPECT_EQ(h.tensors()[0].end, 9007199254740993u);
}

TEST(ParseHeader, ReadsStringsLongerThanTheParsersBuffer) {
  std::string const value = "\n" + std::string(100'000, 'v') + "\xe2\x82\xac";
  std::string json = "{\"__metadata__\":{\"k\":";
  halfstep::append_json_string(json, value);
  EXPECT_EQ(parse(json + "}}").metadata()[0].second, value);
}

TEST(ParseHeader, ReadsAHundredThousandTensorsInAnyOrder) {
  constexpr int count = 100'000;
  std::string json;
  for (int i = 0; i < count; ++i) {
    int const at = static_cast<int>(i * 7919LL % count);
    json += (i == 0 ? '{' : ',');
    json += "\"t\xc3\xa9nsor." + std::to_string(at) + R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" + std::to_string(at) +
            ',' + std::to_string(at + 1) + "]}";
  }
  auto const h = parse(json + '}', count);
  ASSERT_EQ(h.tensors().size(), std::size_t{count});
  for (int i = 0; i < count; i += 997) {
    EXPECT_EQ(h.tensors()[static_cast<std::size_t>(i)].begin, static_cast<std::uint64_t>(i));
    EXPECT_EQ(h.find("t\xc3\xa9nsor." + std::to_string(i)), &h.tensors()[static_cast<std::size_t>(i)]);
  }
}

TEST(ParseHeader, FindsOneDuplicateAmongAHundredThousandNamesOfALongCommonPrefix) {
  std::string const prefix(200, 'p');
  auto const with_last = [&](int last) {
    std::string json = "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":{";
    for (int i = 0; i < 100'000; ++i) json += "\"" + prefix + std::to_string(i) + "\":1,";
    return json + "\"" + prefix + std::to_string(last) + "\":1}}}";
  };
  EXPECT_EQ(refusal(with_last(100'000)), "");
  EXPECT_THAT(refusal(with_last(77'777)), HasSubstr("twice"));
}

// What a parse costs, measured in a process of its own.
struct cost {
  double seconds;
  double peak_bytes;
  bool accepted;
};

cost measure(std::string const& json) {
  int channel[2];
  if (::pipe(channel) != 0) throw std::runtime_error("pipe");
  pid_t const child = ::fork();
  if (child == 0) {
    rusage before{}, after{};
    ::getrusage(RUSAGE_SELF, &before);
    std::clock_t const start = std::clock();
    std::string const text = refusal(json);
    double const seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    ::getrusage(RUSAGE_SELF, &after);
    cost const c{seconds, 1024.0 * static_cast<double>(after.ru_maxrss - before.ru_maxrss), text.empty()};
    bool const sent = ::write(channel[1], &c, sizeof c) == sizeof c;
    ::_exit(sent ? 0 : 1);
  }
  cost c{};
  bool const received = ::read(channel[0], &c, sizeof c) == sizeof c;
  ::close(channel[0]);
  ::close(channel[1]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!received || status != 0) throw std::runtime_error("the measuring process died");
  return c;
}

class HostileHeader : public testing::TestWithParam<int> {};

// A header of nearly 100 MB, made of as many `item(i)` as fit between `head` and `tail`.
std::string filled(std::string const& head, std::string const& tail, std::function<void(std::string&, unsigned)> const& item) {
  std::string json = head;
  json.reserve(100'000'000);
  for (unsigned i = 0; json.size() + tail.size() + 600 < 100'000'000; ++i) {
    if (i > 0) json += ',';
    item(json, i * 2654435761u);
  }
  return json + tail;
}

void append_hex(std::string& out, unsigned value) {
  for (int shift = 0; shift < 32; shift += 4) out += "0123456789abcdef"[value >> shift & 15];
}

std::string hostile(int kind) {
  std::string const open = R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":)";
  switch (kind) {
    case 0:
      return filled("{", "}", [](std::string& out, unsigned i) {
        append_hex(out += '"', i);
        out += R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
      });
    case 1:
      return filled("{", "}", [](std::string& out, unsigned i) {
        append_hex(out += "\"longer.than.sso.", i);
        out += R"(":{"dtype":"U8","shape":[0,0,0,0,0],"data_offsets":[0,0]})";
      });
    case 2:
      return filled("{", "}", [](std::string& out, unsigned i) {
        append_hex(out += '"', i);
        out += R"(":{"dtype":"U8","shape":[0)" + repeated(",0", 63) + R"(],"data_offsets":[0,0]})";
      });
    case 3:
      return filled("{\"__metadata__\":{", "}}", [](std::string& out, unsigned i) {
        append_hex(out += '"', i);
        out += "\":\"\"";
      });
    case 4:
      return filled(open + "{", "}}}", [](std::string& out, unsigned i) {
        append_hex(out += '"', i);
        out += "\":1";
      });
    case 5:
      return filled(open + "[", "]}}", [](std::string& out, unsigned) { out += "{}"; });
    case 6:
      return filled(open + "[", "]}}", [](std::string& out, unsigned) { out += "18446744073709551615"; });
    default:
      return "{\"__metadata__\":{\"k\":\"\\n" + std::string(99'000'000, '{') + "\"}}";
  }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
constexpr bool measurable = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool measurable = false;
#else
constexpr bool measurable = true;
#endif
#else
constexpr bool measurable = true;
#endif

TEST_P(HostileHeader, CostsAtMostFiveSecondsAndFourTimesItsSize) {
  if (!measurable) GTEST_SKIP() << "SKIPPED: a sanitizer or an unoptimized build changes what a parse costs";
  std::string const json = hostile(GetParam());
  ASSERT_GT(json.size(), 98'000'000u);
  cost const c = measure(json);
  RecordProperty("seconds", std::to_string(c.seconds));
  RecordProperty("bytes_over_header", std::to_string(c.peak_bytes / static_cast<double>(json.size())));
  EXPECT_LT(c.seconds, 5.0);
  EXPECT_LT(c.peak_bytes + static_cast<double>(json.size()), 4.0 * static_cast<double>(json.size()));
}

INSTANTIATE_TEST_SUITE_P(Kinds, HostileHeader, testing::Range(0, 8));

}  // namespace
