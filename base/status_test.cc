#include "squall/base/status.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_macros.h"
#include "squall/base/status_matchers.h"

namespace squall {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::Pointee;

TEST(StatusFromErrnoTest, NamesWhatAndWhyAndKeepsTheNumber) {
  const absl::Status status = StatusFromErrno(ENOENT, "open /nowhere");
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kNotFound, "open /nowhere: No such file or directory"));
  EXPECT_EQ(ErrnoFromStatus(status), ENOENT);
}

TEST(StatusFromErrnoTest, ZeroIsNeverOk) {
  EXPECT_THAT(StatusFromErrno(0, "bind"), StatusIs(absl::StatusCode::kInternal));
}

TEST(StatusFromErrnoTest, UnknownNumberIsStillAnError) {
  EXPECT_THAT(StatusFromErrno(4711, "x"), Not(IsOk()));
  EXPECT_EQ(ErrnoFromStatus(StatusFromErrno(4711, "x")), 4711);
}

TEST(WithMessageTest, KeepsTheCodeAndThePayloads) {
  absl::Status status = StatusFromErrno(ECONNREFUSED, "connect");
  status.SetPayload("another", absl::Cord("1"));
  const absl::Status told = WithMessage(status, "nobody listens");
  EXPECT_THAT(told, StatusIs(absl::StatusCode::kUnavailable, "nobody listens"));
  EXPECT_EQ(ErrnoFromStatus(told), ECONNREFUSED);
  EXPECT_EQ(told.GetPayload("another"), absl::Cord("1"));
  EXPECT_EQ(WithMessage(absl::OkStatus(), "x"), absl::OkStatus());
}

TEST(ErrnoFromStatusTest, NothingInOtherStatuses) {
  EXPECT_EQ(ErrnoFromStatus(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(ErrnoFromStatus(absl::NotFoundError("x")), std::nullopt);
}

absl::StatusOr<std::unique_ptr<int>> Half(int n) {
  if (n % 2 != 0) return absl::InvalidArgumentError("odd");
  return std::make_unique<int>(n / 2);
}

absl::StatusOr<int> Quarter(int n, bool* reached_end) {
  ASSIGN_OR_RETURN(std::unique_ptr<int> half, Half(n));
  ASSIGN_OR_RETURN(auto quarter, Half(*half));
  *reached_end = true;
  return *quarter;
}

absl::Status AllOk(absl::Status a, absl::Status b) {
  RETURN_IF_ERROR(a);
  if (true)
    RETURN_IF_ERROR(b);
  else
    return absl::InternalError("dangling else");
  return absl::OkStatus();
}

TEST(StatusMacrosTest, AssignOrReturnMovesTheValueOrReturnsTheStatus) {
  bool reached_end = false;
  EXPECT_THAT(Quarter(8, &reached_end), IsOkAndHolds(2));
  EXPECT_TRUE(reached_end);
  reached_end = false;
  EXPECT_THAT(Quarter(6, &reached_end), StatusIs(absl::StatusCode::kInvalidArgument, "odd"));
  EXPECT_FALSE(reached_end);
}

TEST(StatusMacrosTest, ReturnIfError) {
  EXPECT_THAT(AllOk(absl::OkStatus(), absl::OkStatus()), IsOk());
  EXPECT_THAT(AllOk(absl::AbortedError("a"), absl::OkStatus()),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(AllOk(absl::OkStatus(), absl::DataLossError("b")),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(StatusMatchersTest, MatchStatusAndStatusOr) {
  EXPECT_THAT(absl::StatusOr<int>(5), IsOkAndHolds(testing::Gt(4)));
  EXPECT_THAT(absl::StatusOr<int>(5), Not(IsOkAndHolds(6)));
  EXPECT_THAT(absl::StatusOr<int>(absl::NotFoundError("no 7")), Not(IsOkAndHolds(5)));
  EXPECT_THAT(absl::StatusOr<int>(absl::NotFoundError("no 7")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("7")));
  EXPECT_THAT(absl::StatusOr<int>(5), IsOk());
  EXPECT_THAT(absl::NotFoundError("x"), Not(IsOk()));
  EXPECT_THAT(Half(4), IsOkAndHolds(Pointee(2)));
}

}  // namespace
}  // namespace squall
