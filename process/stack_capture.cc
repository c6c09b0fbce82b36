#include "squall/process/stack_capture.h"

#include <dlfcn.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "absl/debugging/symbolize.h"
#include "absl/status/status.h"
#include "squall/base/status.h"

namespace squall {
namespace {

constexpr size_t kMaxFrames = 64;
constexpr size_t kMaxText = 8192;
constexpr size_t kMaxName = 160;
// Of which only what is used becomes memory. The sanitizers' frames are large.
constexpr size_t kAlternateStack = 256 * 1024;
constexpr timeval kStepDeadline = {.tv_sec = 1, .tv_usec = 0};
// What a step may end with.
constexpr int kEscapeSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM};

// All the handler's state: the alternate stack is small, and what a step found must survive its
// end by siglongjmp.
StackCaptureArea g_area;
const char* g_program = "";
pid_t g_owner = 0;                 // The process that may write the area.
std::atomic<pid_t> g_capturer{0};  // The thread that does.
volatile sig_atomic_t g_in_step = 0;
sigjmp_buf g_escape;
uintptr_t g_interrupted = 0;
bool g_left_handler = false;
size_t g_unwound = 0;
uintptr_t g_frames[kMaxFrames];
size_t g_frame_count = 0;
char g_text[kMaxText];
char g_name[kMaxName];

// Lines of text in a buffer that may be too small for all.
class Lines {
 public:
  Lines(char* data, size_t capacity) : data_(data), capacity_(capacity) {}

  void Append(std::string_view text) {
    const size_t fits = std::min(text.size(), capacity_ - size_);
    std::memcpy(data_ + size_, text.data(), fits);
    size_ += fits;
    overflow_ = overflow_ || fits < text.size();
  }
  void AppendNumber(uintptr_t number, unsigned base) {
    char digits[24];
    size_t at = sizeof digits;
    do {
      digits[--at] = "0123456789abcdef"[number % base];
      number /= base;
    } while (number != 0);
    Append({digits + at, sizeof digits - at});
  }
  // False when the line did not fit and is not part of the text.
  bool EndLine() {
    Append("\n");
    if (!overflow_) whole_ = size_;
    return !overflow_;
  }
  size_t whole() const { return whole_; }

 private:
  char* data_;
  size_t capacity_;
  size_t size_ = 0;
  size_t whole_ = 0;  // Octets of whole lines.
  bool overflow_ = false;
};

uintptr_t ProgramCounter(const void* context) {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<uintptr_t>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return machine.pc;
#else
#error "name the register with the program counter here"
#endif
}

// Leaves out the frames of the handler and of the trampoline that called it: all down to the
// interrupted instruction, which is frame 0 already.
_Unwind_Reason_Code AddFrame(_Unwind_Context* context, void*) {
  int is_instruction = 0;
  const uintptr_t pc = _Unwind_GetIPInfo(context, &is_instruction);
  if (++g_unwound > 2 * kMaxFrames || pc == 0) return _URC_END_OF_STACK;
  if (!g_left_handler) {
    g_left_handler = pc == g_interrupted;
    return _URC_NO_REASON;
  }
  if (g_frame_count == kMaxFrames) return _URC_END_OF_STACK;
  // A return address may belong to the next function: the call is before it.
  g_frames[g_frame_count++] = is_instruction != 0 ? pc : pc - 1;
  return _URC_NO_REASON;
}

void Unwind() {
  g_frames[0] = g_interrupted;
  g_frame_count = 1;
  _Unwind_Backtrace(&AddFrame, nullptr);
}

void AppendPlace(uintptr_t pc, Lines& lines) {
  dl_find_object found;
  lines.Append(" (");
  if (_dl_find_object(reinterpret_cast<void*>(pc), &found) == 0) {
    const char* path = found.dlfo_link_map->l_name;
    const char* slash = std::strrchr(path, '/');
    lines.Append(*path == '\0' ? g_program : slash == nullptr ? path : slash + 1);
    lines.Append("+0x");
    lines.AppendNumber(pc - found.dlfo_link_map->l_addr, 16);
  } else {
    lines.Append("0x");
    lines.AppendNumber(pc, 16);
  }
  lines.Append(")");
}

enum class Names { kNone, kSymbols };

size_t Format(Names names, char* data, size_t capacity) {
  Lines lines(data, capacity);
  for (size_t i = 0; i < g_frame_count; ++i) {
    lines.Append("#");
    lines.AppendNumber(i, 10);
    const void* pc = reinterpret_cast<const void*>(g_frames[i]);
    const bool named = names == Names::kSymbols && absl::Symbolize(pc, g_name, sizeof g_name);
    lines.Append(" ");
    lines.Append(named ? g_name : "??");
    AppendPlace(g_frames[i], lines);
    if (!lines.EndLine()) break;
  }
  return lines.whole();
}

void Publish(size_t size) {
  g_area.size->store(static_cast<uint32_t>(size), std::memory_order_release);
}

void WriteWithoutNames() { Publish(Format(Names::kNone, g_area.text.data(), g_area.text.size())); }

// By way of another buffer, so that one that ends in the middle leaves the other text.
void WriteWithNames() {
  const size_t size = Format(Names::kSymbols, g_text, std::min(sizeof g_text, g_area.text.size()));
  std::memcpy(g_area.text.data(), g_text, size);
  Publish(size);
}

// Runs `step`, or as much of it as goes well.
void Attempt(void (*step)()) {
  if (sigsetjmp(g_escape, 1) == 0) {
    g_in_step = 1;
    step();
  }
  g_in_step = 0;
}

[[noreturn]] void Die() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(SIGABRT, &action, nullptr);
  sigset_t abort_alone;
  sigemptyset(&abort_alone);
  sigaddset(&abort_alone, SIGABRT);
  pthread_sigmask(SIG_UNBLOCK, &abort_alone, nullptr);
  syscall(SYS_tgkill, getpid(), gettid(), SIGABRT);
  // The first process of a container survives its own signals.
  _exit(128 + SIGABRT);
}

[[noreturn]] void WaitForTheEnd() {
  for (;;) pause();
}

void OnEscapeSignal(int signo) {
  const pid_t capturer = g_capturer.load();
  if (gettid() != capturer) {
    if (signo != SIGALRM) WaitForTheEnd();
    syscall(SYS_tgkill, getpid(), capturer, signo);
    return;
  }
  if (g_in_step != 0) siglongjmp(g_escape, 1);
  if (signo != SIGALRM) Die();
}

void ArmEscapes() {
  struct sigaction action = {};
  action.sa_handler = OnEscapeSignal;
  action.sa_flags = SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  sigset_t escapes;
  sigemptyset(&escapes);
  for (const int signo : kEscapeSignals) {
    sigaction(signo, &action, nullptr);
    sigaddset(&escapes, signo);
  }
  pthread_sigmask(SIG_UNBLOCK, &escapes, nullptr);
  const itimerval deadline = {.it_interval = kStepDeadline, .it_value = kStepDeadline};
  setitimer(ITIMER_REAL, &deadline, nullptr);
}

void OnAbort(int, siginfo_t* info, void* context) {
  if (getpid() != g_owner) Die();
  if (info->si_code == SI_USER && gettid() != getpid()) {
    // Meant for the process, and the kernel chose this thread.
    const int preserved_errno = errno;
    syscall(SYS_tgkill, getpid(), getpid(), SIGABRT);
    errno = preserved_errno;
    return;
  }
  pid_t nobody = 0;
  if (!g_capturer.compare_exchange_strong(nobody, gettid())) {
    if (nobody != gettid()) WaitForTheEnd();
    // A step called abort().
    if (g_in_step != 0) siglongjmp(g_escape, 1);
    Die();
  }
  g_interrupted = ProgramCounter(context);
  ArmEscapes();
  Attempt(&Unwind);
  Attempt(&WriteWithoutNames);
  Attempt(&WriteWithNames);
  Die();
}

absl::Status GiveAlternateStack() {
  static bool given = false;
  if (given) return absl::OkStatus();
  // An overflow of it hits the page below, which has no access.
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, page + kAlternateStack, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return StatusFromErrno(errno, "mmap of a stack for SIGABRT");
  stack_t stack = {};
  stack.ss_sp = static_cast<char*>(memory) + page;
  stack.ss_size = kAlternateStack;
  if (mprotect(stack.ss_sp, stack.ss_size, PROT_READ | PROT_WRITE) != 0 ||
      sigaltstack(&stack, nullptr) != 0) {
    const absl::Status status = StatusFromErrno(errno, "sigaltstack for SIGABRT");
    munmap(memory, page + kAlternateStack);
    return status;
  }
  given = true;
  return absl::OkStatus();
}

}  // namespace

void PrepareStackCapture() {
  static bool prepared = false;
  if (prepared) return;
  prepared = true;
  absl::InitializeSymbolizer(nullptr);
  // Binds the unwinder's symbols.
  _Unwind_Backtrace([](_Unwind_Context*, void*) { return _URC_NO_REASON; }, nullptr);
  // Should it fail, InstallStackCapture tries again and says so.
  GiveAlternateStack().IgnoreError();
}

absl::Status InstallStackCapture(const StackCaptureArea& area) {
  if (area.text.empty() || area.size == nullptr) {
    return absl::InvalidArgumentError("the area for a captured stack is missing");
  }
  PrepareStackCapture();
  absl::Status stack = GiveAlternateStack();
  if (!stack.ok()) return stack;
  g_area = area;
  g_program = program_invocation_short_name;
  g_owner = getpid();
  struct sigaction action = {};
  action.sa_sigaction = OnAbort;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  if (sigaction(SIGABRT, &action, nullptr) != 0) {
    return StatusFromErrno(errno, "sigaction for SIGABRT");
  }
  return absl::OkStatus();
}

std::string_view CapturedStack(const StackCaptureArea& area) {
  const size_t size = area.size->load(std::memory_order_acquire);
  return {area.text.data(), std::min(size, area.text.size())};
}

}  // namespace squall
