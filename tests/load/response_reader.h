// Reads answers of a server as strictly as RFC 9112 lets them be read, for clients that are there to
// find fault.
//
//   ResponseReader reader;
//   switch (reader.Take("HTTP/1.1 204 No Content\r\n\r\n")) {
//     case ResponseReader::Progress::kComplete: CHECK_EQ(reader.status(), 204); break;
//     case ResponseReader::Progress::kPartial: break;   // more has to come
//     case ResponseReader::Progress::kMalformed: LOG(ERROR) << reader.fault(); break;
//   }
//   reader.StartNext();
//
// One request is out at a time: an octet behind its answer is a fault. Not for answers without a
// Content-Length; the servers under test send it always.
#ifndef SQUALL_TESTS_LOAD_RESPONSE_READER_H_
#define SQUALL_TESTS_LOAD_RESPONSE_READER_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace squall::testing {

class ResponseReader {
 public:
  enum class Progress { kPartial, kComplete, kMalformed };

  // Takes what came. After kComplete or kMalformed call StartNext first.
  Progress Take(std::string_view octets);
  void StartNext();

  // Has an octet of the present answer come?
  bool begun() const { return !text_.empty(); }
  // Of a complete answer.
  int status() const { return status_; }
  bool close() const { return close_; }
  std::string_view body() const { return std::string_view(text_).substr(head_size_); }
  // What is wrong with a malformed one, with the line in question.
  const std::string& fault() const { return fault_; }

 private:
  // Both fail always.
  Progress Malformed(std::string_view what, std::string_view line);
  bool Refuse(std::string_view what, std::string_view line);
  bool ReadHead(std::string_view head);
  bool ReadField(std::string_view line);

  std::string text_;
  size_t head_size_ = 0;  // 0: its end has not come yet.
  size_t body_size_ = 0;
  int status_ = 0;
  bool has_length_ = false;
  bool close_ = false;
  std::string fault_;
};

}  // namespace squall::testing

#endif  // SQUALL_TESTS_LOAD_RESPONSE_READER_H_
