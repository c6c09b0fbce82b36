#!/usr/bin/env python3
"""Growing and shrinking while clients come: no request is lost, and the master stays single-threaded."""

import unittest

import harness
import pool_checks

RESIZES = 20  # ten rounds of growing and shrinking,
SECONDS = 20  # within this time
AT_LEAST = RESIZES if harness.SLOWNESS == 1 else 4  # Sanitizers make the pool's programs slow.


class ResizeUnderLoadTest(unittest.TestCase):
    def resize_while(self, keep_alive):
        with harness.Server("--grace=5s", workers=2, own_group=True) as server:
            baseline = pool_checks.Baseline(server)
            wrk = harness.Wrk(server.url, SECONDS, keep_alive=keep_alive)
            resizes = 0
            while wrk.running() and resizes < RESIZES:
                target = "6" if resizes % 2 == 0 else "2"
                result = server.admin.run("resize", target, "--wait", "--timeout=30s")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(harness.threads(server.pid), 1)
                resizes += 1
            wrk.stop()
            counted = wrk.result()
            print("%d resizes, %d requests, %d errors" %
                  (resizes, counted["requests"], counted["errors"]))
            self.assertGreaterEqual(resizes, AT_LEAST)
            self.assertGreater(counted["requests"], 1000)
            self.assertEqual(counted["errors"], 0, counted["output"])
            self.assertEqual(server.admin.pool()["drainingWorkers"], 0)
            # An odd number of resizes leaves the pool grown.
            baseline.check(workers=server.admin.pool()["desiredWorkers"])

    def test_no_request_fails_with_a_connection_per_request(self):
        self.resize_while(keep_alive=False)

    def test_no_request_fails_on_kept_connections(self):
        self.resize_while(keep_alive=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
