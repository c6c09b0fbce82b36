#include "examples/chat/room.h"

#include <string>
#include <string_view>

#include "absl/status/status.h"

void Room::Say(std::string_view line) {
  Hear(line);
  publish_(line);
}

void Room::Hear(std::string_view line) {
  const std::string text = std::string(line) + "\n";
  for (Member* const member : members_) {
    const absl::Status put = member->outbox.PutNowait(text);
    // Ends its reading and its writing, and with them its membership, in the loop's next turn.
    if (!put.ok()) member->stream_->Close(absl::ResourceExhaustedError("reads too slowly"));
  }
}

Member::Member(Room* room, squall::IOStream* stream) : room_(room), stream_(stream) {
  room_->members_.insert(this);
}

Member::~Member() { room_->members_.erase(this); }
