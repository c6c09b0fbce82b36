#!/usr/bin/env python3
"""Signals to the whole process group: a closed terminal, ^C, timeout(1), systemd's KillMode."""

import os
import signal
import subprocess
import unittest

import harness


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

    def replaced(self, server):
        pids = {worker["pid"] for worker in server.admin.workers().values()}
        return len(pids) == 2 and not pids & set(server.first_workers)


if __name__ == "__main__":
    unittest.main(verbosity=2)
