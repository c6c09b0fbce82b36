#!/usr/bin/env python3
"""/healthz and /readyz while all is well, while the pool drains, and while the master is stopped."""

import contextlib
import os
import signal
import unittest

import harness
import status_listener

LISTEN = "--status_address=127.0.0.1:0"


class Health(unittest.TestCase):
    def check(self, status, path, code, sentence):
        """GET and HEAD say so; one line of text."""
        answer = status.get(path)
        self.assertEqual((answer.status, answer.text), (code, sentence + "\n"))
        self.assertEqual(answer.fields["cache-control"], "no-store")
        self.assertTrue(answer.fields["content-type"].startswith("text/plain"))
        self.assertEqual("retry-after" in answer.fields, code == 503)
        head = status.get(path, "--head")
        self.assertEqual((head.status, head.text), (code, ""))

    def test_all_is_well(self):
        with harness.Server(LISTEN, workers=2) as server:
            status = status_listener.StatusListener(server)
            self.check(status, "/healthz", 200, "healthy: the master answers")
            self.check(status, "/readyz", 200, "ready: 2 of 2 workers serve")
            for path in ("/healthz", "/readyz"):
                self.assertEqual(status.get(path, "-d", "").status, 405)
                self.assertEqual(status.get(path, "-H", "Host: evil.example").status, 421)
            self.assertEqual(
                status.metrics()["squall_control_http_responses_total"].value(
                    path="/healthz", code="200"), 2)

    def test_a_stopped_master_is_not_healthy(self):
        with harness.Server(LISTEN, workers=2, own_group=True) as server:
            status = status_listener.StatusListener(server)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                self.check(status, "/healthz", 503, "the master did not answer within 1s")
                self.check(status, "/readyz", 200, "ready: 2 of 2 workers serve")
                self.assertEqual(server.get()[0], 200)
            finally:
                os.kill(server.pid, signal.SIGCONT)
            harness.wait_until(lambda: status.get("/healthz").status == 200, "it answers again")
            self.assertEqual(server.admin.run("resize", "3", "--wait").returncode, 0)

    def test_a_pool_that_drains_is_not_ready(self):
        with harness.Server(LISTEN, workers=1) as server:
            status = status_listener.StatusListener(server)
            with contextlib.closing(server.connection()) as slow:
                slow.request("GET", "/?sleep=3")
                harness.wait_until(lambda: server.admin.is_at("/?sleep=3"),
                                   "the request is in flight")
                server.process.terminate()
                harness.wait_until(lambda: status.get("/readyz").status == 503, "the pool drains")
                self.check(status, "/readyz", 503,
                           "not ready: the pool is shutting down, 1 draining")
                self.check(status, "/healthz", 200, "healthy: the master answers")
                self.assertEqual(status.metrics()["squall_pool_shutting_down"].value(), 1)
                self.assertEqual(slow.getresponse().status, 200)
            self.assertEqual(server.wait(), 0)
            self.assertNotEqual(status.curl("/readyz").returncode, 0, "nobody listens any more")

    def test_a_pool_without_workers_is_not_ready(self):
        with harness.Server(LISTEN, "--backoff_initial=1h", "--backoff_max=1h", workers=1,
                            own_group=True) as server:
            status = status_listener.StatusListener(server)
            # The first death is forgiven at once.
            os.kill(server.first_workers[0], signal.SIGKILL)
            second = harness.wait_until(
                lambda: [worker["pid"] for worker in server.admin.workers().values()
                         if worker["state"] == "WORKER_STATE_READY" and
                         worker["pid"] not in server.first_workers], "it is replaced")
            os.kill(second[0], signal.SIGKILL)
            harness.wait_until(lambda: status.get("/readyz").status == 503, "nobody serves")
            self.check(status, "/readyz", 503,
                       "not ready: 0 of 1 workers serve, 1 waiting for their next start")
            self.check(status, "/healthz", 200, "healthy: the master answers")
            self.assertEqual(server.admin.run("reset-breaker").returncode, 0)
            harness.wait_until(lambda: status.get("/readyz").status == 200, "it serves again")

    def test_the_next_control_process_is_asked(self):
        with harness.Server(LISTEN, workers=1, own_group=True) as server:
            status = status_listener.StatusListener(server)
            others = set(harness.descendants(server.pid)) - set(server.first_workers)
            self.assertEqual(len(others), 1)
            os.kill(others.pop(), signal.SIGKILL)
            harness.wait_until(lambda: status.curl("/healthz").returncode == 0, "it answers")
            self.check(status, "/healthz", 200, "healthy: the master answers")


if __name__ == "__main__":
    unittest.main(verbosity=2)
