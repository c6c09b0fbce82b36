#include "squall/control/config/server_config.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Quoted = ServerConfig::Quoted;

ServerConfig Config() {
  ServerConfig config("server.conf");
  config.AddFromFile("listen", "a:1", Quoted::kYes, 1, 1);
  config.AddFromFile("listen", "b:2", Quoted::kYes, 2, 1);
  config.AddFromFile("workers", "8", Quoted::kNo, 3, 1);
  config.AddFromFile("restart.max_surge", "2", Quoted::kNo, 5, 3);
  config.AddFromFile("grace", "-5s", Quoted::kYes, 6, 1);
  config.AddFromFile("user", "grace", Quoted::kYes, 7, 1);
  config.AddFromFile("rlimit", "core:0", Quoted::kYes, 8, 1);
  config.AddFromFile("rlimit", "nofile:9", Quoted::kYes, 9, 1);
  config.AddFromFile("autoscale.min_spare", "0", Quoted::kNo, 10, 3);
  return config;
}

TEST(ServerConfig, AFlagTakesThePlaceOfTheFile) {
  ServerConfig config = Config();
  config.SetFromFlag("listen", {"c:3"}, "--listen=c:3");
  config.SetFromFlag("workers", {"4"}, "--workers=4");
  EXPECT_THAT(config.Texts("listen"), ElementsAre("c:3"));
  EXPECT_THAT(config.Texts("workers"), ElementsAre("4"));
  EXPECT_THAT(config.IsNot("workers", 0, "right"),
              StatusIs(absl::StatusCode::kInvalidArgument, "--workers=4 is not right"));
  EXPECT_THAT(config.Locate(absl::InternalError("workers is bad")),
              StatusIs(absl::StatusCode::kInternal, "--workers=4: workers is bad"));
}

TEST(ServerConfig, KnowsWhatChanged) {
  ServerConfig now = Config();
  EXPECT_THAT(now.ChangedFrom(Config()), IsEmpty());
  now.AddFromFile("nice", "1", Quoted::kNo, 20, 1);
  now.AddFromFile("listen", "c:3", Quoted::kYes, 21, 1);
  EXPECT_THAT(now.ChangedFrom(Config()), ElementsAre("listen", "nice"));
  EXPECT_THAT(Config().ChangedFrom(now), ElementsAre("listen", "nice"));
}

struct Case {
  const char* message;
  const char* located;
};

class Located : public ::testing::TestWithParam<Case> {};

TEST_P(Located, ByTheFirstOptionThatWasSet) {
  EXPECT_THAT(Config().Locate(absl::NotFoundError(GetParam().message)),
              StatusIs(absl::StatusCode::kNotFound, GetParam().located));
}

INSTANTIATE_TEST_SUITE_P(
    ServerConfig, Located,
    ::testing::Values(Case{"restart.max_surge is 2.", "server.conf:5:3: restart.max_surge is 2."},
                      Case{"max_workers is 4, below workers.",
                           "server.conf:3:1: max_workers is 4, below workers."},
                      Case{"drain.grace is -5s", "server.conf:6:1: grace is -5s"},
                      Case{"autoscaler.min_spare is 0",
                           "server.conf:10:3: autoscale.min_spare is 0"},
                      Case{"user \"grace\" is nobody", "server.conf:7:1: user \"grace\" is nobody"},
                      Case{"cannot listen on \"b:2\"", "server.conf:2:1: cannot listen on \"b:2\""},
                      Case{"limit nofile: too low", "server.conf:9:1: rlimit nofile: too low"},
                      Case{"drain.kill_after is 0", "kill_after is 0"},
                      Case{"no memory", "no memory"}));

TEST(ServerConfig, LocatesNoSuccess) { EXPECT_THAT(Config().Locate(absl::OkStatus()), IsOk()); }

}  // namespace
}  // namespace squall
