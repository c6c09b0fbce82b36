#!/usr/bin/env python3
"""What HTTPS costs: handshakes for a second of processor time, and a request on a connection that is kept.

    bazel run --config=opt //tests/load:tls

squall beside nginx and h2o with the same certificate and ciphers, one worker each, turn about in each
round. Each handshake has a connection of its own and one request, with `Connection: close`. Processor time
is the worker's, in nanoseconds from /proc/PID/task/*/schedstat; medians of the rounds, and the median of
squall's multiples of each peer's in the same round. What a peer cannot do (resume a session, answer a POST of
what it has as a file) it has no such row of.
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

SIZE = 102400

CLOSE = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
KEEP = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = (b"POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Length: 1024\r\n\r\n" + b"p" * 1024)
# 3.9 KB.
FIELDS = (b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + b"abcdefgh" * 80 +
          b"\r\nCookie: sid=" + b"0123456789abcdef" * 120 + b"\r\n" +
          b"".join(b"X-Long-%d: %s\r\n" % (i, b"v" * 100) for i in range(8)) +
          b"".join(b"X-Short-%d: v%d\r\n" % (i, i) for i in range(20)) + b"\r\n")
BATCH = 16

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class CannotDo(Exception):
    pass


def cpu_ns(pid):
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as stat:
            total += int(stat.read().split()[0])
    return total


def request(connection, message, answers=1):
    connection.sendall(message)
    # Head and body may come as two records.
    answer = b""
    while answer.count(b"hello, world\n") < answers:
        piece = connection.recv(65536)
        if not piece:
            sys.exit("the server does not answer: %r" % answer)
        answer += piece
        if answer.startswith(b"HTTP/1.1 4"):
            raise CannotDo


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
                raise CannotDo
            session = connection.session


def kept(message, batch=1):
    def ask(port, context, count):
        with peers.connect(port, context) as connection:
            for _ in range(0, count, batch):
                request(connection, message * batch, batch)
    return ask


def large(path):
    def ask(port, context, count):
        message = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path
        with peers.connect(port, context) as connection:
            for _ in range(count):
                connection.sendall(message)
                head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
                if b" 200 " not in head:
                    sys.exit("the server answers %r" % head)
                left = SIZE - len(body)
                while left > 0:
                    piece = connection.recv(65536)
                    if not piece:
                        sys.exit("the server closes %d octets before the end" % left)
                    left -= len(piece)
    return ask


# Label, key, version, what is done, how often.
CASES = [
    ("full, TLS 1.3, ECDSA P-256", "ecdsa", "1.3", full, 1000),
    ("full, TLS 1.2, ECDSA P-256", "ecdsa", "1.2", full, 1000),
    ("full, TLS 1.3, RSA 2048", "rsa", "1.3", full, 500),
    ("full, TLS 1.2, RSA 2048", "rsa", "1.2", full, 500),
    ("resumed, TLS 1.3", "ecdsa", "1.3", resumed, 1000),
    ("resumed, TLS 1.2", "ecdsa", "1.2", resumed, 1000),
    ("request on a kept connection, TLS 1.3", "ecdsa", "1.3", kept(KEEP), 5000),
    ("POST of 1 KB on it", "ecdsa", "1.3", kept(POST), 5000),
    ("3.9 KB of request fields on it", "ecdsa", "1.3", kept(FIELDS), 5000),
    ("16 requests pipelined on it", "ecdsa", "1.3", kept(KEEP, BATCH), 32000),
    ("100 KB on it", "ecdsa", "1.3", large(b"/100k"), 500),
    ("100 KB of a file on it", "ecdsa", "1.3", large(b"/static/100k"), 500),
]


def measure(action, context, count, places, rounds):
    """Nanoseconds of a worker's time for each, round by round, by name; none for who cannot do it."""
    costs = {name: [] for name in places}
    for round_ in range(rounds):
        for name in list(costs) if round_ % 2 == 0 else reversed(list(costs)):
            port, worker = places[name]
            try:
                action(port, context, 2 * BATCH)
                before = cpu_ns(worker)
                action(port, context, count)
                costs[name].append((cpu_ns(worker) - before) / count)
            except CannotDo:
                del costs[name]
    return costs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="the cases whose name has this")
    options = parser.parse_args()
    names = peers.leave_out(["squall-tls", "nginx-tls", "h2o-tls"])
    print("%-40s %s   %s" % ("a CPU second holds", "".join("%12s" % name for name in names),
                             "squall's cost, x each peer's"), flush=True)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="squall"))
        authority = certificates.Authority(folder)
        places = {"ecdsa": {}, "rsa": {}}
        for key, of_key in places.items():
            pair = authority.issue(key, key=key)
            for name in names:
                server = stack.enter_context(peers.start(name, 1, pair=pair))
                of_key[name] = (server.port, peers.worker(name, server))
        for label, key, version, action, count in CASES:
            if options.only not in label:
                continue
            context = peers.unverified()
            context.minimum_version = context.maximum_version = VERSIONS[version]
            costs = measure(action, context, count, places[key], options.rounds)
            rates = ["%12.0f" % (1e9 / statistics.median(costs[name])) if name in costs else "%12s" % "-"
                     for name in names]
            ratios = ["%.2f" % statistics.median(a / b for a, b in zip(costs[names[0]], costs[name]))
                      if name in costs else "-" for name in names[1:]]
            print("%-40s %s   %s" % (label, "".join(rates), ", ".join(ratios)), flush=True)


if __name__ == "__main__":
    main()
