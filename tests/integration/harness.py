"""Real servers, real clients: what the integration tests share.

A test starts `//:server` on free ports with a control socket of its own, drives it with curl, wrk
and squallctl, does harm to its processes, and sees what its clients saw. Programs come from the
environment (SQUALL_SERVER, SQUALL_ADMIN, ...), set by the BUILD file. Every wait has a deadline.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

PATIENCE = 60.0  # for what has to happen on a busy machine with sanitizers

# Promised times are stretched by this where programs run many times slower than they are built to.
SLOWNESS = 5 if os.environ.get("SQUALL_SLOW") else 1

SANITIZER_REPORT = re.compile(r"^.*(?:[a-z]Sanitizer|: runtime error: ).*$", re.M)


def program(name):
    """The path of a program that the BUILD file named."""
    return os.path.abspath(os.environ[name])


def check_sanitizers(text):
    """Fails when a program has written the report of a sanitizer into `text`."""
    report = SANITIZER_REPORT.search(text)
    if report:
        raise AssertionError("a sanitizer reports: %s\n%s" % (report[0].strip(), text))


def wait_until(condition, what, timeout=PATIENCE):
    """Polls `condition` until it is true and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("waited %.0f s in vain: %s" % (timeout, what))
        time.sleep(0.005)


def is_alive(pid):
    """Does the process exist, and is it no zombie?"""
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid):
    """Pids of the live children of `pid` and of theirs."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/stat" % entry) as stat:
                    fields = stat.read().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[0] not in "ZX":
                parents.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def cpu_seconds(pid):
    """Processor time that the process has used so far."""
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def threads(pid):
    """The number of threads of a process."""
    return len(os.listdir("/proc/%d/task" % pid))


class Admin:
    """squallctl, pointed at one address."""

    def __init__(self, address):
        self.address = address

    def run(self, *arguments, timeout=PATIENCE):
        result = subprocess.run([program("SQUALL_ADMIN"), "--address=" + self.address, *arguments],
                                capture_output=True, text=True, timeout=timeout, check=False,
                                stdin=subprocess.DEVNULL)
        check_sanitizers(result.stderr)
        return result

    def json(self, *arguments, timeout=PATIENCE):
        result = self.run(*arguments, "--output=json", timeout=timeout)
        if result.returncode != 0:
            raise AssertionError("squallctl %s: exit %d, %s" %
                                 (" ".join(arguments), result.returncode, result.stderr))
        return json.loads(result.stdout)

    def pool(self):
        """The pool, as `squallctl status --output=json` tells; 64-bit numbers are strings there."""
        return self.json("status")["pool"]

    def requests(self):
        """Requests served since the server started."""
        return int(self.pool()["totals"]["requests"])

    def workers(self):
        """slot -> worker, as `squallctl workers --output=json` tells."""
        return {worker["slot"]: worker for worker in self.json("workers")["workers"]}

    def is_at(self, target):
        """Is a worker at a request with this target?"""
        return any(worker.get("currentRequest", {}).get("target") == target
                   for worker in self.workers().values())


class Server:
    """A running server; a context manager that leaves no process behind.

    On leaving, a sanitizer's report by any of its processes is a failure of the test. `stderr`, a
    descriptor that stays the caller's, takes the place of the log that is checked for it.
    `launcher` is a command that becomes the server, given its command line and `pass_fds`. `owner` is
    the user that the server will become.
    """

    def __init__(self, *flags, binary="SQUALL_SERVER", workers=2, own_group=False,
                 stderr=None, launcher=(), pass_fds=(), owner=None):
        self.directory = tempfile.mkdtemp(prefix="squall")
        if owner is not None:
            os.chown(self.directory, owner, -1)
        self.control_path = os.path.join(self.directory, "control.sock")
        self.log = open(os.path.join(self.directory, "log"), "w+")
        command = [*launcher, program(binary), "--address=127.0.0.1", "--port=0", "--workers=%d" % workers,
                   "--control=unix:" + self.control_path, *flags]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.log if stderr is None else stderr,
                                        text=True, start_new_session=own_group,
                                        pass_fds=pass_fds)
        self.pid = self.process.pid
        self.admin = Admin("unix:" + self.control_path)
        self.announcement = ""
        # The reader outlives the announcement, so that the server never writes into a full pipe.
        self.announced = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if not self.announced.wait(PATIENCE):
            raise AssertionError("the server did not start:\n" + self.close())
        match = re.search(r"https?://\S+:(\d+)/", self.announcement)
        if not match:
            raise AssertionError("the server announced no URL:\n" + self.announcement +
                                 self.close())
        self.port = int(match[1])
        self.url = "http://127.0.0.1:%d/" % self.port
        self.first_workers = [int(pid) for pid in
                              re.search(r"workers ([\d ]+)", self.announcement)[1].split()]

    def _read(self):
        with self.process.stdout as output:
            for line in output:
                self.announcement += line
                if line.startswith("try"):
                    self.announced.set()
        self.announced.set()

    def log_text(self):
        self.log.flush()
        with open(self.log.name) as log:
            return log.read()

    def connection(self, timeout=PATIENCE):
        """A new connection that has asked for nothing yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.connect()
        return connection

    def get(self, path="/", timeout=PATIENCE, connection=None):
        """Status and text of one request on `connection`, or a new one; closes it."""
        connection = connection or self.connection(timeout)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def accepts(self):
        """Does anybody listen on the port?"""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def all_pids(self):
        return [self.pid] + descendants(self.pid)

    def wait(self, timeout=PATIENCE):
        return self.process.wait(timeout)

    def close(self):
        """Ends all processes; returns what they wrote into the log."""
        pids = descendants(self.pid)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.reader.join(1)  # Not for ever: a process of another session may hold the pipe.
        text = self.log_text()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        return text

    def __enter__(self):
        return self

    def __exit__(self, *error):
        text = self.close()
        if error[0] is not None:
            print(text)
        else:
            check_sanitizers(text)


class Load:
    """The project's own client (tests/load/load_client.cc) in the background.

    It goes on until finish(), which returns what it counted: `requests`, `failures` and those by
    kind (refused, reset, unanswered, short, timeout, malformed, status, body), latencies.
    """

    def __init__(self, server, *flags, connections=50, requests=1, reconnect=False):
        command = [program("SQUALL_LOAD_CLIENT"), "--address=127.0.0.1:%d" % server.port,
                   "--connections=%d" % connections, "--requests=%d" % requests,
                   "--reconnect=%s" % str(reconnect).lower(), "--until_term", *flags]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        text=True)
        self.enough = threading.Event()
        self.counted = None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.counted = json.loads(line)
            self.enough.set()
        self.enough.set()

    def has_enough(self):
        """Are as many requests made as were asked for?"""
        return self.enough.is_set()

    def wait_for_enough(self, timeout=PATIENCE):
        if not self.enough.wait(timeout):
            raise AssertionError("too few requests within %.0f s" % timeout)

    def finish(self, timeout=PATIENCE):
        self.wait_for_enough(timeout)
        self.process.terminate()
        self.process.wait(timeout)
        self.reader.join(timeout)
        if self.counted is None:
            raise AssertionError("the client has failed")
        return self.counted

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE)
        self.process.stdout.close()


class Wrk:
    """wrk in the background; result() has what it counted."""

    def __init__(self, url, seconds, connections=64, keep_alive=False):
        command = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--timeout", "10s"]
        if not keep_alive:
            command += ["-H", "Connection: close"]
        self.process = subprocess.Popen(command + [url], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def running(self):
        return self.process.poll() is None

    def stop(self):
        """Ends the load now; result() has what was counted until then."""
        if self.running():
            self.process.send_signal(signal.SIGINT)

    def result(self):
        output = self.process.communicate(timeout=PATIENCE)[0]
        counted = {"output": output, "requests": 0, "non_2xx": 0,
                   "connect": 0, "read": 0, "write": 0, "timeout": 0}
        if match := re.search(r"(\d+) requests in", output):
            counted["requests"] = int(match[1])
        if match := re.search(r"Non-2xx or 3xx responses: (\d+)", output):
            counted["non_2xx"] = int(match[1])
        if match := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)",
                              output):
            for index, kind in enumerate(("connect", "read", "write", "timeout")):
                counted[kind] = int(match[index + 1])
        counted["errors"] = sum(counted[kind]
                                for kind in ("non_2xx", "connect", "read", "write", "timeout"))
        return counted
