// The rows of testdata/http1_wire_rows.json: what the raw requests of Tornado's tests have to come
// to in the parser. "parsed" stands for every answer that a handler gives. And the rows of
// testdata/protocol_rows.json, which protocol_test.cc sends to a server.
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "squall/httpserver/http1_transcript.h"
#include "squall/httpserver/protocol_rows.h"
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

// What the parser says of a request that is answered so.
std::vector<std::string> Verdicts(const internal::ProtocolRow& row) {
  std::vector<std::string> verdicts;
  for (const int status : row.answers) {
    if (status < 200) continue;
    // A server that is not reached by TLS refuses a target that is fine in itself.
    const bool parsed = status == 200 || status == 421;
    verdicts.push_back(parsed ? "parsed" : std::to_string(status));
  }
  return verdicts;
}

TEST(Http1WireTest, ProtocolRowsComeOutAsExpectedHoweverTheyAreCut) {
  for (const internal::ProtocolRow& row : internal::ProtocolRows()) {
    SCOPED_TRACE(row.name + ": " + row.rule);
    const Transcript whole = RunParser({}, {row.input});
    EXPECT_EQ(RunParser({}, Octets(row.input)), whole);
    const std::string_view view = row.input;
    for (size_t i = 0; i < view.size(); i += view.size() < 2000 ? 1 : 997) {
      EXPECT_EQ(RunParser({}, {view.substr(0, i), view.substr(i)}), whole);
    }
    std::vector<std::string> verdicts = whole.verdicts;
    const std::vector<std::string> expected = Verdicts(row);
    if (row.end == internal::ProtocolRow::End::kIncomplete) {
      if (row.input.empty()) continue;
      ASSERT_EQ(verdicts.size(), 1u);
      EXPECT_TRUE(verdicts[0] == "more" || verdicts[0] == "head") << verdicts[0];
      continue;
    }
    // Behind a close the parser would go on.
    if (verdicts.size() > expected.size() && row.end == internal::ProtocolRow::End::kClose &&
        expected.back() == "parsed") {
      verdicts.resize(expected.size());
    }
    EXPECT_EQ(verdicts, expected) << whole.text;
  }
}

}  // namespace
}  // namespace squall
