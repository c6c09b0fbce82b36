#include "examples/server/article_handler.h"

#include <unistd.h>

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace {

constexpr double kMostSeconds = 60;

}  // namespace

absl::Status ArticleHandler::Get() {
  const std::string sleep = GetArgument("sleep", "0");
  double seconds = 0;
  // The comparison also refuses "nan".
  if (!absl::SimpleAtod(sleep, &seconds) || !(seconds >= 0 && seconds <= kMostSeconds)) {
    problem_ =
        absl::StrCat("sleep=", sleep, " is not a number of seconds from 0 to ", kMostSeconds, "\n");
    return absl::InvalidArgumentError(problem_);
  }
  SetHeader("Content-Type", "text/plain; charset=UTF-8");
  // This worker alone waits; the others answer. That is what a pool of processes is for.
  absl::SleepFor(absl::Seconds(seconds));
  Write(absl::StrCat(getpid(), "\n"));
  return absl::OkStatus();
}

void ArticleHandler::WriteError(int status) {
  if (problem_.empty()) return RequestHandler::WriteError(status);
  SetHeader("Content-Type", "text/plain; charset=UTF-8");
  Finish(problem_);
}
