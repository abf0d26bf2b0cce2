#include <halfstep/core/text.hpp>

#include <gtest/gtest.h>

namespace {

TEST(Quoted, ShowsNamesOnOneLine) {
  EXPECT_EQ(halfstep::quoted("a.b"), "'a.b'");
  EXPECT_EQ(halfstep::quoted("\xc3\xa9"), "'\xc3\xa9'");
  EXPECT_EQ(halfstep::quoted("a\nb\x1b[31m"), "'a\\x0ab\\x1b[31m'");
  EXPECT_EQ(halfstep::quoted("\xff\xc2\x9b"), "'\\xff\\xc2\\x9b'");
  EXPECT_EQ(halfstep::quoted(std::string(201, 'x')), "'" + std::string(200, 'x') + "...'");
}

TEST(IsUtf8, FollowsTheUnicodeTable) {
  for (unsigned code = 0; code < 0x110000; ++code) {
    std::string text;
    if (code < 0x80) {
      text = {static_cast<char>(code)};
    } else if (code < 0x800) {
      text = {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
    } else if (code < 0x10000) {
      text = {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 63)),
              static_cast<char>(0x80 | (code & 63))};
    } else {
      text = {static_cast<char>(0xf0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 63)),
              static_cast<char>(0x80 | (code >> 6 & 63)), static_cast<char>(0x80 | (code & 63))};
    }
    bool const surrogate = code >= 0xd800 && code < 0xe000;
    ASSERT_EQ(halfstep::is_utf8(text), !surrogate) << std::hex << code;
    if (code < 0x80) continue;
    ASSERT_FALSE(halfstep::is_utf8(text.substr(0, text.size() - 1))) << std::hex << code;
  }
  for (std::string const bad :
       {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80"})
    EXPECT_FALSE(halfstep::is_utf8(bad));
}

}  // namespace
