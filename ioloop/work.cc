#include "squall/ioloop/work.h"

#include <memory>
#include <utility>

namespace squall::internal {

void WorkList::PushBack(std::shared_ptr<Work> work) {
  Work& added = *work;
  added.self_ = std::move(work);
  added.previous_ = last_;
  added.next_ = nullptr;
  (last_ == nullptr ? first_ : last_->next_) = &added;
  last_ = &added;
}

std::shared_ptr<Work> WorkList::Take(Work& work) {
  (work.previous_ == nullptr ? first_ : work.previous_->next_) = work.next_;
  (work.next_ == nullptr ? last_ : work.next_->previous_) = work.previous_;
  return std::move(work.self_);
}

}  // namespace squall::internal
