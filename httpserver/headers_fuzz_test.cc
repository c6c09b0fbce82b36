// HttpHeaders against a list of pairs: the same fields whatever is done to both. Each step is an octet
// that says what, one that says to which name, and a value up to the next LF.
//
//   bazel run --config=fuzz //httpserver:headers_fuzz_test -- -max_total_time=600 DIR
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "squall/base/logging.h"
#include "squall/httpserver/http_headers.h"

namespace squall {
namespace {

// Some differ in case alone, one is not allowed.
constexpr std::string_view kNames[] = {"A",        "a", "Content-Type", "content-type", "B",
                                       "bad name", ""};

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return lower;
}

bool Allowed(std::string_view name) { return name != "bad name" && !name.empty(); }

bool AllowedValue(std::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); });
}

class Model {
 public:
  bool Add(std::string_view name, std::string_view value) {
    if (!Allowed(name) || !AllowedValue(value)) return false;
    fields_.emplace_back(name, value);
    return true;
  }
  bool Set(std::string_view name, std::string_view value) {
    const auto first = Find(name);
    if (first == fields_.end()) return Add(name, value);
    if (!AllowedValue(value)) return false;
    first->second = value;
    fields_.erase(std::remove_if(first + 1, fields_.end(), Is(name)), fields_.end());
    return true;
  }
  size_t Remove(std::string_view name) { return std::erase_if(fields_, Is(name)); }
  bool Rename(std::string_view from, std::string_view to) {
    if (!Allowed(to)) return false;
    for (auto& field : fields_) {
      if (Is(from)(field)) field.first = to;
    }
    return true;
  }

  void Compare(const HttpHeaders& headers) {
    CHECK(headers.size() == fields_.size()) << "another number of fields";
    for (size_t i = 0; i < fields_.size(); ++i) {
      CHECK(headers.at(i).name == fields_[i].first) << "another name";
      CHECK(headers.at(i).value == fields_[i].second) << "another value";
    }
    for (const std::string_view name : kNames) {
      std::string joined;
      std::vector<std::string_view> all;
      for (const auto& field : fields_) {
        if (!Is(name)(field)) continue;
        if (!all.empty()) joined += ", ";
        joined += field.second;
        all.push_back(field.second);
      }
      CHECK(headers.Has(name) == !all.empty()) << "Has()";
      CHECK(headers.GetAll(name) == all) << "GetAll()";
      CHECK(headers.GetJoined(name) == joined) << "GetJoined()";
      CHECK(headers.Get(name).value_or("none") == (all.empty() ? "none" : all[0])) << "Get()";
      if (all.size() == 1) {
        CHECK(headers.HasToken(name, "close") == HasToken(joined, "close")) << "HasToken()";
      }
    }
  }

 private:
  using Field = std::pair<std::string, std::string>;
  struct Is {
    explicit Is(std::string_view name) : lower(Lower(name)) {}
    bool operator()(const Field& field) const { return Lower(field.first) == lower; }
    std::string lower;
  };
  std::vector<Field>::iterator Find(std::string_view name) {
    return std::find_if(fields_.begin(), fields_.end(), Is(name));
  }
  std::vector<Field> fields_;
};

void Check(std::string_view input) {
  HttpHeaders headers;
  Model model;
  while (input.size() >= 2) {
    const auto what = static_cast<uint8_t>(input[0]);
    const std::string_view name = kNames[static_cast<uint8_t>(input[1]) % std::size(kNames)];
    input.remove_prefix(2);
    std::string_view value = input.substr(0, input.find('\n'));
    input.remove_prefix(std::min(input.size(), value.size() + 1));
    // Values that lie in the object itself move while it grows.
    if (what >= 128 && !headers.empty()) value = headers.at(headers.size() - 1).value;
    const std::string copy(value);
    switch (what % 8) {
      case 0:
      case 1:
        CHECK(headers.Add(name, value) == model.Add(name, copy)) << "Add()";
        break;
      case 2:
      case 3:
        CHECK(headers.Set(name, value) == model.Set(name, copy)) << "Set()";
        break;
      case 4:
        CHECK(headers.Remove(name) == model.Remove(name)) << "Remove()";
        break;
      case 5:
        CHECK(headers.Rename(name, kNames[what / 8 % 4]) ==
              model.Rename(name, kNames[what / 8 % 4]))
            << "Rename()";
        break;
      case 6: {
        const HttpHeaders other = headers;
        headers.Clear();
        CHECK(headers.empty()) << "Clear()";
        headers = other;
        break;
      }
      default:
        CHECK(IsValidHeaderValue(value) == AllowedValue(value)) << "IsValidHeaderValue()";
        NormalizeHeaderName(value);
        break;
    }
    model.Compare(headers);
  }
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), std::min<size_t>(size, 1024)});
  return 0;
}
