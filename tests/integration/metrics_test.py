#!/usr/bin/env python3
"""/metrics of a server that serves, whose processes die, and whose master does not answer."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

import exposition
import harness
import status_listener

LISTEN = "--status_address=127.0.0.1:0"


def control_pid(server):
    """The child of the master that is no worker."""
    workers = {worker["pid"] for worker in server.admin.workers().values()}
    return (set(harness.descendants(server.pid)) - workers).pop()


def check_growth(test, before, after):
    """No counter of the pool is less than it was; those of the control process are its own."""
    for key, value in exposition.counters(after).items():
        if not key[0].startswith("squall_control_"):
            test.assertGreaterEqual(value, exposition.counters(before).get(key, 0), key)


class Format(unittest.TestCase):
    def test_it_is_what_prometheus_reads(self):
        with harness.Server(LISTEN, workers=2) as server:
            status = status_listener.StatusListener(server)
            for _ in range(20):
                self.assertEqual(server.get()[0], 200)
            self.assertEqual(server.get("/nothing")[0], 404)
            answer = status.get("/metrics")
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.fields["content-type"],
                             "text/plain; version=0.0.4; charset=utf-8")
            self.assertEqual(answer.fields["cache-control"], "no-store")
            families = exposition.parse(answer.text)
            self.assertEqual({name for name in families if not name.startswith("squall_")}, set())
            self.assertEqual(families["squall_pool_workers"].value(state="ready"), 2)
            self.assertEqual(families["squall_http_requests_total"].value(), 21)
            self.assertEqual(families["squall_http_responses_total"].value(**{"class": "2xx"}), 20)
            self.assertEqual(families["squall_http_responses_total"].value(**{"class": "4xx"}), 1)
            self.assertEqual(families["squall_worker_requests_total"].value(), 21)
            self.assertEqual(families["squall_accept_connections_total"].value(), 21)
            self.assertEqual(families["squall_http_request_duration_seconds"].count, 21)
            self.assertLess(abs(families["squall_start_time_seconds"].value() - time.time()), 60)
            for labels, started in families["squall_worker_start_time_seconds"].samples.items():
                self.assertLess(abs(started - time.time()), 60, labels)
            head = status.get("/metrics", "--head")
            self.assertEqual((head.status, head.text), (200, ""))
            self.assertEqual(status.get("/metrics", "-d", "x").status, 405)

    @unittest.skipUnless(shutil.which("promtool"),
                         "there is no promtool; Debian has it in the package prometheus")
    def test_promtool_has_nothing_to_say(self):
        with harness.Server(LISTEN, workers=2) as server:
            text = status_listener.StatusListener(server).get("/metrics").text
            found = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                   capture_output=True, check=False)
            self.assertEqual((found.returncode, found.stdout + found.stderr), (0, ""))

    def test_the_reader_is_strict(self):
        good = "# HELP a_total A.\n# TYPE a_total counter\na_total{l=\"x\\\"\"} 1\n"
        self.assertEqual(exposition.parse(good)["a_total"].samples, {(("l", "x\\\""),): 1.0})
        for bad in (good[:-1], good + good, good.replace("counter", "gauge"),
                    good.replace("a_total", "a"), good + "a_total{l=\"x\\\"\"} 1\n",
                    good.replace("\\\"", "\""), good + "b 1\n", good.replace(" 1", " -1"),
                    good.replace("# HELP a_total A.\n", ""), "# HELP h H.\n# TYPE h histogram\n"
                    "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"):
            with self.assertRaises(ValueError, msg=bad):
                exposition.parse(bad)


class Faults(unittest.TestCase):
    def test_no_counter_goes_back(self):
        with harness.Server(LISTEN, "--grace=2s", workers=3, own_group=True) as server:
            status = status_listener.StatusListener(server)
            with harness.Load(server, connections=8) as load:
                load.wait_for_enough()
                before = status.metrics()
                for slot in (0, 1, 2):
                    os.kill(server.admin.workers()[slot]["pid"], signal.SIGKILL)
                    harness.wait_until(
                        lambda: server.admin.pool().get("readyWorkers") == 3, "it is replaced")
                    after = status.metrics()
                    check_growth(self, before, after)
                    before = after
                for arguments in (("resize", "1"), ("resize", "3"), ("restart",)):
                    self.assertEqual(server.admin.run(*arguments, "--wait").returncode, 0)
                    after = status.metrics()
                    check_growth(self, before, after)
                    before = after
                os.kill(control_pid(server), signal.SIGKILL)
                after = harness.wait_until(lambda: status.metrics(), "it answers again")
                check_growth(self, before, after)
            deaths = after["squall_pool_worker_deaths_total"]
            self.assertEqual(deaths.value(cause="signaled"), 3)
            self.assertEqual(deaths.value(), 3, "what was asked for is no death")
            self.assertGreater(after["squall_http_requests_total"].value(), 0)

    def test_the_address_outlives_the_control_process(self):
        with harness.Server(LISTEN, workers=1, own_group=True) as server:
            status = status_listener.StatusListener(server)
            first = status.metrics()["squall_control_start_time_seconds"].value()
            address = urllib.parse.urlsplit(status.url)
            refused, stop = [], threading.Event()

            def connect():
                while not stop.is_set():
                    with socket.socket() as probe:
                        refused.append(probe.connect_ex((address.hostname, address.port)))
                    time.sleep(0.001)
            prober = threading.Thread(target=connect)
            prober.start()
            try:
                os.kill(control_pid(server), signal.SIGKILL)
                harness.wait_until(
                    lambda: status.get("/metrics").status == 200 and
                    status.metrics()["squall_control_start_time_seconds"].value() != first,
                    "the next control process answers")
            finally:
                stop.set()
                prober.join()
            self.assertGreater(len(refused), 10)
            self.assertEqual(set(refused), {0}, "a connection was refused")

    def test_a_stopped_master_is_not_asked(self):
        with harness.Server(LISTEN, workers=2, own_group=True) as server:
            status = status_listener.StatusListener(server)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                for _ in range(20):
                    families = status.metrics()
                self.assertEqual(families["squall_pool_workers"].value(state="ready"), 2)
                self.assertEqual(server.get()[0], 200)
                harness.wait_until(
                    lambda: status.metrics()["squall_http_requests_total"].value() == 1,
                    "the workers count on")
            finally:
                os.kill(server.pid, signal.SIGCONT)

    def test_many_workers_cost_little(self):
        with harness.Server(LISTEN, "--max_workers=64", workers=64, own_group=True) as server:
            status = status_listener.StatusListener(server)
            harness.wait_until(lambda: server.admin.pool().get("readyWorkers") == 64, "all are ready")
            scrapes = 50
            before = status.metrics()
            size = len(status.get("/metrics").text)
            workers = list(server.admin.workers().values())
            worker_cpu = sum(harness.cpu_seconds(worker["pid"]) for worker in workers)
            for _ in range(scrapes - 1):
                status.get("/metrics")
            after = status.metrics()
            # The last scrape does not know of itself.
            spent = (after["squall_control_scrape_seconds_total"].value() -
                     before["squall_control_scrape_seconds_total"].value()) / (scrapes + 1)
            cpu = (after["squall_control_cpu_seconds_total"].value() -
                   before["squall_control_cpu_seconds_total"].value()) / (scrapes + 1)
            used = sum(harness.cpu_seconds(worker["pid"]) for worker in workers) - worker_cpu
            print("64 workers: a scrape has %d octets and takes the control process %.2f ms, %.2f ms "
                  "of processor with its connection; %d scrapes took all workers %.0f ms" %
                  (size, spent * 1e3, cpu * 1e3, scrapes, used * 1e3), flush=True)
            self.assertLess(spent, 0.05 * harness.SLOWNESS)


class Access(unittest.TestCase):
    def test_a_foreign_host_is_refused(self):
        with harness.Server(LISTEN, "--status_hosts=web1.example", workers=1) as server:
            status = status_listener.StatusListener(server)
            for host in ("evil.example", "localhost.evil.example:9090", "192.0.2.1"):
                answer = status.get("/metrics", "-H", "Host: " + host)
                self.assertEqual(answer.status, 421, host)
                self.assertNotIn("squall_", answer.text)
            for host in ("localhost", "LOCALHOST:1", "127.0.0.1:9090", "[::1]:7", "web1.example"):
                self.assertEqual(status.get("/metrics", "-H", "Host: " + host).status, 200, host)
            self.assertEqual(status.get("/other").status, 404)
            self.assertEqual(status.get("/other", "-H", "Host: evil.example").status, 421)

    def test_it_tells_of_no_request_line(self):
        with harness.Server(LISTEN, workers=1) as server:
            status = status_listener.StatusListener(server)
            with contextlib.closing(server.connection()) as slow:
                slow.request("GET", "/?sleep=2&token=secret")
                harness.wait_until(lambda: server.admin.is_at("/?sleep=2&token=secret"),
                                   "the request is in flight")
                answer = status.get("/metrics")
                self.assertIn("squall_worker_request_age_seconds{", answer.text)
                self.assertNotIn("secret", answer.text)

    def test_a_unix_socket_does_as_well(self):
        with tempfile.TemporaryDirectory(prefix="squall") as directory, \
                harness.Server("--status_address=unix:%s/status.sock" % directory,
                               workers=1) as server:
            status = status_listener.StatusListener(server)
            self.assertEqual(os.stat(status.unix_path).st_mode & 0o777, 0o600)
            self.assertEqual(status.metrics()["squall_pool_serving"].value(), 1)
            server.process.terminate()
            self.assertEqual(server.wait(), 0)
            self.assertFalse(os.path.exists(status.unix_path))

    def refusal(self, *flags):
        """What the server says that does not start."""
        result = subprocess.run(
            [harness.program("SQUALL_SERVER"), "--port=0", "--control=unix:/nowhere/c.sock", *flags],
            capture_output=True, text=True, timeout=harness.PATIENCE, check=False)
        self.assertEqual(result.returncode, 2, result.stderr)
        return result.stderr

    def test_other_machines_must_be_allowed(self):
        said = self.refusal("--status_address=0.0.0.0:9090")
        self.assertIn("--status_address=0.0.0.0:9090", said)
        self.assertIn("can be reached from other machines", said)
        self.assertIn("status.allow_remote", said)
        self.assertIn("127.0.0.1:PORT", self.refusal("--status_address=9090"))
        self.assertIn("control process",
                      self.refusal("--status_address=127.0.0.1:0", "--control=none"))

    def test_an_allowed_address_is_served(self):
        with harness.Server("--status_address=0.0.0.0:0", "--status_allow_remote",
                            workers=1) as server:
            status = status_listener.StatusListener(server)
            self.assertEqual(status.get("/metrics", "-H", "Host: 192.0.2.1:80").status, 200)
            self.assertEqual(status.get("/metrics", "-H", "Host: evil.example").status, 421)


if __name__ == "__main__":
    unittest.main(verbosity=2)
