#include "squall/control/squallctl/top.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/control/squallctl/pool_follower.h"
#include "squall/control/squallctl/print.h"
#include "squall/control/squallctl/process_use.h"
#include "squall/control/squallctl/render.h"
#include "squall/control/squallctl/screen.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

enum class Order { kRate, kCpu, kMemory, kConnections, kSlot };
constexpr std::pair<Order, const char*> kOrders[] = {{Order::kRate, "requests/s"},
                                                     {Order::kCpu, "CPU"},
                                                     {Order::kMemory, "memory"},
                                                     {Order::kConnections, "connections"},
                                                     {Order::kSlot, "slot"}};

double KeyOf(const v1::Worker& worker, const Rates& rates, Order order) {
  const auto use = rates.uses.find(worker.slot());
  const auto rate = rates.by_slot.find(worker.slot());
  switch (order) {
    case Order::kRate:
      return rate == rates.by_slot.end() ? -1 : rate->second;
    case Order::kCpu:
      return use == rates.uses.end() ? -1 : use->second.cpu.value_or(-1);
    case Order::kMemory:
      return use == rates.uses.end() ? -1 : static_cast<double>(use->second.rss_bytes);
    case Order::kConnections:
      return static_cast<double>(worker.connections());
    case Order::kSlot:
      return -worker.slot();
  }
  return 0;
}

// False: the terminal is gone.
bool ReadKeys(size_t& order) {
  char keys[32];
  const ssize_t count = read(STDIN_FILENO, keys, sizeof(keys));
  for (ssize_t i = 0; i < count; ++i) {
    if (keys[i] == 'q') Screen::Leave();
    if (keys[i] == 's') order = (order + 1) % std::size(kOrders);
  }
  return count > 0;
}

}  // namespace

ExitCode Top(ControlClient& client, const CommandLine& line, Console& console) {
  if (console.terminal < 0) {
    console.err << "squallctl: top needs a terminal; squallctl status --watch does not\n";
    return ExitCode::kUsage;
  }
  const absl::StatusOr<v1::GetServerInfoResponse> info = client.GetServerInfo();
  if (!info.ok()) return Fail(info.status(), console);
  std::string instance_id = info->instance_id();
  std::optional<ProcessUseMeter> meter(std::in_place, info->master_pid(), line.interval);
  PoolFollower follower(client, line.interval);
  size_t order = 0;
  bool has_keys = isatty(STDIN_FILENO) == 1;
  {
    Screen screen(console, ScreenMode::kWhole);
    // Draw anew when the size of the terminal changes: a handler that does nothing ends poll().
    signal(SIGWINCH, [](int) {});
    while (!follower.end().has_value()) {
      pollfd wait[] = {{follower.fd(), POLLIN, 0}, {has_keys ? STDIN_FILENO : -1, POLLIN, 0}};
      poll(wait, std::size(wait), static_cast<int>(absl::ToInt64Milliseconds(line.interval)));
      if (wait[1].revents != 0) has_keys = ReadKeys(order);
      follower.Acknowledge();
      if (!follower.known() || follower.end().has_value()) continue;
      const absl::Time now = absl::Now();
      WatchedPool::View view = follower.At(now);
      view.rates.uses_shown = true;
      if (view.pool.instance_id() != instance_id) {
        // The server was started anew, and its master is another process.
        meter.reset();
        const absl::StatusOr<v1::GetServerInfoResponse> again = client.GetServerInfo();
        if (again.ok()) {
          instance_id = again->instance_id();
          meter.emplace(again->master_pid(), line.interval);
        }
      }
      if (meter.has_value()) view.rates.uses = meter->Measure(view.workers, now);
      std::stable_sort(view.workers.begin(), view.workers.end(),
                       [&](const v1::Worker& a, const v1::Worker& b) {
                         return KeyOf(a, view.rates, kOrders[order].first) >
                                KeyOf(b, view.rates, kOrders[order].first);
                       });
      std::vector<std::string> lines = {absl::StrCat(
          "squall at ", client.address(), ", by ", kOrders[order].second, "   (s sorts, q quits)")};
      for (std::string& text : RenderStatus(view.pool, view.workers, view.rates, screen.style())) {
        lines.push_back(std::move(text));
      }
      screen.Draw(std::move(lines));
    }
  }
  return Fail(*follower.end(), console);
}

}  // namespace squall::internal
