#include "squall/web/brotli_coding.h"

#include <brotli/encode.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "squall/base/logging.h"
#include "squall/web/content_coding.h"

namespace squall {

namespace {

class BrotliEncoder final : public BodyEncoder {
 public:
  explicit BrotliEncoder(const BrotliOptions& options)
      : state_(BrotliEncoderCreateInstance(nullptr, nullptr, nullptr)) {
    CHECK(state_ != nullptr) << "no memory for a brotli encoder";
    Set(BROTLI_PARAM_QUALITY, options.quality);
    Set(BROTLI_PARAM_LGWIN, options.window_bits);
  }
  ~BrotliEncoder() override { BrotliEncoderDestroyInstance(state_); }
  BrotliEncoder(const BrotliEncoder&) = delete;
  BrotliEncoder& operator=(const BrotliEncoder&) = delete;

  void Encode(std::string& body, bool last) override {
    if (!std::exchange(begun_, true) && last) {
      // The encoder then takes no more memory than the body needs.
      Set(BROTLI_PARAM_SIZE_HINT,
          std::min<size_t>(body.size(), std::numeric_limits<uint32_t>::max()));
    }
    std::string encoded;
    size_t left = body.size();
    const auto* next = reinterpret_cast<const uint8_t*>(body.data());
    const auto operation = last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH;
    bool done = false;
    while (!done) {
      size_t room = 0;
      CHECK(BrotliEncoderCompressStream(state_, operation, &left, &next, &room, nullptr, nullptr))
          << "brotli";
      // As long as output waits, there may be input inside that is not encoded yet.
      done = left == 0 && !BrotliEncoderHasMoreOutput(state_);
      size_t size = 0;
      const uint8_t* const output = BrotliEncoderTakeOutput(state_, &size);
      encoded.append(reinterpret_cast<const char*>(output), size);
    }
    body = std::move(encoded);
  }

 private:
  void Set(BrotliEncoderParameter parameter, uint32_t value) {
    CHECK(BrotliEncoderSetParameter(state_, parameter, value)) << "brotli parameter " << parameter;
  }

  BrotliEncoderState* const state_;
  bool begun_ = false;
};

}  // namespace

ContentCoding BrotliCoding(const BrotliOptions& options) {
  CHECK(options.quality >= BROTLI_MIN_QUALITY && options.quality <= BROTLI_MAX_QUALITY)
      << "BrotliOptions::quality is " << options.quality << ", not from 0 to 11";
  CHECK(options.window_bits >= BROTLI_MIN_WINDOW_BITS &&
        options.window_bits <= BROTLI_MAX_WINDOW_BITS)
      << "BrotliOptions::window_bits is " << options.window_bits << ", not from 10 to 24";
  return {"br", [options] { return std::make_unique<BrotliEncoder>(options); }};
}

}  // namespace squall
