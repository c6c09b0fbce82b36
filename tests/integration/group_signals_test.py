#!/usr/bin/env python3
"""Signals to the whole process group: a closed terminal, ^C, timeout(1), systemd's KillMode."""

import contextlib
import os
import random
import re
import signal
import subprocess
import threading
import time
import unittest

import harness
import pool_checks


class GroupSignalsTest(unittest.TestCase):
    def signal_group(self, server, signo):
        os.killpg(os.getpgid(server.pid), signo)

    def test_term_to_the_group_answers_what_is_in_flight(self):
        with harness.Server(workers=2, own_group=True) as server:
            curl = subprocess.Popen(["curl", "-sS", server.url + "?sleep=1"], text=True,
                                    stdout=subprocess.PIPE)
            harness.wait_until(lambda: server.admin.is_at("/?sleep=1"), "the request is in flight")
            pids = server.all_pids()
            self.signal_group(server, signal.SIGTERM)
            answer = curl.communicate()[0]
            self.assertIn(int(answer), server.first_workers)
            self.assertEqual(server.wait(), 0)
            self.assertFalse(any(harness.is_alive(pid) for pid in pids))

    def test_int_to_the_group_ends_it_at_once(self):
        with harness.Server(workers=2, own_group=True) as server:
            curl = subprocess.Popen(["curl", "-s", server.url + "?sleep=30"], text=True,
                                    stdout=subprocess.PIPE)
            harness.wait_until(lambda: server.admin.is_at("/?sleep=30"), "the request is in flight")
            pids = server.all_pids()
            self.signal_group(server, signal.SIGINT)
            self.assertEqual(server.wait(), 0)
            self.assertFalse(any(harness.is_alive(pid) for pid in pids))
            self.assertNotIn("restarting", server.log_text())
            curl.communicate()

    def test_hangup_of_the_group_is_a_restart_by_the_master_alone(self):
        with harness.Server(workers=2, own_group=True) as server:
            curl = subprocess.Popen(["curl", "-sS", server.url + "?sleep=1"], text=True,
                                    stdout=subprocess.PIPE)
            harness.wait_until(lambda: server.admin.is_at("/?sleep=1"), "the request is in flight")
            self.signal_group(server, signal.SIGHUP)
            self.assertIn(int(curl.communicate()[0]), server.first_workers)
            harness.wait_until(lambda: self.replaced(server), "both workers are replaced")
            self.assertNotIn("restarting", server.log_text(), "no worker died of the signal")

    def test_signals_between_a_fork_and_the_workers_own_handlers(self):
        # USR1 ends a process that does nothing about it, and TTIN stops it.
        storm = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGHUP]
        kills = 30
        with harness.Server("--max_workers=4", "--breaker_deaths=1000", "--backoff_max=100ms",
                            workers=4, own_group=True) as server:
            baseline = pool_checks.Baseline(server)
            control = set(pool_checks.children(server.pid)) - baseline.worker_pids()
            dice = random.Random(20261125)
            storming = threading.Event()

            def send():
                while not storming.wait(0.0005):
                    self.signal_group(server, dice.choice(storm))
            sender = threading.Thread(target=send)
            sender.start()
            began = time.monotonic()
            try:
                for _ in range(kills):
                    victim = harness.wait_until(
                        lambda: [pid for pid in pool_checks.children(server.pid)
                                 if pid not in control and pool_checks.stat_fields(pid)],
                        "there is a worker")[0]
                    with contextlib.suppress(ProcessLookupError):  # TTOU may have ended it.
                        os.kill(victim, signal.SIGKILL)
                    harness.wait_until(lambda victim=victim: not harness.is_alive(victim), "it dies")
            finally:
                storming.set()
                sender.join()
            seconds = time.monotonic() - began
            result = server.admin.run("resize", "4", "--wait", "--timeout=60s")
            self.assertEqual(result.returncode, 0, result.stderr)
            pool_checks.wait_for_rest(baseline)
            signals = re.findall(r"killed by signal (\d+)", server.log_text())
            self.assertEqual(set(signals), {str(int(signal.SIGKILL))})
            self.assertLessEqual(int(server.admin.pool()["restarts"]), kills)
            self.assertTrue(control <= set(pool_checks.children(server.pid)))
            print("signals to the group while workers start: %d kills in %.1f s, no other death" %
                  (kills, seconds), flush=True)
            baseline.check()

    def replaced(self, server):
        pids = {worker["pid"] for worker in server.admin.workers().values()}
        return len(pids) == 2 and not pids & set(server.first_workers)


if __name__ == "__main__":
    unittest.main(verbosity=2)
