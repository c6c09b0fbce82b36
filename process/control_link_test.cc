#include "squall/process/control_link.h"

#include <sys/socket.h>

#include <cstring>
#include <string>

#include "gtest/gtest.h"
#include "squall/process/operation.h"

namespace squall {
namespace {

class ControlLinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto ends = MakeControlLink();
    ASSERT_TRUE(ends.ok()) << ends.status();
    master_ = std::move(ends->first);
    sidecar_ = std::move(ends->second);
  }

  UniqueFd master_;
  UniqueFd sidecar_;
};

TEST_F(ControlLinkTest, CarriesRequestsAndReplies) {
  LinkRequest request;
  request.sequence = 7;
  request.target = 8;
  request.expected_generation = 3;
  SetLinkText(request.actor, "uid 1000");
  SetLinkText(request.request_id, "id");
  ASSERT_TRUE(SendLink(sidecar_.get(), request));
  const LinkRead read = ReceiveLink(master_.get());
  const auto* received = std::get_if<LinkRequest>(&read);
  ASSERT_NE(received, nullptr);
  EXPECT_EQ(received->sequence, 7u);
  EXPECT_EQ(received->target, 8);
  EXPECT_EQ(received->expected_generation, 3u);
  EXPECT_STREQ(received->actor, "uid 1000");
  EXPECT_STREQ(received->request_id, "id");

  LinkReply reply;
  reply.sequence = 7;
  SetLinkText(reply.message, std::string(1000, 'x'));
  ASSERT_TRUE(SendLink(master_.get(), reply));
  const LinkRead answer = ReceiveLink(sidecar_.get());
  ASSERT_TRUE(std::holds_alternative<LinkReply>(answer));
  EXPECT_EQ(std::strlen(std::get<LinkReply>(answer).message), sizeof reply.message - 1);
}

TEST_F(ControlLinkTest, CarriesTheLongestRequestIdWhole) {
  // One octet more, and two ids that differ in their last would be the same to the master.
  const std::string id(kMaxRequestId, 'x');
  LinkRequest request;
  SetLinkText(request.request_id, id);
  ASSERT_TRUE(SendLink(sidecar_.get(), request));
  const LinkRead read = ReceiveLink(master_.get());
  ASSERT_TRUE(std::holds_alternative<LinkRequest>(read));
  EXPECT_EQ(std::get<LinkRequest>(read).request_id, id);
}

TEST_F(ControlLinkTest, NothingToReadAndTheEnd) {
  EXPECT_TRUE(std::holds_alternative<LinkNothing>(ReceiveLink(master_.get())));
  sidecar_.reset();
  EXPECT_TRUE(std::holds_alternative<LinkEndOfFile>(ReceiveLink(master_.get())));
}

TEST_F(ControlLinkTest, TextWithoutAnEndIsTerminated) {
  LinkRequest request;
  std::memset(request.request_id, 'x', sizeof request.request_id);
  std::memset(request.actor, 'x', sizeof request.actor);
  ASSERT_TRUE(SendLink(sidecar_.get(), request));
  const LinkRead read = ReceiveLink(master_.get());
  EXPECT_EQ(std::strlen(std::get<LinkRequest>(read).request_id), sizeof request.request_id - 1);
  EXPECT_EQ(std::strlen(std::get<LinkRequest>(read).actor), sizeof request.actor - 1);
}

TEST_F(ControlLinkTest, CarriesRefusals) {
  LinkRefusal refusal;
  refusal.count = 3;
  SetLinkText(refusal.actor, "uid 1000");
  SetLinkText(refusal.method, "KillWorker");
  SetLinkText(refusal.reason, "ROLE_TOO_LOW");
  std::memset(refusal.message, 'x', sizeof refusal.message);
  ASSERT_TRUE(SendLink(sidecar_.get(), refusal));
  const LinkRead read = ReceiveLink(master_.get());
  const auto* received = std::get_if<LinkRefusal>(&read);
  ASSERT_NE(received, nullptr);
  EXPECT_EQ(received->count, 3u);
  EXPECT_STREQ(received->actor, "uid 1000");
  EXPECT_STREQ(received->method, "KillWorker");
  EXPECT_STREQ(received->reason, "ROLE_TOO_LOW");
  EXPECT_EQ(std::strlen(received->message), sizeof refusal.message - 1);
}

TEST_F(ControlLinkTest, OtherVersionsTypesSizesAndCommandsAreMalformed) {
  auto is_malformed = [&](const void* bytes, size_t size) {
    EXPECT_EQ(send(sidecar_.get(), bytes, size, 0), static_cast<ssize_t>(size));
    return std::holds_alternative<LinkMalformed>(ReceiveLink(master_.get()));
  };
  LinkRequest version;
  version.header.version = kLinkVersion + 1;
  EXPECT_TRUE(is_malformed(&version, sizeof version));
  LinkRequest type;
  type.header.type = static_cast<LinkPacketType>(99);
  EXPECT_TRUE(is_malformed(&type, sizeof type));
  LinkRequest command;
  command.command = static_cast<LinkCommand>(99);
  EXPECT_TRUE(is_malformed(&command, sizeof command));
  LinkRefusal none;
  none.count = 0;
  EXPECT_TRUE(is_malformed(&none, sizeof none));
  const LinkRequest whole;
  EXPECT_TRUE(is_malformed(&whole, sizeof whole - 1));
  EXPECT_TRUE(is_malformed(&whole, 1));
  const std::string huge(100'000, 'x');
  EXPECT_TRUE(is_malformed(huge.data(), huge.size()));
}

TEST_F(ControlLinkTest, AFullLinkRefusesInsteadOfBlocking) {
  int sent = 0;
  while (SendLink(master_.get(), LinkNotice{})) ++sent;
  EXPECT_GT(sent, 0);
  // One read makes room again.
  EXPECT_TRUE(std::holds_alternative<LinkNotice>(ReceiveLink(sidecar_.get())));
  EXPECT_TRUE(SendLink(master_.get(), LinkNotice{}));
}

}  // namespace
}  // namespace squall
