#!/usr/bin/env python3
"""Requests that take long while the pool shrinks: they are answered within the grace period, and cut at its
end, not before."""

import http.client
import time
import unittest

import harness
import pool_checks

GRACE = 3.0 * harness.SLOWNESS
KEPT = 4  # requests of each kind in each worker, or about that


class LongRequests(unittest.TestCase):
    def pool(self):
        return harness.Server("--grace=%ds" % GRACE, "--kill_after=1s", "--max_workers=4",
                              binary="SQUALL_FAULTY_SERVER", workers=2, own_group=True)

    def clients(self, server):
        """Connections that ask for nothing yet; the worker that will go has some of them.

        Which worker accepts is for the pool to say: one that gets no processor has none of the first ones.
        """
        clients = []
        def go_on():
            if len(clients) < 2 * KEPT or held[1] == 0:
                clients.append(server.connection())
            held.update((slot, int(worker["connections"])) for slot, worker in server.admin.workers().items())
            return len(clients) >= 2 * KEPT and held[1] > 0 and sum(held.values()) == len(clients)
        held = {1: 0}
        harness.wait_until(go_on, "the second worker has connections")
        return clients

    def shrink_during(self, server, path):
        """Has many clients ask for `path`, shrinks; returns their outcomes and the seconds until the end."""
        answers = [pool_checks.InBackground(server, path, client) for client in self.clients(server)]
        harness.wait_until(lambda: sum(int(worker["requestsInFlight"]) for worker in
                                       server.admin.workers().values()) == len(answers),
                           "all are in flight")
        victim = server.admin.workers()[1]
        self.assertGreater(int(victim["requestsInFlight"]), 0)
        began = time.monotonic()
        self.assertEqual(server.admin.run("resize", "1").returncode, 0)
        harness.wait_until(lambda: not harness.is_alive(victim["pid"]), "the worker is gone")
        return answers, time.monotonic() - began, int(victim["requestsInFlight"])

    def test_what_is_done_within_the_grace_period_is_answered(self):
        with self.pool() as server:
            baseline = pool_checks.Baseline(server)
            answers, seconds, held = self.shrink_during(server, "/sleep?seconds=%g" % (GRACE / 2))
            for answer in answers:
                self.assertEqual(answer.result()[0], 200, answer.result())
            self.assertLess(seconds, GRACE)
            pool_checks.report("a shrink while requests take %g s" % (GRACE / 2), "the worker gone", seconds, 1.6,
                               "all %d answered, %d of them by it" % (len(answers), held))
            self.assertEqual(server.admin.run("resize", "2", "--wait").returncode, 0)
            baseline.check()

    def test_what_takes_longer_is_cut_at_its_end(self):
        with self.pool() as server:
            baseline = pool_checks.Baseline(server)
            answers, seconds, held = self.shrink_during(server, "/sleep?seconds=%g" % (GRACE * 2))
            self.assertGreaterEqual(seconds, GRACE * 0.95)
            outcomes = [answer.result() for answer in answers]
            cut = sum(isinstance(outcome, (OSError, http.client.HTTPException)) for outcome in outcomes)
            # The other worker's are answered, for it stays.
            self.assertEqual(cut, held, outcomes)
            pool_checks.report("a shrink while requests take %g s" % (GRACE * 2), "cut, past the grace of %d s" % GRACE,
                               seconds - GRACE, 1.0, "%d of %d" % (cut, len(answers)))
            self.assertEqual(server.admin.run("resize", "2", "--wait").returncode, 0)
            baseline.check()


if __name__ == "__main__":
    unittest.main(verbosity=2)
