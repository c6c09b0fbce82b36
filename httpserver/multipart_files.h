// The parts of a multipart body: fields in memory, files on the disk.
//
//   struct UploadHandler : squall::RequestHandler {
//     absl::Status Prepare() {
//       SetMaxBodySize(10ull << 30);
//       ASSIGN_OR_RETURN(parser, squall::MultipartParser::Create(request().headers(), form));
//       return absl::OkStatus();
//     }
//     absl::Status DataReceived(std::string_view data) { return parser->Feed(data); }
//     absl::Status Post() {
//       RETURN_IF_ERROR(parser->Finish());
//       for (squall::UploadedFile& file : form.files()) RETURN_IF_ERROR(file.Keep(NewPath()));
//       return absl::OkStatus();
//     }
//     squall::MultipartFiles form;
//     std::unique_ptr<squall::MultipartParser> parser;
//   };
//
// Files have no name until Keep(), so that nothing stays behind when the client leaves or the
// process dies. Writing to the disk blocks this worker for as long as the kernel takes it into its
// cache. One thread at a time.
#ifndef SQUALL_HTTPSERVER_MULTIPART_FILES_H_
#define SQUALL_HTTPSERVER_MULTIPART_FILES_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/multipart_parser.h"
#include "squall/httpserver/multipart_part.h"
#include "squall/httpserver/url.h"

namespace squall {

struct UploadedFile {
  std::string name;          // of the form's field
  std::string filename;      // as sent: it must not be used as a path
  std::string content_type;  // as sent
  uint64_t size = 0;
  UniqueFd fd;  // read and write; its offset is at the end

  // Gives the file the name `path`, of which nothing must exist (ALREADY_EXISTS else). At once on
  // the file system of MultipartFilesOptions::directory, by a copy elsewhere.
  absl::Status Keep(const std::string& path) const;
};

// Above the limits: RESOURCE_EXHAUSTED, which web/ answers by 413.
struct MultipartFilesOptions {
  std::string directory = "/tmp";
  size_t max_field_size = 1 << 20;  // all plain fields together, octets; above it 413
  mode_t mode = 0600;               // of the files
  size_t max_files = 16;            // each is an open descriptor; above it 413
};

class MultipartFiles final : public MultipartParser::Sink {
 public:
  explicit MultipartFiles(MultipartFilesOptions options = {}) : options_(std::move(options)) {}

  const UrlArguments& fields() const { return fields_; }
  // Complete ones, and at the end one that is still being received.
  std::vector<UploadedFile>& files() { return files_; }

  absl::Status OnPartBegin(const MultipartPart& part) override;
  absl::Status OnPartData(std::string_view data) override;

 private:
  MultipartFilesOptions options_;
  UrlArguments fields_;
  std::vector<UploadedFile> files_;
  size_t field_octets_ = 0;
  bool in_file_ = false;
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_MULTIPART_FILES_H_
