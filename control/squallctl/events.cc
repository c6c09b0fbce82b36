#include "squall/control/squallctl/events.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "google/protobuf/util/json_util.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/squallctl/print.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

// As tail -f.
constexpr uint64_t kLastEvents = 10;

// "worker-died"
std::string KindName(v1::EventKind kind) {
  std::string name = v1::EventKind_Name(kind);
  if (name.empty()) return absl::StrCat("kind-", static_cast<int>(kind));
  return absl::StrReplaceAll(absl::AsciiStrToLower(absl::StripPrefix(name, "EVENT_KIND_")),
                             {{"_", "-"}});
}

// Each by itself, so that a reader of the stream has it at once.
void PrintEvent(const v1::Event& event, OutputFormat format, Console& console) {
  switch (format) {
    case OutputFormat::kTable:
      console.out << EventLine(event, console.color) << '\n';
      break;
    case OutputFormat::kYaml:
      console.out << "---\n";
      PrintMessage(event, format, console);
      break;
    case OutputFormat::kJson: {
      google::protobuf::util::JsonPrintOptions options;
      options.always_print_primitive_fields = true;
      std::string json;
      const auto status = google::protobuf::util::MessageToJsonString(event, &json, options);
      console.out << (status.ok() ? json : status.ToString()) << '\n';
      break;
    }
  }
  console.out.flush();
}

uint64_t FirstKept(const absl::Status& status) {
  const std::map<std::string, std::string> metadata = ErrorMetadata(status);
  const auto first = metadata.find("first_version");
  uint64_t version = 1;
  if (first != metadata.end()) (void)absl::SimpleAtoi(first->second, &version);
  return version;
}

class Follower {
 public:
  Follower(ControlClient& client, const CommandLine& line, Console& console)
      : client_(client), line_(line), console_(console) {}

  absl::Status Run() {
    absl::Status status = Begin();
    while (status.ok() && console_.out.good()) {
      status = client_.WatchEvents(request_, [this](const v1::WatchEventsResponse& message) {
        if (message.has_event()) {
          PrintEvent(message.event(), line_.output, console_);
          request_.set_from_version(message.event().version() + 1);
          begun_ = true;
        }
        return console_.out.good();
      });
      if (!status.ok()) status = GoOnAfter(status);
    }
    return status;
  }

 private:
  // Where to begin, and in which life of the server.
  absl::Status Begin() {
    const absl::StatusOr<v1::EventBookmark> end = End();
    if (!end.ok()) return end.status();
    request_.set_instance_id(end->instance_id());
    const uint64_t next = end->version() + 1;
    request_.set_from_version(
        line_.from.value_or(next > kLastEvents ? next - kLastEvents : uint64_t{1}));
    return absl::OkStatus();
  }

  absl::StatusOr<v1::EventBookmark> End() {
    v1::EventBookmark end;
    absl::Status status = client_.WatchEvents({}, [&end](const v1::WatchEventsResponse& first) {
      end.set_instance_id(first.snapshot().instance_id());
      end.set_version(first.snapshot().version());
      return false;
    });
    if (!status.ok()) return status;
    return end;
  }

  absl::Status GoOnAfter(const absl::Status& status) {
    const std::string reason = ErrorReason(status);
    if (reason == "SLOW_READER") return absl::OkStatus();
    if (reason == "NEW_INSTANCE") {
      console_.err << "squallctl: " << status.message() << std::endl;
      request_.set_instance_id(ErrorMetadata(status)["instance_id"]);
      request_.set_from_version(1);
      return absl::OkStatus();
    }
    // One that was asked for by its version and is not there is an error; one that went meanwhile
    // is a gap.
    if (reason == "EVENTS_COMPACTED" && (begun_ || !line_.from.has_value())) {
      const uint64_t first = FirstKept(status);
      console_.err << "squallctl: events " << request_.from_version() << " to " << first - 1
                   << " are not kept any more" << std::endl;
      request_.set_from_version(first);
      return absl::OkStatus();
    }
    if (status.code() != absl::StatusCode::kUnavailable || !reason.empty()) return status;
    // The control process is replaced, and its successor may take a while; or the server is gone.
    absl::Status again;
    do {
      again = client_.GetPool().status();
    } while (again.code() == absl::StatusCode::kDeadlineExceeded);
    return again;
  }

  ControlClient& client_;
  const CommandLine& line_;
  Console& console_;
  v1::WatchEventsRequest request_;
  bool begun_ = false;
};

ExitCode List(ControlClient& client, const CommandLine& line, Console& console) {
  v1::ListEventsRequest request;
  request.set_from_version(line.from.value_or(0));
  request.set_page_size(500);
  const absl::StatusOr<v1::ListEventsResponse> events = client.ListEvents(request);
  if (!events.ok()) return Fail(events.status(), console);
  if (line.output != OutputFormat::kTable) {
    PrintMessage(*events, line.output, console);
    return ExitCode::kDone;
  }
  for (const v1::Event& event : events->events()) {
    console.out << EventLine(event, console.color) << '\n';
  }
  return ExitCode::kDone;
}

}  // namespace

std::string EventLine(const v1::Event& event, bool color) {
  const char* paint = "";
  if (color && event.severity() == v1::EVENT_SEVERITY_WARNING) paint = "\x1b[33m";
  if (color && event.severity() == v1::EVENT_SEVERITY_ERROR) paint = "\x1b[31m";
  return absl::StrFormat(
      "%s %6d  %-25s %4s  %s%s%s",
      absl::FormatTime("%Y-%m-%d %H:%M:%E3S", FromProto(event.time()), absl::LocalTimeZone()),
      event.version(), KindName(event.kind()),
      event.has_slot() ? absl::StrCat(event.slot()) : std::string("-"), paint, event.message(),
      *paint == '\0' ? "" : "\x1b[0m");
}

ExitCode Events(ControlClient& client, const CommandLine& line, Console& console) {
  if (!line.follow) return List(client, line, console);
  const absl::Status status = Follower(client, line, console).Run();
  return status.ok() ? ExitCode::kDone : Fail(status, console);
}

}  // namespace squall::internal
