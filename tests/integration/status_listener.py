"""The status listener of a server under test, asked with curl."""

import re
import subprocess

import exposition
import harness


class Answer:
    """Status, fields (names in lower case) and text of one answer."""

    def __init__(self, output):
        head, self.text = output.split("\r\n\r\n", 1)
        lines = head.split("\r\n")
        self.status = int(lines[0].split()[1])
        self.fields = {name.lower(): value.strip() for name, value in
                       (line.split(":", 1) for line in lines[1:])}


class StatusListener:
    def __init__(self, server):
        match = re.search(r"^  status (\S+)$", server.announcement, re.M)
        if not match:
            raise AssertionError("no status listener is announced:\n" + server.announcement)
        self.address = match[1]
        self.unix_path = None
        self.url = self.address
        if self.address.startswith("unix:"):
            self.unix_path = self.address[len("unix:"):]
            self.url = "http://localhost/"

    def curl(self, path, *flags, timeout=harness.PATIENCE):
        """curl's result, whatever it is."""
        command = ["curl", "--silent", "--show-error", "--include", "--noproxy", "*",
                   "--max-time", str(timeout)]
        if self.unix_path:
            command += ["--unix-socket", self.unix_path]
        # Not as text, which would lose what the lines of a head end with.
        return subprocess.run(command + [*flags, self.url + path.lstrip("/")], capture_output=True,
                              check=False, stdin=subprocess.DEVNULL)

    def get(self, path, *flags, timeout=harness.PATIENCE):
        result = self.curl(path, *flags, timeout=timeout)
        if result.returncode != 0:
            raise AssertionError("curl %s: %s" % (path, result.stderr.decode()))
        return Answer(result.stdout.decode())

    def metrics(self):
        """What /metrics says, as exposition.parse() reads it."""
        answer = self.get("/metrics")
        if answer.status != 200:
            raise AssertionError("/metrics: %d %s" % (answer.status, answer.text))
        return exposition.parse(answer.text)
