#include "squall/web/random_octets.h"

#include <sys/random.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "squall/base/logging.h"

namespace squall::internal {

std::string RandomOctets(size_t size) {
  std::string octets(size, '\0');
  ssize_t n;
  do {
    n = ::getrandom(octets.data(), octets.size(), 0);
  } while (n < 0 && errno == EINTR);
  PCHECK(n == static_cast<ssize_t>(size)) << "getrandom";
  return octets;
}

}  // namespace squall::internal
