// Tasks side by side, all their results.
//
//   std::tuple<User, Cart> both = co_await squall::Gather(LoadUser(id), LoadCart(id));
//   std::vector<Page> pages = co_await squall::Gather(std::move(fetches));  // vector<Task<Page>>
//
// The tasks start when the Gather is awaited, in their order; the results stand in that order too,
// whatever finishes first. A Status or StatusOr is a result like any other: all are returned, good
// and bad. An exception ends it: the first out of any task is rethrown, the tasks that are not done
// by then are destroyed where they stand, before it is rethrown, and those not yet started never
// start. Destroying the Gather destroys its tasks.
//
// Source: tornado.gen.multi, which in contrast waits for the other tasks after an exception.
#ifndef SQUALL_IOLOOP_GATHER_H_
#define SQUALL_IOLOOP_GATHER_H_

#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "squall/ioloop/task.h"
#include "squall/ioloop/task_group.h"

namespace squall {

// The result of a Task<void> is a std::monostate.
template <TaskLike... A>
Task<std::tuple<internal::ValueOf<typename A::value_type>...>> Gather(A... tasks) {
  std::tuple<std::optional<internal::ValueOf<typename A::value_type>>...> results;
  internal::TaskGroup group(sizeof...(A));
  std::apply(
      [&](auto&... result) {
        (group.Add(internal::RunInGroup(std::move(tasks), &result, &group)), ...);
      },
      results);
  co_await group;
  co_return std::apply(
      [](auto&... result) {
        return std::tuple<internal::ValueOf<typename A::value_type>...>(*std::move(result)...);
      },
      results);
}

// Any number of tasks of one type, also none. A Task<void> for a vector of those.
template <typename T>
Task<std::conditional_t<std::is_void_v<T>, void, std::vector<internal::ValueOf<T>>>> Gather(
    std::vector<Task<T>> tasks) {
  std::vector<std::optional<internal::ValueOf<T>>> results(tasks.size());
  internal::TaskGroup group(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    group.Add(internal::RunInGroup(std::move(tasks[i]), &results[i], &group));
  }
  co_await group;
  if constexpr (!std::is_void_v<T>) {
    std::vector<T> values;
    values.reserve(results.size());
    for (std::optional<T>& result : results) values.push_back(*std::move(result));
    co_return values;
  }
}

}  // namespace squall

#endif  // SQUALL_IOLOOP_GATHER_H_
