// Who is in the chat at this worker, and what they hear.
//
//   Room room([&](std::string_view line) { bus.Publish(line); });
//   Member member(&room, &stream);      // joins; leaves with its destructor
//   room.Say("anna: hello");            // to all members, and by the bus to other workers
//   absl::StatusOr<std::string> line = co_await member.outbox.Get();
//
// One loop's thread.
#ifndef SQUALL_EXAMPLES_CHAT_ROOM_H_
#define SQUALL_EXAMPLES_CHAT_ROOM_H_

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/queue.h"

class Member;

class Room {
 public:
  using Publish = absl::AnyInvocable<void(std::string_view line)>;

  explicit Room(Publish publish) : publish_(std::move(publish)) {}
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  // To everyone, everywhere. `line` has no end of line.
  void Say(std::string_view line);
  // To the members at this worker: what another one has published. A member whose outbox is full
  // reads too slowly and is cut off.
  void Hear(std::string_view line);

 private:
  friend class Member;

  Publish publish_;
  std::set<Member*> members_;
};

class Member {
 public:
  // Lines that may wait for one that reads slowly.
  static constexpr size_t kMaxWaitingLines = 1000;

  // Both must outlive the member.
  Member(Room* room, squall::IOStream* stream);
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member();

  squall::Queue<std::string> outbox{kMaxWaitingLines};

 private:
  friend class Room;

  Room* const room_;
  squall::IOStream* const stream_;
};

#endif  // SQUALL_EXAMPLES_CHAT_ROOM_H_
