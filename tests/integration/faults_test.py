#!/usr/bin/env python3
"""kill -9 and SIGSTOP of each kind of process, and a log that nobody reads, under load."""

import concurrent.futures
import fcntl
import os
import signal
import socket
import subprocess
import time
import unittest

import harness
import pool_checks


class WorkerFaults(unittest.TestCase):
    def test_a_killed_worker_costs_only_its_own_connections(self):
        connections = 32
        with harness.Server(workers=3, own_group=True) as server:
            baseline = pool_checks.Baseline(server)
            wrk = harness.Wrk(server.url, 5, connections=connections, keep_alive=True)

            def held():
                """The workers, once they hold all connections."""
                workers = server.admin.workers()
                return workers if connections == sum(
                    int(worker["connections"]) for worker in workers.values()) else None
            before = harness.wait_until(held, "all connections are there")
            share, slot = min((int(worker["connections"]), slot)
                              for slot, worker in before.items() if worker["connections"] != "0")
            victim = before[slot]["pid"]
            os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()

            def replaced():
                worker = server.admin.workers().get(slot, {})
                return worker.get("state") == "WORKER_STATE_READY" and worker["pid"] != victim
            harness.wait_until(replaced, "the slot serves again")
            print("seen READY %.0f ms after the kill" % ((time.monotonic() - killed) * 1000))
            counted = wrk.result()
            print("%d requests, %d errors, %d connections of the victim" %
                  (counted["requests"], counted["errors"], share))
            # Kept connections move nowhere: each of the victim's errs once, and no other.
            self.assertLessEqual(counted["errors"], share, counted["output"])
            self.assertGreater(counted["errors"], 0, counted["output"])
            self.assertEqual(counted["connect"], 0, counted["output"])
            after = server.admin.workers()
            self.assertEqual(after.pop(slot)["restarts"], "1")
            for other, worker in after.items():
                self.assertEqual(worker["pid"], before[other]["pid"])
                self.assertEqual(worker["restarts"], "0")
                if int(before[other]["connections"]) > 0:
                    self.assertGreater(int(worker["counters"]["requests"]),
                                       int(before[other]["counters"]["requests"]))
            baseline.check()

    def test_a_stopped_worker_costs_no_new_connection(self):
        with harness.Server(workers=2, own_group=True) as server:
            baseline = pool_checks.Baseline(server)
            stopped = server.first_workers[0]
            os.kill(stopped, signal.SIGSTOP)
            try:
                for _ in range(60):
                    status, pid = server.get(timeout=5)
                    self.assertEqual(status, 200)
                    self.assertEqual(int(pid), server.first_workers[1])
            finally:
                os.kill(stopped, signal.SIGCONT)
            baseline.check()


class ControlFaults(unittest.TestCase):
    def control_pid(self, server):
        """The child of the master that is no worker."""
        others = set(harness.descendants(server.pid)) - {
            worker["pid"] for worker in server.admin.workers().values()}
        self.assertEqual(len(others), 1)
        return others.pop()

    def test_a_killed_control_process_is_not_missed(self):
        with harness.Server(workers=2, own_group=True) as server:
            baseline = pool_checks.Baseline(server)
            wrk = harness.Wrk(server.url, 6)
            times = []
            for _ in range(3):
                os.kill(self.control_pid(server), signal.SIGKILL)
                began = time.monotonic()
                harness.wait_until(lambda: server.admin.run("status").returncode == 0,
                                   "the control process answers again on the same address")
                times.append(time.monotonic() - began)
            counted = wrk.result()
            self.assertGreater(counted["requests"], 500)
            self.assertEqual(counted["errors"], 0, counted["output"])
            pool_checks.report("kill -9 of the control process, 3 times", "it answers, at worst",
                               max(times), 1.0, "0 of %d HTTP requests lost" % counted["requests"])
            baseline.check()

    def test_a_resize_survives_the_control_process(self):
        kills = 8  # Each has to wait longer than the one before until there is a new one.
        with harness.Server("--grace=5s", workers=2, own_group=True) as server, \
                concurrent.futures.ThreadPoolExecutor() as background:
            baseline = pool_checks.Baseline(server)
            slowest = 0.0
            for turn in range(kills):
                target = 2 + (turn + 1) % 3
                control = self.control_pid(server)
                began = time.monotonic()
                resize = background.submit(server.admin.run, "resize", str(target), "--wait",
                                           "--timeout=30s")
                time.sleep(0.003 * (turn % 4))  # Before the request arrives, in the wait for it, after.
                os.kill(control, signal.SIGKILL)
                result = resize.result()
                self.assertEqual(result.returncode, 0, result.stderr)
                slowest = max(slowest, time.monotonic() - began)
                pool = server.admin.pool()
                self.assertEqual((pool["desiredWorkers"], pool["readyWorkers"]), (target, target))
            print("kill -9 of the control process during %d resizes: each is done, the slowest after "
                  "%.1f s (back-off up to 5 s)" % (kills, slowest), flush=True)
            baseline.check(workers=target)

    def test_supervision_needs_no_control_process(self):
        with harness.Server(workers=2, own_group=True) as server:
            baseline = pool_checks.Baseline(server)
            control = self.control_pid(server)
            os.kill(control, signal.SIGSTOP)
            try:
                began = time.monotonic()
                os.kill(server.first_workers[0], signal.SIGKILL)
                harness.wait_until(
                    lambda: server.first_workers[0] not in harness.descendants(server.pid)
                    and len(harness.descendants(server.pid)) == 3,
                    "the worker is replaced while the control process is stopped")
                self.assertEqual(server.get()[0], 200)
                pool_checks.report("control process stopped, kill -9 of a worker", "replaced",
                                   time.monotonic() - began, 0.2)
            finally:
                os.kill(control, signal.SIGCONT)
            baseline.check()


class MasterFaults(unittest.TestCase):
    def test_nobody_outlives_a_killed_master(self):
        with harness.Server(workers=3) as server:
            pids = server.all_pids()
            wrk = harness.Wrk(server.url, 2, connections=16)
            harness.wait_until(lambda: server.admin.requests(),
                               "load arrives")
            began = time.monotonic()
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
            harness.wait_until(lambda: not any(harness.is_alive(pid) for pid in pids),
                               "no process is left")
            pool_checks.report("kill -9 of the master under load", "no process left",
                               time.monotonic() - began, 1.0)
            self.assertFalse(server.accepts())
            wrk.result()

    def test_idle_kept_connections_do_not_keep_orphans(self):
        with harness.Server(workers=2) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as idle:
                idle.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertIn(b"200 OK", idle.recv(4096))
                pids = server.all_pids()
                os.kill(server.pid, signal.SIGKILL)
                server.wait()
                harness.wait_until(lambda: not any(harness.is_alive(pid) for pid in pids),
                                   "no process is left")

    def test_a_request_in_flight_is_answered_after_the_masters_death(self):
        with harness.Server(workers=1) as server:
            curl = subprocess.Popen(["curl", "-sS", server.url + "?sleep=2"], text=True,
                                    stdout=subprocess.PIPE)
            harness.wait_until(lambda: server.admin.is_at("/?sleep=2"),
                               "the request is in flight")
            os.kill(server.pid, signal.SIGKILL)
            self.assertEqual(int(curl.communicate()[0]), server.first_workers[0])

    def test_status_answers_while_the_master_is_stopped(self):
        with harness.Server(workers=2, own_group=True) as server:
            baseline = pool_checks.Baseline(server)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                self.assertEqual(server.admin.run("status").returncode, 0)
                self.assertEqual(server.get()[0], 200)
            finally:
                os.kill(server.pid, signal.SIGCONT)
            baseline.check()

    def test_term_under_load_loses_no_accepted_connection(self):
        with harness.Server(workers=2) as server:
            wrk = harness.Wrk(server.url, 3, connections=32)
            harness.wait_until(lambda: server.admin.requests() > 200, "load arrives")
            os.kill(server.pid, signal.SIGTERM)
            self.assertEqual(server.wait(), 0)
            counted = wrk.result()
            # New connections are refused, which wrk counts as "write"; a reset would be "read".
            self.assertEqual(counted["read"] + counted["non_2xx"], 0, counted["output"])

    def test_term_answers_what_is_in_flight(self):
        with harness.Server(workers=2) as server:
            curl = subprocess.Popen(["curl", "-sS", server.url + "?sleep=1"], text=True,
                                    stdout=subprocess.PIPE)
            harness.wait_until(lambda: server.admin.is_at("/?sleep=1"),
                               "the request is in flight")
            pids = server.all_pids()
            os.kill(server.pid, signal.SIGTERM)
            self.assertIn(int(curl.communicate()[0]), server.first_workers)
            self.assertEqual(server.wait(), 0)
            self.assertFalse(any(harness.is_alive(pid) for pid in pids))
            self.assertFalse(os.path.exists(server.control_path))


class LogFaults(unittest.TestCase):
    def test_a_log_that_nobody_reads_blocks_nobody(self):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        try:
            with harness.Server(workers=2, stderr=writer) as server:
                times = []
                for _ in range(200):  # Each is a line in the log of a worker.
                    began = time.monotonic()
                    self.assertEqual(server.get(timeout=10)[0], 200)
                    times.append(time.monotonic() - began)
                pool_checks.report("a log that nobody reads", "99 of 100 requests answered",
                                   sorted(times)[len(times) * 99 // 100], 0.05)
                for workers in ("4", "1"):  # Each is some lines in the log of the master.
                    result = server.admin.run("resize", workers, "--wait", "--timeout=30s")
                    self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(server.get(timeout=10)[0], 200)
                os.kill(server.pid, signal.SIGTERM)
                self.assertEqual(server.wait(), 0)
            os.close(writer)
            writer = -1
            with os.fdopen(reader, closefd=False) as log:
                text = log.read()
            # Full, but for the line that did not fit, and no line is torn.
            self.assertGreater(len(text), 4096 - 400)
            self.assertTrue(text.endswith("\n"), text[-200:])
        finally:
            os.close(reader)
            if writer >= 0:
                os.close(writer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
