#!/usr/bin/env python3
"""The article's promise: simultaneous requests are answered by different processes, at once."""

import subprocess
import time
import unittest

import harness


def curl_at_once(url, count):
    """(seconds, answers) of `count` simultaneous curls."""
    start = time.monotonic()
    clients = [subprocess.Popen(["curl", "-sS", "--max-time", "60", url], text=True,
                                stdout=subprocess.PIPE) for _ in range(count)]
    answers = [client.communicate()[0].strip() for client in clients]
    return time.monotonic() - start, answers


class ArticleTest(unittest.TestCase):
    def test_two_workers_answer_two_requests_at_once_with_two_pids(self):
        with harness.Server(workers=2) as server:
            for _ in range(20):
                _, pids = curl_at_once(server.url + "?sleep=0.5", 2)
                self.assertEqual(sorted(map(int, pids)), sorted(server.first_workers))
            seconds, pids = curl_at_once(server.url + "?sleep=3", 2)
            # One behind the other would be six.
            self.assertLess(seconds, 5)
            print("two requests of 3 s took %.2f s" % seconds)

    def test_one_worker_answers_one_after_the_other(self):
        with harness.Server(workers=1) as server:
            seconds, pids = curl_at_once(server.url + "?sleep=1", 2)
            self.assertEqual(len(set(pids)), 1)
            self.assertGreaterEqual(seconds, 2.0)

    def test_a_blocked_worker_holds_up_nobody(self):
        with harness.Server(workers=2) as server:
            blocked = subprocess.Popen(["curl", "-sS", server.url + "?sleep=5"],
                                       stdout=subprocess.PIPE)
            harness.wait_until(lambda: server.admin.is_at("/?sleep=5"),
                               "the request is seen in the worker's row")
            for _ in range(50):
                status, _ = server.get(timeout=2)
                self.assertEqual(status, 200)
            self.assertIsNone(blocked.poll(), "the blocked request ended too early to show anything")
            blocked.communicate()

    def test_bad_sleep_is_one_clear_sentence(self):
        with harness.Server(workers=1) as server:
            for value in ("abc", "-1", "61", "nan", "inf"):
                status, text = server.get("/?sleep=" + value)
                self.assertEqual(status, 400)
                self.assertIn("is not a number of seconds from 0 to 60", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
