// What parsing costs: bazel run -c opt //httpserver:http1_parser_benchmark
#include <string>

#include "benchmark/benchmark.h"
#include "squall/httpserver/http1_parser.h"
#include "squall/httpserver/http_scan.h"

namespace squall {
namespace {

// 455 octets and 9 fields, as a browser sends them.
const char kBrowser[] =
    "GET /index.html?x=1&y=two HTTP/1.1\r\n"
    "Host: www.example.com:8888\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Cache-Control: max-age=0\r\n\r\n";

std::string LargeRequest() {
  std::string request = "GET /a HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 24; ++i) {
    request += "X-Field-Number-" + std::to_string(i) + ": " + std::string(128, 'v') + "\r\n";
  }
  return request + "\r\n";
}

void Parse(benchmark::State& state, const std::string& request) {
  Http1Parser parser;
  for (auto _ : state) {
    std::string_view rest = request;
    Http1Event event = parser.Feed(rest);
    rest.remove_prefix(event.consumed);
    benchmark::DoNotOptimize(parser.head().path());
    while (event.kind != Http1Event::kMessageComplete) {
      if (event.kind == Http1Event::kError || event.kind == Http1Event::kNeedMore) {
        state.SkipWithError("the request was refused");
        return;
      }
      event = parser.Feed(rest);
      rest.remove_prefix(event.consumed);
    }
    parser.StartNextMessage();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(request.size()));
}

void BM_Minimal(benchmark::State& state) { Parse(state, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); }
void BM_Browser(benchmark::State& state) { Parse(state, kBrowser); }
void BM_Large(benchmark::State& state) { Parse(state, LargeRequest()); }

void BM_Post(benchmark::State& state) {
  Parse(state,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n" + std::string(1024, 'x'));
}

void BM_OneOctetChunks(benchmark::State& state) {
  std::string request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 1000; ++i) request += "1\r\nx\r\n";
  Parse(state, request + "0\r\n\r\n");
}

void BM_BrowserByOctets(benchmark::State& state) {
  Http1Parser parser;
  const std::string request = kBrowser;
  for (auto _ : state) {
    for (const char& c : request) benchmark::DoNotOptimize(parser.Feed({&c, 1}));
    parser.Feed("");
    parser.StartNextMessage();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(request.size()));
}

// What the vectorised scan is worth beside its portable twin.
template <const char* (*kSkip)(const char*, const char*)>
void BM_Scan(benchmark::State& state) {
  const std::string value(static_cast<size_t>(state.range(0)), 'v');
  for (auto _ : state) {
    benchmark::DoNotOptimize(kSkip(value.data(), value.data() + value.size()));
  }
}

BENCHMARK(BM_Minimal);
BENCHMARK(BM_Browser);
BENCHMARK(BM_Large);
BENCHMARK(BM_Post);
BENCHMARK(BM_OneOctetChunks);
BENCHMARK(BM_BrowserByOctets);
BENCHMARK_TEMPLATE(BM_Scan, internal::SkipFieldValue)->Arg(8)->Arg(32)->Arg(128);
BENCHMARK_TEMPLATE(BM_Scan, internal::SkipFieldValuePortable)->Arg(8)->Arg(32)->Arg(128);

}  // namespace
}  // namespace squall
