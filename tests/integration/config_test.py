#!/usr/bin/env python3
"""The server's configuration file: checked, used, and read again while the server serves."""

import http.client
import os
import signal
import subprocess
import tempfile
import unittest

import harness


class ConfigTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="squall")
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "server.conf")

    def write(self, text):
        # As an editor does it: at no time is there half a file.
        with open(self.path + ".new", "w") as file:
            file.write(text)
        os.rename(self.path + ".new", self.path)

    def run_server(self, *flags):
        """Exit status, standard output and standard error, for a server that ends at once."""
        result = subprocess.run([harness.program("SQUALL_SERVER"), *flags], capture_output=True,
                                text=True, timeout=harness.PATIENCE, check=False,
                                cwd=self.directory.name, stdin=subprocess.DEVNULL)
        return result.returncode, result.stdout, result.stderr


class Check(ConfigTest):
    def test_a_good_file(self):
        self.write('listen: "localhost:8888"\nworkers: 3\n')
        self.assertEqual(self.run_server("--check-config", "--config=server.conf"),
                         (0, "server.conf: OK\n", ""))

    def test_a_bad_file(self):
        for text, error in [
                ("\nwokers: 3\n",
                 'server.conf:2:1: there is no option "wokers"; did you mean "workers"?\n'),
                ('workers: 3\n  grace: "5"\n',
                 'server.conf:2:3: grace: "5" is not a duration from 0 to 24h\n'),
                ("restart {\n  max_surge: 17\n}\n",
                 "server.conf:2:3: restart.max_surge must not be above surge_slots (16), but is "
                 "17\n"),
                ('static: "no/such"\n',
                 'server.conf:1:1: static: "no/such" is not a directory that can be read\n'),
                ('workers: 10\nautoscale { mode: "cpu"  max_workers: 5 }\n',
                 "server.conf:1:1: workers must not be above autoscale.max_workers (5), but is 10\n"),
                ('pid_file: "no/such"\n',
                 'server.conf:1:1: pid_file cannot be in "no": No such file or directory\n'),
                ('access_log { format: "xml" }\n',
                 'server.conf:1:14: access_log.format: "xml" is not one of "tornado", "common", "combined", '
                 '"json", "none"\n'),
                ('access_log {\n  path: "/no/such/log"\n}\n',
                 'server.conf:2:3: access_log.path: "/no/such/log" is not a file in a directory that can be '
                 'written to\n'),
                ('static_precompressed: 2\n',
                 'server.conf:1:23: static_precompressed: 2 is not true or false\n'),
                ('\nlog_file: "/no/such/log"\n',
                 'server.conf:2:1: log_file cannot be in "/no/such": No such file or directory\n'),
        ]:
            self.write(text)
            for flags in [("--check-config", "--config=server.conf"),
                          ("--config=server.conf", "--check_config", "--port=0")]:
                self.assertEqual(self.run_server(*flags), (2, "", error))

    def test_a_bad_file_keeps_a_server_from_starting(self):
        self.write("workers: 65\n")
        self.assertEqual(
            self.run_server("--config=server.conf", "--control=unix:%s/c" % self.directory.name),
            (2, "", "server.conf:1:1: workers: 65 is not a number of worker processes "
             "(0: one per CPU) from 0 to 64\n"))
        self.assertEqual(os.listdir(self.directory.name), ["server.conf"])

    def test_flags_are_checked_with_the_file(self):
        self.write("workers: 65\n")
        self.assertEqual(self.run_server("--check-config", "--config=server.conf", "--workers=2")[0],
                         0)
        self.write("workers: 2\n")
        self.assertEqual(
            self.run_server("--check-config", "--config=server.conf", "--max_workers=1"),
            (2, "", "server.conf:1:1: workers: 2 is not a number of worker processes "
             "(0: one per CPU) from 0 to 1\n"))

    def test_nothing_is_bound_or_made(self):
        self.write('listen: "unix:%s/s"\ncontrol: "unix:%s/c"\npid_file: "%s/p"\nlog_file: "%s/l"\n' %
                   ((self.directory.name,) * 4))
        self.assertEqual(self.run_server("--check-config", "--config=server.conf")[0], 0)
        self.assertEqual(os.listdir(self.directory.name), ["server.conf"])

    def test_a_path_from_where_the_user_stood(self):
        self.write("workers: 2\n")
        elsewhere = subprocess.run(
            [harness.program("SQUALL_SERVER"), "--check-config", "--config=server.conf"],
            capture_output=True, text=True, timeout=harness.PATIENCE, check=False, cwd="/",
            env=dict(os.environ, BUILD_WORKING_DIRECTORY=self.directory.name))
        self.assertEqual(elsewhere.stdout, "server.conf: OK\n", elsewhere.stderr)

    def test_a_missing_file(self):
        self.assertEqual(self.run_server("--check-config", "--config=no.conf"),
                         (2, "", "server: cannot read no.conf: No such file or directory\n"))


class Serve(ConfigTest):
    def status_of_long_head(self, server):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=harness.PATIENCE)
        try:
            connection.request("GET", "/", headers={"X": "x" * 2000, "Connection": "close"})
            return connection.getresponse().status
        finally:
            connection.close()

    def test_a_server_that_a_file_runs(self):
        log, pid = (os.path.join(self.directory.name, name) for name in ("log", "pid"))
        self.write('workers: 7  # the flag wins\nmax_workers: 3\nlog_file: "%s"\npid_file: "%s"\n'
                   'http { max_header_size: "1000" }\nnice: 1\n' % (log, pid))
        with harness.Server("--config=" + self.path, workers=2) as server:
            self.assertEqual(len(server.first_workers), 2)
            self.assertEqual(server.admin.pool()["maxWorkers"], 3)
            self.assertEqual(self.status_of_long_head(server), 431)
            with open(pid) as file:
                self.assertEqual(int(file.read()), server.pid)
            self.assertEqual([os.getpriority(os.PRIO_PROCESS, worker) for worker in
                              server.first_workers], [1, 1])
            with open(log) as file:
                self.assertIn("is ready after", file.read())
        self.assertFalse(os.path.exists(pid))

    def test_sighup_reads_the_file_again(self):
        self.write('http { max_header_size: "64KiB" }\n')
        with harness.Server("--config=" + self.path, workers=2) as server:
            self.assertEqual(self.status_of_long_head(server), 200)

            self.write('\n\nhttp { max_heeder_size: "1000" }\n')
            os.kill(server.pid, signal.SIGHUP)
            refusal = ('refused, the workers stay: %s:3:8: http has no option "max_heeder_size"; '
                       'did you mean "max_header_size"?' % self.path)
            harness.wait_until(lambda: refusal in server.log_text(), refusal)
            self.assertEqual(self.pids(server), server.first_workers)
            self.assertEqual(self.status_of_long_head(server), 200)

            self.write('http { max_header_size: "1000" }\nmax_workers: 9\nworkers: 2\n')
            os.kill(server.pid, signal.SIGHUP)
            harness.wait_until(
                lambda: not set(self.pids(server)) & set(server.first_workers) and
                len(self.pids(server)) == 2, "all workers are new")
            self.assertEqual(self.status_of_long_head(server), 431)
            self.assertEqual(server.log_text().count(
                "%s: max_workers keeps its value until the server is started anew" % self.path), 1)
            self.assertEqual(server.admin.pool()["maxWorkers"], 64)

    def pids(self, server):
        return sorted(worker["pid"] for worker in server.admin.workers().values()
                      if worker["state"] == "WORKER_STATE_READY")

    def test_sighup_without_a_file_restarts(self):
        with harness.Server(workers=1) as server:
            os.kill(server.pid, signal.SIGHUP)
            harness.wait_until(lambda: self.pids(server) not in ([], server.first_workers),
                               "the worker is new")


if __name__ == "__main__":
    unittest.main(verbosity=2)
