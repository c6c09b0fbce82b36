#include "squall/web/answer_buffers.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "squall/httpserver/http_delegate.h"

namespace squall::internal {

namespace {

constexpr size_t kMostKept = 16;
constexpr size_t kLargestBody = 64 << 10;
constexpr size_t kMostFields = 64;

struct Buffers {
  ResponseHead head;
  std::string body;
};

// Coroutines of handlers end with the thread's loop, which may be destroyed after the pool.
thread_local bool pool_is_gone = false;

struct Pool {
  Pool() { kept.reserve(kMostKept); }
  ~Pool() { pool_is_gone = true; }
  std::vector<Buffers> kept;
};

thread_local Pool pool;

}  // namespace

void TakeAnswerBuffers(ResponseHead& head, std::string& body) {
  if (pool_is_gone || pool.kept.empty()) return;
  head = std::move(pool.kept.back().head);
  body = std::move(pool.kept.back().body);
  pool.kept.pop_back();
}

void ReturnAnswerBuffers(ResponseHead& head, std::string& body) {
  if (pool_is_gone || pool.kept.size() >= kMostKept) return;
  if (body.capacity() > kLargestBody || head.headers.size() > kMostFields) return;
  head.status = 200;
  head.reason.clear();
  head.headers.Clear();
  body.clear();
  pool.kept.push_back({std::move(head), std::move(body)});
}

}  // namespace squall::internal
