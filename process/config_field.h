// The fields of a PoolConfig one by one: by name, and as plain numbers, which is how they go over the
// control link.
//
//   for (const ConfigField& field : ConfigFields()) {
//     if (field.get(now) != field.get(before)) {
//       LOG(INFO) << field.path << " is " << FormatConfigValue(field, field.get(now));
//     }
//   }
//
// Any process, any thread.
#ifndef SQUALL_PROCESS_CONFIG_FIELD_H_
#define SQUALL_PROCESS_CONFIG_FIELD_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "squall/process/pool_config.h"

namespace squall {

enum class ConfigKind : uint8_t {
  kCount,     // As it is.
  kDuration,  // Nanoseconds; kInfiniteDuration stands for infinite.
  kFraction,  // The octets of a double.
  kFlag,      // 0, 1.
  kMode,      // An AutoscalerMode.
};

// Of a field that need not have a value, and has none.
inline constexpr int64_t kNoConfigValue = std::numeric_limits<int64_t>::min();
inline constexpr int64_t kInfiniteDuration = std::numeric_limits<int64_t>::max();

struct ConfigField {
  std::string_view path;  // "drain.grace"
  ConfigKind kind;
  bool optional;  // May be kNoConfigValue.
  int64_t (*get)(const PoolConfig& config);
  // False, and nothing is changed, for a number that no value of this field has. Whether a value
  // makes sense, Validate() says.
  bool (*set)(PoolConfig& config, int64_t value);
};

inline constexpr size_t kNumConfigFields = 35;

// Always in the same order.
std::span<const ConfigField, kNumConfigFields> ConfigFields();

// For people: "30s", "0.7", "spare", "inf"; "unset" for kNoConfigValue.
std::string FormatConfigValue(const ConfigField& field, int64_t value);

// Some fields of a configuration and their values, of fixed size. Those that are not named are 0.
struct ConfigChange {
  uint64_t fields = 0;  // Bit i: ConfigFields()[i].
  int64_t values[kNumConfigFields] = {};

  bool Has(size_t field) const { return (fields >> field & 1) != 0; }
  void Set(size_t field, int64_t value) {
    fields |= uint64_t{1} << field;
    values[field] = value;
  }
  friend bool operator==(const ConfigChange&, const ConfigChange&) = default;
};
static_assert(kNumConfigFields <= 64);

}  // namespace squall

#endif  // SQUALL_PROCESS_CONFIG_FIELD_H_
