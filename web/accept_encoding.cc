#include "squall/web/accept_encoding.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "squall/base/string_view.h"

namespace squall::internal {

namespace {

int WeightOf(std::string_view parameter) {
  const std::string weight = absl::AsciiStrToLower(absl::StripAsciiWhitespace(ToAbsl(parameter)));
  double value = 0;
  if (!weight.starts_with("q=") || !absl::SimpleAtod(weight.substr(2), &value)) return 1000;
  // Also of "nan", for which no comparison holds.
  if (!(value >= 0 && value <= 1)) return 1000;
  return static_cast<int>(value * 1000 + 0.5);
}

struct Weights {
  std::optional<int> named;
  std::optional<int> any;
};

Weights WeightsOf(std::string_view accept_encoding, std::string_view coding) {
  Weights weights;
  while (!accept_encoding.empty()) {
    const size_t comma = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view member = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    const size_t semicolon = std::min(member.find(';'), member.size());
    std::string name =
        absl::AsciiStrToLower(absl::StripAsciiWhitespace(ToAbsl(member.substr(0, semicolon))));
    if (name == "x-gzip") name = "gzip";
    const int weight = semicolon == member.size() ? 1000 : WeightOf(member.substr(semicolon + 1));
    if (name == coding) weights.named = weight;
    if (name == "*") weights.any = weight;
  }
  return weights;
}

}  // namespace

int AcceptedWeight(std::string_view accept_encoding, std::string_view coding) {
  const Weights weights = WeightsOf(accept_encoding, coding);
  return weights.named.value_or(weights.any.value_or(0));
}

std::optional<int> NamedWeight(std::string_view accept_encoding, std::string_view coding) {
  return WeightsOf(accept_encoding, coding).named;
}

}  // namespace squall::internal
