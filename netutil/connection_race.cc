#include "squall/netutil/connection_race.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/ioloop/ioloop.h"

namespace squall::internal {

std::vector<SocketAddress> InterleavedFamilies(std::vector<SocketAddress> addresses) {
  std::vector<SocketAddress> first;
  std::vector<SocketAddress> others;
  for (const SocketAddress& address : addresses) {
    (address.family() == addresses.front().family() ? first : others).push_back(address);
  }
  addresses.clear();
  for (size_t i = 0; i < first.size() || i < others.size(); ++i) {
    if (i < first.size()) addresses.push_back(first[i]);
    if (i < others.size()) addresses.push_back(others[i]);
  }
  return addresses;
}

ConnectionRace::ConnectionRace(std::vector<SocketAddress> addresses, Attempt attempt,
                               absl::Duration delay)
    : attempt_(std::move(attempt)), delay_(delay) {
  CHECK(!addresses.empty()) << "a race without addresses";
  for (const SocketAddress& address : addresses) {
    entrants_.push_back({.address = address, .started = false, .failure = std::nullopt});
  }
}

Task<absl::StatusOr<UniqueFd>> ConnectionRace::Run(absl::Duration timeout) {
  StartNext();
  const absl::Status in_time = co_await done_.Wait(timeout);
  timer_.Cancel();
  attempts_.DestroyAll();
  if (winner_.valid()) co_return std::move(winner_);
  if (!in_time.ok()) co_return absl::DeadlineExceededError(Account());
  // With the errno in its payload.
  co_return WithMessage(last_failure_, Account());
}

void ConnectionRace::Add(const std::vector<SocketAddress>& addresses) {
  std::vector<SocketAddress> waiting;
  const auto known = [&](const SocketAddress& address) {
    return std::any_of(entrants_.begin(), entrants_.end(),
                       [&](const Entrant& entrant) { return entrant.address == address; });
  };
  const bool all_started = next_ == entrants_.size();
  // The family that was not the last to start is the next.
  const int last_family = next_ == 0 ? AF_UNSPEC : entrants_[next_ - 1].address.family();
  for (const SocketAddress& address : addresses) {
    if (!known(address))
      entrants_.push_back({.address = address, .started = false, .failure = std::nullopt});
  }
  for (size_t i = next_; i < entrants_.size(); ++i) waiting.push_back(entrants_[i].address);
  std::stable_partition(waiting.begin(), waiting.end(), [&](const SocketAddress& address) {
    return address.family() != last_family;
  });
  waiting = InterleavedFamilies(std::move(waiting));
  for (size_t i = 0; i < waiting.size(); ++i) entrants_[next_ + i].address = waiting[i];
  if (!all_started || waiting.empty() || next_ == 0) return;
  const absl::Duration since = Clock::Real().Now() - last_start_;
  StartNextAfter(failed_ == next_ ? absl::ZeroDuration()
                                  : std::max(delay_ - since, absl::ZeroDuration()));
}

void ConnectionRace::NoMore() {
  expects_more_ = false;
  GiveUpIfAllFailed();
}

void ConnectionRace::GiveUpIfAllFailed() {
  if (failed_ == entrants_.size() && !expects_more_) done_.Set();
}

void ConnectionRace::StartNextAfter(absl::Duration delay) {
  timer_ = IOLoop::Current().CallLater(delay, [this] { StartNext(); });
}

void ConnectionRace::StartNext() {
  timer_.Cancel();
  while (next_ < entrants_.size() && !done_.is_set()) {
    const size_t index = next_++;
    entrants_[index].started = true;
    last_start_ = Clock::Real().Now();
    if (next_ < entrants_.size()) StartNextAfter(delay_);
    // An attempt that fails here starts no other one by itself, so this does not nest.
    attempts_.Start(RunAttempt(this, index));
    if (!entrants_[index].failure.has_value()) return;
  }
}

Task<> ConnectionRace::RunAttempt(ConnectionRace* race, size_t index) {
  absl::StatusOr<UniqueFd> result = co_await race->attempt_(race->entrants_[index].address);
  race->OnEnd(index, std::move(result));
}

void ConnectionRace::OnEnd(size_t index, absl::StatusOr<UniqueFd> result) {
  if (done_.is_set()) return;
  if (result.ok()) {
    winner_ = *std::move(result);
    done_.Set();
    return;
  }
  last_failure_ = result.status();
  entrants_[index].failure = result.status();
  ++failed_;
  GiveUpIfAllFailed();
  // From the loop: this is inside one of the tasks, or inside StartNext().
  if (next_ < entrants_.size()) StartNextAfter(absl::ZeroDuration());
}

std::string ConnectionRace::Account() const {
  if (entrants_.size() == 1) {
    return std::string(entrants_[0].failure ? entrants_[0].failure->message() : "no answer");
  }
  std::string account;
  for (const Entrant& entrant : entrants_) {
    const std::string what = entrant.failure   ? std::string(entrant.failure->message())
                             : entrant.started ? "no answer"
                                               : "not tried";
    absl::StrAppend(&account, account.empty() ? "" : "; ", entrant.address.ToString(), ": ", what);
  }
  return account;
}

}  // namespace squall::internal
