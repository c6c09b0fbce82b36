#include "squall/ioloop/tls_ticket_keys.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/fake_clock.h"

namespace squall {
namespace {

using Key = TlsTicketKeys::Key;

bool Same(const Key& a, const Key& b) {
  return a.name == b.name && a.encryption == b.encryption && a.authentication == b.authentication;
}

class TlsTicketKeysTest : public testing::Test {
 protected:
  FakeClock clock_;
  TlsTicketKeys keys_{{.period = absl::Hours(1), .clock = &clock_}};
};

TEST_F(TlsTicketKeysTest, AKeyStaysForItsPeriodAndOneMore) {
  const Key first = keys_.Current();
  clock_.Advance(absl::Minutes(59));
  EXPECT_TRUE(Same(keys_.Current(), first));
  std::optional<TlsTicketKeys::Found> found = keys_.Find(first.name.data());
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(Same(found->key, first));
  EXPECT_TRUE(found->current);

  clock_.Advance(absl::Minutes(1));
  const Key second = keys_.Current();
  EXPECT_NE(second.name, first.name);
  EXPECT_NE(second.encryption, first.encryption);
  EXPECT_NE(second.authentication, first.authentication);
  found = keys_.Find(first.name.data());
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(Same(found->key, first));
  EXPECT_FALSE(found->current);
  EXPECT_TRUE(keys_.Find(second.name.data())->current);

  clock_.Advance(absl::Hours(1));
  EXPECT_FALSE(keys_.Find(first.name.data()).has_value());
  EXPECT_FALSE(keys_.Find(second.name.data())->current);
  // After a long sleep nothing of before is left.
  clock_.Advance(absl::Hours(24 * 365));
  EXPECT_FALSE(keys_.Find(second.name.data()).has_value());
}

TEST_F(TlsTicketKeysTest, TheThreePartsAreNotTheSame) {
  const Key key = keys_.Current();
  EXPECT_NE(key.encryption, key.authentication);
  EXPECT_NE(memcmp(key.name.data(), key.encryption.data(), key.name.size()), 0);
  EXPECT_NE(memcmp(key.name.data(), key.authentication.data(), key.name.size()), 0);
}

TEST_F(TlsTicketKeysTest, OthersHaveOthers) {
  TlsTicketKeys others({.period = absl::Hours(1), .clock = &clock_});
  EXPECT_NE(others.Current().name, keys_.Current().name);
  EXPECT_FALSE(others.Find(keys_.Current().name.data()).has_value());
}

// The secrets of periods that are over are not in memory any more.
TEST_F(TlsTicketKeysTest, WhatIsOverIsErased) {
  const Key first = keys_.Current();
  const auto holds = [&](const std::array<unsigned char, 32>& octets) {
    return memmem(&keys_, sizeof keys_, octets.data(), octets.size()) != nullptr;
  };
  EXPECT_TRUE(holds(first.encryption));
  clock_.Advance(absl::Hours(1));
  keys_.Advance();
  EXPECT_TRUE(holds(first.encryption));
  clock_.Advance(absl::Hours(1));
  keys_.Advance();
  EXPECT_FALSE(holds(first.encryption));
  EXPECT_FALSE(holds(first.authentication));
}

TEST_F(TlsTicketKeysTest, ProcessesAgreeWhenEverTheyWereForked) {
  int early[2];
  int late[2];
  ASSERT_EQ(::pipe(early), 0);
  ASSERT_EQ(::pipe(late), 0);
  const auto tell_key_of_hour_five = [&](int fd) {
    clock_.Advance(absl::Hours(5) - (clock_.Now() - FakeClock().Now()));
    const Key key = keys_.Current();
    ::_exit(::write(fd, &key, sizeof key) == sizeof key ? 0 : 1);
  };
  const pid_t first = ::fork();
  if (first == 0) tell_key_of_hour_five(early[1]);
  clock_.Advance(absl::Hours(3));
  keys_.Advance();
  const pid_t second = ::fork();
  if (second == 0) tell_key_of_hour_five(late[1]);
  clock_.Advance(absl::Hours(2));
  for (int fd : {early[0], late[0]}) {
    Key key;
    ASSERT_EQ(::read(fd, &key, sizeof key), static_cast<ssize_t>(sizeof key));
    EXPECT_TRUE(Same(key, keys_.Current()));
  }
  for (pid_t child : {first, second}) {
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
}

TEST(TlsTicketKeysDeathTest, PeriodsBelowASecond) {
  EXPECT_DEATH(TlsTicketKeys({.period = absl::Milliseconds(10)}), "at least 1s, not 10ms");
}

// As ProcessesAgree..., for the key before: one goes step by step, the other has slept.
TEST_F(TlsTicketKeysTest, WhoHasSleptKnowsTheKeyBeforeAsWell) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  const pid_t sleeper = ::fork();
  if (sleeper == 0) {
    Key before;
    if (::read(fds[0], &before, sizeof before) != sizeof before) ::_exit(1);
    clock_.Advance(absl::Hours(1000));
    const std::optional<TlsTicketKeys::Found> found = keys_.Find(before.name.data());
    ::_exit(found.has_value() && !found->current && Same(found->key, before) ? 0 : 2);
  }
  for (int hour = 0; hour < 999; ++hour) {
    clock_.Advance(absl::Hours(1));
    keys_.Advance();
  }
  const Key before = keys_.Current();
  ASSERT_EQ(::write(fds[1], &before, sizeof before), static_cast<ssize_t>(sizeof before));
  int status = -1;
  EXPECT_EQ(::waitpid(sleeper, &status, 0), sleeper);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace squall
