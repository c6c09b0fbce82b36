#include "squall/process/worker_settings.h"

#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/netutil/isolated_process.h"
#include "squall/process/capabilities.h"
#include "squall/process/cpu_affinity.h"

namespace squall {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Validates here, as a master does, and applies in a forked child, where `check` then runs.
template <typename Check>
Isolated InWorker(const WorkerSettings& settings, int task_id, Check check) {
  const auto resolved = Validate(settings);
  EXPECT_THAT(resolved, IsOk());
  if (!resolved.ok()) return Isolated::kFailed;
  return RunIsolated([&] {
    ASSERT_THAT(Apply(*resolved, task_id), IsOk());
    check();
  });
}

int OomScoreAdj() {
  int value = -9999;
  std::ifstream("/proc/self/oom_score_adj") >> value;
  return value;
}

std::string CurrentDirectory() {
  char path[4096];
  return getcwd(path, sizeof path) == nullptr ? "" : path;
}

// A new directory of the test's own; resolved, for getcwd() knows no links.
std::string NewDirectory(mode_t mode) {
  std::string path = absl::StrCat(testing::TempDir(), "/settings.XXXXXX");
  EXPECT_NE(mkdtemp(path.data()), nullptr);
  EXPECT_EQ(chmod(path.c_str(), mode), 0);
  char resolved[4096];
  return realpath(path.c_str(), resolved) == nullptr ? "" : resolved;
}

TEST(WorkerSettingsTest, DefaultsChangeNothing) {
  const int nice = getpriority(PRIO_PROCESS, 0);
  const int oom_score_adj = OomScoreAdj();
  const std::string directory = CurrentDirectory();
  const std::vector<int> cpus = internal::AllowedCpus().value();
  EXPECT_EQ(InWorker({}, 3,
                     [&] {
                       EXPECT_EQ(getpriority(PRIO_PROCESS, 0), nice);
                       EXPECT_EQ(OomScoreAdj(), oom_score_adj);
                       EXPECT_EQ(CurrentDirectory(), directory);
                       EXPECT_EQ(internal::AllowedCpus().value(), cpus);
                       EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
                     }),
            Isolated::kPassed);
}

TEST(WorkerSettingsTest, OneCpuPerWorkerGoesRound) {
  const std::vector<int> allowed = internal::AllowedCpus().value();
  for (size_t task = 0; task < allowed.size() + 2; ++task) {
    EXPECT_EQ(InWorker({.cpu_affinity = CpuAffinity::kOnePerWorker}, static_cast<int>(task),
                       [&] {
                         EXPECT_THAT(internal::AllowedCpus().value(),
                                     ElementsAre(allowed[task % allowed.size()]));
                       }),
              Isolated::kPassed)
        << task;
  }
}

TEST(WorkerSettingsTest, ListedCpusGoByTaskId) {
  const std::vector<int> allowed = internal::AllowedCpus().value();
  const WorkerSettings settings = {.cpu_affinity = CpuAffinity::kListed,
                                   .cpu_sets = {allowed, {allowed.back()}}};
  const auto is = [](std::vector<int> expected) {
    return [=] { EXPECT_EQ(internal::AllowedCpus().value(), expected); };
  };
  EXPECT_EQ(InWorker(settings, 0, is(allowed)), Isolated::kPassed);
  EXPECT_EQ(InWorker(settings, 1, is({allowed.back()})), Isolated::kPassed);
  EXPECT_EQ(InWorker(settings, 2, is(allowed)), Isolated::kPassed);
}

TEST(WorkerSettingsTest, PriorityLimitsAndFiles) {
  const std::string directory = NewDirectory(0700);
  const WorkerSettings settings = {
      .nice = 7,
      .oom_score_adj = 300,
      .limits = {{.resource = "nofile", .soft = 50}, {.resource = "core", .soft = 0, .hard = 0}},
      .umask = 027,
      .working_directory = directory,
      .no_new_privs = true,
  };
  EXPECT_EQ(InWorker(settings, 0,
                     [&] {
                       EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 7);
                       EXPECT_EQ(OomScoreAdj(), 300);
                       rlimit nofile = {}, core = {};
                       getrlimit(RLIMIT_NOFILE, &nofile);
                       getrlimit(RLIMIT_CORE, &core);
                       EXPECT_EQ(nofile.rlim_cur, 50u);
                       EXPECT_EQ(core.rlim_max, 0u);
                       EXPECT_EQ(umask(0), 027u);
                       EXPECT_EQ(CurrentDirectory(), directory);
                       EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
                     }),
            Isolated::kPassed);
}

TEST(WorkerSettingsTest, NamesTheFirstSettingThatIsWrong) {
  using absl::StatusCode;
  const std::string allowed = internal::FormatCpus(internal::AllowedCpus().value());
  EXPECT_THAT(Validate({.cpu_affinity = CpuAffinity::kListed}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("cpu_sets is empty")));
  EXPECT_THAT(Validate({.cpu_affinity = CpuAffinity::kOnePerWorker, .cpu_sets = {{0}}}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("cpu_affinity is not kListed")));
  EXPECT_THAT(Validate({.cpu_affinity = CpuAffinity::kListed, .cpu_sets = {{}}}),
              StatusIs(StatusCode::kInvalidArgument, "cpu_sets[0] names no CPU"));
  const int here = internal::AllowedCpus().value().front();
  EXPECT_THAT(
      Validate({.cpu_affinity = CpuAffinity::kListed, .cpu_sets = {{here}, {99999}}}),
      StatusIs(StatusCode::kInvalidArgument,
               absl::StrCat("cpu_sets[1] names CPU 99999; this process may use ", allowed)));
  EXPECT_THAT(Validate({.nice = 20}), StatusIs(StatusCode::kInvalidArgument, HasSubstr("not 20")));
  EXPECT_THAT(Validate({.oom_score_adj = -1001}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("not -1001")));
  EXPECT_THAT(Validate({.limits = {{.resource = "files", .soft = 1}}}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("\"files\"")));
  EXPECT_THAT(Validate({.user = "no-such-user"}),
              StatusIs(StatusCode::kNotFound, "user \"no-such-user\" does not exist"));
  EXPECT_THAT(Validate({.umask = 01000}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("not 01000")));
  EXPECT_THAT(
      Validate({.working_directory = "/no/such"}),
      StatusIs(StatusCode::kNotFound, "working_directory \"/no/such\": No such file or directory"));
  EXPECT_THAT(Validate({.working_directory = "/proc/self/status"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("is not a directory")));
}

TEST(WorkerSettingsTest, ANiceThatNeedsRootIsRefusedInTheMaster) {
  ASSERT_EQ(RunIsolated([] {
              ASSERT_THAT(internal::ClearCapabilities(), IsOk());
              const rlimit none = {};
              ASSERT_EQ(setrlimit(RLIMIT_NICE, &none), 0);
              EXPECT_THAT(Validate({.nice = -5}),
                          StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("nice -5")));
            }),
            Isolated::kPassed);
}

TEST(WorkerSettingsTest, WhatTheWorkerIsRefusedIsNamed) {
  const ResolvedWorkerSettings nice = {.nice = 4};
  EXPECT_EQ(RunIsolated([&] {
              FailSystemCall(SYS_setpriority, EACCES);
              EXPECT_THAT(Apply(nice, 0),
                          StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("nice 4: ")));
            }),
            Isolated::kPassed);
  // Removed after the master looked.
  const ResolvedWorkerSettings directory = {.working_directory = "/no/such"};
  EXPECT_EQ(RunIsolated([&] {
              EXPECT_THAT(Apply(directory, 0), StatusIs(absl::StatusCode::kNotFound,
                                                        HasSubstr("working_directory \"/no/such")));
            }),
            Isolated::kPassed);
  const ResolvedWorkerSettings oom = {.oom_score_adj = 5000};
  EXPECT_EQ(RunIsolated([&] {
              EXPECT_THAT(Apply(oom, 0), StatusIs(absl::StatusCode::kInvalidArgument,
                                                  HasSubstr("oom_score_adj 5000: ")));
            }),
            Isolated::kPassed);
}

class WorkerUserTest : public testing::Test {
 protected:
  void SetUp() override {
    const Isolated tried = RunIsolated([] {
      if (setgroups(0, nullptr) != 0 || setuid(1234) != 0) _exit(1);
    });
    if (tried != Isolated::kPassed) GTEST_SKIP() << "only real root can become another user";
  }
};

TEST_F(WorkerUserTest, WhatNeedsRootIsDoneBeforeRootIsGone) {
  const WorkerSettings settings = {.nice = -3, .oom_score_adj = 100, .user = "nobody"};
  EXPECT_EQ(InWorker(settings, 0,
                     [] {
                       EXPECT_EQ(getpriority(PRIO_PROCESS, 0), -3);
                       EXPECT_EQ(OomScoreAdj(), 100);
                       EXPECT_NE(getuid(), 0u);
                       EXPECT_NE(setuid(0), 0);
                     }),
            Isolated::kPassed);
}

TEST_F(WorkerUserTest, ADirectoryThatTheUserMayNotEnterIsAnError) {
  const auto resolved = Validate({.user = "nobody", .working_directory = NewDirectory(0700)});
  ASSERT_THAT(resolved, IsOk());
  EXPECT_EQ(RunIsolated([&] {
              EXPECT_THAT(Apply(*resolved, 0),
                          StatusIs(absl::StatusCode::kPermissionDenied,
                                   AllOf(HasSubstr("working_directory"), HasSubstr("denied"))));
              EXPECT_NE(geteuid(), 0u);
            }),
            Isolated::kPassed);
}

TEST_F(WorkerUserTest, TheMasterKeepsItsUser) {
  ASSERT_EQ(InWorker({.user = "nobody"}, 0, [] { EXPECT_NE(geteuid(), 0u); }), Isolated::kPassed);
  EXPECT_EQ(geteuid(), 0u);
}

// What the header tells the caller.
TEST_F(WorkerUserTest, TheChangeOfUserClearsDumpableAndTheSignalAtTheMastersDeath) {
  const auto resolved = Validate({.user = "nobody"});
  ASSERT_THAT(resolved, IsOk());
  EXPECT_EQ(RunIsolated([&] {
              ASSERT_EQ(prctl(PR_SET_PDEATHSIG, SIGTERM), 0);
              ASSERT_THAT(Apply(*resolved, 0), IsOk());
              int signo = -1;
              ASSERT_EQ(prctl(PR_GET_PDEATHSIG, &signo), 0);
              EXPECT_EQ(signo, 0);
              EXPECT_NE(prctl(PR_GET_DUMPABLE), 1);
            }),
            Isolated::kPassed);
}

}  // namespace
}  // namespace squall
