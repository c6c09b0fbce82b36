#!/usr/bin/env python3
"""A thousand resizes and a thousand deaths: nothing is left behind by any of them."""

import os
import signal
import time
import unittest

import harness
import pool_checks

TIMES = 1000
WORKERS = 8
LEAST = 4  # Resizes go between this and WORKERS.
GROWTH = 2 << 20  # bytes of memory that the master may gain


def resident(pid):
    """Bytes of the process's memory."""
    with open("/proc/%d/statm" % pid) as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pool():
    return harness.Server("--backoff_initial=1ms", "--backoff_max=1ms",
                          "--breaker_deaths=%d" % (10 * TIMES), "--grace=10s",
                          binary="SQUALL_FAULTY_SERVER", workers=WORKERS, own_group=True)


class Churn:
    """Something that is done to a server very often, and what is left of it."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.baseline = pool_checks.Baseline(server)
        self.memory = self.seconds = 0

    def run(self, turn, turns):
        """`turn(i)` that often."""
        for i in range(turns // 10):  # What is kept for reuse is there after some.
            turn(i)
        self.memory = resident(self.server.pid)
        began = time.monotonic()
        for i in range(turns // 10, turns):
            turn(i)
        self.seconds = time.monotonic() - began

    def check(self):
        self.baseline.check()
        grown = resident(self.server.pid) - self.memory
        print("%s: %.1f s, master %+d KiB, nothing left open, no zombie, no orphan" %
              (self.name, self.seconds, grown // 1024), flush=True)
        # Sanitizers keep what was freed.
        assert harness.SLOWNESS > 1 or grown < GROWTH, grown


class ChurnTest(unittest.TestCase):
    def test_a_thousand_resizes_lose_nothing(self):
        with pool() as server:
            def workers():
                return len(pool_checks.children(server.pid)) - 1  # the control process

            def resize(i):
                down = i // (WORKERS - LEAST) % 2 == 0
                expected = workers() + (-1 if down else 1)
                os.kill(server.pid, signal.SIGTTOU if down else signal.SIGTTIN)
                harness.wait_until(lambda: workers() == expected, "%d workers" % expected)
            churn = Churn(server, "%d resizes" % TIMES)
            with harness.Load(server, "--think=20ms", connections=20) as kept, \
                    harness.Load(server, "--think=20ms", connections=4, reconnect=True) as new:
                kept.wait_for_enough()
                churn.run(resize, TIMES)
                counted = [load.finish() for load in (kept, new)]
            self.assertEqual([one["failures"] for one in counted], [0, 0], counted)
            print("0 of %d requests lost" % sum(one["requests"] for one in counted))
            churn.check()

    def test_a_thousand_deaths(self):
        with pool() as server:
            control = set(pool_checks.children(server.pid)) - set(server.first_workers)

            def kill_all(_):
                victims = set(pool_checks.children(server.pid)) - control
                for victim in victims:
                    os.kill(victim, signal.SIGKILL)

                def replaced():
                    now = set(pool_checks.children(server.pid)) - control
                    return len(now) == WORKERS and not now & victims
                harness.wait_until(replaced, "all are replaced")
            churn = Churn(server, "%d deaths, %d at a time" % (TIMES, WORKERS))
            churn.run(kill_all, TIMES // WORKERS)
            churn.check()
            self.assertEqual(int(server.admin.pool()["restarts"]), TIMES)


if __name__ == "__main__":
    unittest.main(verbosity=2)
