#include "squall/control/control_socket.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/control/testing/socket_path.h"

namespace squall {
namespace {

struct stat StatOf(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info;
}

TEST(ControlSocket, IsItsOwnersAloneUnlessToldOtherwise) {
  const std::string path = testing::NewSocketPath();
  ASSERT_THAT(BindControlSocket(path), IsOk());
  EXPECT_EQ(StatOf(path).st_mode & 07777, 0600u);
}

TEST(ControlSocket, IsAGroupsToo) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give a file to a group";
  const std::string path = testing::NewSocketPath();
  const auto socket = BindControlSocket(path, {.mode = 0660, .group = "adm"});
  if (absl::IsInvalidArgument(socket.status()))
    GTEST_SKIP() << "this user namespace has no group adm";
  ASSERT_THAT(socket, IsOk());
  EXPECT_EQ(StatOf(path).st_mode & 07777, 0660u);
  EXPECT_EQ(StatOf(path).st_gid, 4u);
}

TEST(ControlSocket, AGroupThatThereIsNotIsAnErrorAndNothingIsLeft) {
  const std::string path = testing::NewSocketPath();
  EXPECT_THAT(BindControlSocket(path, {.mode = 0660, .group = "no-such-group"}),
              StatusIs(absl::StatusCode::kNotFound, "group \"no-such-group\" does not exist"));
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace squall
