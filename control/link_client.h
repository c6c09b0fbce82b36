// The control process' end of its link to the master: sends commands, matches answers to them by
// sequence number, gives up on each after a second, and says when the pool changed or the master is
// gone.
//
//   LinkClient link(IOLoop::Current(), std::move(context.link),
//                   {.on_notice = [] { … }, .on_end = [](const absl::Status& why) { … }});
//   link.Send(request, [](absl::StatusOr<LinkReply> reply) { … });
//
// Belongs to its loop's thread, but for Send() and Report(), which any thread may
// call.
#ifndef SQUALL_CONTROL_LINK_CLIENT_H_
#define SQUALL_CONTROL_LINK_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/control/pool_backend.h"
#include "squall/ioloop/ioloop.h"
#include "squall/process/control_link.h"
#include "squall/process/repeat_fold.h"

namespace squall::internal {

struct LinkClientOptions {
  // The master does nothing that takes long; one that does not answer by then is stopped or dead.
  absl::Duration reply_deadline = absl::Seconds(1);
  // Commands on the link without an answer. The master cuts a sidecar whose answers pile up, so
  // this many answers must fit into the link's buffer.
  size_t max_in_flight = 32;
  // Commands on the link and waiting for it; more get Unavailable at once.
  size_t max_pending = 4096;
  absl::AnyInvocable<void()> on_notice = nullptr;
  // Once: the link is of no use any more. Ok: the master closed it, it is gone or going.
  absl::AnyInvocable<void(const absl::Status&)> on_end = nullptr;
};

class LinkClient : public PoolCommander {
 public:
  // `loop` must outlive this object and every thread that calls Send().
  LinkClient(IOLoop& loop, UniqueFd link, LinkClientOptions options);
  ~LinkClient() override;

  LinkClient(const LinkClient&) = delete;
  LinkClient& operator=(const LinkClient&) = delete;

  // `done` runs on the loop.
  void Send(const LinkRequest& request, Done done) override;
  // Those that are alike are sent together, at most one packet a second for each kind.
  void Report(const LinkRefusal& refusal) override;

 private:
  struct Pending {
    LinkRequest request;
    Done done;
    Timeout deadline;
  };

  void Add(const LinkRequest& request, Done done);
  void SendWaiting();
  void GiveUp(uint64_t sequence, const absl::Status& why);
  void OnReadable();
  void OnReply(const LinkReply& reply);
  void Tell(const LinkRefusal& refusal);
  void TellRepeated();
  void End(const absl::Status& why);

  IOLoop& loop_;
  UniqueFd link_;
  LinkClientOptions options_;
  uint64_t last_sequence_ = 0;
  absl::flat_hash_map<uint64_t, Pending> pending_;  // by sequence
  std::deque<uint64_t> waiting_;  // for the link; those that are pending no more are skipped
  size_t in_flight_ = 0;
  RepeatFold<LinkRefusal> refusals_;
  Timeout repeated_;
  // Callbacks on the loop hold a weak reference, for they may run after this object.
  std::shared_ptr<LinkClient*> self_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_LINK_CLIENT_H_
