#include "squall/web/gzip_coding.h"

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "squall/base/logging.h"
#include "squall/web/content_coding.h"

namespace squall {

namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib writes a gzip header and trailer for this

class GzipEncoder final : public BodyEncoder {
 public:
  explicit GzipEncoder(int level) {
    CHECK_EQ(deflateInit2(&stream_, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY), Z_OK);
  }
  ~GzipEncoder() override { deflateEnd(&stream_); }
  GzipEncoder(const GzipEncoder&) = delete;
  GzipEncoder& operator=(const GzipEncoder&) = delete;

  void Encode(std::string& body, bool last) override {
    std::string encoded;
    stream_.next_in = reinterpret_cast<Bytef*>(body.data());
    stream_.avail_in = body.size();
    const int flush = last ? Z_FINISH : Z_SYNC_FLUSH;
    size_t used = 0;
    do {
      encoded.resize(used + std::max<size_t>(deflateBound(&stream_, stream_.avail_in), 64));
      stream_.next_out = reinterpret_cast<Bytef*>(encoded.data()) + used;
      stream_.avail_out = encoded.size() - used;
      deflate(&stream_, flush);
      used = encoded.size() - stream_.avail_out;
    } while (stream_.avail_out == 0);
    encoded.resize(used);
    body = std::move(encoded);
  }

 private:
  z_stream stream_ = {};
};

}  // namespace

ContentCoding GzipCoding(int level) {
  CHECK(level >= 1 && level <= 9) << "GzipCoding(" << level << "): the level is from 1 to 9";
  return {"gzip", [level] { return std::make_unique<GzipEncoder>(level); }};
}

}  // namespace squall
