#!/usr/bin/env python3
"""No request is lost while a pool changes: every combination of zero_loss.py, with fewer requests."""

import unittest

import zero_loss

REQUESTS = 2000


class ZeroLossTest(unittest.TestCase):
    def lose_nothing(self, change):
        for load in zero_loss.LOADS:
            for policy in zero_loss.POLICIES:
                with self.subTest(change=change, load=load, policy=policy):
                    run = zero_loss.Run(REQUESTS, policy, load, change)
                    counted = run.result()
                    print(zero_loss.line(run.label, counted), flush=True)
                    self.assertEqual(counted["failures"], 0, counted)
                    self.assertGreaterEqual(counted["requests"], REQUESTS)
                    self.assertGreaterEqual(counted["changes"], 3)

    def test_grow(self):
        self.lose_nothing("grow")

    def test_shrink(self):
        self.lose_nothing("shrink")

    def test_restart(self):
        self.lose_nothing("restart")

    def test_recycle(self):
        self.lose_nothing("recycle")

    def test_autoscale(self):
        self.lose_nothing("autoscale")


if __name__ == "__main__":
    unittest.main(verbosity=2)
