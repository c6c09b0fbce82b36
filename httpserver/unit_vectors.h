// The values that Tornado's functions give, from testdata/unit_vectors.json, for tests.
//
//   for (const auto& row : squall::internal::UnitVectors("url_concat")) Check(row);
//
// Text comes as octets: characters are taken as UTF-8 as they stand in the file.
#ifndef SQUALL_HTTPSERVER_UNIT_VECTORS_H_
#define SQUALL_HTTPSERVER_UNIT_VECTORS_H_

#include <fstream>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace squall::internal {

// One section of the file; a failure of the test when it is missing or empty.
inline nlohmann::json UnitVectors(const std::string& section) {
  std::ifstream file("httpserver/testdata/unit_vectors.json");
  nlohmann::json all = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!all.is_object() || !all.contains(section) || all[section].empty()) {
    ADD_FAILURE() << "no section " << section << " in httpserver/testdata/unit_vectors.json";
    return nlohmann::json::array();
  }
  return all[section];
}

// The number in `value`, nothing for null.
inline std::optional<int64_t> OptionalNumber(const nlohmann::json& value) {
  if (value.is_null()) return std::nullopt;
  return value.get<int64_t>();
}

// The octets of text whose characters are U+0000 to U+00FF.
inline std::string Latin1(const std::string& utf8) {
  std::string out;
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    const bool pair = c >= 0x80 && i + 1 < utf8.size();
    out.push_back(pair ? static_cast<char>((c & 3) << 6 | (utf8[++i] & 0x3f)) : utf8[i]);
  }
  return out;
}

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_UNIT_VECTORS_H_
