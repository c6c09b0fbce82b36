#include "examples/chat/chat_server.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/ioloop/race.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/with_stop.h"
#include "squall/ioloop/with_timeout.h"

namespace {

using squall::IOStream;
using squall::Task;

constexpr size_t kMaxLine = 1000;
constexpr size_t kMaxName = 32;
constexpr absl::Duration kTimeToSayAName = absl::Seconds(60);

// Without what would move the cursor of somebody else's terminal: the control characters of ASCII,
// and those from U+0080 to U+009F in UTF-8.
std::string Printable(std::string_view line) {
  std::string text;
  for (const char c : line) {
    const auto octet = static_cast<unsigned char>(c);
    if (!text.empty() && text.back() == '\xc2' && octet >= 0x80 && octet <= 0x9f) {
      text.pop_back();
    } else if (!absl::ascii_iscntrl(octet)) {
      text.push_back(c);
    }
  }
  return std::string(absl::StripAsciiWhitespace(text));
}

Task<absl::StatusOr<std::string>> ReadLine(IOStream* stream) {
  absl::StatusOr<std::string> line = co_await stream->ReadUntil("\n", kMaxLine);
  if (!line.ok()) co_return line.status();
  co_return Printable(*line);
}

Task<absl::StatusOr<std::string>> AskName(IOStream* stream) {
  while (true) {
    absl::Status asked = co_await stream->Write("Your name?\n");
    if (!asked.ok()) co_return asked;
    absl::StatusOr<std::string> name = co_await ReadLine(stream);
    if (!name.ok()) co_return name.status();
    if (!name->empty() && name->size() <= kMaxName) co_return *std::move(name);
  }
}

// What the member says, until it goes.
Task<> Listen(IOStream* stream, Room* room, std::string name) {
  while (true) {
    absl::StatusOr<std::string> line = co_await ReadLine(stream);
    if (!line.ok() || *line == "/quit") co_return;
    if (!line->empty()) room->Say(absl::StrCat(name, ": ", *line));
    // The others read what was said before there is more.
    co_await squall::Sleep(absl::ZeroDuration());
  }
}

// What the member gets to hear, as fast as it reads.
Task<> Tell(IOStream* stream, Member* member) {
  while (true) {
    absl::StatusOr<std::string> line = co_await member->outbox.Get();
    if (!line.ok()) co_return;
    absl::Status written = co_await stream->Write(*std::move(line));
    if (!written.ok()) co_return;
  }
}

Task<> Chat(IOStream* stream, Room* room) {
  absl::StatusOr<std::string> name = co_await squall::WithTimeout(kTimeToSayAName, AskName(stream));
  if (!name.ok()) co_return;
  Member member(room, stream);
  room->Say(absl::StrCat("* ", *name, " has come"));
  auto ended = co_await squall::Race(Listen(stream, room, *name), Tell(stream, &member));
  static_cast<void>(ended);
  room->Say(absl::StrCat("* ", *name, " has gone"));
}

}  // namespace

squall::Task<> ChatServer::HandleStream(squall::IOStream stream, squall::SocketAddress) {
  absl::Status chatted = co_await squall::WithStop(drain_token(), Chat(&stream, room_));
  // Only a drain ends it with an error.
  if (chatted.ok() || stream.closed()) co_return;
  absl::Status told = co_await squall::WithTimeout(
      absl::Seconds(1), stream.Write("* The server stops. Come again.\n"));
  told.IgnoreError();
}
