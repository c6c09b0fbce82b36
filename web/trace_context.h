// Names of requests across services: X-Request-ID, and traceparent of W3C Trace Context.
//
//   std::optional<squall::TraceContext> theirs = squall::ParseTraceparent(field);
//   squall::TraceContext ours = theirs ? theirs->Child() : squall::TraceContext::New();
//   ours.Traceparent();  // for the requests that this one makes: "00-<trace>-<span>-01"
//
// HttpRequest::id() and trace() do this for each request that asks. Pure functions but for the
// random octets, which are the kernel's. Source: https://www.w3.org/TR/trace-context/ 3.2.
#ifndef SQUALL_WEB_TRACE_CONTEXT_H_
#define SQUALL_WEB_TRACE_CONTEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace squall {

struct TraceContext {
  std::string trace_id;   // 32 hexadecimal digits in lower case, not all zero; of the whole trace
  std::string span_id;    // 16 of them; of this request
  std::string parent_id;  // the span of who sent it; empty: the trace begins here
  uint8_t flags = 0;      // 1: sampled

  // A new trace.
  static TraceContext New();
  // A new span of this trace, with the same flags of those that are known.
  TraceContext Child() const;
  // The field's value, version 00.
  std::string Traceparent() const;
};

// What traceparent says: its span is the sender's. nullopt for what is not valid. A version that is
// not known is read as far as version 00 goes (3.2.4); version ff is never valid.
std::optional<TraceContext> ParseTraceparent(std::string_view value);

// 1 to 128 letters, digits and "-._~+/=:@": what may stand in a log, a field and a URL's query as it
// is. Anything else of a client is not taken for an id.
bool IsValidRequestId(std::string_view id);

// 32 random hexadecimal digits.
std::string NewRequestId();

}  // namespace squall

#endif  // SQUALL_WEB_TRACE_CONTEXT_H_
