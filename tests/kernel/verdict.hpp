// What a case that several machines run found, for the test that runs it to expect.
#pragma once

#include <string>

#include <gtest/gtest.h>

/// The checks of one case: `EXPECT_TRUE` of it fails where any of them did, and says which.
class verdict {
 public:
  /// `name` says which case that is.
  explicit verdict(testing::Message const& name) : name_(name.GetString()) {}

  /// Notes `what` where a check does not hold.
  void require(bool holds, std::string const& what) {
    if (!holds) failed_ += "\n  " + what;
  }

  operator testing::AssertionResult() const {
    if (failed_.empty()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << name_ << ':' << failed_;
  }

 private:
  std::string name_;
  std::string failed_;
};
