// The first of several tasks.
//
//   std::variant<std::string, std::monostate> first =
//       co_await squall::Race(FetchLine(), WaitForShutdown());  // Task<std::string>, Task<>
//   if (first.index() == 1) co_return;
//
//   squall::RaceWinner<Page> winner = co_await squall::Race(std::move(mirrors));
//
// The tasks start when the Race is awaited, in their order; one that completes at once keeps those
// behind it from starting. To be done is to win, also with an error status; an exception out of the
// first that ends is rethrown. The others are destroyed where they stand, before the coroutine that
// awaits the Race is resumed. Destroying the Race destroys its tasks.
//
// For a time limit there is with_timeout.h, for a stop from outside with_stop.h.
#ifndef SQUALL_IOLOOP_RACE_H_
#define SQUALL_IOLOOP_RACE_H_

#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "squall/ioloop/task.h"
#include "squall/ioloop/task_group.h"

namespace squall {

// Of tasks of one type.
template <typename T>
struct RaceWinner {
  size_t index;
  internal::ValueOf<T> value;
};

namespace internal {

// The one result that there is.
template <typename... V, size_t... I>
std::variant<V...> TakeWinner(std::tuple<std::optional<V>...>& results, std::index_sequence<I...>) {
  std::optional<std::variant<V...>> winner;
  ((std::get<I>(results)
        ? (void)winner.emplace(std::in_place_index<I>, *std::move(std::get<I>(results)))
        : void()),
   ...);
  return *std::move(winner);
}

}  // namespace internal

// The variant's index() says which task it was. The result of a Task<void> is a std::monostate.
template <TaskLike... A>
Task<std::variant<internal::ValueOf<typename A::value_type>...>> Race(A... tasks) {
  static_assert(sizeof...(A) > 0, "nobody wins a race without tasks");
  std::tuple<std::optional<internal::ValueOf<typename A::value_type>>...> results;
  internal::TaskGroup group(1);
  std::apply(
      [&](auto&... result) {
        (group.Add(internal::RunInGroup(std::move(tasks), &result, &group)), ...);
      },
      results);
  co_await group;
  co_return internal::TakeWinner(results, std::index_sequence_for<A...>());
}

// Tasks of one type. Aborts if there are none.
template <typename T>
Task<RaceWinner<T>> Race(std::vector<Task<T>> tasks) {
  std::vector<std::optional<internal::ValueOf<T>>> results(tasks.size());
  internal::TaskGroup group(1);
  for (size_t i = 0; i < tasks.size(); ++i) {
    group.Add(internal::RunInGroup(std::move(tasks[i]), &results[i], &group));
  }
  co_await group;
  size_t winner = 0;
  while (!results[winner]) ++winner;
  co_return RaceWinner<T>{winner, *std::move(results[winner])};
}

}  // namespace squall

#endif  // SQUALL_IOLOOP_RACE_H_
