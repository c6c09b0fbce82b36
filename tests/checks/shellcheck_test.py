#!/usr/bin/env python3
"""shellcheck finds nothing in any shell script; a script is known by its first line."""

import re
import subprocess

import source_tree


def is_shell(path):
    first = source_tree.read(path)[:80].split("\n")[0]
    return bool(re.match(r"#!.*\b(ba|da)?sh\b", first)) or path.endswith(".sh")


scripts = [f for f in source_tree.files() if is_shell(f)]
result = subprocess.run(["shellcheck", "--format=gcc"] + scripts, cwd=source_tree.root(),
                        capture_output=True, text=True, check=False)
problems = (result.stdout + result.stderr).splitlines()
if result.returncode and not problems:
    problems = ["shellcheck ended with %d" % result.returncode]
source_tree.finish(problems, len(scripts))
