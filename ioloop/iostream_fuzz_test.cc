// Every form of read over any octets, cut anyhow and received through any buffer, against a model
// that has all the octets at once: the cuts must not change what the reads give. The input is the
// reads, a zero, and the octets.
//
//   bazel run --config=fuzz //ioloop:iostream_fuzz_test -- -max_total_time=300 DIR
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/race.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"

namespace squall {
namespace {

// Gives `octets` in pieces with nothing between them, then their end. Its descriptor is always
// readable.
class CutTransport : public Transport {
 public:
  // `seed` 0: all in one piece.
  CutTransport(std::string_view octets, uint32_t seed) : octets_(octets), state_(seed) { Cut(); }

  int fd() const override {
    static const int always_readable = ::eventfd(1, EFD_CLOEXEC);
    return always_readable;
  }
  ssize_t Read(char* data, size_t size) override {
    if (piece_ == 0 && !octets_.empty()) {
      Cut();
      errno = EAGAIN;
      return -1;
    }
    const size_t given = std::min(size, piece_);
    std::copy_n(octets_.data(), given, data);
    octets_.remove_prefix(given);
    piece_ -= given;
    return static_cast<ssize_t>(given);
  }
  ssize_t Write(const iovec*, int) override { return -1; }
  int ShutdownWrite() override { return 0; }
  bool short_read_drains() const override { return (state_ & 0x10000) != 0; }

 private:
  void Cut() {
    piece_ = octets_.size();
    if (state_ == 0) return;
    state_ = state_ * 1664525u + 1013904223u;
    piece_ = std::min<size_t>(piece_, 1 + (state_ >> 16) % ((state_ >> 30) == 0 ? 200 : 8));
  }

  std::string_view octets_;
  size_t piece_ = 0;
  uint32_t state_;
};

std::optional<size_t> EndOfFrame(std::string_view octets) {
  const size_t size = 1 + static_cast<unsigned char>(octets[0]) % 32;
  return octets.size() < size ? std::nullopt : std::optional(size);
}

// A stream and what it is to give.
struct Model {
  IOStream* stream;
  std::string_view rest;  // What was not read.
  size_t max_buffer_size;
  // The peer's end was reported,
  bool ended = false;
  // or may have been, to a read that was destroyed.
  bool may_have_ended = false;
};

// `expected` octets, or why not: the first failure that is not the end of the stream closes it in
// the middle. Returns whether reading may go on.
bool Compare(Model* model, const absl::Status& status, std::string_view got,
             absl::StatusOr<size_t> expected) {
  if (!expected.ok()) {
    CHECK(status.code() == expected.status().code()) << "a read failed in another way";
    model->ended |= absl::IsUnavailable(status);
    return absl::IsUnavailable(status);
  }
  CHECK(status.ok()) << "a read failed";
  CHECK(got == model->rest.substr(0, *expected)) << "a read gave something else";
  model->rest.remove_prefix(*expected);
  return true;
}

// Where a read ends that looks for an end: `end`, if there is one.
absl::StatusOr<size_t> ExpectEnd(const Model& model, size_t end, size_t max_bytes) {
  const size_t needed = std::min(end, model.rest.size());
  // Of the two limits the lower one counts.
  if (needed > max_bytes && max_bytes < model.max_buffer_size) return absl::OutOfRangeError("");
  if (needed > model.max_buffer_size && !model.ended) return absl::ResourceExhaustedError("");
  if (needed > max_bytes) return absl::OutOfRangeError("");
  if (end > model.rest.size()) return absl::UnavailableError("");
  return end;
}

absl::StatusOr<size_t> ExpectSize(const Model& model, size_t size) {
  if (size <= model.rest.size()) return size;
  return absl::UnavailableError("");
}

Task<> Pause(absl::Duration duration) { co_await Sleep(duration); }

Task<bool> ReadOnce(Model* model, uint8_t form, uint8_t parameter) {
  IOStream& stream = *model->stream;
  const size_t size = parameter;
  const size_t max_bytes = parameter % 4 == 3 ? 1 + parameter / 4 : IOStream::kUnlimited;
  switch (form % 9) {
    case 0: {
      const std::string delimiter = parameter % 2 == 0 ? "\n" : "ab";
      const size_t at = model->rest.find(delimiter);
      const size_t end = at == std::string_view::npos ? at : at + delimiter.size();
      absl::StatusOr<std::string> got = co_await stream.ReadUntil(delimiter, max_bytes);
      co_return Compare(model, got.status(), got.value_or(""), ExpectEnd(*model, end, max_bytes));
    }
    case 1: {
      absl::StatusOr<std::string> got = co_await stream.ReadBytes(size);
      if (size > model->max_buffer_size) {
        CHECK(absl::IsResourceExhausted(got.status())) << "ReadBytes above the buffer";
        co_return true;
      }
      co_return Compare(model, got.status(), got.value_or(""), ExpectSize(*model, size));
    }
    case 2: {
      absl::StatusOr<std::string> got = co_await stream.ReadBytes(size, ReadMode::kPartial);
      const size_t least = std::min<size_t>(size, 1);
      CHECK(!got.ok() || (got->size() >= least && got->size() <= size)) << "a partial read's size";
      const size_t given = got.ok() ? got->size() : least;
      co_return Compare(model, got.status(), got.value_or(""), ExpectSize(*model, given));
    }
    case 3: {
      const size_t end = model->rest.empty() ? std::string_view::npos
                                             : 1 + static_cast<uint8_t>(model->rest[0]) % 32;
      absl::StatusOr<std::string> got = co_await stream.ReadUntilMatch(EndOfFrame, max_bytes);
      co_return Compare(model, got.status(), got.value_or(""), ExpectEnd(*model, end, max_bytes));
    }
    case 4: {
      const auto memory = std::make_unique<char[]>(size);
      absl::StatusOr<size_t> got = co_await stream.ReadInto({memory.get(), size});
      co_return Compare(model, got.status(), {memory.get(), got.value_or(0)},
                        ExpectSize(*model, size));
    }
    case 5: {
      const auto memory = std::make_unique<char[]>(size);
      absl::StatusOr<size_t> got =
          co_await stream.ReadInto({memory.get(), size}, ReadMode::kPartial);
      const size_t least = std::min<size_t>(size, 1);
      CHECK(!got.ok() || (*got >= least && *got <= size)) << "a partial ReadInto's size";
      co_return Compare(model, got.status(), {memory.get(), got.value_or(0)},
                        ExpectSize(*model, got.value_or(least)));
    }
    case 6: {
      const size_t at_least = size % 16;
      absl::StatusOr<std::string_view> got = co_await stream.Peek(at_least);
      if (at_least > model->max_buffer_size) {
        CHECK(absl::IsResourceExhausted(got.status())) << "Peek above the buffer";
        co_return true;
      }
      if (!got.ok()) co_return Compare(model, got.status(), "", ExpectSize(*model, at_least));
      CHECK(got->size() >= at_least && *got == model->rest.substr(0, got->size())) << "Peek";
      const size_t consumed = std::min<size_t>(size / 16, got->size());
      stream.Consume(consumed);
      model->rest.remove_prefix(consumed);
      co_return true;
    }
    case 7: {
      // A read that cannot be done, destroyed after a few turns. What it gives back may be more than
      // a small buffer holds.
      if (model->max_buffer_size < 1000) co_return true;
      const auto memory = std::make_unique<char[]>(model->rest.size() + 1);
      auto first = co_await Race(stream.ReadInto({memory.get(), model->rest.size() + 1}),
                                 Pause(absl::Microseconds(parameter % 4)));
      model->ended |= first.index() == 0;
      model->may_have_ended = true;
      co_return true;
    }
    default: {
      absl::StatusOr<std::string> got = co_await stream.ReadUntilClose();
      if (absl::IsUnavailable(got.status())) {
        CHECK((model->ended || model->may_have_ended) && model->rest.empty())
            << "ReadUntilClose failed";
        co_return false;
      }
      co_return Compare(model, got.status(), got.value_or(""),
                        ExpectEnd(*model, model->rest.size(), IOStream::kUnlimited)) &&
          false;
    }
  }
}

Task<> ReadAll(std::string_view reads, std::string_view octets, uint32_t seed,
               IOStreamOptions options) {
  IOStream stream(std::make_unique<CutTransport>(octets, seed), options);
  Model model{&stream, octets, options.max_buffer_size};
  while (reads.size() >= 2) {
    const bool go_on = co_await ReadOnce(&model, reads[0], reads[1]);
    if (!go_on && !model.ended) co_return;
    reads.remove_prefix(2);
  }
}

void Check(std::string_view input) {
  if (input.size() < 2) return;
  const auto choice = static_cast<uint8_t>(input[0]);
  const uint32_t seed = static_cast<uint8_t>(input[1]) + 1;
  input.remove_prefix(2);
  constexpr size_t kBuffers[] = {1, 16, 100, 1 << 20};
  constexpr size_t kChunks[] = {1, 7, 64 << 10};
  const IOStreamOptions options = {.max_buffer_size = kBuffers[choice % 4],
                                   .read_chunk_size = kChunks[choice / 4 % 3]};
  size_t end_of_reads = 0;
  while (end_of_reads + 1 < input.size() && input[end_of_reads] != 0) end_of_reads += 2;
  const std::string_view reads = input.substr(0, end_of_reads);
  const std::string_view octets = input.substr(std::min(input.size(), end_of_reads + 1));
  for (const uint32_t cut : {uint32_t{0}, seed, seed * 2654435761u}) {
    const absl::Status status =
        IOLoop::Current().RunSync(ReadAll(reads, octets, cut, options), absl::Seconds(20));
    CHECK(status.ok()) << "a read never ended";
  }
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
