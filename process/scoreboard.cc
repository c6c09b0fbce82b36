#include "squall/process/scoreboard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/process/seqlock.h"

namespace squall {
namespace {

constexpr char kMagic[8] = {'S', 'Q', 'U', 'A', 'L', 'L', 'S', 'B'};

size_t PageSize() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

size_t RoundUp(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

// What the master writes about one slot.
struct PublishedSlot {
  SlotView view;
  WorkerCounters base;  // The counters of the row when its present worker began.
};

}  // namespace

// Written once, by Create. Magic and version come first and never move, so that every version of
// the library can refuse every other one.
struct Scoreboard::Header {
  char magic[8];
  uint32_t schema_version;
  uint32_t rows;
  uint64_t size;  // Of the whole mapping.
  uint64_t slots_offset;
  uint64_t slot_stride;
  uint64_t workers_offset;
  uint64_t worker_stride;
  uint64_t instance_id;
  int64_t started_at_unix_ns;
  int64_t master_pid;
};

struct alignas(64) Scoreboard::PoolRow {
  internal::Seqlock<PoolView> pool;
};

struct alignas(64) Scoreboard::SlotRow {
  internal::Seqlock<PublishedSlot> slot;
};

// | header, pool row | slot rows | worker rows |, each part on pages of its own; each worker row,
// too, so that a worker can be kept from writing anything but its own.
struct Scoreboard::Layout {
  explicit Layout(size_t rows)
      : slots_offset(RoundUp(kPoolOffset + sizeof(PoolRow), PageSize())),
        workers_offset(RoundUp(slots_offset + rows * sizeof(SlotRow), PageSize())),
        worker_stride(RoundUp(sizeof(WorkerRow), PageSize())),
        size(workers_offset + rows * worker_stride) {}

  static constexpr size_t kPoolOffset = 128;
  static_assert(sizeof(Header) <= kPoolOffset);

  size_t slots_offset;
  size_t workers_offset;
  size_t worker_stride;
  size_t size;
};

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
  header.slots_offset = layout.slots_offset;
  header.slot_stride = sizeof(SlotRow);
  header.workers_offset = layout.workers_offset;
  header.worker_stride = layout.worker_stride;
  header.started_at_unix_ns = absl::GetCurrentTimeNanos();
  header.master_pid = getpid();
  if (getrandom(&header.instance_id, sizeof(header.instance_id), 0) !=
      static_cast<ssize_t>(sizeof(header.instance_id))) {
    return StatusFromErrno(errno, "getrandom for the scoreboard's instance id");
  }
  new (board.base_ + Layout::kPoolOffset) PoolRow{};
  board.views_.resize(rows);
  board.bases_.resize(rows);
  for (int i = 0; i < rows; ++i) {
    new (&board.slot_row(i)) SlotRow{};
    new (&board.worker_row(i)) WorkerRow{};
    board.views_[i].slot = i;
    board.views_[i].row = i;
    board.WriteSlot(i);
  }
  PoolView pool;
  pool.max_workers = rows;
  board.PublishPool(pool);
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
      header.slots_offset != layout.slots_offset || header.slot_stride != sizeof(SlotRow) ||
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
      views_(std::move(other.views_)),
      bases_(std::move(other.bases_)) {}

Scoreboard& Scoreboard::operator=(Scoreboard&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  std::swap(views_, other.views_);
  std::swap(bases_, other.bases_);
  return *this;
}

Scoreboard::~Scoreboard() {
  if (base_ != nullptr) munmap(base_, size_);
}

Scoreboard::Header& Scoreboard::header() const { return *reinterpret_cast<Header*>(base_); }

Scoreboard::PoolRow& Scoreboard::pool_row() const {
  return *reinterpret_cast<PoolRow*>(base_ + Layout::kPoolOffset);
}

Scoreboard::SlotRow& Scoreboard::slot_row(int row) const {
  return *reinterpret_cast<SlotRow*>(base_ + header().slots_offset +
                                     static_cast<size_t>(row) * header().slot_stride);
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

void Scoreboard::PublishSlot(const SlotView& view) {
  CHECK(view.row >= 0 && view.row < static_cast<int>(views_.size())) << view.row;
  views_[view.row] = view;
  WriteSlot(view.row);
}

void Scoreboard::WriteSlot(int row) {
  slot_row(row).slot.Store(PublishedSlot{views_[row], bases_[row]});
}

void Scoreboard::FoldWorker(int row) {
  CHECK(row >= 0 && row < static_cast<int>(bases_.size())) << row;
  WorkerRow& worker = worker_row(row);
  // The counters stay where they are and the next worker adds to them: there is no moment at which
  // a reader could miss them or see them twice, wherever the master is killed. Only what counts as
  // the present worker's own starts again.
  bases_[row] = worker.counters();
  worker.Fold();
  WriteSlot(row);
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
  if (mprotect(&worker_row(row), header().worker_stride, PROT_READ | PROT_WRITE) != 0) {
    return StatusFromErrno(errno, absl::StrCat("mprotect of the scoreboard's row ", row));
  }
  return absl::OkStatus();
}

PoolSnapshot Scoreboard::Read(MonotonicTime now) const {
  PoolSnapshot snapshot;
  const Header& header = this->header();
  snapshot.instance_id = header.instance_id;
  snapshot.master_pid = static_cast<pid_t>(header.master_pid);
  snapshot.started_at = absl::FromUnixNanos(header.started_at_unix_ns);
  snapshot.torn = !pool_row().pool.Load(&snapshot.pool);
  const int rows = static_cast<int>(header.rows);
  for (int i = 0; i < rows; ++i) {
    const WorkerRow& row = worker_row(i);
    WorkerSnapshot worker;
    PublishedSlot published;
    worker.torn = !slot_row(i).slot.Load(&published);
    // After the base, so that the counters are never behind it.
    worker.counters = row.counters();
    snapshot.totals += worker.counters;
    worker.connections = row.connections();
    snapshot.connections += worker.connections;
    if (worker.torn) {
      worker.slot.slot = i;
      worker.slot.row = i;
    } else {
      worker.slot = published.view;
      if (worker.slot.state == WorkerState::kEmpty) continue;
      worker.counters -= published.base;
    }
    if (worker.slot.state == WorkerState::kBackoff || worker.slot.state == WorkerState::kFailed) {
      worker.next_restart_in = std::max(absl::ZeroDuration(), worker.slot.deadline - now);
    }
    if (const MonotonicTime beat = row.heartbeat(); !beat.is_infinite()) {
      worker.heartbeat_age = std::max(absl::ZeroDuration(), now - beat);
    }
    worker.in_flight = row.in_flight();
    worker.request_torn = !row.LoadRequest(&worker.request);
    snapshot.workers.push_back(std::move(worker));
  }
  return snapshot;
}

}  // namespace squall
