"""A server under attack, and what is seen of it: memory, processor time, descriptors, and the answers of
honest clients. For adversaries_test.py."""

import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

SLOWNESS = 8 if os.environ.get("SQUALL_SLOW") else 1
PATIENCE = 20 * SLOWNESS
KIB = 1024
SANITIZER_REPORT = re.compile(r"[a-z]Sanitizer|: runtime error: ")


def bind_to(processor):
    """For preexec_fn: at full size the server has a processor of its own, where there are two."""
    if processor is not None and len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[processor]})


class Server:
    """The fixture server with honest clients beside it, for the time of a `with`."""

    def __init__(self, program, descriptors=None, static=None, processor=None, **options):
        def limit():
            bind_to(processor)
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [program, "--port=0", "--static_root=" + (static or "/"), "--options=" + json.dumps(options)],
            text=True, stdout=subprocess.PIPE, stderr=self.log, preexec_fn=limit)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])
        self.normal = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(os.path.realpath(__file__)), "normal_client.py"),
             str(self.port)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.sockets = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close_all()
        self.normal.stdin.close()
        self.normal.stdout.close()
        self.normal.wait(PATIENCE)
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        status = self.process.wait(PATIENCE)
        self.log.seek(0)
        log = self.log.read()
        self.log.close()
        if status != 0 or SANITIZER_REPORT.search(log):
            raise AssertionError("the server ended with %d\n%s" % (status, log[-4000:]))

    def connect(self, receive_buffer=None):
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", self.port))
        self.sockets.append(client)
        return client

    def open(self, number, data, receive_buffer=None):
        """At most 5,000 a second: what overflows the backlog waits a second for its next SYN, and honest
        clients with it, whatever the server does."""
        clients = []
        for i in range(number):
            if i % 50 == 49:
                time.sleep(0.01)
            clients.append(self.connect(receive_buffer))
            if data:
                clients[-1].sendall(data)
        return clients

    def close_all(self):
        for client in self.sockets:
            client.close()
        self.sockets = []

    def normal_since(self):
        """What honest clients have seen since the last call."""
        self.normal.stdin.write("\n")
        self.normal.stdin.flush()
        return json.loads(self.normal.stdout.readline())

    def memory(self):
        """Resident octets of the server's own: without what is mapped from files."""
        with open("/proc/%d/status" % self.process.pid) as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * KIB
        raise AssertionError("no RssAnon")

    def cpu(self):
        with open("/proc/%d/stat" % self.process.pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def unread(self):
        """Octets that its connections' kernel holds for it."""
        with open("/proc/%d/net/tcp" % self.process.pid) as table:
            rows = [line.split() for line in table][1:]
        return sum(int(row[4].split(":")[1], 16) for row in rows
                   if row[1].endswith(":%04X" % self.port) and row[3] == "01")

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))


class Attack:
    """Measures from its beginning on; `sample()` now and then for the memory's peak."""

    def __init__(self, server, quiet):
        server.normal_since()
        idle_cpu, begin = server.cpu(), time.monotonic()
        time.sleep(quiet)
        self.idle_cpu = (server.cpu() - idle_cpu) / (time.monotonic() - begin)
        self.before = server.normal_since()
        self.server = server
        self.start_memory = self.peak = server.memory()
        self.start_descriptors = server.descriptors()
        self.start_cpu, self.begin = server.cpu(), time.monotonic()

    def sample(self):
        self.peak = max(self.peak, self.server.memory())

    def seconds(self):
        return time.monotonic() - self.begin

    def stop(self):
        """The attack is over. What honest clients saw of it, and what it cost."""
        self.sample()
        self.lasted = self.seconds()
        self.cpu = self.server.cpu() - self.start_cpu
        self.during = self.server.normal_since()
        self.growth = self.peak - self.start_memory
        return self


def is_ready(client, event):
    poll = select.poll()
    poll.register(client, event)
    return bool(poll.poll(0))


def push(client, data):
    """Sends what the socket takes now; False when the server has closed it."""
    try:
        if is_ready(client, select.POLLOUT):
            client.send(data)
    except OSError:
        return False
    return True


def pull(client):
    """Reads what there is now."""
    if is_ready(client, select.POLLIN):
        client.recv(1 << 20)


def has_ended(client):
    """Whether the server has ended the connection, or has answered."""
    return is_ready(client, select.POLLIN)


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


def status_of(client):
    return read_all(client).split(b"\r\n", 1)[0].split(b" ")[1:2]
