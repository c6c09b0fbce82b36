// For tests of what coroutines wait for: a coroutine that waits, its result once it has one, and a
// way to destroy it meanwhile.
//
//   class EventTest : public internal::FutureFixture {};
//   TEST_F(EventTest, Set) {
//     Event event;
//     auto wait = Begin([&] { return event.Wait(); });
//     event.Set();
//     RunBriefly();
//     EXPECT_THAT(wait.result(), IsOk());
//   }
//
// Tornado's tests hold Futures; this is their stand-in.
#ifndef SQUALL_IOLOOP_FUTURE_FIXTURE_H_
#define SQUALL_IOLOOP_FUTURE_FIXTURE_H_

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/ioloop/detached_task.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/loop_fixture.h"
#include "squall/ioloop/task.h"

namespace squall::internal {

template <typename Awaitable>
struct AwaitResult {
  using Type = std::decay_t<decltype(std::declval<Awaitable&>().await_resume())>;
};
template <typename T>
struct AwaitResult<Task<T>> {
  using Type = T;
};

template <typename T>
class Future {
 public:
  template <typename Make>
  explicit Future(Make make) {
    state_->task.Start(Run(std::move(make), &state_->result));
  }

  bool done() const { return state_->result.has_value(); }
  // Only if done().
  T& result() { return state_->result.value(); }
  void Destroy() { state_->task.DestroyAll(); }

 private:
  struct State {
    std::optional<T> result;
    DetachedList task;
  };

  template <typename Make>
  static Task<> Run(Make make, std::optional<T>* result) {
    T value = co_await make();
    result->emplace(std::move(value));
  }

  std::unique_ptr<State> state_ = std::make_unique<State>();
};

class FutureFixture : public LoopFixture {
 protected:
  // Starts a coroutine that awaits what `make()` gives.
  template <typename Make>
  static auto Begin(Make make) {
    return Future<typename AwaitResult<std::invoke_result_t<Make&>>::Type>(std::move(make));
  }

  // One iteration: all that is to be resumed is.
  void RunBriefly() {
    loop_.AddCallback([this] { loop_.Stop(); });
    loop_.Start();
  }

  void RunFor(absl::Duration duration) {
    const Timeout end = loop_.CallLater(duration, [this] { loop_.Stop(); });
    loop_.Start();
  }

  // Appends `key` to history_ when what `make()` gives is there, or "timeout".
  template <typename Make>
  void RecordDone(Make make, std::string key) {
    loop_.Spawn(Record(std::move(make), std::move(key), &history_));
  }

  std::vector<std::string> history_;

 private:
  template <typename Make>
  static Task<> Record(Make make, std::string key, std::vector<std::string>* history) {
    const absl::Status status = co_await make();
    history->push_back(absl::IsDeadlineExceeded(status) ? "timeout" : key);
  }
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_FUTURE_FIXTURE_H_
