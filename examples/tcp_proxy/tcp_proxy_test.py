#!/usr/bin/env python3
"""tcp_proxy passes octets, ends and resets on, in both directions, and holds little of them."""

import hashlib
import os
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

from example_program import PATIENCE, Program


def receive_all(sock):
    """Everything up to the end."""
    data = b""
    while True:
        piece = sock.recv(1 << 16)
        if not piece:
            return data
        data += piece


class TcpProxyTest(unittest.TestCase):
    def setUp(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.addCleanup(self.listener.close)

    def start(self, *flags):
        name = self.listener.getsockname()
        upstream = "--upstream=" + ("unix:" + name if isinstance(name, str) else "127.0.0.1:%d" % name[1])
        program = Program("TCP_PROXY", "--listen=127.0.0.1:0", "--workers=1", upstream, *flags)
        self.addCleanup(program.__exit__, None, None, None)
        return program

    def connect(self, program):
        """Both ends of a connection through the proxy: the client's and the upstream's."""
        client = socket.create_connection(("127.0.0.1", program.port), timeout=PATIENCE)
        self.addCleanup(client.close)
        upstream, _ = self.listener.accept()
        upstream.settimeout(PATIENCE)
        self.addCleanup(upstream.close)
        return client, upstream

    def test_both_directions(self):
        client, upstream = self.connect(self.start())
        client.sendall(b"question")
        self.assertEqual(upstream.recv(100), b"question")
        upstream.sendall(b"answer")
        self.assertEqual(client.recv(100), b"answer")

    def test_the_upstream_may_speak_first(self):
        client, upstream = self.connect(self.start())
        upstream.sendall(b"220 hello")
        self.assertEqual(client.recv(100), b"220 hello")

    def test_a_client_that_has_said_all_gets_its_answer(self):
        client, upstream = self.connect(self.start())
        client.sendall(b"all")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(upstream), b"all")
        upstream.sendall(b"answer")
        upstream.close()
        self.assertEqual(receive_all(client), b"answer")

    def test_an_upstream_that_has_said_all_still_listens(self):
        client, upstream = self.connect(self.start())
        upstream.sendall(b"bye")
        upstream.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(client), b"bye")
        client.sendall(b"one more thing")
        client.close()
        self.assertEqual(receive_all(upstream), b"one more thing")

    def test_a_reset_ends_both(self):
        client, upstream = self.connect(self.start())
        client.sendall(b"x")
        self.assertEqual(upstream.recv(1), b"x")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        try:
            self.assertEqual(upstream.recv(1), b"")
        except ConnectionResetError:
            pass

    def test_a_slow_reader_slows_its_sender_and_costs_no_memory(self):
        program = self.start()
        client, upstream = self.connect(program)
        size, piece = 64 << 20, os.urandom(1 << 20)
        sent = hashlib.sha256()

        def send():
            for _ in range(size // len(piece)):
                upstream.sendall(piece)
                sent.update(piece)
            upstream.close()

        sender = threading.Thread(target=send)
        sender.start()
        # Until the sender cannot go on: nothing more comes into the proxy's hands.
        sender.join(1.0)
        self.assertTrue(sender.is_alive())
        self.assertLess(self.resident(program.workers()[0]), 40 << 20)
        received, count = hashlib.sha256(), 0
        while True:
            data = client.recv(1 << 20)
            if not data:
                break
            received.update(data)
            count += len(data)
        sender.join(PATIENCE)
        self.assertEqual((count, received.digest()), (size, sent.digest()))

    @staticmethod
    def resident(pid):
        with open("/proc/%d/statm" % pid) as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def test_an_idle_connection_is_closed(self):
        client, upstream = self.connect(self.start("--idle_timeout=200ms"))
        self.assertEqual(client.recv(1), b"")
        self.assertEqual(upstream.recv(1), b"")

    def test_traffic_in_one_direction_keeps_it(self):
        client, upstream = self.connect(self.start("--idle_timeout=1s"))
        for _ in range(30):
            upstream.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
            threading.Event().wait(0.1)

    def test_an_upstream_that_refuses(self):
        program = self.start()
        self.listener.close()
        client = program.connect()
        self.addCleanup(client.close)
        self.assertTrue(client.at_end())
        program.wait_for_log("Connection refused")

    def test_the_upstream_learns_who_the_client_is(self):
        for version, signature in (("1", b"PROXY TCP4 127.0.0.1 127.0.0.1 "),
                                   ("2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c")):
            client, upstream = self.connect(self.start("--send_proxy=" + version))
            client.sendall(b"x")
            client.shutdown(socket.SHUT_WR)
            octets = receive_all(upstream)
            port = client.getsockname()[1]
            self.assertTrue(octets.startswith(signature), octets)
            said = b" %d " % port if version == "1" else struct.pack("!H", port)
            self.assertIn(said, octets)
            self.assertEqual(octets[-1:], b"x")

    def test_an_upstream_of_any_form(self):
        path = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "upstream")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            self.listener, listener = listener, self.listener
            listener.close()
            self.listener.settimeout(PATIENCE)
            client, upstream = self.connect(self.start())
            upstream.sendall(b"by a path")
            self.assertEqual(client.recv(100), b"by a path")
            # A host whose name begins as that of an address family does.
            program = self.start("--upstream=unixhost.invalid:80", "--connect_timeout=10s")
            client = socket.create_connection(("127.0.0.1", program.port), timeout=PATIENCE)
            self.addCleanup(client.close)
            self.assertEqual(client.recv(100), b"")
            program.wait_for_log("unixhost.invalid")

    def enterContext(self, manager):  # Python 3.11 has it.
        self.addCleanup(manager.__exit__, None, None, None)
        return manager.__enter__()

    def test_mistakes_are_told(self):
        for flag, error in (("--upstream=nowhere", "--upstream=nowhere is neither HOST:PORT"),
                            ("--upstream=:80", "--upstream=:80 is neither HOST:PORT"),
                            ("--send_proxy=3", "--send_proxy=3 is none of 0, 1 and 2")):
            wrong = subprocess.run([os.path.abspath(os.environ["TCP_PROXY"]), flag],
                                   capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(wrong.returncode, 1)
            self.assertIn("tcp_proxy: " + error, wrong.stderr)


if __name__ == "__main__":
    unittest.main()
