#!/usr/bin/env python3
"""The control plane of a real server: whom the control process is, whom it lets in, and TLS."""

import os
import re
import signal
import subprocess
import tempfile
import unittest

import certificates
import harness
import status_listener

OPS, STRANGER = 4000001, 4000002  # users that no account has
OPS_GROUP = 4000003

IS_ROOT = os.geteuid() == 0


def has_other_users():
    """Whether this process may become another user; a sandbox may have one alone."""
    return IS_ROOT and subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "true"],
                                      capture_output=True, check=False).returncode == 0


def control_process(server):
    for pid in harness.descendants(server.pid):
        with open("/proc/%d/comm" % pid) as comm:
            if comm.read().strip() == "control":
                return pid
    raise AssertionError("there is no control process")


def status_of(pid):
    with open("/proc/%d/status" % pid) as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


class ControlSecurityTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="squall")
        self.addCleanup(directory.cleanup)
        self.folder = directory.name
        os.chmod(self.folder, 0o755)

    def reached(self, server):
        """The control process that answers now, with its gRPC running."""
        self.assertEqual(server.admin.run("status").returncode, 0)
        return control_process(server)

    def test_the_control_process_has_nothing_that_it_does_not_need(self):
        with harness.Server() as server:
            pid = self.reached(server)
            status = status_of(pid)
            for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(status[capabilities], 16), 0, capabilities)
            self.assertEqual(status["NoNewPrivs"], "1")
            with open("/proc/%d/limits" % pid) as limits:
                self.assertRegex(limits.read(), r"Max core file size +0 +0 ")
            # A worker is another matter.
            self.assertEqual(status_of(server.first_workers[0])["NoNewPrivs"], "0")

    @unittest.skipUnless(has_other_users(), "needs root and other users")
    def test_it_becomes_its_own_user_and_the_workers_theirs(self):
        with harness.Server("--user=nobody", "--control_user=daemon:nogroup") as server:
            status = status_of(self.reached(server))
            self.assertEqual(status["Uid"].split(), ["1"] * 4)
            self.assertEqual(status["Gid"].split(), ["65534"] * 4)
            self.assertEqual(int(status["CapBnd"], 16), 0)
            self.assertEqual(status_of(server.first_workers[0])["Uid"].split(), ["65534"] * 4)
            # One that dies is replaced by one like it.
            first = control_process(server)
            os.kill(first, signal.SIGKILL)
            harness.wait_until(lambda: server.admin.run("status").returncode == 0 and
                               control_process(server) != first, "another control process")
            self.assertEqual(status_of(control_process(server))["Uid"].split(), ["1"] * 4)
        with harness.Server("--user=nobody") as server:
            status = status_of(self.reached(server))
            self.assertEqual(status["Uid"].split(), ["65534"] * 4, "as the workers")

    def check_status_listener(self, server):
        status = status_listener.StatusListener(server)
        self.assertEqual(status.get("/readyz").status, 200)
        self.assertEqual(status.get("/healthz").status, 200)
        families = status.metrics()
        for name in ("resident_memory_bytes", "threads", "open_fds", "max_fds"):
            self.assertGreater(families["squall_control_" + name].value(), 0, name)
        told = server.admin.run("events")
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertNotIn("ping", told.stdout, "asking is no event")

    @unittest.skipUnless(has_other_users(), "needs root and other users")
    def test_another_user_serves_metrics(self):
        with harness.Server("--user=nobody", "--control_user=daemon:nogroup",
                            "--status_address=127.0.0.1:0") as server:
            self.check_status_listener(server)
            self.assertEqual(status_of(self.reached(server))["Uid"].split(), ["1"] * 4)
            # What the master sampled of a worker under another user.
            harness.wait_until(
                lambda: status_listener.StatusListener(server).metrics()
                ["squall_worker_resident_memory_bytes"].value() > 0, "the memory is sampled")

    def test_metrics_stand_beside_tls(self):
        servers, clients = self.authorities()
        with harness.Server("--status_address=127.0.0.1:0",
                            *self.tls_flags(servers, clients)) as server:
            self.check_status_listener(server)
            mine = clients.issue("mine")
            found = self.over_tls(server, servers, mine, "status")
            self.assertEqual(found.returncode, 0, found.stderr)

    @unittest.skipUnless(has_other_users(), "needs root and other users")
    def test_a_supplementary_group_has_a_role_and_a_stranger_none(self):
        # Raw, for the libraries of squallctl may be out of reach of another user.
        client = (
            "import socket,sys\n"
            "s=socket.socket(socket.AF_UNIX)\n"
            "s.settimeout(30)\n"
            "s.connect(sys.argv[1])\n"
            "try:\n"
            "  s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n'+b'\\0\\0\\0\\4\\0\\0\\0\\0\\0')\n"
            "  print(len(s.recv(100)) > 0)\n"
            "except OSError:\n"
            "  print(False)\n")

        def is_served(user, groups):
            return subprocess.run(
                ["setpriv", "--reuid=%d" % user, "--regid=%d" % user, groups, "python3", "-c", client,
                 server.control_path],
                capture_output=True, text=True, timeout=harness.PATIENCE, check=False).stdout.strip()

        with harness.Server("--control_socket_mode=0666",
                            "--control_operators=group:%d" % OPS_GROUP) as server:
            os.chmod(server.directory, 0o755)
            self.reached(server)
            self.assertEqual(is_served(OPS, "--groups=7,%d" % OPS_GROUP), "True")
            self.assertEqual(is_served(STRANGER, "--clear-groups"), "False")
            self.assertEqual(is_served(STRANGER, "--groups=%d" % (OPS_GROUP + 1)), "False")
            refused = server.admin.json("version")["server"].get("refusedConnections")
            self.assertEqual(refused, "2")

    def tls_flags(self, authority, clients):
        site = authority.issue("site")
        return ["--control_tls_address=127.0.0.1:0", "--control_tls_certificate=" + site.certificate,
                "--control_tls_key=" + site.key, "--control_tls_client_ca=" + clients.certificate,
                "--control_operators=dns:localhost"]

    def authorities(self):
        result = []
        for name in ("servers", "clients"):
            folder = os.path.join(self.folder, name)
            os.mkdir(folder)
            result.append(certificates.Authority(folder))
        return result

    def over_tls(self, server, authority, mine, *arguments):
        address = re.search(r" (tls:\S+)", server.announcement)[1]
        return subprocess.run(
            [harness.program("SQUALL_ADMIN"), "--address=" + address, "--tls-ca", authority.certificate,
             "--tls-cert", mine.certificate, "--tls-key", mine.key, *arguments],
            capture_output=True, text=True, timeout=harness.PATIENCE, check=False)

    def test_squallctl_over_tls(self):
        servers, clients = self.authorities()
        with harness.Server(*self.tls_flags(servers, clients)) as server:
            mine = clients.issue("mine")
            resized = self.over_tls(server, servers, mine, "resize", "3", "--wait")
            self.assertEqual(resized.returncode, 0, resized.stderr)
            killed = self.over_tls(server, servers, mine, "kill", "0")
            self.assertNotEqual(killed.returncode, 0)
            self.assertIn("needs the role admin; you have operator", killed.stderr)
            stranger = servers.issue("stranger")
            refused = self.over_tls(server, servers, stranger, "status", "--timeout=5s")
            self.assertEqual(refused.returncode, 3, refused.stderr)
            self.assertIn("control_tls.client_ca", refused.stderr)

            # New files, and HUP. The old root of the clients is not trusted any more.
            os.rename(os.path.join(self.folder, "clients"), os.path.join(self.folder, "old"))
            os.mkdir(os.path.join(self.folder, "clients"))
            renewed = certificates.Authority(os.path.join(self.folder, "clients"))
            new_mine = renewed.issue("new")
            os.kill(server.pid, signal.SIGHUP)
            harness.wait_until(
                lambda: self.over_tls(server, servers, new_mine, "status").returncode == 0,
                "the new root is in use")
            old = os.path.join(self.folder, "old", "mine")
            mine = certificates.Pair(old + ".pem", old + ".key")
            self.assertEqual(
                self.over_tls(server, servers, mine, "status", "--timeout=5s").returncode, 3)

    def refused_start(self, *flags):
        result = subprocess.run(
            [harness.program("SQUALL_SERVER"), "--address=127.0.0.1", "--port=0",
             "--control=unix:%s/c" % self.folder, *flags],
            capture_output=True, text=True, timeout=harness.PATIENCE, check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertFalse(os.path.exists(self.folder + "/c"))
        return result.stderr

    def test_what_is_wrong_is_said_at_the_start(self):
        self.assertIn('group "no-such-group" does not exist',
                      self.refused_start("--control_socket_mode=0666",
                                         "--control_operators=group:no-such-group"))
        self.assertIn("is not one of user:NAME, group:NAME, uri:URI and dns:NAME",
                      self.refused_start("--control_viewers=everybody"))
        self.assertIn("control_tls", self.refused_start("--control=127.0.0.1:8443"))
        self.assertIn("only with TLS", self.refused_start("--control_tls_address=127.0.0.1:0"))


if __name__ == "__main__":
    unittest.main()
