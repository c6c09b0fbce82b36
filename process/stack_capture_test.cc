#include "squall/process/stack_capture.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/debugging/internal/symbolize.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/process/exit_status.h"
#include "squall/process/testing/forked_program.h"

#if defined(__SANITIZE_ADDRESS__)
#define SQUALL_TEST_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SQUALL_TEST_UNDER_ASAN 1
#endif
#endif

namespace squall {
namespace {

using ::testing::AllOf;
using testing::Eventually;
using testing::ForkedProgram;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LineWriter;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

// An area in memory that survives the child.
class SharedArea {
 public:
  explicit SharedArea(size_t capacity = 4096) {
    memory_ =
        mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(memory_, MAP_FAILED);
    layout_ = new (memory_) Layout();
    std::memset(layout_->text, '~', sizeof layout_->text);
    area_ = {.text = std::span(layout_->text).first(capacity), .size = &layout_->size};
  }
  ~SharedArea() { munmap(memory_, sizeof(Layout)); }

  const StackCaptureArea& get() const { return area_; }
  std::string text() const { return std::string(CapturedStack(area_)); }
  std::vector<std::string> lines() const { return absl::StrSplit(text(), '\n', absl::SkipEmpty()); }
  std::atomic<uint32_t>& size() { return layout_->size; }
  bool IsUntouchedFrom(size_t at) const {
    const std::string_view rest(layout_->text + at, sizeof layout_->text - at);
    return rest.find_first_not_of('~') == std::string_view::npos;
  }

 private:
  struct Layout {
    std::atomic<uint32_t> size;
    char text[16384];
  };
  void* memory_;
  Layout* layout_;
  StackCaptureArea area_;
};

// Every call of them is a frame, also under optimisation: nothing may follow a tail call.
void NoTailCall() { asm volatile(""); }

[[gnu::noinline]] void SleepInHandler() {
  const timespec hour = {.tv_sec = 3600, .tv_nsec = 0};
  nanosleep(&hour, nullptr);
  NoTailCall();
}
[[gnu::noinline]] void HandlerThatCallsALibrary() {
  SleepInHandler();
  NoTailCall();
}
[[gnu::noinline]] void AbortInHandler() {
  abort();
  NoTailCall();
}

// Sleeping in the kernel, not on its way there.
void WaitUntilAsleep(pid_t pid) {
  ASSERT_TRUE(Eventually([&] {
    std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
    std::string stat;
    std::getline(file, stat);
    const size_t name_end = stat.rfind(')');
    return name_end != std::string::npos && stat[name_end + 2] == 'S';
  }));
}

// A child that installs the capture and then does as it is told, until the SIGABRT that the test
// sends; returns how it ended.
ExitStatus AbortWhileIn(const SharedArea& area, absl::FunctionRef<void()> body) {
  ForkedProgram program([&](LineWriter out) {
    if (!InstallStackCapture(area.get()).ok()) return 1;
    out.Write("installed");
    body();
    return 2;
  });
  EXPECT_EQ(program.ReadLine(), "installed");
  WaitUntilAsleep(program.pid());
  program.Signal(SIGABRT);
  return program.Wait();
}

// A child that ends itself.
ExitStatus EndBy(const SharedArea& area, absl::FunctionRef<void()> body) {
  ForkedProgram program([&](LineWriter) {
    if (!InstallStackCapture(area.get()).ok()) return 1;
    body();
    return 2;
  });
  return program.Wait();
}

TEST(StackCaptureTest, TheBlockingCallAndItsCallersAreThere) {
  SharedArea area;
  EXPECT_EQ(AbortWhileIn(area, [] { HandlerThatCallsALibrary(); }), ExitStatus::Killed(SIGABRT));
  const std::vector<std::string> lines = area.lines();
  ASSERT_GE(lines.size(), 4u) << area.text();
  EXPECT_THAT(lines[0], MatchesRegex("#0 .*nanosleep.* \\(libc\\..*\\+0x[0-9a-f]+\\)"));
  EXPECT_THAT(area.text(), HasSubstr("SleepInHandler() (stack_capture_test+0x"));
  EXPECT_THAT(area.text(), HasSubstr("HandlerThatCallsALibrary()"));
  EXPECT_LT(area.text().find("SleepInHandler"), area.text().find("HandlerThatCallsALibrary"));
  for (size_t i = 0; i < lines.size(); ++i)
    EXPECT_THAT(lines[i], StartsWith(absl::StrCat("#", i, " ")));
  // None of the handler's own.
  for (const char* own : {"OnAbort", "AddFrame", "Unwind", "restore_rt"}) {
    EXPECT_THAT(area.text(), Not(HasSubstr(own)));
  }
}

TEST(StackCaptureTest, AnAreaIsNeededAndEmptyWithoutAStack) {
  EXPECT_THAT(InstallStackCapture({}), StatusIs(absl::StatusCode::kInvalidArgument));
  SharedArea area;
  EXPECT_THAT(CapturedStack(area.get()), IsEmpty());
  // Whatever a damaged process left there.
  area.size() = 0xFFFFFFFF;
  EXPECT_EQ(CapturedStack(area.get()).size(), area.get().text.size());
}

TEST(StackCaptureTest, AProcessThatAbortsItselfLeavesItsStack) {
  SharedArea area;
  EXPECT_EQ(EndBy(area, [] { AbortInHandler(); }), ExitStatus::Killed(SIGABRT));
  EXPECT_THAT(area.text(), AllOf(HasSubstr("abort"), HasSubstr("AbortInHandler()")));
}

TEST(StackCaptureTest, AThreadThatAbortsLeavesItsOwnStack) {
  SharedArea area;
  EXPECT_EQ(EndBy(area, [] { std::thread(AbortInHandler).join(); }), ExitStatus::Killed(SIGABRT));
  EXPECT_THAT(area.text(), AllOf(HasSubstr("AbortInHandler()"), Not(HasSubstr("join"))));
}

[[gnu::noinline]] void UnblockInMainThread() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_UNBLOCK, &all, nullptr);
  NoTailCall();
}

// Is the signal pending for the main thread alone, not for the process?
bool WaitsForThisThread(int signo) {
  std::ifstream file("/proc/self/status");
  std::string word;
  while (file >> word && word != "SigPnd:") {
  }
  uint64_t pending = 0;
  file >> std::hex >> pending;
  return (pending >> (signo - 1) & 1) != 0;
}

// The kernel may choose any thread that does not block the signal.
TEST(StackCaptureTest, ASignalThatAnotherThreadGetsIsAboutTheMainThread) {
  SharedArea area;
  EXPECT_EQ(EndBy(area,
                  [] {
                    std::thread(SleepInHandler).detach();
                    sigset_t abort_alone;
                    sigemptyset(&abort_alone);
                    sigaddset(&abort_alone, SIGABRT);
                    pthread_sigmask(SIG_BLOCK, &abort_alone, nullptr);
                    kill(getpid(), SIGABRT);
                    // Until the other thread has passed it on.
                    Eventually([] { return WaitsForThisThread(SIGABRT); });
                    UnblockInMainThread();
                  }),
            ExitStatus::Killed(SIGABRT));
  EXPECT_THAT(area.text(),
              AllOf(HasSubstr("UnblockInMainThread()"), Not(HasSubstr("SleepInHandler"))));
}

TEST(StackCaptureTest, ATextThatDoesNotFitEndsWithAWholeLine) {
  SharedArea area(/*capacity=*/300);
  EXPECT_EQ(AbortWhileIn(area, [] { HandlerThatCallsALibrary(); }), ExitStatus::Killed(SIGABRT));
  EXPECT_LE(area.text().size(), 300u);
  EXPECT_THAT(area.text(), AllOf(StartsWith("#0 "), HasSubstr("SleepInHandler()")));
  EXPECT_EQ(area.text().back(), '\n');
  EXPECT_TRUE(area.IsUntouchedFrom(300));
}

TEST(StackCaptureTest, AForkedChildLeavesTheAreaAlone) {
  SharedArea area;
  EXPECT_EQ(EndBy(area,
                  [] {
                    ForkedProgram child([](LineWriter) {
                      abort();
                      return 0;
                    });
                    _exit(child.Wait() == ExitStatus::Killed(SIGABRT) ? 0 : 1);
                  }),
            ExitStatus::Exited(0));
  EXPECT_THAT(area.text(), IsEmpty());
}

// The deepest that the main thread's stack allows, with less left than a signal needs.
class Abyss {
 public:
  explicit Abyss(size_t leave) {
    pthread_attr_t attributes;
    void* lowest = nullptr;
    size_t size = 0;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &lowest, &size);
    pthread_attr_destroy(&attributes);
    bottom_ = static_cast<char*>(lowest) + leave + kFrame;
  }

  [[gnu::noinline]] void Descend() {
    volatile char frame[kFrame];
    frame[0] = 1;
    if (const_cast<char*>(&frame[0]) < bottom_) {
      syscall(SYS_pause);
      return;
    }
    Descend();
    NoTailCall();
  }

 private:
  static constexpr size_t kFrame = 512;
  char* bottom_;
};

TEST(StackCaptureTest, AStackThatIsUsedUpIsCaptured) {
#ifdef SQUALL_TEST_UNDER_ASAN
  constexpr size_t kLeave = 16384;
#else
  constexpr size_t kLeave = 2500;
#endif
  SharedArea area;
  EXPECT_EQ(AbortWhileIn(area,
                         [] {
                           syscall(SYS_getpid);  // Bound now: binding it needs stack.
                           Abyss(kLeave).Descend();
                         }),
            ExitStatus::Killed(SIGABRT));
  EXPECT_THAT(area.text(), HasSubstr("Descend()"));
}

#if defined(__x86_64__)
[[gnu::noinline]] void PauseWithoutAFrame() {
  asm volatile(
      "mov $0x41, %%rbp\n"
      "1: mov %0, %%eax\n"
      "syscall\n"
      "jmp 1b\n"
      :
      : "i"(SYS_pause)
      : "rax", "rcx", "r11", "memory");
  NoTailCall();
}

TEST(StackCaptureTest, ASmashedStackIsCapturedAsFarAsItGoes) {
  SharedArea area;
  EXPECT_EQ(AbortWhileIn(area, [] { PauseWithoutAFrame(); }), ExitStatus::Killed(SIGABRT));
  EXPECT_THAT(area.text(), MatchesRegex("#0 .*PauseWithoutAFrame\\(\\) .*\n"));
}
#endif

TEST(StackCaptureTest, ADamagedHeapWithItsLockHeldIsNoDeadlock) {
#ifdef SQUALL_TEST_UNDER_ASAN
  GTEST_SKIP() << "the sanitizer's allocator finds other things wrong";
#endif
  SharedArea area;
  EXPECT_EQ(EndBy(area,
                  [] {
                    // With one thread malloc takes no lock.
                    std::thread(SleepInHandler).detach();
                    // Behind it is the rest of the arena, whose size is damaged.
                    char* volatile block = static_cast<char*>(malloc(100000));
                    std::memset(block + malloc_usable_size(block), 0xFF, 8);
                    block = static_cast<char*>(malloc(100001));
                  }),
            ExitStatus::Killed(SIGABRT));
  EXPECT_THAT(area.text(), AllOf(HasSubstr("abort"), HasSubstr("malloc")));
}

// A way to make reading the symbols go wrong.
ExitStatus AbortWithSymbolizerThat(const SharedArea& area,
                                   absl::debugging_internal::SymbolDecorator decorator) {
  return AbortWhileIn(area, [&] {
    absl::debugging_internal::InstallSymbolDecorator(decorator, nullptr);
    HandlerThatCallsALibrary();
  });
}

TEST(StackCaptureTest, SymbolsThatCannotBeReadCostTheNamesOnly) {
  using Args = absl::debugging_internal::SymbolDecoratorArgs;
  const absl::debugging_internal::SymbolDecorator kWrongs[] = {
      [](const Args*) {
        for (;;) pause();
      },
      [](const Args*) {
        volatile uintptr_t nowhere = 8;
        *reinterpret_cast<volatile int*>(nowhere) = 1;
      },
      [](const Args*) { abort(); },
  };
  for (const auto& wrong : kWrongs) {
    SharedArea area;
    EXPECT_EQ(AbortWithSymbolizerThat(area, wrong), ExitStatus::Killed(SIGABRT));
    EXPECT_THAT(area.lines().size(), ::testing::Ge(4u));
    EXPECT_THAT(area.text(),
                AllOf(StartsWith("#0 ?? (libc."), HasSubstr("#2 ?? (stack_capture_test+0x")));
  }
}

}  // namespace
}  // namespace squall
