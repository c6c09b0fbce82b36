#include "squall/ioloop/invoke.h"

#include <exception>
#include <string_view>

#include "squall/base/logging.h"

namespace squall::internal {

void LogCurrentException(std::string_view where) noexcept {
  try {
    throw;
  } catch (const std::exception& e) {
    LOG(ERROR) << "Exception in " << where << ": " << e.what();
  } catch (...) {
    LOG(ERROR) << "Exception in " << where << ": not a std::exception";
  }
}

}  // namespace squall::internal
