#include "squall/base/code_location.h"

#include <string>

#include "gtest/gtest.h"

namespace squall {
namespace {

CodeLocation CalledFrom(CodeLocation where = CodeLocation::Here()) { return where; }

TEST(CodeLocationTest, ADefaultArgumentIsTheCallersPlace) {
  const CodeLocation where = CalledFrom();
  EXPECT_EQ(where.line(), __LINE__ - 1);
  EXPECT_STREQ(where.function(), "TestBody");
  EXPECT_EQ(where.ToString(),
            "code_location_test.cc:" + std::to_string(__LINE__ - 4) + " (TestBody)");
}

TEST(CodeLocationTest, NowhereIsUnknown) { EXPECT_EQ(CodeLocation().ToString(), "unknown"); }

}  // namespace
}  // namespace squall
