#include "squall/process/worker_orders.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/process/worker_channel.h"

namespace squall::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

WorkerPacket DrainUntil(int64_t term_at_ns) {
  WorkerPacket packet;
  packet.type = WorkerPacketType::kDrain;
  packet.term_at_ns = term_at_ns;
  return packet;
}

class WorkerOrdersTest : public ::testing::Test {
 protected:
  WorkerOrdersTest() {
    auto ends = MakeWorkerChannel().value();
    master_ = std::move(ends.first);
    worker_ = std::move(ends.second);
  }

  void Fill() {
    WorkerPacket packet;
    packet.type = WorkerPacketType::kMessage;
    while (SendPacket(master_.get(), packet, "text") == ChannelWrite::kSent) {
    }
  }

  // What the worker reads now, but for messages.
  std::vector<WorkerPacket> Read() {
    std::vector<WorkerPacket> packets;
    WorkerPacket packet;
    std::string text;
    while (ReceivePacket(worker_.get(), packet, &text) == ChannelRead::kPacket) {
      if (packet.type != WorkerPacketType::kMessage) packets.push_back(packet);
    }
    return packets;
  }

  std::vector<WorkerPacketType> ReadTypes() {
    std::vector<WorkerPacketType> types;
    for (const WorkerPacket& packet : Read()) types.push_back(packet.type);
    return types;
  }

  UniqueFd master_, worker_;
  WorkerOrders orders_;
};

TEST_F(WorkerOrdersTest, AreSentAtOnceWhenThereIsRoom) {
  orders_.GrantLeader();
  orders_.ReopenLog();
  orders_.Drain(DrainUntil(7));
  EXPECT_TRUE(orders_.waiting());
  orders_.Send(master_.get());
  EXPECT_FALSE(orders_.waiting());
  EXPECT_THAT(ReadTypes(), ElementsAre(WorkerPacketType::kLeader, WorkerPacketType::kDrain,
                                       WorkerPacketType::kReopenLog));
}

TEST_F(WorkerOrdersTest, WaitForRoomAndTheNewestOfEachKindIsSentOnce) {
  Fill();
  for (int i = 1; i <= 1000; ++i) {
    orders_.ReopenLog();
    orders_.Drain(DrainUntil(i));
    orders_.Send(master_.get());
    ASSERT_TRUE(orders_.waiting());
  }
  EXPECT_THAT(Read(), IsEmpty());
  orders_.Send(master_.get());
  EXPECT_FALSE(orders_.waiting());
  const std::vector<WorkerPacket> packets = Read();
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(packets[0].type, WorkerPacketType::kDrain);
  EXPECT_EQ(packets[0].term_at_ns, 1000);
  EXPECT_EQ(packets[1].type, WorkerPacketType::kReopenLog);
}

TEST_F(WorkerOrdersTest, AGrantThatIsRevokedBeforeItWasSentIsNone) {
  Fill();
  orders_.GrantLeader();
  orders_.Send(master_.get());
  EXPECT_TRUE(orders_.RevokeLeader());
  EXPECT_FALSE(orders_.waiting());
  EXPECT_THAT(Read(), IsEmpty());
}

TEST_F(WorkerOrdersTest, AGrantThatWasSentIsRevokedWhenThereIsRoom) {
  orders_.GrantLeader();
  orders_.Send(master_.get());
  Fill();
  EXPECT_FALSE(orders_.RevokeLeader());
  orders_.Send(master_.get());
  EXPECT_TRUE(orders_.waiting());
  EXPECT_EQ(Read().size(), 1u) << "the grant";
  orders_.Send(master_.get());
  const std::vector<WorkerPacket> packets = Read();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].type, WorkerPacketType::kLeader);
  EXPECT_EQ(packets[0].leader, 0u);
}

TEST_F(WorkerOrdersTest, NothingWaitsForAWorkerThatIsGone) {
  Fill();
  orders_.Drain(DrainUntil(1));
  worker_.reset();
  orders_.Send(master_.get());
  EXPECT_FALSE(orders_.waiting());
}

}  // namespace
}  // namespace squall::internal
