// Decompresses a gzip stream piece by piece, by pull, so that its consumer can pause in the middle
// of a piece that expands a thousandfold.
//
//   squall::GzipDecompressor gzip;
//   std::string buffer(65536, '\0');
//   std::string_view input = ...;
//   for (;;) {
//     size_t size = 0;
//     auto result = gzip.Next(input, buffer.data(), buffer.size(), &size);
//     Consume(std::string_view(buffer).substr(0, size));
//     if (result != squall::GzipDecompressor::Result::kOutput) break;
//   }
//
// One thread at a time.
#ifndef SQUALL_HTTPSERVER_GZIP_DECOMPRESSOR_H_
#define SQUALL_HTTPSERVER_GZIP_DECOMPRESSOR_H_

#include <cstddef>
#include <memory>
#include <string_view>

namespace squall {

class GzipDecompressor {
 public:
  enum class Result {
    kOutput,     // `output` is full: call again, there may be more
    kNeedInput,  // all input is consumed
    kCorrupt,    // no gzip stream, or rubbish behind it
  };

  GzipDecompressor();
  ~GzipDecompressor();
  GzipDecompressor(const GzipDecompressor&) = delete;
  GzipDecompressor& operator=(const GzipDecompressor&) = delete;

  // Takes what it needs off the front of `input`, writes at most `capacity` octets to `output` and
  // their number to `size`. Several gzip members in a row are one stream (RFC 1952 2.2).
  Result Next(std::string_view& input, char* output, size_t capacity, size_t* size);

  // True when the input so far ends with the end of a member, or nothing was given.
  bool complete() const;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_GZIP_DECOMPRESSOR_H_
