"""Servers to measure side by side: squall's bench_server, nginx, gunicorn, and h2o for HTTPS.

    with peers.start("nginx", workers=2) as server:
        print(peers.get(server.port, "/pid"))

A peer that is not installed is left out, and said so: apt install nginx-light h2o gunicorn. Each server runs on
a free port of 127.0.0.1, in a directory of its own, and is ended with all its processes. Started by root
all of them run as nobody: a master that is root would make nginx change its user in each new worker, which
costs it half a millisecond, and the others would not.
"""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

PATIENCE = 30.0

NOBODY = 65534

# Which program each of squall's names is: with Abseil linked in, or as 45 shared libraries.
PROGRAMS = {
    "squall": "SQUALL_BENCH_SERVER",
    "squall-tls": "SQUALL_TLS_BENCH_SERVER",
    "squall-shared": "SQUALL_BENCH_SERVER_SHARED",
}

NGINX = """
daemon off;
worker_processes %(workers)d;
pid %(folder)s/nginx.pid;
error_log %(folder)s/error.log;
events { worker_connections %(connections)d; }
http {
  access_log off;
  keepalive_timeout 3600s;
  keepalive_requests 1000000;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/fastcgi; uwsgi_temp_path %(folder)s/uwsgi; scgi_temp_path %(folder)s/scgi;
  server {
    listen 127.0.0.1:%(port)d%(tls)s;
    location = /pid { return 200 $pid; }
    location = / { return 200 "hello, world\\n"; }
    location = /post { return 200 "hello, world\\n"; }
    location = /100k { root %(root)s; }
    location = /static/100k { root %(root)s; }
  }
}
"""

# What squall has by default; sessions as tickets alone, as squall's.
NGINX_TLS = """ ssl;
    ssl_certificate %(folder)s/tls.pem;
    ssl_certificate_key %(folder)s/tls.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ssl_prefer_server_ciphers on;
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ssl_session_cache none"""

# One process, which has no fixed answers of its own and sends files for all.
H2O_TLS = """
num-threads: 1
max-connections: %(connections)d
pid-file: %(folder)s/h2o.pid
error-log: %(folder)s/h2o.log
ssl-session-resumption: { mode: ticket }
http1-request-timeout: 3600
hosts:
  default:
    listen:
      host: 127.0.0.1
      port: %(port)d
      ssl:
        certificate-file: %(folder)s/tls.pem
        key-file: %(folder)s/tls.key
        minimum-version: TLSv1.2
        cipher-suite: "ECDHE+AESGCM:ECDHE+CHACHA20"
        cipher-preference: server
        ocsp-update-interval: 0
    paths:
      "/":
        file.dir: %(root)s
        file.index: [ "index.txt" ]
        file.send-compressed: OFF
"""

GUNICORN = """
import os
def app(environ, start_response):
    body = str(os.getpid()).encode() if environ["PATH_INFO"] == "/pid" else b"hello, world\\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


class Server:
    def __init__(self, process, port):
        self.process = process
        self.pid = process.pid
        self.port = port


def available(name):
    if name in PROGRAMS:
        return True
    return shutil.which(name.removesuffix("-tls"), path=os.environ.get("PATH", "") + ":/usr/sbin") is not None


def leave_out(names):
    """The names that can run here; says which cannot."""
    for name in names:
        if not available(name):
            print("%s is not installed and left out (apt install nginx-light h2o gunicorn)" % name)
    return [name for name in names if available(name)]


def unverified():
    """A client's context that trusts everybody."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_root(folder):
    """The files that are served."""
    root = os.path.join(folder, "www")
    os.makedirs(os.path.join(root, "static"))
    for name, text in [("index.txt", "hello, world\n"), ("pid", "0"), ("100k", "x" * 102400),
                       ("static/100k", "x" * 102400)]:
        with open(os.path.join(root, name), "w") as file:
            file.write(text)
    return root


def command(name, folder, port, workers, flags, connections):
    root = make_root(folder)
    if name == "squall-tls":
        flags = flags + ["--certificate=%s/tls.pem" % folder, "--key=%s/tls.key" % folder,
                         "--static_root=%s/static" % root]
    if name in PROGRAMS:
        # A copy, for bazel's folder may be closed to nobody.
        server = shutil.copy(os.environ[PROGRAMS[name]], folder)
        return [server, "--port=%d" % port, "--workers=%d" % workers] + flags
    if name in ("nginx", "nginx-tls"):
        with open(os.path.join(folder, "nginx.conf"), "w") as conf:
            conf.write(NGINX % {"workers": workers, "folder": folder, "port": port,
                                "connections": connections, "root": root,
                                "tls": NGINX_TLS % {"folder": folder} if name == "nginx-tls" else ""})
        return [shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin"),
                "-c", os.path.join(folder, "nginx.conf")]
    if name == "h2o-tls":
        with open(os.path.join(folder, "h2o.conf"), "w") as conf:
            conf.write(H2O_TLS % {"folder": folder, "port": port, "connections": connections, "root": root})
        return [shutil.which("h2o"), "-c", os.path.join(folder, "h2o.conf")]
    if name == "gunicorn":
        with open(os.path.join(folder, "pid_app.py"), "w") as app:
            app.write(GUNICORN)
        return ["gunicorn", "-w", str(workers), "-b", "127.0.0.1:%d" % port, "--chdir", folder,
                "--log-level", "warning", "pid_app:app"]
    raise ValueError(name)


def worker(name, server):
    """The process of its first worker."""
    return server.pid if name == "h2o-tls" else children(server.pid)[0]


def children(pid):
    """The live children of a process."""
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task)) as listing:
            found += [int(child) for child in listing.read().split()]
    return found


def connect(port, tls=None, timeout=5.0):
    """A connection; with an ssl.SSLContext one that has shaken hands, with the whole handshake sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection if tls is None else tls.wrap_socket(connection, server_hostname="localhost")


def get(port, path, timeout=5.0, tls=None):
    """The body of one answer, on a connection of its own."""
    with connect(port, tls, timeout) as connection:
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" %
                           path.encode())
        answer = b""
        while True:
            part = connection.recv(65536)
            if not part:
                break
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise OSError("answered %r" % head[:80])
    return body.decode()


@contextlib.contextmanager
def start(name, workers, flags=(), connections=1024, pair=None):
    """A server that can hold so many connections in each worker. `pair` has the certificate and the key
    of one whose name ends with -tls."""
    folder = tempfile.mkdtemp(prefix="squall-peer-")
    user = {}
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": ()}
    tls = None
    if pair is not None:
        # Where the user nobody can read them.
        for source, name_of_copy in [(pair.certificate, "tls.pem"), (pair.key, "tls.key")]:
            copy = shutil.copy(source, os.path.join(folder, name_of_copy))
            if user:
                os.chown(copy, NOBODY, NOBODY)
        tls = unverified()
    port = free_port()
    log = open(os.path.join(folder, "output"), "w")
    process = subprocess.Popen(command(name, folder, port, workers, list(flags), connections),
                               cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **user)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                get(port, "/pid", tls=tls)
                if name == "h2o-tls" or len(children(process.pid)) >= workers:
                    break
            except OSError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                with open(log.name) as output:
                    sys.exit("%s does not start:\n%s" % (name, output.read()))
            time.sleep(0.01)
        yield Server(process, port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for child in children(process.pid):
                os.kill(child, signal.SIGKILL)
            process.kill()
            process.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
