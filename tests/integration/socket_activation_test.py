#!/usr/bin/env python3
"""Sockets of a service manager (LISTEN_FDS): found by address, kept over restarts, never lost."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

import harness

# Runs a program with the descriptors of argv[1] as 3, 4, ... and the variables of sd_listen_fds(3).
MANAGER = """
import fcntl, os, sys
given = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",")]
for number, fd in enumerate(given):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ.setdefault("LISTEN_FDS", str(len(given)))
os.environ.setdefault("LISTEN_PID", str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def tcp_listener(address="127.0.0.1"):
    listener = socket.socket()
    listener.bind((address, 0))
    listener.listen(128)
    return listener


def port_of(listener):
    return listener.getsockname()[1]


class Activated(harness.Server):
    """A server that is started with sockets by a manager, which keeps them."""

    def __init__(self, sockets, *flags, environment=(), **options):
        numbers = [kept.fileno() for kept in sockets]
        launcher = ["env", *environment, sys.executable, "-c", MANAGER,
                    ",".join(map(str, numbers))]
        super().__init__(*flags, launcher=launcher, pass_fds=numbers, **options)


class Client:
    """A request that is sent at once and answered whenever somebody serves."""

    def __init__(self, port, address="127.0.0.1"):
        self.socket = socket.create_connection((address, port), timeout=harness.PATIENCE)
        self.socket.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    def answer(self):
        """The status line; an exception if the connection was lost."""
        text = b""
        while part := self.socket.recv(4096):
            text += part
        self.socket.close()
        return text.split(b"\r\n")[0].decode()


OK = "HTTP/1.1 200 OK"


class SocketActivationTest(unittest.TestCase):
    def test_tcp_and_control_socket_are_taken(self):
        directory = tempfile.mkdtemp(prefix="squall")
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, "control.sock")
        with tcp_listener() as web, socket.socket(socket.AF_UNIX) as control:
            control.bind(path)
            os.chmod(path, 0o666)
            control.listen(16)
            before = os.lstat(path)
            with Activated([web, control], "--port=%d" % port_of(web),
                           "--control=unix:" + path) as server:
                server.admin.address = "unix:" + path
                self.assertEqual(server.get()[0], 200)
                self.assertEqual(len(server.admin.workers()), 2)
                server.admin.json("resize", "3", "--wait")
                self.assertNotIn("not used", server.log_text())
                server.process.send_signal(signal.SIGTERM)
                self.assertEqual(server.wait(), 0)
            after = os.lstat(path)
            self.assertEqual((before.st_ino, before.st_mode, before.st_ctime_ns),
                             (after.st_ino, after.st_mode, after.st_ctime_ns))

    def test_two_addresses_of_one_port_are_taken(self):
        with tcp_listener("0.0.0.0") as web, socket.socket(socket.AF_INET6) as web6:
            web6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                web6.bind(("::", port_of(web)))
            except OSError as error:
                self.skipTest("no [::] with the same port: %s" % error)
            web6.listen(128)
            with Activated([web6, web], "--port=%d" % port_of(web), "--address=") as server:
                self.assertEqual(server.log_text().count("inherited descriptor"), 2)
                for address in "127.0.0.1", "::1":
                    self.assertEqual(Client(port_of(web), address).answer(), OK)

    def test_unused_ones_are_named(self):
        with tcp_listener() as web, tcp_listener() as other, \
                socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", port_of(web)))
            with Activated([udp, other, web], "--port=%d" % port_of(web),
                           environment=["LISTEN_FDNAMES=udp:other:web"]) as server:
                self.assertEqual(server.get()[0], 200)
                log = server.log_text()
                self.assertEqual(log.count("inherited and not used"), 2, log)
                self.assertIn('descriptor 3 ("udp"), a datagram socket on 127.0.0.1:%d;' %
                              port_of(web), log)
                self.assertIn('descriptor 4 ("other"), a stream socket on 127.0.0.1:%d;' %
                              port_of(other), log)
                for pid in server.all_pids():
                    held = {os.readlink("/proc/%d/fd/%s" % (pid, fd))
                            for fd in os.listdir("/proc/%d/fd" % pid)}
                    for unused in (udp, other):
                        inode = os.fstat(unused.fileno()).st_ino
                        self.assertNotIn("socket:[%d]" % inode, held)

    def test_what_is_for_another_process_is_not_taken(self):
        with tcp_listener() as web, \
                Activated([web], environment=["LISTEN_PID=%d" % os.getpid()]) as server:
            self.assertNotEqual(server.port, port_of(web))
            self.assertEqual(server.get()[0], 200)
            self.assertNotIn("not used", server.log_text())

    def test_garbage_is_named_and_ignored(self):
        with tcp_listener() as web, \
                Activated([web], environment=["LISTEN_FDS=many"]) as server:
            self.assertEqual(server.get()[0], 200)
            self.assertIn('LISTEN_FDS="many" is no number of descriptors', server.log_text())

    def test_a_restart_loses_no_connection(self):
        with tcp_listener() as web:
            early = [Client(port_of(web)) for _ in range(20)]
            with Activated([web], "--port=%d" % port_of(web)) as server:
                self.assertEqual([client.answer() for client in early], [OK] * 20)
                server.process.send_signal(signal.SIGTERM)
                self.assertEqual(server.wait(), 0)
            between = [Client(port_of(web)) for _ in range(20)]
            with Activated([web], "--port=%d" % port_of(web)) as server:
                self.assertEqual([client.answer() for client in between], [OK] * 20)

    def test_clients_during_stop_and_start_are_all_answered(self):
        with tcp_listener() as web:
            answers = []
            over = threading.Event()

            def connect_again_and_again():
                while not over.is_set():
                    try:
                        answers.append(Client(port_of(web)).answer())
                    except OSError as error:
                        answers.append(str(error))

            clients = [threading.Thread(target=connect_again_and_again) for _ in range(4)]
            for client in clients:
                client.start()
            try:
                for _ in range(5):
                    with Activated([web], "--port=%d" % port_of(web)) as server:
                        count = len(answers)
                        harness.wait_until(lambda: len(answers) > count + 20, "it serves")
                        server.process.send_signal(signal.SIGTERM)
                        self.assertEqual(server.wait(), 0)
            finally:
                over.set()
                # The last ones wait in the backlog.
                with Activated([web], "--port=%d" % port_of(web)):
                    for client in clients:
                        client.join()
            self.assertEqual(set(answers), {OK})
            print("%d requests over 5 restarts" % len(answers))

    def test_systemd_socket_activate(self):
        if not shutil.which("systemd-socket-activate"):
            self.skipTest("systemd-socket-activate is not installed")
        with socket.socket() as reserved:
            # Bound with the same option, but not listening, it keeps the number from others only.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(("127.0.0.1", 0))
            port = port_of(reserved)
            server = subprocess.Popen(
                ["systemd-socket-activate", "-l", "127.0.0.1:%d" % port, "--fdname=web",
                 harness.program("SQUALL_SERVER"), "--address=127.0.0.1", "--port=%d" % port,
                 "--control=none", "--workers=2"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                text=True)
            log = ""
            try:
                while "Listening on" not in log:
                    line = server.stderr.readline()
                    self.assertTrue(line, log)
                    log += line
                self.assertEqual(Client(port).answer(), OK)
                server.send_signal(signal.SIGTERM)
                log += server.communicate(timeout=harness.PATIENCE)[1]
                self.assertEqual(server.returncode, 0, log)
                self.assertRegex(log, re.escape('inherited descriptor 3 ("web"), a stream socket'))
            finally:
                if server.poll() is None:
                    server.kill()
                    server.communicate()


if __name__ == "__main__":
    unittest.main(verbosity=2)
