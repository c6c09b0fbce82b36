#!/usr/bin/env python3
"""The status page and its stream, as a client without a browser sees them."""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import re
import signal
import unittest
import urllib.parse

import harness
import status_listener

LISTEN = "--status_address=127.0.0.1:0"
MAX_STREAMS = 32


class Stream:
    """/stream, event by event."""

    def __init__(self, status):
        address = urllib.parse.urlsplit(status.url)
        self.connection = http.client.HTTPConnection(address.hostname, address.port,
                                                     timeout=harness.PATIENCE)
        self.connection.request("GET", "/stream")
        self.response = self.connection.getresponse()

    def next(self):
        """The data of the next event."""
        while True:
            line = self.response.readline()
            if not line:
                raise AssertionError("the stream has ended")
            if line.startswith(b"data: "):
                return json.loads(line[len(b"data: "):])

    def until(self, condition):
        """The first event for which the condition holds."""
        return harness.wait_until(
            lambda: (lambda event: event if condition(event) else None)(self.next()), "an event")

    def close(self):
        self.response.close()
        self.connection.close()


class StatusPage(unittest.TestCase):
    def test_the_page_is_one_file_and_runs_nothing_else(self):
        with harness.Server(LISTEN, workers=1) as server:
            status = status_listener.StatusListener(server)
            answer = status.get("/")
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.fields["content-type"], "text/html; charset=utf-8")
            self.assertEqual(answer.fields["cache-control"], "no-store")
            self.assertEqual(answer.fields["x-content-type-options"], "nosniff")
            policy = dict(part.split(" ", 1) for part in
                          answer.fields["content-security-policy"].split("; "))
            self.assertEqual(policy["default-src"], "'none'")
            self.assertEqual(policy["frame-ancestors"], "'none'")
            self.assertEqual(policy["connect-src"], "'self'")
            for element in ("script", "style"):
                text = re.search("<%s>(.*?)</%s>" % (element, element), answer.text, re.S)[1]
                digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
                self.assertEqual(policy[element + "-src"], "'sha256-%s'" % digest)
            links = set(re.findall(r"""(?:href|src|url)\s*[=(]\s*["']?([^"')>\s]+)""", answer.text))
            self.assertEqual(links, {"data:,", "metrics", "readyz"})
            self.assertNotRegex(answer.text, r"\son\w+=|\sstyle=|innerHTML|eval\(")
            self.assertEqual(status.get("/", "--head").text, "")
            for path in ("/", "/stream"):
                self.assertEqual(status.get(path, "-H", "Host: evil.example").status, 421)
                self.assertEqual(status.get(path, "-d", "x").status, 405)

    def test_the_stream_follows_the_pool(self):
        with harness.Server(LISTEN, workers=2, own_group=True) as server:
            status = status_listener.StatusListener(server)
            with contextlib.closing(Stream(status)) as stream:
                self.assertEqual(stream.response.getheader("Content-Type"),
                                 "text/event-stream; charset=utf-8")
                self.assertEqual(stream.response.getheader("Cache-Control"), "no-store")
                first = stream.next()
                self.assertEqual((first["pool"]["state"], first["pool"]["ready"]), ("serving", 2))
                self.assertEqual(first["pool"]["sentence"], "2 of 2 workers serve")
                self.assertIsNone(first["pool"]["requests_per_second"])
                self.assertEqual([worker["slot"] for worker in first["workers"]], [0, 1])
                self.assertEqual(sorted(worker["pid"] for worker in first["workers"]),
                                 sorted(server.first_workers))
                with contextlib.closing(server.connection()) as slow:
                    slow.request("GET", "/?sleep=3&token=secret")
                    event = stream.until(lambda event: event["pool"]["in_flight"] == 1)
                    self.assertNotIn("secret", json.dumps(event))
                    self.assertEqual(sum(worker["request_age"] is not None
                                         for worker in event["workers"]), 1)
                    with harness.Load(server, connections=2) as load:
                        load.wait_for_enough()
                        event = stream.until(lambda event: event["pool"]["requests_per_second"])
                        self.assertGreater(event["pool"]["p99"], 0)
                        load.finish()
                os.kill(server.first_workers[0], signal.SIGKILL)
                event = stream.until(lambda event: event["pool"]["deaths"] == 1)
                self.assertIn("killed by signal 9 (SIGKILL), signaled",
                              [worker["last_exit"] for worker in event["workers"]])
                self.assertEqual(server.admin.run("resize", "3").returncode, 0)
                stream.until(lambda event: len(event["workers"]) == 3)
                self.assertEqual(status.metrics()["squall_control_page_streams"].value(), 1)
            harness.wait_until(
                lambda: status.metrics()["squall_control_page_streams"].value() == 0,
                "the stream is given up when its client leaves")

    def test_streams_are_few_and_may_be_slow(self):
        with harness.Server(LISTEN, workers=1) as server, contextlib.ExitStack() as stack:
            status = status_listener.StatusListener(server)
            # Nobody reads them.
            streams = [stack.enter_context(contextlib.closing(Stream(status)))
                       for _ in range(MAX_STREAMS)]
            refused = status.get("/stream")
            self.assertEqual(refused.status, 503)
            self.assertIn("too many", refused.text)
            self.assertEqual(status.get("/readyz").status, 200)
            streams[0].close()
            harness.wait_until(
                lambda: status.metrics()["squall_control_page_streams"].value() < MAX_STREAMS,
                "a place is free again")
            with contextlib.closing(Stream(status)) as stream:
                self.assertEqual(stream.next()["pool"]["ready"], 1)

    def test_the_next_control_process_takes_over(self):
        with harness.Server(LISTEN, workers=1, own_group=True) as server:
            status = status_listener.StatusListener(server)
            control = set(harness.descendants(server.pid)) - set(server.first_workers)
            with contextlib.closing(Stream(status)) as stream:
                stream.next()
                os.kill(control.pop(), signal.SIGKILL)
                with self.assertRaises((AssertionError, OSError, http.client.HTTPException)):
                    while True:
                        stream.next()
            with contextlib.closing(Stream(status)) as stream:
                self.assertEqual(stream.next()["pool"]["state"], "serving")


if __name__ == "__main__":
    unittest.main(verbosity=2)
