#!/usr/bin/env python3
"""A wall clock that jumps, and a monotonic one that has just begun: neither is held against anybody."""

import email.utils
import http.client
import os
import signal
import struct
import subprocess
import tempfile
import time
import unittest

import harness
import pool_checks

DAY = 24 * 3600
KEPT = 20


def date_of(server):
    """Seconds since 1970 as the Date of an answer has it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        response = connection.getresponse()
        response.read()
        return email.utils.parsedate_to_datetime(response.headers["Date"]).timestamp()
    finally:
        connection.close()


class WallClock(unittest.TestCase):
    def test_jumps_of_a_day_in_either_direction(self):
        with tempfile.NamedTemporaryFile() as file:
            def move_to(offset):
                file.seek(0)
                file.write(struct.pack("=q", offset))
                file.flush()
            move_to(0)
            os.environ["SQUALL_WALL_CLOCK"] = file.name
            self.addCleanup(os.environ.pop, "SQUALL_WALL_CLOCK")
            with harness.Server("--watchdog_interval=200ms", "--stall_warn=2s", "--stall_kill=3s",
                                "--max_lifetime=1h", binary="SQUALL_FAULTY_SERVER", workers=3,
                                own_group=True) as server:
                baseline = pool_checks.Baseline(server)
                before = baseline.worker_pids()
                with harness.Load(server, "--think=10ms", connections=KEPT) as kept:
                    kept.wait_for_enough()
                    # Idle, and not to be closed for that.
                    idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                    idle.request("GET", "/")
                    idle.getresponse().read()
                    for offset in (DAY, -DAY, 0):
                        move_to(offset)
                        began = time.monotonic()
                        harness.wait_until(
                            lambda offset=offset: abs(date_of(server) - time.time() - offset) < 5,
                            "Date follows the clock")
                        pool_checks.report("the wall clock jumps to %+d h" % (offset // 3600),
                                           "Date follows", time.monotonic() - began, 1.0)
                        # Longer than the watchdog's limits.
                        harness.wait_until(lambda began=began: time.monotonic() > began + 4, "a while")
                        self.assertEqual(baseline.worker_pids(), before)
                    idle.request("GET", "/")
                    self.assertEqual(idle.getresponse().status, 200)
                    idle.close()
                    # Back-off and restart do not follow it either.
                    move_to(-DAY)
                    began = time.monotonic()
                    victim = server.admin.workers()[0]["pid"]
                    move_to(DAY)
                    os.kill(victim, signal.SIGKILL)
                    harness.wait_until(lambda: victim not in baseline.worker_pids() and
                                       baseline.at_rest(3), "it is replaced")
                    pool_checks.report("a worker dies while the clock jumps", "replaced",
                                       time.monotonic() - began, 1.0)
                    move_to(0)
                    counted = kept.finish()
                # The dead worker's connections are all that ended.
                self.assertLessEqual(counted["failures"], KEPT, counted)
                self.assertEqual(counted["announced_closes"] + counted["timeout"], 0, counted)
                self.assertLessEqual(counted["connections"],
                                     KEPT + counted["failures"] + counted["silent_closes"])
                self.assertEqual(server.admin.pool()["restarts"], "1")
                baseline.check()


class MonotonicClock(unittest.TestCase):
    def test_a_machine_that_has_just_booted(self):
        # The clock of a time namespace begins two seconds ago: what is a minute before now is less
        # than zero.
        launcher = ["unshare", "--time", "--monotonic=%d" % -(int(time.monotonic()) - 2)]
        if os.getuid() != 0:
            launcher[1:1] = ["--user", "--map-root-user"]
        probe = subprocess.run([*launcher, "python3", "-c", "import time; print(time.monotonic())"],
                               capture_output=True, text=True, check=False)
        if probe.returncode != 0 or not 0 < float(probe.stdout) < 60:
            self.skipTest("no time namespace: " + probe.stderr + probe.stdout)
        with harness.Server("--watchdog_interval=200ms", "--stall_warn=2s", "--stall_kill=3s",
                            "--max_lifetime=1h", binary="SQUALL_FAULTY_SERVER", workers=3,
                            own_group=True, launcher=launcher) as server:
            baseline = pool_checks.Baseline(server)
            with harness.Load(server, "--think=10ms", connections=KEPT) as kept, \
                    harness.Load(server, "--think=10ms", connections=4, reconnect=True) as new:
                kept.wait_for_enough()
                new.wait_for_enough()
                before = server.admin.workers()
                began = time.monotonic()
                os.kill(before[1]["pid"], signal.SIGKILL)
                harness.wait_until(
                    lambda: before[1]["pid"] not in baseline.worker_pids() and baseline.at_rest(3),
                    "it is replaced")
                seconds = time.monotonic() - began
                harness.wait_until(lambda: time.monotonic() > began + 4, "a while")
                lost = kept.finish()["failures"] + new.finish()["failures"]
            self.assertLessEqual(lost, KEPT + 4)
            self.assertEqual(server.admin.pool()["restarts"], "1")
            pool_checks.report("kill -9 just after the machine's boot", "replaced", seconds, 0.2,
                               "%d requests lost" % lost)
            baseline.check()


if __name__ == "__main__":
    unittest.main(verbosity=2)
