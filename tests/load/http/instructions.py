#!/usr/bin/env python3
"""Instructions and system calls of a request: squall beside a bare epoll loop, counted by valgrind.

    bazel run --config=opt //tests/load/http:instructions

Times on a shared machine are noise; these numbers are the same each time. Each server runs under callgrind
as one process and answers a client that has one request, or one batch of pipelined ones, under way. What
two runs of different length differ by is the cost of the requests between them, without the start.
Instructions are those of the process itself; what the kernel does shows as calls alone, and readings of the clock are calls under valgrind.

With --limits=FILE it compares squall's numbers with those in the file and fails when the instructions are more
than --allowed times as many, or the calls 1.1 times. On a busy machine the timers of a server that waits add some, so the least of
three attempts counts. --write puts the present ones there. Without valgrind it says so and succeeds.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 60.0
ATTEMPTS = 3
FEW, MANY = 200, 700

HOST = "Host: localhost\r\n"
LONG_HEAD = HOST + (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: en-US,en;q=0.9\r\n" +
    "Authorization: Bearer " + "abcdefgh" * 80 + "\r\n" +
    "Cookie: sid=" + "0123456789abcdef" * 120 + "; theme=dark\r\n" +
    "".join("X-Long-%d: %s\r\n" % (i, "v" * 100) for i in range(8)) +
    "".join("X-Short-%d: v%d\r\n" % (i, i) for i in range(12)))

# Name: what it is, the request, how many of them are sent together, whether the connection ends with it.
ROWS = {
    "plain": ("keep-alive", "GET / HTTP/1.1\r\n" + HOST + "\r\n", 1, False),
    "post1k": ("POST of 1 KB", "POST /post HTTP/1.1\r\n" + HOST + "Content-Type: application/octet-stream\r\n"
               "Content-Length: 1024\r\n\r\n" + "p" * 1024, 1, False),
    "headers": ("3.9 KB of request fields", "GET / HTTP/1.1\r\n" + LONG_HEAD + "\r\n", 1, False),
    "pipe16": ("16 requests pipelined", "GET / HTTP/1.1\r\n" + HOST + "\r\n", 16, False),
    "close": ("a connection per request", "GET / HTTP/1.1\r\n" + HOST + "Connection: close\r\n\r\n", 1, True),
}


def command(server, port):
    if server == "epoll":
        return [os.environ["SQUALL_HTTP_EPOLL"], str(port)]
    return [os.environ["SQUALL_BENCH_SERVER"], "--port=%d" % port, "--fork=false"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(port):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), PATIENCE)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def receive(connection, answers):
    """Reads as many answers of 13 octets."""
    data = b""
    while data.count(b"hello, world\n") < answers:
        piece = connection.recv(65536)
        if not piece:
            sys.exit("the server has closed the connection after %r" % data[:300])
        data += piece


def ask(port, row, requests):
    _, request, batch, closes = ROWS[row]
    octets = request.encode("ascii") * batch
    connection = None
    for _ in range(requests // batch):
        if connection is None:
            connection = connect(port)
        connection.sendall(octets)
        receive(connection, batch)
        if closes:
            # Its end, so that the server is done with this one before the next comes.
            if connection.recv(1):
                sys.exit("more than the answer came")
            connection.close()
            connection = None
    if connection is not None:
        connection.close()


def count(server, row, requests, folder, flags=()):
    """Instructions and calls of a whole run. `flags` are for callgrind, whose file is in the folder."""
    port = free_port()
    result = os.path.join(folder, "callgrind.out")
    log_name = os.path.join(folder, "output")
    with open(log_name, "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--collect-systime=yes", "--callgrind-out-file=" + result] +
            list(flags) + command(server, port), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        ask(port, row, requests // ROWS[row][2] * ROWS[row][2])
    except OSError as error:
        with open(log_name, encoding="utf-8") as output:
            sys.exit("%s under valgrind: %s\n%s" % (server, error, output.read()))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    with open(result, encoding="utf-8") as output:
        text = output.read()
    events = re.search(r"^events: (.*)$", text, re.MULTILINE).group(1).split()
    totals = re.search(r"^totals: (.*)$", text, re.MULTILINE).group(1).split()
    counted = dict(zip(events, map(int, totals)))
    return counted["Ir"], counted["sysCount"]


def measure(server, row, folder):
    batch = ROWS[row][2]
    few, many = FEW // batch * batch, MANY // batch * batch
    first, second = (count(server, row, requests, folder) for requests in (few, many))
    return tuple((b - a) / (many - few) for a, b in zip(first, second))


def read_limits(path):
    """{row: (instructions, calls)}"""
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return {row: (float(instructions), float(calls)) for row, instructions, calls in lines}


def excesses(numbers, limits, allowed):
    """A sentence for each number that is too large."""
    return ["%.1f %s for a request, %.0f %% more than the %.1f in the file of limits" %
            (number, what, (number / limit - 1) * 100, limit)
            for number, limit, times, what in zip(numbers, limits, (allowed, 1.1), ("instructions", "calls"))
            if number > limit * times]


def keeps_limits(row, numbers, limits, allowed, folder):
    """Says what is too much; whether nothing is."""
    if row not in limits:
        print("there is no limit for %s" % row)
        return False
    for _ in range(ATTEMPTS - 1):
        if not excesses(numbers, limits[row], allowed):
            break
        numbers = tuple(map(min, numbers, measure("squall", row, folder)))
    for sentence in excesses(numbers, limits[row], allowed):
        print("FAILED: %s: %s" % (ROWS[row][0], sentence))
    return not excesses(numbers, limits[row], allowed)


def main():
    parser = argparse.ArgumentParser(description="Instructions and system calls of a request.")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--limits", help="a file of squall's numbers that are not to be exceeded")
    parser.add_argument("--allowed", type=float, default=1.1, help="how many times the instructions of that file")
    parser.add_argument("--write", action="store_true", help="write that file")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed (apt install valgrind)")
        return
    measured = {}
    limits = read_limits(options.limits) if options.limits and not options.write else {}
    good = True
    print("%-26s %12s %12s %8s %12s %12s" % ("", "instructions", "", "", "calls", ""))
    print("%-26s %12s %12s %8s %12s %12s" % ("", "epoll", "squall", "ratio", "epoll", "squall"))
    with tempfile.TemporaryDirectory(prefix="squall-instructions-") as folder:
        for row in options.rows.split(","):
            bare, squall = measure("epoll", row, folder), measure("squall", row, folder)
            measured[row] = squall
            print("%-26s %12.0f %12.0f %8.1f %12.2f %12.2f" % (
                ROWS[row][0], bare[0], squall[0], squall[0] / bare[0], bare[1], squall[1]), flush=True)
            if limits:
                good = keeps_limits(row, squall, limits, options.allowed, folder) and good
    if options.limits and options.write:
        with open(options.limits, "w", encoding="ascii") as file:
            file.write("# Row, instructions and calls of a request; see instructions.py.\n")
            for row, (instructions, calls) in measured.items():
                file.write("%-8s %8.0f %6.2f\n" % (row, instructions, calls))
    if not good:
        sys.exit("squall does more for a request than it did")


if __name__ == "__main__":
    main()
