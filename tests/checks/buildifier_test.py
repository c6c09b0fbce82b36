#!/usr/bin/env python3
"""BUILD and .bzl files are as buildifier would write them, rules and macros documented.

Debian has no buildifier: without it the check is skipped, and says so. `tools/buildifier --install`
fetches it, as .ci/run does.
"""

import os
import subprocess
import sys

import source_tree

tool = [os.path.join(source_tree.root(), "tools/buildifier")]
if subprocess.run(tool + ["--where"], capture_output=True, check=False).returncode:
    print("SKIPPED: no buildifier; `tools/buildifier --install` fetches it")
    sys.exit(0)

WARNINGS = ",".join([
    "duplicated-name", "function-docstring", "function-docstring-args", "function-docstring-header",
    "integer-division", "load", "module-docstring", "no-effect",
    "unreachable", "uninitialized", "unused-variable",
])
files = [f for f in source_tree.files() if source_tree.is_build_file(f)]
result = subprocess.run(
    tool + ["-mode=check", "-lint=warn", "-warnings=" + WARNINGS] + files,
    cwd=source_tree.root(), capture_output=True, text=True, check=False)
problems = [line + "; run tools/format" if "reformat" in line else line
            for line in (result.stdout + result.stderr).splitlines() if line.strip()]
if result.returncode == 0:
    problems = []
elif not problems:
    problems = ["buildifier ended with %d" % result.returncode]
source_tree.finish(problems, len(files))
