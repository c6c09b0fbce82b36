// Internal to ioloop: what one read of a stream waits for.
#ifndef SQUALL_IOLOOP_READ_REQUEST_H_
#define SQUALL_IOLOOP_READ_REQUEST_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

namespace squall::internal {

// What is known of the octets behind those that a request looks at.
enum class Arrival : uint8_t {
  kSome,  // more may be there at once
  kAll,   // there are none now
  kEnd,   // there will never be any: the peer has ended its side
};

// One kind of read. Lives in the frame of the coroutine that awaits it.
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

  // `needs`: with fewer unread octets the read is not done before the stream ends. 0 also says that
  // Check() is to be asked, as it is when the stream cannot hold so many.
  explicit ReadRequest(size_t needs, bool has_room = false) : needs_(needs), has_room_(has_room) {}

  size_t needs() const { return needs_; }
  // `octets` is all that was received and not read, and has grown since the last call.
  virtual Answer Look(std::string_view octets, Arrival arrival) = 0;
  // After kNever: why.
  virtual absl::Status Failure() const { return absl::OkStatus(); }
  // Whether the read is legal at all, for a stream that holds up to `max_buffer_size` octets.
  virtual absl::Status Check(size_t max_buffer_size) const { return absl::OkStatus(); }

  // Memory of the user to receive into, behind `buffered` octets that are buffered already; empty
  // when there is none.
  std::span<char> Room(size_t buffered) {
    return has_room_ ? RoomBehind(buffered) : std::span<char>();
  }
  // `n` octets were received into Room().
  virtual void Received(size_t n) {}
  // What was received into Room(); the request forgets it.
  virtual std::string_view GiveBack(size_t buffered) { return {}; }

  void Settle(Answer answer) { answer_ = answer; }
  const Answer& answer() const { return answer_; }

 protected:
  ~ReadRequest() = default;

 private:
  virtual std::span<char> RoomBehind(size_t buffered) { return {}; }

  const size_t needs_;
  const bool has_room_;
  Answer answer_ = {Answer::Kind::kMore};
};

// `size` octets, or with `partial` up to so many.
class BytesRequest final : public ReadRequest {
 public:
  using Result = std::string;
  BytesRequest(size_t size, bool partial)
      : ReadRequest(partial ? std::min<size_t>(size, 1) : size), size_(size), partial_(partial) {}

  [[gnu::hot]] Answer Look(std::string_view octets, Arrival arrival) override;
  absl::Status Check(size_t max_buffer_size) const override;

 private:
  size_t size_;
  bool partial_;
};

// Up to and including a delimiter.
class UntilRequest final : public ReadRequest {
 public:
  using Result = std::string;
  UntilRequest(std::string delimiter, size_t max_bytes);

  [[gnu::hot]] Answer Look(std::string_view octets, Arrival arrival) override;
  absl::Status Failure() const override;
  absl::Status Check(size_t max_buffer_size) const override;

 private:
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

  Answer Look(std::string_view octets, Arrival arrival) override;
  absl::Status Failure() const override;
  // What the function threw.
  const std::exception_ptr& exception() const { return exception_; }

 private:
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

  Answer Look(std::string_view octets, Arrival arrival) override;
};

// All that is there, once that is at least so much; it stays there.
class PeekRequest final : public ReadRequest {
 public:
  using Result = std::string_view;
  explicit PeekRequest(size_t at_least) : ReadRequest(at_least), at_least_(at_least) {}

  [[gnu::hot]] Answer Look(std::string_view octets, Arrival arrival) override;
  absl::Status Check(size_t max_buffer_size) const override;

 private:
  size_t at_least_;
};

// Into memory of the user. What is buffered when the read starts is its beginning and stays in the
// buffer until the read is done; what comes goes behind it, straight into the memory.
class IntoRequest final : public ReadRequest {
 public:
  using Result = size_t;
  IntoRequest(std::span<char> memory, bool partial)
      : ReadRequest(std::min<size_t>(memory.size(), 1), /*has_room=*/true),
        memory_(memory),
        partial_(partial) {}

  [[gnu::hot]] Answer Look(std::string_view octets, Arrival arrival) override;
  void Received(size_t n) override { received_ += n; }
  std::string_view GiveBack(size_t buffered) override;

  char* memory() const { return memory_.data(); }

 private:
  [[gnu::hot]] std::span<char> RoomBehind(size_t buffered) override;

  std::span<char> memory_;
  size_t received_ = 0;
  bool partial_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_READ_REQUEST_H_
