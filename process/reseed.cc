#include "squall/process/reseed.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <utility>
#include <vector>

#include "squall/base/logging.h"

namespace squall {
namespace {

using Reseeds = std::vector<absl::AnyInvocable<void(uint64_t)>>;

// Leaked on purpose: children use it after static destructors of the master cannot matter to them.
Reseeds& Registered() {
  static auto* registered = new Reseeds;
  return *registered;
}

uint64_t RandomSeed() {
  uint64_t seed = 0;
  ssize_t got;
  do {
    got = getrandom(&seed, sizeof seed, 0);
  } while (got < 0 && errno == EINTR);
  PCHECK(got == static_cast<ssize_t>(sizeof seed)) << "getrandom";
  return seed;
}

}  // namespace

void OnReseed(absl::AnyInvocable<void(uint64_t seed)> reseed) {
  Registered().push_back(std::move(reseed));
}

namespace internal {

void ReseedGenerators() {
  srand(static_cast<unsigned>(RandomSeed()));
  srandom(static_cast<unsigned>(RandomSeed()));
  srand48(static_cast<long>(RandomSeed()));
  for (auto& reseed : Registered()) reseed(RandomSeed());
}

}  // namespace internal
}  // namespace squall
