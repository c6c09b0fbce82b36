// What finding a rule costs in tables of 10 to 10,000 rules.
//
//   bazel run -c opt //web:router_benchmark
#include <cstddef>
#include <string>

#include "absl/strings/substitute.h"
#include "benchmark/benchmark.h"
#include "squall/base/logging.h"
#include "squall/web/router.h"

namespace squall::internal {
namespace {

// `pattern` has $0 for the rule's number; `path` is what the last rule matches.
void Run(benchmark::State& state, const char* pattern, const char* path, bool prepared) {
  const int rules = static_cast<int>(state.range(0));
  Router router;
  for (int i = 0; i < rules; ++i) CHECK(router.Add(absl::Substitute(pattern, i)).ok());
  if (prepared) router.Prepare();
  const std::string last = absl::Substitute(path, rules - 1);
  const size_t expected = router.Find(last).rule;
  CHECK_EQ(expected, static_cast<size_t>(rules - 1));
  for (auto _ : state) benchmark::DoNotOptimize(router.Find(last));
}

void Literal(benchmark::State& state) { Run(state, "/route/$0", "/route/$0", true); }
void OwnPrefix(benchmark::State& state) { Run(state, "/route$0/([0-9]+)", "/route$0/1234", true); }
void SharedPrefix(benchmark::State& state) {
  Run(state, "/api/([a-z]+)/route$0/([0-9]+)", "/api/users/route$0/1234", true);
}
// Each expression of the text in turn, as Tornado does.
void SharedPrefixOneByOne(benchmark::State& state) {
  Run(state, "/api/([a-z]+)/route$0/([0-9]+)", "/api/users/route$0/1234", false);
}

BENCHMARK(Literal)->Arg(10)->Arg(1000)->Arg(10000);
BENCHMARK(OwnPrefix)->Arg(10)->Arg(1000)->Arg(10000);
BENCHMARK(SharedPrefix)->Arg(4)->Arg(7)->Arg(8)->Arg(16)->Arg(100)->Arg(1000)->Arg(10000);
BENCHMARK(SharedPrefixOneByOne)->Arg(4)->Arg(7)->Arg(8)->Arg(16)->Arg(100)->Arg(1000)->Arg(10000);

}  // namespace
}  // namespace squall::internal
