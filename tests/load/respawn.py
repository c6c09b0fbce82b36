#!/usr/bin/env python3
"""How soon a killed worker is replaced: from kill -9 to the replacement's first answer.

    bazel run --config=opt //tests/load:respawn

For squall, nginx and gunicorn in turn, round after round, so that a noisy machine is unfair to all of
them. Then for squall with more for fork to copy and for exit to free: Abseil as 45 shared libraries, and
memory that the master has written to, private in small and in huge pages, and shared. One worker, whose
port takes connections meanwhile: what is measured ends with the answer to the first of them.
"""

import argparse
import os
import signal
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers  # noqa: E402


def kill_and_wait(server):
    """Seconds from the kill to the first answer of a process that was not there before."""
    victim = int(peers.get(server.port, "/pid"))
    begin = time.perf_counter()
    os.kill(victim, signal.SIGKILL)
    while True:
        try:
            if int(peers.get(server.port, "/pid")) != victim:
                return time.perf_counter() - begin
        except (OSError, ValueError):
            pass  # reset with the victim


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--mib", default="0,64,256,1024", help="touched memory of squall's master")
    options = parser.parse_args()

    # Every death of a worker that served is replaced at once, as the peers do it always.
    flags = ["--healthy_after=0"]
    rows = [(name, name, flags if name == "squall" else [])
            for name in peers.leave_out(["squall", "nginx", "gunicorn"])]
    rows.append(("squall, Abseil shared", "squall-shared", flags))
    sizes = [mib for mib in options.mib.split(",") if mib != "0"]
    rows += [("squall, master with %s MiB" % mib, "squall", flags + ["--touch_mib=" + mib])
             for mib in sizes]
    rows += [("  the same, " + what, "squall", flags + ["--touch_mib=" + mib, "--touch_as=" + kind])
             for mib in sizes[-1:]
             for kind, what in (("huge", "huge pages"), ("shared", "shared mapping"))]
    times = {label: [] for label, _, _ in rows}
    rounds = 5
    for _ in range(rounds):
        for label, name, arguments in rows:
            with peers.start(name, 1, arguments) as server:
                for _ in range(max(1, options.kills // rounds)):
                    times[label].append(1000 * kill_and_wait(server))
    print("%-28s %8s %8s %8s  kill -9 to first answer, ms" % ("", "median", "min", "max"))
    for label, _, _ in rows:
        taken = times[label]
        print("%-28s %8.2f %8.2f %8.2f  n=%d" % (
            label, statistics.median(taken), min(taken), max(taken), len(taken)))


if __name__ == "__main__":
    main()
