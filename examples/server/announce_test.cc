#include "examples/server/announce.h"

#include <string>

#include "gtest/gtest.h"
#include "squall/netutil/address.h"

namespace squall {
namespace {

PoolSnapshot Pool() {
  PoolSnapshot pool;
  pool.master_pid = 100;
  for (const pid_t pid : {101, 102}) pool.workers.emplace_back().slot.pid = pid;
  return pool;
}

TEST(Announce, SaysWhatToTry) {
  const Announcement announcement{
      .addresses = {SocketAddress::Parse("127.0.0.1:8888").value(),
                    SocketAddress::Parse("[::1]:8888").value()},
      .control = "unix:/run/squall/control.sock",
      .control_is_default = true,
  };
  EXPECT_EQ(Describe(announcement, Pool()),
            "serving http://127.0.0.1:8888/ http://[::1]:8888/\n"
            "  master 100, workers 101 102\n"
            "  control unix:/run/squall/control.sock\n"
            "try\n"
            "  curl 'http://127.0.0.1:8888/?sleep=3'\n"
            "  bazel run admin -- resize 4\n");
}

TEST(Announce, OnlyWhatThereIs) {
  Announcement announcement{.addresses = {SocketAddress::Parse("unix:/run/app.sock").value()},
                            .static_root = "/srv"};
  EXPECT_EQ(Describe(announcement, Pool()),
            "serving unix:/run/app.sock\n"
            "  /static/ is /srv\n"
            "  master 100, workers 101 102\n"
            "  control none\n"
            "try\n"
            "  curl --unix-socket /run/app.sock 'http://localhost/?sleep=3'\n");
  announcement.scheme = "https";
  announcement.addresses = {SocketAddress::Parse("127.0.0.1:8888").value()};
  EXPECT_NE(Describe(announcement, Pool()).find("  curl 'https://127.0.0.1:8888/?sleep=3'\n"),
            std::string::npos);
  announcement.status = SocketAddress::Parse("127.0.0.1:9090").value();
  EXPECT_NE(Describe(announcement, Pool()).find("  status http://127.0.0.1:9090/\ntry\n"),
            std::string::npos);
  announcement.control = "unix:/c";
  announcement.control_tls = {SocketAddress::Parse("127.0.0.1:8443").value()};
  EXPECT_NE(Describe(announcement, Pool()).find("  control unix:/c tls:127.0.0.1:8443\n"),
            std::string::npos);
  EXPECT_NE(Describe(announcement, Pool()).find("admin -- --address=unix:/c resize 4\n"),
            std::string::npos);
}

}  // namespace
}  // namespace squall
