#include "squall/process/config_field.h"

#include <bit>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace squall {
namespace {

int64_t ToNumber(int value) { return value; }
int64_t ToNumber(int64_t value) { return value; }
int64_t ToNumber(bool value) { return value ? 1 : 0; }
int64_t ToNumber(double value) { return std::bit_cast<int64_t>(value); }
int64_t ToNumber(AutoscalerMode value) { return static_cast<int64_t>(value); }
int64_t ToNumber(absl::Duration value) {
  static_assert(kInfiniteDuration == std::numeric_limits<int64_t>::max());
  return absl::ToInt64Nanoseconds(value);  // Saturates.
}
template <typename T>
int64_t ToNumber(const std::optional<T>& value) {
  return value.has_value() ? ToNumber(*value) : kNoConfigValue;
}

bool FromNumber(int64_t number, int& value) {
  if (number != static_cast<int>(number)) return false;
  value = static_cast<int>(number);
  return true;
}
bool FromNumber(int64_t number, int64_t& value) {
  if (number == kNoConfigValue) return false;
  value = number;
  return true;
}
bool FromNumber(int64_t number, bool& value) {
  if (number != 0 && number != 1) return false;
  value = number == 1;
  return true;
}
bool FromNumber(int64_t number, double& value) {
  value = std::bit_cast<double>(number);
  return true;
}
bool FromNumber(int64_t number, AutoscalerMode& value) {
  switch (const auto mode = static_cast<AutoscalerMode>(number)) {
    case AutoscalerMode::kStatic:
    case AutoscalerMode::kSpare:
    case AutoscalerMode::kBacklog:
    case AutoscalerMode::kCpu:
      if (static_cast<int64_t>(mode) != number) return false;
      value = mode;
      return true;
  }
  return false;
}
bool FromNumber(int64_t number, absl::Duration& value) {
  if (number == kNoConfigValue) return false;
  value = number == kInfiniteDuration ? absl::InfiniteDuration() : absl::Nanoseconds(number);
  return true;
}
template <typename T>
bool FromNumber(int64_t number, std::optional<T>& value) {
  if (number == kNoConfigValue) {
    value.reset();
    return true;
  }
  T present;
  if (!FromNumber(number, present)) return false;
  value = present;
  return true;
}

template <typename T>
struct TypeOf {
  using Plain = T;
  static constexpr bool kOptional = false;
};
template <typename T>
struct TypeOf<std::optional<T>> {
  using Plain = T;
  static constexpr bool kOptional = true;
};

template <typename T>
constexpr ConfigKind KindOf() {
  if constexpr (std::is_same_v<T, absl::Duration>) return ConfigKind::kDuration;
  if constexpr (std::is_same_v<T, double>) return ConfigKind::kFraction;
  if constexpr (std::is_same_v<T, bool>) return ConfigKind::kFlag;
  if constexpr (std::is_same_v<T, AutoscalerMode>) return ConfigKind::kMode;
  return ConfigKind::kCount;
}

// Of the member behind a path of pointers to members.
template <auto... kPath>
constexpr ConfigField Field(std::string_view path) {
  using Type = TypeOf<std::remove_cvref_t<decltype((std::declval<PoolConfig&>().*....*kPath))>>;
  return {.path = path,
          .kind = KindOf<typename Type::Plain>(),
          .optional = Type::kOptional,
          .get = [](const PoolConfig& config) { return ToNumber((config.*....*kPath)); },
          .set = [](PoolConfig& config,
                    int64_t value) { return FromNumber(value, (config.*....*kPath)); }};
}

constexpr auto kDrain = &PoolConfig::drain;
constexpr auto kBackoff = &PoolConfig::backoff;
constexpr auto kBreaker = &PoolConfig::breaker;
constexpr auto kWatchdog = &PoolConfig::watchdog;
constexpr auto kRecycle = &PoolConfig::recycle;
constexpr auto kAutoscaler = &PoolConfig::autoscaler;

constexpr ConfigField kFields[] = {
    Field<&PoolConfig::boot_timeout>("boot_timeout"),
    Field<kDrain, &DrainOptions::grace>("drain.grace"),
    Field<kDrain, &DrainOptions::idle_close_after>("drain.idle_close_after"),
    Field<kDrain, &DrainOptions::kill_after>("drain.kill_after"),
    Field<kBackoff, &BackoffOptions::initial>("backoff.initial"),
    Field<kBackoff, &BackoffOptions::multiplier>("backoff.multiplier"),
    Field<kBackoff, &BackoffOptions::max>("backoff.max"),
    Field<kBackoff, &BackoffOptions::jitter>("backoff.jitter"),
    Field<kBackoff, &BackoffOptions::healthy_after>("backoff.healthy_after"),
    Field<kBreaker, &BreakerOptions::deaths>("breaker.deaths"),
    Field<kBreaker, &BreakerOptions::window>("breaker.window"),
    Field<kBreaker, &BreakerOptions::cool_down>("breaker.cool_down"),
    Field<kWatchdog, &WatchdogOptions::interval>("watchdog.interval"),
    Field<kWatchdog, &WatchdogOptions::stall_warn>("watchdog.stall_warn"),
    Field<kWatchdog, &WatchdogOptions::stall_kill>("watchdog.stall_kill"),
    Field<kWatchdog, &WatchdogOptions::request_timeout>("watchdog.request_timeout"),
    Field<kWatchdog, &WatchdogOptions::stopped_kill>("watchdog.stopped_kill"),
    Field<kWatchdog, &WatchdogOptions::abort_grace>("watchdog.abort_grace"),
    Field<kRecycle, &RecycleOptions::max_requests>("recycle.max_requests"),
    Field<kRecycle, &RecycleOptions::max_lifetime>("recycle.max_lifetime"),
    Field<kRecycle, &RecycleOptions::max_rss>("recycle.max_rss"),
    Field<kRecycle, &RecycleOptions::min_lifetime>("recycle.min_lifetime"),
    Field<kRecycle, &RecycleOptions::jitter>("recycle.jitter"),
    Field<kAutoscaler, &AutoscalerOptions::mode>("autoscaler.mode"),
    Field<kAutoscaler, &AutoscalerOptions::min_workers>("autoscaler.min_workers"),
    Field<kAutoscaler, &AutoscalerOptions::max_workers>("autoscaler.max_workers"),
    Field<kAutoscaler, &AutoscalerOptions::min_spare>("autoscaler.min_spare"),
    Field<kAutoscaler, &AutoscalerOptions::max_spare>("autoscaler.max_spare"),
    Field<kAutoscaler, &AutoscalerOptions::backlog_target>("autoscaler.backlog_target"),
    Field<kAutoscaler, &AutoscalerOptions::cpu_low>("autoscaler.cpu_low"),
    Field<kAutoscaler, &AutoscalerOptions::cpu_high>("autoscaler.cpu_high"),
    Field<kAutoscaler, &AutoscalerOptions::interval>("autoscaler.interval"),
    Field<kAutoscaler, &AutoscalerOptions::scale_down_hold>("autoscaler.scale_down_hold"),
    Field<kAutoscaler, &AutoscalerOptions::max_spawn_rate>("autoscaler.max_spawn_rate"),
    Field<kAutoscaler, &AutoscalerOptions::dry_run>("autoscaler.dry_run"),
};

}  // namespace

std::span<const ConfigField, kNumConfigFields> ConfigFields() { return kFields; }

std::string FormatConfigValue(const ConfigField& field, int64_t value) {
  if (field.optional && value == kNoConfigValue) return "unset";
  switch (field.kind) {
    case ConfigKind::kCount:
      return absl::StrCat(value);
    case ConfigKind::kDuration:
      return absl::FormatDuration(value == kInfiniteDuration ? absl::InfiniteDuration()
                                                             : absl::Nanoseconds(value));
    case ConfigKind::kFraction:
      return absl::StrCat(std::bit_cast<double>(value));
    case ConfigKind::kFlag:
      return value != 0 ? "true" : "false";
    case ConfigKind::kMode:
      return std::string(AutoscalerModeName(static_cast<AutoscalerMode>(value)));
  }
  return "";
}

}  // namespace squall
