"""The peers of the HTTP benchmark, each configured to do as little as it can beside the answer.

    command("h2o", folder, port)    the command line; what it reads is written to the folder

All answer 13 octets on `/` and to a POST on `/post`, 1 KiB on `/1k`, 100 KiB on `/100k`, and the same from
a file on `/static/100k`, in one worker without an access log. h2o and lighttpd have no fixed answers of
their own and send files for all of them. Who can has its listener wait for the first request (TCP_DEFER_ACCEPT), as
squall has it here and h2o by itself.
"""

import os
import shutil

SMALL = "hello, world\n"

# Name: the Debian package.
PACKAGES = {"nginx": "nginx-light", "h2o": "h2o", "lighttpd": "lighttpd", "haproxy": "haproxy", "node": "nodejs"}

NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid %(folder)s/nginx.pid;
error_log %(folder)s/error.log crit;
events { worker_connections 16000; accept_mutex off; }
http {
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  sendfile on;
  open_file_cache max=1000 inactive=600s;
  open_file_cache_valid 600s;
  client_header_buffer_size 8k;
  client_body_buffer_size 16k;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/fastcgi; uwsgi_temp_path %(folder)s/uwsgi; scgi_temp_path %(folder)s/scgi;
  server {
    listen 127.0.0.1:%(port)d backlog=4096 deferred;
    root %(root)s;
    location = / { return 200 "hello, world\\n"; }
    location = /post { return 200 "hello, world\\n"; }
    location = /1k { return 200 "%(text_1k)s"; }
  }
}
"""

H2O = """
num-threads: 1
max-connections: 16000
pid-file: %(folder)s/h2o.pid
error-log: %(folder)s/h2o.log
hosts:
  default:
    listen: { host: 127.0.0.1, port: %(port)d }
    paths:
      "/":
        file.dir: %(root)s
        file.index: [ "index.txt" ]
        file.send-compressed: OFF
"""

LIGHTTPD = """
server.document-root = "%(root)s"
server.port = %(port)d
server.bind = "127.0.0.1"
server.max-keep-alive-requests = 1000000000
server.max-fds = 20000
server.max-connections = 16000
server.listen-backlog = 4096
server.defer-accept = 1
index-file.names = ( "index.txt" )
mimetype.assign = ( "" => "text/plain" )
"""

HAPROXY = """
global
  maxconn 9900
  nbthread 1
defaults
  mode http
  timeout client 120s
  timeout server 120s
  timeout connect 5s
frontend f
  bind 127.0.0.1:%(port)d backlog 4096 defer-accept
  http-request return status 200 content-type text/plain file "%(root)s/1k" if { path /1k }
  http-request wait-for-body time 10s if { method POST }
  http-request return status 200 content-type text/plain string "hello, world\\n"
"""

NODE = """
const http = require("http");
const bodies = {"/": Buffer.from("hello, world\\n"), "/1k": Buffer.alloc(1024, "x"), "/100k": Buffer.alloc(102400, "x")};
http.createServer((request, response) => {
  const answer = (body) => {
    response.writeHead(200, {"Content-Type": "text/plain", "Content-Length": body.length});
    response.end(body);
  };
  if (request.method !== "POST") return answer(bodies[request.url]);
  request.on("data", () => {});
  request.on("end", () => answer(bodies["/"]));
}).listen(%(port)d, "127.0.0.1", 4096);
"""

# What a peer cannot do.
CANNOT = {
    "h2o": {"post1k"},
    "lighttpd": {"post1k"},
    "haproxy": {"100k", "file"},
    "node": {"file"},
}


def make_root(folder):
    """The files that are served."""
    root = os.path.join(folder, "www")
    os.makedirs(os.path.join(root, "static"))
    for name, text in [("index.txt", SMALL), ("1k", "x" * 1024), ("100k", "x" * 102400),
                       ("static/100k", "x" * 102400)]:
        with open(os.path.join(root, name), "w", encoding="ascii") as file:
            file.write(text)
    return root


def program(name):
    """Its path, or None."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


def command(name, folder, port):
    root = make_root(folder)
    values = {"folder": folder, "root": root, "port": port, "text_1k": "x" * 1024}
    if name == "squall":
        return [os.environ["SQUALL_BENCH_SERVER"], "--port=%d" % port, "--workers=1",
                "--static_root=%s" % os.path.join(root, "static")]
    if name == "epoll":
        return [os.environ["SQUALL_HTTP_EPOLL"], str(port)]

    def write(text, file_name):
        path = os.path.join(folder, file_name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text % values)
        return path
    return {
        "nginx": lambda: [program("nginx"), "-c", write(NGINX, "nginx.conf")],
        "h2o": lambda: [program("h2o"), "-c", write(H2O, "h2o.conf")],
        "lighttpd": lambda: [program("lighttpd"), "-D", "-f", write(LIGHTTPD, "lighttpd.conf")],
        "haproxy": lambda: [program("haproxy"), "-f", write(HAPROXY, "haproxy.cfg")],
        "node": lambda: [program("node"), write(NODE, "server.js")],
    }[name]()
