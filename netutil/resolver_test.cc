// The resolver, and the resolver tests of Tornado's netutil_test.py.
#include "squall/netutil/resolver.h"

#include <netdb.h>

#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/executor.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/with_timeout.h"
#include "squall/netutil/host_lookup.h"
#include "squall/netutil/resolver_cache.h"

namespace squall {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Answer = absl::StatusOr<std::vector<SocketAddress>>;

SocketAddress Parse(const std::string& text) { return SocketAddress::Parse(text).value(); }

// A name service that a test has in its hand.
class FakeNames {
 public:
  ResolverOptions Options(ResolverOptions options = {}) {
    options.lookup = [this](const std::string& host, int family) { return LookUp(host, family); };
    return options;
  }

  Answer LookUp(const std::string& host, int family) {
    ++lookups;
    Answer answer = AnswerOf(host, family);
    ++finished;
    return answer;
  }

  // For what a thread may still be asking at the end of a test.
  void AwaitEnd() {
    // What nobody waits for leaves the queue in the loop's next turn.
    ASSERT_THAT(IOLoop::Current().RunSync(Turn(), absl::Seconds(60)), IsOk());
    for (int i = 0; i < 20000 && finished < lookups; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  // Until `count` look-ups have begun.
  Task<> AwaitLookups(int count) {
    while (lookups < count) co_await Sleep(absl::Milliseconds(1));
  }

  Answer AnswerOf(const std::string& host, int family) {
    {
      const std::scoped_lock lock(mutex_);
      asked_.push_back(absl::StrCat(host, "/", family));
    }
    // Held as long as the test says so.
    if (host.starts_with("slow")) gate_.wait();
    if (host.starts_with("no")) return internal::StatusFromGai(EAI_NONAME, 0, host);
    if (host.starts_with("down")) return internal::StatusFromGai(EAI_AGAIN, 0, host);
    if (host.starts_with("throws")) throw std::runtime_error("a broken lookup");
    if (host.starts_with("hurls")) throw 7;
    if (host.starts_with("empty")) return std::vector<SocketAddress>();
    return std::vector<SocketAddress>{Parse("192.0.2.1:0"), Parse("[2001:db8::1]:0")};
  }

  void LetGo() { open_.set_value(); }
  std::vector<std::string> asked() {
    const std::scoped_lock lock(mutex_);
    return asked_;
  }

  std::atomic<int> lookups{0};
  std::atomic<int> finished{0};

 private:
  static Task<> Turn() { co_await Sleep(absl::ZeroDuration()); }

  std::promise<void> open_;
  const std::shared_future<void> gate_ = open_.get_future().share();
  std::mutex mutex_;
  std::vector<std::string> asked_;
};

class ResolverTest : public testing::Test {
 protected:
  Answer Ask(Resolver& resolver, const std::string& host, int family = AF_UNSPEC,
             std::optional<absl::Duration> timeout = std::nullopt) {
    return loop_.RunSync(resolver.Resolve(host, 80, family, timeout), absl::Seconds(60));
  }

  // Of "slow.example"; returns once a thread is in it, for a test to let go of.
  void BeginSlowLookup(Resolver& resolver) {
    loop_.Spawn([](Resolver* names) -> Task<> {
      (co_await names->Resolve("slow.example", 80)).IgnoreError();
    }(&resolver));
    ASSERT_THAT(loop_.RunSync(names_.AwaitLookups(1), absl::Seconds(60)), IsOk());
  }

  IOLoop& loop_ = IOLoop::Current();
  FakeNames names_;
};

TEST_F(ResolverTest, AnswersHaveThePort) {
  Resolver resolver(names_.Options());
  EXPECT_THAT(Ask(resolver, "a.example"),
              IsOkAndHolds(ElementsAre(Parse("192.0.2.1:80"), Parse("[2001:db8::1]:80"))));
}

TEST_F(ResolverTest, LiteralAddressesNeverLeaveTheLoop) {
  Resolver resolver(names_.Options());
  EXPECT_THAT(Ask(resolver, "127.0.0.1"), IsOkAndHolds(ElementsAre(Parse("127.0.0.1:80"))));
  EXPECT_THAT(Ask(resolver, "::1"), IsOkAndHolds(ElementsAre(Parse("[::1]:80"))));
  EXPECT_THAT(Ask(resolver, "fe80::1%lo"), IsOkAndHolds(ElementsAre(Parse("[fe80::1%lo]:80"))));
  EXPECT_THAT(Ask(resolver, "127.0.0.1", AF_INET6),
              StatusIs(absl::StatusCode::kNotFound, "127.0.0.1 is not an IPv6 address"));
  EXPECT_THAT(Ask(resolver, "::1", AF_INET),
              StatusIs(absl::StatusCode::kNotFound, "::1 is not an IPv4 address"));
  EXPECT_THAT(Ask(resolver, "fe80::1%nosuch"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nosuch")));
  EXPECT_EQ(names_.lookups, 0);
}

TEST_F(ResolverTest, WhatCannotBeANameIsNotAskedFor) {
  Resolver resolver(names_.Options());
  for (const auto& [host, why] : {std::pair<std::string, std::string>("", "it is empty"),
                                  {std::string(254, 'a'), "at most 253 octets, this one has 254"},
                                  {"an invalid domain", "without spaces"},
                                  {"b\xc3\xbc"
                                   "cher.example",
                                   "xn--"},
                                  {std::string("a\0b", 3), "a\\x00"}}) {
    EXPECT_THAT(Ask(resolver, host), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)));
  }
  EXPECT_EQ(names_.lookups, 0);
}

TEST_F(ResolverTest, AnswersAreKeptForAWhile) {
  Resolver resolver(names_.Options({.ttl = absl::Milliseconds(100)}));
  ASSERT_THAT(Ask(resolver, "a.example"), IsOk());
  ASSERT_THAT(Ask(resolver, "A.Example"), IsOk());
  EXPECT_EQ(names_.lookups, 1);
  EXPECT_EQ(resolver.stats().cached, 1u);
  // Another family is another question.
  ASSERT_THAT(Ask(resolver, "a.example", AF_INET), IsOk());
  EXPECT_THAT(names_.asked(), ElementsAre(absl::StrCat("a.example/", AF_UNSPEC),
                                          absl::StrCat("a.example/", AF_INET)));
  EXPECT_THAT(loop_.RunSync([]() -> Task<> { co_await Sleep(absl::Milliseconds(110)); }()), IsOk());
  ASSERT_THAT(Ask(resolver, "a.example"), IsOk());
  EXPECT_EQ(names_.lookups, 3);
  resolver.ClearCache();
  ASSERT_THAT(Ask(resolver, "a.example"), IsOk());
  EXPECT_EQ(names_.lookups, 4);
}

TEST_F(ResolverTest, FailuresAreKeptShorter) {
  Resolver resolver(
      names_.Options({.ttl = absl::Hours(1), .failure_ttl = absl::Milliseconds(100)}));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Ask(resolver, "no.example"),
                StatusIs(absl::StatusCode::kNotFound,
                         "cannot resolve host name \"no.example\": Name or service not known"));
  }
  EXPECT_EQ(names_.lookups, 1);
  EXPECT_EQ(resolver.stats().failed, 1u);
  EXPECT_THAT(loop_.RunSync([]() -> Task<> { co_await Sleep(absl::Milliseconds(110)); }()), IsOk());
  EXPECT_THAT(Ask(resolver, "no.example"), StatusIs(absl::StatusCode::kNotFound, testing::_));
  EXPECT_EQ(names_.lookups, 2);
}

TEST_F(ResolverTest, ZeroTimesToLiveKeepNothing) {
  Resolver resolver(
      names_.Options({.ttl = absl::ZeroDuration(), .failure_ttl = absl::ZeroDuration()}));
  for (const char* const host : {"a.example", "no.example"}) {
    Ask(resolver, host).IgnoreError();
    Ask(resolver, host).IgnoreError();
  }
  EXPECT_EQ(names_.lookups, 4);
  EXPECT_EQ(resolver.cached_names(), 0u);
}

TEST_F(ResolverTest, Errors) {
  Resolver resolver(names_.Options());
  EXPECT_THAT(Ask(resolver, "down.example"),
              StatusIs(absl::StatusCode::kUnavailable,
                       "cannot resolve host name \"down.example\": Temporary failure in name "
                       "resolution"));
  EXPECT_THAT(Ask(resolver, "throws.example"),
              StatusIs(absl::StatusCode::kUnknown,
                       "cannot resolve host name \"throws.example\": a broken lookup"));
  EXPECT_THAT(Ask(resolver, "hurls.example"),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("threw what is no std::exception")));
  EXPECT_THAT(Ask(resolver, "empty.example"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("it has no address")));
}

TEST_F(ResolverTest, TheCacheIsBounded) {
  Resolver resolver(names_.Options({.max_cached = 3}));
  for (const char* const host : {"a", "b", "c", "a", "d", "a"}) {
    ASSERT_THAT(Ask(resolver, host), IsOk());
  }
  EXPECT_EQ(resolver.cached_names(), 3u);
  EXPECT_EQ(names_.lookups, 4);  // "b" had to go, not "a"
  ASSERT_THAT(Ask(resolver, "b"), IsOk());
  EXPECT_EQ(names_.lookups, 5);
}

TEST_F(ResolverTest, QuestionsAtTheSameTimeShareOneLookup) {
  Resolver resolver(names_.Options());
  std::vector<Task<Answer>> questions;
  for (int i = 0; i < 50; ++i) questions.push_back(resolver.Resolve("slow.example", 80));
  const Timeout open = loop_.CallLater(absl::Milliseconds(20), [this] { names_.LetGo(); });
  const auto answers = loop_.RunSync(Gather(std::move(questions)), absl::Seconds(60));
  ASSERT_THAT(answers, IsOk());
  for (const Answer& answer : *answers) EXPECT_THAT(answer, IsOk());
  EXPECT_EQ(names_.lookups, 1);
  EXPECT_EQ(resolver.stats().shared, 49u);
}

TEST_F(ResolverTest, ADeadlineEndsTheQuestionAndTheLookupFillsTheCache) {
  Resolver resolver(names_.Options());
  BeginSlowLookup(resolver);
  EXPECT_THAT(Ask(resolver, "slow.example", AF_UNSPEC, absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       "cannot resolve host name \"slow.example\" within 20ms"));
  // Whoever comes later waits for the same look-up, as long as it wants.
  EXPECT_THAT(Ask(resolver, "slow.example", AF_UNSPEC, absl::ZeroDuration()),
              StatusIs(absl::StatusCode::kDeadlineExceeded, testing::_));
  names_.LetGo();
  EXPECT_THAT(Ask(resolver, "slow.example"), IsOk());
  EXPECT_THAT(Ask(resolver, "slow.example", AF_UNSPEC, absl::ZeroDuration()), IsOk());
  EXPECT_EQ(names_.lookups, 1);
}

TEST_F(ResolverTest, ALookupThatNobodyWaitsForAnyMoreIsNotBegun) {
  Executor one({.max_threads = 1});
  Resolver resolver(names_.Options({.executor = &one}));
  BeginSlowLookup(resolver);
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(Ask(resolver, absl::StrCat("dead", i), AF_UNSPEC, absl::Milliseconds(1)),
                StatusIs(absl::StatusCode::kDeadlineExceeded, testing::_));
  }
  const Timeout open = loop_.CallLater(absl::Milliseconds(20), [this] { names_.LetGo(); });
  EXPECT_THAT(Ask(resolver, "live.example"), IsOk());
  EXPECT_THAT(names_.asked(), ElementsAre("slow.example/0", "live.example/0"));
}

TEST_F(ResolverTest, ALookupGoesOnForThoseWhoStillWait) {
  Executor one({.max_threads = 1});
  Resolver resolver(names_.Options({.executor = &one}));
  BeginSlowLookup(resolver);
  std::vector<Task<Answer>> questions;
  questions.push_back(resolver.Resolve("a.example", 80, AF_UNSPEC, absl::Milliseconds(1)));
  questions.push_back(resolver.Resolve("a.example", 80));
  const Timeout open = loop_.CallLater(absl::Milliseconds(20), [this] { names_.LetGo(); });
  const auto answers = loop_.RunSync(Gather(std::move(questions)), absl::Seconds(60));
  ASSERT_THAT(answers, IsOk());
  EXPECT_THAT((*answers)[0], StatusIs(absl::StatusCode::kDeadlineExceeded, testing::_));
  EXPECT_THAT((*answers)[1], IsOk());
}

TEST_F(ResolverTest, TheDeadlineOfTheOptions) {
  Resolver resolver(names_.Options({.timeout = absl::Milliseconds(10)}));
  EXPECT_THAT(Ask(resolver, "slow.example"),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("within 10ms")));
  names_.LetGo();
  names_.AwaitEnd();
}

TEST_F(ResolverTest, ASlowNameServiceHoldsUpNeitherTheLoopNorOtherWork) {
  Resolver resolver(names_.Options());
  std::vector<Task<Answer>> slow;
  for (int i = 0; i < 30; ++i) {
    slow.push_back(
        resolver.Resolve(absl::StrCat("slow", i), 80, AF_UNSPEC, absl::Milliseconds(50)));
  }
  const auto answers = loop_.RunSync(Gather(std::move(slow)), absl::Seconds(60));
  ASSERT_THAT(answers, IsOk());
  for (const Answer& answer : *answers) {
    EXPECT_THAT(answer, StatusIs(absl::StatusCode::kDeadlineExceeded, testing::_));
  }
  // All threads of the resolvers hang, those of the others do not.
  EXPECT_THAT(loop_.RunSync(RunInExecutor([] { return 7; }), absl::Seconds(60)), IsOkAndHolds(7));
  EXPECT_EQ(Executor::Default().stats().running, 0u);
  names_.LetGo();
  EXPECT_THAT(Ask(resolver, "slow29"), IsOk());
  names_.AwaitEnd();
}

TEST_F(ResolverTest, AFullExecutorSaysNothingOfTheName) {
  Executor one({.max_threads = 1, .max_queued = 1});
  Resolver resolver(names_.Options({.executor = &one}));
  std::vector<Task<Answer>> questions;
  for (int i = 0; i < 4; ++i) {
    questions.push_back(
        resolver.Resolve(absl::StrCat("slow", i), 80, AF_UNSPEC, absl::Milliseconds(100)));
  }
  const auto answers = loop_.RunSync(Gather(std::move(questions)), absl::Seconds(60));
  names_.LetGo();
  ASSERT_THAT(answers, IsOk());
  // The first may wait in the queue, too, when the second comes.
  EXPECT_THAT((*answers)[2], StatusIs(absl::StatusCode::kResourceExhausted, testing::_));
  EXPECT_THAT((*answers)[3], StatusIs(absl::StatusCode::kResourceExhausted, testing::_));
  EXPECT_THAT(
      loop_.RunSync([](IOLoop*) -> Task<> { co_await Sleep(absl::Milliseconds(20)); }(&loop_)),
      IsOk());
  EXPECT_THAT(Ask(resolver, "slow3"), IsOk());
}

TEST_F(ResolverTest, TheTaskMayOutliveTheResolver) {
  std::optional<Resolver> resolver(names_.Options());
  Task<Answer> question = resolver->Resolve("slow.example", 80);
  resolver.reset();
  names_.LetGo();
  EXPECT_THAT(loop_.RunSync(std::move(question), absl::Seconds(60)), IsOk());
}

TEST_F(ResolverTest, ALookupWhoseLoopEndsHoldsUpNobody) {
  Resolver resolver(names_.Options());
  BeginSlowLookup(resolver);
  IOLoop::ClearCurrent();
  names_.LetGo();
  EXPECT_THAT(IOLoop::Current().RunSync(resolver.Resolve("slow.example", 80), absl::Seconds(60)),
              IsOk());
  EXPECT_EQ(names_.lookups, 2);
}

TEST(ResolverCacheTest, ReplacesAndExpires) {
  internal::ResolverCache cache(2);
  const internal::ResolverCache::Key key("a", AF_INET);
  const MonotonicTime start = MonotonicTime::FromNanos(1000);
  cache.Put(key, absl::NotFoundError("old"), start + absl::Seconds(1));
  cache.Put(key, absl::NotFoundError("new"), start + absl::Seconds(2));
  EXPECT_EQ(cache.size(), 1u);
  ASSERT_NE(cache.Find(key, start + absl::Seconds(1)), nullptr);
  EXPECT_EQ(cache.Find(key, start)->status().message(), "new");
  EXPECT_EQ(cache.Find({"a", AF_INET6}, start), nullptr);
  EXPECT_EQ(cache.Find(key, start + absl::Seconds(2)), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

// Tornado: ThreadedResolverTest and the mixins.
TEST(ThreadedResolverTest, localhost) {
  Resolver resolver;
  EXPECT_THAT(IOLoop::Current().RunSync(resolver.Resolve("localhost", 80), absl::Seconds(60)),
              IsOkAndHolds(Contains(Parse("127.0.0.1:80"))));
}

TEST(ThreadedResolverErrorTest, bad_host) {
  FakeNames names;
  Resolver resolver(names.Options());
  IOLoop& loop = IOLoop::Current();
  EXPECT_FALSE(loop.RunSync(resolver.Resolve("an invalid domain", 80), absl::Seconds(60)).ok());
  EXPECT_FALSE(loop.RunSync(resolver.Resolve("no.such.domain", 80), absl::Seconds(60)).ok());
}

// Tornado: what resolves while its module is being imported; here, before main() and before a loop.
TEST(ThreadedResolverImportTest, of_this_thread) {
  static Resolver early;
  EXPECT_THAT(IOLoop::Current().RunSync(early.Resolve("localhost", 1), absl::Seconds(60)), IsOk());
  Resolver* other = nullptr;
  std::thread([&] {
    other = &Resolver::OfThisThread();
    EXPECT_THAT(IOLoop::Current().RunSync(other->Resolve("localhost", 1), absl::Seconds(60)),
                IsOk());
  }).join();
  EXPECT_NE(other, &Resolver::OfThisThread());
}

class OverrideResolverTest : public ResolverTest {
 protected:
  Resolver resolver_{names_.Options(
      {.overrides = {{.host = "google.com", .port = 80, .to_host = "1.2.3.4"},
                     {.host = "google.com", .port = 80, .family = AF_INET, .to_host = "1.2.3.5"},
                     {.host = "google.com",
                      .port = 80,
                      .family = AF_INET6,
                      .to_host = "2a02:6b8:7c:40c:c51e:495f:e23a:3"},
                     {.host = "Old.Example", .to_host = "new.example", .to_port = 8080},
                     {.host = "new.example", .to_host = "192.0.2.66"}}})};
};

TEST_F(OverrideResolverTest, localhost) {
  Resolver resolver({.overrides = {{.host = "google.com", .to_host = "1.2.3.4"}}});
  EXPECT_THAT(Ask(resolver, "localhost"), IsOkAndHolds(Contains(Parse("127.0.0.1:80"))));
}

TEST_F(OverrideResolverTest, resolve_multiaddr) {
  EXPECT_THAT(Ask(resolver_, "google.com", AF_INET),
              IsOkAndHolds(ElementsAre(Parse("1.2.3.5:80"))));
  EXPECT_THAT(Ask(resolver_, "google.com", AF_INET6),
              IsOkAndHolds(ElementsAre(Parse("[2a02:6b8:7c:40c:c51e:495f:e23a:3]:80"))));
  EXPECT_THAT(Ask(resolver_, "google.com"), IsOkAndHolds(ElementsAre(Parse("1.2.3.4:80"))));
  EXPECT_THAT(names_.asked(), IsEmpty());
}

TEST_F(OverrideResolverTest, names_and_ports_once) {
  EXPECT_THAT(Ask(resolver_, "old.example"),
              IsOkAndHolds(ElementsAre(Parse("192.0.2.1:8080"), Parse("[2001:db8::1]:8080"))));
  EXPECT_THAT(names_.asked(), ElementsAre(absl::StrCat("new.example/", AF_UNSPEC)));
  EXPECT_THAT(loop_.RunSync(resolver_.Resolve("google.com", 443), absl::Seconds(60)), IsOk());
  EXPECT_THAT(names_.asked(), Contains(absl::StrCat("google.com/", AF_UNSPEC)));
}

}  // namespace
}  // namespace squall
