#include "squall/web/etag.h"

#include <openssl/evp.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"

namespace squall {

namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

std::string_view WithoutWeakness(std::string_view tag) {
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  return tag;
}

}  // namespace

std::string MakeEtag(std::string_view body) {
  // One context per thread: fetching the digest anew costs more than hashing a small body.
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context = [] {
    std::unique_ptr<EVP_MD_CTX, FreeContext> made(EVP_MD_CTX_new());
    CHECK(made != nullptr);
    CHECK_EQ(EVP_DigestInit_ex(made.get(), EVP_sha1(), nullptr), 1);
    return made;
  }();
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK_EQ(EVP_DigestInit_ex(context.get(), nullptr, nullptr), 1);
  CHECK_EQ(EVP_DigestUpdate(context.get(), body.data(), body.size()), 1);
  CHECK_EQ(EVP_DigestFinal_ex(context.get(), digest, &size), 1);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string etag;
  etag.reserve(2 * size + 2);
  etag.push_back('"');
  for (unsigned int i = 0; i < size; ++i) {
    etag.push_back(kHex[digest[i] >> 4]);
    etag.push_back(kHex[digest[i] & 15]);
  }
  etag.push_back('"');
  return etag;
}

namespace {

bool IsAny(std::string_view field) { return absl::StripAsciiWhitespace(ToAbsl(field)) == "*"; }

// True when `tag`, without W/, is in the list; with `strong` one behind W/ does not count. Tags are
// taken by their quotes, not split at commas: a comma may be part of a tag.
bool Lists(std::string_view list, std::string_view tag, bool strong) {
  size_t at = 0;
  while (true) {
    const size_t open = list.find('"', at);
    if (open == std::string_view::npos) return false;
    const size_t close = list.find('"', open + 1);
    if (close == std::string_view::npos) return false;
    const bool weak = list.substr(0, open).ends_with("W/");
    if (list.substr(open, close - open + 1) == tag && !(strong && weak)) return true;
    at = close + 1;
  }
}

}  // namespace

bool EtagMatches(std::string_view if_none_match, std::string_view etag) {
  if (IsAny(if_none_match)) return true;
  etag = WithoutWeakness(etag);
  return !etag.empty() && Lists(if_none_match, etag, false);
}

bool EtagMatchesStrongly(std::string_view if_match, std::string_view etag, bool exists) {
  if (IsAny(if_match)) return exists;
  return etag.starts_with('"') && Lists(if_match, etag, true);
}

}  // namespace squall
