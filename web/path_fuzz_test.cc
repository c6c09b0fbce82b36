// Paths of files: whatever a client asks for, what is opened lies below the root, and the text of a
// path is normalised once and for all.
//
//   bazel run --config=fuzz //web:path_fuzz_test -- -max_total_time=600 DIR
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/logging.h"
#include "squall/httpserver/url.h"
#include "squall/web/open_file.h"

namespace squall {
namespace {

// A root with a file, a folder, and links to the inside and to the outside.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "squall-path-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr) << "no folder";
    folder_ = std::filesystem::canonical(name);
    std::filesystem::create_directories(folder_ / "root" / "d");
    for (const char* file : {"s", "root/f", "root/d/f"}) std::ofstream(folder_ / file) << file;
    std::filesystem::create_symlink("../s", folder_ / "root" / "o");
    std::filesystem::create_symlink("..", folder_ / "root" / "d" / "u");
    std::filesystem::create_symlink("/", folder_ / "root" / "a");
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string root() const { return (folder_ / "root").string(); }

 private:
  std::filesystem::path folder_;
};

bool IsBelow(const std::string& path, const std::string& root) {
  return path == root || path.starts_with(root + "/");
}

void CheckText(std::string_view normalised) {
  CHECK(!normalised.starts_with('/') && !normalised.ends_with('/')) << "a slash at an end";
  for (std::string_view rest = normalised; !rest.empty();) {
    const size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    CHECK(!segment.empty() && segment != "." && segment != "..") << "a segment that is none";
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  const auto again = internal::NormalizeRelativePath(normalised);
  CHECK(again.ok() && *again == normalised) << "another path the second time";
}

void Check(std::string_view input) {
  static const Folder folder;
  const std::string path = PercentDecodeLenient(input, UrlSpace::kPercent);
  const absl::StatusOr<std::string> name = internal::NormalizeRelativePath(path);
  if (!name.ok()) {
    CHECK(absl::IsPermissionDenied(name.status())) << "another error";
    return;
  }
  CheckText(*name);
  if (path.find('\0') != std::string::npos) return;
  for (const SymbolicLinks links : {SymbolicLinks::kWithinRoot, SymbolicLinks::kNone}) {
    const absl::StatusOr<OpenFile> file = internal::OpenFileBelow(folder.root(), *name, links);
    if (!file.ok()) continue;
    const std::string opened =
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file->fd->get())).string();
    CHECK(IsBelow(opened, folder.root())) << "a file outside of the root";
    if (links == SymbolicLinks::kNone && !name->empty()) {
      CHECK(opened == folder.root() + "/" + *name) << "a link was followed";
    }
  }
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
