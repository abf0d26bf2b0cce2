// Runs a check as another user: root's permissions hide what permissions forbid.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <iostream>

#include <gtest/gtest.h>

namespace halfstep_test {

// Expects `check` to return true in a process that is not root's.
template <class Check>
void as_user(Check check) {
  constexpr unsigned nobody = 65534;
  pid_t const child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) ::_exit(2);
    bool passed = false;
    try {
      passed = check();
    } catch (std::exception const& e) {
      std::cerr << e.what() << '\n';
    }
    ::_exit(passed ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 2) GTEST_SKIP() << "SKIPPED: cannot become another user";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace halfstep_test
