// Internal: how many forks lie between the first process and this one.
//
//   const uint64_t mine = squall::internal::ForkGeneration();
//   ...
//   if (mine != squall::internal::ForkGeneration()) Complain();  // another process now
//
// Counted by pthread_atfork, so it costs a load where getpid() costs a system call.
#ifndef SQUALL_IOLOOP_FORK_GENERATION_H_
#define SQUALL_IOLOOP_FORK_GENERATION_H_

#include <atomic>
#include <cstdint>

namespace squall::internal {

extern std::atomic<uint64_t> fork_generation;

inline uint64_t ForkGeneration() { return fork_generation.load(std::memory_order_relaxed); }

// Makes this process count its forks; cheap when called again.
void WatchForks();

// For code that forks by clone(2) or clone3(2), which run no pthread_atfork handlers: call it in
// the child.
void NotifyForkedChild();

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_FORK_GENERATION_H_
