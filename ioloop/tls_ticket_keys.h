// The keys of session tickets (RFC 5077, RFC 8446 4.6.1), the same in all processes of a pool, so
// that a client resumes its session in whichever worker it comes to.
//
//   auto keys = std::make_shared<squall::TlsTicketKeys>();   // before the fork
//   options.ticket_keys = keys;                              // in every context, reloaded ones, too
//
// Nothing is stored or passed on. A secret is drawn when the object is made. In each period of the
// monotonic clock a process computes the next secret from the last one and erases that; the key of
// a period is computed from its secret. So processes that were forked from one agree without
// talking, and who reads the memory of a process opens no ticket that is older than two periods
// before the process last moved on. Every ticket that is made or opened moves it on; one that is
// idle, or only forks workers, keeps its secrets until then, unless it calls Advance(). The key of a
// ticket is known for one to two periods; its session can be resumed for one.
//
// Any thread. Source: the ratchet is HKDF-Expand of RFC 5869; the way of the tickets is RFC 5077
// 4, with AES-256-CBC and HMAC-SHA-256.
#ifndef SQUALL_IOLOOP_TLS_TICKET_KEYS_H_
#define SQUALL_IOLOOP_TLS_TICKET_KEYS_H_

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

#include "absl/time/time.h"
#include "squall/base/clock.h"

namespace squall {

class TlsTicketKeys {
 public:
  struct Options {
    // How long tickets are made with one key. At least a second.
    absl::Duration period = absl::Hours(1);
    Clock* clock = &Clock::Real();
  };

  struct Key {
    std::array<unsigned char, 16> name;  // stands in the ticket in the clear
    std::array<unsigned char, 32> encryption;
    std::array<unsigned char, 32> authentication;
  };

  struct Found {
    Key key;
    bool current;
  };

  TlsTicketKeys() : TlsTicketKeys(Options()) {}
  explicit TlsTicketKeys(Options options);
  TlsTicketKeys(const TlsTicketKeys&) = delete;
  TlsTicketKeys& operator=(const TlsTicketKeys&) = delete;
  ~TlsTicketKeys();

  absl::Duration period() const { return options_.period; }

  // Erases the secrets of periods that are over. Every use does it; a process that only forks
  // workers calls it before each fork.
  void Advance();

  // The key of this period, to make tickets with.
  Key Current();
  // The key of that name, if it is of this period or, and then it is not current, of the one before.
  std::optional<Found> Find(const unsigned char name[16]);

 private:
  using Secret = std::array<unsigned char, 32>;

  void AdvanceLocked();
  int64_t Period() const;

  const Options options_;
  const MonotonicTime begun_;
  std::mutex mutex_;
  Secret secret_;
  int64_t period_ = 0;  // of secret_ and current_
  Key current_;
  std::optional<Key> previous_;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_TLS_TICKET_KEYS_H_
