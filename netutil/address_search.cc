#include "squall/netutil/address_search.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "squall/ioloop/ioloop.h"

namespace squall::internal {

AddressSearch::AddressSearch(Resolver* resolver, std::string host, uint16_t port, int family)
    : resolver_(resolver), host_(std::move(host)), port_(port), family_(family) {}

Task<absl::StatusOr<std::vector<SocketAddress>>> AddressSearch::First(absl::Duration timeout) {
  deadline_ = Clock::Real().Now() + timeout;
  if (family_ == AF_UNSPEC) {
    delay_ = IOLoop::Current().CallLater(kResolutionDelay, [this] {
      Ask(AF_INET6, Left());
      Ask(AF_INET, Left());
    });
  }
  Ask(family_, timeout);
  // Each question has its deadline.
  (co_await done_.Wait()).IgnoreError();
  if (found_.empty()) co_return error_;
  co_return std::exchange(found_, {});
}

void AddressSearch::GoOnInto(ConnectionRace* race) {
  if (!found_.empty()) race->Add(std::exchange(found_, {}));
  if (complete_) return;
  race_ = race;
  race_->ExpectMore();
}

absl::Duration AddressSearch::Left() const {
  return std::max(deadline_ - Clock::Real().Now(), absl::ZeroDuration());
}

void AddressSearch::Ask(int family, absl::Duration timeout) {
  ++open_questions_;
  questions_.Start(RunQuestion(this, family, timeout));
}

Task<> AddressSearch::RunQuestion(AddressSearch* search, int family, absl::Duration timeout) {
  absl::StatusOr<std::vector<SocketAddress>> answer =
      co_await search->resolver_->Resolve(search->host_, search->port_, family, timeout);
  search->OnAnswer(family, std::move(answer));
}

void AddressSearch::OnAnswer(int family, absl::StatusOr<std::vector<SocketAddress>> answer) {
  --open_questions_;
  const bool whole = family == family_;
  // Before the delay was over there is nobody else to wait for.
  if (whole) delay_.Cancel();
  if (whole && !answer.ok()) error_ = answer.status();
  if (complete_) return;
  complete_ = open_questions_ == 0 || (whole && answer.ok());
  if (answer.ok()) Keep(*std::move(answer));
  if (!found_.empty() || complete_) done_.Set();
  if (complete_ && race_ != nullptr) race_->NoMore();
}

void AddressSearch::Keep(std::vector<SocketAddress> addresses) {
  if (race_ != nullptr) return race_->Add(addresses);
  for (const SocketAddress& address : addresses) {
    if (std::find(found_.begin(), found_.end(), address) == found_.end()) found_.push_back(address);
  }
}

}  // namespace squall::internal
