#include "squall/process/shared_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/status.h"

namespace squall::internal {

absl::StatusOr<SharedMemory> SharedMemory::Create(std::string_view what, size_t size) {
  void* const data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  std::string name(what);
  if (data == MAP_FAILED) {
    return StatusFromErrno(errno, absl::StrCat("mmap of ", size, " bytes for ", name));
  }
  return SharedMemory(std::move(name), static_cast<char*>(data), size);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : what_(std::move(other.what_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  std::swap(what_, other.what_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) munmap(data_, size_);
}

absl::Status SharedMemory::RestrictToReading() {
  if (mprotect(data_, size_, PROT_READ) != 0) {
    return StatusFromErrno(errno, absl::StrCat("mprotect of ", what_));
  }
  return absl::OkStatus();
}

}  // namespace squall::internal
