#include "squall/control/status/status_options.h"

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

using ::testing::HasSubstr;

TEST(StatusOptions, LoopbackAndUnixAreRight) {
  for (const char* address : {"", "127.0.0.1:9090", "127.1.2.3:0", "[::1]:9090", "localhost:0",
                              "unix:/run/app/status.sock"}) {
    EXPECT_THAT(Validate({.address = address}), IsOk()) << address;
  }
}

TEST(StatusOptions, OthersMustBeAllowed) {
  for (const char* address : {"0.0.0.0:9090", "192.0.2.1:9090", "[::]:9090", "[2001:db8::1]:1",
                              "[::ffff:127.0.0.1]:9090"}) {
    EXPECT_THAT(Validate({.address = address}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(std::string("status.address ") + address +
                                   " can be reached from other machines")));
    EXPECT_THAT(Validate({.address = address, .allow_remote = true}), IsOk()) << address;
  }
}

TEST(StatusOptions, WhatIsNoAddressIsRefused) {
  for (const char* address : {"9090", ":9090", "localhost", "localhost:x", "example.com:80",
                              "127.0.0.1", "127.0.0.1:70000", "unix:", "unix:relative",
                              "unix-abstract:status", "http://127.0.0.1:9090/"}) {
    EXPECT_THAT(Validate({.address = address, .allow_remote = true}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         std::string("status.address must be 127.0.0.1:PORT, [::1]:PORT or "
                                     "unix:/PATH: ") +
                             address));
  }
}

TEST(StatusOptions, HostsAreNames) {
  EXPECT_THAT(Validate({.address = "127.0.0.1:1", .hosts = {"web-1.example", "web_2"}}), IsOk());
  for (const char* host : {"", "Web1", "web1:9090", "*", "http://web1"}) {
    EXPECT_THAT(Validate({.address = "127.0.0.1:1", .hosts = {"web1", host}}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         std::string("status.hosts must be names in lower case without a port such "
                                     "as web1.example: ") +
                             host));
  }
}

TEST(StatusOptions, Binds) {
  const auto tcp = BindStatusListener({.address = "localhost:0"});
  ASSERT_THAT(tcp, IsOk());
  EXPECT_EQ(tcp->address().host(), "127.0.0.1");
  EXPECT_GT(tcp->port(), 0);
  const std::string path = testing::NewSocketPath();
  const auto local = BindStatusListener({.address = "unix:" + path});
  ASSERT_THAT(local, IsOk());
  struct stat file = {};
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777, 0600u);
  EXPECT_THAT(BindStatusListener({.address = "0.0.0.0:0"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("other machines")));
  EXPECT_THAT(BindStatusListener({}), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace squall
