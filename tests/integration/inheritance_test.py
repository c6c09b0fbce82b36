#!/usr/bin/env python3
"""What processes inherit: the descriptors of each worker, and of the control process, are its own."""

import os
import re
import signal
import unittest

import harness
import pool_checks

WORKERS = 4


def sockets(pid):
    """Inodes of the sockets that the process has open."""
    return {what for what in pool_checks.descriptors(pid).values() if what.startswith("socket:")}


def handled(pid, mask):
    """Numbers of the signals in a mask of /proc/PID/status."""
    with open("/proc/%d/status" % pid) as status:
        bits = int(re.search(r"^%s:\s*(\w+)" % mask, status.read(), re.M)[1], 16)
    return {signo for signo in range(1, 65) if bits >> (signo - 1) & 1}


class Inheritance(unittest.TestCase):
    def check_workers(self, server, control, pids):
        self.assertEqual(len(pids), WORKERS)
        shared = set.intersection(*map(sockets, pids))
        self.assertEqual(len(shared), 1, "they share the listener")
        for pid in pids:
            own = pool_checks.descriptors(pid)
            # Neither the master's watch over its children nor its signals.
            kinds = [what for what in own.values() if "pidfd" in what or "signalfd" in what]
            self.assertEqual(kinds, [])
            # An epoll of its own, in which no descriptor of the master's is.
            self.assertEqual(sum("eventpoll" in what for what in own.values()), 1, own)
            for other in pids - {pid}:
                self.assertEqual(sockets(pid) & sockets(other), shared, "a sibling's end is open")
            self.assertEqual(sockets(pid) & sockets(control), set())
            self.assertEqual(sockets(pid) & sockets(server.pid), shared)
            self.assertEqual(handled(pid, "SigBlk"), set())
            self.assertEqual(handled(pid, "SigIgn") - {signal.SIGPIPE}, self.ignored)

    def setUp(self):
        self.ignored = handled(os.getpid(), "SigIgn") - {signal.SIGPIPE, signal.SIGXFSZ}

    def test_nothing_of_the_master_or_of_siblings(self):
        with harness.Server("--max_workers=8", binary="SQUALL_FAULTY_SERVER", workers=WORKERS,
                            own_group=True) as server:
            baseline = pool_checks.Baseline(server)
            control, = set(pool_checks.children(server.pid)) - baseline.worker_pids()
            first = baseline.worker_pids()
            self.check_workers(server, control, first)
            # Replacements are forked while all others are there.
            for victim in first:
                os.kill(victim, signal.SIGKILL)
                harness.wait_until(lambda victim=victim: victim not in baseline.worker_pids() and
                                   baseline.at_rest(WORKERS), "it is replaced")
            self.check_workers(server, control, baseline.worker_pids())
            # So is the next control process.
            os.kill(control, signal.SIGKILL)
            harness.wait_until(lambda: server.admin.run("status").returncode == 0, "it is back")
            control, = set(pool_checks.children(server.pid)) - baseline.worker_pids()
            self.check_workers(server, control, baseline.worker_pids())
            print("descriptors of %d workers and 2 control processes: the listener alone is shared" %
                  (2 * WORKERS))
            baseline.check()


if __name__ == "__main__":
    unittest.main(verbosity=2)
