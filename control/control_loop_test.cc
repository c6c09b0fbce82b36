// The control process' loop in a thread of the test, to see to what a whole process hides.
#include "squall/control/control_loop.h"

#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/control/client.h"
#include "squall/control/control_roles.h"
#include "squall/control/testing/served_loop.h"
#include "squall/process/control_link.h"

namespace squall::internal {
namespace {

using testing::One;
using testing::ServedLoop;

constexpr absl::Duration kPatience = absl::Seconds(30);

TEST(ControlLoop, ServesThoseWhoHaveARole) {
  ServedLoop control({.roles = One(geteuid(), ControlRole::kViewer)});
  ControlClient client(control.address, {.timeout = kPatience});
  EXPECT_EQ(client.GetPool()->ready_workers(), 2);
  EXPECT_EQ(client.GetServerInfo()->role(), control::v1::ROLE_VIEWER);
  control.Stop();
  EXPECT_TRUE(control.master_gone);
  EXPECT_EQ(control.refused, 0u);
}

TEST(ControlLoop, ClosesTheConnectionsOfAllOthersAndCountsThem) {
  ServedLoop control({.roles = One(geteuid() + 1, ControlRole::kAdmin)});
  ControlClient client(control.address, {.timeout = kPatience, .retry_for = absl::ZeroDuration()});
  const absl::Status status = client.GetPool().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_NE(status.message().find("a role there"), absl::string_view::npos) << status;
  control.Stop();
  EXPECT_EQ(control.refused, 1u);
}

TEST(ControlLoop, RereadsThePoolOnANotice) {
  ServedLoop control({.roles = One(geteuid(), ControlRole::kAdmin)});
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
  ServedLoop control({.roles = One(geteuid(), ControlRole::kAdmin)});
  ControlClient client(control.address, {.timeout = kPatience, .retry_for = absl::ZeroDuration()});
  const absl::Status status = client.ResizePool({.desired_workers = 3}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), "MASTER_UNREACHABLE");
  // Reads go on.
  EXPECT_TRUE(client.GetPool().ok());
}

}  // namespace
}  // namespace squall::internal
