// The groups of a route's pattern, decoded, and their conversion to the types a verb asks for.
//
//   // pattern "/wiki/([^/]+)(?:/rev/([0-9]+))?"
//   void Get(std::string_view page, std::optional<int> revision);
//
// A group that took no part in the match is std::nullopt; it reaches a std::optional<> parameter as
// nullopt and a text parameter as "". A group that does not fit its integer type (not a number, out
// of range, or absent and not optional) means that the path names nothing: 404.
#ifndef SQUALL_WEB_PATH_ARGS_H_
#define SQUALL_WEB_PATH_ARGS_H_

#include <charconv>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/container/inlined_vector.h"

namespace squall {

// One element per group, in the order of the pattern, percent-decoded and valid UTF-8. A verb may
// take `const squall::PathArgs&` (a coroutine: `squall::PathArgs`) as its only parameter and so
// accept any number of groups.
using PathArgs = absl::InlinedVector<std::optional<std::string>, 2>;

namespace internal {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
concept PathInteger = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char>;

template <class T>
concept PathText = std::same_as<T, std::string_view> || std::same_as<T, std::string>;

// The value of one group as a T; nullopt when it does not fit. Views point into `group`.
template <class T>
std::optional<T> PathArgTo(const std::optional<std::string>& group) {
  if constexpr (IsOptional<T>::value) {
    if (!group.has_value()) return std::optional<T>(std::in_place, std::nullopt);
    auto value = PathArgTo<typename T::value_type>(group);
    if (!value.has_value()) return std::nullopt;
    return std::optional<T>(std::in_place, *std::move(value));
  } else if constexpr (PathInteger<T>) {
    if (!group.has_value()) return std::nullopt;
    T value{};
    const char* const end = group->data() + group->size();
    const auto [stop, error] = std::from_chars(group->data(), end, value);
    if (error != std::errc() || stop != end) return std::nullopt;
    return value;
  } else {
    static_assert(PathText<T>,
                  "a path argument is a std::string_view, a std::string, an integer, or a "
                  "std::optional<> of one of them");
    return group.has_value() ? T(*group) : T();
  }
}

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_WEB_PATH_ARGS_H_
