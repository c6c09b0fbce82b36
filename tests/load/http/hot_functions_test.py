#!/usr/bin/env python3
"""The functions of bazel/hot_functions.txt are functions of the bench server.

A name that is none any more puts nothing together, and nobody would see it: the linker passes over it.

    hot_functions_test.py LIST
"""

import os
import re
import shutil
import subprocess
import sys


def main():
    if shutil.which("nm") is None:
        print("skipped: nm is not installed (apt install binutils)")
        return
    symbols = subprocess.run(["nm", os.environ["SQUALL_BENCH_SERVER"]], capture_output=True, text=True,
                             check=True).stdout
    # The section of a constructor or destructor has the name of that of a base.
    there = {re.sub(r"([CD])1E", r"\g<1>2E", line.split()[-1].partition(".")[0]) for line in symbols.splitlines()}
    with open(sys.argv[1], encoding="ascii") as file:
        sections = file.read().split()
    # The compiler appends what it has made of a function: ".constprop.0", ".cold".
    wanted = {re.sub(r"^\.text\.(hot\.)?", "", section).partition(".")[0] for section in sections}
    if not wanted:
        sys.exit("the list is empty")
    missing = sorted(wanted - there)
    if missing:
        sys.exit("not in the bench server (bazel run --config=opt //tests/load/http:hot_functions writes the "
                 "list anew):\n" + "\n".join(missing))


if __name__ == "__main__":
    main()
