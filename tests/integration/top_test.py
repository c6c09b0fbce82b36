#!/usr/bin/env python3
"""squallctl top and status --watch at a terminal: what they show, their keys, and how they leave it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unittest

import harness

ENTERED = "\x1b[?1049h"
LEFT = "\x1b[?25h\x1b[?1049l"


class Terminal:
    """squallctl at a pseudo terminal of its own."""

    def __init__(self, server, *arguments):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(harness.program("SQUALL_ADMIN"),
                      ["squallctl", "--address=" + server.admin.address, *arguments],
                      {"TERM": "xterm", "NO_COLOR": "1"})
        self.before = termios.tcgetattr(self.fd)
        self.size(24, 200)
        self.text = ""
        self.status = None

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def read(self, timeout):
        """False when nothing came, or the program's end closed the terminal."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            got = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += got.decode(errors="replace")
        return bool(got)

    def wait_for(self, pattern):
        """Waits for text that was not there at the last call."""
        start, deadline = len(self.text), time.monotonic() + harness.PATIENCE
        while not re.search(pattern, self.text[start:]):
            if time.monotonic() > deadline or not self.read(1) and self.ended():
                raise AssertionError("no %r in %r" % (pattern, self.text[-2000:]))

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait(self):
        harness.wait_until(lambda: not self.read(0.01) and self.ended(), "squallctl ends")
        return self.status

    def modes(self):
        return termios.tcgetattr(self.fd)

    def close(self):
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


class TopTest(unittest.TestCase):
    def top(self, server, *flags):
        terminal = Terminal(server, "top", "--interval=100ms", *flags)
        self.addCleanup(terminal.close)
        terminal.wait_for("SERVING")
        return terminal

    def left_as_it_was(self, terminal, status):
        self.assertEqual(terminal.wait(), status)
        self.assertEqual(terminal.text.count(ENTERED), 1)
        self.assertEqual(terminal.text.count(LEFT), 1)
        self.assertEqual(terminal.modes(), terminal.before)
        # Nothing is drawn behind it.
        self.assertNotIn("\x1b[H", terminal.text[terminal.text.index(LEFT):])

    def test_it_shows_and_sorts_workers(self):
        with harness.Server(workers=3) as server:
            terminal = self.top(server)
            self.assertFalse(terminal.modes()[3] & (termios.ICANON | termios.ECHO))
            terminal.wait_for(r"by requests/s")
            # Processor time and memory of a worker: this is its machine.
            terminal.wait_for(r"READY .*\d+% +[\d.]+ MB")
            for order in ("CPU", "memory", "connections", "slot", "requests/s"):
                os.write(terminal.fd, b"s")
                terminal.wait_for("by " + order)
            with harness.Load(server, connections=4) as load:
                load.wait_for_enough()
                terminal.wait_for(r"READY +[\d.hms]+ +\d+ +[\d,]+ +\d{2,}")
            # It is drawn over, not scrolled: a picture begins at the top, and none clears the screen.
            pictures = terminal.text.split("\x1b[H")
            self.assertGreater(len(pictures), 5)
            self.assertEqual(terminal.text.count("\x1b[2J"), 1)
            os.write(terminal.fd, b"q")
            self.left_as_it_was(terminal, 0)

    def test_a_small_terminal_is_not_scrolled(self):
        with harness.Server(workers=12) as server:
            terminal = self.top(server)
            terminal.size(8, 40)
            terminal.wait_for(r"\.\.\. \d+ more lines")
            picture = terminal.text[terminal.text.rindex("\x1b[H"):]
            terminal.wait_for(r"\.\.\. \d+ more lines")
            picture = terminal.text.split("\x1b[H")[-2]
            self.assertLessEqual(picture.count("\n"), 7)

    def test_signals_leave_the_terminal_as_it_was(self):
        with harness.Server() as server:
            for end in (lambda terminal: os.write(terminal.fd, b"\x03"),
                        lambda terminal: os.kill(terminal.pid, signal.SIGTERM)):
                terminal = self.top(server)
                end(terminal)
                self.left_as_it_was(terminal, 0)

    def test_a_lost_server_leaves_the_terminal_as_it_was_and_is_told(self):
        with harness.Server() as server:
            terminal = self.top(server)
            os.kill(server.pid, signal.SIGTERM)
            server.wait()
            self.left_as_it_was(terminal, 3)
            self.assertIn("no squall server answers at", terminal.text.split(LEFT)[1])

    def test_a_control_process_that_dies_is_waited_for(self):
        with harness.Server() as server:
            terminal = self.top(server)
            os.kill(server.admin.json("version")["server"]["controlPid"], signal.SIGKILL)
            server.admin.run("resize", "3", "--wait")
            terminal.wait_for(r"SERVING +3 +3")
            os.write(terminal.fd, b"q")
            self.left_as_it_was(terminal, 0)

    def test_without_a_terminal_it_says_what_to_take(self):
        with harness.Server() as server:
            result = server.admin.run("top")
            self.assertEqual(result.returncode, 2)
            self.assertIn("top needs a terminal; squallctl status --watch does not", result.stderr)

    def test_status_watch_keeps_what_was_there_and_shows_the_cursor_again(self):
        with harness.Server() as server:
            terminal = Terminal(server, "status", "--watch", "--interval=100ms")
            self.addCleanup(terminal.close)
            terminal.wait_for("SERVING")
            terminal.wait_for("SERVING")
            os.write(terminal.fd, b"\x03")
            self.assertEqual(terminal.wait(), 0)
            self.assertNotIn(ENTERED, terminal.text)
            self.assertTrue(terminal.text.rstrip("^C").endswith("\x1b[?25h"), terminal.text[-20:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
