// The incremental multipart parser against the one for whole bodies: whatever the cuts, the same
// parts or an error from both. The first octet is the size of the pieces and chooses the boundary.
//
//   bazel run --config=fuzz //httpserver:multipart_parser_fuzz_test -- -max_total_time=600 DIR
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/logging.h"
#include "squall/httpserver/form.h"
#include "squall/httpserver/multipart_parser.h"

namespace squall {
namespace {

class Parts : public MultipartParser::Sink {
 public:
  absl::Status OnPartBegin(const MultipartPart& part) override {
    CHECK(!open_) << "a part within a part";
    open_ = true;
    is_file_ = !part.filename.empty();
    if (is_file_) {
      files.push_back({part.name, part.filename, part.content_type, ""});
      contents.emplace_back();
    } else {
      fields.emplace_back(part.name, "");
    }
    return absl::OkStatus();
  }
  absl::Status OnPartData(std::string_view data) override {
    CHECK(open_ && !data.empty()) << "data outside of a part, or none";
    (is_file_ ? contents.back() : fields.back().second).append(data);
    return absl::OkStatus();
  }
  absl::Status OnPartEnd() override {
    CHECK(open_) << "an end without a part";
    open_ = false;
    return absl::OkStatus();
  }

  UrlArguments fields;
  std::vector<FormFile> files;
  std::vector<std::string> contents;

 private:
  bool open_ = false;
  bool is_file_ = false;
};

void Check(std::string_view input) {
  if (input.empty()) return;
  const auto choice = static_cast<uint8_t>(input[0]);
  input.remove_prefix(1);
  const char* const boundary = choice % 2 == 0 ? "b" : "b:-";
  const size_t piece = choice / 2 + 1;
  const FormLimits limits = {.max_parts = 8, .max_part_header_size = 64};
  const absl::StatusOr<FormData> whole = ParseMultipartForm(boundary, input, limits);
  Parts parts;
  MultipartParser parser(boundary, parts, {.form = limits});
  absl::Status status;
  for (std::string_view rest = input; status.ok() && !rest.empty();) {
    status = parser.Feed(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
  }
  if (status.ok()) status = parser.Finish();
  CHECK(status.ok() == whole.ok()) << "one parser takes what the other refuses";
  if (!status.ok()) return;
  CHECK(parts.fields == whole->fields) << "other fields";
  CHECK(parts.files.size() == whole->files.size()) << "another number of files";
  for (size_t i = 0; i < parts.files.size(); ++i) {
    const FormFile& file = whole->files[i];
    CHECK(parts.files[i].name == file.name && parts.files[i].filename == file.filename &&
          parts.files[i].content_type == file.content_type && parts.contents[i] == file.body)
        << "another file";
  }
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
