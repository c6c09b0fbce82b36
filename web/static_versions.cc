#include "squall/web/static_versions.h"

#include <openssl/evp.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/file_range.h"
#include "squall/web/open_file.h"

namespace squall::internal {

namespace {

constexpr size_t kBlock = 64 << 10;
constexpr size_t kVersionOctets = 8;
// URLs come from handlers, which may make them of what clients say.
constexpr size_t kMostVersions = 10000;

absl::StatusOr<std::string> ReadVersion(const OpenFile& file) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(),
                                                                     &EVP_MD_CTX_free);
  CHECK_EQ(EVP_DigestInit_ex(hash.get(), EVP_sha512(), nullptr), 1);
  FileRange left = {.file = file.fd, .size = static_cast<uint64_t>(file.stat.st_size)};
  std::string block(kBlock, '\0');
  while (left.size > 0) {
    const ssize_t got = ReadFileRange(left, block.data(), block.size());
    if (got < 0) return StatusFromErrno(errno, "read");
    if (got == 0) break;
    CHECK_EQ(EVP_DigestUpdate(hash.get(), block.data(), got), 1);
    left.offset += got;
    left.size -= got;
  }
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  CHECK_EQ(EVP_DigestFinal_ex(hash.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr),
           1);
  return absl::BytesToHexString(digest.substr(0, kVersionOctets));
}

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
         a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

}  // namespace

absl::StatusOr<std::string> StaticVersions::VersionOf(const std::string& root,
                                                      std::string_view path, SymbolicLinks links) {
  ASSIGN_OR_RETURN(const std::string name, NormalizeRelativePath(path));
  absl::StatusOr<OpenFile> file = files_.Open(root, name, links);
  if (file.ok() && !S_ISREG(file->stat.st_mode)) {
    return absl::PermissionDeniedError(absl::StrCat(name, " is not a file"));
  }
  if (!file.ok()) {
    versions_.erase(name);
    return file.status();
  }
  if (const auto known = versions_.find(name);
      known != versions_.end() && SameFile(known->second.stat, file->stat)) {
    return known->second.text;
  }
  ++read_;
  ASSIGN_OR_RETURN(std::string text, ReadVersion(*file));
  if (versions_.size() >= kMostVersions) versions_.clear();
  versions_[name] = {file->stat, text};
  return text;
}

}  // namespace squall::internal
