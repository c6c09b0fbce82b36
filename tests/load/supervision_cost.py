#!/usr/bin/env python3
"""What supervision costs: the master's wake-ups and processor time, idle and per resize; a heartbeat.

    bazel run --config=opt //tests/load:supervision_cost

Processor time is read in nanoseconds from /proc/PID/schedstat. nginx's master stands beside squall's.
What a request costs in the scoreboard: bazel run --config=opt //process:worker_row_benchmark.
"""

import argparse
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers  # noqa: E402


def cpu_ns(pid):
    with open("/proc/%d/schedstat" % pid) as stat:
        return int(stat.read().split()[0])


def wakeups(pid):
    with open("/proc/%d/status" % pid) as status:
        for line in status:
            if line.startswith("voluntary_ctxt_switches"):
                return int(line.split()[1])
    raise ValueError(pid)


def idle(pid, seconds):
    """Wake-ups and microseconds of processor time, each per second."""
    woken, spent = wakeups(pid), cpu_ns(pid)
    time.sleep(seconds)  # the time itself is what is measured over
    return (wakeups(pid) - woken) / seconds, (cpu_ns(pid) - spent) / 1000 / seconds


def wait_for_children(pid, count):
    while len(peers.children(pid)) != count:
        time.sleep(0.001)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--resizes", type=int, default=50)
    options = parser.parse_args()

    print("%-44s %10s %12s" % ("idle, 4 workers", "wake-ups/s", "CPU us/s"))
    for name in peers.leave_out(["squall", "nginx"]):
        with peers.start(name, 4) as server:
            print("%-44s %10.1f %12.1f" % ((name + ", master",) + idle(server.pid, options.seconds)))
            worker = peers.children(server.pid)[0]
            print("%-44s %10.1f %12.1f" % ((name + ", worker",) + idle(worker, options.seconds)))
    with peers.start("squall", 4, ["--watchdog_interval=10s"]) as server:
        print("%-44s %10.1f %12.1f" % (
            ("squall, master, watchdog looks each 10 s",) + idle(server.pid, options.seconds)))

    with peers.start("squall", 4) as server:
        spent, begin = cpu_ns(server.pid), time.monotonic()
        for _ in range(options.resizes):
            os.kill(server.pid, signal.SIGTTIN)
            wait_for_children(server.pid, 5)
            os.kill(server.pid, signal.SIGTTOU)
            wait_for_children(server.pid, 4)
        used = cpu_ns(server.pid) - spent
        seconds = time.monotonic() - begin
        print("\nper resize by one worker, fork or drain and reaping: %.0f us of the master, %.1f ms in all"
              % (used / 1000 / 2 / options.resizes, 1000 * seconds / 2 / options.resizes))


if __name__ == "__main__":
    main()
