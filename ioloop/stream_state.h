// Internal to ioloop: the state behind an IOStream, shared with the coroutines that wait on it.
#ifndef SQUALL_IOLOOP_STREAM_STATE_H_
#define SQUALL_IOLOOP_STREAM_STATE_H_

#include <sys/epoll.h>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/read_buffer.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"
#include "squall/ioloop/write_queue.h"

namespace squall::internal {

// What a read waits for.
struct ReadRequest {
  enum class Kind { kUntil, kExact, kPartial, kUntilClose };

  Kind kind;
  size_t size = 0;             // Of kExact and kPartial.
  std::string delimiter = {};  // Of kUntil,
  size_t max_bytes = 0;        // as this is.
  // Octets at the front of the buffer in which no delimiter begins.
  size_t scanned = 0;
};

class StreamState : public std::enable_shared_from_this<StreamState> {
 public:
  StreamState(std::unique_ptr<Transport> transport, IOStreamOptions options);
  StreamState(const StreamState&) = delete;
  StreamState& operator=(const StreamState&) = delete;
  ~StreamState();

  static Task<absl::StatusOr<std::string>> Read(std::shared_ptr<StreamState> state,
                                                ReadRequest request);
  Task<absl::Status> Write(std::string data);
  void SetCloseCallback(absl::AnyInvocable<void()> callback);
  void Close(absl::Status why);
  // The IOStream is gone.
  void Abandon();

  bool closed() const { return transport_ == nullptr; }
  const absl::Status& close_status() const { return close_status_; }
  bool reading() const { return reading_; }
  bool writing() const { return !out_.empty(); }
  int fd() const { return closed() ? -1 : transport_->fd(); }
  const Transport* transport() const { return transport_.get(); }

 private:
  enum class FillResult { kData, kWouldBlock, kEnd, kFull };

  // Suspends the reader until the socket has something to say or the stream is closed.
  class ReadableAwaiter;
  // Suspends a writer until `target` octets are written or the stream is closed.
  class FlushedAwaiter;
  class ReadingScope;

  static Task<absl::Status> WaitFlushed(std::shared_ptr<StreamState> state, uint64_t target);

  absl::StatusOr<std::optional<std::string>> TakeFromBuffer(ReadRequest& request);
  absl::StatusOr<std::optional<std::string>> TakeUntil(ReadRequest& request);
  absl::Status EndOfReading() const;
  FillResult Fill();
  FillResult ProbeEnd();
  void FillAll();
  void AfterRead();
  void ReportEof();
  void Flush();

  void OnEvents(uint32_t events);
  void OnHangUp(uint32_t events);
  void UpdateInterest(bool drop_read = false);
  void Unregister();

  void PostReader();
  void ResumeReader();
  void ResumeWriters();
  void ScheduleCloseNotice();
  void NotifyClosed();

  IOLoop* const loop_;
  const IOStreamOptions options_;
  std::unique_ptr<Transport> transport_;  // Null when closed.
  absl::Status close_status_;

  ReadBuffer in_;
  bool reading_ = false;
  std::coroutine_handle<> reader_;  // The read that waits for the socket.
  bool reader_posted_ = false;      // It goes on in the loop's next turn.
  int fills_ = 0;                   // Calls of recv since the loop last had its turn.
  bool eof_ = false;                // The peer's end was received,
  bool eof_reported_ = false;       // and the user has come to it.

  WriteQueue out_;
  std::vector<FlushedAwaiter*> writers_;

  // What epoll knows of the descriptor.
  bool registered_ = false;
  uint32_t registered_events_ = 0;
  // Both directions are dead. epoll would report that for ever, so the descriptor is out of it for
  // good.
  bool hung_up_ = false;
  // The peer's end is known but lies behind more octets than the buffer takes.
  bool peer_close_muted_ = false;

  absl::AnyInvocable<void()> close_callback_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_STREAM_STATE_H_
