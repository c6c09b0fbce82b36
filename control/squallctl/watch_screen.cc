#include "squall/control/squallctl/watch_screen.h"

#include <poll.h>

#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/util/json_util.h"
#include "squall/control/squallctl/pool_follower.h"
#include "squall/control/squallctl/render.h"
#include "squall/control/squallctl/screen.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

std::string JsonLine(const WatchedPool::View& view) {
  v1::WatchSnapshot both;
  *both.mutable_pool() = view.pool;
  both.mutable_workers()->Assign(view.workers.begin(), view.workers.end());
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(both, &json, options);
  return status.ok() ? json : status.ToString();
}

}  // namespace

absl::Status WatchOnScreen(ControlClient& client, const CommandLine& line, Console& console) {
  PoolFollower follower(client, line.interval);
  Screen screen(console, ScreenMode::kBelow);
  while (!follower.end().has_value()) {
    pollfd wait = {follower.fd(), POLLIN, 0};
    poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(line.interval)));
    follower.Acknowledge();
    if (!follower.known() || follower.end().has_value()) continue;
    const WatchedPool::View view = follower.At(absl::Now());
    if (line.output == OutputFormat::kJson) {
      console.out << JsonLine(view) << std::endl;
    } else {
      screen.Draw(RenderStatus(view.pool, view.workers, view.rates, screen.style()));
    }
  }
  return *follower.end();
}

}  // namespace squall::internal
