#!/usr/bin/env python3
"""What README.md and the other documents tell the reader to type and to open exists.

In the code blocks: the targets of bazel commands, the configurations they name, and the paths of
scripts. In the text: relative links. Blocks in C++, Starlark and the like are left alone; in a
block with prompts ("$ ") the other lines are output.
"""

import os
import re
import shlex

import source_tree

NOT_SHELL = {"c++", "cpp", "cc", "python", "starlark", "bazel", "json", "proto", "text", "http"}
VERBS = {"build", "test", "run", "coverage", "query", "cquery", "aquery"}
OUR_FOLDERS = ("tools/", "tests/", ".ci/", "bazel-bin/", "examples/")


def exists(path):
    return os.path.exists(os.path.join(source_tree.root(), path))


def target_problem(label):
    """What is wrong with a label; relative ones are of the root package. None when it exists."""
    label = re.sub(r"^(@squall)?//", "", label.strip("'\""))
    if label.startswith("@"):
        return None
    if label == "..." or label.endswith("/..."):
        folder = label[:-len("...")]
        return None if exists(folder or ".") else "there is no folder " + folder
    package, colon, name = label.partition(":")
    if not colon:
        # A bare word is a target of the root, a//b path a package with a target of its name.
        bare = "/" not in label and not exists(os.path.join(label, "BUILD"))
        package, name = ("", label) if bare else (label, label.split("/")[-1])
    build = os.path.join(package, "BUILD")
    if not exists(build):
        return "there is no package //" + package
    if name in ("all", "*") or re.search(r'name = "%s"' % re.escape(name), source_tree.read(build)):
        return None
    return "%s has no target %s" % (build, name)


def command_problems(line):
    """The problems of one command line."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        words = line.split()
    problems = []
    for index, word in enumerate(words):
        if os.path.basename(word) == "bazel" and index + 1 < len(words) and words[index + 1] in VERBS:
            for argument in words[index + 2:]:
                if argument in ("--", "&", "|", "&&", ";", ">") or re.match(r"^[A-Z_]+$", argument):
                    break
                config = re.match(r"--config=(.*)", argument)
                if config and not re.search(r"^\w+:%s " % re.escape(config.group(1)),
                                            source_tree.read(".bazelrc"), re.MULTILINE):
                    problems.append("there is no configuration " + config.group(1))
                if argument.startswith("-"):
                    continue
                if words[index + 1].endswith("query"):
                    continue
                problem = target_problem(argument)
                if problem:
                    problems.append(problem)
                if words[index + 1] == "run":
                    break
        script = word[2:] if word.startswith("./") else word
        if (word.startswith("./") or script.startswith(OUR_FOLDERS)) and "*" not in script:
            if not script.startswith("bazel-bin/") and not exists(script):
                problems.append("there is no " + script)
    return problems


problems = []
documents = [f for f in source_tree.files((".md",))]
if "README.md" not in documents:
    problems.append("README.md is missing")
for path in documents:
    block = None
    lines = []
    for number, line in enumerate(source_tree.read(path).splitlines(), 1):
        fence = re.match(r"\s*```\s*(\S*)", line)
        if fence and block is None:
            block = fence.group(1)
        elif fence:
            prompts = any(text.lstrip().startswith("$ ") for _, text in lines)
            for at, text in lines if block.lower() not in NOT_SHELL else []:
                text = text.strip()
                if prompts and not text.startswith("$ "):
                    continue
                for problem in command_problems(text[2:] if prompts else text):
                    problems.append("%s:%d: %s" % (path, at, problem))
            block, lines = None, []
        elif block is not None:
            lines.append((number, line))
        else:
            for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
                if not re.match(r"[a-z]+:", link) and not exists(os.path.join(os.path.dirname(path), link)):
                    problems.append("%s:%d: the link %s leads nowhere" % (path, number, link))
source_tree.finish(problems, len(documents))
