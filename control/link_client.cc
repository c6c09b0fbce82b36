#include "squall/control/link_client.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/ioloop/ioloop.h"
#include "squall/process/control_link.h"

namespace squall::internal {
namespace {

// Packets taken per wake-up, so that a flood of notices does not starve the listener.
constexpr int kPacketsPerWakeup = 64;

absl::Status MasterUnreachable(absl::string_view why) {
  return absl::UnavailableError(absl::StrCat("the master ", why));
}

}  // namespace

LinkClient::LinkClient(IOLoop& loop, UniqueFd link, LinkClientOptions options)
    : loop_(loop),
      link_(std::move(link)),
      options_(std::move(options)),
      refusals_({.first_window = absl::Seconds(1), .max_window = absl::Seconds(1)}),
      self_(std::make_shared<LinkClient*>(this)) {
  absl::Status status =
      loop_.AddHandler(link_.get(), IOLoop::kRead, [this](uint32_t) { OnReadable(); });
  CHECK(status.ok()) << status;
}

LinkClient::~LinkClient() {
  if (link_.valid()) loop_.RemoveHandler(link_.get());
  for (auto& [sequence, pending] : pending_) pending.done(MasterUnreachable("is gone"));
}

void LinkClient::Send(const LinkRequest& request, Done done) {
  loop_.AddCallback(
      [weak = std::weak_ptr<LinkClient*>(self_), request, done = std::move(done)]() mutable {
        if (const std::shared_ptr<LinkClient*> self = weak.lock()) {
          (*self)->Add(request, std::move(done));
        } else {
          done(MasterUnreachable("is gone"));
        }
      });
}

void LinkClient::Report(const LinkRefusal& refusal) {
  loop_.AddCallback([weak = std::weak_ptr<LinkClient*>(self_), refusal] {
    if (const std::shared_ptr<LinkClient*> self = weak.lock()) (*self)->Tell(refusal);
  });
}

void LinkClient::Tell(const LinkRefusal& refusal) {
  if (!link_.valid()) return;
  const std::string kind = absl::StrCat(refusal.actor, " ", refusal.method, " ", refusal.reason);
  const bool first = refusals_.Add(kind, refusal, refusal.count, loop_.Now());
  // One that finds the link full goes with those that follow.
  if (first && !SendLink(link_.get(), refusal)) {
    refusals_.Add(kind, refusal, refusal.count, loop_.Now());
  }
  const MonotonicTime next = refusals_.next_deadline();
  if (next.is_infinite() || repeated_.active()) return;
  repeated_ = loop_.CallLater(next - loop_.Now(), [this] { TellRepeated(); });
}

void LinkClient::TellRepeated() {
  if (!link_.valid()) return;
  for (RepeatFold<LinkRefusal>::Repeated& repeated : refusals_.Due(loop_.Now())) {
    repeated.last.count = repeated.count;
    if (!SendLink(link_.get(), repeated.last)) Tell(repeated.last);
  }
  const MonotonicTime next = refusals_.next_deadline();
  if (next.is_infinite() || repeated_.active()) return;
  repeated_ = loop_.CallLater(next - loop_.Now(), [this] { TellRepeated(); });
}

void LinkClient::Add(const LinkRequest& request, Done done) {
  if (!link_.valid()) {
    done(MasterUnreachable("is gone"));
    return;
  }
  if (pending_.size() >= options_.max_pending) {
    done(MasterUnreachable(absl::StrCat("has ", pending_.size(), " commands to answer already")));
    return;
  }
  const uint64_t sequence = ++last_sequence_;
  Pending& pending = pending_[sequence];
  pending.request = request;
  pending.request.sequence = sequence;
  pending.done = std::move(done);
  pending.deadline = loop_.CallLater(options_.reply_deadline, [this, sequence] {
    GiveUp(sequence, MasterUnreachable(absl::StrCat(
                         "did not answer within ", absl::FormatDuration(options_.reply_deadline))));
  });
  waiting_.push_back(sequence);
  SendWaiting();
}

void LinkClient::SendWaiting() {
  while (!waiting_.empty() && in_flight_ < options_.max_in_flight) {
    const uint64_t sequence = waiting_.front();
    waiting_.pop_front();
    const auto it = pending_.find(sequence);
    if (it == pending_.end()) continue;
    if (SendLink(link_.get(), it->second.request)) {
      ++in_flight_;
    } else {
      GiveUp(sequence, MasterUnreachable("does not take commands"));
    }
  }
}

void LinkClient::GiveUp(uint64_t sequence, const absl::Status& why) {
  // What was sent stays in flight until its answer comes, however late.
  auto node = pending_.extract(sequence);
  if (node.empty()) return;
  node.mapped().deadline.Cancel();
  node.mapped().done(why);
}

void LinkClient::OnReadable() {
  // A callback may destroy this object.
  const std::weak_ptr<LinkClient*> alive = self_;
  for (int i = 0; i < kPacketsPerWakeup && !alive.expired() && link_.valid(); ++i) {
    const LinkRead packet = ReceiveLink(link_.get());
    if (std::holds_alternative<LinkNothing>(packet)) return;
    if (const auto* reply = std::get_if<LinkReply>(&packet)) {
      OnReply(*reply);
    } else if (std::holds_alternative<LinkNotice>(packet)) {
      if (options_.on_notice != nullptr) options_.on_notice();
    } else if (std::holds_alternative<LinkEndOfFile>(packet)) {
      End(absl::OkStatus());
    } else {
      End(absl::InternalError("the master sent a packet that this version does not understand"));
    }
  }
}

void LinkClient::OnReply(const LinkReply& reply) {
  if (in_flight_ > 0) --in_flight_;
  // An answer that comes after its deadline has nobody to go to.
  if (auto node = pending_.extract(reply.sequence); !node.empty()) {
    node.mapped().deadline.Cancel();
    node.mapped().done(reply);
  }
  SendWaiting();
}

void LinkClient::End(const absl::Status& why) {
  loop_.RemoveHandler(link_.get());
  link_.reset();
  auto pending = std::exchange(pending_, {});
  for (auto& [sequence, command] : pending) command.done(MasterUnreachable("is gone"));
  if (options_.on_end != nullptr) options_.on_end(why);
}

}  // namespace squall::internal
