#include "squall/process/operation_board.h"

#include <algorithm>
#include <new>
#include <utility>

#include "squall/base/status_macros.h"
#include "squall/process/seqlock.h"

namespace squall {

struct OperationBoard::Cell {
  internal::Seqlock<OperationView> operation;
};

absl::StatusOr<OperationBoard> OperationBoard::Create() {
  // Zeroes are an empty board.
  ASSIGN_OR_RETURN(internal::SharedMemory memory,
                   internal::SharedMemory::Create("the operations", kCapacity * sizeof(Cell)));
  for (size_t i = 0; i < kCapacity; ++i) new (memory.data() + i * sizeof(Cell)) Cell;
  return OperationBoard(std::move(memory));
}

OperationBoard::Cell& OperationBoard::cell(uint64_t id) const {
  return *std::launder(reinterpret_cast<Cell*>(memory_.data() + (id % kCapacity) * sizeof(Cell)));
}

void OperationBoard::Publish(const OperationView& operation) {
  cell(operation.id).operation.Store(operation);
}

std::optional<OperationView> OperationBoard::Find(uint64_t id) const {
  OperationView operation;
  // A torn cell still has what stood in it before.
  (void)cell(id).operation.Load(&operation);
  if (id == 0 || operation.id != id) return std::nullopt;
  return operation;
}

std::vector<OperationView> OperationBoard::List() const {
  std::vector<OperationView> operations;
  for (size_t i = 0; i < kCapacity; ++i) {
    OperationView operation;
    (void)cell(i).operation.Load(&operation);
    if (operation.id != 0) operations.push_back(operation);
  }
  std::sort(operations.begin(), operations.end(),
            [](const OperationView& a, const OperationView& b) { return a.id > b.id; });
  return operations;
}

}  // namespace squall
