// The content coding zstd (RFC 8878): faster than gzip and smaller.
//
//   settings.compression.codings = {squall::ZstdCoding(), squall::GzipCoding()};
//
// Target //web:zstd, which links Debian's libzstd.
#ifndef SQUALL_WEB_ZSTD_CODING_H_
#define SQUALL_WEB_ZSTD_CODING_H_

#include "squall/web/content_coding.h"

namespace squall {

// `level` from 1, fast, to 19, small; another one ends the program. Those have windows of 8 MiB or less,
// which is what a client must be able to keep (RFC 9659); zstd has more levels, for files.
ContentCoding ZstdCoding(int level = 3);

}  // namespace squall

#endif  // SQUALL_WEB_ZSTD_CODING_H_
