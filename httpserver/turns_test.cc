// A client whose body never ends leaves the others their turns of the loop.
#include <zlib.h>

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/httpserver/await_count.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"

namespace squall {
namespace {

constexpr size_t kChunk = 64 * 1024;
// Three turns of sixteen pieces, the one that goes on, that of the accept and that of the request,
// and what a busy machine adds before the request is there.
constexpr int kPiecesMeanwhile = 200;

class TurnsTest : public testing::Test {
 protected:
  TurnsTest() {
    // Slower than the client sends.
    const auto take = [this](TestApp::Exchange& e, std::string_view) {
      const MonotonicTime end = Clock::Real().Now() + absl::Milliseconds(1);
      while (Clock::Real().Now() < end) {
      }
      e.body.clear();
      ++pieces_;
    };
    app_.Route("/busy",
               {.headers = [](TestApp::Exchange& e) { e.connection->SetMaxBodySize(1ull << 60); },
                .data = take});
  }

  // Sends a body that has no end and of which each chunk has this data, and asks for something else
  // meanwhile.
  void ExpectATurnBeside(HttpServerThread& server, const std::string& fields,
                         const std::string& start, const std::string& data) {
    RawClient busy(server.port());
    RawClient other(server.port());
    busy.Send("POST /busy HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + fields + "\r\n" +
              Chunk(start));
    std::atomic<bool> stop{false};
    std::thread sender([&, chunk = Chunk(data)] {
      while (!stop && busy.Send(chunk)) {
      }
    });
    AwaitCount(pieces_, 20);
    const int before = pieces_;
    other.Send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(other.ReadResponse().body, "Hello world");
    EXPECT_LE(pieces_ - before, kPiecesMeanwhile);
    EXPECT_EQ(app_.closed, 0) << "the body is not taken";
    stop = true;
    server.Run([&server] { server.server().CloseAllConnections(); });
    sender.join();
  }

  static std::string Chunk(const std::string& data) {
    return data.empty() ? "" : absl::StrCat(absl::Hex(data.size()), "\r\n", data, "\r\n");
  }

  TestApp app_;
  std::atomic<int> pieces_{0};
};

TEST_F(TurnsTest, BesideOneThatSendsFasterThanItIsTaken) {
  HttpServerThread server(app_);
  ExpectATurnBeside(server, "", "", std::string(kChunk, 'x'));
}

TEST_F(TurnsTest, BesideOneWhoseBodyIsAThousandTimesAsMuchUnpacked) {
  std::string zeros(1 << 20, '\0');
  std::string packed(1 << 16, '\0');
  z_stream stream = {};
  ASSERT_EQ(::deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  // What a full flush has ended can be repeated.
  const auto pack = [&] {
    stream.next_in = reinterpret_cast<Bytef*>(zeros.data());
    stream.avail_in = static_cast<uInt>(zeros.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    EXPECT_EQ(::deflate(&stream, Z_FULL_FLUSH), Z_OK);
    return packed.substr(0, packed.size() - stream.avail_out);
  };
  const std::string start = pack();
  const std::string block = pack();
  ::deflateEnd(&stream);
  std::string data;
  while (data.size() < kChunk) data += block;
  HttpServerThread server(app_, {.decompress_request = true});
  ExpectATurnBeside(server, "Content-Encoding: gzip\r\n", start, data);
}

}  // namespace
}  // namespace squall
