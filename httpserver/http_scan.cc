#include "squall/httpserver/http_scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <cstdint>
#include <cstring>
#include <utility>

namespace squall::internal {
namespace {

template <uint8_t kClass>
const char* SkipByTable(const char* p, const char* end) {
  while (p != end && HasClass(*p, kClass)) ++p;
  return p;
}

#ifdef __SSE2__

// Past whole blocks of 64 octets from 0x20 to 0x7e, which become 0 to 0x5e and then have a common maximum.
const char* SkipPrintable(const char* p, const char* end) {
  const __m128i first = _mm_set1_epi8(0x20);
  const __m128i last = _mm_set1_epi8(0x7e - 0x20);
  const auto shifted = [&](const char* at) {
    return _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)), first);
  };
  for (; end - p >= 64; p += 64) {
    const __m128i largest = _mm_max_epu8(_mm_max_epu8(shifted(p), shifted(p + 16)),
                                         _mm_max_epu8(shifted(p + 32), shifted(p + 48)));
    if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(largest, last), last)) != 0xffff) break;
  }
  return p;
}

// To the first octet below 0x20 or equal to 0x7f of the next eight, which may be a HTAB.
const char* SkipPrintableOfEight(const char* p) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  uint64_t x;
  std::memcpy(&x, p, sizeof x);
  const uint64_t del = x ^ kOnes * 0x7f;
  // A borrow may mark octets behind the first one, so that one is right.
  const uint64_t stops = (((x - kOnes * 0x20) & ~x) | ((del - kOnes) & ~del)) & kOnes * 0x80;
  return stops == 0 ? p + sizeof x : p + __builtin_ctzll(stops) / 8;
}

#endif  // __SSE2__

}  // namespace

std::string_view TrimOws(std::string_view text) {
  while (!text.empty() && IsOws(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsOws(text.back())) text.remove_suffix(1);
  return text;
}

bool EqualButForCase(std::string_view a, std::string_view b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (ToLower(a[i]) != ToLower(b[i])) return false;
  }
  return true;
}

const char* SkipTokenPortable(const char* begin, const char* end) {
  return SkipByTable<kTokenChar>(begin, end);
}

const char* SkipTargetPortable(const char* begin, const char* end) {
  return SkipByTable<kTargetChar>(begin, end);
}

const char* SkipFieldValuePortable(const char* begin, const char* end) {
  return SkipByTable<kFieldValueChar>(begin, end);
}

#ifdef __SSE2__

// Letters, digits and "-" are found sixteen at a time, for most names have nothing else; the table
// goes on from the first other octet. Signed comparisons: what is above 0x7f is below all of them.
const char* SkipToken(const char* p, const char* end) {
  const auto between = [](__m128i x, char first, char last) {
    return _mm_and_si128(_mm_cmpgt_epi8(x, _mm_set1_epi8(static_cast<char>(first - 1))),
                         _mm_cmplt_epi8(x, _mm_set1_epi8(static_cast<char>(last + 1))));
  };
  while (end - p >= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i letter = between(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 'z');
    const __m128i other = _mm_or_si128(between(x, '0', '9'), _mm_cmpeq_epi8(x, _mm_set1_epi8('-')));
    const int stop = _mm_movemask_epi8(_mm_or_si128(letter, other)) ^ 0xffff;
    if (stop != 0) {
      p += __builtin_ctz(stop);
      if (!HasClass(*p, kTokenChar)) return p;
      break;
    }
    p += 16;
  }
  return SkipTokenPortable(p, end);
}

// Octets below `first` (unsigned) are found as max(x, first) != x.
const char* SkipTarget(const char* p, const char* end) {
  const __m128i first = _mm_set1_epi8(0x21);
  const __m128i del = _mm_set1_epi8(0x7f);
  const __m128i hash = _mm_set1_epi8('#');
  while (end - p >= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i fine = _mm_cmpeq_epi8(_mm_max_epu8(x, first), x);
    const __m128i bad = _mm_or_si128(_mm_cmpeq_epi8(x, del), _mm_cmpeq_epi8(x, hash));
    const int stop = _mm_movemask_epi8(_mm_andnot_si128(bad, fine)) ^ 0xffff;
    if (stop != 0) return p + __builtin_ctz(stop);
    p += 16;
  }
  return SkipTargetPortable(p, end);
}

const char* SkipFieldValue(const char* p, const char* end) {
  const __m128i first = _mm_set1_epi8(0x20);
  const __m128i del = _mm_set1_epi8(0x7f);
  const __m128i tab = _mm_set1_epi8('\t');
  bool long_one = false;
  while (end - p >= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i fine =
        _mm_or_si128(_mm_cmpeq_epi8(_mm_max_epu8(x, first), x), _mm_cmpeq_epi8(x, tab));
    const int stop = _mm_movemask_epi8(_mm_andnot_si128(_mm_cmpeq_epi8(x, del), fine)) ^ 0xffff;
    if (stop != 0) return p + __builtin_ctz(stop);
    p += 16;
    // Once: most values are short, and a long one that is not printable is not tried again.
    if (!std::exchange(long_one, true)) p = SkipPrintable(p, end);
  }
  if (end - p >= 8) p = SkipPrintableOfEight(p);
  return SkipFieldValuePortable(p, end);
}

#else

const char* SkipToken(const char* begin, const char* end) { return SkipTokenPortable(begin, end); }

const char* SkipTarget(const char* begin, const char* end) {
  return SkipTargetPortable(begin, end);
}

const char* SkipFieldValue(const char* begin, const char* end) {
  return SkipFieldValuePortable(begin, end);
}

#endif  // __SSE2__

}  // namespace squall::internal
