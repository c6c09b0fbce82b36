// Octets of an open file, as the body of an answer.
//
//   auto file = std::make_shared<const squall::UniqueFd>(::open("logo.png", O_RDONLY | O_CLOEXEC));
//   connection.FinishWithFile(head, {.file = file, .offset = 0, .size = 4096}).IgnoreError();
//
// Shared, so that a cache of open files and the answers under way can hold the same one.
#ifndef SQUALL_HTTPSERVER_FILE_RANGE_H_
#define SQUALL_HTTPSERVER_FILE_RANGE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "squall/base/unique_fd.h"

namespace squall {

struct FileRange {
  std::shared_ptr<const UniqueFd> file;  // a regular file, open for reading
  uint64_t offset = 0;
  uint64_t size = 0;
};

// Reads the range's first octets, at most `size`, into `data`: as many as there are, or -1 with errno.
// The file's own offset stays.
ssize_t ReadFileRange(const FileRange& range, char* data, size_t size);

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_FILE_RANGE_H_
