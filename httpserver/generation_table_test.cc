#include "squall/httpserver/generation_table.h"

#include <string>

#include "gtest/gtest.h"

namespace squall::internal {
namespace {

TEST(GenerationTable, TheFirstGenerationHasTheFirstValue) {
  GenerationTable<std::string> table("a");
  EXPECT_EQ(table.For(1, 1), "a");
  EXPECT_EQ(table.For(2, 1), "a") << "a restart without a change";
  EXPECT_EQ(table.Next(), "a");
}

TEST(GenerationTable, AChangeIsForTheGenerationThatFollows) {
  GenerationTable<std::string> table("a");
  table.SetNext("b");
  EXPECT_EQ(table.Next(), "b");
  EXPECT_EQ(table.For(1, 1), "a") << "a replacement in the old generation";
  EXPECT_EQ(table.For(2, 1), "b");
  EXPECT_EQ(table.For(1, 1), "a") << "the restart failed";
  EXPECT_EQ(table.For(2, 2), "b") << "the restart succeeded";
  EXPECT_EQ(table.size(), 1u);
}

TEST(GenerationTable, AChangeDuringARestartWaitsForTheNextOne) {
  GenerationTable<std::string> table("a");
  table.SetNext("b");
  EXPECT_EQ(table.For(2, 1), "b");
  table.SetNext("c");
  EXPECT_EQ(table.For(2, 1), "b");
  table.SetNext("d");
  EXPECT_EQ(table.For(3, 2), "d");
  EXPECT_EQ(table.For(2, 2), "b");
}

TEST(GenerationTable, RememberNoMoreThanTwo) {
  GenerationTable<std::string> table("serving");
  for (uint64_t generation = 2; generation < 1000; ++generation) {
    table.SetNext("failed");
    EXPECT_EQ(table.For(generation, 1), "failed");
    EXPECT_EQ(table.For(1, 1), "serving");
    EXPECT_LE(table.size(), 2u);
  }
  table.SetNext("good");
  EXPECT_EQ(table.For(1000, 1), "good");
  EXPECT_EQ(table.For(1000, 1000), "good");
  EXPECT_EQ(table.size(), 1u);
}

}  // namespace
}  // namespace squall::internal
