#!/usr/bin/env python3
"""Every mistake of an operator is one clear line with the value, and the right exit status."""

import os
import socket
import subprocess
import tempfile
import unittest

import harness


class ServerMistakes(unittest.TestCase):
    def run_server(self, *flags):
        result = subprocess.run([harness.program("SQUALL_SERVER"), *flags], capture_output=True,
                                text=True, timeout=harness.PATIENCE, check=False,
                                stdin=subprocess.DEVNULL)
        lines = result.stderr.strip().split("\n")
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertTrue(lines[0].startswith("server: "), lines[0])
        return result.returncode, lines[0]

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            status, line = self.run_server("--address=127.0.0.1", "--port=%d" % port, "--control=none")
            self.assertEqual(status, 1)
            self.assertIn("127.0.0.1:%d" % port, line)
            self.assertIn("in use", line)

    def test_a_failed_start_leaves_no_control_socket(self):
        with socket.socket() as taken, tempfile.TemporaryDirectory() as directory:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.run_server("--address=127.0.0.1", "--port=%d" % taken.getsockname()[1],
                            "--control=unix:%s/c" % directory)
            self.assertEqual(os.listdir(directory), [])

    def test_bad_host(self):
        status, line = self.run_server("--address=no-such-host.invalid", "--port=0", "--control=none")
        self.assertEqual(status, 1)
        self.assertIn("no-such-host.invalid", line)

    def test_bad_flags(self):
        for flag, words in [
                ("--workers=-3", ["--workers=-3", "from 0 to 64"]),
                ("--workers=abc", ["--workers=abc", "whole number"]),
                ("--workers=65", ["--workers=65", "from 0 to 64"]),
                ("--max_workers=0", ["--max_workers=0", "from 1 to"]),
                ("--port=65536", ["--port=65536", "from 0 to 65535"]),
                ("--port=", ["--port="]),
                ("--prot=80", ["there is no flag --prot=80"]),
                ("--grace=5", ["--grace=5"]),
                ("--grace=-5s", ["--grace=-5s", "from 0 to 24h"]),
                ("--grace=inf", ["--grace=inf", "from 0 to 24h"]),
                ("--control=tcp:1.2.3.4:5", ["--control=tcp:1.2.3.4:5", "unix:"]),
                ("stray", ["'stray'"]),
        ]:
            status, line = self.run_server(flag)
            self.assertEqual(status, 2, line)
            for word in words:
                self.assertIn(word, line)

    def test_control_socket_is_a_regular_file(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"precious")
            file.flush()
            status, line = self.run_server("--address=127.0.0.1", "--port=0",
                                           "--control=unix:" + file.name)
            self.assertEqual(status, 1)
            self.assertIn(file.name, line)
            with open(file.name, "rb") as same:
                self.assertEqual(same.read(), b"precious")

    def test_control_socket_of_a_running_server(self):
        with harness.Server(workers=1) as server:
            status, line = self.run_server("--address=127.0.0.1", "--port=0",
                                           "--control=unix:" + server.control_path)
            self.assertEqual(status, 1)
            self.assertIn(server.control_path, line)
            self.assertEqual(server.admin.run("status").returncode, 0)

    def test_static_directory_is_missing(self):
        status, line = self.run_server("--address=127.0.0.1", "--port=0", "--control=none",
                                       "--static=/no/such/directory")
        self.assertEqual(status, 1)
        self.assertIn("/no/such/directory", line)


class AdminMistakes(unittest.TestCase):
    def check(self, result, status, *words):
        self.assertEqual(result.returncode, status, result.stderr)
        lines = result.stderr.strip().split("\n")
        self.assertEqual(len(lines), 1, result.stderr)
        for word in words:
            self.assertIn(word, lines[0])

    def test_without_a_server(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "control.sock")
            self.check(harness.Admin("unix:" + path).run("status"), 3, path)

    def test_resize_out_of_range(self):
        with harness.Server(workers=1) as server:
            self.check(server.admin.run("resize", "65"), 5, "64")
            self.check(server.admin.run("resize", "+64"), 5, "64")
            self.check(server.admin.run("resize", "many"), 2, "many")
            self.check(server.admin.run("resize"), 2)
            self.check(server.admin.run("resize", "2", "3"), 2, "3")
            self.check(server.admin.run("status", "--bogus"), 2, "--bogus")
            self.check(server.admin.run("frobnicate"), 2, "frobnicate")
            self.assertEqual(len(server.admin.workers()), 1)

    def test_wait_that_cannot_end_in_time(self):
        with harness.Server(workers=1) as server:
            sleeper = subprocess.Popen(["curl", "-sS", server.url + "?sleep=3"],
                                       stdout=subprocess.DEVNULL)
            harness.wait_until(lambda: server.admin.is_at("/?sleep=3"),
                               "the worker is busy")
            self.check(server.admin.run("resize", "0", "--wait", "--timeout=200ms"), 4)
            sleeper.wait()


if __name__ == "__main__":
    unittest.main(verbosity=2)
