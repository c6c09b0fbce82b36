// A process that stops after each instruction, to be killed between any two of them.
//
//   auto process = SteppedProcess::Start([&] { board.PublishSlot(view); });
//   if (!process.ok()) GTEST_SKIP() << process.status();   // ptrace(2) is not permitted here
//   for (int i = 0; i < 100 && process->Step(); ++i) {
//   }
//   process->Kill();
//
// For tests. One thread: ptrace(2) obeys only the one that started the process.
#ifndef SQUALL_PROCESS_TESTING_STEPPED_PROCESS_H_
#define SQUALL_PROCESS_TESTING_STEPPED_PROCESS_H_

#include <sys/types.h>

#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace squall {

class SteppedProcess {
 public:
  // Forks a process that will call `work` and end; it stands a few instructions before that.
  // PERMISSION_DENIED, or what fork(2) says.
  static absl::StatusOr<SteppedProcess> Start(absl::FunctionRef<void()> work);

  SteppedProcess(SteppedProcess&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  SteppedProcess& operator=(SteppedProcess&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~SteppedProcess() { Kill(); }

  // Has it carry out one instruction. False when it has ended: soon after `work` returned.
  bool Step();
  // SIGKILL, and waits for the end. Nothing if it has ended.
  void Kill();

 private:
  explicit SteppedProcess(pid_t pid) : pid_(pid) {}

  pid_t pid_;  // 0: ended
};

}  // namespace squall

#endif  // SQUALL_PROCESS_TESTING_STEPPED_PROCESS_H_
