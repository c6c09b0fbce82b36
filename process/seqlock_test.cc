#include "squall/process/seqlock.h"

#include <cstdint>
#include <cstring>
#include <stop_token>
#include <thread>

#include "gtest/gtest.h"

namespace squall::internal {
namespace {

struct Row {
  uint64_t a = 0;
  uint64_t b = 0;
  uint32_t c = 0;
};

Row Whole(uint64_t n) { return {n, n, static_cast<uint32_t>(n)}; }
bool IsWhole(const Row& row) { return row.a == row.b && row.c == static_cast<uint32_t>(row.b); }

// Leaves what a writer leaves that dies after `stores` stores of Store(value): the sequence, each word
// of a copy, the sequence.
template <typename T>
void DieInStore(Seqlock<T>& cell, const T& value, size_t stores) {
  constexpr size_t kCellWords = sizeof(Seqlock<T>) / 8;
  constexpr size_t kValueWords = (sizeof(T) + 7) / 8;
  uint64_t words[kCellWords];
  uint64_t after[kCellWords];
  std::memcpy(words, &cell, sizeof cell);
  cell.Store(value);
  std::memcpy(after, &cell, sizeof cell);
  const bool second_copy = std::memcmp(words + 1, after + 1, kValueWords * 8) == 0;
  const size_t copy = second_copy ? 1 + kValueWords : 1;
  if (stores > 0) words[0] = after[0] - 1;
  for (size_t i = 0; i + 1 < stores && i < kValueWords; ++i) words[copy + i] = after[copy + i];
  if (stores > kValueWords + 1) words[0] = after[0];
  std::memcpy(static_cast<void*>(&cell), words, sizeof cell);
}

TEST(SeqlockTest, IsZeroAtFirst) {
  Seqlock<Row> cell{};
  Row row = Whole(7);
  EXPECT_TRUE(cell.Load(&row));
  EXPECT_EQ(row.a, 0u);
}

TEST(SeqlockTest, LoadsWhatWasStoredLast) {
  Seqlock<Row> cell{};
  for (uint64_t i = 1; i < 10; ++i) {
    cell.Store(Whole(i));
    Row row;
    EXPECT_TRUE(cell.Load(&row));
    EXPECT_EQ(row.a, i);
    EXPECT_TRUE(IsWhole(row));
  }
}

TEST(SeqlockTest, AWriterThatDiesAnywhereLeavesTheValueBeforeOrTheNewOne) {
  for (size_t stores = 0; stores <= 5; ++stores) {
    for (uint64_t first = 1; first <= 2; ++first) {  // either copy is the older one
      Seqlock<Row> cell{};
      for (uint64_t i = 1; i <= first; ++i) cell.Store(Whole(i));
      DieInStore(cell, Whole(100), stores);
      Row row;
      EXPECT_EQ(cell.Load(&row), stores == 0 || stores == 5) << stores;
      EXPECT_EQ(row.a, stores == 5 ? 100 : first) << stores;
      EXPECT_TRUE(IsWhole(row)) << stores;
      // Another one may die in its place.
      DieInStore(cell, Whole(200), 3);
      EXPECT_FALSE(cell.Load(&row));
      EXPECT_EQ(row.a, stores == 5 ? 100 : first);
      EXPECT_TRUE(IsWhole(row)) << stores;
      // And the next one repairs it.
      cell.Store(Whole(300));
      EXPECT_TRUE(cell.Load(&row));
      EXPECT_EQ(row.a, 300u);
      EXPECT_TRUE(IsWhole(row)) << stores;
    }
  }
}

TEST(SeqlockTest, AReaderBesideAWriterSeesWholeValuesInTheirOrder) {
  Seqlock<Row> cell{};
  const std::jthread writer([&](std::stop_token stop) {
    for (uint64_t i = 1; !stop.stop_requested(); ++i) cell.Store(Whole(i));
  });
  Row row;
  uint64_t last = 0;
  int changes = 0;
  for (int i = 0; i < 100'000 || (changes < 1000 && i < 100'000'000); ++i) {
    static_cast<void>(cell.Load(&row));
    ASSERT_TRUE(IsWhole(row));
    ASSERT_GE(row.a, last);
    changes += row.a > last;
    last = row.a;
  }
  EXPECT_GE(changes, 1000) << "the writer did not run beside the reader";
}

TEST(SequenceTest, WhatADeadWriterLeftIsSaidToBeTornUntilItIsRepaired) {
  Sequence sequence{};
  const auto nothing = [] {};
  EXPECT_TRUE(sequence.Read(nothing));
  sequence.BeginWrite();
  EXPECT_FALSE(sequence.Read(nothing));
  sequence.BeginWrite();  // the next writer
  EXPECT_FALSE(sequence.Read(nothing));
  sequence.EndWrite();
  EXPECT_TRUE(sequence.Read(nothing));
  sequence.Repair();
  EXPECT_TRUE(sequence.Read(nothing));
  sequence.BeginWrite();
  sequence.Repair();
  EXPECT_TRUE(sequence.Read(nothing));
}

TEST(SequenceTest, ACopyThatAWriteOverlappedIsTakenAgain) {
  Sequence sequence{};
  int copies = 0;
  EXPECT_TRUE(sequence.Read([&] {
    if (++copies > 1) return;
    sequence.BeginWrite();
    sequence.EndWrite();
  }));
  EXPECT_EQ(copies, 2);
  copies = 0;
  EXPECT_FALSE(sequence.Read([&] {
    ++copies;
    sequence.BeginWrite();
    sequence.EndWrite();
  }));
  EXPECT_EQ(copies, kReadAttempts);
}

}  // namespace
}  // namespace squall::internal
