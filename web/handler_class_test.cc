#include "squall/web/handler_class.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "squall/ioloop/task.h"
#include "squall/web/handler.h"
#include "squall/web/path_args.h"
#include "squall/web/request_handler.h"

namespace squall::internal {
namespace {

struct None : RequestHandler {};
struct OnlyGet : RequestHandler {
  void Get() {}
};
struct OnlyHead : RequestHandler {
  void Head() {}
};
struct All : RequestHandler {
  void Get() {}
  absl::Status Head() { return absl::OkStatus(); }
  Task<> Post() { co_return; }
  Task<absl::Status> Put() { co_return absl::OkStatus(); }
  void Patch() {}
  void Delete() noexcept {}
  void Options() const {}
};
struct Inherited : OnlyGet {
  void Post() {}
};
struct Typed : RequestHandler {
  void Get(std::string_view, int, std::optional<uint8_t>) {}
  void Post(const std::string&) {}
  void Put(const PathArgs&) {}
};
struct Streamed : RequestHandler {
  void DataReceived(std::string_view) {}
  void Prepare() {}
};
struct NestedType : RequestHandler {
  struct Options {};
  void Get() {}
};
struct Last final : RequestHandler {
  void Get() {}
};

static_assert(!HasGet<None>() && !HasOptions<None>());
static_assert(HasGet<OnlyGet>() && !HasHead<OnlyGet>());
static_assert(HasDelete<All>() && HasOptions<All>());
static_assert(HasGet<Inherited>() && HasPost<Inherited>());
static_assert(!HasOptions<NestedType>());
static_assert(HasGet<Last>());
static_assert(HasPrepare<Streamed>() && !HasPrepare<OnlyGet>());
static_assert(HasDataReceived<Streamed>() && !HasDataReceived<OnlyGet>());

TEST(HandlerClassTest, AllowListsTheVerbsAndHeadComesFromGet) {
  EXPECT_EQ(AllowedMethods(kHandlerClass<None>), "");
  EXPECT_EQ(AllowedMethods(kHandlerClass<OnlyGet>), "GET, HEAD");
  EXPECT_EQ(AllowedMethods(kHandlerClass<OnlyHead>), "HEAD");
  EXPECT_EQ(AllowedMethods(kHandlerClass<Inherited>), "GET, HEAD, POST");
  EXPECT_EQ(AllowedMethods(kHandlerClass<All>), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
}

TEST(HandlerClassTest, PathArgumentsAreCounted) {
  EXPECT_EQ(kHandlerClass<OnlyGet>.verbs[0].path_args, 0);
  EXPECT_EQ(kHandlerClass<Typed>.verbs[0].path_args, 3);
  EXPECT_EQ(kHandlerClass<Typed>.verbs[2].path_args, 1);
  EXPECT_EQ(kHandlerClass<Typed>.verbs[3].path_args, kAnyPathArgs);
}

TEST(HandlerClassTest, SynchronousVerbReturnsNoTask) {
  All handler;
  const auto run = [&](Verb verb) {
    return kHandlerClass<All>.verbs[static_cast<size_t>(verb)].run(handler, {});
  };
  EXPECT_TRUE(std::holds_alternative<std::monostate>(run(Verb::kGet)));
  EXPECT_TRUE(std::holds_alternative<absl::Status>(run(Verb::kHead)));
  EXPECT_TRUE(std::holds_alternative<Task<>>(run(Verb::kPost)));
  EXPECT_TRUE(std::holds_alternative<Task<absl::Status>>(run(Verb::kPut)));
}

TEST(HandlerClassTest, VerbFromMethodIsExact) {
  EXPECT_EQ(VerbFromMethod("GET"), Verb::kGet);
  EXPECT_EQ(VerbFromMethod("OPTIONS"), Verb::kOptions);
  EXPECT_EQ(VerbFromMethod("get"), std::nullopt);
  EXPECT_EQ(VerbFromMethod("FOO"), std::nullopt);
  EXPECT_EQ(VerbFromMethod(""), std::nullopt);
}

TEST(PathArgsTest, IntegersAreWholeAndInRange) {
  EXPECT_EQ(PathArgTo<int>(std::string("42")), 42);
  EXPECT_EQ(PathArgTo<int>(std::string("-7")), -7);
  EXPECT_EQ(PathArgTo<int>(std::string("4x")), std::nullopt);
  EXPECT_EQ(PathArgTo<int>(std::string("")), std::nullopt);
  EXPECT_EQ(PathArgTo<int>(std::string("+4")), std::nullopt);
  EXPECT_EQ(PathArgTo<int>(std::string("99999999999")), std::nullopt);
  EXPECT_EQ(PathArgTo<uint8_t>(std::string("256")), std::nullopt);
  EXPECT_EQ(PathArgTo<uint64_t>(std::string("18446744073709551615")), UINT64_MAX);
  EXPECT_EQ(PathArgTo<int>(std::nullopt), std::nullopt);
}

TEST(PathArgsTest, OptionalAndText) {
  using OptionalInt = std::optional<int>;
  EXPECT_EQ(PathArgTo<OptionalInt>(std::nullopt), std::optional<OptionalInt>(OptionalInt()));
  EXPECT_EQ(**PathArgTo<OptionalInt>(std::string("3")), 3);
  EXPECT_FALSE(PathArgTo<OptionalInt>(std::string("x")).has_value());
  const std::optional<std::string> group = "text";
  EXPECT_EQ(PathArgTo<std::string_view>(group)->data(), group->data());
  EXPECT_EQ(*PathArgTo<std::string>(std::nullopt), "");
}

}  // namespace
}  // namespace squall::internal
