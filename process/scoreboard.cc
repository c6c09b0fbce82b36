#include "squall/process/scoreboard.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/process/scoreboard_layout.h"

namespace squall {
namespace {

constexpr char kMagic[8] = {'S', 'Q', 'U', 'A', 'L', 'L', 'S', 'B'};

// Has a process that is forked from here write into memory of its own instead of the row. For
// pthread_atfork, so of one row only.
char* g_own_row = nullptr;
size_t g_own_row_size = 0;

void LetGoOfOwnRow() {
  mmap(g_own_row, g_own_row_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
       -1, 0);
}

}  // namespace

absl::StatusOr<Scoreboard> Scoreboard::Create(int rows) {
  if (rows < 1 || rows > kMaxRows) {
    return absl::InvalidArgumentError(absl::StrCat("a scoreboard has between 1 and ", kMaxRows,
                                                   " rows; ", rows, " were asked for"));
  }
  const Layout layout(static_cast<size_t>(rows));
  UniqueFd fd(memfd_create("squall-scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return StatusFromErrno(errno, "memfd_create for the scoreboard");
  // A memfd is born with mode 0777, and whoever may open its /proc/…/fd entry may write to it.
  if (fchmod(fd.get(), 0600) != 0) return StatusFromErrno(errno, "fchmod of the scoreboard");
  if (ftruncate(fd.get(), static_cast<off_t>(layout.size)) != 0) {
    return StatusFromErrno(errno, absl::StrCat("ftruncate of the scoreboard to ", layout.size));
  }
  // A file that got shorter would kill its readers by SIGBUS.
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return StatusFromErrno(errno, "sealing the size of the scoreboard");
  }
  void* base = mmap(nullptr, layout.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (base == MAP_FAILED) {
    return StatusFromErrno(errno, absl::StrCat("mmap of ", layout.size, " bytes of scoreboard"));
  }
  Scoreboard board(std::move(fd), base, layout.size);

  Header& header = *new (base) Header{};
  header.schema_version = kSchemaVersion;
  header.rows = static_cast<uint32_t>(rows);
  header.size = layout.size;
  header.masters_offset = layout.masters_offset;
  header.master_stride = sizeof(MasterRow);
  header.stacks_offset = layout.stacks_offset;
  header.stack_stride = sizeof(StackRow);
  header.workers_offset = layout.workers_offset;
  header.worker_stride = layout.worker_stride;
  header.started_at_unix_ns = absl::GetCurrentTimeNanos();
  header.master_pid = getpid();
  if (getrandom(&header.instance_id, sizeof(header.instance_id), 0) !=
      static_cast<ssize_t>(sizeof(header.instance_id))) {
    return StatusFromErrno(errno, "getrandom for the scoreboard's instance id");
  }
  new (board.base_ + Layout::kPoolOffset) PoolRow{};
  for (int i = 0; i < rows; ++i) {
    new (&board.master_row(i)) MasterRow{};
    // Not WorkerRow{}, which would write zeroes over the zeroes of its stack area.
    new (&board.worker_row(i)) WorkerRow;
    SlotView& view = board.views_.emplace_back();
    view.slot = view.row = i;
    board.PublishSlot(view);
  }
  board.PublishPool(PoolView{});
  board.PublishConfig(PoolConfig{});
  board.PublishAutoscaler(AutoscalerView{});
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  return board;
}

absl::StatusOr<Scoreboard> Scoreboard::MapReadOnly(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return StatusFromErrno(errno, "fstat of the scoreboard");
  const auto file_size = static_cast<uint64_t>(info.st_size);
  if (file_size < sizeof(Header)) {
    return absl::InvalidArgumentError(
        absl::StrCat("this is not a scoreboard: it has only ", file_size, " bytes"));
  }
  void* base = mmap(nullptr, file_size, PROT_READ, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return StatusFromErrno(errno, "mmap of the scoreboard for reading");
  Scoreboard board(UniqueFd(), base, file_size);
  const Header& header = board.header();
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    return absl::InvalidArgumentError(
        "this is not a scoreboard: it does not begin with the scoreboard's magic");
  }
  if (header.schema_version != kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the scoreboard has schema version ", header.schema_version,
                     ", this program reads version ", kSchemaVersion,
                     "; use the program that belongs to the running master"));
  }
  const uint64_t rows = header.rows;
  const Layout layout(std::min<uint64_t>(rows, kMaxRows));
  if (rows < 1 || rows > kMaxRows || header.size != layout.size || file_size != layout.size ||
      header.masters_offset != layout.masters_offset || header.master_stride != sizeof(MasterRow) ||
      header.stacks_offset != layout.stacks_offset || header.stack_stride != sizeof(StackRow) ||
      header.workers_offset != layout.workers_offset ||
      header.worker_stride != layout.worker_stride) {
    return absl::FailedPreconditionError(
        absl::StrCat("the scoreboard (", file_size, " bytes, ", rows,
                     " rows) is not laid out as this program expects; use the program that "
                     "belongs to the running master"));
  }
  return board;
}

Scoreboard::Scoreboard(UniqueFd fd, void* base, size_t size)
    : fd_(std::move(fd)), base_(static_cast<char*>(base)), size_(size) {}

Scoreboard::Scoreboard(Scoreboard&& other) noexcept
    : fd_(std::move(other.fd_)),
      base_(std::exchange(other.base_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      views_(std::move(other.views_)) {}

Scoreboard& Scoreboard::operator=(Scoreboard&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  std::swap(views_, other.views_);
  return *this;
}

Scoreboard::~Scoreboard() {
  if (base_ != nullptr) munmap(base_, size_);
}

Scoreboard::Header& Scoreboard::header() const { return *reinterpret_cast<Header*>(base_); }

Scoreboard::PoolRow& Scoreboard::pool_row() const {
  return *reinterpret_cast<PoolRow*>(base_ + Layout::kPoolOffset);
}

Scoreboard::MasterRow& Scoreboard::master_row(int row) const {
  return *reinterpret_cast<MasterRow*>(base_ + header().masters_offset +
                                       static_cast<size_t>(row) * header().master_stride);
}

Scoreboard::StackRow& Scoreboard::stack_row(int row) const {
  return *reinterpret_cast<StackRow*>(base_ + header().stacks_offset +
                                      static_cast<size_t>(row) * header().stack_stride);
}

int Scoreboard::rows() const { return static_cast<int>(header().rows); }

uint64_t Scoreboard::instance_id() const { return header().instance_id; }

WorkerRow& Scoreboard::worker_row(int row) {
  return const_cast<WorkerRow&>(std::as_const(*this).worker_row(row));
}

const WorkerRow& Scoreboard::worker_row(int row) const {
  CHECK(row >= 0 && row < rows()) << row;
  return *reinterpret_cast<const WorkerRow*>(base_ + header().workers_offset +
                                             static_cast<size_t>(row) * header().worker_stride);
}

void Scoreboard::PublishPool(const PoolView& view) { pool_row().pool.Store(view); }

void Scoreboard::PublishConfig(const PoolConfig& config) { pool_row().config.Store(config); }

void Scoreboard::PublishAutoscaler(const AutoscalerView& view) {
  pool_row().autoscaler.Store(view);
}

void Scoreboard::PublishSlot(const SlotView& view) {
  CHECK(view.row >= 0 && view.row < static_cast<int>(views_.size())) << view.row;
  views_[view.row] = view;
  master_row(view.row).slot.Store(view);
}

void Scoreboard::PublishSample(int row, const WorkerSample& sample) {
  CHECK(row >= 0 && row < static_cast<int>(views_.size())) << row;
  master_row(row).sample.Store({KeyOf(views_[row]), sample});
}

std::string Scoreboard::TakeStack(int row) {
  CHECK(row >= 0 && row < static_cast<int>(views_.size())) << row;
  const std::string_view text = worker_row(row).stack();
  if (text.empty()) return std::string();
  const SlotView& view = views_[row];
  StackRow::Taken taken = {.of = KeyOf(view), .pid = view.pid};
  taken.size = static_cast<uint32_t>(text.size());
  text.copy(taken.text, sizeof(taken.text));
  MasterRow& master = master_row(row);
  ProcessKey before;
  if (master.stack_of.Load(&before) && before == ProcessKey{}) new (&stack_row(row)) StackRow{};
  stack_row(row).stack.Store(taken);
  master.stack_of.Store(taken.of);
  return std::string(text);
}

void Scoreboard::FoldWorker(int row) {
  WorkerRow& worker = worker_row(row);
  // The counters stay where they are and the next worker adds to them: there is no moment at which
  // a reader could miss them or see them twice, wherever the master is killed. Only what counts as
  // the present worker's own starts again.
  master_row(row).counters_base.Store(worker.counters());
  master_row(row).latency_base.Store(worker.latency());
  worker.Fold();
}

absl::Status Scoreboard::RestrictToReading() {
  if (mprotect(base_, size_, PROT_READ) != 0) {
    return StatusFromErrno(errno, "mprotect of the scoreboard");
  }
  // With the descriptor one could map it again.
  fd_.reset();
  return absl::OkStatus();
}

absl::Status Scoreboard::RestrictToWorker(int row) {
  const absl::Status status = RestrictToReading();
  if (!status.ok()) return status;
  const size_t size = header().worker_stride;
  if (mprotect(&worker_row(row), size, PROT_READ | PROT_WRITE) != 0) {
    return StatusFromErrno(errno, absl::StrCat("mprotect of the scoreboard's row ", row));
  }
  const bool first = g_own_row == nullptr;
  g_own_row = reinterpret_cast<char*>(&worker_row(row));
  g_own_row_size = size;
  if (const int error = first ? pthread_atfork(nullptr, nullptr, LetGoOfOwnRow) : 0; error != 0) {
    return StatusFromErrno(error, "pthread_atfork for the scoreboard's row");
  }
  return absl::OkStatus();
}

}  // namespace squall
