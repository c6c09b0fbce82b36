// The rows of testdata/protocol_rows.json: raw requests, the rule that each is about, and the
// answers that it must have. What judges requests is tested against the same rows: the parser, a
// whole connection, and the octets one by one. Tests only.
//
//   for (const squall::internal::ProtocolRow& row : squall::internal::ProtocolRows()) Check(row);
#ifndef SQUALL_HTTPSERVER_PROTOCOL_ROWS_H_
#define SQUALL_HTTPSERVER_PROTOCOL_ROWS_H_

#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "squall/httpserver/unit_vectors.h"

namespace squall::internal {

struct ProtocolRow {
  enum class End {
    kKeep,        // the next request on the connection is answered
    kClose,       // the server closes behind the last answer
    kIncomplete,  // the request lacks its end: no answer before the client has left
  };
  std::string name;
  std::string rule;  // clause of an RFC
  std::string input;
  std::vector<int> answers;  // interim ones, too
  End end = End::kKeep;
  std::string echo;  // what of the last request has to be understood; see protocol_test.cc
};

inline std::vector<ProtocolRow> ProtocolRows() {
  std::ifstream file("httpserver/testdata/protocol_rows.json");
  const nlohmann::json rows = nlohmann::json::parse(file);
  EXPECT_GT(rows.size(), 200u);
  std::vector<ProtocolRow> result;
  for (const auto& row : rows) {
    std::string input = Latin1(row["input"]);
    for (int i = row.value("count", 0); i > 0; --i) input += Latin1(row["repeat"]);
    input += Latin1(row.value("suffix", ""));
    const std::string end = row["end"];
    result.push_back({.name = row["name"],
                      .rule = row["rule"],
                      .input = std::move(input),
                      .answers = row["answers"],
                      .end = end == "keep"    ? ProtocolRow::End::kKeep
                             : end == "close" ? ProtocolRow::End::kClose
                                              : ProtocolRow::End::kIncomplete,
                      .echo = Latin1(row.value("echo", ""))});
  }
  return result;
}

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_PROTOCOL_ROWS_H_
