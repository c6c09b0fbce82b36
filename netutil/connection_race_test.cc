// Tornado's tcpclient_test.py: TestConnectorSplit and ConnectorTest, with the order of RFC 8305:
// the families in turn, one address after the other, where Tornado (RFC 6555) has a queue for each.
#include "squall/netutil/connection_race.h"

#include <fcntl.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/address.h"

namespace squall::internal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// "a" and "b" are of one family, "c" and "d" of another.
SocketAddress Address(char name) {
  static const std::map<char, const char*> addresses = {
      {'a', "10.0.0.1:80"}, {'b', "10.0.0.2:80"}, {'c', "[2001::1]:80"}, {'d', "[2001::2]:80"}};
  return SocketAddress::Parse(addresses.at(name)).value();
}

std::vector<SocketAddress> Addresses(const std::string& names) {
  std::vector<SocketAddress> result;
  for (const char name : names) result.push_back(Address(name));
  return result;
}

TEST(TestConnectorSplit, one_family) {
  EXPECT_EQ(InterleavedFamilies(Addresses("ab")), Addresses("ab"));
}

TEST(TestConnectorSplit, mixed) {
  EXPECT_EQ(InterleavedFamilies(Addresses("abcd")), Addresses("acbd"));
  EXPECT_EQ(InterleavedFamilies(Addresses("cdab")), Addresses("cadb"));
  EXPECT_EQ(InterleavedFamilies(Addresses("acd")), Addresses("acd"));
  EXPECT_EQ(InterleavedFamilies({}), Addresses(""));
}

class ConnectorTest : public testing::Test {
 protected:
  // Attempts that a test leaves behind must not see the next one.
  void TearDown() override { IOLoop::ClearCurrent(); }

  void StartConnect(const std::string& names, absl::Duration delay = absl::Hours(1),
                    absl::Duration timeout = absl::Hours(1)) {
    loop_.Spawn(Run(this, InterleavedFamilies(Addresses(names)), delay, timeout));
  }

  void Resolve(char name, bool success) {
    succeeds_[Address(name).ToString()] = success;
    gates_[Address(name).ToString()].Set();
    // The end of the attempt, and of what follows from it.
    RunTurns(4);
  }

  void RunTurns(int turns) {
    const std::function<void()> next = [&] {
      if (turns-- == 0) return loop_.Stop();
      loop_.AddCallback(next);
    };
    next();
    loop_.Start();
  }

  // Until something happens by itself.
  template <typename Condition>
  void RunUntil(Condition condition) {
    for (int i = 0; i < 20000 && !condition(); ++i) {
      const Timeout tick = loop_.CallLater(absl::Milliseconds(1), [this] { loop_.Stop(); });
      loop_.Start();
    }
    EXPECT_TRUE(condition());
  }
  // The delay after the last attempt is over.
  void AwaitPending(const std::string& names) {
    RunUntil([&] { return Pending() == names; });
  }

  // The attempts under way.
  std::string Pending() const { return {pending_.begin(), pending_.end()}; }

  std::string Error() const {
    EXPECT_TRUE(result_.has_value());
    EXPECT_FALSE(result_->ok());
    return std::string(result_->status().message());
  }
  bool Connected() const { return result_.has_value() && result_->ok(); }

  IOLoop& loop_ = IOLoop::Current();
  std::set<char> pending_;
  std::string started_;
  std::map<std::string, Event> gates_;
  std::map<std::string, bool> succeeds_;
  std::optional<absl::StatusOr<UniqueFd>> result_;
  bool expects_more_ = false;
  ConnectionRace* race_ = nullptr;  // while it runs

 private:
  struct Pended {
    Pended(ConnectorTest* test, char name) : test(test), name(name) { test->pending_.insert(name); }
    ~Pended() { test->pending_.erase(name); }
    ConnectorTest* const test;
    const char name;
  };

  static Task<absl::StatusOr<UniqueFd>> Attempt(ConnectorTest* test, SocketAddress address) {
    char name = 'a';
    while (Address(name) != address) ++name;
    test->started_ += name;
    const Pended pended(test, name);
    const absl::Status set = co_await test->gates_[address.ToString()].Wait();
    if (!test->succeeds_[address.ToString()]) co_return StatusFromErrno(ECONNREFUSED, "connect");
    co_return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }

  static Task<> Run(ConnectorTest* test, std::vector<SocketAddress> addresses, absl::Duration delay,
                    absl::Duration timeout) {
    ConnectionRace race(
        std::move(addresses), [test](SocketAddress address) { return Attempt(test, address); },
        delay);
    if (test->expects_more_) race.ExpectMore();
    test->race_ = &race;
    absl::StatusOr<UniqueFd> result = co_await race.Run(timeout);
    test->race_ = nullptr;
    test->result_ = std::move(result);
  }
};

TEST_F(ConnectorTest, immediate_success) {
  StartConnect("abcd");
  EXPECT_EQ(Pending(), "a");
  Resolve('a', true);
  EXPECT_TRUE(Connected());
  EXPECT_EQ(started_, "a");
}

TEST_F(ConnectorTest, immediate_failure) {
  StartConnect("a");
  Resolve('a', false);
  EXPECT_EQ(Error(), "connect: Connection refused");
  EXPECT_EQ(ErrnoFromStatus(result_->status()), ECONNREFUSED);
}

TEST_F(ConnectorTest, one_family_second_try) {
  StartConnect("ab");
  EXPECT_EQ(Pending(), "a");
  Resolve('a', false);
  EXPECT_EQ(Pending(), "b");
  Resolve('b', true);
  EXPECT_TRUE(Connected());
}

TEST_F(ConnectorTest, one_family_second_try_failure) {
  StartConnect("ab");
  Resolve('a', false);
  EXPECT_EQ(Pending(), "b");
  Resolve('b', false);
  EXPECT_EQ(Error(),
            "10.0.0.1:80: connect: Connection refused; 10.0.0.2:80: connect: Connection refused");
}

// Here a delay starts the next address of the same family, too.
TEST_F(ConnectorTest, one_family_second_try_timeout) {
  StartConnect("ab", absl::Milliseconds(10));
  EXPECT_EQ(Pending(), "a");
  AwaitPending("ab");
  Resolve('a', false);
  EXPECT_EQ(Pending(), "b");
  Resolve('b', true);
  EXPECT_TRUE(Connected());
}

TEST_F(ConnectorTest, two_families_immediate_failure) {
  StartConnect("abcd");
  EXPECT_EQ(Pending(), "a");
  Resolve('a', false);
  EXPECT_EQ(Pending(), "c");
  Resolve('c', false);
  EXPECT_EQ(Pending(), "b");
  Resolve('b', true);
  EXPECT_TRUE(Connected());
  EXPECT_EQ(started_, "acb");
}

TEST_F(ConnectorTest, two_families_timeout) {
  StartConnect("ac", absl::Milliseconds(10));
  EXPECT_EQ(Pending(), "a");
  AwaitPending("ac");
  Resolve('c', true);
  EXPECT_TRUE(Connected());
  EXPECT_EQ(Pending(), "");
}

TEST_F(ConnectorTest, success_after_timeout) {
  StartConnect("ac", absl::Milliseconds(10));
  AwaitPending("ac");
  Resolve('a', true);
  EXPECT_TRUE(Connected());
  // 'c' is closed at once, and does not come to its end later.
  EXPECT_EQ(Pending(), "");
}

TEST_F(ConnectorTest, all_fail) {
  StartConnect("abcd", absl::Milliseconds(10));
  AwaitPending("abcd");
  EXPECT_EQ(started_, "acbd");
  Resolve('c', false);
  Resolve('d', false);
  Resolve('a', false);
  EXPECT_FALSE(result_.has_value());
  Resolve('b', false);
  EXPECT_EQ(Error(),
            "10.0.0.1:80: connect: Connection refused; [2001::1]:80: connect: Connection refused; "
            "10.0.0.2:80: connect: Connection refused; [2001::2]:80: connect: Connection refused");
}

TEST_F(ConnectorTest, one_family_timeout_after_connect_timeout) {
  StartConnect("ab", absl::Hours(1), absl::Milliseconds(20));
  RunUntil([&] { return result_.has_value(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(result_->status()));
  EXPECT_EQ(Error(), "10.0.0.1:80: no answer; 10.0.0.2:80: not tried");
  EXPECT_EQ(Pending(), "");
  EXPECT_EQ(started_, "a");
}

TEST_F(ConnectorTest, one_family_success_before_connect_timeout) {
  StartConnect("ab", absl::Hours(1), absl::Milliseconds(30));
  Resolve('a', true);
  ASSERT_TRUE(Connected());
  const Timeout later = loop_.CallLater(absl::Milliseconds(40), [this] { loop_.Stop(); });
  loop_.Start();
  EXPECT_TRUE(Connected());
  EXPECT_TRUE((*result_)->valid());
}

TEST_F(ConnectorTest, one_family_second_try_after_connect_timeout) {
  StartConnect("ab", absl::Hours(1), absl::Milliseconds(40));
  Resolve('a', false);
  EXPECT_EQ(Pending(), "b");
  RunUntil([&] { return result_.has_value(); });
  EXPECT_EQ(Error(), "10.0.0.1:80: connect: Connection refused; 10.0.0.2:80: no answer");
  EXPECT_TRUE(absl::IsDeadlineExceeded(result_->status()));
  EXPECT_EQ(Pending(), "");
}

TEST_F(ConnectorTest, one_family_second_try_failure_before_connect_timeout) {
  StartConnect("ab", absl::Hours(1), absl::Seconds(30));
  Resolve('a', false);
  Resolve('b', false);
  EXPECT_TRUE(absl::IsUnavailable(result_->status()));
}

TEST_F(ConnectorTest, two_family_timeout_before_connect_timeout) {
  StartConnect("ac", absl::Milliseconds(10), absl::Milliseconds(100));
  AwaitPending("ac");
  RunUntil([&] { return result_.has_value(); });
  EXPECT_EQ(Error(), "10.0.0.1:80: no answer; [2001::1]:80: no answer");
  EXPECT_EQ(Pending(), "");
}

TEST_F(ConnectorTest, two_family_success_after_timeout) {
  StartConnect("abcd", absl::Milliseconds(10));
  AwaitPending("ac");
  Resolve('a', true);
  EXPECT_TRUE(Connected());
  EXPECT_EQ(Pending(), "");
}

TEST_F(ConnectorTest, two_family_timeout_after_connect_timeout) {
  StartConnect("abcd", absl::Hours(1), absl::Milliseconds(10));
  RunUntil([&] { return result_.has_value(); });
  EXPECT_EQ(started_, "a");
  EXPECT_TRUE(absl::IsDeadlineExceeded(result_->status()));
}

// A failure starts the next one at once, and the delay counts from then on.
TEST_F(ConnectorTest, failures_do_not_shorten_the_delay_of_the_next) {
  StartConnect("abc", absl::Hours(1));
  Resolve('a', false);
  EXPECT_EQ(Pending(), "c");
  RunTurns(10);
  EXPECT_EQ(Pending(), "c");
}

// RFC 8305 3: addresses that are known later.
class LateAddressTest : public ConnectorTest {
 protected:
  void Expect(const std::string& names, absl::Duration delay = absl::Hours(1)) {
    expects_more_ = true;
    StartConnect(names, delay);
  }
  void Come(const std::string& names) {
    race_->Add(Addresses(names));
    RunTurns(4);
  }
  void NoMore() {
    race_->NoMore();
    RunTurns(4);
  }
};

TEST_F(LateAddressTest, the_other_family_is_next) {
  Expect("ab", absl::Milliseconds(10));
  race_->Add(Addresses("cd"));
  AwaitPending("abcd");
  EXPECT_EQ(started_, "acbd");
}

TEST_F(LateAddressTest, nobody_waits_for_the_delay_when_all_have_failed) {
  Expect("a");
  Resolve('a', false);
  EXPECT_FALSE(result_.has_value());
  Come("ac");
  EXPECT_EQ(Pending(), "c");
  Resolve('c', true);
  EXPECT_TRUE(Connected());
}

TEST_F(LateAddressTest, the_delay_counts_from_the_last_start) {
  Expect("a");
  Come("c");
  EXPECT_EQ(Pending(), "a");
  Resolve('a', false);
  EXPECT_EQ(Pending(), "c");
}

TEST_F(LateAddressTest, the_delay_is_over_already) {
  Expect("a", absl::Milliseconds(10));
  const Timeout later = loop_.CallLater(absl::Milliseconds(15), [this] { loop_.Stop(); });
  loop_.Start();
  Come("c");
  AwaitPending("ac");
}

TEST_F(LateAddressTest, none_comes) {
  Expect("a");
  Resolve('a', false);
  EXPECT_FALSE(result_.has_value());
  NoMore();
  EXPECT_EQ(Error(), "connect: Connection refused");
}

TEST_F(LateAddressTest, none_comes_while_one_is_tried) {
  Expect("a");
  NoMore();
  EXPECT_FALSE(result_.has_value());
  Resolve('a', false);
  EXPECT_EQ(Error(), "connect: Connection refused");
}

TEST_F(ConnectorTest, failures_at_once) {
  for (const char name : {'a', 'b', 'c'}) {
    succeeds_[Address(name).ToString()] = false;
    gates_[Address(name).ToString()].Set();
  }
  StartConnect("abcd");
  RunTurns(4);
  EXPECT_EQ(started_, "acbd");
  EXPECT_EQ(Pending(), "d");
  Resolve('d', true);
  EXPECT_TRUE(Connected());
}

}  // namespace
}  // namespace squall::internal
