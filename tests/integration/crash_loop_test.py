#!/usr/bin/env python3
"""A worker that dies at each start: back-off, no load, and the others serve."""

import signal
import tempfile
import time
import unittest

import harness


class CrashLoopTest(unittest.TestCase):
    def test_backoff_is_visible_and_the_other_worker_serves(self):
        with tempfile.NamedTemporaryFile("w") as fault:
            fault.write("0:abort\n")
            fault.flush()
            self.crash_loop("--boot_fault=" + fault.name)

    def crash_loop(self, flag):
        with harness.Server(flag, "--announce_at_once", binary="SQUALL_FAULTY_SERVER",
                            workers=2) as server:
            def backing_off():
                try:
                    worker = server.admin.workers().get(0, {})
                except AssertionError:
                    return None
                backs_off = worker.get("state") == "WORKER_STATE_BACKOFF"
                return worker if backs_off and int(worker["restarts"]) >= 4 else None
            crashed = harness.wait_until(backing_off, "slot 0 backs off")
            self.assertEqual(crashed["lastExit"]["signal"], signal.SIGABRT)
            self.assertGreater(float(crashed["nextStartIn"].rstrip("s")), 0)
            self.assertIn("BACKOFF", server.admin.run("status").stdout)
            for _ in range(20):
                self.assertEqual(server.get()[0], 200)

            # From here on the delays are 0.8 s and more: next to nothing happens.
            before, start = harness.cpu_seconds(server.pid), time.monotonic()
            restarts = int(crashed["restarts"])
            harness.wait_until(lambda: int(server.admin.workers()[0]["restarts"]) >= restarts + 2,
                               "two more deaths")
            used = harness.cpu_seconds(server.pid) - before
            self.assertLess(used, 0.1 * (time.monotonic() - start) + 0.05)


if __name__ == "__main__":
    unittest.main(verbosity=2)
