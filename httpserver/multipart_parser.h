// A multipart/form-data body that is parsed as it comes, so that an upload need not be in memory.
//
//   class Count : public squall::MultipartParser::Sink {
//     absl::Status OnPartData(std::string_view data) override {
//       octets += data.size();
//       return absl::OkStatus();
//     }
//    public:
//     uint64_t octets = 0;
//   };
//
//   Count count;
//   squall::MultipartParser parser("the boundary", count);
//   absl::Status status = parser.Feed("--the bound");   // as often as octets come
//   if (status.ok()) status = parser.Finish();
//
// However the body is cut, the result is that of ParseMultipartForm(): same parts, same errors; only
// the parts before an error have been told already. Linear in its input; keeps a part's header and
// some 75 octets. multipart_files.h is a sink that writes files. One thread at a time. Source: RFC
// 7578, RFC 2046 5.1.
#ifndef SQUALL_HTTPSERVER_MULTIPART_PARSER_H_
#define SQUALL_HTTPSERVER_MULTIPART_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/httpserver/form.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/multipart_part.h"

namespace squall {

struct MultipartLimits {
  FormLimits form = {};                                           // parts, and the header of one
  uint64_t max_part_size = std::numeric_limits<uint64_t>::max();  // octets of one part's content
};

class MultipartParser {
 public:
  // What is told, each from within Feed(). An error ends the parser with that error.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual absl::Status OnPartBegin(const MultipartPart&) { return absl::OkStatus(); }
    // A further piece of the part's content, never empty; valid during the call.
    virtual absl::Status OnPartData(std::string_view) { return absl::OkStatus(); }
    virtual absl::Status OnPartEnd() { return absl::OkStatus(); }
  };

  // Reads the boundary from Content-Type. INVALID_ARGUMENT, to be answered by 400, when there is
  // none or the body is no multipart/form-data, or has a Content-Encoding. `sink` is not owned and
  // outlives the parser.
  static absl::StatusOr<std::unique_ptr<MultipartParser>> Create(
      const HttpHeaders& headers, Sink& sink, const MultipartLimits& limits = {});

  // A boundary that is not 1 to 70 octets long is an error of the first Feed().
  MultipartParser(std::string_view boundary, Sink& sink, const MultipartLimits& limits = {});

  // Takes the next octets. INVALID_ARGUMENT for what is malformed or has too many parts,
  // RESOURCE_EXHAUSTED for a part that is too large, or the sink's error; every later call gives the
  // same. A handler of web/ that returns them answers 400 or 413.
  absl::Status Feed(std::string_view data);

  // The body is over: INVALID_ARGUMENT unless its final boundary was there.
  absl::Status Finish();

 private:
  enum class State { kFirstBoundary, kAfterBoundary, kHeader, kContent, kDone };
  enum class Progress { kMore, kNeedsInput };

  absl::StatusOr<Progress> Step();
  absl::StatusOr<Progress> ReadHeader();
  absl::StatusOr<Progress> ReadContent();
  std::string_view rest() const { return std::string_view(buffer_).substr(taken_); }
  // Tells the sink of the content up to `end` of rest(), and takes it off.
  absl::Status Emit(size_t end);

  const std::string delimiter_;  // CRLF, "--", boundary
  Sink& sink_;                   // not owned
  const MultipartLimits limits_;
  State state_ = State::kFirstBoundary;
  absl::Status status_;
  std::string buffer_;      // what was fed, from about the first octet that is not decided on
  size_t taken_ = 0;        // octets of buffer_ that are done with
  size_t scanned_ = 0;      // octets of rest() in which the header is known not to end
  size_t not_content_ = 0;  // octets at the start of rest() that belong to the header
  size_t parts_ = 0;
  uint64_t part_size_ = 0;
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_MULTIPART_PARSER_H_
