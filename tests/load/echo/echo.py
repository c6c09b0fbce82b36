#!/usr/bin/env python3
"""What a message costs: ping-pong echo of 64 octets on squall, libuv, libevent and a bare epoll loop.

    bazel run --config=opt //tests/load/echo

The server runs on one processor, the client on another. Servers take turns, round after round, so that a
noisy machine is unfair to all of them; what counts is the processor time of the server per message, and
its ratio to the bare epoll loop's in the same round.
"""

import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import sys

SERVERS = {
    "epoll": ["echo_epoll"],
    "squall": ["echo_squall"],
    "squall-strings": ["echo_squall", "strings"],
    "squall-lines": ["echo_squall", "lines"],
    "squall-into": ["echo_squall", "into"],
    "libuv": ["echo_uv"],
    "libevent": ["echo_event"],
}

FOLDER = os.path.dirname(os.path.abspath(__file__))


def pinned(processor, command, **options):
    def prepare():
        os.sched_setaffinity(0, {processor})
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    program = os.path.join(FOLDER, command[0])
    return subprocess.Popen([program] + command[1:], stdout=subprocess.PIPE, text=True,
                            preexec_fn=prepare, **options)


@contextlib.contextmanager
def server(command, processor):
    process = pinned(processor, command)
    try:
        line = process.stdout.readline()
        if not line.strip().isdigit():
            sys.exit("%s did not start" % command[0])
        yield process.pid, int(line)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def processor_seconds(pid):
    with open("/proc/%d/schedstat" % pid, encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def measure(name, connections, seconds, processors):
    """Processor microseconds per message, messages per second, and the client's latencies."""
    with server(SERVERS[name], processors[0]) as (pid, port):
        # Warm, and past accepting.
        before = 0
        for period in (0.2, seconds):
            before = processor_seconds(pid)
            client = pinned(processors[-1], ["echo_client", str(port), str(connections), str(period)])
            output, _ = client.communicate()
            if client.returncode != 0:
                sys.exit("%s with %d connections failed" % (name, connections))
        messages, p50, p99 = output.split()
        spent = processor_seconds(pid) - before
        return 1e6 * spent / int(messages), int(messages) / seconds, float(p50), float(p99)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", default="1,100,10000")
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one server in one round")
    options = parser.parse_args()
    names = options.servers.split(",")
    for name in names:
        if name not in SERVERS:
            sys.exit("there is no server %s; there are %s" % (name, ", ".join(SERVERS)))
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        print("one processor: server and client share it")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    print("%11s  %-14s %9s %9s %10s %9s %9s" % (
        "connections", "server", "CPU us", "x " + names[0], "messages/s", "p50 us", "p99 us"))
    for connections in map(int, options.connections.split(",")):
        if hard < connections + 100:
            print("%11d  left out: only %d descriptors may be open (ulimit -n)" % (connections, hard))
            continue
        rows = {name: [] for name in names}
        ratios = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                rows[name].append(measure(name, connections, options.seconds, processors))
            for name in names:
                ratios[name].append(rows[name][-1][0] / rows[names[0]][-1][0])
        for name in names:
            cpu, rate, p50, p99 = (statistics.median(column) for column in zip(*rows[name]))
            print("%11d  %-14s %9.2f %9.2f %10.0f %9.0f %9.0f" % (
                connections, name, cpu, statistics.median(ratios[name]), rate, p50, p99), flush=True)


if __name__ == "__main__":
    main()
