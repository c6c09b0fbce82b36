// The content coding br (RFC 7932): smaller than gzip, and known to browsers over HTTPS.
//
//   settings.compression.codings = {squall::BrotliCoding(), squall::GzipCoding()};
//
// Target //web:brotli, which links Debian's libbrotli.
#ifndef SQUALL_WEB_BROTLI_CODING_H_
#define SQUALL_WEB_BROTLI_CODING_H_

#include "squall/web/content_coding.h"

namespace squall {

struct BrotliOptions {
  // From 0, fast, to 11, small. 4 and more find long matches; 10 and more are for what is
  // compressed once and kept.
  int quality = 4;
  // How far back a match may lie, 2 to this power, from 10 to 24. It is also most of the memory
  // that a body takes while it is under way.
  int window_bits = 18;
};

// An option out of its range ends the program.
ContentCoding BrotliCoding(const BrotliOptions& options = {});

}  // namespace squall

#endif  // SQUALL_WEB_BROTLI_CODING_H_
