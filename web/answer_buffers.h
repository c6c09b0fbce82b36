// Internal: the memory of an answer, used again by the next request of the thread.
//
// A handler's fields and body live in growing buffers. Fresh ones would cost five allocations for
// the smallest answer, which has none otherwise.
#ifndef SQUALL_WEB_ANSWER_BUFFERS_H_
#define SQUALL_WEB_ANSWER_BUFFERS_H_

#include <memory>
#include <string>

#include "squall/httpserver/http_delegate.h"

namespace squall::internal {

struct AnswerBuffers {
  ResponseHead head;
  std::string body;
};

// Empty, but with the memory of an earlier answer if there is one.
std::unique_ptr<AnswerBuffers> TakeAnswerBuffers();

// Keeps the memory for a later answer of this thread, unless enough is kept or it is large.
void ReturnAnswerBuffers(std::unique_ptr<AnswerBuffers> buffers);

}  // namespace squall::internal

#endif  // SQUALL_WEB_ANSWER_BUFFERS_H_
