#!/usr/bin/env python3
"""What honest clients see of a server, in a process of its own, so that who floods the server beside it
is not in its way.

    normal_client.py PORT

Asks for /hello 500 times in a second: on kept connections, and each tenth time on a new one. For each
line on stdin it prints one JSON object about the time since the last one: requests, errors, how often a
kept connection had been closed meanwhile (reopened), and milliseconds until an answer (p50, p99, max).
A server that stands still gets fewer requests, and its time shows in max. It ends with its stdin.
"""

import json
import select
import socket
import sys
import time

RATE = 500
KEPT = 8
PATIENCE = 20
REQUEST = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"


class Client:
    def __init__(self, port):
        self.port = port
        self.kept = [None] * KEPT
        self.forget()

    def forget(self):
        self.times, self.errors, self.reopened = [], [], 0

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def exchange(self, connection):
        """The answer, or what came of it."""
        answer = b""
        try:
            connection.sendall(REQUEST)
            while not answer.endswith(b"Hello world"):
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
        except ConnectionError:
            pass
        return answer

    def ask(self, number):
        begin = time.monotonic()
        slot = number // 10 % KEPT
        fresh = number % 10 == 0
        try:
            connection = None if fresh else self.kept[slot]
            if connection is not None:
                answer = self.exchange(connection)
                if not answer:
                    # It has been closed between two requests, as any server may.
                    self.reopened += 1
                    connection.close()
                    connection = self.kept[slot] = None
            if connection is None:
                connection = self.connect()
                answer = self.exchange(connection)
        except OSError as error:
            self.errors.append(str(error))
            return
        if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"Hello world"):
            self.errors.append(repr(answer[:200]))
        self.times.append(time.monotonic() - begin)
        if fresh or b"\r\nConnection: close\r\n" in answer:
            connection.close()
            if not fresh:
                self.kept[slot] = None
        else:
            self.kept[slot] = connection

    def report(self):
        times = sorted(self.times) or [0]
        print(json.dumps({
            "requests": len(self.times), "errors": self.errors[:5], "reopened": self.reopened,
            "p50": times[len(times) // 2] * 1000, "p99": times[len(times) * 99 // 100] * 1000,
            "max": times[-1] * 1000}), flush=True)
        self.forget()


def main():
    client = Client(int(sys.argv[1]))
    number, due = 0, time.monotonic()
    while True:
        due = max(due + 1 / RATE, time.monotonic())
        if select.select([sys.stdin], [], [], max(due - time.monotonic(), 0))[0]:
            if not sys.stdin.readline():
                return
            client.report()
            due = time.monotonic()
        client.ask(number)
        number += 1


if __name__ == "__main__":
    main()
