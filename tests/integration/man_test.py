#!/usr/bin/env python3
"""squallctl(1) has every command and flag of squallctl and no other; the pages are well-formed."""

import re
import shutil
import subprocess
import unittest

import harness

PAGES = ("docs/man/squallctl.1", "docs/man/squall.7")


def squallctl_page():
    with open(PAGES[0]) as file:
        return file.read()


def help_text(*command):
    return subprocess.run([harness.program("SQUALL_ADMIN"), "help", *command], capture_output=True,
                          text=True, check=True).stdout


def commands():
    return re.findall(r"^  squallctl (\S+)", help_text(), re.M)


def flags_told(text):
    return set(re.findall(r"^  (--[\w-]+)", text, re.M))


def documented():
    """command -> the flags that stand below it; "" -> those of almost every command."""
    result, command = {}, None
    for line in squallctl_page().splitlines():
        if match := re.match(r"\.It Cm ([\w-]+)", line):
            command = match[1]
            result[command] = set()
        elif line.startswith(".Ss Flags of almost every command"):
            command = ""
            result[command] = set()
        elif line.startswith(".Sh"):
            command = None
        elif command is not None and (match := re.match(r"\.It Fl (-[\w-]+)", line)):
            result[command].add("-" + match[1])
    return result


class ManTest(unittest.TestCase):
    def test_every_command_and_flag_is_in_the_page(self):
        in_page = documented()
        common = flags_told(help_text())
        self.assertTrue(common)
        self.assertEqual(in_page.pop(""), common)
        self.assertEqual(sorted(in_page), sorted(commands()))
        for command, flags in in_page.items():
            self.assertEqual(flags, flags_told(help_text(command)) - common, command)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed (Debian package mandoc)")
    def test_mandoc_has_no_warning(self):
        for path in PAGES:
            result = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path],
                                    capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed (Debian package groff-base)")
    def test_groff_has_no_warning(self):
        for path in PAGES:
            result = subprocess.run(["groff", "-mandoc", "-Tutf8", "-ww", "-z", path],
                                    capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, result.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
