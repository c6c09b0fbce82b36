#include "squall/ioloop/read_request.h"

#include <string.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace squall::internal {
namespace {

using Answer = ReadRequest::Answer;

constexpr Answer kMore = {Answer::Kind::kMore};
constexpr Answer kNever = {Answer::Kind::kNever};

Answer Take(size_t n) { return {Answer::Kind::kTake, n}; }

}  // namespace

absl::Status BytesRequest::Check(size_t max_buffer_size) const {
  if (needs() <= max_buffer_size) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("ReadBytes: ", needs(),
                                                   " octets do not fit into max_buffer_size ",
                                                   max_buffer_size, "; read them in parts"));
}

UntilRequest::UntilRequest(std::string delimiter, size_t max_bytes)
    : ReadRequest(delimiter.size()), delimiter_(std::move(delimiter)), max_bytes_(max_bytes) {}

Answer UntilRequest::Search(std::string_view octets, Arrival) {
  const std::string_view rest = octets.substr(scanned_);
  // memmem is linear in its input, std::string_view::find is not.
  const void* const at =
      rest.empty() ? nullptr
                   : ::memmem(rest.data(), rest.size(), delimiter_.data(), delimiter_.size());
  const size_t seen =
      at == nullptr
          ? octets.size()
          : static_cast<size_t>(static_cast<const char*>(at) - octets.data()) + delimiter_.size();
  if (seen > max_bytes_) return kNever;
  if (at != nullptr) return Take(seen);
  // A delimiter may have begun in the last octets.
  scanned_ = octets.size() - std::min(octets.size(), delimiter_.size() - 1);
  return kMore;
}

absl::Status UntilRequest::Failure() const {
  return absl::OutOfRangeError(absl::StrCat("no delimiter \"", absl::CEscape(delimiter_),
                                            "\" within ", max_bytes_, " octets"));
}

absl::Status UntilRequest::Check(size_t) const {
  if (!delimiter_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("ReadUntil: the delimiter is empty");
}

MatchRequest::MatchRequest(Find find, size_t max_bytes)
    : ReadRequest(1), find_(std::move(find)), max_bytes_(max_bytes) {}

// While more is there, looks again each time the octets have doubled, so that the looks cost no more
// than a few times the last one. When nothing more is there it looks in any case, for what has come
// may be all that ever comes; max_bytes_ is the bound of what a peer can make of that.
Answer MatchRequest::Search(std::string_view octets, Arrival arrival) {
  if (octets.empty()) return kMore;
  if (arrival == Arrival::kSome && octets.size() < next_look_ && octets.size() <= max_bytes_) {
    return kMore;
  }
  next_look_ = octets.size() * 2;
  std::optional<size_t> end;
  try {
    end = find_(octets);
  } catch (...) {
    exception_ = std::current_exception();
    return Take(0);
  }
  if (end.value_or(octets.size()) > max_bytes_) return kNever;
  return end.has_value() ? Take(std::min(*end, octets.size())) : kMore;
}

absl::Status MatchRequest::Failure() const {
  return absl::OutOfRangeError(absl::StrCat("no match within ", max_bytes_, " octets"));
}

Answer UntilCloseRequest::Search(std::string_view octets, Arrival arrival) {
  return arrival == Arrival::kEnd ? Take(octets.size()) : kMore;
}

absl::Status PeekRequest::Check(size_t max_buffer_size) const {
  if (needs() <= max_buffer_size) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("Peek: ", needs(), " octets do not fit into max_buffer_size ", max_buffer_size));
}

}  // namespace squall::internal
