// What the control process runs, ControlLoop, on a thread of the test's, over real sockets and above a
// pool without processes. The master's end of the link is the test's.
//
//   ServedLoop served({.roles = One(geteuid(), ControlRole::kViewer)});
//   ControlClient client(served.address);
#ifndef SQUALL_CONTROL_TESTING_SERVED_LOOP_H_
#define SQUALL_CONTROL_TESTING_SERVED_LOOP_H_

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/control/control_loop.h"
#include "squall/control/control_roles.h"
#include "squall/control/testing/fake_pool.h"
#include "squall/control/testing/socket_path.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/sockets.h"
#include "squall/process/control_link.h"

namespace squall::testing {

// This user and nobody else.
inline ControlRoles One(uid_t uid, ControlRole role) {
  ControlRoles roles = ControlRoles::Nobody();
  roles.AddUser(uid, role);
  return roles;
}

class ServedLoop {
 public:
  explicit ServedLoop(internal::ControlLoopOptions options) {
    auto ends = MakeControlLink().value();
    master = std::move(ends.first);
    address = absl::StrCat("unix:", NewSocketPath());
    auto listener = BindUnixSocket(address.substr(strlen("unix:"))).value();
    std::atomic<bool> started = false;
    thread_ =
        std::thread([this, &started, options = std::move(options), link = std::move(ends.second),
                     listener = std::move(listener)]() mutable {
          IOLoop& loop = IOLoop::Current();
          options.on_master_gone = [&](const auto&) {
            master_gone = true;
            loop.Stop();
          };
          {
            internal::ControlLoop control(loop, pool, std::move(link), std::move(listener),
                                          std::move(options));
            EXPECT_TRUE(control.Start().ok());
            started = true;
            started.notify_one();
            loop.Start();
            refused = control.refused_connections();
          }
          IOLoop::ClearCurrent();
        });
    started.wait(false);
  }

  ~ServedLoop() { Stop(); }

  // The end of the link ends the loop.
  void Stop() {
    master.reset();
    if (thread_.joinable()) thread_.join();
  }

  FakePool pool{2, 8};
  UniqueFd master;
  std::string address;
  std::atomic<bool> master_gone = false;
  std::atomic<uint64_t> refused = 0;  // once it has stopped

 private:
  std::thread thread_;
};

}  // namespace squall::testing

#endif  // SQUALL_CONTROL_TESTING_SERVED_LOOP_H_
