#!/usr/bin/env python3
"""The guard of a header is its include path in capitals: squall/base/x.h has SQUALL_BASE_X_H_."""

import re

import source_tree

problems = []
headers = [f for f in source_tree.files((".h",)) if not f.startswith(source_tree.CONSUMER)]
for path in headers:
    text = source_tree.read(path)
    guard = "SQUALL_" + re.sub(r"[^A-Za-z0-9]", "_", path).upper() + "_"
    first = re.search(r"^\s*#.*$", text, re.MULTILINE)
    wanted = "#ifndef %s\n#define %s\n" % (guard, guard)
    if not first or not text[first.start():].lstrip().startswith(wanted):
        problems.append("%s: the first directives must be #ifndef %s and #define %s" % (path, guard, guard))
    elif not text.rstrip().endswith("#endif  // " + guard):
        problems.append("%s: the last line must be #endif  // %s" % (path, guard))
source_tree.finish(problems, len(headers))
