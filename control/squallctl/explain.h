// Why is the pool not as it is wanted? `squallctl explain`.
#ifndef SQUALL_CONTROL_SQUALLCTL_EXPLAIN_H_
#define SQUALL_CONTROL_SQUALLCTL_EXPLAIN_H_

#include <string>
#include <vector>

#include "squall/control/v1/control.pb.h"

namespace squall::internal {

// One sentence or more for each thing that is not as it should be, with what to do about it; one
// that says that all is well when nothing is.
std::vector<std::string> Explain(const control::v1::Pool& pool,
                                 const std::vector<control::v1::Worker>& workers);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_EXPLAIN_H_
