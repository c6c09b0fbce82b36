#!/usr/bin/env python3
"""A day of an operator, by squallctl, on a server that is under load: nothing that is asked for loses a
request but a kill, and the control process may die by SIGKILL in the midst of each change.

Prints what the operator typed and saw: bazel test --test_output=all //tests/integration:operators_day_test
"""

import os
import shlex
import signal
import tempfile
import time
import unittest

import harness

WORKERS = 3
LONGER_THAN_THE_DAY = 600


class OperatorsDay(unittest.TestCase):
    def setUp(self):
        self.fault_file = tempfile.NamedTemporaryFile("w")
        self.addCleanup(self.fault_file.close)
        self.transcript = []
        self.addCleanup(lambda: print("\n".join(self.transcript)))
        self.began = time.monotonic()

    # What the operator does.

    def note(self, text):
        self.transcript.append("\n# %5.1fs  %s" % (time.monotonic() - self.began, text))

    def type(self, words, status=0, says=""):
        """Runs squallctl; its exit status and something of what it says are as expected."""
        result = self.server.admin.run(*shlex.split(words))
        said = result.stdout + result.stderr
        self.transcript += ["$ squallctl " + words] + said.rstrip("\n").split("\n")
        if result.returncode:
            self.transcript.append("(exit status %d)" % result.returncode)
        self.assertEqual(result.returncode, status, said)
        self.assertIn(says, said)
        return said

    def build_is(self, fault, text):
        """How new workers start from now on: as `fault` says, or well."""
        self.note(text)
        self.fault_file.seek(0)
        self.fault_file.truncate()
        self.fault_file.write(fault)
        self.fault_file.flush()

    def kill_the_control_process(self):
        pid = self.server.admin.json("version")["server"]["controlPid"]
        os.kill(pid, signal.SIGKILL)
        self.transcript.append("$ kill -9 %d    # the control process" % pid)
        harness.wait_until(lambda: not harness.is_alive(pid), "it is gone")

    def begin_and_kill_the_control_process(self, words, end="DONE"):
        """The change goes on without the process that took it, and its successor knows of it."""
        operation = self.server.admin.json(*shlex.split(words))["name"]
        self.transcript.append("$ squallctl %s    # begins %s" % (words, operation))
        self.kill_the_control_process()
        self.type("wait " + operation, status=0 if end == "DONE" else 5)
        ended = [one for one in self.server.admin.json("operations")["operations"]
                 if one["name"] == operation]
        self.assertEqual([one["state"] for one in ended], ["OPERATION_STATE_" + end])

    def pids(self):
        return {slot: worker["pid"] for slot, worker in self.server.admin.workers().items()}

    def under_load(self, day):
        """Runs `day` while clients come with new and on kept connections; none sees a failure."""
        with harness.Load(self.server, "--think=5ms", connections=4) as kept:
            wrk = harness.Wrk(self.server.url, LONGER_THAN_THE_DAY, connections=8)
            try:
                kept.wait_for_enough()
                day()
                self.assertTrue(wrk.running())
            finally:
                wrk.stop()
                new = wrk.result()
            kept = kept.finish()
        self.note("%d requests on new connections, %d on kept ones: %d and %d failed" %
                  (new["requests"], kept["requests"], new["errors"], kept["failures"]))
        self.assertGreater(new["requests"], 0)
        self.assertEqual((new["errors"], kept["failures"]), (0, 0), new["output"])

    # The day.

    def changes(self):
        self.note("more workers, and fewer")
        self.type("resize +2 --wait", says="resized to %d workers" % (WORKERS + 2))
        self.type("resize -2 --wait", says="resized to %d workers" % WORKERS)
        self.begin_and_kill_the_control_process("resize %d" % (WORKERS + 1))
        self.begin_and_kill_the_control_process("resize %d" % WORKERS)

        self.note("a new generation of workers, from a good build")
        before = self.pids()
        self.type("restart --soak=200ms --wait", says="restarted: %d ready" % WORKERS)
        self.assertFalse(set(before.values()) & set(self.pids().values()))
        self.begin_and_kill_the_control_process("restart --soak=200ms")

        self.build_is("abort", "a broken build: its workers die at their start")
        before = self.pids()
        self.type("restart --max-failures=1 --on-failure=rollback --wait", status=5)
        self.begin_and_kill_the_control_process(
            "restart --max-failures=1 --on-failure=rollback", end="FAILED")
        self.assertEqual(self.pids(), before)
        self.build_is("", "the build is mended")

        self.note("one worker that is to be replaced")
        before = self.pids()
        self.type("drain 0 --wait", says="drained worker 0")
        self.begin_and_kill_the_control_process("drain 1")
        after = self.pids()
        self.assertEqual([slot for slot in before if before[slot] != after[slot]], [0, 1])

    def test_the_day(self):
        with harness.Server("--boot_fault=" + self.fault_file.name, "--breaker_deaths=2",
                            "--backoff_initial=10ms", "--backoff_max=20ms", "--grace=10s",
                            binary="SQUALL_FAULTY_SERVER", workers=WORKERS, own_group=True) as server:
            self.server = server
            self.note("the server is there")
            self.type("version", says="master pid %d" % server.pid)
            self.type("status", says="SERVING")
            self.type("explain")
            self.under_load(self.changes)

            self.note("a worker that hangs is killed; what it is at is lost, so nobody asks it now")
            before = self.pids()
            self.type("kill 2 --wait", says="killed worker 2")
            self.begin_and_kill_the_control_process("kill 2")
            self.assertNotEqual(self.pids()[2], before[2])

            self.build_is("1:exit 3", "slot 1 cannot start any more, and its worker dies")
            os.kill(self.pids()[1], signal.SIGKILL)
            harness.wait_until(
                lambda: server.admin.workers()[1]["state"] == "WORKER_STATE_FAILED", "the breaker opens")
            self.type("status", says="FAILED")
            self.type("explain", says="slot 1")
            self.assertEqual(server.get()[0], 200)
            self.build_is("", "that is mended, too")
            self.type("reset-breaker 1 --dry-run", says="nothing was changed")
            self.kill_the_control_process()
            self.type("reset-breaker 1", says="reset: ")
            harness.wait_until(lambda: server.admin.pool()["readyWorkers"] == WORKERS, "all are there")
            self.type("reset-breaker 1", status=5)

            self.note("the end")
            self.type("operations", says="kill of worker 2")
            self.type("shutdown", says="shutting down")
            self.assertEqual(server.wait(), 0)
            self.type("status", status=3, says="no squall server answers at")


if __name__ == "__main__":
    unittest.main(verbosity=2)
