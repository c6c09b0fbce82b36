#include "squall/httpserver/file_range.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace squall {

ssize_t ReadFileRange(const FileRange& range, char* data, size_t size) {
  const size_t wanted = std::min<uint64_t>(size, range.size);
  size_t done = 0;
  while (done < wanted) {
    const ssize_t got = ::pread(range.file->get(), data + done, wanted - done,
                                static_cast<off_t>(range.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && done == 0) return -1;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace squall
