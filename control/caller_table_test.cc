// Connections, callers and their limits, with real sockets and gRPC servers.
#include "squall/control/caller_table.h"

#include <sys/socket.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/control/snapshot_hub.h"
#include "squall/control/testing/fake_pool.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;
using ::testing::HasSubstr;

class CallerTableTest : public ::testing::Test {
 protected:
  ~CallerTableTest() override {
    table_.Shutdown(absl::ZeroDuration());
    IOLoop::ClearCurrent();
  }

  absl::Status Connect(const std::string& name, v1::Role role = v1::ROLE_VIEWER) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    clients_.emplace_back(ends[1]);
    return table_.Admit({.uid = 1, .role = role, .name = name}, UniqueFd(ends[0]));
  }

  // Runs the loop until `condition` holds.
  bool Eventually(const std::function<bool()>& condition) {
    return IOLoop::Current().RunSync(Until(condition), absl::Seconds(30)).ok();
  }

  testing::FakePool pool_{2, 8};
  SnapshotHub hub_{pool_, nullptr};
  ControlCore core_{pool_, pool_, hub_};
  CallerTable table_{core_};
  std::vector<UniqueFd> clients_;

 private:
  static Task<absl::Status> Until(std::function<bool()> condition) {
    while (!condition()) co_await Sleep(absl::Milliseconds(1));
    co_return absl::OkStatus();
  }
};

TEST_F(CallerTableTest, OneCallerHasSoManyConnectionsAndGetsAPlaceBack) {
  core_.limits.max_connections_per_caller = 2;
  EXPECT_THAT(Connect("a"), IsOk());
  EXPECT_THAT(Connect("a"), IsOk());
  EXPECT_THAT(Connect("a"), StatusIs(absl::StatusCode::kResourceExhausted,
                                     HasSubstr("a has 2 connections already")));
  EXPECT_THAT(Connect("b"), IsOk()) << "another one is not concerned";
  clients_.erase(clients_.begin());
  EXPECT_TRUE(Eventually([&] { return table_.connections() == 2; }));
  EXPECT_THAT(Connect("a"), IsOk());
}

TEST_F(CallerTableTest, TheLastConnectionsAreForAdmins) {
  core_.limits.max_connections = 8;
  for (int i = 0; i < 7; ++i) EXPECT_THAT(Connect("a"), IsOk());
  EXPECT_THAT(Connect("b"), StatusIs(absl::StatusCode::kResourceExhausted,
                                     HasSubstr("the last ones are for admins")));
  EXPECT_THAT(Connect("root", v1::ROLE_ADMIN), IsOk());
  EXPECT_THAT(Connect("root", v1::ROLE_ADMIN), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(CallerTableTest, ASilentConnectionIsCutAndItsPlaceIsFree) {
  core_.limits.handshake_timeout = absl::Milliseconds(100);
  EXPECT_THAT(Connect("a"), IsOk());
  EXPECT_EQ(table_.connections(), 1);
  EXPECT_TRUE(Eventually([&] { return table_.connections() == 0; }));
}

TEST_F(CallerTableTest, SoManyCallersAtOnceAndAnIdleOneMakesRoom) {
  core_.limits.max_callers = 3;  // The last one is for an admin.
  EXPECT_THAT(Connect("a"), IsOk());
  EXPECT_THAT(Connect("b"), IsOk());
  EXPECT_THAT(Connect("c"), StatusIs(absl::StatusCode::kResourceExhausted,
                                     HasSubstr("there are 2 callers already")));
  EXPECT_THAT(Connect("b", v1::ROLE_OPERATOR), StatusIs(absl::StatusCode::kResourceExhausted))
      << "with another role it is another caller";
  EXPECT_THAT(Connect("root", v1::ROLE_ADMIN), IsOk());
  EXPECT_THAT(Connect("boss", v1::ROLE_ADMIN), StatusIs(absl::StatusCode::kResourceExhausted));
  clients_.erase(clients_.begin());
  EXPECT_TRUE(Eventually([&] { return table_.connections() == 2; }));
  EXPECT_THAT(Connect("c"), IsOk());
}

}  // namespace
}  // namespace squall::internal
