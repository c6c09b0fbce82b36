// The last words of a process that is ended by SIGABRT: where its main thread was.
//
//   // Before the fork: memory that master and worker share.
//   StackCaptureArea area = {.text = row.stack_area(), .size = row.stack_size()};
//   // In the worker, on its main thread.
//   RETURN_IF_ERROR(InstallStackCapture(area));
//   // In the master, when the watchdog's SIGABRT has ended the worker.
//   LOG(WARNING) << "worker 3 was at\n" << CapturedStack(area);
//
// gives one line per call, the innermost first, each with the offset that addr2line(1) takes:
//
//   #0 clock_nanosleep (libc.so.6+0xd9c13)
//   #1 nanosleep (libc.so.6+0xdd737)
//   #2 LongHandler::Get() (server+0x1f3a0)
//
// A process that aborts itself (a failed CHECK, a heap that malloc found damaged) leaves its stack
// as well. Exit status and core remain those of SIGABRT.
//
// How it is safe where nothing is (signal-safety(7)): the handler runs on a stack of its own,
// unwinds by the tables of the program (libgcc, over the lock-free _dl_find_object of glibc 2.35),
// and reads symbols from the files with absl::Symbolize. It neither allocates nor takes a lock of
// the process. The stack is first written without names, then with them; each step is given up when
// it crashes or takes more than a second, so that a smashed stack costs lines and never the exit.
#ifndef SQUALL_PROCESS_STACK_CAPTURE_H_
#define SQUALL_PROCESS_STACK_CAPTURE_H_

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"

namespace squall {

// Where the stack is written. The caller's, and lives as long as the process. 4 KiB hold a stack of
// forty to sixty calls; of what does not fit, the outermost calls are left out.
struct StackCaptureArea {
  std::span<char> text = {};
  // Octets of `text` that are valid, always whole lines; 0 before there is a stack. The master sets
  // it to 0 before it gives the area to another process.
  std::atomic<uint32_t>* size = nullptr;
};

// From now on SIGABRT of this process writes its stack into `area` and then ends the process as
// before. A SIGABRT that another process sends is answered with the main thread's stack, abort()
// with that of the thread that called it. Children that this process forks leave the area alone.
//
// In a worker, on its main thread; called again, it changes the area. Costs 20 µs when the
// parent has called PrepareStackCapture, else 0.2 ms. INVALID_ARGUMENT: no area. Else what mmap(2) and
// sigaltstack(2) say.
absl::Status InstallStackCapture(const StackCaptureArea& area);

// Does beforehand what a capture needs: loads it, and gives the calling thread a stack for signals,
// which children inherit. In the master, on its main thread, so that workers do not have to.
void PrepareStackCapture();

// What was captured into `area`; "" when nothing was. The text of a process that went wrong: never
// more than the area holds, but whatever characters. Valid as long as the area.
std::string_view CapturedStack(const StackCaptureArea& area);

}  // namespace squall

#endif  // SQUALL_PROCESS_STACK_CAPTURE_H_
