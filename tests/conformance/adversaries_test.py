#!/usr/bin/env python3
"""Clients that want to exhaust a server, with honest ones beside them: each test bounds the server's memory
and processor time, looks whether the honest ones are served, and prints one row of the table in
docs/faults.md.

    adversaries_test.py FIXTURE_SERVER [CLIENTS] [unittest's arguments]

CLIENTS, 150 by default, is the number of slow ones of each kind; the other numbers follow it. 5000 is the
full size, which takes three minutes: `bazel run -c opt //tests/conformance:adversaries_test -- 5000`.
"""

import os
import resource
import struct
import sys
import socket
import tempfile
import time
import unittest
import zlib

from hostile_clients import KIB, PATIENCE, SLOWNESS, Attack, Server, bind_to, has_ended, pull, push, read_all, \
    status_of

PROGRAM = ""
CLIENTS = 150
MIB = KIB * KIB
SLACK = 8 * MIB  # for what does not grow with the clients
HEAD = b"GET /hello HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /hello HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def full_size():
    return CLIENTS >= 5000


def scaled(everyday, full):
    """A number of clients or seconds: that of the full size, or of an everyday test."""
    if full_size():
        return full
    return max(everyday // SLOWNESS, 1) if isinstance(everyday, int) else everyday


class Adversaries(unittest.TestCase):
    rows = []

    def server(self, **options):
        return Server(PROGRAM, processor=0 if full_size() else None, **options)

    def attack(self, server):
        return Attack(server, scaled(0.1, 5))

    def judge(self, what, number, attack, memory, reopens=False, slow=False):
        """`memory` bounds what the server uses for the attack. One that is `slow` costs honest clients hardly
        anything; beside one that makes work they wait for their turn."""
        attack.stop()
        before, during = attack.before, attack.during
        self.rows.append("| %s | %s | %s | %s | %.0f %% | %.1f / %.1f | %.1f / %.1f / %.0f |" % (
            what, "{:,}".format(number), size(attack.growth), size(attack.growth / number),
            100 * attack.cpu / attack.lasted, before["p50"], before["p99"], during["p50"], during["p99"],
            during["max"]))
        self.assertEqual(during["errors"], [])
        if not reopens:
            self.assertEqual(during["reopened"], 0)
        self.assertGreater(during["requests"], 0)
        # A busy machine makes anybody wait, but not as long as a server that waits for its attackers.
        self.assertLess(during["p99"],
                        SLOWNESS * max(2 * before["p99"], 20 if slow and full_size() else 4000))
        if SLOWNESS == 1:  # A sanitizer's memory is not the server's.
            self.assertLess(attack.growth, memory + SLACK)
        if slow and full_size():
            self.assertLess(attack.cpu / attack.lasted, attack.idle_cpu + 0.2)

    def test_slow_heads_and_bodies(self):
        """Octet by octet, slower than any client; all are told 408 when their time is over."""
        number = scaled(CLIENTS, CLIENTS)
        timeout, pause = scaled(1 * SLOWNESS, 15), scaled(0.2, 5)
        with self.server(header_timeout=timeout, body_timeout=timeout) as server:
            attack = self.attack(server)
            slow = server.open(number, HEAD + b"X: ")
            slow += server.open(number // 2, POST + b"Content-Length: 100000\r\n\r\n")
            slow += server.open(number // 2, CHUNKED + b"ffff\r\n")
            opened = time.monotonic()
            while time.monotonic() < opened + 0.6 * timeout:
                for client in slow:
                    self.assertTrue(push(client, b"x"))
                attack.sample()
                time.sleep(pause)
            self.judge("slow heads and bodies", len(slow), attack, len(slow) * 8 * KIB, slow=True)
            for client in slow:
                self.assertEqual(status_of(client), [b"408"])
            self.assertLess(time.monotonic() - opened, timeout + SLOWNESS * scaled(1, 3))

    def test_heads_that_stop_before_their_end(self):
        """Their memory is given back."""
        number = scaled(CLIENTS // 2, 2000)
        timeout = scaled(1 * SLOWNESS, 15)
        with self.server(header_timeout=timeout) as server:
            attack = self.attack(server)
            flood = server.open(number, HEAD + b"X: " + b"x" * 60000)
            deadline = time.monotonic() + PATIENCE
            while server.unread() > 0:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            self.judge("heads of 60 KB that stop", number, attack, number * 80 * KIB)
            for client in flood:
                self.assertEqual(status_of(client), [b"408"])
            server.close_all()
            deadline = time.monotonic() + PATIENCE
            while server.memory() > attack.start_memory + attack.growth // 10 + SLACK and SLOWNESS == 1:
                self.assertLess(time.monotonic(), deadline, "%s are kept" % size(server.memory()))
                time.sleep(0.05)

    def test_readers_that_do_not_read(self):
        """Answers out of memory and out of a file; who takes nothing is reset."""
        number = scaled(CLIENTS // 5, 500)
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "static"))
            with open(os.path.join(folder, "static", "large"), "wb") as file:
                file.truncate(64 * MIB)
            for path, what, requests, memory in (("/large", "1 MB from memory", 2, 2 * 512 * KIB + 64 * KIB),
                                                 ("/static/large", "64 MB from a file", 1, 8 * KIB)):
                with self.server(static=folder, write_timeout=scaled(1, 5)) as server:
                    attack = self.attack(server)
                    ask = ("GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path).encode()
                    server.open(number, ask * requests, receive_buffer=4096)
                    while server.descriptors() > attack.start_descriptors + 20:
                        self.assertLess(attack.seconds(), PATIENCE + 10)
                        attack.sample()
                        time.sleep(0.01)
                    self.judge("readers that do not read, " + what, number, attack, number * memory)

    def test_pipelining_without_reading(self):
        """What a connection may hold is bounded, whatever it sends."""
        number = scaled(CLIENTS // 5, 100)
        with self.server() as server:
            attack = self.attack(server)
            greedy = server.open(number, b"", receive_buffer=4096)
            requests = (HEAD + b"\r\n") * 200
            for _ in range(scaled(20, 50)):
                for client in greedy:
                    self.assertTrue(push(client, requests))
                attack.sample()
            self.judge("pipelining without reading", number, attack, number * 512 * KIB)

    def test_endless_pipelining(self):
        """Who reads, too, and never stops: others have their turn."""
        number = scaled(10, 50)
        with self.server() as server:
            attack = self.attack(server)
            greedy = server.open(number, b"")
            requests = (HEAD + b"\r\n") * 200
            end = time.monotonic() + scaled(0.3, 10)
            while time.monotonic() < end:
                for client in greedy:
                    self.assertTrue(push(client, requests))
                    pull(client)
                attack.sample()
            self.judge("pipelining without end", number, attack, number * 512 * KIB)

    def test_chunks_of_one_octet(self):
        """1 MiB of them costs less than two seconds of processor time."""
        number = scaled(1, 10)
        chunks = scaled(100000, MIB)
        with self.server(max_body_size=2 * MIB) as server:
            attack = self.attack(server)
            clients = server.open(number, b"")
            body = CHUNKED.replace(b"chunked", b"chunked\r\nConnection: close") + b"1\r\nx\r\n" * chunks
            for client in clients:
                client.sendall(body + b"0\r\n\r\n")
                self.assertEqual(status_of(client), [b"200"])
            self.judge("%s chunks of one octet" % "{:,}".format(chunks), number, attack, number * 2 * MIB)
            self.assertLess(attack.cpu, SLOWNESS * 2 * number * chunks / MIB + 0.5)

    def test_floods_of_fields_extensions_and_trailers(self):
        """Each ends at its limit, and the client can read why."""
        rounds = scaled(1, 100)
        with self.server() as server:
            attack = self.attack(server)
            for flood, piece, status in [(HEAD, b"A: b\r\n", b"431"),
                                         (HEAD + b"A: ", b"xxxxxxxx", b"431"),
                                         (CHUNKED, b"1;aaaaaaaaaaaaaaaaaaaa\r\nx\r\n", b"400"),
                                         (CHUNKED, b"0" * 60 + b"1\r\nx\r\n", b"400"),
                                         (CHUNKED + b"0\r\n", b"A: b\r\n", b"431")] * rounds:
                client = server.connect()
                client.sendall(flood + piece * (600 * KIB // len(piece)))
                self.assertEqual(status_of(client), [status])
                client.close()
                attack.sample()
            self.judge("floods of fields, extensions, trailers", 5 * rounds, attack, 0)

    def test_bodies_announced_too_large(self):
        """413 before anything is read of them, and nothing is set aside."""
        number = scaled(CLIENTS, 10000)
        with self.server() as server:
            attack = self.attack(server)
            for begun in range(0, number, 100):
                clients = server.open(min(100, number - begun), POST + b"Content-Length: 10737418240\r\n\r\n")
                for client in clients:
                    self.assertEqual(status_of(client), [b"413"])
                attack.sample()
                server.close_all()
            self.judge("bodies of 10 GiB announced", number, attack, 0)

    def test_gzip_bombs(self):
        """1 MiB that would be 1 GiB: refused at the limit of a body's size, or unpacked as the handler takes it."""
        zeros = zlib.compressobj(9, zlib.DEFLATED, 31)
        bomb = b"".join([zeros.compress(bytes(MIB)) for _ in range(scaled(64, 1024))] + [zeros.flush()])
        number = scaled(4, 100)
        gzip = b"Content-Encoding: gzip\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(bomb)
        with self.server(decompress_request=True) as server:
            attack = self.attack(server)
            clients = server.open(number, POST + gzip)
            for client in clients:
                push(client, bomb)
            for client in clients:
                self.assertEqual(status_of(client), [b"413"])
                attack.sample()
            self.judge("gzip bombs", number, attack, number * 2 * MIB)
        with self.server(decompress_request=True, max_body_size=1 << 40) as server:
            attack = self.attack(server)
            client = server.connect()
            client.sendall(b"PUT /streaming HTTP/1.1\r\nHost: a\r\n" + gzip)
            client.sendall(bomb)
            answer = read_all(client)
            self.assertTrue(answer.endswith(b"%d" % (scaled(64, 1024) * MIB)), answer)
            self.judge("a gzip bomb that the handler wants", 1, attack, MIB)

    def test_forms_of_many_parts(self):
        """Refused after as many as are allowed."""
        part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
        forms = [(b"multipart/form-data; boundary=b", part * (MIB // len(part) - 1) + b"--b--\r\n"),
                 (b"multipart/form-data; boundary=b", b"--b\r\n" * (MIB // 5 - 1)),
                 (b"multipart/form-data; boundary=b", b"--b\r\n" + b"a: b\r\n" * (MIB // 6 - 2)),
                 (b"application/x-www-form-urlencoded", b"a=b&" * (MIB // 4))]
        rounds = scaled(1, 100)
        with self.server() as server:
            attack = self.attack(server)
            for kind, body in forms * rounds:
                client = server.connect()
                client.sendall(POST.replace(b"/hello", b"/multipart") + b"Connection: close\r\nContent-Type: " +
                               kind + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                self.assertEqual(status_of(client), [b"400"])
                client.close()
                attack.sample()
            self.judge("forms of 20,000 to 260,000 parts", len(forms) * rounds, attack, 8 * MIB)
            self.assertLess(attack.cpu / (len(forms) * rounds), SLOWNESS * 0.1)

    def test_resets(self):
        """Nothing is left of who connects, asks and resets."""
        number = scaled(CLIENTS, 20000)
        with self.server() as server:
            attack = self.attack(server)
            for _ in range(number):
                client = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(HEAD + b"\r\n")
                client.close()
            attack.sample()
            self.judge("resets", number, attack, 0)
            deadline = time.monotonic() + PATIENCE
            while server.descriptors() > attack.start_descriptors + 10:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)

    def flood(self, what, descriptors, data, **options):
        """Twice as many connections as there are descriptors, opened anew whenever they are closed."""
        with self.server(descriptors=descriptors, **options) as server:
            attack = self.attack(server)
            clients = []
            end = time.monotonic() + scaled(0.5 if not data else 1.5, 10)
            while time.monotonic() < end:
                clients = [client for client in clients if not (has_ended(client) and not client.close())]
                for _ in range(min(2 * descriptors - len(clients), 50)):
                    clients += server.open(1, data)
                server.sockets = list(clients)
                attack.sample()
                time.sleep(0.02)
            self.judge(what, 2 * descriptors, attack, 2 * descriptors * 8 * KIB, reopens=True, slow=True)
            self.assertLess(server.descriptors(), descriptors)
            server.close_all()
            begin = time.monotonic()
            client = server.connect()
            client.sendall(HEAD + b"Connection: close\r\n\r\n")
            self.assertTrue(read_all(client).endswith(b"Hello world"))
            self.assertLess(time.monotonic() - begin, 0.2 * SLOWNESS)

    def test_silent_connections_at_the_limit_of_descriptors(self):
        self.flood("silent, at the limit of descriptors", 256 if not full_size() else 4096, b"")

    def test_slow_heads_at_the_limit_of_descriptors(self):
        self.flood("slow heads, at the limit of descriptors", 256 if not full_size() else 4096, HEAD + b"X: ")

    def test_more_connections_than_descriptors(self):
        """With a cap above them: accepting pauses, nothing spins, and who is connected is served."""
        descriptors = scaled(64 * SLOWNESS, 1024)
        with self.server(descriptors=descriptors, max_connections=100000) as server:
            # The kept connections of the honest clients are there first.
            requests = 0
            while requests < 80:
                honest = server.normal_since()
                self.assertEqual(honest["errors"], [])
                requests += honest["requests"]
                time.sleep(0.01)
            flood = []
            for _ in range(descriptors + min(2 * descriptors, 800)):  # The backlog has room for 1024.
                flood.append(socket.socket())
                flood[-1].setblocking(False)
                flood[-1].connect_ex(("127.0.0.1", server.port))
            deadline = time.monotonic() + PATIENCE
            while server.descriptors() < descriptors - 8:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            cpu, begin = server.cpu(), time.monotonic()
            time.sleep(scaled(0.5, 5))
            self.assertLess((server.cpu() - cpu) / (time.monotonic() - begin), 0.25)
            for client in flood:
                client.close()
            begin = time.monotonic()
            client = server.connect()
            client.sendall(HEAD + b"Connection: close\r\n\r\n")
            self.assertTrue(read_all(client).endswith(b"Hello world"))
            self.assertLess(time.monotonic() - begin, 0.5 * SLOWNESS)


def size(octets):
    return "%.1f MB" % (octets / MIB) if octets >= MIB else "%.1f kB" % (octets / KIB)


def main():
    global PROGRAM, CLIENTS
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    if len(sys.argv) > 1 and sys.argv[1].isdigit():
        CLIENTS = int(sys.argv.pop(1))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if full_size():
        bind_to(1)
    result = unittest.main(exit=False).result
    print("\n| adversary | number | memory | each | CPU | p50, p99 before (ms) | during, with the slowest |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(Adversaries.rows))
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
