#!/usr/bin/env python3
"""What HTTPS costs: handshakes for a second of processor time, and a request on a connection that is kept.

    bazel run --config=opt //tests/load:tls

squall beside nginx with the same certificate and ciphers, one worker each, turn about in each round.
Each handshake has a connection of its own and one request, with `Connection: close`. Processor time is
the worker's, in nanoseconds from /proc/PID/schedstat; medians of the rounds, and the median of squall's
multiples of nginx's in the same round.
"""

import argparse
import contextlib
import os
import ssl
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# `bazel run` starts it where tests/ is.
sys.path.append(os.path.abspath("tests/integration"))
import certificates  # noqa: E402
import peers  # noqa: E402

CLOSE = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
KEEP = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def cpu_ns(pid):
    with open("/proc/%d/schedstat" % pid) as stat:
        return int(stat.read().split()[0])


def request(connection, message):
    connection.sendall(message)
    if b"hello, world" not in connection.recv(65536):
        sys.exit("the server does not answer")


def full(port, context, count):
    for _ in range(count):
        with peers.connect(port, context) as connection:
            request(connection, CLOSE)


def resumed(port, context, count):
    session = None
    for number in range(count + 1):
        plain = peers.connect(port)
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
            request(connection, CLOSE)
            if number > 0 and not connection.session_reused:
                sys.exit("a session was not resumed")
            session = connection.session


def kept(port, context, count):
    with peers.connect(port, context) as connection:
        for _ in range(count):
            request(connection, KEEP)


# Label, key, version, what is done, how often.
CASES = [
    ("full, TLS 1.3, ECDSA P-256", "ecdsa", "1.3", full, 1000),
    ("full, TLS 1.2, ECDSA P-256", "ecdsa", "1.2", full, 1000),
    ("full, TLS 1.3, RSA 2048", "rsa", "1.3", full, 500),
    ("full, TLS 1.2, RSA 2048", "rsa", "1.2", full, 500),
    ("resumed, TLS 1.3", "ecdsa", "1.3", resumed, 1000),
    ("resumed, TLS 1.2", "ecdsa", "1.2", resumed, 1000),
    ("request on a kept connection, TLS 1.3", "ecdsa", "1.3", kept, 5000),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    names = peers.leave_out(["squall-tls", "nginx-tls"])
    print("%-40s %s %s" % ("a CPU second holds", "".join("%12s" % name for name in names),
                           "squall's cost, x nginx"), flush=True)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="squall"))
        authority = certificates.Authority(folder)
        workers = {}
        for key in ("ecdsa", "rsa"):
            pair = authority.issue(key, key=key)
            for name in names:
                server = stack.enter_context(peers.start(name, 1, pair=pair))
                workers[name, key] = (server.port, peers.children(server.pid)[0])
        for label, key, version, action, count in CASES:
            context = peers.unverified()
            context.minimum_version = context.maximum_version = VERSIONS[version]
            costs = {name: [] for name in names}
            for round_ in range(options.rounds):
                for name in names if round_ % 2 == 0 else reversed(names):
                    port, worker = workers[name, key]
                    action(port, context, 20)
                    before = cpu_ns(worker)
                    action(port, context, count)
                    costs[name].append((cpu_ns(worker) - before) / count)
            ratio = ""
            if len(names) == 2:
                ratio = "%.2f" % statistics.median(
                    ours / theirs for ours, theirs in zip(costs[names[0]], costs[names[1]]))
            print("%-40s %s %22s" % (label, "".join("%12.0f" % (1e9 / statistics.median(costs[name]))
                                                    for name in names), ratio), flush=True)


if __name__ == "__main__":
    main()
