// Internal: for tests, what a client of a compressed answer reads.
#ifndef SQUALL_WEB_GUNZIP_H_
#define SQUALL_WEB_GUNZIP_H_

#include <zlib.h>

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace squall {

// The text, at most 4 MiB, of a whole gzip stream; the test fails for another.
inline std::string Gunzip(std::string_view data) {
  z_stream stream = {};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string text(1 << 22, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = data.size();
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = text.size();
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

}  // namespace squall

#endif  // SQUALL_WEB_GUNZIP_H_
