// gMock matchers for absl::Status and absl::StatusOr. Tests only.
//
//   EXPECT_THAT(stream.Connect(), IsOk());
//   EXPECT_THAT(ParsePort("80"), IsOkAndHolds(80));
//   EXPECT_THAT(ParsePort("x"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"x\"")));
#ifndef SQUALL_BASE_STATUS_MATCHERS_H_
#define SQUALL_BASE_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"

namespace squall {
namespace internal {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

class StatusIsMatcher {
 public:
  StatusIsMatcher(testing::Matcher<absl::StatusCode> code, testing::Matcher<std::string> message)
      : code_(std::move(code)), message_(std::move(message)) {}

  void DescribeTo(std::ostream* os) const {
    *os << "has a status code that ";
    code_.DescribeTo(os);
    *os << " and a message that ";
    message_.DescribeTo(os);
  }
  void DescribeNegationTo(std::ostream* os) const {
    *os << "does not match: ";
    DescribeTo(os);
  }
  template <typename StatusLike>
  bool MatchAndExplain(const StatusLike& actual, testing::MatchResultListener* listener) const {
    const absl::Status& status = StatusOf(actual);
    *listener << "whose status is " << status.ToString();
    return code_.Matches(status.code()) && message_.Matches(std::string(status.message()));
  }

 private:
  testing::Matcher<absl::StatusCode> code_;
  testing::Matcher<std::string> message_;
};

template <typename Inner>
class IsOkAndHoldsMatcher {
 public:
  explicit IsOkAndHoldsMatcher(Inner inner) : inner_(std::move(inner)) {}

  template <typename StatusOrRef>
  operator testing::Matcher<StatusOrRef>() const {  // NOLINT: gMock wants it implicit.
    return testing::Matcher<StatusOrRef>(new Impl<StatusOrRef>(inner_));
  }

 private:
  template <typename StatusOrRef>
  class Impl : public testing::MatcherInterface<StatusOrRef> {
   public:
    using Value = typename std::remove_reference_t<StatusOrRef>::value_type;
    explicit Impl(const Inner& inner) : inner_(testing::SafeMatcherCast<const Value&>(inner)) {}
    void DescribeTo(std::ostream* os) const override {
      *os << "is OK and holds a value that ";
      inner_.DescribeTo(os);
    }
    bool MatchAndExplain(StatusOrRef actual,
                         testing::MatchResultListener* listener) const override {
      if (!actual.ok()) {
        *listener << "whose status is " << actual.status().ToString();
        return false;
      }
      return inner_.MatchAndExplain(*actual, listener);
    }

   private:
    testing::Matcher<const Value&> inner_;
  };

  Inner inner_;
};

}  // namespace internal

// Matches a Status or StatusOr with this code and, if given, this message.
inline testing::PolymorphicMatcher<internal::StatusIsMatcher> StatusIs(
    testing::Matcher<absl::StatusCode> code, testing::Matcher<std::string> message = testing::_) {
  return testing::MakePolymorphicMatcher(
      internal::StatusIsMatcher(std::move(code), std::move(message)));
}

// Matches an OK Status, or a StatusOr that holds a value.
inline testing::PolymorphicMatcher<internal::StatusIsMatcher> IsOk() {
  return StatusIs(absl::StatusCode::kOk);
}

// Matches a StatusOr whose value matches `inner`, a value or a matcher.
template <typename Inner>
internal::IsOkAndHoldsMatcher<std::decay_t<Inner>> IsOkAndHolds(Inner&& inner) {
  return internal::IsOkAndHoldsMatcher<std::decay_t<Inner>>(std::forward<Inner>(inner));
}

}  // namespace squall

#endif  // SQUALL_BASE_STATUS_MATCHERS_H_
