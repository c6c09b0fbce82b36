#include "squall/process/operation_board.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/process/control_link.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;

OperationView Resize(uint64_t id, int target) {
  OperationView operation{.id = id,
                          .kind = OperationKind::kResize,
                          .state = OperationState::kRunning,
                          .target = target};
  SetLinkText(operation.request_id, "abc");
  return operation;
}

TEST(OperationBoard, ShowsWhatWasPublishedTheNewestFirst) {
  OperationBoard board = OperationBoard::Create().value();
  EXPECT_EQ(board.Find(0), std::nullopt);
  EXPECT_EQ(board.Find(1), std::nullopt);
  EXPECT_TRUE(board.List().empty());
  board.Publish(Resize(1, 4));
  board.Publish(Resize(2, 8));
  ASSERT_TRUE(board.Find(2).has_value());
  EXPECT_EQ(board.Find(2)->target, 8);
  EXPECT_STREQ(board.Find(2)->request_id, "abc");
  EXPECT_THAT(board.List(),
              ElementsAre(Field(&OperationView::id, 2u), Field(&OperationView::id, 1u)));
}

TEST(OperationBoard, ALaterOneTakesTheCell) {
  OperationBoard board = OperationBoard::Create().value();
  board.Publish(Resize(3, 4));
  board.Publish(Resize(3 + OperationBoard::kCapacity, 5));
  EXPECT_EQ(board.Find(3), std::nullopt);
  EXPECT_EQ(board.Find(3 + OperationBoard::kCapacity)->target, 5);
}

// Another process sees what is written after its fork, and cannot write.
TEST(OperationBoard, IsSharedAndReadOnlyInAChild) {
  OperationBoard board = OperationBoard::Create().value();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (!board.RestrictToReading().ok()) _exit(1);
    char go;
    if (read(ends[0], &go, 1) != 1) _exit(2);
    if (!board.Find(7).has_value()) _exit(3);
    signal(SIGSEGV, SIG_DFL);
    board.Publish(Resize(8, 1));
    _exit(4);
  }
  board.Publish(Resize(7, 2));
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGSEGV);
  EXPECT_EQ(board.Find(8), std::nullopt);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace squall
