#include "squall/netutil/resolver.h"

#include <atomic>
#include <exception>
#include <map>
#include <stop_token>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "squall/base/clock.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/with_stop.h"
#include "squall/netutil/host_lookup.h"
#include "squall/netutil/ip.h"
#include "squall/netutil/resolver_cache.h"

namespace squall {
namespace {

constexpr int kLookupThreads = 16;
constexpr size_t kMaxHostName = 253;  // RFC 1035 2.3.4, as text

using Addresses = std::vector<SocketAddress>;

MonotonicTime Now() { return Clock::Real().Now(); }

// Never destroyed, so that the end of the process waits for no name service.
Executor& LookupExecutor() {
  static Executor* const executor =
      new Executor({.name = "resolver", .max_threads = kLookupThreads});
  return *executor;
}

std::string Quoted(const std::string& host) {
  return absl::StrCat("\"", absl::CHexEscape(host), "\"");
}

absl::Status NoName(const std::string& host, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("cannot resolve host name ", Quoted(host), ": ", std::string(why)));
}

// Each of these would be asked for in vain.
absl::Status CheckName(const std::string& host) {
  if (host.empty()) return NoName(host, "it is empty");
  if (host.size() > kMaxHostName) {
    return NoName(host, absl::StrCat("a name has at most ", kMaxHostName, " octets, this one has ",
                                     host.size()));
  }
  for (const char c : host) {
    if (c <= ' ' || c > '~') {
      return NoName(host,
                    "a name has printable ASCII without spaces; others are written as "
                    "xn--... (RFC 5891)");
    }
  }
  return absl::OkStatus();
}

// Nullopt for what is no literal address.
std::optional<absl::StatusOr<Addresses>> Literal(const std::string& host, int family) {
  const bool v6 = host.find(':') != std::string::npos;
  if (!IsValidIp(host.substr(0, host.find('%')))) return std::nullopt;
  absl::StatusOr<SocketAddress> address =
      SocketAddress::Parse(v6 ? absl::StrCat("[", host, "]:0") : absl::StrCat(host, ":0"));
  if (!address.ok()) return address.status();
  if (family != AF_UNSPEC && family != address->family()) {
    return absl::NotFoundError(
        absl::StrCat(host, " is not an ", family == AF_INET ? "IPv4" : "IPv6", " address"));
  }
  return Addresses{*std::move(address)};
}

// In a thread of the executor.
absl::StatusOr<Addresses> CallLookup(const ResolverOptions::LookupFunction& lookup,
                                     const std::string& host, int family) {
  try {
    absl::StatusOr<Addresses> found = lookup(host, family);
    if (!found.ok() || !found->empty()) return found;
    return absl::NotFoundError(
        absl::StrCat("cannot resolve host name ", Quoted(host), ": it has no address"));
  } catch (const std::exception& error) {
    return absl::UnknownError(
        absl::StrCat("cannot resolve host name ", Quoted(host), ": ", error.what()));
  } catch (...) {
    return absl::UnknownError(absl::StrCat("cannot resolve host name ", Quoted(host),
                                           ": the look-up threw what is no std::exception"));
  }
}

Addresses WithPort(const Addresses& addresses, uint16_t port) {
  Addresses result;
  result.reserve(addresses.size());
  for (const SocketAddress& address : addresses) result.push_back(address.WithPort(port));
  return result;
}

}  // namespace

namespace internal {

class ResolverState {
 public:
  explicit ResolverState(ResolverOptions options)
      : options_(std::move(options)), cache_(options_.max_cached) {
    if (options_.lookup == nullptr) {
      options_.lookup = [](const std::string& host, int family) {
        return LookUpHost(host, {.family = family});
      };
    }
  }

  const ResolverOptions& options() const { return options_; }
  ResolverCache& cache() { return cache_; }
  const ResolverStats& stats() const { return stats_; }

  // The entry of the overrides that says most about this question, or null.
  const HostOverride* FindOverride(const std::string& host, uint16_t port, int family) const {
    const HostOverride* best = nullptr;
    int best_rank = -1;
    for (const HostOverride& entry : options_.overrides) {
      if (!absl::EqualsIgnoreCase(entry.host, host)) continue;
      if (entry.port.has_value() && *entry.port != port) continue;
      if (entry.family != AF_UNSPEC && entry.family != family) continue;
      const int rank = (entry.port.has_value() ? 2 : 0) + (entry.family != AF_UNSPEC ? 1 : 0);
      if (rank <= best_rank) continue;
      best = &entry;
      best_rank = rank;
    }
    return best;
  }

  // Of a name that is none of the easy ones.
  static Task<absl::StatusOr<Addresses>> Ask(std::shared_ptr<ResolverState> self, std::string host,
                                             int family, absl::Duration timeout) {
    const ResolverCache::Key key(absl::AsciiStrToLower(host), family);
    if (const ResolverCache::Answer* const known = self->cache_.Find(key, Now())) {
      ++self->stats_.cached;
      co_return *known;
    }
    std::shared_ptr<Flight>& place = self->flights_[key];
    const bool shares = place != nullptr;
    if (!shares) place = std::make_shared<Flight>();
    // It may be done before it suspends, and then `place` is gone.
    const std::shared_ptr<Flight> flight = place;
    const Asker asker(self, key, flight);
    if (shares) {
      ++self->stats_.shared;
    } else {
      IOLoop::Current().Spawn(LookUp(self, key, flight));
    }
    const absl::Status done = co_await flight->done.Wait(timeout);
    co_return Outcome(*flight, done, host, timeout);
  }

 private:
  // A look-up that is under way, for all who ask the same.
  struct Flight {
    Event done;
    ResolverCache::Answer answer = absl::CancelledError("the look-up was given up");
    int askers = 0;
    // By a thread of the executor.
    std::atomic<bool> begun = false;
    std::stop_source stop;
  };

  // Who waits for a flight. One that nobody waits for any more leaves the queue of the executor to the
  // others; if its work has begun it goes on, and fills the cache.
  class Asker {
   public:
    Asker(std::shared_ptr<ResolverState> state, const ResolverCache::Key& key,
          std::shared_ptr<Flight> flight)
        : state_(std::move(state)), key_(key), flight_(std::move(flight)) {
      ++flight_->askers;
    }
    Asker(const Asker&) = delete;
    Asker& operator=(const Asker&) = delete;
    ~Asker() {
      if (--flight_->askers > 0 || flight_->done.is_set() || flight_->begun) return;
      state_->Land(key_, *flight_);
      flight_->stop.request_stop();
    }

   private:
    const std::shared_ptr<ResolverState> state_;
    const ResolverCache::Key& key_;
    const std::shared_ptr<Flight> flight_;
  };

  // Nobody joins a flight any more that is over, or whose loop has ended.
  class Landing {
   public:
    Landing(std::shared_ptr<ResolverState> state, ResolverCache::Key key,
            std::shared_ptr<Flight> flight)
        : state_(std::move(state)), key_(std::move(key)), flight_(std::move(flight)) {}
    Landing(const Landing&) = delete;
    Landing& operator=(const Landing&) = delete;
    ~Landing() { Land(); }
    void Land() {
      if (state_ != nullptr) std::exchange(state_, nullptr)->Land(key_, *flight_);
    }

   private:
    std::shared_ptr<ResolverState> state_;
    const ResolverCache::Key key_;
    const std::shared_ptr<Flight> flight_;
  };

  void Land(const ResolverCache::Key& key, const Flight& flight) {
    const auto found = flights_.find(key);
    if (found != flights_.end() && found->second.get() == &flight) flights_.erase(found);
  }

  static absl::StatusOr<Addresses> Outcome(const Flight& flight, const absl::Status& done,
                                           const std::string& host, absl::Duration timeout) {
    if (absl::IsDeadlineExceeded(done)) {
      return absl::DeadlineExceededError(absl::StrCat("cannot resolve host name ", Quoted(host),
                                                      " within ", absl::FormatDuration(timeout)));
    }
    return flight.answer;
  }

  static Task<> LookUp(std::shared_ptr<ResolverState> self, ResolverCache::Key key,
                       std::shared_ptr<Flight> flight) {
    Landing landing(self, key, flight);
    ++self->stats_.lookups;
    Executor& executor =
        self->options_.executor != nullptr ? *self->options_.executor : LookupExecutor();
    auto work = [flight, lookup = self->options_.lookup, host = key.first, family = key.second] {
      flight->begun = true;
      return CallLookup(lookup, host, family);
    };
    Task<absl::StatusOr<Addresses>> run = executor.Run(std::move(work));
    absl::StatusOr<Addresses> answer = co_await WithStop(flight->stop.get_token(), std::move(run));
    if (!answer.ok()) ++self->stats_.failed;
    // What says something of the executor says nothing of the name.
    const bool about_name = answer.ok() || (!absl::IsResourceExhausted(answer.status()) &&
                                            !absl::IsCancelled(answer.status()));
    const absl::Duration ttl = answer.ok() ? self->options_.ttl : self->options_.failure_ttl;
    if (about_name && ttl > absl::ZeroDuration()) self->cache_.Put(key, answer, Now() + ttl);
    flight->answer = std::move(answer);
    landing.Land();
    flight->done.Set();
  }

  ResolverOptions options_;
  ResolverCache cache_;
  ResolverStats stats_;
  std::map<ResolverCache::Key, std::shared_ptr<Flight>> flights_;
};

namespace {

Task<absl::StatusOr<Addresses>> Resolve(std::shared_ptr<ResolverState> state, std::string host,
                                        uint16_t port, int family, absl::Duration timeout) {
  if (const HostOverride* const entry = state->FindOverride(host, port, family)) {
    port = entry->to_port.value_or(port);
    host = entry->to_host;
  }
  if (const auto literal = Literal(host, family)) {
    if (!literal->ok()) co_return literal->status();
    co_return WithPort(**literal, port);
  }
  if (absl::Status named = CheckName(host); !named.ok()) co_return named;
  absl::StatusOr<Addresses> addresses =
      co_await ResolverState::Ask(state, std::move(host), family, timeout);
  if (!addresses.ok()) co_return addresses;
  co_return WithPort(*addresses, port);
}

}  // namespace
}  // namespace internal

Resolver::Resolver(ResolverOptions options)
    : state_(std::make_shared<internal::ResolverState>(std::move(options))) {}

Resolver::~Resolver() = default;

Task<absl::StatusOr<std::vector<SocketAddress>>> Resolver::Resolve(
    std::string host, uint16_t port, int family, std::optional<absl::Duration> timeout) {
  return internal::Resolve(state_, std::move(host), port, family,
                           timeout.value_or(state_->options().timeout));
}

void Resolver::ClearCache() { state_->cache().Clear(); }

size_t Resolver::cached_names() const { return state_->cache().size(); }

ResolverStats Resolver::stats() const { return state_->stats(); }

Resolver& Resolver::OfThisThread() {
  thread_local Resolver resolver;
  return resolver;
}

}  // namespace squall
