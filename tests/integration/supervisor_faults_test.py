#!/usr/bin/env python3
"""What happens to the master: every signal it knows and doesn't, its sudden death, and descriptors of
its that somebody else keeps."""

import http.client
import os
import random
import signal
import tempfile
import time
import unittest

import harness
import pool_checks

WORKERS = 3


def pool(*flags, workers=WORKERS):
    return harness.Server(*flags, binary="SQUALL_FAULTY_SERVER", workers=workers, own_group=True)


def pending(pid, signo):
    """Has the process still to take a signal of this kind?"""
    try:
        with open("/proc/%d/status" % pid) as status:
            return any(int(line.split()[1], 16) >> (signo - 1) & 1 for line in status
                       if line.startswith(("SigPnd", "ShdPnd")))
    except (FileNotFoundError, ProcessLookupError):
        return False


class Blocked:
    """A client whose request blocks a worker for a minute."""

    def __init__(self, server, path="/block?seconds=60"):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=90)
        self.connection.request("GET", path)
        harness.wait_until(lambda: server.admin.is_at(path), "a worker blocks")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.connection.close()


class Killed(unittest.TestCase):
    def test_no_orphan_is_left_after_the_grace_period(self):
        grace, kill_after = 1.0, 0.5
        with pool("--grace=1s", "--kill_after=500ms") as server:
            with Blocked(server):
                blocked = next(worker["pid"] for worker in server.admin.workers().values()
                               if "currentRequest" in worker)
                began = time.monotonic()
                os.kill(server.pid, signal.SIGKILL)
                server.wait()
                harness.wait_until(lambda: pool_checks.session(server.pid) == [blocked],
                                   "all others are gone")
                others = time.monotonic() - began
                pool_checks.check_gone(server)
                seconds = time.monotonic() - began
            pool_checks.report("kill -9 of the master", "idle workers gone", others, 1.0)
            pool_checks.report("kill -9 of the master, a worker blocked",
                               "no orphan, past grace and kill_after",
                               seconds - grace - kill_after, 0.2)

    def test_the_next_master_gets_port_and_socket_at_once(self):
        with pool() as server, harness.Load(server, "--think=10ms", connections=20) as load:
            load.wait_for_enough()
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
            began = time.monotonic()
            successor = None
            while successor is None:
                try:
                    successor = harness.Server(
                        "--port=%d" % server.port, "--control=unix:" + server.control_path,
                        binary="SQUALL_FAULTY_SERVER", workers=WORKERS, own_group=True)
                except AssertionError:
                    # Workers of the old one still listen.
                    self.assertLess(time.monotonic() - began, 30)
            seconds = time.monotonic() - began
            with successor:
                successor.admin = harness.Admin("unix:" + server.control_path)
                harness.wait_until(lambda: not pool_checks.session(server.pid),
                                   "the old workers are gone")
                load.finish()
                pool_checks.report("kill -9 of the master", "another one serves on port and socket",
                                   seconds, 1.0)
                pool_checks.Baseline(successor).check()

    def test_the_masters_ends_of_the_lifelines_are_kept_by_somebody(self):
        with tempfile.TemporaryDirectory() as directory:
            leak = os.path.join(directory, "pid")
            with pool("--leak_at_reload=" + leak) as server:
                os.kill(server.pid, signal.SIGHUP)
                harness.wait_until(lambda: "descriptors were leaked" in server.log_text(),
                                   "they are leaked")
                with open(leak) as file:
                    keeper = int(file.read())
                pids = [worker["pid"] for worker in server.admin.workers().values()]
                self.assertEqual(len(pids), WORKERS)
                answer = pool_checks.InBackground(server, "/block?seconds=1")
                harness.wait_until(lambda: server.admin.is_at("/block?seconds=1"), "a worker blocks")
                began = time.monotonic()
                os.kill(server.pid, signal.SIGKILL)
                server.wait()
                try:
                    harness.wait_until(lambda: not any(harness.is_alive(pid) for pid in pids),
                                       "the workers are gone all the same")
                    seconds = time.monotonic() - began
                    self.assertTrue(harness.is_alive(keeper))
                finally:
                    os.kill(keeper, signal.SIGKILL)
                self.assertEqual(answer.result()[0], 200)
                # Long before the kernel's timer would end them, after the grace period of 30 s.
                pool_checks.report("kill -9 of the master, whose ends of the lifelines live on",
                                   "no worker left", seconds, 2.0, "what was in flight is answered")
                pool_checks.check_gone(server)


class LeakByAWorker(unittest.TestCase):
    def test_a_workers_child_keeps_all_its_descriptors(self):
        with pool(workers=1) as server:
            baseline = pool_checks.Baseline(server)
            keeper = int(server.get("/leak")[1])
            try:
                began = time.time()
                os.kill(server.first_workers[0], signal.SIGKILL)
                harness.wait_until(lambda: int(server.get()[1]) != server.first_workers[0],
                                   "the worker is replaced")
                # Its first answer may come before the master has heard that it is READY.
                now = harness.wait_until(
                    lambda: next((worker for worker in server.admin.workers().values()
                                  if "readyTime" in worker), None), "the new worker is READY")
                pool_checks.report("kill -9 of a worker whose child keeps its descriptors",
                                   "replaced", pool_checks.seconds_of(now["readyTime"]) - began, 0.2)
                self.assertTrue(harness.is_alive(keeper))
            finally:
                os.kill(keeper, signal.SIGKILL)
            baseline.check()

    def test_such_a_child_keeps_nobody_from_ending(self):
        with pool() as server:
            keeper = int(server.get("/leak")[1])
            try:
                pids = server.all_pids()
                pids.remove(keeper)
                began = time.monotonic()
                os.kill(server.pid, signal.SIGKILL)
                server.wait()
                harness.wait_until(lambda: not any(harness.is_alive(pid) for pid in pids),
                                   "all are gone")
                pool_checks.report("kill -9 of the master, a worker's child keeps its lifeline",
                                   "no worker left", time.monotonic() - began, 1.0)
            finally:
                os.kill(keeper, signal.SIGKILL)


class Signals(unittest.TestCase):
    def end(self, signals, mark, what):
        """The master gets `signals` while a worker blocks and clients come."""
        with pool("--grace=1s", "--kill_after=500ms") as server:
            with Blocked(server), \
                    harness.Load(server, "--think=10ms", connections=8, reconnect=True) as load:
                load.wait_for_enough()
                began = time.monotonic()
                for signo in signals:
                    os.kill(server.pid, signo)
                    # Two of the same kind that come together are one.
                    harness.wait_until(lambda signo=signo: not pending(server.pid, signo),
                                       "it is taken")
                self.assertEqual(server.wait(), 0)
                seconds = time.monotonic() - began
                counted = load.finish()
            # Whoever comes when all is over is refused, which is no loss of the server's.
            lost = counted["failures"] - counted["refused"]
            pool_checks.report(what, "the master exited 0", seconds, mark,
                               "%d requests lost, %d refused" % (lost, counted["refused"]))
            pool_checks.check_gone(server)
            self.assertFalse(os.path.exists(server.control_path))
            return lost

    def test_term_waits_for_the_grace_period(self):
        self.assertEqual(self.end([signal.SIGTERM], 1.2, "TERM, a worker blocked"), 0)

    def test_quit_is_as_term(self):
        self.assertEqual(self.end([signal.SIGQUIT], 1.2, "QUIT, a worker blocked"), 0)

    def test_int_ends_at_once(self):
        self.end([signal.SIGINT], 0.2, "INT, a worker blocked")

    def test_a_second_term_ends_at_once(self):
        self.end([signal.SIGTERM, signal.SIGTERM], 0.2, "TERM twice, a worker blocked")

    def test_hup_replaces_everybody_and_loses_nothing(self):
        with pool() as server:
            baseline = pool_checks.Baseline(server)
            before = baseline.worker_pids()
            with harness.Load(server, "--think=5ms", connections=20) as kept, \
                    harness.Load(server, "--think=5ms", connections=4, reconnect=True) as new:
                kept.wait_for_enough()
                least = WORKERS
                began = time.monotonic()
                os.kill(server.pid, signal.SIGHUP)
                while before & baseline.worker_pids():
                    least = min(least, server.admin.pool()["readyWorkers"])
                seconds = time.monotonic() - began
                pool_checks.wait_for_rest(baseline)
                counted = [load.finish() for load in (kept, new)]
            self.assertEqual([one["failures"] for one in counted], [0, 0], counted)
            self.assertGreaterEqual(least, WORKERS)
            pool_checks.report("HUP", "all %d workers new" % WORKERS, seconds, 0.5,
                               "0 of %d requests lost, never fewer than %d READY" %
                               (sum(one["requests"] for one in counted), least))
            baseline.check()

    def test_usr1_reopens_the_log(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "log")
            with pool("--log_file=" + path) as server:
                baseline = pool_checks.Baseline(server)
                os.rename(path, path + ".1")
                began = time.monotonic()
                os.kill(server.pid, signal.SIGUSR1)
                harness.wait_until(lambda: os.path.exists(path), "a new file")

                def everywhere():
                    return all(pool_checks.descriptors(pid).get(2) == path
                               for pid in {server.pid} | baseline.worker_pids())
                harness.wait_until(everywhere, "master and workers write into it")
                pool_checks.report("USR1", "the log is reopened in %d processes" % (WORKERS + 1),
                                   time.monotonic() - began, 0.2)
                baseline.check()
                with open(path) as log:
                    self.assertIn("resize", log.read())

    def test_a_storm_of_signals(self):
        count, seconds = 10000, 10.0
        kinds = [signal.SIGTTIN, signal.SIGTTOU, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
                 signal.SIGCHLD, signal.SIGWINCH]
        dice = random.Random(20261124)
        with pool("--max_workers=8") as server:
            baseline = pool_checks.Baseline(server)
            with harness.Load(server, "--think=20ms", connections=20) as kept, \
                    harness.Load(server, "--think=20ms", connections=4, reconnect=True) as new:
                kept.wait_for_enough()
                used, began = harness.cpu_seconds(server.pid), time.monotonic()
                for sent in range(count):
                    os.kill(server.pid, dice.choice(kinds))
                    ahead = began + sent * seconds / count - time.monotonic()
                    if ahead > 0.001:
                        time.sleep(ahead)
                lasted = time.monotonic() - began
                used = (harness.cpu_seconds(server.pid) - used) / lasted
                ended = time.monotonic()
                harness.wait_until(
                    lambda: not any(pending(server.pid, signo) for signo in kinds), "all are taken")
                target = server.admin.pool()["desiredWorkers"]
                self.assertTrue(1 <= target <= 8, target)
                result = server.admin.run("resize", str(WORKERS), "--wait", "--timeout=60s")
                self.assertEqual(result.returncode, 0, result.stderr)
                settled = time.monotonic() - ended
                counted = [load.finish() for load in (kept, new)]
            self.assertEqual([one["failures"] for one in counted], [0, 0], counted)
            self.assertLess(used, 0.5 * pool_checks.GENEROUS)
            pool_checks.report("%d random signals in %.0f s" % (count, lasted),
                               "the next resize done", settled, 2.0,
                               "%d workers were wanted, %.0f %% of a CPU in the master, 0 of %d "
                               "requests lost" % (target, used * 100,
                                                  sum(one["requests"] for one in counted)))
            # The restart that the last HUP has asked for may still run.
            pool_checks.wait_for_rest(baseline)
            baseline.check()


if __name__ == "__main__":
    unittest.main(verbosity=2)
