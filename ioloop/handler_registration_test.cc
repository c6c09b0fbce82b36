// Handlers that go with their owner, and the mistake that they prevent.
#include "squall/ioloop/handler_registration.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"

namespace squall {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class HandlerRegistrationTest : public testing::Test {
 protected:
  ~HandlerRegistrationTest() override { IOLoop::ClearCurrent(); }

  // Always readable.
  static UniqueFd Ready() { return UniqueFd(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)); }
  absl::StatusOr<HandlerRegistration> Count(const UniqueFd& fd) {
    return HandlerRegistration::Add(fd.get(), IOLoop::kRead, [this](uint32_t) { ++calls_; });
  }
  // The calls of one turn of the loop.
  int CallsOfATurn() {
    calls_ = 0;
    loop_.AddCallback([this] { loop_.AddCallback([this] { loop_.Stop(); }); });
    loop_.Start();
    return calls_;
  }

  IOLoop& loop_ = IOLoop::Current();
  int calls_ = 0;
};

TEST_F(HandlerRegistrationTest, TheHandlerGoesWithIt) {
  const UniqueFd fd = Ready();
  {
    const absl::StatusOr<HandlerRegistration> added = Count(fd);
    ASSERT_THAT(added, IsOk());
    EXPECT_TRUE(added->active());
    EXPECT_GT(CallsOfATurn(), 0);
    EXPECT_THAT(Count(fd).status(), StatusIs(absl::StatusCode::kAlreadyExists));
  }
  EXPECT_EQ(CallsOfATurn(), 0);
}

TEST_F(HandlerRegistrationTest, Moves) {
  const UniqueFd a = Ready();
  const UniqueFd b = Ready();
  HandlerRegistration first = *Count(a);
  HandlerRegistration second = *Count(b);
  second = std::move(first);
  EXPECT_FALSE(first.active());  // NOLINT(bugprone-use-after-move)
  EXPECT_THAT(Count(b), IsOk());
  EXPECT_THAT(Count(a).status(), StatusIs(absl::StatusCode::kAlreadyExists));
  HandlerRegistration third(std::move(second));
  third.Remove();
  third.Remove();
  EXPECT_FALSE(third.active());
  EXPECT_THAT(Count(a), IsOk());
}

TEST_F(HandlerRegistrationTest, RemovesItselfInItsCallback) {
  const UniqueFd fd = Ready();
  HandlerRegistration once;
  once = *HandlerRegistration::Add(fd.get(), IOLoop::kRead, [&](uint32_t) {
    ++calls_;
    once.Remove();
  });
  EXPECT_EQ(CallsOfATurn(), 1);
  EXPECT_EQ(CallsOfATurn(), 0);
}

TEST_F(HandlerRegistrationTest, MayOutliveItsLoop) {
  const UniqueFd fd = Ready();
  const absl::StatusOr<HandlerRegistration> added = Count(fd);
  ASSERT_THAT(added, IsOk());
  IOLoop::ClearCurrent();
}

// A copy keeps the registration in epoll, which reports it for ever.
TEST_F(HandlerRegistrationTest, WhoClosesFirstIsToldWhoseDescriptorItWas) {
  LogCapture log;
  UniqueFd fd = Ready();
  const int number = fd.get();
  const UniqueFd copy(::dup(number));
  ASSERT_THAT(loop_.AddHandler(number, IOLoop::kRead, [](uint32_t) {}), IsOk());
  fd.reset();
  loop_.RemoveHandler(number);
  const auto told =
      ElementsAre(AllOf(StartsWith("E RemoveHandler: descriptor " + std::to_string(number) +
                                   ", whose handler was added at "),
                        HasSubstr("handler_registration_test.cc:"), HasSubstr("was closed before"),
                        HasSubstr("Bad file descriptor"), HasSubstr("remove the handler first")));
  EXPECT_THAT(log.messages(), told);
  CallsOfATurn();
  EXPECT_THAT(log.messages(), told);
}

// The number belongs to somebody else by now, whom epoll does not know.
TEST_F(HandlerRegistrationTest, WhoRemovesTheHandlerOfAnotherIsTold) {
  LogCapture log;
  UniqueFd fd = Ready();
  const int number = fd.get();
  ASSERT_THAT(loop_.AddHandler(number, IOLoop::kRead, [](uint32_t) {}), IsOk());
  const UniqueFd other = Ready();
  ASSERT_EQ(::dup3(other.get(), number, O_CLOEXEC), number);
  loop_.RemoveHandler(number);
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("No such file or directory")));
}

TEST_F(HandlerRegistrationTest, TheRightOrderIsQuiet) {
  LogCapture log;
  UniqueFd fd = Ready();
  ASSERT_THAT(loop_.AddHandler(fd.get(), IOLoop::kRead, [](uint32_t) {}), IsOk());
  loop_.RemoveHandler(fd.get());
  loop_.RemoveHandler(fd.get());
  EXPECT_THAT(log.messages(), IsEmpty());
}

}  // namespace
}  // namespace squall
