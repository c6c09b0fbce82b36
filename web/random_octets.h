// Internal: random octets from the kernel, so that forked workers cannot share a state.
#ifndef SQUALL_WEB_RANDOM_OCTETS_H_
#define SQUALL_WEB_RANDOM_OCTETS_H_

#include <cstddef>
#include <string>

namespace squall::internal {

std::string RandomOctets(size_t size);

}  // namespace squall::internal

#endif  // SQUALL_WEB_RANDOM_OCTETS_H_
