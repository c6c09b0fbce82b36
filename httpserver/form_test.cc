#include "squall/httpserver/form.h"

#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/httpserver/header_parameters.h"
#include "squall/httpserver/unit_vectors.h"

namespace squall {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

std::string Part(std::string_view disposition, std::string_view content) {
  return "--1234\r\nContent-Disposition: form-data; " + std::string(disposition) + "\r\n\r\n" +
         std::string(content) + "\r\n";
}

absl::StatusOr<FormData> Parse(std::string_view type, std::string_view body) {
  HttpHeaders headers;
  EXPECT_TRUE(headers.Add("Content-Type", type));
  return ParseFormBody(headers, body);
}

absl::StatusOr<FormData> Multipart(std::string_view body) {
  return Parse("multipart/form-data; boundary=1234", body);
}

TEST(FormTest, UrlEncoded) {
  const absl::StatusOr<FormData> form =
      Parse("application/x-www-form-urlencoded; charset=UTF-8", "a=1&b=x+y&a=&c");
  ASSERT_TRUE(form.ok());
  EXPECT_THAT(form->fields,
              ElementsAre(Pair("a", "1"), Pair("b", "x y"), Pair("a", ""), Pair("c", "")));
}

TEST(FormTest, OtherTypesHaveNoFields) {
  EXPECT_THAT(Parse("text/plain", "a=1")->fields, IsEmpty());
  EXPECT_THAT(ParseFormBody({}, "a=1")->fields, IsEmpty());
}

TEST(FormTest, EncodedFormsAreRefused) {
  HttpHeaders headers;
  headers.Add("Content-Type", "application/x-www-form-urlencoded");
  headers.Add("Content-Encoding", "gzip");
  EXPECT_FALSE(ParseFormBody(headers, "a=1").ok());
}

TEST(FormTest, LimitOfUrlEncodedFields) {
  HttpHeaders headers;
  headers.Add("Content-Type", "application/x-www-form-urlencoded");
  EXPECT_TRUE(ParseFormBody(headers, "a&b&c", {.max_fields = 3}).ok());
  EXPECT_FALSE(ParseFormBody(headers, "a&b&c&d", {.max_fields = 3}).ok());
}

TEST(FormTest, FieldsAndFiles) {
  const std::string body =
      Part("name=\"a\"", "1") + Part("name=a", "") +
      Part("name=\"f\"; filename=\"ab.txt\"\r\nContent-Type: image/png", "x\r\ny") +
      Part("name=f; filename=ab.txt", "Foo") + "--1234--\r\nepilogue";
  const absl::StatusOr<FormData> form = Multipart(body);
  ASSERT_TRUE(form.ok()) << form.status();
  EXPECT_THAT(form->fields, ElementsAre(Pair("a", "1"), Pair("a", "")));
  ASSERT_THAT(form->files, SizeIs(2));
  EXPECT_EQ(form->files[0].name, "f");
  EXPECT_EQ(form->files[0].filename, "ab.txt");
  EXPECT_EQ(form->files[0].content_type, "image/png");
  EXPECT_EQ(form->files[0].body, "x\r\ny");
  EXPECT_EQ(form->files[1].content_type, "application/unknown");
  EXPECT_GE(form->files[1].body.data(), body.data()) << "a view, not a copy";
  EXPECT_LT(form->files[1].body.data(), body.data() + body.size());
}

TEST(FormTest, Boundaries) {
  const std::string body = Part("name=a", "1") + "--1234--";
  EXPECT_TRUE(Parse("multipart/form-data; boundary=\"1234\"", body).ok());
  EXPECT_TRUE(Parse("Multipart/Form-Data; charset=x; Boundary=1234", body).ok());
  EXPECT_TRUE(ParseMultipartForm("\"1234\"", body).ok());
  EXPECT_FALSE(Parse("multipart/form-data", body).ok());
  EXPECT_FALSE(Parse("multipart/form-data; boundary=", body).ok());
  EXPECT_FALSE(Parse("multipart/form-data; boundary=12345", body).ok());
  EXPECT_FALSE(Parse("multipart/form-data; boundary=" + std::string(71, 'b'), body).ok());
  EXPECT_FALSE(Parse("multipart/form-dataxyz; boundary=1234", body).ok());
  EXPECT_THAT(Multipart("--1234--")->fields, IsEmpty());
  // What only begins like the boundary is content.
  const absl::StatusOr<FormData> form =
      Multipart(Part("name=a", "x\r\n--12345\r\n--1234-\r\n--1234 ") + "--1234--");
  ASSERT_TRUE(form.ok()) << form.status();
  EXPECT_THAT(form->fields, ElementsAre(Pair("a", "x\r\n--12345\r\n--1234-\r\n--1234 ")));
}

TEST(FormTest, MalformedMultipart) {
  const std::string end = "--1234--";
  for (const std::string& bad : std::vector<std::string>{
           "",
           std::string("preamble\r\n") + Part("name=a", "1") + end,
           Part("name=a", "1"),
           "--1234\r\nContent-Disposition: form-data; name=a\r\n\r\nFoo--1234--",
           "--1234\r\nContent-Disposition: form-data; name=a\r\nFoo\r\n--1234--",
           "--1234\r\nContent-Disposition: form-data; name=a\r\n--1234--",
           "--1234\r\n\r\nFoo\r\n--1234--",
           "--1234\r\nContent-Disposition: attachment; name=a\r\n\r\nFoo\r\n--1234--",
           "--1234\r\nContent-Type: text/plain\r\n\r\nFoo\r\n--1234--",
           "--1234\r\nContent-Disposition : form-data; name=a\r\n\r\nFoo\r\n--1234--",
           "--1234\r\nnonsense\r\n\r\nFoo\r\n--1234--",
           "--1234 \r\nContent-Disposition: form-data; name=a\r\n\r\nFoo\r\n--1234--",
           Part("filename=a", "1") + end,
           Part("name=\"\"", "1") + end,
           Part("name=a; filename=\"a\rb.txt\"", "1") + end,
           Part("name=a; filename=\"a\nb.txt\"", "1") + end,
           Part(std::string_view("name=a; filename=\"a\0b.txt\"", 26), "1") + end,
           Part("name=a; filename*=UTF-8''a%0db.txt", "1") + end,
           Part("name=a; filename*=UTF-8''a%00b.txt", "1") + end,
       }) {
    const absl::StatusOr<FormData> form = Multipart(bad);
    EXPECT_EQ(form.status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(FormTest, LimitsOfMultipart) {
  const auto vector = internal::UnitVectors("parse_multipart_max_parts");
  const auto parts = [](int count) {
    std::string body;
    for (int i = 0; i < count; ++i) body += Part("name=a", "1");
    return body + "--1234--";
  };
  const FormLimits limits{.max_parts = vector["max_parts"].get<size_t>()};
  const int largest = vector["largest_accepted_number_of_parts"];
  EXPECT_TRUE(ParseMultipartForm("1234", parts(largest), limits).ok());
  EXPECT_FALSE(ParseMultipartForm("1234", parts(largest + 1), limits).ok());
  EXPECT_FALSE(ParseMultipartForm("1234", parts(1000), limits).ok());

  const std::string disposition = "Content-Disposition: form-data; name=a; x=";
  const auto part = [&](size_t header_size) {
    return "--1234\r\n" + disposition + std::string(header_size - disposition.size(), 'b') +
           "\r\n\r\n" + std::string(100, 'c') + "\r\n--1234--";
  };
  EXPECT_TRUE(ParseMultipartForm("1234", part(10240)).ok());
  EXPECT_FALSE(ParseMultipartForm("1234", part(10241)).ok());
}

// Tornado's MultipartFormDataTest.test_special_filenames and test_non_ascii_filename.
TEST(FormTest, FileNamesAreUnquoted) {
  struct Row {
    std::string parameter, filename;
  };
  for (const Row& row : std::vector<Row>{
           {"filename=\"a;b.txt\"", "a;b.txt"},
           {"filename=\"a\\\"b.txt\"", "a\"b.txt"},
           {"filename=\"a\\\";b.txt\"", "a\";b.txt"},
           {"filename=\"a;\\\"b.txt\"", "a;\"b.txt"},
           {"filename=\"a\\\";\\\";.txt\"", "a\";\";.txt"},
           {"filename=\"a\\\\\\\"b.txt\"", "a\\\"b.txt"},
           {"filename=\"a\\b.txt\"", "a\\b.txt"},
           {"filename=\"C:\\\\dir\\\\b.txt\"", "C:\\dir\\b.txt"},
           {"filename=\"ab.txt\"; filename*=UTF-8''%C3%A1b.txt",
            "\xc3\xa1"
            "b.txt"},
           {"filename*=utf-8'en'%C3%A1b.txt; filename=\"ab.txt\"",
            "\xc3\xa1"
            "b.txt"},
           {"filename*=iso-8859-1''%E1b.txt",
            "\xc3\xa1"
            "b.txt"},
           {"filename=ab.txt; filename*=koi8-r''%E1b.txt", "ab.txt"},
           {"filename=ab.txt; filename*=UTF-8''%zz", "ab.txt"},
           {"filename=ab.txt; filename*=nonsense", "ab.txt"},
           {"filename=\"\xc3\xa1.txt\"", "\xc3\xa1.txt"},
           {"FileName=ab.txt", "ab.txt"},
       }) {
    const std::string body = Part("name=\"files\"; " + row.parameter, "Foo") + "--1234--";
    const absl::StatusOr<FormData> form = Multipart(body);
    ASSERT_TRUE(form.ok()) << row.parameter << form.status();
    ASSERT_THAT(form->files, SizeIs(1)) << row.parameter;
    EXPECT_EQ(form->files[0].filename, row.filename);
  }
}

TEST(HeaderParametersTest, Parses) {
  const HeaderParameters type = ParseHeaderParameters(" text/html ; Charset=\"utf-8\";x; =y;z= a ");
  EXPECT_EQ(type.value, "text/html");
  EXPECT_EQ(type.Get("charset"), "utf-8");
  EXPECT_EQ(type.Get("x"), std::nullopt);
  EXPECT_EQ(type.Get("z"), "a");
  EXPECT_EQ(ParseHeaderParameters("").value, "");
  EXPECT_EQ(ParseHeaderParameters("a; b=\"c;d").Get("b"), "\"c;d") << "an open quote";
}

// CVE-2025-67726 and CVE-2026-31958's kin. Quadratic work would not end within the test's time.
TEST(FormTest, HostileInputIsLinear) {
  const std::string semicolons(4 << 20, ';');
  EXPECT_EQ(ParseHeaderParameters("form-data; x=\"" + semicolons).parameters.size(), 1u);
  EXPECT_EQ(ParseHeaderParameters("form-data; x=\"" + semicolons + "\"").Get("x")->size(),
            semicolons.size());
  EXPECT_EQ(ParseHeaderParameters("form-data" + semicolons).parameters.size(), 0u);
  std::string almost;
  while (almost.size() < 4 << 20) almost += "\r\n--123";
  EXPECT_FALSE(Multipart("--1234\r\n" + almost).ok());
  EXPECT_TRUE(Multipart(Part("name=a", almost) + "--1234--").ok());
  std::string longer;
  while (longer.size() < 4 << 20) longer += "\r\n--1234x";
  EXPECT_TRUE(Multipart(Part("name=a", longer) + "--1234--").ok());
}

}  // namespace
}  // namespace squall
