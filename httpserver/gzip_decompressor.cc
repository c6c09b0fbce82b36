#include "squall/httpserver/gzip_decompressor.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>

#include "squall/base/logging.h"

namespace squall {

struct GzipDecompressor::Stream {
  z_stream z = {};
  bool at_boundary = true;  // before the first member or behind a whole one
  bool corrupt = false;
};

GzipDecompressor::GzipDecompressor() : stream_(std::make_unique<Stream>()) {
  // 16 + 15: the gzip wrapper alone, the largest window.
  CHECK_EQ(inflateInit2(&stream_->z, 16 + MAX_WBITS), Z_OK);
}

GzipDecompressor::~GzipDecompressor() { inflateEnd(&stream_->z); }

bool GzipDecompressor::complete() const { return stream_->at_boundary && !stream_->corrupt; }

GzipDecompressor::Result GzipDecompressor::Next(std::string_view& input, char* output,
                                                size_t capacity, size_t* size) {
  constexpr size_t kMost = UINT32_MAX;
  z_stream& z = stream_->z;
  *size = 0;
  while (!stream_->corrupt) {
    if (*size == capacity) return Result::kOutput;
    if (input.empty() && stream_->at_boundary) return Result::kNeedInput;
    const size_t in = std::min(input.size(), kMost);
    const size_t out = std::min(capacity - *size, kMost);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    z.avail_in = static_cast<uInt>(in);
    z.next_out = reinterpret_cast<Bytef*>(output + *size);
    z.avail_out = static_cast<uInt>(out);
    stream_->at_boundary = false;
    const int code = inflate(&z, Z_NO_FLUSH);
    input.remove_prefix(in - z.avail_in);
    *size += out - z.avail_out;
    if (code == Z_STREAM_END) {
      stream_->at_boundary = true;
      stream_->corrupt = inflateReset(&z) != Z_OK;
    } else if (code == Z_BUF_ERROR || (code == Z_OK && z.avail_out > 0 && input.empty())) {
      // No progress is possible, or all input is used and the output had room left.
      return z.avail_out == 0 ? Result::kOutput : Result::kNeedInput;
    } else if (code != Z_OK) {
      stream_->corrupt = true;
    }
  }
  return Result::kCorrupt;
}

}  // namespace squall
