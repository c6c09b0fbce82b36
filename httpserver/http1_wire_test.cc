// The rows of testdata/http1_wire_rows.json: what the raw requests of Tornado's tests have to come
// to in the parser. "parsed" stands for every answer that a handler gives.
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "squall/httpserver/http1_transcript.h"
#include "squall/httpserver/unit_vectors.h"

namespace squall {
namespace {

// The file holds octets as the characters U+0000 to U+00FF.
using internal::Latin1;
using internal::Octets;
using internal::RunParser;
using internal::Transcript;

bool Fits(const nlohmann::json& expected, const std::string& verdict) {
  if (expected.is_string()) return verdict == expected.get<std::string>();
  for (const auto& status : expected) {
    if (verdict == std::to_string(status.get<int>())) return true;
  }
  return false;
}

TEST(Http1WireTest, RowsComeOutAsExpectedHoweverTheyAreCut) {
  std::ifstream file("httpserver/testdata/http1_wire_rows.json");
  const nlohmann::json rows = nlohmann::json::parse(file);
  ASSERT_GT(rows.size(), 60u);
  for (const auto& row : rows) {
    SCOPED_TRACE(row["name"].get<std::string>());
    std::string input = Latin1(row["input"]);
    for (int i = row.value("count", 0); i > 0; --i) input += Latin1(row["repeat"]);
    input += Latin1(row.value("suffix", ""));
    Http1Limits limits;
    limits.max_header_size = row.value("max_header_size", limits.max_header_size);
    limits.max_body_size = row.value("max_body_size", limits.max_body_size);
    const Transcript whole = RunParser(limits, {input});
    EXPECT_EQ(RunParser(limits, Octets(input)), whole);
    for (size_t i = 0; i < input.size(); i += input.size() < 2000 ? 1 : 997) {
      const std::string_view view = input;
      EXPECT_EQ(RunParser(limits, {view.substr(0, i), view.substr(i)}), whole);
    }
    ASSERT_EQ(whole.verdicts.size(), row["expect"].size()) << whole.text;
    for (size_t i = 0; i < whole.verdicts.size(); ++i) {
      EXPECT_TRUE(Fits(row["expect"][i], whole.verdicts[i]))
          << whole.verdicts[i] << ": " << whole.reason;
    }
    if (row.contains("keep")) {
      EXPECT_EQ(whole.keep_alive, row["keep"].get<bool>());
    }
  }
}

}  // namespace
}  // namespace squall
