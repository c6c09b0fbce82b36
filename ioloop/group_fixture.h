// For tests of tasks side by side: tasks that end when they are told to, and counts of them.
#ifndef SQUALL_IOLOOP_GROUP_FIXTURE_H_
#define SQUALL_IOLOOP_GROUP_FIXTURE_H_

#include <coroutine>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/future_fixture.h"
#include "squall/ioloop/task.h"

namespace squall::internal {

// Counts the living, to see that frames are destroyed.
struct Tracked {
  explicit Tracked(int* alive) : alive(alive) { ++*alive; }
  Tracked(const Tracked&) = delete;
  Tracked& operator=(const Tracked&) = delete;
  ~Tracked() { --*alive; }
  int* alive;
};

class GroupFixture : public FutureFixture {
 protected:
  // Gives `n` when events_[n] is set.
  Task<int> Wait(int n) {
    ++started_;
    const Tracked tracked(&alive_);
    const absl::Status set = co_await events_[n].Wait();
    co_return n;
  }

  Task<int> ThrowAfter(int n) {
    co_await Wait(n);
    throw std::runtime_error(absl::StrCat(n, " threw"));
  }

  // Tells the handle by which it can be resumed, from anywhere.
  struct HandleAwaiter {
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> awaiting) { *handle = awaiting; }
    void await_resume() const {}
    std::coroutine_handle<>* handle;
  };

  Task<int> ReturnWhenResumed(std::coroutine_handle<>* handle) {
    const Tracked tracked(&alive_);
    co_await HandleAwaiter{handle};
    co_return 0;
  }

  Task<int> ThrowWhenResumed(std::coroutine_handle<>* handle) {
    co_await ReturnWhenResumed(handle);
    throw std::runtime_error("resumed");
  }

  // Resumes the other one when events_[n] is set, and then waits for ever.
  Task<int> ResumeInACall(std::coroutine_handle<>* other, int n) {
    co_await Wait(n);
    const Tracked tracked(&alive_);
    other->resume();
    // This frame must still be there.
    co_return co_await Wait(-1);
  }

  // What() of the exception out of `task`, "" if there is none.
  template <typename T>
  static Task<std::string> Catch(Task<T> task) {
    std::string what;
    try {
      co_await std::move(task);
    } catch (const std::exception& e) {
      what = e.what();
    }
    co_return what;
  }

  template <typename T>
  static Task<> Discard(Task<T> task) {
    (void)co_await std::move(task);
  }

  std::map<int, Event> events_;
  int started_ = 0;
  int alive_ = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_GROUP_FIXTURE_H_
