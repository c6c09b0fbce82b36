// The release of squall, as GetServerInfo and `squallctl version` say it.
#ifndef SQUALL_CONTROL_VERSION_H_
#define SQUALL_CONTROL_VERSION_H_

namespace squall {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace squall

#endif  // SQUALL_CONTROL_VERSION_H_
