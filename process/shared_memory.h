// Internal: memory that the master shares with its children: anonymous, zeroed, inherited by fork,
// gone with the last process that has it. A child may take its own right to write away.
//
//   ASSIGN_OR_RETURN(SharedMemory memory, SharedMemory::Create("the events", 1 << 20));
//   auto& header = *new (memory.data()) Header{};
#ifndef SQUALL_PROCESS_SHARED_MEMORY_H_
#define SQUALL_PROCESS_SHARED_MEMORY_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace squall::internal {

class SharedMemory {
 public:
  // `what` is for errors. Pages that nobody touches cost nothing.
  static absl::StatusOr<SharedMemory> Create(std::string_view what, size_t size);

  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  ~SharedMemory();

  char* data() const { return data_; }
  // In octets.
  size_t size() const { return size_; }

  // From now on this process can only read; a write is a SIGSEGV.
  absl::Status RestrictToReading();

 private:
  SharedMemory(std::string what, char* data, size_t size)
      : what_(std::move(what)), data_(data), size_(size) {}

  std::string what_;
  char* data_ = nullptr;  // Owned.
  size_t size_ = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_SHARED_MEMORY_H_
