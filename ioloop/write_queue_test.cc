// The queue against a model, and Tornado's tests of its own (iostream_test.py: TestStreamBuffer).
#include "squall/ioloop/write_queue.h"

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace squall::internal {
namespace {

// What the first `max_buffers` buffers hold.
std::string Front(const WriteQueue& queue, int max_buffers) {
  std::vector<iovec> buffers(max_buffers);
  std::string all;
  const int count = queue.Fill(buffers.data(), max_buffers);
  EXPECT_LE(count, max_buffers);
  for (int i = 0; i < count; ++i) {
    EXPECT_GT(buffers[i].iov_len, 0u);
    all.append(static_cast<const char*>(buffers[i].iov_base), buffers[i].iov_len);
  }
  return all;
}

std::string All(const WriteQueue& queue) { return Front(queue, 4096); }

class TestStreamBuffer : public testing::TestWithParam<bool> {
 protected:
  void Add(WriteQueue& queue, const std::string& data) {
    if (GetParam()) {
      queue.AddBorrowed(data);
    } else {
      queue.Add(data);
    }
  }

  void AddAllThenRemoveAll(const std::vector<std::string>& objects) {
    std::minstd_rand random(42);
    WriteQueue queue;
    std::string expected;
    for (const std::string& object : objects) {
      expected += object;
      Add(queue, object);
      EXPECT_EQ(queue.size(), expected.size());
      EXPECT_EQ(All(queue), expected);
    }
    const uint64_t all = expected.size();
    EXPECT_EQ(queue.total_added(), all);
    while (!expected.empty()) {
      const size_t n = std::uniform_int_distribution<size_t>(1, expected.size())(random);
      expected.erase(0, n);
      queue.Remove(n);
      EXPECT_EQ(queue.size(), expected.size());
      EXPECT_EQ(queue.total_removed(), all - expected.size());
      EXPECT_EQ(All(queue), expected);
    }
    EXPECT_TRUE(queue.empty());
  }
};

INSTANTIATE_TEST_SUITE_P(OwnedAndBorrowed, TestStreamBuffer, testing::Bool());

std::string Times(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST_P(TestStreamBuffer, small) {
  AddAllThenRemoveAll({"12", "345", "67", "89a", "bcde", "fgh", "ijklmn"});

  // They are joined.
  WriteQueue queue;
  for (int i = 0; i < 18; ++i) Add(queue, "x");
  EXPECT_EQ(Front(queue, 1), std::string(18, 'x'));
}

TEST_P(TestStreamBuffer, large) {
  // Longer than what is joined, of which Tornado's test makes 10 octets.
  constexpr int kLarge = 1024;
  AddAllThenRemoveAll({Times("12", 5 * kLarge), Times("345", 2), Times("67", 20 * kLarge),
                       Times("89a", 12 * kLarge), "bcde", Times("fgh", 7 * kLarge),
                       Times("ijklmn", 2)});

  WriteQueue queue;
  const std::string large(20 * kLarge, 'x');
  for (int i = 0; i < 3; ++i) Add(queue, large);
  Add(queue, "y");
  Add(queue, "z");
  EXPECT_EQ(Front(queue, 1).size(), large.size());
  EXPECT_EQ(Front(queue, 3).size(), 3 * large.size());
  queue.Remove(3 * large.size());
  EXPECT_EQ(All(queue), "yz");
  queue.Remove(2);
  EXPECT_TRUE(queue.empty());
}

// Octets of a user, as a task that waits for them holds them.
struct Borrowed {
  std::unique_ptr<std::string> octets;
  uint64_t begin;
  uint64_t end;
};

class WriteQueueModelTest : public testing::TestWithParam<int> {};

// AddressSanitizer sees whoever looks at borrowed octets that are gone.
TEST_P(WriteQueueModelTest, AgreesWithAString) {
  std::minstd_rand random(GetParam());
  const auto below = [&random](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  // Mostly small, around what is joined, sometimes more.
  const auto some = [&] {
    std::string text(below(4) == 0 ? below(9000) : below(40), '\0');
    for (char& c : text) c = static_cast<char>('a' + below(26));
    return text;
  };
  WriteQueue queue;
  std::string model;
  uint64_t added = 0;
  std::deque<Borrowed> borrowed;
  for (int step = 0; step < 5000; ++step) {
    switch (below(6)) {
      case 0:
      case 1: {
        std::string text = some();
        const size_t skip = below(text.size() + 1);
        model += text.substr(skip);
        added += text.size() - skip;
        queue.Add(std::move(text), skip);
        break;
      }
      case 2: {
        auto text = std::make_unique<std::string>(some());
        queue.AddBorrowed(*text);
        model += *text;
        borrowed.push_back({std::move(text), added, added});
        added += borrowed.back().octets->size();
        borrowed.back().end = added;
        break;
      }
      case 3: {  // One whose task goes early.
        if (borrowed.empty()) break;
        const size_t which = below(borrowed.size());
        queue.CopyBorrowed(borrowed[which].begin, borrowed[which].end);
        borrowed.erase(borrowed.begin() + static_cast<std::ptrdiff_t>(which));
        break;
      }
      case 4:
      case 5: {
        const std::string front = Front(queue, 1 + static_cast<int>(below(5)));
        ASSERT_EQ(front, model.substr(0, front.size()));
        ASSERT_EQ(front.empty(), model.empty());
        const size_t n = below(std::min(front.size() + 1, size_t{20000}));
        queue.Remove(n);
        model.erase(0, n);
        while (!borrowed.empty() && borrowed.front().end <= queue.total_removed()) {
          borrowed.pop_front();
        }
        break;
      }
    }
    ASSERT_EQ(queue.size(), model.size());
    ASSERT_EQ(queue.empty(), model.empty());
    ASSERT_EQ(queue.total_added(), added);
    if (step % 50 == 0) {
      ASSERT_EQ(All(queue), model);
    }
  }
  queue.Clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.total_added(), queue.total_removed());
}

INSTANTIATE_TEST_SUITE_P(Seeds, WriteQueueModelTest, testing::Range(1, 9));

}  // namespace
}  // namespace squall::internal
