#!/usr/bin/env python3
"""Clients that want to exhaust a server, against echo_server: each test bounds its memory and looks
whether normal clients are served meanwhile.

    adversaries_test.py ECHO_SERVER [CLIENTS] [unittest's arguments]

CLIENTS, 300 by default, is the number of slow ones; with 5000 raise the limit of descriptors.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
import unittest

PROGRAM = ""
CLIENTS = 300
PATIENCE = 20
KIB = 1024
SLACK = 8 * KIB * KIB  # for what does not grow with the clients
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"


class Server:
    def __init__(self, *flags, descriptors=None):
        def limit():
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        self.process = subprocess.Popen([PROGRAM, "--port=0"] + list(flags), text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        preexec_fn=limit)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])
        self.normal = self.connect()
        self.ask()
        self.start = self.memory()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.normal.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        if self.process.wait(PATIENCE) != 0:
            raise AssertionError("the server ended with %d" % self.process.returncode)

    def connect(self, receive_buffer=None):
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", self.port))
        return client

    def memory(self):
        """Resident octets of the server's own: without what is mapped from files."""
        with open("/proc/%d/status" % self.process.pid) as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * KIB
        raise AssertionError("no RssAnon")

    def growth(self):
        return self.memory() - self.start

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.process.pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self):
        """Seconds until a normal client has its answer, on a connection that is kept."""
        begin = time.monotonic()
        self.normal.sendall(HEAD + b"\r\n")
        answer = b""
        while not answer.endswith(b"hello"):
            piece = self.normal.recv(65536)
            if not piece:
                raise AssertionError("the normal client's connection was closed")
            answer += piece
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise AssertionError("a normal client got %r" % answer)
        return time.monotonic() - begin


def push(client, data):
    """Sends what the socket takes; False when the server has closed it."""
    try:
        client.send(data, socket.MSG_DONTWAIT)
    except BlockingIOError:
        pass
    except OSError:
        return False
    return True


def read_all(client):
    """What comes until the end, which may be a reset."""
    data = b""
    try:
        while True:
            piece = client.recv(65536)
            if not piece:
                return data
            data += piece
    except ConnectionError:
        return data


class Adversaries(unittest.TestCase):
    def dribble(self, start, flag, per_client):
        """CLIENTS that begin with `start` and go on octet by octet until they are answered."""
        with Server(flag + "=2") as server:
            slow = []
            for _ in range(CLIENTS):
                client = server.connect()
                client.sendall(start)
                slow.append(client)
            times = []
            begin = time.monotonic()
            while time.monotonic() - begin < 1:
                for client in slow:
                    self.assertTrue(push(client, b"x"))
                times.append(server.ask())
            self.assertLess(max(times), 0.5)
            self.assertLess(server.growth(), CLIENTS * per_client + SLACK)
            for client in slow:
                self.assertIn(b" 408 ", read_all(client).split(b"\r\n")[0])
                client.close()
            self.assertLess(time.monotonic() - begin, 5)
            server.ask()

    def test_slow_heads(self):
        self.dribble(HEAD + b"X: ", "--header_timeout", 16 * KIB)

    def test_slow_bodies(self):
        self.dribble(POST + b"Content-Length: 100000\r\n\r\n", "--body_timeout", 16 * KIB)

    def test_slow_chunks(self):
        self.dribble(POST + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n", "--body_timeout", 16 * KIB)

    def test_heads_that_stop_before_their_end(self):
        with Server("--header_timeout=2") as server:
            head = HEAD + b"X: " + b"x" * 60000
            flood = [server.connect() for _ in range(CLIENTS)]
            for client in flood:
                client.sendall(head)
            server.ask()
            self.assertLess(server.growth(), CLIENTS * 80 * KIB + SLACK)
            for client in flood:
                self.assertIn(b" 408 ", read_all(client).split(b"\r\n")[0])
                client.close()
            server.ask()

    def test_readers_that_do_not_read(self):
        # More than the kernel takes for a client.
        body = b"x" * 6000 * KIB
        with Server("--write_timeout=1", "--max_body=%d" % len(body)) as server:
            readers = [server.connect(receive_buffer=4096) for _ in range(8)]
            for client in readers:
                client.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            server.ask()
            # The body, the answer in base64 and JSON, and what the allocator keeps of larger pieces.
            self.assertLess(server.growth(), 8 * 4 * len(body) + SLACK)
            deadline = time.monotonic() + PATIENCE
            while open_descriptors(server) > 20 and time.monotonic() < deadline:
                server.ask()
            self.assertLess(open_descriptors(server), 20)
            for client in readers:
                client.close()

    def test_pipelining_without_reading(self):
        with Server() as server:
            requests = (HEAD + b"\r\n") * 200
            greedy = [server.connect(receive_buffer=4096) for _ in range(30)]
            sent = 0
            for _ in range(100):
                for client in greedy:
                    self.assertTrue(push(client, requests))
                    sent += 1
                server.ask()
            # Input and output of a connection are bounded, whatever it sends.
            self.assertLess(server.growth(), 30 * KIB * KIB + SLACK)
            for client in greedy:
                client.close()

    def test_chunks_of_one_octet(self):
        with Server() as server:
            client = server.connect()
            before = server.cpu_seconds()
            client.sendall(POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
                           b"1\r\nx\r\n" * 200000 + b"0\r\n\r\n")
            self.assertIn(b" 200 ", read_all(client).split(b"\r\n")[0])
            self.assertLess(server.cpu_seconds() - before, 1)
            server.ask()

    def test_floods_of_fields_extensions_and_trailers(self):
        with Server() as server:
            chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
            for flood, piece, status in [(HEAD, b"A: b\r\n", b" 431 "),
                                         (HEAD + b"A: ", b"xxxxxxxx", b" 431 "),
                                         (chunked, b"1;aaaaaaaaaaaaaaaaaaaa\r\nx\r\n", b" 400 "),
                                         (chunked + b"0\r\n", b"A: b\r\n", b" 431 ")]:
                client = server.connect()
                client.sendall(flood)
                for _ in range(200):
                    if not push(client, piece * 1000):
                        break
                self.assertIn(status, read_all(client).split(b"\r\n")[0])
                client.close()
                server.ask()
            self.assertLess(server.growth(), SLACK)

    def test_more_connections_than_descriptors(self):
        with Server(descriptors=64) as server:
            flood = [server.connect() for _ in range(200)]
            before = server.cpu_seconds()
            begin = time.monotonic()
            while time.monotonic() - begin < 1:
                self.assertLess(server.ask(), 0.5)
                time.sleep(0.01)
            self.assertLess(server.cpu_seconds() - before, 0.5)
            for client in flood:
                client.close()
            client = server.connect()
            client.sendall(HEAD + b"Connection: close\r\n\r\n")
            self.assertTrue(read_all(client).endswith(b"hello"))
            client.close()


def open_descriptors(server):
    return len(os.listdir("/proc/%d/fd" % server.process.pid))


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    if len(sys.argv) > 1 and sys.argv[1].isdigit():
        CLIENTS = int(sys.argv.pop(1))
    unittest.main()
