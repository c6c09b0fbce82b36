#!/usr/bin/env python3
"""Writes which functions a request runs through, for the linker to put them together.

    bazel run --config=opt //tests/load/http:hot_functions -- $PWD/bazel/hot_functions.txt

A function that takes part in each request costs a page of the program wherever it lies, and where system
calls make the processor forget its translations of addresses, each page costs a walk. Runs the requests
of instructions.py under callgrind; what most of them run is written in the order of its cost, one section
name on a line, as gold's --section-ordering-file wants it.
"""

import collections
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import instructions  # noqa: E402

REQUESTS = 320
# Instructions for a request: below it, it is run for some of them or at the start alone.
LEAST = 2


def costs(path, binary):
    """{function of the binary: its own instructions}, from a file of callgrind."""
    names = {"ob": {}, "fn": {}}
    found = collections.Counter()
    place = {}

    def name(kind, text):
        number, new = re.match(r"\((\d+)\)(?: (.*))?", text).groups()
        if new:
            names[kind][number] = new
        return names[kind][number]
    called = False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, value = line.rstrip("\n").partition("=")
            if key in ("ob", "cob", "fn", "cfn"):
                place[key] = name(key[-2:], value)
            elif key == "calls":
                called = True
            elif re.match(r"[-+*\d]", line):
                # Behind "calls" stands what the called function has cost.
                if not called and place["ob"].endswith(binary):
                    found[place["fn"]] += int(line.split()[1])
                called = False
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: hot_functions FILE")
    binary = os.path.basename(os.environ["SQUALL_BENCH_SERVER"])
    sections = {}
    with tempfile.TemporaryDirectory(prefix="squall-hot-") as folder:
        for row in instructions.ROWS:
            totals = []
            for requests in (REQUESTS, 2 * REQUESTS):
                instructions.count("squall", row, requests, folder, ["--demangle=no"])
                totals.append(costs(os.path.join(folder, "callgrind.out"), binary))
            few, many = totals
            # The start is in both.
            each = {name: (many[name] - few[name]) / REQUESTS for name in many}
            for name, cost in sorted(each.items(), key=lambda item: -item[1]):
                if cost >= LEAST:
                    # callgrind numbers the calls of a function that calls itself; the constructor of a
                    # whole object has the section of that of a part of one.
                    section = re.sub(r"([CD])1E", r"\g<1>2E", name.partition("'")[0])
                    # Where the function is marked [[gnu::hot]] the compiler says so in the name.
                    sections[".text." + section] = sections[".text.hot." + section] = None
    with open(sys.argv[1], "w", encoding="ascii") as file:
        file.write("".join(section + "\n" for section in sections))


if __name__ == "__main__":
    main()
