#!/usr/bin/env python3
"""The C++ in the documents is code that is compiled and run.

Each block in C++ of a Markdown file stands, line for line and but for its indentation, in a source
under examples/, whose tests run it. A line "..." in a block stands for any number of lines.
"""

import re
import textwrap

import source_tree


def blocks(text):
    """(line number, lines) of each block in C++."""
    start = None
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*```\s*(\S*)", line)
        if start is not None and fence:
            yield start, textwrap.dedent("\n".join(lines)).split("\n")
            start = None
        elif fence and fence.group(1) in ("cpp", "c++", "cc"):
            start, lines = number, []
        elif fence:
            start, lines = None, None
        elif start is not None:
            lines.append(line)


def pieces(lines):
    """The block cut at its "..." lines, without blank lines at the ends."""
    piece = []
    for line in lines + ["..."]:
        if line.strip() == "...":
            if any(piece):
                yield "\n".join(piece).strip("\n").split("\n")
            piece = []
        else:
            piece.append(line)


def indent_of(line):
    return len(line) - len(line.lstrip())


def stands_in(piece, source, after):
    """The line after the first place at or behind `after` where piece stands in source, or None."""
    for at in range(after, len(source) - len(piece) + 1):
        indent = indent_of(source[at]) - indent_of(piece[0])
        if indent >= 0 and all(line.strip() == "" and source[at + i].strip() == "" or
                                " " * indent + line == source[at + i] for i, line in enumerate(piece)):
            return at + len(piece)
    return None


def found(lines, source):
    after = 0
    for piece in pieces(lines):
        after = stands_in(piece, source, after)
        if after is None:
            return False
    return True


examples = {path: source_tree.read(path).splitlines()
            for path in source_tree.files(source_tree.CPP) if path.startswith("examples/")}
problems = []
checked = 0
for path in source_tree.files((".md",)):
    for number, lines in blocks(source_tree.read(path)):
        checked += 1
        if not any(found(lines, source) for source in examples.values()):
            problems.append("%s:%d: this code stands in no source under examples/" % (path, number))
source_tree.finish(problems, checked)
