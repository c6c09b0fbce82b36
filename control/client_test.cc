// Whom the client trusts. The rest of it is tested with real pools.
#include "squall/control/client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/address.h"

namespace squall {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uid_t kUser = 65533;
constexpr uid_t kOther = 65534;

class ControlClientTrust : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || seteuid(kUser) != 0) GTEST_SKIP() << "cannot become another user";
    ASSERT_EQ(seteuid(0), 0);
  }

  void TearDown() override {
    if (getuid() == 0) {
      ASSERT_EQ(seteuid(0), 0);
    }
  }

  // What a client of one user gets of a server of another that says nothing.
  absl::Status Call(uid_t client_uid, uid_t server_uid) {
    // A name without a file, so that no directory's permissions matter.
    const std::string address =
        absl::StrCat("unix-abstract:squall-client-test-", getpid(), "-", ++servers_);
    const SocketAddress target = SocketAddress::Parse(address).value();
    const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // The credentials are those of listen().
    EXPECT_EQ(seteuid(server_uid), 0);
    EXPECT_EQ(bind(listener.get(), target.data(), target.size()), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    EXPECT_EQ(seteuid(0), 0);
    EXPECT_EQ(seteuid(client_uid), 0);
    const absl::Status status =
        ControlClient(address, {.timeout = absl::Milliseconds(100)}).GetPool().status();
    EXPECT_EQ(seteuid(0), 0);
    return status;
  }

 private:
  int servers_ = 0;
};

TEST_F(ControlClientTrust, AnotherUsersServerIsRefused) {
  const absl::Status status = Call(kUser, kOther);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("is one of uid 65534"), HasSubstr("uid 65533, is trusted"),
                    HasSubstr("unix-abstract:squall-client-test-")));
}

TEST_F(ControlClientTrust, RootsAndItsOwnAreNot) {
  // They are called, and do not answer.
  EXPECT_EQ(Call(kUser, kUser).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Call(kUser, 0).code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ControlClientTrust, RootCallsEverybodys) {
  EXPECT_EQ(Call(0, kOther).code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace squall
