// Names of requests across services: X-Request-ID, and traceparent and tracestate of W3C Trace Context.
//
//   std::optional<squall::TraceContext> theirs = squall::ParseTraceparent(field);
//   squall::TraceContext ours = theirs ? theirs->Child() : squall::TraceContext::New();
//   ours.Traceparent();  // for the requests that this one makes: "00-<trace>-<span>-01"
//   ours.tracestate;     // for them, too, unless it is empty
//
// HttpRequest::id() and trace() do this for each request that asks. Pure functions but for the
// random octets, which are the kernel's. Source: https://www.w3.org/TR/trace-context/ 3.2 and 3.3.
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
  // The value of tracestate, which belongs beside Traceparent(): what tracing systems say to themselves.
  // At most 512 octets; empty: none.
  std::string tracestate = {};

  // A new trace.
  static TraceContext New();
  // A new span of this trace, with its tracestate and those of its flags that are known.
  TraceContext Child() const;
  // The field's value, version 00.
  std::string Traceparent() const;
};

// What traceparent says: its span is the sender's. nullopt for what is not valid. A version that is
// not known is read as far as version 00 goes (3.2.4); version ff is never valid.
std::optional<TraceContext> ParseTraceparent(std::string_view value);

// `value`, of all tracestate fields joined by commas, as it is passed on: without empty members and
// repeated keys, and, where it is longer than 512 octets, without members above 128 octets and then
// without the last ones. Empty for what is not valid: another key or value than 3.3.1.3 has, more than
// 32 members. Means nothing without a traceparent that is valid.
std::string ParseTracestate(std::string_view value);

// 1 to 128 letters, digits and "-._~+/=:@": what may stand in a log, a field and a URL's query as it
// is. Anything else of a client is not taken for an id.
bool IsValidRequestId(std::string_view id);

// 32 random hexadecimal digits.
std::string NewRequestId();

}  // namespace squall

#endif  // SQUALL_WEB_TRACE_CONTEXT_H_
