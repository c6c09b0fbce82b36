#include "squall/tests/load/response_reader.h"

#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace squall::testing {
namespace {

using Progress = ResponseReader::Progress;
using ::testing::HasSubstr;

constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

TEST(ResponseReader, ReadsAnAnswerWhateverItsPieces) {
  for (size_t cut = 0; cut < kAnswer.size(); ++cut) {
    ResponseReader reader;
    EXPECT_EQ(reader.Take(kAnswer.substr(0, cut)), Progress::kPartial) << cut;
    EXPECT_EQ(reader.begun(), cut > 0);
    ASSERT_EQ(reader.Take(kAnswer.substr(cut)), Progress::kComplete) << cut;
    EXPECT_EQ(reader.status(), 200);
    EXPECT_EQ(reader.body(), "hello");
    EXPECT_TRUE(reader.close());
  }
}

TEST(ResponseReader, ReadsOneAfterTheOther) {
  ResponseReader reader;
  ASSERT_EQ(reader.Take(kAnswer), Progress::kComplete);
  reader.StartNext();
  EXPECT_FALSE(reader.begun());
  ASSERT_EQ(reader.Take("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            Progress::kComplete);
  EXPECT_EQ(reader.status(), 404);
  EXPECT_EQ(reader.body(), "");
  EXPECT_FALSE(reader.close());
}

struct Malformed {
  const char* answer;
  const char* fault;
};

TEST(ResponseReader, RefusesWhatIsNotAsItShouldBe) {
  for (const Malformed& row : {
           Malformed{"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "no status line"},
           Malformed{"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", "no status line"},
           Malformed{"HTTP/1.1 200 OK\r\n\r\n", "no Content-Length"},
           Malformed{"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", "no single length"},
           Malformed{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
                     "no single length"},
           Malformed{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
                     "coding"},
           Malformed{"HTTP/1.1 200 OK\r\nDate : x\r\nContent-Length: 0\r\n\r\n", "no field"},
           Malformed{"HTTP/1.1 200 OK\r\nDate: x\nContent-Length: 0\r\n\r\n", "bare"},
           Malformed{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", "octets behind"},
       }) {
    ResponseReader reader;
    EXPECT_EQ(reader.Take(row.answer), Progress::kMalformed) << row.answer;
    EXPECT_THAT(reader.fault(), HasSubstr(row.fault));
  }
}

}  // namespace
}  // namespace squall::testing
