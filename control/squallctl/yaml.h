// A message as YAML. JSON would be YAML as well; this is the form that people read: blocks by
// indentation, no quotes where none are needed.
//
// By hand because protobuf has no YAML, and yaml-cpp, the library that Debian has, writes texts which
// look like another type without quotes (its issue 1362): a reader would take the version "1.10" for
// a number and the name "no" for a truth value.
#ifndef SQUALL_CONTROL_SQUALLCTL_YAML_H_
#define SQUALL_CONTROL_SQUALLCTL_YAML_H_

#include <string>

#include "google/protobuf/struct.pb.h"

namespace squall::internal {

// Keys in alphabetical order. Ends with a newline.
std::string ToYaml(const google::protobuf::Value& value);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_YAML_H_
