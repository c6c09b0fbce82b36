#!/usr/bin/env python3
"""All C++ is as clang-format would write it; tools/format mends it."""

import subprocess

import source_tree

files = source_tree.files(source_tree.CPP)
result = subprocess.run(["clang-format", "--dry-run", "--Werror", "--ferror-limit=1"] + files,
                        cwd=source_tree.root(), capture_output=True, text=True, check=False)
problems = [line for line in result.stderr.splitlines() if "error:" in line]
if result.returncode and not problems:
    problems = [result.stderr]
source_tree.finish([p + "; run tools/format" for p in problems], len(files))
