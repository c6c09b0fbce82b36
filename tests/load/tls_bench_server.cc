// The server that HTTPS load is put on: `/` answers 13 octets `hello, world\n`, `/100k` 102,400 times
// `x`, `/pid` the worker's pid; what is in --static_root is on `/static/`. No access log and no Etag.
//
//   tls_bench_server --port=8000 --workers=1 --certificate=site.pem --key=site.key
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "squall/base/flags.h"
#include "squall/base/status_macros.h"
#include "squall/httpserver/httpserver.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/tls_acceptor.h"
#include "squall/netutil/sockets.h"
#include "squall/process/fork.h"
#include "squall/web/application.h"
#include "squall/web/handler.h"
#include "squall/web/request_handler.h"
#include "squall/web/settings.h"

ABSL_FLAG(uint16_t, port, 0, "TCP port on 127.0.0.1; 0 takes any");
ABSL_FLAG(int, workers, 1, "worker processes; 0: one per CPU");
ABSL_FLAG(std::string, certificate, "", "PEM file");
ABSL_FLAG(std::string, key, "", "PEM file");
ABSL_FLAG(std::string, static_root, "", "a folder that is served on /static/");

namespace {

struct Plain : squall::RequestHandler {
  void SetDefaultHeaders() override {
    SetHeader("Content-Type", "text/plain");
    DisableAutomaticEtag();
  }
};

struct HelloWorld : Plain {
  void Get() { Write("hello, world\n"); }
};

struct ReadPost : Plain {
  void Post() { Write("hello, world\n"); }
};

struct Filler : Plain {
  explicit Filler(const std::string* text) : text(text) {}
  void Get() { Write(*text); }
  const std::string* text;  // not owned
};

struct Pid : Plain {
  void Get() { Write(absl::StrCat(getpid())); }
};

absl::Status Serve() {
  squall::TlsServerOptions tls{
      .certificates = {{absl::GetFlag(FLAGS_certificate), absl::GetFlag(FLAGS_key)}}};
  squall::HttpServerOptions options;
  ASSIGN_OR_RETURN(options.transport, squall::TlsAcceptor::Create(std::move(tls)));
  ASSIGN_OR_RETURN(std::vector<squall::ListenSocket> sockets,
                   squall::BindSockets(absl::GetFlag(FLAGS_port), {.address = "127.0.0.1"}));
  squall::Settings settings;
  settings.log_function = nullptr;
  settings.static_path = absl::GetFlag(FLAGS_static_root);
  const std::string text_100k(102400, 'x');
  squall::Application app(
      {
          {"/", squall::Handler<HelloWorld>()},
          {"/post", squall::Handler<ReadPost>()},
          {"/100k", squall::Handler<Filler>(&text_100k)},
          {"/pid", squall::Handler<Pid>()},
      },
      settings);
  RETURN_IF_ERROR(squall::ForkProcesses(absl::GetFlag(FLAGS_workers)).status());
  squall::HttpServer server(app, options);
  server.AddSockets(std::move(sockets));
  squall::IOLoop::Current().Start();
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, "tls_bench_server: fixed answers to put HTTPS load on");
  const absl::Status served = Serve();
  if (served.ok()) return EXIT_SUCCESS;
  std::cerr << "tls_bench_server: " << served.message() << std::endl;
  return EXIT_FAILURE;
}
