#!/usr/bin/env python3
"""Processes that stand still: workers that are stopped or hang in a handler, a master that is stopped,
and a machine that slept."""

import http.client
import os
import signal
import time
import unittest

import harness
import pool_checks

WORKERS = 4


def pool(*flags, workers=WORKERS):
    return harness.Server("--watchdog_interval=200ms", *flags, binary="SQUALL_FAULTY_SERVER",
                          workers=workers, own_group=True)


class StoppedWorker(unittest.TestCase):
    def test_stop_and_continue_costs_nothing(self):
        with pool("--stall_warn=2s", "--stall_kill=3s") as server:
            baseline = pool_checks.Baseline(server)
            before = baseline.worker_pids()
            with harness.Load(server, "--think=10ms", connections=20) as kept:
                kept.wait_for_enough()
                stopped = server.admin.workers()[1]["pid"]
                os.kill(stopped, signal.SIGSTOP)
                with harness.Load(server, "--think=10ms", connections=4, requests=200,
                                  reconnect=True) as new:
                    # A worker is warned of, and not killed: whoever stopped it may continue it.
                    harness.wait_until(lambda: "is stopped for" in server.log_text(),
                                       "the master sees that it is stopped")
                    arrived = new.finish()
                self.assertTrue(harness.is_alive(stopped))
                os.kill(stopped, signal.SIGCONT)
                lost = kept.finish()
            self.assertEqual(arrived["failures"], 0, arrived)
            self.assertEqual(lost["failures"], 0, lost)
            self.assertIn("runs again", harness.wait_until(
                lambda: server.log_text() if "runs again" in server.log_text() else None,
                "the master sees that it runs again"))
            pool_checks.report("SIGSTOP", "slowest of %d new connections answered" %
                               arrived["requests"], arrived["max_ms"] / 1000, 0.05,
                               "0 lost; 0 of %d on kept connections" % lost["requests"])
            self.assertEqual(baseline.worker_pids(), before)
            baseline.check()

    def test_stopped_for_too_long(self):
        limit = 2.0
        with pool("--stopped_kill=2s") as server:
            baseline = pool_checks.Baseline(server)
            stopped = server.admin.workers()[0]["pid"]
            began = time.monotonic()
            os.kill(stopped, signal.SIGSTOP)
            harness.wait_until(lambda: not harness.is_alive(stopped), "it is killed")
            seconds = time.monotonic() - began
            self.assertGreaterEqual(seconds, limit)
            pool_checks.wait_for_rest(baseline)
            self.assertEqual(server.admin.workers()[0]["lastExit"]["cause"], "DEATH_CAUSE_HUNG")
            pool_checks.report("SIGSTOP with stopped_kill", "killed, past stopped_kill",
                               seconds - limit, 1.0)
            baseline.check()


class HangInAHandler(unittest.TestCase):
    def test_warned_of_and_left_alone(self):
        with pool("--stall_warn=2s") as server:
            baseline = pool_checks.Baseline(server)
            before = baseline.worker_pids()
            began = time.monotonic()
            answer = pool_checks.InBackground(server, "/block?seconds=3")
            harness.wait_until(lambda: "in GET /block?seconds=3" in server.log_text(),
                               "the master warns of it")
            seconds = time.monotonic() - began
            with harness.Load(server, connections=4, requests=200, reconnect=True) as new:
                counted = new.finish()
            self.assertEqual(counted["failures"], 0, counted)
            self.assertEqual(answer.result()[0], 200)
            harness.wait_until(lambda: "runs again" in server.log_text(), "it runs again")
            pool_checks.report("hang in a handler", "warned of, past stall_warn", seconds - 2, 1.0,
                               "answered in the end; slowest of %d others %.1f ms" %
                               (counted["requests"], counted["max_ms"]))
            self.assertEqual(baseline.worker_pids(), before)
            baseline.check()

    def killed(self, spin):
        limit = 3.0
        with pool("--stall_warn=2s", "--stall_kill=3s") as server:
            baseline = pool_checks.Baseline(server)
            before = server.admin.workers()
            with harness.Load(server, "--think=10ms", connections=4, reconnect=True) as new:
                new.wait_for_enough()
                began = time.monotonic()
                path = "/block?seconds=60&spin=%d" % spin
                answer = pool_checks.InBackground(server, path)
                victim = harness.wait_until(
                    lambda: [slot for slot, worker in before.items()
                             if not harness.is_alive(worker["pid"])], "a worker is ended")[0]
                seconds = time.monotonic() - began
                counted = new.finish()
            # Silent since its last heartbeat, at most half a second before.
            self.assertGreater(seconds, limit - 0.6)
            self.assertIsInstance(answer.result(), (OSError, http.client.HTTPException))
            # What was accepted by it and not answered is all that may be lost.
            self.assertLessEqual(counted["failures"], 4, counted)
            pool_checks.wait_for_rest(baseline)
            after = server.admin.workers()
            for slot, worker in after.items():
                self.assertEqual(worker["pid"] == before[slot]["pid"], slot != victim)
            self.assertEqual(after[victim]["lastExit"]["cause"], "DEATH_CAUSE_HUNG")
            self.assertEqual(after[victim]["lastExit"]["signal"], signal.SIGABRT)
            text = server.log_text()
            self.assertIn("in GET " + path, text)
            # Whose fault it is can be read in the log.
            self.assertIn("left this stack", text)
            self.assertIn("Block", text[text.index("left this stack"):])
            # The machine may have kept the worker from running, which is not counted against it.
            pool_checks.report("hang in a handler with stall_kill (%s)" %
                               ("spinning" if spin else "asleep"),
                               "aborted, past stall_kill", seconds - limit, 1.0,
                               "%d others lost of %d" % (counted["failures"], counted["requests"]))
            baseline.check()

    def test_asleep_for_too_long(self):
        self.killed(spin=0)

    def test_spinning_for_too_long(self):
        self.killed(spin=1)


class StoppedMaster(unittest.TestCase):
    SECONDS = 12

    def test_a_master_that_was_stopped_kills_nobody(self):
        with pool("--stall_warn=2s", "--stall_kill=3s") as server:
            baseline = pool_checks.Baseline(server)
            before = baseline.worker_pids()
            with harness.Load(server, "--think=10ms", connections=20) as kept, \
                    harness.Load(server, "--think=10ms", connections=4, reconnect=True) as new:
                kept.wait_for_enough()
                os.kill(server.pid, signal.SIGSTOP)
                # Blocks while nobody looks.
                self.assertEqual(server.get("/block?seconds=%d" % self.SECONDS)[0], 200)
                os.kill(server.pid, signal.SIGCONT)
                began = time.monotonic()
                result = server.admin.run("resize", str(WORKERS + 1), "--wait", "--timeout=30s")
                seconds = time.monotonic() - began
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(server.admin.run("resize", str(WORKERS), "--wait").returncode, 0)
                counted = [load.finish() for load in (kept, new)]
            self.assertEqual([one["failures"] for one in counted], [0, 0], counted)
            self.assertEqual(baseline.worker_pids(), before)
            pool_checks.report("master stopped for %d s" % self.SECONDS, "the next resize done",
                               seconds, 0.5, "0 kills, 0 of %d requests lost" %
                               sum(one["requests"] for one in counted))
            baseline.check()

    def test_a_machine_that_slept_loses_nobody(self):
        with pool("--stall_warn=2s", "--stall_kill=3s", "--stopped_kill=3s") as server:
            baseline = pool_checks.Baseline(server)
            before = baseline.worker_pids()
            with harness.Load(server, "--think=10ms", connections=20) as kept:
                kept.wait_for_enough()
                everyone = pool_checks.session(server.pid)
                for pid in everyone:
                    os.kill(pid, signal.SIGSTOP)
                slept = time.monotonic()
                harness.wait_until(lambda: time.monotonic() > slept + self.SECONDS, "it sleeps")
                # The master first: the others' silence is what it sees.
                for pid in everyone:
                    os.kill(pid, signal.SIGCONT)
                awake = time.monotonic()
                # Long enough for a watchdog that counts the sleep.
                harness.wait_until(lambda: time.monotonic() > awake + 2, "it looks around")
                counted = kept.finish()
            self.assertEqual(counted["failures"], 0, counted)
            self.assertEqual(baseline.worker_pids(), before)
            print("a machine that slept for %d s: 0 kills, 0 of %d requests lost" %
                  (self.SECONDS, counted["requests"]))
            baseline.check()


if __name__ == "__main__":
    unittest.main(verbosity=2)
