// SignedValueTest of Tornado, with its values.
#include "squall/web/signed_value.h"

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace squall {
namespace {

constexpr char kSecret[] = "It's a secret to everybody";
constexpr char kKnown[] =
    "2|1:0|10:1300000000|3:key|8:dmFsdWU=|"
    "3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152";
const absl::Time kMade = absl::FromUnixSeconds(1300000000);

std::optional<std::string> Decode(std::string_view value, absl::Time now = kMade) {
  return DecodeSignedValue(kSecret, "key", value, {}, now);
}

TEST(SignedValueTest, KnownValues) {
  EXPECT_EQ(CreateSignedValue(kSecret, "key", "value", kMade), kKnown);
  EXPECT_EQ(Decode(kKnown), "value");
}

TEST(SignedValueTest, PayloadTampering) {
  const std::string known = kKnown;
  for (size_t i = 0; i < known.size(); ++i) {
    std::string tampered = known;
    tampered[i] = tampered[i] == '1' ? '2' : '1';
    EXPECT_EQ(Decode(tampered), std::nullopt) << tampered;
    EXPECT_EQ(Decode(known.substr(0, i)), std::nullopt) << i;
  }
  for (const char* bad :
       {"", "2|", "2|1:0|", "|||", "2|99999:0|10:1300000000|3:key|8:dmFsdWU=|x",
        "2|18446744073709551615:0|10:1300000000|3:key|8:dmFsdWU=|x",
        "2|99999999999999999999:0|10:1300000000|3:key|8:dmFsdWU=|x", "2|-1:0|10:1|3:key|0:|x"}) {
    EXPECT_EQ(Decode(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(Decode(known + "0"), std::nullopt);
}

TEST(SignedValueTest, NameSwapAndSecretSwap) {
  EXPECT_EQ(DecodeSignedValue(kSecret, "kez", kKnown, {}, kMade), std::nullopt);
  EXPECT_EQ(DecodeSignedValue("another secret", "key", kKnown, {}, kMade), std::nullopt);
}

TEST(SignedValueTest, Expires) {
  const absl::Duration month = absl::Hours(24 * 31);
  EXPECT_EQ(Decode(kKnown, kMade + month), "value");
  EXPECT_EQ(Decode(kKnown, kMade + month + absl::Seconds(1)), std::nullopt);
  EXPECT_EQ(DecodeSignedValue(kSecret, "key", kKnown, {.max_age = absl::Seconds(10)},
                              kMade + absl::Seconds(11)),
            std::nullopt);
}

TEST(SignedValueTest, AnyOctetsSurvive) {
  std::string octets;
  for (int i = 0; i < 256; ++i) octets.push_back(static_cast<char>(i));
  EXPECT_EQ(Decode(CreateSignedValue(kSecret, "key", octets, kMade)), octets);
}

// SignedValueTest's key versions.

const CookieSecrets kSecrets = {{0, "asdfbasdf"}, {1, "12312312"}, {2, "2342342"}};

TEST(SignedValueTest, key_versioning_read_write_default_key) {
  const std::string value = CreateSignedValue(kSecrets.at(0), 0, "key", "\xE9", kMade);
  EXPECT_EQ(DecodeSignedValue(kSecrets, "key", value, {}, kMade), "\xE9");
}

TEST(SignedValueTest, key_versioning_read_write_non_default_key) {
  const std::string value = CreateSignedValue(kSecrets.at(1), 1, "key", "\xE9", kMade);
  EXPECT_EQ(DecodeSignedValue(kSecrets, "key", value, {}, kMade), "\xE9");
}

TEST(SignedValueTest, key_versioning_invalid_key) {
  const std::string value = CreateSignedValue(kSecrets.at(0), 0, "key", "\xE9", kMade);
  CookieSecrets without = kSecrets;
  without.erase(0);
  EXPECT_EQ(DecodeSignedValue(without, "key", value, {}, kMade), std::nullopt);
  // The right version with another secret, and another version with the right secret.
  without[0] = "12312312";
  without[1] = "asdfbasdf";
  EXPECT_EQ(DecodeSignedValue(without, "key", value, {}, kMade), std::nullopt);
}

TEST(SignedValueTest, key_version_retrieval) {
  EXPECT_EQ(GetSignatureKeyVersion(CreateSignedValue("x", 1, "key", "v", kMade)), 1);
  EXPECT_EQ(GetSignatureKeyVersion(kKnown), 0);
  for (const char* bad : {"", "2|", "x", "2|2:-1|", "2|10:4294967296|", "2|1:x|", "1|1:0|"}) {
    EXPECT_EQ(GetSignatureKeyVersion(bad), std::nullopt) << bad;
  }
}

TEST(SignedValueTest, NoSecretVerifiesNothing) {
  const std::string value = CreateSignedValue("", 0, "key", "v", kMade);
  EXPECT_EQ(DecodeSignedValue("", "key", value, {}, kMade), std::nullopt);
  EXPECT_EQ(DecodeSignedValue(CookieSecrets{{0, ""}}, "key", value, {}, kMade), std::nullopt);
}

}  // namespace
}  // namespace squall
