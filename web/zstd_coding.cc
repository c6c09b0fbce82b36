#include "squall/web/zstd_coding.h"

#include <zstd.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "squall/base/logging.h"
#include "squall/web/content_coding.h"

namespace squall {

namespace {

class ZstdEncoder final : public BodyEncoder {
 public:
  explicit ZstdEncoder(int level) : context_(ZSTD_createCCtx()) {
    CHECK(context_ != nullptr) << "no memory for a zstd encoder";
    Set(ZSTD_c_compressionLevel, level);
  }
  ~ZstdEncoder() override { ZSTD_freeCCtx(context_); }
  ZstdEncoder(const ZstdEncoder&) = delete;
  ZstdEncoder& operator=(const ZstdEncoder&) = delete;

  void Encode(std::string& body, bool last) override {
    if (!std::exchange(begun_, true) && last) {
      // The encoder then takes no more memory than the body needs.
      CHECK(!ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context_, body.size()))) << "zstd";
    }
    std::string encoded;
    ZSTD_inBuffer input = {body.data(), body.size(), 0};
    const auto operation = last ? ZSTD_e_end : ZSTD_e_flush;
    size_t used = 0;
    size_t left = 0;
    do {
      encoded.resize(used + std::max<size_t>(ZSTD_compressBound(input.size - input.pos), 64));
      ZSTD_outBuffer output = {encoded.data() + used, encoded.size() - used, 0};
      left = ZSTD_compressStream2(context_, &output, &input, operation);
      CHECK(!ZSTD_isError(left)) << "zstd: " << ZSTD_getErrorName(left);
      used += output.pos;
    } while (left > 0);
    encoded.resize(used);
    body = std::move(encoded);
  }

 private:
  void Set(ZSTD_cParameter parameter, int value) {
    const size_t result = ZSTD_CCtx_setParameter(context_, parameter, value);
    CHECK(!ZSTD_isError(result)) << "zstd parameter " << parameter << ": "
                                 << ZSTD_getErrorName(result);
  }

  ZSTD_CCtx* const context_;
  bool begun_ = false;
};

}  // namespace

ContentCoding ZstdCoding(int level) {
  CHECK(level >= 1 && level <= 19) << "ZstdCoding(" << level << "): the level is from 1 to 19";
  return {"zstd", [level] { return std::make_unique<ZstdEncoder>(level); }};
}

}  // namespace squall
