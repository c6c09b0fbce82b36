// JSON in and out. A target of its own, //web:json, so that programs without JSON do not get the
// library.
//
//   void Get() {
//     squall::WriteJson(*this, {{"id", 7}, {"tags", {"a", "b"}}});
//   }
//   absl::Status Post() {
//     ASSIGN_OR_RETURN(const nlohmann::json item, squall::JsonBody(*this));  // else 400 or 415
//     ASSIGN_OR_RETURN(const auto name, squall::JsonMember<std::string>(item, "name"));  // else 400
//     ASSIGN_OR_RETURN(const auto count, squall::JsonMember<std::optional<int>>(item, "count"));
//     return store_->Add(name, count.value_or(1));
//   }
//
// Read what a client wrote by JsonMember() and JsonAs(): the library's own accessors throw for another
// type, which is a 500, and item["name"] of a const item without that name is undefined.
#ifndef SQUALL_WEB_JSON_H_
#define SQUALL_WEB_JSON_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "squall/web/request_handler.h"

namespace squall {

// `value` as JSON text. Strings that are not UTF-8 get replacement characters instead of an
// exception; "</" becomes "<\/", so that the text may stand inside a <script> (Tornado's
// json_encode).
std::string JsonText(const nlohmann::json& value);

// Appends `value` to the answer and sets its Content-Type to application/json; charset=UTF-8.
void WriteJson(RequestHandler& handler, const nlohmann::json& value);

struct JsonLimits {
  // Arrays and objects within each other. nlohmann's dump() recurses, so it must have a bound.
  size_t max_depth = 100;
};

// The request's body. HttpStatusError() of 415 unless its Content-Type is application/json or ends
// with +json, so that no form of another site can pass for JSON; InvalidArgument, with the place,
// for what is no JSON, and for what is nested too deep. Of equal names in an object the last counts.
absl::StatusOr<nlohmann::json> JsonBody(const RequestHandler& handler,
                                        const JsonLimits& limits = {});

namespace internal {

absl::Status JsonTypeError(const nlohmann::json& value, std::string_view wanted);
// Before the message: the name of the member that it is about.
absl::Status InMember(std::string_view name, const absl::Status& status);
absl::Status JsonMemberMissing(const nlohmann::json& object, std::string_view name);

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <class T>
inline constexpr bool kIsVector = false;
template <class T>
inline constexpr bool kIsVector<std::vector<T>> = true;

}  // namespace internal

// `value` as a T, without a conversion that loses something: whole numbers in the range of T, numbers,
// bool, std::string, std::vector and std::optional (absent for null) of these, and nlohmann::json.
// Everything else is what nlohmann's get<T>() makes of it. InvalidArgument, which answers 400, says what
// it is instead.
template <class T>
absl::StatusOr<T> JsonAs(const nlohmann::json& value) {
  if constexpr (internal::kIsOptional<T>) {
    if (value.is_null()) return T();
    absl::StatusOr<typename T::value_type> present = JsonAs<typename T::value_type>(value);
    if (!present.ok()) return present.status();
    return T(*std::move(present));
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) return internal::JsonTypeError(value, "true or false");
    return value.get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    if (value.is_number_unsigned()) {
      const auto number = value.get<uint64_t>();
      if (std::in_range<T>(number)) return static_cast<T>(number);
    } else if (value.is_number_integer()) {
      const auto number = value.get<int64_t>();
      if (std::in_range<T>(number)) return static_cast<T>(number);
    }
    return internal::JsonTypeError(
        value, "a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
                   std::to_string(std::numeric_limits<T>::max()));
  } else if constexpr (std::is_floating_point_v<T>) {
    if (value.is_number()) {
      const auto number = value.get<double>();
      if (std::abs(number) <= std::numeric_limits<T>::max()) return static_cast<T>(number);
    }
    return internal::JsonTypeError(value, "a number in range");
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!value.is_string()) return internal::JsonTypeError(value, "a string");
    return value.get<std::string>();
  } else if constexpr (internal::kIsVector<T>) {
    if (!value.is_array()) return internal::JsonTypeError(value, "a list");
    T list;
    for (const nlohmann::json& item : value) {
      absl::StatusOr<typename T::value_type> one = JsonAs<typename T::value_type>(item);
      if (!one.ok()) return internal::InMember(std::to_string(list.size()), one.status());
      list.push_back(*std::move(one));
    }
    return list;
  } else {
    try {
      return value.get<T>();
    } catch (const nlohmann::json::exception& error) {
      return absl::InvalidArgumentError(error.what());
    }
  }
}

// The member `name` of an object as JsonAs(). InvalidArgument, which names it, also when `object` is
// none or has no such member; for std::optional that is nullopt.
template <class T>
absl::StatusOr<T> JsonMember(const nlohmann::json& object, std::string_view name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (found == object.end()) {
    if constexpr (internal::kIsOptional<T>) {
      if (object.is_object()) return T();
    }
    return internal::JsonMemberMissing(object, name);
  }
  absl::StatusOr<T> value = JsonAs<T>(*found);
  if (!value.ok()) return internal::InMember(name, value.status());
  return value;
}

}  // namespace squall

#endif  // SQUALL_WEB_JSON_H_
