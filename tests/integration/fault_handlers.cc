#include "squall/tests/integration/fault_handlers.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/web/handler.h"
#include "squall/web/request_handler.h"

namespace squall::testing {
namespace {

constexpr size_t kMebibyte = 1 << 20;

struct FaultHandler : RequestHandler {
  void WritePid() { Write(absl::StrCat(getpid(), "\n")); }
  int Number(const char* name) {
    int number = 0;
    const std::string text = GetArgument(name, "0");
    CHECK(absl::SimpleAtoi(text, &number)) << name << "=" << text;
    return number;
  }
  absl::Duration Seconds() {
    double seconds = 0;
    const std::string text = GetArgument("seconds", "1");
    CHECK(absl::SimpleAtod(text, &seconds)) << text;
    return absl::Seconds(seconds);
  }
};

struct Pid : FaultHandler {
  void Get() { WritePid(); }
};

struct Exit : FaultHandler {
  void Get() { std::exit(Number("status")); }
};

struct Abort : FaultHandler {
  void Get() { std::abort(); }
};

struct Block : FaultHandler {
  void Get() {
    if (GetArgument("ignore", "") == "TERM") signal(SIGTERM, SIG_IGN);
    if (Number("spin") != 0) {
      const absl::Time end = absl::Now() + Seconds();
      while (absl::Now() < end) {
      }
    } else {
      absl::SleepFor(Seconds());
    }
    WritePid();
  }
};

struct Late : FaultHandler {
  Task<> Get() {
    co_await Sleep(Seconds());
    WritePid();
  }
};

struct Allocate : FaultHandler {
  void Get() {
    for (int i = Number("mebibytes"); i > 0; --i) {
      auto piece = std::make_unique<char[]>(kMebibyte);
      std::memset(piece.get(), 1, kMebibyte);
      kept.push_back(std::move(piece));
    }
    WritePid();
  }
  static inline std::vector<std::unique_ptr<char[]>> kept;
};

struct Leak : FaultHandler {
  void Get() { Write(absl::StrCat(LeakDescriptors(), "\n")); }
};

}  // namespace

pid_t LeakDescriptors() {
  const pid_t pid = fork();
  PCHECK(pid >= 0) << "fork";
  if (pid > 0) return pid;
  signal(SIGTERM, SIG_DFL);
  for (;;) pause();
}

std::vector<Rule> FaultRules() {
  return {
      {"/", Handler<Pid>()},        {"/exit", Handler<Exit>()},  {"/abort", Handler<Abort>()},
      {"/block", Handler<Block>()}, {"/sleep", Handler<Late>()}, {"/allocate", Handler<Allocate>()},
      {"/leak", Handler<Leak>()},
  };
}

}  // namespace squall::testing
