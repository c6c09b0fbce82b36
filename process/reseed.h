// Fresh randomness in every child of a fork, so that siblings do not produce the same "random"
// numbers (Tornado's _reseed_random, for every generator of the process).
//
//   squall::OnReseed([](uint64_t seed) { my_generator.seed(seed); });   // before ForkProcesses
//
// ForkProcesses reseeds rand(), random() and drand48() itself. OpenSSL's generator notices a fork
// by itself. absl::BitGen cannot be reseeded: make it in the worker, not before the fork.
#ifndef SQUALL_PROCESS_RESEED_H_
#define SQUALL_PROCESS_RESEED_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"

namespace squall {

// Has `reseed` called in every child that ForkProcesses makes from now on, with 64 random bits of
// its own. For the life of the process; call it in the master before ForkProcesses.
void OnReseed(absl::AnyInvocable<void(uint64_t seed)> reseed);

namespace internal {

// In a fresh child: seeds C's generators and calls what OnReseed registered.
void ReseedGenerators();

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_PROCESS_RESEED_H_
