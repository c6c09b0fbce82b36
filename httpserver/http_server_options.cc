#include "squall/httpserver/http_server_options.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/netutil/trusted_networks.h"

namespace squall {
namespace {

absl::Status CheckAtLeastOne(std::string_view name, uint64_t value) {
  if (value >= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("http.", ToAbsl(name), " must be at least 1, not 0"));
}

// Infinite ones are off.
absl::Status CheckTimeout(std::string_view name, absl::Duration value) {
  if (value > absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("http.", ToAbsl(name),
                                                 " must be positive (inf: no timeout), not ",
                                                 absl::FormatDuration(value)));
}

absl::Status CheckCount(std::string_view name, int value) {
  if (value >= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("http.", ToAbsl(name), " must be at least 1, not ", value));
}

}  // namespace

absl::Status Validate(const HttpServerOptions& options) {
  for (const absl::Status& status :
       {CheckAtLeastOne("chunk_size", options.chunk_size),
        CheckAtLeastOne("max_header_size", options.max_header_size),
        CheckAtLeastOne("max_request_line", options.max_request_line),
        CheckAtLeastOne("max_header_fields", options.max_header_fields),
        CheckAtLeastOne("max_method_size", options.max_method_size),
        CheckAtLeastOne("max_chunk_line", options.max_chunk_line),
        CheckAtLeastOne("max_trailer_size", options.max_trailer_size),
        CheckAtLeastOne("max_pipelined_input", options.max_pipelined_input),
        CheckTimeout("header_timeout", options.header_timeout),
        CheckTimeout("body_timeout", options.body_timeout),
        CheckTimeout("idle_connection_timeout", options.idle_connection_timeout),
        CheckTimeout("write_timeout", options.write_timeout),
        CheckTimeout("max_connection_age", options.max_connection_age),
        CheckCount("pipeline_burst", options.pipeline_burst),
        CheckCount("accept_budget", options.accept_budget)}) {
    if (!status.ok()) return status;
  }
  if (options.linger_timeout < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("http.linger_timeout must not be negative: ",
                                                   absl::FormatDuration(options.linger_timeout)));
  }
  if (options.write_low_mark > options.write_high_mark) {
    return absl::InvalidArgumentError(
        absl::StrCat("http.write_low_mark must not be above http.write_high_mark (",
                     options.write_high_mark, "), but is ", options.write_low_mark));
  }
  if (options.max_write_buffer_size < options.write_high_mark) {
    return absl::InvalidArgumentError(
        absl::StrCat("http.max_write_buffer_size must not be below http.write_high_mark (",
                     options.write_high_mark, "), but is ", options.max_write_buffer_size));
  }
  if (options.protocol.has_value() && options.protocol->empty()) {
    return absl::InvalidArgumentError(
        "http.protocol is empty; it is a scheme such as https, or not set");
  }
  if (const absl::Status trusted = TrustedNetworks::Parse(options.trusted_downstream).status();
      !trusted.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("http.trusted_downstream: ", trusted.message()));
  }
  if (options.proxy_protocol.has_value()) {
    if (const absl::Status proxy = Validate(*options.proxy_protocol); !proxy.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("http.", proxy.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace squall
