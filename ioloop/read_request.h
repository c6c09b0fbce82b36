// Internal to ioloop: what one read of a stream waits for.
#ifndef SQUALL_IOLOOP_READ_REQUEST_H_
#define SQUALL_IOLOOP_READ_REQUEST_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

namespace squall::internal {

// What is known of the octets behind those that a request looks at.
enum class Arrival : uint8_t {
  kSome,  // more may be there at once
  kAll,   // there are none now
  kEnd,   // there will never be any: the peer has ended its side
};

// One kind of read. Lives in the frame of the coroutine that awaits it. Those that only count octets
// are asked without a virtual call.
class ReadRequest {
 public:
  struct Answer {
    enum class Kind : uint8_t {
      kTake,   // the read is done, with the first `size` octets
      kMore,   // it needs more of them
      kNever,  // it cannot be done any more, see Failure()
    };
    Kind kind;
    size_t size = 0;
  };

  // With fewer unread octets the read is not done before the stream ends. 0 also says that Check() is
  // to be asked, as it is when the stream cannot hold so many.
  size_t needs() const { return needs_; }
  // `octets` is all that was received and not read, and has grown since the last call.
  Answer Look(std::string_view octets, Arrival arrival) {
    if (!counts_) return Search(octets, arrival);
    const size_t got = octets.size() + received_;
    if (got < needs_) return {Answer::Kind::kMore};
    return {Answer::Kind::kTake, std::min(got, limit_)};
  }
  // Whether it is done with so many, as far as that can be said without looking at them; answer() says
  // what it takes.
  bool DoneByCount(size_t unread) {
    const size_t got = unread + received_;
    if (!counts_ || got < needs_) return false;
    answer_ = {Answer::Kind::kTake, std::min(got, limit_)};
    return true;
  }
  // After kNever: why.
  virtual absl::Status Failure() const { return absl::OkStatus(); }
  // Whether the read is legal at all, for a stream that holds up to `max_buffer_size` octets.
  virtual absl::Status Check(size_t max_buffer_size) const { return absl::OkStatus(); }

  // Memory of the user to receive into, behind `buffered` octets that are buffered already; empty
  // when there is none.
  std::span<char> Room(size_t buffered) const {
    if (memory_ == nullptr) return {};
    return std::span(memory_, limit_).subspan(buffered + received_);
  }
  // `n` octets were received into Room().
  void Received(size_t n) { received_ += n; }
  // What was received into Room(); the request forgets it.
  std::string_view GiveBack(size_t buffered) {
    if (received_ == 0) return {};
    return {memory_ + buffered, std::exchange(received_, 0)};
  }
  // The beginning of the user's memory.
  char* memory() const { return memory_; }

  void Settle(Answer answer) { answer_ = answer; }
  const Answer& answer() const { return answer_; }

 protected:
  // Done with `needs` octets, which takes up to `limit`; with `memory` of so many the octets go there.
  ReadRequest(size_t needs, size_t limit, char* memory)
      : needs_(needs), limit_(limit), memory_(memory), counts_(true) {}
  // Looks at them, see Search().
  explicit ReadRequest(size_t needs) : needs_(needs), limit_(0), memory_(nullptr), counts_(false) {}
  ~ReadRequest() = default;

 private:
  // As Look(), where the octets themselves matter.
  virtual Answer Search(std::string_view octets, Arrival arrival) { return {Answer::Kind::kNever}; }

  const size_t needs_;
  const size_t limit_;
  char* const memory_;
  size_t received_ = 0;
  Answer answer_ = {Answer::Kind::kMore};
  const bool counts_;
};

// `size` octets, or with `partial` up to so many.
class BytesRequest final : public ReadRequest {
 public:
  using Result = std::string;
  BytesRequest(size_t size, bool partial)
      : ReadRequest(partial ? std::min<size_t>(size, 1) : size, size, nullptr) {}

  absl::Status Check(size_t max_buffer_size) const override;
};

// Up to and including a delimiter.
class UntilRequest final : public ReadRequest {
 public:
  using Result = std::string;
  UntilRequest(std::string delimiter, size_t max_bytes);

  absl::Status Failure() const override;
  absl::Status Check(size_t max_buffer_size) const override;

 private:
  [[gnu::hot]] Answer Search(std::string_view octets, Arrival arrival) override;

  std::string delimiter_;
  size_t max_bytes_;
  size_t scanned_ = 0;  // Octets at the front in which no delimiter begins.
};

// Up to where a function of the user says.
class MatchRequest final : public ReadRequest {
 public:
  using Result = std::string;
  using Find = absl::AnyInvocable<std::optional<size_t>(std::string_view)>;
  MatchRequest(Find find, size_t max_bytes);

  absl::Status Failure() const override;
  // What the function threw.
  const std::exception_ptr& exception() const { return exception_; }

 private:
  Answer Search(std::string_view octets, Arrival arrival) override;

  Find find_;
  size_t max_bytes_;
  size_t next_look_ = 0;
  std::exception_ptr exception_;
};

// Up to the end of the stream.
class UntilCloseRequest final : public ReadRequest {
 public:
  using Result = std::string;
  UntilCloseRequest() : ReadRequest(0) {}

 private:
  Answer Search(std::string_view octets, Arrival arrival) override;
};

// All that is there, once that is at least so much; it stays there.
class PeekRequest final : public ReadRequest {
 public:
  using Result = std::string_view;
  explicit PeekRequest(size_t at_least)
      : ReadRequest(at_least, std::numeric_limits<size_t>::max(), nullptr) {}

  absl::Status Check(size_t max_buffer_size) const override;
};

// Into memory of the user. What is buffered when the read starts is its beginning and stays in the
// buffer until the read is done; what comes goes behind it, straight into the memory.
class IntoRequest final : public ReadRequest {
 public:
  using Result = size_t;
  IntoRequest(std::span<char> memory, bool partial)
      : ReadRequest(partial ? std::min<size_t>(memory.size(), 1) : memory.size(), memory.size(),
                    memory.data()) {}
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_READ_REQUEST_H_
