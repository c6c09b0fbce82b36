#!/usr/bin/env python3
"""What an idle connection costs in memory: 10,000 of them that have had one answer and now say nothing.

    bazel run --config=opt //tests/load:idle_memory

For the echo servers of //tests/load/echo (one coroutine and one IOStream for each connection in squall's),
and for squall's HTTP and HTTPS servers beside nginx, one worker each (TLS 1.3, ECDSA P-256). Bytes are resident memory of the server's
processes (RSS, and of it what is anonymous) with the connections less that without any, for each
connection; the kernel's sockets are not in it. nginx sets its table of connections aside at its start,
so it starts with a small table for the value without any.
"""

import argparse
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# `bazel run` starts it where tests/ is.
sys.path.append(os.path.abspath("tests/integration"))
import certificates  # noqa: E402
import peers  # noqa: E402

ECHO = b"m" * 63 + b"\n"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

# Label, kind or name of the peer, arguments, what is sent.
ROWS = [
    ("bare epoll loop, echo", "echo_epoll", [], ECHO),
    ("squall IOStream, echo", "echo_squall", [], ECHO),
    ("squall IOStream, echo of lines", "echo_squall", ["lines"], ECHO),
    ("libuv, echo", "echo_uv", [], ECHO),
    ("libevent, echo", "echo_event", [], ECHO),
    ("squall, HTTP", "squall", [], GET),
    ("nginx, HTTP", "nginx", [], GET),
    ("squall, HTTPS", "squall-tls", [], GET),
    ("nginx, HTTPS", "nginx-tls", [], GET),
]


@contextlib.contextmanager
def start(name, arguments, connections):
    """(pid, port) of a server that can hold so many connections."""
    if not name.startswith("echo_"):
        with contextlib.ExitStack() as stack:
            pair = None
            if name.endswith("-tls"):
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="squall"))
                pair = certificates.Authority(folder).issue("site")
            server = stack.enter_context(
                peers.start(name, 1, arguments, connections=connections, pair=pair))
            yield server.pid, server.port
        return
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "echo", name)
    process = subprocess.Popen([program] + arguments, stdout=subprocess.PIPE, text=True)
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def memory(pid):
    """(RSS, anonymous) bytes of a process and its children."""
    rss = anonymous = 0
    for one in [pid] + peers.children(pid):
        with open("/proc/%d/status" % one, encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    rss += 1024 * int(line.split()[1])
                elif line.startswith("RssAnon:"):
                    anonymous += 1024 * int(line.split()[1])
    return rss, anonymous


def exchange(port, message, tls, keep=None):
    """One message and its answer on a new connection, which is closed unless it is kept."""
    connection = peers.connect(port, tls, 10)
    connection.sendall(message)
    if not connection.recv(65536):
        sys.exit("the server closed a connection instead of answering")
    if keep is None:
        connection.close()
    else:
        keep.append(connection)


def settled(pid):
    """The memory once it no longer changes."""
    last = None
    while True:
        now = memory(pid)
        if now == last:
            return now
        last = now
        time.sleep(0.3)


def measure(name, arguments, message, connections):
    tls = peers.unverified() if name.endswith("-tls") else None
    with start(name, arguments, 512) as (pid, port):
        for _ in range(200):
            exchange(port, message, tls)
        empty = settled(pid)
    # nginx closes idle connections when less than a sixteenth of its table is free.
    with start(name, arguments, connections + connections // 8 + 512) as (pid, port):
        for _ in range(200):
            exchange(port, message, tls)
        kept = []
        try:
            for _ in range(connections):
                exchange(port, message, tls, kept)
            full = settled(pid)
            for connection in kept[::97]:
                connection.sendall(message)
                if not connection.recv(65536):
                    sys.exit("%s closed a connection that was idle" % name)
        finally:
            for connection in kept:
                connection.close()
    return [(now - before) / connections for now, before in zip(full, empty)] + [empty[0] / 2**20]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=10000)
    parser.add_argument("--only", default="", help="rows whose label has this in it")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < options.connections + 600:
        sys.exit("%d connections need as many descriptors, and only %d are allowed (ulimit -n)" % (
            options.connections, hard))
    print("%-32s %12s %12s %14s" % ("", "RSS, bytes", "anonymous", "without, MiB"))
    for label, name, arguments, message in ROWS:
        if options.only not in label or not name.startswith("echo_") and not peers.leave_out([name]):
            continue
        rss, anonymous, empty = measure(name, arguments, message, options.connections)
        print("%-32s %12.0f %12.0f %14.1f" % (label, rss, anonymous, empty), flush=True)


if __name__ == "__main__":
    main()
