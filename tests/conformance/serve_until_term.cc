#include "squall/tests/conformance/serve_until_term.h"

#include <csignal>
#include <cstdio>
#include <iostream>
#include <string_view>

#include "absl/status/status.h"
#include "squall/base/logging.h"
#include "squall/ioloop/ioloop.h"

namespace squall::conformance {

int ServeUntilTerm(std::string_view address) {
  IOLoop& loop = IOLoop::Current();
  for (const int signo : {SIGTERM, SIGINT}) {
    const absl::Status added = loop.AddSignalHandler(signo, [&loop](int) { loop.Stop(); });
    CHECK(added.ok()) << added;
  }
  std::cout << "READY " << address << std::endl;
  loop.Start();
  return 0;
}

}  // namespace squall::conformance
