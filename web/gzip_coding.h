// The content coding gzip (RFC 1952), which every client knows.
#ifndef SQUALL_WEB_GZIP_CODING_H_
#define SQUALL_WEB_GZIP_CODING_H_

#include "squall/web/content_coding.h"

namespace squall {

// `level` from 1, fast, to 9, small; another one ends the program. 6 as in Tornado. 256 KiB of
// memory while a body is under way.
ContentCoding GzipCoding(int level = 6);

}  // namespace squall

#endif  // SQUALL_WEB_GZIP_CODING_H_
