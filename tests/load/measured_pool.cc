#include "squall/tests/load/measured_pool.h"

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

#include "absl/strings/match.h"
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
constexpr int kMaxWorkers = 64;

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
  std::atomic<pid_t> pid;
  std::atomic<int64_t> accepted;
  std::atomic<bool> final;  // `tally` is complete
  WorkerTally tally;
};

struct MeasuredPool::Shared {
  std::atomic<int> serving;  // the master's
  Row rows[kMaxWorkers];
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
  CHECK_LE(workers_, kMaxWorkers);
  void* const shared =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  PCHECK(shared != MAP_FAILED);
  shared_ = new (shared) Shared();
  if (options.policy == AcceptPolicy::kReusePort) {
    ReusePortListeners listeners =
        ReusePortListeners::Bind(0, workers_, {.address = "127.0.0.1"}).value();
    address_ = listeners.addresses().front();
    master_ = ::fork();
    if (master_ == 0) RunPool(options, std::move(listeners));
  } else {
    std::vector<ListenSocket> sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
    address_ = sockets.front().address();
    master_ = ::fork();
    if (master_ == 0) RunPool(options, std::move(sockets));
  }
  PCHECK(master_ > 0);
  WaitUntilServing(workers_);
}

void MeasuredPool::RunPool(const Options& options, std::vector<ListenSocket> sockets) {
  const int task_id = Fork(options, nullptr);
  RunWorker(options, task_id, std::move(sockets));
}

void MeasuredPool::RunPool(const Options& options, ReusePortListeners listeners) {
  const int task_id = Fork(options, [&](absl::Span<const int> serving) {
    const absl::Status status = listeners.SetServing(serving);
    CHECK(status.ok()) << status;
  });
  RunWorker(options, task_id, std::move(listeners).TakeSlot(task_id));
}

int MeasuredPool::Fork(const Options& options,
                       absl::AnyInvocable<void(absl::Span<const int>)> on_serving) {
  ForkOptions fork;
  fork.max_workers = options.workers;
  fork.backoff = options.backoff;
  fork.on_serving = [this, &on_serving](absl::Span<const int> serving) {
    if (on_serving) on_serving(serving);
    shared_->serving.store(static_cast<int>(serving.size()), std::memory_order_relaxed);
  };
  return ForkProcesses(options.workers, std::move(fork)).value();
}

void MeasuredPool::RunWorker(const Options& options, int task_id,
                             std::vector<ListenSocket> sockets) {
  Row& row = shared_->rows[task_id];
  row.final.store(false, std::memory_order_relaxed);
  row.pid.store(::getpid(), std::memory_order_relaxed);
  IOLoop& loop = IOLoop::Current();
  {
    Settings settings;
    settings.log_function = nullptr;
    Application app({{"/", Handler<Answer>()}, {"/block", Handler<Block>()}}, settings);
    TallyingServer server(app, {.accept_policy = options.policy}, row.accepted);
    server.AddSockets(std::move(sockets));
    rusage before = {};
    loop.AddCallback([&] { PCHECK(::getrusage(RUSAGE_SELF, &before) == 0); });
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
  if (master_ != 0) End();
  ::munmap(shared_, sizeof(Shared));
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

int MeasuredPool::ReadStatus(const UniqueFd& connection) {
  std::string answer;
  char bytes[4096];
  ssize_t got;
  while ((got = ::recv(connection.get(), bytes, sizeof bytes, 0)) > 0) {
    answer.append(bytes, static_cast<size_t>(got));
  }
  int status = 0;
  // "HTTP/1.1 200 ...", and the body at the end of it.
  const bool whole = got == 0 && answer.size() > 12 && absl::EndsWith(answer, "\r\n\r\nok");
  return whole && absl::SimpleAtoi(answer.substr(9, 3), &status) ? status : 0;
}

void MeasuredPool::ReadAnswer(const UniqueFd& connection) { CHECK_EQ(ReadStatus(connection), 200); }

pid_t MeasuredPool::worker_pid(int worker) const {
  return shared_->rows[worker].pid.load(std::memory_order_relaxed);
}

int MeasuredPool::serving() const { return shared_->serving.load(std::memory_order_relaxed); }

void MeasuredPool::WaitUntilServing(int workers) const {
  WaitUntil([&] { return serving() == workers; }, absl::StrCat(workers, " workers are READY"));
}

int64_t MeasuredPool::accepted() const {
  int64_t sum = 0;
  for (const int64_t count : AcceptedByWorker()) sum += count;
  return sum;
}

std::vector<int64_t> MeasuredPool::AcceptedByWorker() const {
  std::vector<int64_t> counts;
  for (int i = 0; i < workers_; ++i) {
    counts.push_back(shared_->rows[i].accepted.load(std::memory_order_relaxed));
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

void MeasuredPool::End() {
  PCHECK(::kill(master_, SIGTERM) == 0);
  PCHECK(::waitpid(master_, nullptr, 0) == master_);
  master_ = 0;
}

std::vector<WorkerTally> MeasuredPool::Stop() {
  End();
  std::vector<WorkerTally> tallies;
  for (int i = 0; i < workers_; ++i) {
    CHECK(shared_->rows[i].final.load(std::memory_order_acquire))
        << "worker " << i << " was killed";
    tallies.push_back(shared_->rows[i].tally);
  }
  return tallies;
}

}  // namespace squall::testing
