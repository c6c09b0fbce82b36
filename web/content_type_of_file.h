// Internal: the media type of a file by its name.
#ifndef SQUALL_WEB_CONTENT_TYPE_OF_FILE_H_
#define SQUALL_WEB_CONTENT_TYPE_OF_FILE_H_

#include <string_view>

namespace squall::internal {

// "text/html" for "a/b.HTML"; "application/octet-stream" for an unknown extension.
std::string_view ContentTypeOfFile(std::string_view name);

}  // namespace squall::internal

#endif  // SQUALL_WEB_CONTENT_TYPE_OF_FILE_H_
