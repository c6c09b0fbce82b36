#!/usr/bin/env python3
"""Every source file belongs to a target, none is too long to read, every script is executable."""

import os
import re

import source_tree

MAX_LINES = 600

problems = []
sources = source_tree.files(source_tree.CPP + (".proto",))
for path in sources:
    lines = source_tree.read(path).count("\n")
    if lines > MAX_LINES:
        problems.append("%s: %d lines; a file has at most %d" % (path, lines, MAX_LINES))

    # The nearest BUILD file above it must name it, by itself or by a glob of its suffix.
    folder = os.path.dirname(path)
    while folder and not os.path.exists(os.path.join(source_tree.root(), folder, "BUILD")):
        folder = os.path.dirname(folder)
    build = os.path.join(folder, "BUILD")
    inside = os.path.relpath(path, folder) if folder else path
    text = source_tree.read(build) if os.path.exists(os.path.join(source_tree.root(), build)) else ""
    globbed = re.search(r'"[^"]*\*%s"' % re.escape(os.path.splitext(path)[1]), text)
    if '"%s"' % inside not in text and not globbed:
        problems.append("%s: no target of %s names it" % (path, build))

for path in source_tree.files():
    full = os.path.join(source_tree.root(), path)
    with open(full, "rb") as file:
        script = file.read(2) == b"#!"
    if script and not os.access(full, os.X_OK):
        problems.append("%s: starts with #! but is not executable" % path)
source_tree.finish(problems, len(sources))
