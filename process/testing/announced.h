// Workers that say who they are on the pipe of a ForkedProgram, for tests of pools.
//
//   ForkedProgram program([](LineWriter out) { return ServeForever(out, 3); });
//   const std::vector<Announced> workers = ReadWorkers(program, 3);
//   kill(workers[1].pid, SIGKILL);
//   EXPECT_EQ(ReadWorker(program).incarnation, 2);
#ifndef SQUALL_PROCESS_TESTING_ANNOUNCED_H_
#define SQUALL_PROCESS_TESTING_ANNOUNCED_H_

#include <sys/types.h>

#include <vector>

#include "squall/process/fork.h"
#include "squall/process/testing/forked_program.h"

namespace squall::testing {

// A worker as it announced itself: "0 1 4711" is task id, incarnation, pid.
struct Announced {
  int task_id = -1;
  int incarnation = 0;
  pid_t pid = 0;
};

Announced ReadWorker(ForkedProgram& program);

// `count` first workers, in the order of their task ids.
std::vector<Announced> ReadWorkers(ForkedProgram& program, int count);

// In the program: forks `count` workers that announce themselves and serve until they are stopped.
int ServeForever(LineWriter out, int count, ForkOptions options = {});

}  // namespace squall::testing

#endif  // SQUALL_PROCESS_TESTING_ANNOUNCED_H_
