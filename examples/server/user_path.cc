#include "examples/server/user_path.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

std::string UserPath(const std::string& given) {
  const char* const stood = getenv("BUILD_WORKING_DIRECTORY");
  std::filesystem::path path = given;
  if (stood != nullptr) path = stood / path;
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? given : absolute.string();
}
