// Internal: what the workers of each generation are made with, in a master whose configuration
// changes with its rolling restarts. A restart that fails comes back to the old generation, and so
// to what that was made with.
//
//   GenerationTable<Settings> table(first);
//   table.SetNext(changed);   // The configuration was read again: a new generation follows.
//   const Settings& settings = table.For(next.generation, ServingGeneration());   // Before a fork.
#ifndef SQUALL_HTTPSERVER_GENERATION_TABLE_H_
#define SQUALL_HTTPSERVER_GENERATION_TABLE_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace squall::internal {

template <typename T>
class GenerationTable {
 public:
  explicit GenerationTable(T first) { entries_.push_back({.from = 0, .value = std::move(first)}); }

  // What the generations get that begin from now on. Called again before one does, the last counts.
  void SetNext(T value) { next_ = std::move(value); }

  // What a generation gets that begins now.
  const T& Next() const { return next_.has_value() ? *next_ : entries_.back().value; }

  // What a worker of `generation` gets. `serving` is the generation that a failed restart comes
  // back to; what neither it nor the newest one needs is forgotten. Valid until the next call.
  const T& For(uint64_t generation, uint64_t serving) {
    if (generation > newest_) {
      newest_ = generation;
      if (next_.has_value()) entries_.push_back({.from = generation, .value = *std::move(next_)});
      next_.reset();
    }
    Forget(serving);
    size_t at = entries_.size() - 1;
    while (at > 0 && entries_[at].from > generation) --at;
    return entries_[at].value;
  }

  // For tests.
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    uint64_t from;
    T value;
  };

  void Forget(uint64_t serving) {
    size_t of_serving = entries_.size() - 1;
    while (of_serving > 0 && entries_[of_serving].from > serving) --of_serving;
    if (of_serving + 1 < entries_.size()) {
      entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(of_serving) + 1, entries_.end() - 1);
    }
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(of_serving));
  }

  std::vector<Entry> entries_;  // Ascending; never empty.
  std::optional<T> next_;
  uint64_t newest_ = 1;  // The generation of the first workers.
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_GENERATION_TABLE_H_
