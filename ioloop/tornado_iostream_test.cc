// The unit tests of tornado/test/iostream_test.py on streams over TCP, unix sockets, pipes and TLS,
// by their names: TestReadWriteMixin on all four, TestIOStreamMixin on sockets. Where they differ it
// says why. The rest is in the table of docs/tornado-compat.md.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/status.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/handshake.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/pipe_stream.h"
#include "squall/ioloop/read_until_regex.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_options.h"
#include "squall/ioloop/tls_server_context.h"
#include "squall/ioloop/tls_test_certificates.h"
#include "squall/ioloop/tls_transport.h"
#include "squall/ioloop/transport.h"

namespace squall {
namespace {

using internal::Family;
using internal::MakePair;
using internal::Pattern;

enum class Kind { kTcp, kUnix, kPipe, kTls };

std::string KindName(const testing::TestParamInfo<Kind>& info) {
  switch (info.param) {
    case Kind::kTcp:
      return "Tcp";
    case Kind::kUnix:
      return "Unix";
    case Kind::kPipe:
      return "Pipe";
    case Kind::kTls:
      return "Tls";
  }
  return "";
}

// How a read that runs beside the test has ended.
template <typename T>
struct Reading {
  std::optional<absl::StatusOr<T>> result;
  bool done() const { return result.has_value(); }
};

template <typename T>
Task<> Await(Task<absl::StatusOr<T>> task, std::shared_ptr<Reading<T>> reading) {
  absl::StatusOr<T> result = co_await std::move(task);
  reading->result = std::move(result);
}

class TestReadWriteMixin : public testing::TestWithParam<Kind> {
 protected:
  static constexpr absl::Duration kDeadline = absl::Seconds(20);

  TestReadWriteMixin() { Make(); }
  ~TestReadWriteMixin() override {
    rs_.reset();
    ws_.reset();
    IOLoop::ClearCurrent();
  }

  // make_iostream_pair: a reader rs_ and a writer ws_.
  void Make(IOStreamOptions options = {}) {
    if (GetParam() == Kind::kPipe) {
      int ends[2];
      ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
      rs_ = std::make_unique<PipeStream>(UniqueFd(ends[0]), options);
      ws_ = std::make_unique<PipeStream>(UniqueFd(ends[1]), options);
      return;
    }
    if (GetParam() == Kind::kTls) return MakeTls(options);
    auto [here, there] = MakePair(GetParam() == Kind::kTcp ? Family::kTcp : Family::kUnix);
    rs_ = std::make_unique<IOStream>(std::move(here), options);
    ws_ = std::make_unique<IOStream>(std::move(there), options);
  }

  // TestIOStreamSSL and TestIOStreamSSLContext: the server reads, as there.
  void MakeTls(IOStreamOptions options) {
    static const std::shared_ptr<const TlsServerContext> server = *TlsServerContext::Create(
        {.certificates = {internal::TestAuthority("any").Issue().Write("iostream")}});
    static const std::shared_ptr<TlsClientContext> client =
        *TlsClientContext::Create({.verification = TlsVerification::kNone});
    auto [here, there] = MakePair(Family::kTcp);
    std::unique_ptr<Transport> reader = MakeTlsTransport(std::move(here), server);
    std::unique_ptr<Transport> writer = MakeTlsTransport(std::move(there), client, "localhost");
    ASSERT_THAT(loop_.RunSync(ShakeHands(reader.get(), writer.get()), kDeadline), IsOk());
    rs_ = std::make_unique<IOStream>(std::move(reader), options);
    ws_ = std::make_unique<IOStream>(std::move(writer), options);
  }
  static Task<absl::Status> ShakeHands(Transport* one, Transport* other) {
    auto [of_one, of_other] = co_await Gather(Handshake(one), Handshake(other));
    co_return of_one.ok() ? of_other : of_one;
  }

  template <TaskLike T>
  auto Run(T task) {
    return loop_.RunSync(std::move(task), kDeadline);
  }

  // A future: the read runs beside the test.
  template <TaskLike A, typename T = typename A::value_type::value_type>
  std::shared_ptr<Reading<T>> Begin(A task) {
    auto reading = std::make_shared<Reading<T>>();
    loop_.Spawn(Await<T>(std::move(task), reading));
    return reading;
  }

  template <typename T>
  absl::StatusOr<T> End(const std::shared_ptr<Reading<T>>& reading) {
    WaitFor([&] { return reading->done(); });
    return reading->done() ? *std::move(reading->result) : absl::DeadlineExceededError("pending");
  }

  // Writes beside the test.
  void Write(std::string text) { loop_.Spawn(Forget(ws_->Write(std::move(text)))); }
  static Task<> Forget(Task<absl::Status> task) {
    const absl::Status status = co_await std::move(task);
    status.IgnoreError();
  }

  template <typename Condition>
  void WaitFor(Condition condition) {
    const MonotonicTime give_up = Clock::Real().Now() + kDeadline;
    while (!condition()) {
      ASSERT_LT(Clock::Real().Now(), give_up);
      Turn();
    }
  }
  void Turn() { ASSERT_THAT(loop_.RunSync(OneTurn()), IsOk()); }
  static Task<> OneTurn() { co_await Sleep(absl::Milliseconds(1)); }

  void WatchClose() {
    closed_ = false;
    rs_->SetCloseCallback([this] { closed_ = true; });
  }
  void WaitClosed() {
    WaitFor([this] { return closed_; });
  }

  IOLoop& loop_ = IOLoop::Current();
  std::unique_ptr<IOStream> rs_;
  std::unique_ptr<IOStream> ws_;
  bool closed_ = false;
};

INSTANTIATE_TEST_SUITE_P(Streams, TestReadWriteMixin,
                         testing::Values(Kind::kTcp, Kind::kUnix, Kind::kPipe, Kind::kTls),
                         KindName);

TEST_P(TestReadWriteMixin, test_write_zero_bytes) {
  EXPECT_THAT(Run(ws_->Write("")), IsOk());
  EXPECT_FALSE(ws_->writing());
}

TEST_P(TestReadWriteMixin, test_future_delayed_close_callback) {
  Write("12");
  EXPECT_THAT(Run(rs_->ReadBytes(1)), IsOkAndHolds("1"));
  ws_->Close();
  EXPECT_THAT(Run(rs_->ReadBytes(1)), IsOkAndHolds("2"));
}

TEST_P(TestReadWriteMixin, test_close_buffered_data) {
  Make({.read_chunk_size = 256});
  Write(std::string(512, 'A'));
  EXPECT_THAT(Run(rs_->ReadBytes(256)), IsOkAndHolds(std::string(256, 'A')));
  ws_->Close();
  Turn();
  EXPECT_THAT(Run(rs_->ReadBytes(256)), IsOkAndHolds(std::string(256, 'A')));
}

TEST_P(TestReadWriteMixin, test_read_until_close_after_close) {
  Write("1234");
  EXPECT_THAT(Run(rs_->ReadBytes(1)), IsOkAndHolds("1"));
  ws_->Close();
  EXPECT_THAT(Run(rs_->ReadUntilClose()), IsOkAndHolds("234"));
}

TEST_P(TestReadWriteMixin, test_large_read_until) {
  Make({.max_buffer_size = 8 << 20});
  constexpr size_t kKilobytes = 4096;
  for (size_t i = 0; i < kKilobytes; ++i) Write(std::string(1024, 'A'));
  Write("\r\n");
  const absl::StatusOr<std::string> data = Run(rs_->ReadUntil("\r\n"));
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->size(), kKilobytes * 1024 + 2);
}

TEST_P(TestReadWriteMixin, test_read_until_with_close_after_second_packet) {
  auto rf = Begin(rs_->ReadUntil("done"));
  EXPECT_THAT(Run(ws_->Write(std::string(2048, 'x'))), IsOk());
  Turn();
  Write("done");
  ws_->Close();
  EXPECT_THAT(End(rf), IsOkAndHolds(std::string(2048, 'x') + "done"));
}

TEST_P(TestReadWriteMixin, test_read_until_unsatisfied_after_close) {
  auto rf = Begin(rs_->ReadUntil("done"));
  EXPECT_THAT(Run(ws_->Write(std::string(2048, 'x'))), IsOk());
  Write("foo");
  ws_->Close();
  EXPECT_THAT(End(rf), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(TestReadWriteMixin, test_close_callback_with_pending_read) {
  WatchClose();
  Write("OK\r\n");
  EXPECT_THAT(Run(rs_->ReadUntil("\r\n")), IsOkAndHolds("OK\r\n"));
  ws_->Close();
  auto pending = Begin(rs_->ReadUntil("\r\n"));
  WaitClosed();
  EXPECT_THAT(End(pending), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(TestReadWriteMixin, test_future_close_callback) {
  WatchClose();
  Write("a");
  EXPECT_THAT(Run(rs_->ReadBytes(1)), IsOkAndHolds("a"));
  EXPECT_FALSE(closed_);
  ws_->Close();
  WaitClosed();
}

// A memoryview is a view of memory of the user.
TEST_P(TestReadWriteMixin, test_write_memoryview) {
  auto fut = Begin(rs_->ReadBytes(4));
  const std::string_view hello = "hello";
  EXPECT_THAT(Run(ws_->WriteBorrowed({&hello, 1})), IsOk());
  EXPECT_THAT(End(fut), IsOkAndHolds("hell"));
}

TEST_P(TestReadWriteMixin, test_read_bytes_partial) {
  auto fut = Begin(rs_->ReadBytes(50, ReadMode::kPartial));
  Write("hello");
  EXPECT_THAT(End(fut), IsOkAndHolds("hello"));
  fut = Begin(rs_->ReadBytes(3, ReadMode::kPartial));
  Write("world");
  EXPECT_THAT(End(fut), IsOkAndHolds("wor"));
  EXPECT_THAT(Run(rs_->ReadBytes(0, ReadMode::kPartial)), IsOkAndHolds(""));
}

// The same three of read_until and read_until_regex.
class MaxBytes {
 public:
  using Read = Task<absl::StatusOr<std::string>> (*)(IOStream&, size_t);
  static Task<absl::StatusOr<std::string>> Until(IOStream& stream, size_t max_bytes) {
    return stream.ReadUntil("def", max_bytes);
  }
  static Task<absl::StatusOr<std::string>> UntilRegex(IOStream& stream, size_t max_bytes) {
    return ReadUntilRegex(stream, "def", max_bytes);
  }
};

class TestMaxBytes : public TestReadWriteMixin {
 protected:
  void Works(MaxBytes::Read read) {
    WatchClose();
    auto fut = Begin(read(*rs_, 50));
    Write("abcdef");
    EXPECT_THAT(End(fut), IsOkAndHolds("abcdef"));
    fut = Begin(read(*rs_, 6));
    Write("abcdef");
    EXPECT_THAT(End(fut), IsOkAndHolds("abcdef"));
    fut = Begin(read(*rs_, 5));
    Write("123456");
    EXPECT_THAT(End(fut), StatusIs(absl::StatusCode::kOutOfRange));
    WaitClosed();
  }
  void FailsInline(MaxBytes::Read read, std::string text) {
    WatchClose();
    Write(std::move(text));
    EXPECT_THAT(Run(read(*rs_, 5)), StatusIs(absl::StatusCode::kOutOfRange));
    WaitClosed();
  }
};

INSTANTIATE_TEST_SUITE_P(Streams, TestMaxBytes,
                         testing::Values(Kind::kTcp, Kind::kUnix, Kind::kPipe), KindName);

TEST_P(TestMaxBytes, test_read_until_max_bytes) { Works(MaxBytes::Until); }
TEST_P(TestMaxBytes, test_read_until_max_bytes_inline) { FailsInline(MaxBytes::Until, "123456"); }
TEST_P(TestMaxBytes, test_read_until_max_bytes_ignores_extra) {
  FailsInline(MaxBytes::Until, "abcdef");
}
TEST_P(TestMaxBytes, test_read_until_regex_max_bytes) { Works(MaxBytes::UntilRegex); }
TEST_P(TestMaxBytes, test_read_until_regex_max_bytes_inline) {
  FailsInline(MaxBytes::UntilRegex, "123456");
}
TEST_P(TestMaxBytes, test_read_until_regex_max_bytes_ignores_extra) {
  FailsInline(MaxBytes::UntilRegex, "abcdef");
}

TEST_P(TestReadWriteMixin, test_small_reads_from_large_buffer) {
  Make({.max_buffer_size = 10 * 1024});
  Write(std::string(100 * 1024, 'a'));
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(Run(rs_->ReadBytes(1024)), IsOkAndHolds(std::string(1024, 'a')));
  }
}

TEST_P(TestReadWriteMixin, test_small_read_untils_from_large_buffer) {
  Make({.max_buffer_size = 10 * 1024});
  const std::string line = std::string(1023, 'a') + "\n";
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += line;
  Write(lines);
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(Run(rs_->ReadUntil("\n", 4096)), IsOkAndHolds(line));
  }
}

TEST_P(TestReadWriteMixin, test_flow_control) {
  constexpr size_t kMB = 1 << 20;
  Make({.max_buffer_size = 5 * kMB});
  Write(std::string(10 * kMB, 'a'));
  EXPECT_THAT(Run(rs_->ReadBytes(kMB)), IsOkAndHolds(testing::SizeIs(kMB)));
  Turn();
  EXPECT_TRUE(ws_->writing());
  for (int i = 0; i < 9; ++i) {
    EXPECT_THAT(Run(rs_->ReadBytes(kMB)), IsOkAndHolds(testing::SizeIs(kMB)));
  }
}

TEST_P(TestReadWriteMixin, test_read_into) {
  std::string buf(10, '\0');
  auto fut = Begin(rs_->ReadInto(buf));
  Write("hello");
  Turn();
  EXPECT_TRUE(rs_->reading());
  Write("world!!");
  EXPECT_THAT(End(fut), IsOkAndHolds(10u));
  EXPECT_FALSE(rs_->reading());
  EXPECT_EQ(buf, "helloworld");
  // What the stream has goes into the buffer of the user.
  fut = Begin(rs_->ReadInto(buf));
  Turn();
  EXPECT_TRUE(rs_->reading());
  Write("1234567890");
  EXPECT_THAT(End(fut), IsOkAndHolds(10u));
  EXPECT_FALSE(rs_->reading());
  EXPECT_EQ(buf, "!!12345678");
  // It can do at once.
  buf.resize(4);
  Write("abcdefghi");
  EXPECT_THAT(Run(rs_->ReadInto(buf)), IsOkAndHolds(4u));
  EXPECT_EQ(buf, "90ab");
  EXPECT_THAT(Run(rs_->ReadBytes(7)), IsOkAndHolds("cdefghi"));
}

TEST_P(TestReadWriteMixin, test_read_into_partial) {
  std::string buf(10, '\0');
  auto fut = Begin(rs_->ReadInto(buf, ReadMode::kPartial));
  Write("hello");
  EXPECT_THAT(End(fut), IsOkAndHolds(5u));
  EXPECT_FALSE(rs_->reading());
  EXPECT_EQ(buf, std::string("hello\0\0\0\0\0", 10));
  // All of it although it would do with less.
  Write("world!1234567890");
  EXPECT_THAT(Run(rs_->ReadInto(buf, ReadMode::kPartial)), IsOkAndHolds(10u));
  EXPECT_EQ(buf, "world!1234");
  EXPECT_THAT(Run(rs_->ReadInto(buf, ReadMode::kPartial)), IsOkAndHolds(6u));
  EXPECT_EQ(buf, "5678901234");
}

TEST_P(TestReadWriteMixin, test_read_into_zero_bytes) {
  EXPECT_THAT(Run(rs_->ReadInto({})), IsOkAndHolds(0u));
}

Task<absl::Status> Produce(IOStream* stream, std::string text) {
  std::minstd_rand random(42);
  for (size_t at = 0; at < text.size();) {
    const size_t size = std::min<size_t>(text.size() - at, 1 + random() % 1000);
    absl::Status written = co_await stream->Write(text.substr(at, size));
    if (!written.ok()) co_return written;
    at += size;
  }
  co_return absl::OkStatus();
}

Task<std::string> Consume(IOStream* stream, size_t size) {
  std::minstd_rand random(43);
  std::string all;
  while (all.size() < size) {
    const size_t next = std::min<size_t>(size - all.size(), 1 + random() % 1000);
    if (random() % 2 == 0) {
      absl::StatusOr<std::string> data = co_await stream->ReadBytes(next);
      if (!data.ok()) break;
      all += *data;
    } else {
      std::string buf(next, '\0');
      absl::StatusOr<size_t> n = co_await stream->ReadInto(buf);
      if (!n.ok() || *n != next) break;
      all += buf;
    }
  }
  co_return all;
}

TEST_P(TestReadWriteMixin, test_many_mixed_reads) {
  const std::string text = Pattern(1'000'000);
  auto both = Run(Gather(Produce(ws_.get(), text), Consume(rs_.get(), text.size())));
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(std::get<0>(*both), IsOk());
  EXPECT_TRUE(std::get<1>(*both) == text);
}

// On sockets only.
class TestIOStreamMixin : public TestReadWriteMixin {};

INSTANTIATE_TEST_SUITE_P(Streams, TestIOStreamMixin, testing::Values(Kind::kTcp, Kind::kUnix),
                         KindName);

// The error is caused by the descriptor, not by a mock.
TEST_P(TestIOStreamMixin, test_read_until_close_with_error) {
  ASSERT_EQ(::dup3(UniqueFd(::open("/", O_RDONLY | O_CLOEXEC)).get(), rs_->fd(), O_CLOEXEC),
            rs_->fd());
  EXPECT_EQ(ErrnoFromStatus(Run(rs_->ReadUntilClose()).status()), ENOTSOCK);
  EXPECT_TRUE(rs_->closed());
}

TEST_P(TestIOStreamMixin, test_inline_read_error) {
  ASSERT_EQ(::dup3(UniqueFd(::open("/", O_RDONLY | O_CLOEXEC)).get(), rs_->fd(), O_CLOEXEC),
            rs_->fd());
  EXPECT_EQ(ErrnoFromStatus(Run(rs_->ReadBytes(1)).status()), ENOTSOCK);
}

// The error is in the status of the read and of the stream, and not in the log.
TEST_P(TestIOStreamMixin, test_async_read_error_logging) {
  WatchClose();
  auto fut = Begin(rs_->ReadBytes(2));
  Write("a");
  Turn();
  EXPECT_FALSE(fut->done());
  const absl::Status broken = absl::DataLossError("broken");
  rs_->Close(broken);
  EXPECT_THAT(End(fut), StatusIs(absl::StatusCode::kDataLoss));
  WaitClosed();
}

Task<absl::Status> WriteMany(IOStream* stream, std::string data, int count) {
  for (int i = 0; i < count; ++i) {
    absl::Status written = co_await stream->Write(data);
    if (!written.ok()) co_return written;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ReadMany(IOStream* stream, size_t size, size_t total) {
  for (size_t read = 0; read < total; read += size) {
    absl::StatusOr<std::string> data = co_await stream->ReadBytes(size);
    if (!data.ok()) co_return data.status();
  }
  co_return absl::OkStatus();
}

TEST_P(TestIOStreamMixin, test_future_write) {
  constexpr size_t kSize = 5000;
  constexpr int kWrites = 1000;
  constexpr int kProducers = 10;
  std::vector<Task<absl::Status>> tasks;
  for (int i = 0; i < kProducers; ++i) {
    tasks.push_back(WriteMany(ws_.get(), std::string(kSize, 'x'), kWrites));
  }
  tasks.push_back(ReadMany(rs_.get(), kSize, kSize * kWrites * kProducers));
  EXPECT_THAT(Run(Gather(std::move(tasks))), IsOkAndHolds(testing::Each(IsOk())));
}

}  // namespace
}  // namespace squall
