"""Pre-fork servers to measure side by side: squall's bench_server, nginx and gunicorn.

    with peers.start("nginx", workers=2) as server:
        print(peers.get(server.port, "/pid"))

A peer that is not installed is left out, and said so: apt install nginx-light gunicorn. Each server runs on
a free port of 127.0.0.1, in a directory of its own, and is ended with all its processes. Started by root
all of them run as nobody: a master that is root would make nginx change its user in each new worker, which
costs it half a millisecond, and the others would not.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 30.0

NOBODY = 65534

# Which program each of squall's names is: with Abseil linked in, or as 45 shared libraries.
PROGRAMS = {
    "squall": "SQUALL_BENCH_SERVER",
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
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/fastcgi; uwsgi_temp_path %(folder)s/uwsgi; scgi_temp_path %(folder)s/scgi;
  server {
    listen 127.0.0.1:%(port)d;
    location = /pid { return 200 $pid; }
    location = / { return 200 "hello, world\\n"; }
  }
}
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
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin") is not None


def leave_out(names):
    """The names that can run here; says which cannot."""
    for name in names:
        if not available(name):
            print("%s is not installed and left out (apt install nginx-light gunicorn)" % name)
    return [name for name in names if available(name)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(name, folder, port, workers, flags, connections):
    if name in PROGRAMS:
        # A copy, for bazel's folder may be closed to nobody.
        server = shutil.copy(os.environ[PROGRAMS[name]], folder)
        return [server, "--port=%d" % port, "--workers=%d" % workers] + flags
    if name == "nginx":
        with open(os.path.join(folder, "nginx.conf"), "w") as conf:
            conf.write(NGINX % {"workers": workers, "folder": folder, "port": port,
                                "connections": connections})
        return [shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin"),
                "-c", os.path.join(folder, "nginx.conf")]
    if name == "gunicorn":
        with open(os.path.join(folder, "pid_app.py"), "w") as app:
            app.write(GUNICORN)
        return ["gunicorn", "-w", str(workers), "-b", "127.0.0.1:%d" % port, "--chdir", folder,
                "--log-level", "warning", "pid_app:app"]
    raise ValueError(name)


def children(pid):
    """The live children of a process."""
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task)) as listing:
            found += [int(child) for child in listing.read().split()]
    return found


def get(port, path, timeout=5.0):
    """The body of one answer, on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
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
def start(name, workers, flags=(), connections=1024):
    """A server that can hold so many connections in each worker."""
    folder = tempfile.mkdtemp(prefix="squall-peer-")
    user = {}
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": ()}
    port = free_port()
    log = open(os.path.join(folder, "output"), "w")
    process = subprocess.Popen(command(name, folder, port, workers, list(flags), connections),
                               cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **user)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                get(port, "/pid")
                if len(children(process.pid)) >= workers:
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
