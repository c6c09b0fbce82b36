#!/usr/bin/env python3
"""Counts the requests that a pool loses while it changes: none is allowed.

    bazel run //tests/load:zero_loss                       # 100,000 requests for each combination
    bazel run //tests/load:zero_loss -- --requests=10000 --change=restart --policy=balanced

A pool of real workers is grown, shrunk, restarted, recycled or scaled by itself while a client that
repeats nothing counts every answer (load_client.cc), on connections of one request each and on
connections that are kept and always busy, for each way of accepting. One line a combination; the
exit status is 1 when a single request was lost.
"""

import argparse
import os
import signal
import sys
import threading
import time

# `bazel run` and `bazel test` both start it where tests/ is.
sys.path.append(os.path.abspath("tests/integration"))
import harness  # pylint: disable=wrong-import-position

POLICIES = ("shared", "exclusive", "balanced", "reuse_port")
LOADS = {  # name -> connections, and whether each has only one request
    "new": (50, True),
    "kept": (200, False),
}
KINDS = ("refused", "reset", "unanswered", "short", "timeout", "malformed", "status", "body")


class Run:
    """One pool, one load, and the changes that are made meanwhile."""

    def __init__(self, requests, policy, load, change, flags=()):
        self.requests = requests
        self.policy = policy
        self.connections, self.reconnect = LOADS[load]
        self.change = CHANGES[change]
        self.flags = flags
        self.label = (change, load, policy)
        self.changes = 0
        self.server = None
        self.load = None

    def wait_for_share(self, share):
        """Until that share of the requests is made, so that changes are spread over them all."""
        harness.wait_until(
            lambda: self.server.admin.requests() >= share * self.requests or self.load.has_enough(),
            "%d requests" % (share * self.requests), 1200)

    def resize(self, target):
        result = self.server.admin.run("resize", str(target), "--wait", "--timeout=120s",
                                       timeout=150)
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        self.changes += 1

    def result(self):
        """What the client counted, and how many changes there were."""
        flags = ["--accept_policy=" + self.policy, *self.change.flags(self.requests), *self.flags]
        with harness.Server(*flags, binary="SQUALL_FAULTY_SERVER",
                            workers=self.change.workers) as self.server, \
                harness.Load(self.server, connections=self.connections, requests=self.requests,
                             reconnect=self.reconnect) as self.load:
            self.change.make(self)
            counted = self.load.finish(1200)
            pool = self.server.admin.pool()
        counted["changes"] = self.changes
        # The server has seen what the client has sent, and nobody died of it.
        if int(pool["restarts"]) != 0:
            raise AssertionError("workers died: %s" % pool)
        if int(pool["totals"]["requests"]) < counted["requests"] - counted["failures"]:
            raise AssertionError("the pool counted %s requests" % pool["totals"]["requests"])
        return counted


class Grow:
    """One worker more each time."""

    workers, most = 1, 12

    def flags(self, requests):
        return ["--max_workers=%d" % self.most]

    def make(self, run):
        for target in range(self.workers + 1, self.most + 1):
            run.wait_for_share((target - self.workers) / (self.most - self.workers + 1))
            run.resize(target)


class Shrink:
    """One worker less each time."""

    workers, least = 12, 1

    def flags(self, requests):
        return []

    def make(self, run):
        for target in range(self.workers - 1, self.least - 1, -1):
            run.wait_for_share((self.workers - target) / (self.workers - self.least + 1))
            run.resize(target)


class Restart:
    """Every worker is replaced, by SIGHUP."""

    workers, times = 3, 6

    def flags(self, requests):
        return []

    def make(self, run):
        for generation in range(2, self.times + 2):
            run.wait_for_share((generation - 1) / (self.times + 1))
            os.kill(run.server.pid, signal.SIGHUP)

            def done(generation=generation):
                workers = run.server.admin.workers()
                return len(workers) == self.workers and all(
                    int(worker["generation"]) == generation and
                    worker["state"] in ("WORKER_STATE_READY", "WORKER_STATE_STALLED")
                    for worker in workers.values())
            harness.wait_until(done, "all workers are new", 120)
            run.changes += 1


class Recycle:
    """Workers are replaced because of what they have served."""

    workers = 3

    def flags(self, requests):
        return ["--max_requests=%d" % max(requests // 20, 1), "--min_lifetime=0",
                "--watchdog_interval=100ms"]

    def make(self, run):
        def recycled():
            run.changes = sum(int(worker["incarnation"]) - 1
                              for worker in run.server.admin.workers().values())
            return run.load.has_enough() and run.changes >= 2 * self.workers
        harness.wait_until(recycled, "workers are recycled", 1200)


class Autoscale:
    """The pool follows a second load that comes and goes, and that blocks workers."""

    workers = 2

    def flags(self, requests):
        return ["--autoscaler=spare", "--autoscaler_interval=100ms", "--scale_down_hold=300ms",
                "--min_spare=2", "--max_spare=3", "--max_workers=12"]

    def make(self, run):
        over = threading.Event()
        lost = []
        waves = threading.Thread(target=self.waves, args=(run.server, over, lost))
        waves.start()
        targets = []

        def scaled():
            target = run.server.admin.pool()["desiredWorkers"]
            if not targets or target != targets[-1]:
                targets.append(target)
            run.changes = len(targets) - 1
            return run.load.has_enough() and run.changes >= 4
        try:
            harness.wait_until(scaled, "the pool is scaled up and down", 1200)
        finally:
            over.set()
            waves.join()
        if any(lost):
            raise AssertionError("the second load lost requests: %s" % lost)

    @staticmethod
    def waves(server, over, lost):
        while not over.is_set():
            with harness.Load(server, "--target=/block?seconds=0.05", "--think=20ms",
                              connections=6) as wave:
                over.wait(1.5)
                lost.append(wave.finish()["failures"])
            over.wait(1.5)


CHANGES = {"grow": Grow(), "shrink": Shrink(), "restart": Restart(), "recycle": Recycle(),
           "autoscale": Autoscale()}


def line(label, counted):
    """The combination's row of the table."""
    lost = ", ".join("%d %s" % (counted[kind], kind) for kind in KINDS if counted[kind])
    return "%-9s %-4s %-9s %8d requests, %3d changes, %3d lost%s, p99 %.1f ms, %.0f/s" % (
        *label, counted["requests"], counted["changes"], counted["failures"],
        " (%s)" % lost if lost else "", counted["p99_ms"],
        counted["requests"] / counted["seconds"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--requests", type=int, default=100000, help="for each combination")
    parser.add_argument("--change", choices=sorted(CHANGES), action="append")
    parser.add_argument("--load", choices=sorted(LOADS), action="append")
    parser.add_argument("--policy", choices=POLICIES, action="append")
    parser.add_argument("--server_flag", action="append", default=[],
                        help="of faulty_server.cc; --grace=0 shows what the drain is good for")
    options = parser.parse_args()
    lost = 0
    began = time.monotonic()
    for change in options.change or CHANGES:
        for load in options.load or LOADS:
            for policy in options.policy or POLICIES:
                run = Run(options.requests, policy, load, change, options.server_flag)
                counted = run.result()
                lost += counted["failures"]
                print(line(run.label, counted), flush=True)
    print("%d requests lost, %.0f s" % (lost, time.monotonic() - began))
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
