#include "squall/httpserver/multipart_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"

namespace squall {

namespace {

// A file without a name in `directory`.
absl::StatusOr<UniqueFd> OpenNameless(const std::string& directory, mode_t mode) {
  UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
  if (fd.valid()) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR) {
    return StatusFromErrno(errno, absl::StrCat("a file in ", directory));
  }
  // A file system without O_TMPFILE: the name is there for a moment.
  std::string name = absl::StrCat(directory, "/upload-XXXXXX");
  fd = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd.valid()) return StatusFromErrno(errno, absl::StrCat("a file in ", directory));
  ::unlink(name.c_str());
  ::fchmod(fd.get(), mode);
  return fd;
}

absl::Status CopyTo(int from, uint64_t size, const std::string& path) {
  struct stat stat = {};
  ::fstat(from, &stat);
  const UniqueFd to(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, stat.st_mode & 07777));
  if (!to.valid()) return StatusFromErrno(errno, path);
  off_t at = 0;
  while (static_cast<uint64_t>(at) < size) {
    const ssize_t n = ::sendfile(to.get(), from, &at, size - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = n == 0 ? EIO : errno;
      ::unlink(path.c_str());
      return StatusFromErrno(error, absl::StrCat("copying to ", path));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status UploadedFile::Keep(const std::string& path) const {
  const std::string link = absl::StrCat("/proc/self/fd/", fd.get());
  if (::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0) {
    return absl::OkStatus();
  }
  // EXDEV: another file system. ENOENT: made without O_TMPFILE, or no such directory, which the
  // copy will say.
  if (errno != EXDEV && errno != ENOENT) return StatusFromErrno(errno, path);
  return CopyTo(fd.get(), size, path);
}

absl::Status MultipartFiles::OnPartBegin(const MultipartPart& part) {
  in_file_ = !part.filename.empty();
  if (!in_file_) {
    fields_.emplace_back(part.name, "");
    return absl::OkStatus();
  }
  if (files_.size() >= options_.max_files) {
    return internal::FormTooLarge(
        absl::StrCat("the form has more than ", options_.max_files, " files"));
  }
  ASSIGN_OR_RETURN(UniqueFd fd, OpenNameless(options_.directory, options_.mode));
  files_.push_back({part.name, part.filename, part.content_type, 0, std::move(fd)});
  return absl::OkStatus();
}

absl::Status MultipartFiles::OnPartData(std::string_view data) {
  if (!in_file_) {
    field_octets_ += data.size();
    if (field_octets_ > options_.max_field_size) {
      return internal::FormTooLarge(
          absl::StrCat("the form's fields have more than ", options_.max_field_size, " octets"));
    }
    fields_.back().second.append(data);
    return absl::OkStatus();
  }
  UploadedFile& file = files_.back();
  while (!data.empty()) {
    const ssize_t n = ::write(file.fd.get(), data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return StatusFromErrno(errno, absl::StrCat("a file in ", options_.directory));
    file.size += n;
    data.remove_prefix(n);
  }
  return absl::OkStatus();
}

}  // namespace squall
