// One end of a pipe as an IOStream: a program's output, a FIFO, a log pipe.
//
//   int ends[2];
//   if (::pipe2(ends, O_CLOEXEC) != 0) return squall::StatusFromErrno(errno, "pipe2");
//   squall::PipeStream reader(squall::UniqueFd{ends[0]});
//   squall::PipeStream writer(squall::UniqueFd{ends[1]});
//   absl::Status written = co_await writer.Write("hello\n");
//   absl::StatusOr<std::string> line = co_await reader.ReadUntil("\n");
//
// All of iostream.h holds, but that a pipe has one direction: a read from the write end finds the
// end of the stream at once, a write to the read end fails, and both close the stream. A write to a
// pipe that nobody reads any more fails without SIGPIPE, whatever the process does with that
// signal.
//
// Source: tornado.iostream.PipeIOStream; pipe(7).
#ifndef SQUALL_IOLOOP_PIPE_STREAM_H_
#define SQUALL_IOLOOP_PIPE_STREAM_H_

#include "squall/base/unique_fd.h"
#include "squall/ioloop/iostream.h"

namespace squall {

class PipeStream : public IOStream {
 public:
  // Owns `pipe`: an end of a pipe, a FIFO or a terminal; a regular file cannot be waited for, and
  // its stream closes when it would have to. Sets O_NONBLOCK, which every process sees that shares
  // this end.
  explicit PipeStream(UniqueFd pipe, IOStreamOptions options = {});
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_PIPE_STREAM_H_
