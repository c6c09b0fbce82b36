#include "squall/process/request_memory.h"

#include <tuple>

namespace squall {
namespace {

// Less than a thousand octets each: 16,384 of them are some 17 MB at most.
bool AskForTheSame(const LinkRequest& a, const LinkRequest& b) {
  const auto key = [](const LinkRequest& request) {
    const LinkRestart& restart = request.restart;
    return std::tuple(request.command, request.target, request.slot, request.incarnation,
                      request.operation, restart.max_surge, restart.max_unavailable,
                      restart.min_healthy, restart.max_failures, restart.on_failure,
                      restart.ready_timeout_ns, restart.soak_ns);
  };
  return key(a) == key(b) && a.config == b.config;
}

}  // namespace

RequestMemory::Known RequestMemory::Recall(const LinkRequest& request, MonotonicTime now) {
  if (request.request_id[0] == '\0') return Known::kNew;
  Forget(now);
  const auto it = requests_.find(request.request_id);
  if (it == requests_.end()) return requests_.size() < kCapacity ? Known::kNew : Known::kFull;
  return AskForTheSame(it->second.request, request) ? Known::kAnswered : Known::kReused;
}

const LinkReply& RequestMemory::answer(const LinkRequest& request) const {
  return requests_.at(request.request_id).reply;
}

void RequestMemory::Remember(const LinkRequest& request, const LinkReply& reply,
                             MonotonicTime now) {
  if (request.request_id[0] == '\0') return;
  if (requests_.try_emplace(request.request_id, Remembered{request, reply, now}).second) {
    order_.push_back(request.request_id);
  }
}

void RequestMemory::Forget(MonotonicTime now) {
  while (!order_.empty()) {
    const auto it = requests_.find(order_.front());
    if (now - it->second.at <= kFor) return;
    requests_.erase(it);
    order_.pop_front();
  }
}

}  // namespace squall
