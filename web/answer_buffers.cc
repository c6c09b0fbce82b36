#include "squall/web/answer_buffers.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "squall/httpserver/http_delegate.h"

namespace squall::internal {

namespace {

constexpr size_t kMostKept = 16;
constexpr size_t kLargestBody = 256 << 10;
constexpr size_t kMostFields = 64;

// Coroutines of handlers end with the thread's loop, which may be destroyed after the pool.
thread_local bool pool_is_gone = false;

struct Pool {
  Pool() { kept.reserve(kMostKept); }
  ~Pool() { pool_is_gone = true; }
  std::vector<std::unique_ptr<AnswerBuffers>> kept;
};

thread_local Pool pool;

}  // namespace

std::unique_ptr<AnswerBuffers> TakeAnswerBuffers() {
  if (pool_is_gone || pool.kept.empty()) return std::make_unique<AnswerBuffers>();
  std::unique_ptr<AnswerBuffers> buffers = std::move(pool.kept.back());
  pool.kept.pop_back();
  return buffers;
}

void ReturnAnswerBuffers(std::unique_ptr<AnswerBuffers> buffers) {
  if (pool_is_gone || pool.kept.size() >= kMostKept) return;
  ResponseHead& head = buffers->head;
  if (buffers->body.capacity() > kLargestBody || head.headers.size() > kMostFields) return;
  head.status = 200;
  head.reason.clear();
  head.headers.Clear();
  buffers->body.clear();
  pool.kept.push_back(std::move(buffers));
}

}  // namespace squall::internal
