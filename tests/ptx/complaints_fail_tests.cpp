// Every test of a program that runs on the machine fails where the machine complains.
#include <gtest/gtest.h>

#include "ptx_device.hpp"

namespace {

class complaint_listener : public testing::EmptyTestEventListener {
  void OnTestEnd(testing::TestInfo const&) override {
    ptx::complaints& found = ptx::this_device().machine().found();
    if (found.empty()) return;
    ADD_FAILURE() << "the PTX machine complains:\n" << found.text();
    found.clear();
  }
};

[[maybe_unused]] bool const is_listening = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new complaint_listener);
  return true;
}();

}  // namespace
