#!/usr/bin/env python3
"""Descriptors, processes and slots that run out: in the master, in workers, in the scoreboard."""

import contextlib
import os
import resource
import signal
import socket
import time
import unittest

import harness
import pool_checks

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def pool(*flags, workers=2):
    return harness.Server(*flags, binary="SQUALL_FAULTY_SERVER", workers=workers, own_group=True)


@contextlib.contextmanager
def limited(pid, descriptors):
    """The process cannot have a descriptor with that number or a higher one, meanwhile."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def leave_free(pid, count):
    """A limit with which the process can get so many descriptors more."""
    numbers = pool_checks.descriptors(pid)
    limit = 0
    while limit - sum(number < limit for number in numbers) < count:
        limit += 1
    return limit


def ask(connection):
    """Sends a request and waits for its answer on a kept connection."""
    connection.sendall(REQUEST)
    return receive(connection)


def receive(connection):
    return connection.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


class MasterWithoutDescriptors(unittest.TestCase):
    def test_a_worker_that_cannot_be_started_is_tried_again(self):
        with pool(workers=3) as server:
            baseline = pool_checks.Baseline(server)
            with harness.Load(server, "--think=10ms", connections=4, reconnect=True) as load:
                load.wait_for_enough()
                with limited(server.pid, 3):
                    victim = server.admin.workers()[0]
                    os.kill(victim["pid"], signal.SIGKILL)
                    state = harness.wait_until(
                        lambda: server.admin.pool()
                        if int(server.admin.pool()["spawnFailures"]) >= 4 else None,
                        "starts fail")
                    self.assertEqual(state["readyWorkers"], 2)
                    self.assertTrue(state["reconciling"])
                    self.assertIn("cannot start worker 0: ", server.log_text())
                    self.assertIn("RLIMIT_NOFILE lets this process have 3 descriptors",
                                  server.log_text())
                    # The operator is heard all the same.
                    self.assertEqual(server.admin.run("resize", "4").returncode, 0)
                    self.assertEqual(server.admin.pool()["desiredWorkers"], 4)
                    self.assertEqual(server.admin.run("resize", "3").returncode, 0)
                    used = harness.cpu_seconds(server.pid)
                    failures = int(server.admin.pool()["spawnFailures"])
                    since = time.monotonic()
                    harness.wait_until(lambda: time.monotonic() > since + 1, "a second")
                    used = harness.cpu_seconds(server.pid) - used
                    self.assertLess(used, 0.05 * pool_checks.GENEROUS)
                    self.assertLess(int(server.admin.pool()["spawnFailures"]) - failures, 10)
                    self.assertEqual(server.log_text().count("cannot start worker"), 1)
                began = time.monotonic()
                pool_checks.wait_for_rest(baseline)
                seconds = time.monotonic() - began
                counted = load.finish()
            self.assertIn("workers can be started again", server.log_text())
            self.assertLessEqual(counted["failures"], 4, counted)
            self.assertEqual(counted["refused"] + counted["timeout"], 0, counted)
            pool_checks.report("EMFILE in the master, a worker killed", "replaced, once it is over",
                               seconds, 10.0, "%d starts failed, %d of %d requests lost" %
                               (failures, counted["failures"], counted["requests"]))
            baseline.check()


@unittest.skipIf(harness.SLOWNESS > 1, "UBSan needs descriptors to look at an object's type")
class WorkersWithoutDescriptors(unittest.TestCase):
    KEPT = 40

    def connect(self, server, stack):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        stack.enter_context(connection)
        return connection

    def test_the_sibling_takes_what_one_worker_cannot(self):
        with pool() as server, contextlib.ExitStack() as stack:
            baseline = pool_checks.Baseline(server)
            full = server.admin.workers()[0]["pid"]
            with limited(full, leave_free(full, 5)):
                began = time.monotonic()
                connections = [self.connect(server, stack) for _ in range(self.KEPT)]
                slowest = 0.0
                for connection in connections:
                    sent = time.monotonic()
                    self.assertTrue(ask(connection))
                    slowest = max(slowest, time.monotonic() - sent)
                used = harness.cpu_seconds(full)
                for connection in connections * 5:
                    self.assertTrue(ask(connection))
                workers = server.admin.workers()
                self.assertLessEqual(int(workers[0]["connections"]), 5)
                used = (harness.cpu_seconds(full) - used) / (time.monotonic() - began)
                self.assertLess(used, 0.05 * pool_checks.GENEROUS)
            pool_checks.report("EMFILE in one of two workers", "slowest of %d answered" % self.KEPT,
                               slowest, 0.15, "%.1f %% of a CPU in it" % (used * 100))
            stack.close()
            baseline.check()

    def test_all_full_and_then_not(self):
        with pool() as server, contextlib.ExitStack() as stack:
            baseline = pool_checks.Baseline(server)
            pids = sorted(baseline.worker_pids())
            with contextlib.ExitStack() as limits:
                for pid in pids:
                    limits.enter_context(limited(pid, leave_free(pid, 10)))
                # Some are served; the others wait in the backlog, and nobody spins for them.
                connections = [self.connect(server, stack) for _ in range(self.KEPT)]
                for connection in connections:
                    connection.sendall(REQUEST)
                harness.wait_until(
                    lambda: sum(int(worker["connections"])
                                for worker in server.admin.workers().values()) == 20, "both are full")
                answered = []
                for connection in connections:
                    connection.settimeout(0.05)
                    with contextlib.suppress(TimeoutError):
                        answered.append(connection if receive(connection) else None)
                    connection.settimeout(30)
                self.assertTrue(all(answered))
                waiting = [connection for connection in connections if connection not in answered]
                self.assertEqual(len(waiting), self.KEPT - 20)
                used, since = sum(map(harness.cpu_seconds, pids)), time.monotonic()
                while time.monotonic() < since + 2:
                    # Whoever has a connection is served.
                    self.assertTrue(ask(answered[0]))
                    time.sleep(0.05)
                used = (sum(map(harness.cpu_seconds, pids)) - used) / (time.monotonic() - since)
                self.assertLess(used, 0.05 * pool_checks.GENEROUS)
                lines = server.log_text().count("Too many open files")
                self.assertLessEqual(lines, 2 * len(pids))
                # A worker that dies now is replaced, and its successor takes what waits.
                os.kill(pids[0], signal.SIGKILL)
                began = time.monotonic()
                for connection in waiting[:5]:
                    self.assertTrue(receive(connection))
                replaced = time.monotonic() - began
            began = time.monotonic()
            for connection in waiting[5:]:
                self.assertTrue(receive(connection))
            seconds = time.monotonic() - began
            pool_checks.report("EMFILE in both workers", "%d waiting connections answered" %
                               len(waiting), seconds, 0.2,
                               "%.1f %% of a CPU meanwhile, %d lines in the log; by a replacement "
                               "after %.1f ms" % (used * 100, lines, replaced * 1000))
            stack.close()
            baseline.check()


class NoSlotLeft(unittest.TestCase):
    def test_a_resize_above_the_capacity_is_refused_with_the_number(self):
        with pool("--max_workers=3") as server:
            baseline = pool_checks.Baseline(server)
            began = time.monotonic()
            result = server.admin.run("resize", "4", "--wait")
            seconds = time.monotonic() - began
            self.assertEqual(result.returncode, 5, result.stderr)
            self.assertIn("3", result.stderr)
            self.assertEqual(server.admin.pool()["desiredWorkers"], 2)
            # A signal cannot be refused; it stops at the capacity.
            for target in (3, 3, 3):
                os.kill(server.pid, signal.SIGTTIN)
                harness.wait_until(lambda target=target: baseline.at_rest(target), "three workers")
            pool_checks.report("scoreboard full", "resize refused", seconds, 0.2,
                               result.stderr.strip())
            baseline.check(workers=3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
