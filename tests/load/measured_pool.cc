#include "squall/tests/load/measured_pool.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/httpserver.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/sockets.h"
#include "squall/process/fork.h"
#include "squall/web/application.h"
#include "squall/web/handler.h"
#include "squall/web/request_handler.h"
#include "squall/web/settings.h"

namespace squall::testing {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);

template <typename Condition>
void WaitUntil(Condition condition, std::string_view what) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!condition()) {
    CHECK(absl::Now() < deadline) << "waited in vain until " << what;
    absl::SleepFor(absl::Microseconds(20));
  }
}

absl::Duration CpuOf(const rusage& usage) {
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

struct Answer : RequestHandler {
  void Get() { Write("ok"); }
};

struct Block : RequestHandler {
  void Get() {
    int ms = 0;
    CHECK(absl::SimpleAtoi(GetArgument("ms", ""), &ms));
    absl::SleepFor(absl::Milliseconds(ms));
    Write("ok");
  }
};

}  // namespace

// One writing process each: the worker.
struct MeasuredPool::Row {
  std::atomic<bool> ready;
  std::atomic<int64_t> accepted;
  std::atomic<bool> final;  // `tally` is complete
  WorkerTally tally;
};

namespace {

class TallyingServer : public HttpServer {
 public:
  TallyingServer(HttpServerConnectionDelegate& app, HttpServerOptions options,
                 std::atomic<int64_t>& accepted)
      : HttpServer(app, std::move(options)), accepted_(accepted) {}

  using HttpServer::accept_stats;

 protected:
  void HandleConnection(UniqueFd connection, SocketAddress peer) override {
    HttpServer::HandleConnection(std::move(connection), peer);
    accepted_.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t>& accepted_;
};

}  // namespace

Spread SpreadOf(const std::vector<int64_t>& counts) {
  CHECK(!counts.empty());
  Spread spread;
  spread.min = *std::min_element(counts.begin(), counts.end());
  spread.max = *std::max_element(counts.begin(), counts.end());
  double sum = 0;
  for (const int64_t count : counts) sum += static_cast<double>(count);
  spread.mean = sum / static_cast<double>(counts.size());
  double squares = 0;
  for (const int64_t count : counts) {
    squares += std::pow(static_cast<double>(count) - spread.mean, 2);
  }
  const double deviation = std::sqrt(squares / static_cast<double>(counts.size()));
  spread.coefficient_of_variation = spread.mean > 0 ? deviation / spread.mean : 0;
  return spread;
}

MeasuredPool::MeasuredPool(Options options) : workers_(options.workers) {
  void* const shared = ::mmap(nullptr, sizeof(Row) * static_cast<size_t>(workers_),
                              PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  PCHECK(shared != MAP_FAILED);
  rows_ = new (shared) Row[static_cast<size_t>(workers_)]();
  std::vector<ListenSocket> sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
  address_ = sockets.front().address();
  master_ = ::fork();
  PCHECK(master_ >= 0);
  if (master_ == 0) RunPool(options, std::move(sockets));
  WaitUntil(
      [this] {
        return std::all_of(rows_, rows_ + workers_, [](const Row& row) {
          return row.ready.load(std::memory_order_acquire);
        });
      },
      "all workers accept");
}

void MeasuredPool::RunPool(Options options, std::vector<ListenSocket> sockets) {
  const int task_id = ForkProcesses(options.workers).value();
  Row& row = rows_[task_id];
  IOLoop& loop = IOLoop::Current();
  rusage before = {};
  {
    Settings settings;
    settings.log_function = nullptr;
    Application app({{"/", Handler<Answer>()}, {"/block", Handler<Block>()}}, settings);
    TallyingServer server(app, {.accept_policy = options.policy}, row.accepted);
    server.AddSockets(std::move(sockets));
    loop.AddCallback([&] {
      PCHECK(::getrusage(RUSAGE_SELF, &before) == 0);
      row.ready.store(true, std::memory_order_release);
    });
    loop.Start();
    rusage after = {};
    PCHECK(::getrusage(RUSAGE_SELF, &after) == 0);
    row.tally = {.accepts = server.accept_stats(),
                 .cpu = CpuOf(after) - CpuOf(before),
                 .sleeps = after.ru_nvcsw - before.ru_nvcsw};
  }
  row.final.store(true, std::memory_order_release);
  std::_Exit(EXIT_SUCCESS);
}

MeasuredPool::~MeasuredPool() {
  if (master_ != 0) Stop();
  ::munmap(rows_, sizeof(Row) * static_cast<size_t>(workers_));
}

UniqueFd MeasuredPool::Connect() const {
  UniqueFd connection(::socket(address_.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  PCHECK(connection.valid());
  PCHECK(::connect(connection.get(), address_.data(), address_.size()) == 0);
  return connection;
}

void MeasuredPool::SendRequest(const UniqueFd& connection, std::string_view target) {
  const std::string request =
      absl::StrCat("GET ", ToAbsl(target), " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  PCHECK(::send(connection.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(request.size()));
}

void MeasuredPool::ReadAnswer(const UniqueFd& connection) {
  std::string answer;
  char bytes[4096];
  ssize_t got;
  while ((got = ::recv(connection.get(), bytes, sizeof bytes, 0)) > 0) {
    answer.append(bytes, static_cast<size_t>(got));
  }
  PCHECK(got == 0);
  CHECK(std::string_view(answer).substr(0, 12) == "HTTP/1.1 200") << answer;
}

int64_t MeasuredPool::accepted() const {
  int64_t sum = 0;
  for (const int64_t count : AcceptedByWorker()) sum += count;
  return sum;
}

std::vector<int64_t> MeasuredPool::AcceptedByWorker() const {
  std::vector<int64_t> counts;
  for (int i = 0; i < workers_; ++i) {
    counts.push_back(rows_[i].accepted.load(std::memory_order_relaxed));
  }
  return counts;
}

void MeasuredPool::WaitUntilAccepted(int64_t count) const {
  WaitUntil([&] { return accepted() >= count; }, absl::StrCat(count, " connections are accepted"));
}

absl::Duration AnswerAtOnce(const MeasuredPool& pool, int count, std::string_view target) {
  const absl::Time start = absl::Now();
  std::vector<UniqueFd> connections;
  for (int i = 0; i < count; ++i) connections.push_back(pool.Connect());
  for (const UniqueFd& connection : connections) MeasuredPool::SendRequest(connection, target);
  for (const UniqueFd& connection : connections) MeasuredPool::ReadAnswer(connection);
  return absl::Now() - start;
}

std::vector<WorkerTally> MeasuredPool::Stop() {
  PCHECK(::kill(master_, SIGTERM) == 0);
  PCHECK(::waitpid(master_, nullptr, 0) == master_);
  master_ = 0;
  std::vector<WorkerTally> tallies;
  for (int i = 0; i < workers_; ++i) {
    CHECK(rows_[i].final.load(std::memory_order_acquire)) << "worker " << i << " was killed";
    tallies.push_back(rows_[i].tally);
  }
  return tallies;
}

}  // namespace squall::testing
