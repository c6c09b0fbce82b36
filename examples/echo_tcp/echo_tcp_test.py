#!/usr/bin/env python3
"""echo_tcp sends lines back, survives a worker, and ends in an orderly way."""

import os
import signal
import subprocess
import unittest

from example_program import PATIENCE, Program


class EchoTcpTest(unittest.TestCase):
    def setUp(self):
        self.program = self.enterContext(Program("ECHO_TCP", "--listen=127.0.0.1:0", "--workers=2"))

    def enterContext(self, manager):  # Python 3.11 has it.
        self.addCleanup(manager.__exit__, None, None, None)
        return manager.__enter__()

    def test_lines_come_back(self):
        clients = [self.program.connect() for _ in range(10)]
        for client in clients:
            self.assertEqual(client.ask("hello\n"), "hello")
            self.assertEqual(client.ask("two\nlines\n"), "two")
            self.assertEqual(client.line(), "lines")

    def test_a_line_without_end_ends_its_connection_alone(self):
        other = self.program.connect()
        client = self.program.connect()
        try:
            client.send("x" * (1 << 20))
        except (ConnectionResetError, BrokenPipeError):
            pass
        self.assertTrue(client.at_end())
        self.assertEqual(other.ask("hello\n"), "hello")

    def test_connections_are_spread_over_the_workers(self):
        self.program.wait_for_log("is ready", count=2)
        clients = []
        for _ in range(8):
            clients.append(self.program.connect())
            clients[-1].ask("hello\n")  # so that this one is counted before the next one comes
        os.kill(self.program.workers()[0], signal.SIGKILL)
        # Four, but for a connection that came while its worker was not awake yet.
        self.assertIn(sum(self.ended(client) for client in clients), (3, 4, 5))

    @staticmethod
    def ended(client):
        """Has the worker of this connection gone? The other one's connections answer."""
        try:
            return client.ask("hello\n") == ""
        except (ConnectionResetError, BrokenPipeError):
            return True

    def test_a_worker_that_dies_is_replaced(self):
        for worker in self.program.workers():
            os.kill(worker, signal.SIGKILL)
        self.assertEqual(self.program.connect().ask("hello\n"), "hello")

    def test_term_ends_idle_connections_and_the_pool(self):
        client = self.program.connect()
        self.assertEqual(client.ask("hello\n"), "hello")
        self.program.process.send_signal(signal.SIGTERM)
        self.assertTrue(client.at_end())
        self.assertEqual(self.program.process.wait(PATIENCE), 0)

    def test_mistakes_are_told(self):
        wrong = subprocess.run([os.path.abspath(os.environ["ECHO_TCP"]), "--listen=nowhere"],
                               capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(wrong.returncode, 1)
        self.assertRegex(wrong.stderr, r'^echo_tcp: .*nowhere.*\n$')


if __name__ == "__main__":
    unittest.main()
