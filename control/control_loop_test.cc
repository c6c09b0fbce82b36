// The control process' loop in a thread of the test, to see to what a whole process hides.
#include "squall/control/control_loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/control/client.h"
#include "squall/control/testing/fake_pool.h"
#include "squall/control/testing/socket_path.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/sockets.h"
#include "squall/process/control_link.h"

namespace squall::internal {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

// ControlLoop on an IOLoop of its own thread. The master's end of the link is the test's.
class LoopThread {
 public:
  explicit LoopThread(std::map<uid_t, control::v1::Role> roles) {
    auto ends = MakeControlLink().value();
    master = std::move(ends.first);
    address = absl::StrCat("unix:", testing::NewSocketPath());
    auto listener = BindUnixSocket(address.substr(strlen("unix:"))).value();
    thread_ = std::thread([this, roles = std::move(roles), link = std::move(ends.second),
                           listener = std::move(listener)]() mutable {
      IOLoop& loop = IOLoop::Current();
      {
        ControlLoop control(loop, pool, std::move(link), std::move(listener),
                            {.roles = std::move(roles), .on_master_gone = [&](const auto&) {
                               master_gone = true;
                               loop.Stop();
                             }});
        EXPECT_TRUE(control.Start().ok());
        loop.Start();
        refused = control.refused_connections();
      }
      IOLoop::ClearCurrent();
    });
  }

  ~LoopThread() { Stop(); }

  // The end of the link ends the loop.
  void Stop() {
    master.reset();
    if (thread_.joinable()) thread_.join();
  }

  testing::FakePool pool{2, 8};
  UniqueFd master;
  std::string address;
  std::atomic<bool> master_gone = false;
  std::atomic<uint64_t> refused = 0;

 private:
  std::thread thread_;
};

TEST(ControlLoop, ServesThoseWhoHaveARole) {
  LoopThread control({{geteuid(), control::v1::ROLE_VIEWER}});
  ControlClient client(control.address, {.timeout = kPatience});
  EXPECT_EQ(client.GetPool()->ready_workers(), 2);
  EXPECT_EQ(client.GetServerInfo()->role(), control::v1::ROLE_VIEWER);
  control.Stop();
  EXPECT_TRUE(control.master_gone);
  EXPECT_EQ(control.refused, 0u);
}

TEST(ControlLoop, ClosesTheConnectionsOfAllOthersAndCountsThem) {
  LoopThread control({{geteuid() + 1, control::v1::ROLE_ADMIN}});
  ControlClient client(control.address, {.timeout = kPatience, .retry_for = absl::ZeroDuration()});
  const absl::Status status = client.GetPool().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_NE(status.message().find("its own user and root only"), absl::string_view::npos) << status;
  control.Stop();
  EXPECT_EQ(control.refused, 1u);
}

TEST(ControlLoop, RereadsThePoolOnANotice) {
  LoopThread control({{geteuid(), control::v1::ROLE_ADMIN}});
  ControlClient client(control.address, {.timeout = kPatience});
  bool resized = false;
  const absl::Status status =
      client.WatchPool(absl::Hours(1), [&](const control::v1::WatchPoolResponse& response) {
        if (response.has_snapshot()) {
          control.pool.Resize(5);
          EXPECT_TRUE(SendLink(control.master.get(), LinkNotice{}));
          return true;
        }
        resized = response.change().pool().desired_workers() == 5;
        return !resized;
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(resized);
}

TEST(ControlLoop, AMasterThatDoesNotAnswerIsUnavailableWithinItsDeadline) {
  LoopThread control({{geteuid(), control::v1::ROLE_ADMIN}});
  ControlClient client(control.address, {.timeout = kPatience, .retry_for = absl::ZeroDuration()});
  const absl::Status status = client.ResizePool({.desired_workers = 3}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), "MASTER_UNREACHABLE");
  // Reads go on.
  EXPECT_TRUE(client.GetPool().ok());
}

}  // namespace
}  // namespace squall::internal
