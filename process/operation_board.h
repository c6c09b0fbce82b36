// The operations as other processes read them: a table of fixed size in shared memory, written by
// the master alone. So the control process can tell of an operation whatever the master does, and
// the next control process of one that its predecessor was asked for.
//
//   // The master:
//   ASSIGN_OR_RETURN(OperationBoard board, OperationBoard::Create());
//   board.Publish(operation);
//   // The control process:
//   std::optional<OperationView> operation = board.Find(17);
#ifndef SQUALL_PROCESS_OPERATION_BOARD_H_
#define SQUALL_PROCESS_OPERATION_BOARD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/process/operation.h"
#include "squall/process/shared_memory.h"

namespace squall {

class OperationBoard {
 public:
  // How many operations it has; an id stands in the cell `id % kCapacity`.
  static constexpr size_t kCapacity = 1024;

  static absl::StatusOr<OperationBoard> Create();

  // The master. Overwrites what stands in its cell.
  void Publish(const OperationView& operation);

  // A child of the master: from now on this process can only read.
  absl::Status RestrictToReading() { return memory_.RestrictToReading(); }

  // --- Any process, at any time. What the master died in the midst of writing is left out.

  // nullopt: it never was, or another one stands in its cell now.
  std::optional<OperationView> Find(uint64_t id) const;

  // The newest first.
  std::vector<OperationView> List() const;

 private:
  struct Cell;

  explicit OperationBoard(internal::SharedMemory memory) : memory_(std::move(memory)) {}

  Cell& cell(uint64_t id) const;

  internal::SharedMemory memory_;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_OPERATION_BOARD_H_
