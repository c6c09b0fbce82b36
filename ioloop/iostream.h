// A connected socket for coroutines: read until a delimiter, read so many octets, parse in place,
// write with back-pressure.
//
//   squall::Task<> Echo(squall::UniqueFd connection) {
//     squall::IOStream stream(std::move(connection));
//     while (true) {
//       absl::StatusOr<std::string> line = co_await stream.ReadUntil("\n", 4096);
//       if (!line.ok()) co_return;  // the peer left, or the line was too long
//       absl::Status written = co_await stream.Write(*std::move(line));
//       if (!written.ok()) co_return;
//     }
//   }
//
// Nothing is read from the socket while nobody reads from the stream, so a slow reader slows its
// peer. The peer's end of stream ends reading only: what is still to be written is written. After
// an error or Close() what has been received already can be read. Belongs to the loop of the thread
// that made it. What is returned here may outlive the stream, it then fails with CANCELLED. It may
// also be destroyed while it waits, by WithTimeout, WithStop or Race: what a read had received stays
// in the stream for the next one, what a write had queued is still written.
//
// Errors: UNAVAILABLE the peer closed the stream, or is gone (ECONNRESET, EPIPE, EHOSTUNREACH);
// DEADLINE_EXCEEDED it does not answer any more (ETIMEDOUT: keepalive, TCP_USER_TIMEOUT);
// OUT_OF_RANGE no delimiter within max_bytes; RESOURCE_EXHAUSTED a buffer limit;
// FAILED_PRECONDITION a second read at a time, a write after CloseWrite; CANCELLED the stream was
// closed here; the status given to Close(); else what StatusFromErrno makes of recv and send
// (base/status.h). ErrnoFromStatus gives the errno.
//
// Source: tornado.iostream.IOStream, reference/tornado.md 1.4, but for the half-closed peer.
#ifndef SQUALL_IOLOOP_IOSTREAM_H_
#define SQUALL_IOLOOP_IOSTREAM_H_

#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/local_ptr.h"
#include "squall/ioloop/read_request.h"
#include "squall/ioloop/stream_read.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"

namespace squall {

// What a stream does when the peer has ended its side and a read has come to that end.
enum class OnPeerEof {
  // The stream closes itself when all is written, and calls the close callback. Tornado's way.
  kClose,
  // The stream stays writable until Close() or an error, for peers that say nothing more and wait
  // for an answer.
  kKeepWriting,
};

struct IOStreamOptions {
  // Received octets held for reads; more is needed for a read → RESOURCE_EXHAUSTED, and the stream
  // closes.
  size_t max_buffer_size = 1 << 20;
  // Octets asked for with one recv; at most half of max_buffer_size is used, and at most 64 KiB.
  size_t read_chunk_size = 64 << 10;
  // Octets that may wait to be sent; a Write above it → RESOURCE_EXHAUSTED, nothing of it is
  // written.
  std::optional<size_t> max_write_buffer_size = std::nullopt;
  OnPeerEof on_peer_eof = OnPeerEof::kClose;
};

enum class ReadMode {
  kExact,    // exactly n octets
  kPartial,  // at least one, at most n: what is there
};

class IOStream {
 public:
  static constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

  // Owns the socket. Uses IOLoop::Current().
  explicit IOStream(UniqueFd connected_socket, IOStreamOptions options = {});
  explicit IOStream(std::unique_ptr<Transport> transport, IOStreamOptions options = {});
  // A moved-from stream may only be assigned to or destroyed.
  IOStream(IOStream&&) noexcept;
  IOStream& operator=(IOStream&&) noexcept;
  // Closes without calling the close callback; tasks that wait on the stream fail with CANCELLED.
  ~IOStream();

  // What reads return: to be awaited, or given to WithTimeout, WithStop, Gather, Race or RunSync, as a
  // Task of absl::StatusOr<std::string>, of absl::StatusOr<size_t> for ReadInto and of
  // absl::StatusOr<std::string_view> for Peek, and to become one where a Task is to be kept. Unlike a
  // Task it needs no coroutine of its own. Lazy: nothing is read before it is awaited.
  template <typename Request>
  using Read = internal::StreamRead<Request>;

  // Everything up to and including `delimiter`, which must not be empty. When that is more than
  // `max_bytes`, the delimiter included, OUT_OF_RANGE, and the stream closes, also if the delimiter
  // is there already. One read at a time: FAILED_PRECONDITION otherwise, and the stream stays as it
  // is.
  Read<internal::UntilRequest> ReadUntil(std::string delimiter, size_t max_bytes = kUnlimited);
  // `n` octets, or with kPartial at least one. `n` = 0 gives "" at once, on a closed stream too.
  // RESOURCE_EXHAUSTED if an exact `n` can never fit into max_buffer_size; the stream stays as it
  // is.
  Read<internal::BytesRequest> ReadBytes(size_t n, ReadMode mode = ReadMode::kExact);
  // Everything up to the end of the stream.
  Read<internal::UntilCloseRequest> ReadUntilClose();

  // Everything up to where `find` says, for ends that are no fixed text: it gets all that there is,
  // at least one octet, and returns how many of them the read gives, or nullopt for "not yet". More than
  // `max_bytes` is OUT_OF_RANGE, as in ReadUntil. Called whenever there are no more octets for now,
  // and meanwhile each time they have doubled. What it throws leaves through the co_await. It may
  // close this stream, and must not read or write any.
  // read_until_regex.h is ReadUntilMatch for regular expressions.
  using FindEnd = absl::AnyInvocable<std::optional<size_t>(std::string_view octets)>;
  Read<internal::MatchRequest> ReadUntilMatch(FindEnd find, size_t max_bytes = kUnlimited);

  // Fills `memory`, or with kPartial receives at least one octet into it; returns how many. The
  // octets go straight from the socket to their place, and max_buffer_size does not limit them.
  // `memory` must outlive the Task. If the read fails or the Task is destroyed before it is done,
  // what it had received goes back into the stream, which may then hold more than max_buffer_size.
  Read<internal::IntoRequest> ReadInto(std::span<char> memory, ReadMode mode = ReadMode::kExact);

  // All that is received and not read yet, in place, once that is at least so much: for parsers
  // that copy nothing. The octets stay unread until Consume. The view is valid until the next read,
  // Peek or Consume, also when the stream is closed meanwhile, and while the IOStream lives.
  // UNAVAILABLE when the peer ended before `at_least`: what came is there for a smaller one.
  // RESOURCE_EXHAUSTED above max_buffer_size; the stream stays as it is.
  Read<internal::PeekRequest> Peek(size_t at_least = 1);
  // Counts the first `n` octets of what Peek has shown as read. Aborts if there are fewer, or while
  // a read is pending.
  void Consume(size_t n);

  // Writes in this call what the socket takes and queues the rest; the data are under way whether
  // or not the Task is awaited. The Task is done when all of it is handed to the kernel, which is
  // the back-pressure.
  Task<absl::Status> Write(std::string data);
  // As Write of all `parts` one after the other, with one system call for up to 64 of them and no
  // copy.
  Task<absl::Status> Writev(std::vector<std::string> parts);
  // As Writev, but what is not written in this call stays where it is: the octets must live, and not
  // change, until the Task is done or destroyed. Destroyed before it is done, it copies what is left.
  // The span itself is not needed after the call.
  Task<absl::Status> WriteBorrowed(std::span<const std::string_view> parts);
  Task<absl::Status> WriteBorrowed(std::string_view octets);

  // Tells the peer that nothing more will be written, after all that is queued; reading goes on.
  // Writes fail with FAILED_PRECONDITION from now on. The Task is done when the end is handed to the
  // kernel, which happens whether or not it is awaited. On a pipe, which has one direction, it is
  // Close() after all that is queued. Harmless when called again.
  Task<absl::Status> CloseWrite();

  // Gives up the socket, which stays open, for another protocol from here on, such as TLS after
  // STARTTLS:
  //
  //   absl::StatusOr<UniqueFd> socket = stream.Detach();
  //   if (!socket.ok()) co_return socket.status();
  //   stream = IOStream(MakeTlsTransport(*std::move(socket), context));
  //
  // The stream is closed then; the close callback is not called. FAILED_PRECONDITION, and the stream
  // stays as it is, while a read or a write is pending, when it is closed or not a plain socket, or
  // when octets are received that nobody has read: they belong to the old protocol, or to somebody
  // who wants them taken for the new one. Source: Tornado's start_tls.
  absl::StatusOr<UniqueFd> Detach();

  // Runs `callback` once on the loop after the stream was closed, from here or by the peer. After an
  // orderly end of the peer that is when the octets received before were read; after an error or
  // Close() it is at once. While there is a callback, an idle stream notices that its peer closed.
  void SetCloseCallback(absl::AnyInvocable<void()> callback);

  // Closes the socket at once; unwritten octets are dropped. Pending tasks fail with `why`, or
  // CANCELLED for OK, in the next iteration. Harmless when closed.
  void Close(absl::Status why = absl::OkStatus());
  bool closed() const;
  // Why the stream is closed; OK while it is open, and after a Close() without a reason.
  absl::Status close_status() const;

  // A read, or unwritten octets, are pending.
  bool reading() const;
  bool writing() const;

  // -1 when closed. The descriptor stays the stream's.
  int fd() const;
  // What it reads and writes, for TlsTransport::From(). Null when closed.
  const Transport* transport() const;

  // TCP_NODELAY; nothing on sockets that are not TCP.
  void set_nodelay(bool nodelay);

 private:
  internal::LocalPtr<internal::StreamState> state_;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_IOSTREAM_H_
