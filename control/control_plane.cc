#include "squall/control/control_plane.h"

#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "squall/base/status_macros.h"
#include "squall/control/control_privileges.h"
#include "squall/control/control_process.h"
#include "squall/control/control_tls.h"
#include "squall/control/default_address.h"
#include "squall/control/status/status_options.h"
#include "squall/netutil/listen_address.h"
#include "squall/netutil/sockets.h"
#include "squall/process/privilege_drop.h"

namespace squall {
namespace {

constexpr std::string_view kUnix = "unix:";

// What was checked, for the sidecar.
struct Resolved {
  ControlRoles roles;
  std::optional<Identity> identity;
  std::optional<ControlTls> tls;
};

absl::Status Invalid(std::string sentence) { return absl::InvalidArgumentError(sentence); }

// Whoever has a role must be able to connect; that nobody can is a mistake that would be looked for
// in the roles.
absl::Status CheckReach(const ControlPlaneOptions& options, const ControlRoles& roles) {
  const mode_t mode = options.socket.mode;
  if ((mode & 0111u) != 0 || (mode & ~0777u) != 0) {
    return Invalid(absl::StrFormat(
        "control_socket_mode 0%o is not the mode of a socket; 0600, 0660 and 0666 are", mode));
  }
  if (!options.socket.group.empty() && (mode & 0020u) == 0) {
    return Invalid(absl::StrFormat(
        "control_socket_group \"%s\" may not connect with control_socket_mode 0%03o; 0660 lets it",
        options.socket.group, mode));
  }
  if (roles.names_certificates() && options.tls.address.empty()) {
    return Invalid(
        "control_tls.address is not set, but a role is given to a certificate (uri: or dns:), "
        "which "
        "only callers over TLS have");
  }
  if (!roles.names_users()) return absl::OkStatus();
  if (options.address.empty()) {
    return Invalid(
        "control is not set, and the default directory of the control socket is its owner's alone, "
        "but others have a role; name a place that they can reach with control: \"unix:/PATH\"");
  }
  if ((mode & 0022u) == 0) {
    return Invalid(absl::StrFormat(
        "control_socket_mode 0%03o lets nobody but the owner connect, but others have a role; 0660 "
        "with control_socket_group lets a group, 0666 everybody try",
        mode));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Identity>> ResolveUser(const std::string& user) {
  const size_t colon = user.find(':');
  absl::StatusOr<std::optional<Identity>> identity = ResolveControlUser(
      user.substr(0, colon), colon == std::string::npos ? "" : user.substr(colon + 1));
  if (identity.ok()) return identity;
  return absl::Status(identity.status().code(),
                      absl::StrCat("control_user: ", identity.status().message()));
}

absl::StatusOr<std::optional<ControlTls>> ResolveTls(const ControlTlsOptions& options,
                                                     const std::optional<Identity>& identity) {
  const std::pair<const char*, const std::string&> files[] = {
      {"control_tls.certificate", options.certificate},
      {"control_tls.key", options.key},
      {"control_tls.client_ca", options.client_ca}};
  for (const auto& [name, file] : files) {
    if (options.address.empty() && !file.empty()) {
      return Invalid(absl::StrCat(name, " \"", file,
                                  "\" is of no use without control_tls.address, which is not set"));
    }
    if (!options.address.empty() && file.empty()) {
      return Invalid(absl::StrCat(
          name,
          " is not set, but control_tls.address is: the control plane is served over TCP only ",
          "with TLS and with certificates of its clients"));
    }
  }
  if (options.address.empty()) return std::nullopt;
  absl::StatusOr<ListenAddress> address = ListenAddress::Parse(options.address);
  if (!address.ok() || address->is_unix()) {
    return Invalid(absl::StrCat("control_tls.address \"", options.address,
                                "\" is not HOST:PORT, such as \"127.0.0.1:8443\""));
  }
  ControlTls tls{.certificate_file = options.certificate,
                 .private_key_file = options.key,
                 .client_ca_file = options.client_ca,
                 .min_version = options.min_version};
  if (const absl::Status usable = CheckControlTls(tls, identity); !usable.ok()) {
    return absl::Status(
        usable.code(),
        absl::StrCat("control_tls: ",
                     absl::StrReplaceAll(usable.message(), {{"client_ca_file", "client_ca"}})));
  }
  return tls;
}

absl::Status CheckLimits(const ControlLimits& limits) {
  if (limits.max_connections < 8) {
    return Invalid(absl::StrCat("control_limits.max_connections must be at least 8, not ",
                                limits.max_connections));
  }
  if (limits.max_callers < 8) {
    return Invalid(
        absl::StrCat("control_limits.max_callers must be at least 8, not ", limits.max_callers));
  }
  const int64_t descriptors =
      internal::kOtherDescriptors +
      internal::kDescriptorsPerConnection * int64_t{limits.max_connections} +
      internal::kDescriptorsPerCaller * int64_t{limits.max_callers};
  if (descriptors > internal::kControlDescriptors) {
    return Invalid(absl::StrCat("control_limits.max_connections ", limits.max_connections,
                                " with max_callers ", limits.max_callers, " needs ", descriptors,
                                " descriptors, and the control process has ",
                                internal::kControlDescriptors));
  }
  if (limits.max_connections_per_caller < 1) {
    return Invalid(
        absl::StrCat("control_limits.max_connections_per_caller must be at least 1, not ",
                     limits.max_connections_per_caller));
  }
  if (limits.changes_burst < 1) {
    return Invalid(absl::StrCat("control_limits.changes_burst must be at least 1, not ",
                                limits.changes_burst));
  }
  if (!(limits.changes_per_second > 0 && limits.changes_per_second <= 1e6)) {
    return Invalid(absl::StrCat("control_limits.changes_per_second must be above 0, not ",
                                limits.changes_per_second));
  }
  return absl::OkStatus();
}

absl::StatusOr<Resolved> Resolve(const ControlPlaneOptions& options) {
  Resolved resolved;
  if (!options.address.empty() && !absl::StartsWith(options.address, "unix:/")) {
    return Invalid(
        absl::StrCat("control \"", options.address, "\" is not \"unix:\" with an absolute path"));
  }
  RETURN_IF_ERROR(CheckLimits(options.limits));
  RETURN_IF_ERROR(Validate(options.status));
  ASSIGN_OR_RETURN(resolved.roles, ControlRoles::Resolve(options.roles));
  RETURN_IF_ERROR(CheckReach(options, resolved.roles));
  ASSIGN_OR_RETURN(resolved.identity, ResolveUser(options.user));
  ASSIGN_OR_RETURN(resolved.tls, ResolveTls(options.tls, resolved.identity));
  return resolved;
}

void NoteFile(const ListenSocket& socket, std::vector<std::string>& files) {
  if (socket.inherited() || !socket.address().is_unix()) return;
  files.emplace_back(socket.address().unix_path());
}

}  // namespace

absl::Status CheckControlPlane(const ControlPlaneOptions& options) {
  return Resolve(options).status();
}

absl::StatusOr<ControlPlane> BindControlPlane(const ControlPlaneOptions& options) {
  ASSIGN_OR_RETURN(Resolved resolved, Resolve(options));
  ControlPlane plane;
  plane.address = options.address;
  if (options.address.empty()) {
    plane.address = DefaultControlAddress();
    if (absl::Status made = EnsurePrivateDirectory(plane.address); !made.ok()) {
      return absl::Status(
          made.code(), absl::StrCat("the control socket cannot be at its default place, ",
                                    plane.address, ": ", made.message(),
                                    "; --control=unix:PATH or --control=none decides otherwise"));
    }
  }
  if (resolved.tls.has_value()) {
    ASSIGN_OR_RETURN(const ListenAddress address, ListenAddress::Parse(options.tls.address));
    ASSIGN_OR_RETURN(resolved.tls->listeners, Bind(address, {.backlog = 128}));
    for (const ListenSocket& listener : resolved.tls->listeners) {
      plane.tls_addresses.push_back(listener.address());
    }
  }
  ControlOptions control{.listener = {},
                         .roles = std::move(resolved.roles),
                         .limits = options.limits,
                         .tls = std::move(resolved.tls),
                         .identity = std::move(resolved.identity),
                         .status = options.status};
  // Last, for they leave files.
  if (!options.status.address.empty()) {
    ASSIGN_OR_RETURN(control.status_listener, BindStatusListener(options.status));
    plane.status_address = control.status_listener.address();
    NoteFile(control.status_listener, plane.socket_files);
  }
  absl::StatusOr<ListenSocket> listener =
      BindControlSocket(plane.address.substr(kUnix.size()), options.socket);
  if (!listener.ok()) {
    for (const std::string& file : plane.socket_files) unlink(file.c_str());
    return listener.status();
  }
  NoteFile(*listener, plane.socket_files);
  control.listener = *std::move(listener);
  plane.sidecar = MakeControlSidecar(std::move(control));
  return plane;
}

}  // namespace squall
