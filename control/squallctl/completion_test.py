#!/usr/bin/env python3
"""The real shells complete squallctl's commands, flags and values, as an operator presses Tab.

In a terminal of its own each shell gets the script and a function in place of squallctl that prints
its arguments; then words are typed, with a Tab at their end. What should be completed is what
`squallctl help` tells of.
"""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

PATIENCE = 60.0
SQUALLCTL = os.path.abspath(os.environ["SQUALLCTL"])


def squallctl(*arguments):
    return subprocess.run([SQUALLCTL, *arguments], capture_output=True, text=True, check=True).stdout


def commands():
    return re.findall(r"^  squallctl (\S+)", squallctl("help"), re.M)


def flags(command):
    """The flags of a command -> whether it has a value."""
    return {name: bool(value) for name, value in
            re.findall(r"^  (--[\w-]+)(?: ([A-Z]+))?(?:  |$)", squallctl("help", command), re.M)}


class Terminal:
    """A shell at a pseudo terminal; complete() types words with a Tab behind them."""

    def __init__(self, command, setup):
        self.home = tempfile.mkdtemp()
        environment = {"PATH": os.environ["PATH"], "HOME": self.home, "TERM": "dumb", "LC_ALL": "C"}
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment)
        self.output = ""
        self.count = 0
        # Wide, so that no line is broken.
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("4H", 50, 500, 0, 0))
        for line in setup:
            self.write(line + "\n")
        self.write("echo SET''UP\n")
        self.read_until("SETUP")

    def write(self, text):
        os.write(self.terminal, text.encode())

    def read_until(self, wanted):
        """What was written up to the line that has `wanted`."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(wanted + r".*\n", self.output):
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.terminal], [], [], left)[0]:
                raise AssertionError("no %s in what the shell wrote:\n%s" % (wanted, self.output))
            self.output += os.read(self.terminal, 65536).decode(errors="replace").replace("\r", "")
        read, self.output = self.output, ""
        return read

    def complete(self, words):
        """The line that stands there after a Tab, without blanks at its end."""
        self.count += 1
        # Ctrl-U first: nothing is left over from the last line.
        self.write("\x15squallctl %s\t\n" % words)
        self.write("echo THE''END%d\n" % self.count)
        ran = re.findall(r"^RAN (.*)$", self.read_until("THEEND%d" % self.count), re.M)
        return ran[-1].rstrip() if ran else None

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)
        shutil.rmtree(self.home, ignore_errors=True)


PRINT_ARGUMENTS = 'squallctl() { echo "RAN $*"; }'


class Completion:
    """What every shell has to do. complete() is the shell's."""

    def check(self, typed, completed):
        with self.subTest(typed):
            self.assertEqual(self.complete(typed), completed)

    def test_commands(self):
        everything = commands()
        self.assertIn("reset-breaker", everything)
        for command in everything:
            start = command[:-1]
            if sum(other.startswith(start) for other in everything) == 1:
                self.check(start, command)
        self.check("help resta", "help restart")
        self.check("--output=json sta", "--output=json status")
        self.check("--output json sta", "--output json status")
        self.check("completion fi", "completion fish")

    def test_flags(self):
        everything = set().union(*(flags(command) for command in commands()))
        self.assertIn("--max-surge", everything)
        for command in commands():
            own = flags(command)
            for flag in everything:
                start = "%s %s" % (command, flag[:-1])
                if flag not in own:
                    # As it was typed.
                    if not any(other.startswith(flag[:-1]) for other in own):
                        self.check(start, start)
                    continue
                if any(other.startswith(flag[:-1]) for other in own if other != flag):
                    start = "%s %s" % (command, flag)  # --tls-c may become two
                if own[flag]:
                    self.check_value_flag(command, flag, start)
                else:
                    self.check(start, "%s %s" % (command, flag))
        self.check("--addr", "--address" + self.sign)

    def check_value_flag(self, command, flag, start):
        self.check(start, "%s %s%s" % (command, flag, self.sign))

    def test_values(self):
        for value in ("table", "json", "yaml"):
            self.check("status --output=" + value[:2], "status --output=" + value)
            self.check("status --output " + value[:2], "status --output " + value)
        self.check("--output=js", "--output=json")
        self.check("restart --on-failure=roll", "restart --on-failure=rollback")
        self.check("status --address unix:/x --output=ya", "status --address unix:/x --output=yaml")


class BashTest(Completion, unittest.TestCase):
    sign = "="

    def setUp(self):
        self.terminal = Terminal(["bash", "--norc", "--noprofile", "-i"],
                                 ["PS1='> '", "bind 'set bell-style none'",
                                  "bind 'set completion-query-items 0'",
                                  "source <('%s' completion bash)" % SQUALLCTL, PRINT_ARGUMENTS])
        self.addCleanup(self.terminal.close)

    def complete(self, typed):
        return self.terminal.complete(typed)


@unittest.skipUnless(shutil.which("zsh"), "zsh is not installed (Debian package zsh)")
class ZshTest(Completion, unittest.TestCase):
    sign = ""  # zsh writes the sign, and takes it away again when nothing is typed behind it.

    def setUp(self):
        self.terminal = Terminal(["zsh", "-f", "-i"],
                                 ["PS1='> '; unsetopt zle_bracketed_paste beep prompt_cr prompt_sp",
                                  "autoload -U compinit && compinit -D -u",
                                  "setopt no_auto_menu no_list_ambiguous; unsetopt auto_remove_slash",
                                  "source <('%s' completion zsh)" % SQUALLCTL, PRINT_ARGUMENTS])
        self.addCleanup(self.terminal.close)

    def complete(self, typed):
        return self.terminal.complete(typed)


@unittest.skipUnless(shutil.which("fish"), "fish is not installed (Debian package fish)")
class FishTest(Completion, unittest.TestCase):
    """fish tells its candidates without a terminal, too."""

    sign = ""

    def setUp(self):
        self.home = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.home, True)
        self.script = os.path.join(self.home, "squallctl.fish")
        with open(self.script, "w") as script:
            script.write(squallctl("completion", "fish"))

    def complete(self, typed):
        result = subprocess.run(
            ["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", self.script,
             "squallctl " + typed],
            capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": self.home, "LC_ALL": "C.UTF-8"})
        candidates = [line.split("\t")[0] for line in result.stdout.splitlines()]
        before, blank, _ = typed.rpartition(" ")
        return before + blank + candidates[0] if len(candidates) == 1 else typed


if __name__ == "__main__":
    unittest.main(verbosity=2)
