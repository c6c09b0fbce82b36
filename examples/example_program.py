"""An example as a real process: what the tests of examples/ share. Every wait has a deadline."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 60.0  # for what has to happen on a busy machine with sanitizers


class Program:
    """A program that says "listening on HOST:PORT" on its standard output."""

    def __init__(self, variable, *flags):
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen([os.path.abspath(os.environ[variable]), *flags],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        # A program that says nothing must not hold the test for ever.
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        match = re.search(r"listening on (\S+):(\d+)", self.process.stdout.readline())
        watchdog.cancel()
        assert match, "it does not say where it listens; status %s" % self.process.poll()
        self.port = int(match[2])

    def connect(self):
        return Client(self.port)

    def wait_for_log(self, text, count=1):
        """Until `text` stands `count` times in what it has written to its standard error."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.log.seek(0)
            log = self.log.read()
            if log.count(text) >= count:
                return
            assert time.monotonic() < deadline, "no %r in the log:\n%s" % (text, log)
            time.sleep(0.01)

    def workers(self):
        """Pids of the children."""
        path = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        with open(path) as children:
            return [int(pid) for pid in children.read().split()]

    def end(self, signo=signal.SIGTERM):
        """Ends it and returns its exit status."""
        self.process.send_signal(signo)
        return self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdout.close()
        self.process.wait()
        self.log.seek(0)
        sys.stderr.write(self.log.read())
        self.log.close()


class Client:
    """One connection to 127.0.0.1."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.file = self.sock.makefile("rb")

    def send(self, text):
        self.sock.sendall(text.encode())

    def line(self):
        """The next line without its end; "" at the end of the connection."""
        return self.file.readline().decode().rstrip("\r\n")

    def ask(self, text):
        self.send(text)
        return self.line()

    def at_end(self):
        """Waits for the end of the connection; false when octets come instead."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.sock.close()
