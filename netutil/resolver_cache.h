// Internal to netutil: the answers of a Resolver, each for a while, the least recently used go first.
//
//   ResolverCache cache(1024);
//   cache.Put(key, answer, now + ttl);
//   if (const ResolverCache::Answer* known = cache.Find(key, now)) Use(*known);
//
// One thread.
#ifndef SQUALL_NETUTIL_RESOLVER_CACHE_H_
#define SQUALL_NETUTIL_RESOLVER_CACHE_H_

#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "squall/base/clock.h"
#include "squall/netutil/address.h"

namespace squall::internal {

class ResolverCache {
 public:
  // Host in small letters, and family.
  using Key = std::pair<std::string, int>;
  using Answer = absl::StatusOr<std::vector<SocketAddress>>;

  explicit ResolverCache(size_t max_size) : max_size_(max_size) {}

  // Null for one that is not there or too old. Valid until the next call.
  const Answer* Find(const Key& key, MonotonicTime now) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    if (found->second->expires <= now) {
      Erase(found);
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->answer;
  }

  void Put(const Key& key, Answer answer, MonotonicTime expires) {
    if (const auto old = index_.find(key); old != index_.end()) Erase(old);
    if (max_size_ == 0) return;
    if (index_.size() == max_size_) Erase(index_.find(entries_.back().key));
    entries_.push_front({.key = key, .answer = std::move(answer), .expires = expires});
    index_[key] = entries_.begin();
  }

  void Clear() {
    index_.clear();
    entries_.clear();
  }
  size_t size() const { return index_.size(); }

 private:
  struct Entry {
    Key key;
    Answer answer;
    MonotonicTime expires;
  };
  using EntryList = std::list<Entry>;
  using Index = std::map<Key, EntryList::iterator>;

  void Erase(Index::iterator position) {
    entries_.erase(position->second);
    index_.erase(position);
  }

  const size_t max_size_;
  EntryList entries_;  // the one used last is the first
  Index index_;
};

}  // namespace squall::internal

#endif  // SQUALL_NETUTIL_RESOLVER_CACHE_H_
