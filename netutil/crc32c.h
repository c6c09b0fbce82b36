// CRC32C (Castagnoli), the checksum of PROXY protocol version 2.
//
//   uint32_t checksum = squall::internal::Crc32c("123456789");  // 0xe3069283
//   checksum = Crc32c(second_part, Crc32c(first_part));
//
// Internal to netutil. One table look-up per octet: headers are short. Source: RFC 4960 Appendix B;
// reflected polynomial 0x82f63b78.
#ifndef SQUALL_NETUTIL_CRC32C_H_
#define SQUALL_NETUTIL_CRC32C_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace squall::internal {

constexpr std::array<uint32_t, 256> MakeCrc32cTable() {
  std::array<uint32_t, 256> table = {};
  for (uint32_t octet = 0; octet < table.size(); ++octet) {
    uint32_t remainder = octet;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0x82f63b78u : 0u);
    }
    table[octet] = remainder;
  }
  return table;
}

inline constexpr std::array<uint32_t, 256> kCrc32cTable = MakeCrc32cTable();

// Of `data`, going on from the checksum `before` of what stands before it.
constexpr uint32_t Crc32c(std::string_view data, uint32_t before = 0) {
  uint32_t remainder = ~before;
  for (const char c : data) {
    remainder = (remainder >> 8) ^ kCrc32cTable[(remainder ^ static_cast<uint8_t>(c)) & 0xff];
  }
  return ~remainder;
}

}  // namespace squall::internal

#endif  // SQUALL_NETUTIL_CRC32C_H_
