#!/usr/bin/env python3
"""Workers that die or hang at their start: in a restart, as replacements, and all of them at once."""

import os
import signal
import tempfile
import time
import unittest

import harness
import pool_checks

WORKERS = 3


class BootFaults(unittest.TestCase):
    def setUp(self):
        self.file = tempfile.NamedTemporaryFile("w")
        self.addCleanup(self.file.close)

    def fault(self, text):
        """What goes wrong at the start of every worker from now on; empty: nothing."""
        self.file.seek(0)
        self.file.truncate()
        self.file.write(text)
        self.file.flush()

    def pool(self, *flags, workers=WORKERS):
        return harness.Server("--boot_fault=" + self.file.name, "--backoff_initial=10ms",
                              "--backoff_max=100ms", *flags, binary="SQUALL_FAULTY_SERVER",
                              workers=workers, own_group=True)

    def restart_that_fails(self, name, fault, flags=()):
        """A new generation that does not come up costs nothing, and the next one is welcome."""
        with self.pool(*flags) as server:
            baseline = pool_checks.Baseline(server)
            before = baseline.worker_pids()
            with harness.Load(server, "--think=10ms", connections=20) as kept, \
                    harness.Load(server, "--think=10ms", connections=4, reconnect=True) as new:
                kept.wait_for_enough()
                self.fault(fault)
                began = time.monotonic()
                os.kill(server.pid, signal.SIGHUP)
                harness.wait_until(lambda: "the restart to generation 2 failed" in server.log_text(),
                                   "the restart is given up")
                seconds = time.monotonic() - began
                # The old generation was never touched.
                self.assertTrue(all(harness.is_alive(pid) for pid in before))
                pool_checks.wait_for_rest(baseline)
                self.assertEqual(baseline.worker_pids(), before)
                deaths = int(server.admin.pool()["restarts"])
                self.assertLessEqual(deaths, 3)
                self.fault("")
                os.kill(server.pid, signal.SIGHUP)
                harness.wait_until(
                    lambda: not any(harness.is_alive(pid) for pid in before) and
                    baseline.at_rest(WORKERS), "the next restart goes through")
                lost = [load.finish() for load in (kept, new)]
            self.assertEqual([one["failures"] for one in lost], [0, 0], lost)
            pool_checks.report(
                name, "given up, old generation kept", seconds,
                1.0 if not flags else 3.0,
                "%d workers died, 0 of %d requests lost" %
                (deaths, sum(one["requests"] for one in lost)))
            baseline.check()

    def test_abort_at_boot_ends_the_restart(self):
        self.restart_that_fails("abort at boot, in a restart", "abort")

    def test_exit_1_at_boot_ends_the_restart(self):
        self.restart_that_fails("exit 1 at boot, in a restart", "exit 1")

    def test_hang_at_boot_ends_the_restart(self):
        self.restart_that_fails("hang at boot, in a restart", "hang",
                                flags=["--boot_timeout=700ms"])

    def test_a_replacement_that_cannot_boot_opens_its_breaker_alone(self):
        with self.pool("--breaker_deaths=4", "--breaker_cool_down=1s") as server:
            baseline = pool_checks.Baseline(server)
            victim = server.admin.workers()[1]["pid"]
            self.fault("exit 3")
            began = time.monotonic()
            os.kill(victim, signal.SIGKILL)

            def failed():
                worker = server.admin.workers()[1]
                return worker if worker["state"] == "WORKER_STATE_FAILED" else None
            worker = harness.wait_until(failed, "the breaker is open")
            pool_checks.report("exit 3 at each boot", "breaker open", time.monotonic() - began, 1.0)
            self.assertEqual(worker["lastExit"]["cause"], "DEATH_CAUSE_BOOT_FAILURE")
            self.assertEqual(worker["lastExit"]["status"], 3)
            self.assertIn("slot 1 failed: 5 deaths", server.log_text())
            for _ in range(20):
                self.assertEqual(server.get()[0], 200)
            # The trial finds that it works again.
            self.fault("")
            began = time.monotonic()
            pool_checks.wait_for_rest(baseline)
            pool_checks.report("the fault is over", "trial worker READY",
                               time.monotonic() - began, 1.5)
            baseline.check()

    def test_a_replacement_that_hangs_is_killed_at_its_boot_timeout(self):
        timeout = 1.0
        with self.pool("--boot_timeout=1s") as server:
            baseline = pool_checks.Baseline(server)
            self.fault("hang")
            os.kill(server.admin.workers()[2]["pid"], signal.SIGKILL)

            def hangs():
                worker = server.admin.workers()[2]
                state = worker["state"] == "WORKER_STATE_STARTING" and worker.get("pid", 0)
                return worker if state else None
            hanging = harness.wait_until(hangs, "the replacement is there and hangs")
            started = pool_checks.seconds_of(hanging["startTime"])
            harness.wait_until(lambda: not harness.is_alive(hanging["pid"]), "it is killed")
            over = time.time() - started
            self.assertGreaterEqual(over, timeout * 0.9)
            self.fault("")
            pool_checks.wait_for_rest(baseline)
            exit_record = server.admin.workers()[2]["lastExit"]
            self.assertEqual(exit_record["cause"], "DEATH_CAUSE_BOOT_TIMEOUT", exit_record)
            self.assertEqual(exit_record["signal"], signal.SIGKILL)
            pool_checks.report("hang at boot", "killed, past boot_timeout", over - timeout, 0.2)
            baseline.check()

    def test_connections_wait_for_a_pool_that_has_still_to_come_up(self):
        self.fault("abort")
        with self.pool("--announce_at_once", "--breaker_deaths=1000") as server:
            harness.wait_until(lambda: "boot failure" in server.log_text(), "workers die")
            with harness.Load(server, connections=10, reconnect=True) as load:
                time_of_fault = time.monotonic()
                harness.wait_until(lambda: time.monotonic() > time_of_fault + 0.3, "a while")
                self.assertFalse(load.has_enough())
                self.fault("")
                began = time.monotonic()
                load.wait_for_enough()
                seconds = time.monotonic() - began
                counted = load.finish()
            self.assertEqual(counted["failures"], 0, counted)
            pool_checks.report("a whole pool that aborts at boot", "the first answer when it is over",
                               seconds, 0.3)
            harness.wait_until(lambda: server.admin.pool()["readyWorkers"] == WORKERS, "all are up")
            pool_checks.Baseline(server).check()


if __name__ == "__main__":
    unittest.main(verbosity=2)
