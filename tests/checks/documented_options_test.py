#!/usr/bin/env python3
"""Every field of the options that users of httpserver and web give stands in the documents.

A field counts as documented when a section (##) of a document names its struct and the field, each
in backticks.
"""

import os
import re

import source_tree

STRUCT = re.compile(r"^struct (\w+(?:Options|Limits|Settings)|Settings) \{\n(.*?)^\};", re.M | re.S)
# A member of the struct itself: indented once, with a type before the name.
FIELD = re.compile(r"^  (?!using )[\w:][\w:<>,*&() ]*[ >&*)](\w+)(?: = [^;]*)?;", re.M)
CODE = re.compile(r"`([^`\n]+)`")


def words_of_sections():
    """For each section of the documents the words that stand in backticks."""
    result = []
    for path in source_tree.files((".md",)):
        if not path.startswith("docs/"):
            continue
        for section in re.split(r"^## ", source_tree.read(path), flags=re.M):
            result.append({word for code in CODE.findall(section)
                           for word in re.findall(r"\w+", code)})
    return result


problems = []
checked = 0
sections = words_of_sections()
for path in source_tree.files((".h",)):
    if os.path.dirname(path) not in ("httpserver", "web"):
        continue
    text = source_tree.read(path)
    if text.startswith("// Internal"):
        continue
    for name, body in STRUCT.findall(text):
        fields = FIELD.findall(body)
        if not fields:
            problems.append("%s: no fields of %s found" % (path, name))
        checked += len(fields)
        about = [words for words in sections if name in words]
        if not about:
            problems.append("%s: no section of docs/ names `%s`" % (path, name))
        problems += ["%s: `%s` of `%s` stands in no section of docs/ that names the struct" %
                     (path, field, name)
                     for field in fields if about and not any(field in words for words in about)]
source_tree.finish(problems, checked)
