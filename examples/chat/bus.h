// What one process of a pool tells all others: a pair of sockets for each task id, made
// before the fork and so inherited by every worker, also by the replacement of one that died.
//
//   absl::StatusOr<Bus> bus = Bus::Create(8);
//   const int task_id = squall::ForkProcesses(8).value();
//   bus->Join(task_id, [](std::string_view message) { ... });
//   bus->Publish("hello");   // to the seven others
//
// Made in the master; Join() once and Publish() in a worker, on the thread of its loop.
#ifndef SQUALL_EXAMPLES_CHAT_BUS_H_
#define SQUALL_EXAMPLES_CHAT_BUS_H_

#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"

class Bus {
 public:
  using Handler = absl::AnyInvocable<void(std::string_view message)>;

  // For task ids below `size`. An error of socketpair(2).
  static absl::StatusOr<Bus> Create(int size);

  // `handler` gets what the others publish from now on.
  void Join(int task_id, Handler handler);
  // Never waits: a worker that has not read for a while misses the message, as one that is dead does.
  void Publish(std::string_view message);

 private:
  struct Pair {
    squall::UniqueFd read;
    squall::UniqueFd write;
  };

  explicit Bus(std::vector<Pair> pairs) : pairs_(std::move(pairs)) {}

  std::vector<Pair> pairs_;  // By task id.
  int task_id_ = -1;
};

#endif  // SQUALL_EXAMPLES_CHAT_BUS_H_
