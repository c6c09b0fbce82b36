#include "squall/web/status_to_http.h"

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace squall {
namespace {

TEST(StatusToHttpTest, TableOfTheDesign) {
  EXPECT_EQ(HttpStatusFromStatus(absl::OkStatus()), 200);
  EXPECT_EQ(HttpStatusFromStatus(absl::NotFoundError("")), 404);
  EXPECT_EQ(HttpStatusFromStatus(absl::InvalidArgumentError("")), 400);
  EXPECT_EQ(HttpStatusFromStatus(absl::PermissionDeniedError("")), 403);
  EXPECT_EQ(HttpStatusFromStatus(absl::UnauthenticatedError("")), 401);
  EXPECT_EQ(HttpStatusFromStatus(absl::ResourceExhaustedError("")), 429);
  EXPECT_EQ(HttpStatusFromStatus(absl::DeadlineExceededError("")), 504);
  EXPECT_EQ(HttpStatusFromStatus(absl::UnavailableError("")), 503);
  EXPECT_EQ(HttpStatusFromStatus(absl::InternalError("")), 500);
  EXPECT_EQ(HttpStatusFromStatus(absl::UnknownError("")), 500);
  EXPECT_EQ(HttpStatusFromStatus(absl::DataLossError("")), 500);
}

TEST(StatusToHttpTest, AnyHttpStatus) {
  EXPECT_EQ(HttpStatusFromStatus(HttpStatusError(415, "no JSON")), 415);
  EXPECT_EQ(HttpStatusError(415, "no JSON").message(), "no JSON");
  EXPECT_TRUE(absl::IsInvalidArgument(HttpStatusError(415, "")));
  EXPECT_TRUE(absl::IsAlreadyExists(HttpStatusError(409, "")));
  EXPECT_TRUE(absl::IsInternal(HttpStatusError(507, "")));
  EXPECT_EQ(HttpStatusFromStatus(HttpStatusError(200, "")), 500);
}

}  // namespace
}  // namespace squall
