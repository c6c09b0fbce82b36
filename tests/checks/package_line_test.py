#!/usr/bin/env python3
"""Each package uses only packages that stand before it on the line; gRPC and Protobuf are control's.

Two ways, for each catches what the other cannot see. Arguments are outputs of genquery, named
deps_of_<package>: all that the façade of the package depends on. Besides, each #include and each
label of every file is read, tests and targets outside the façades included.
"""

import os
import re
import sys

import source_tree

LINE = source_tree.PACKAGE_LINE
# The last two may use everything, the umbrella target and gRPC too.
FREE = ["", "examples", "tests", "tools", "bazel", "docs", ".ci"]
RPC_REPOSITORIES = ("@com_github_grpc_grpc//", "@com_google_protobuf//")
RPC_INCLUDE = re.compile(r"^(grpc\+?\+?|grpcpp|grpc|google/protobuf|google/rpc)/|\.pb\.h$")


def may_use(user, used):
    """Whether `user`, a package of the line, may use the top-level folder `used`."""
    if used in ("bazel", "third_party"):
        return True
    return used in LINE and LINE.index(used) <= LINE.index(user)


def label_problem(user, label):
    """What is wrong with `user` depending on `label`; None when nothing is."""
    if label.startswith(RPC_REPOSITORIES):
        return None if user == "control" else "gRPC and Protobuf belong to control alone"
    match = re.match(r"(?:@squall)?//([^/:]*)", label)
    if not match or label.endswith((":__pkg__", ":__subpackages__")):
        return None
    if label.startswith("//visibility:") or may_use(user, match.group(1)):
        return None
    return "%s may use only %s" % (user, ", ".join(LINE[:LINE.index(user) + 1]))


problems = []
checked = 0

for argument in sys.argv[1:]:
    user = os.path.basename(argument)[len("deps_of_"):]
    with open(argument, encoding="utf-8") as file:
        labels = file.read().split()
    if not labels:
        problems.append("%s: empty, so nothing was checked" % argument)
    for label in labels:
        problem = label_problem(user, label)
        if problem:
            problems.append("deps(//%s) contains %s: %s" % (user, label, problem))
    checked += len(labels)

given = {os.path.basename(argument)[len("deps_of_"):] for argument in sys.argv[1:]}
for user in LINE if given else []:  # by hand, without Bazel, there are none
    build = os.path.join(user, "BUILD")
    if (user not in given and os.path.exists(os.path.join(source_tree.root(), build)) and
            'name = "%s"' % user in source_tree.read(build)):
        problems.append("%s has a façade that FACADES of tests/checks/BUILD lacks" % build)

for path in source_tree.files(source_tree.CPP + ("BUILD", ".proto")):
    user = path.split("/")[0] if "/" in path else ""
    if user in FREE:
        continue
    if user not in LINE:
        problems.append("%s: the package %s is not on the line %s" % (path, user, " <- ".join(LINE)))
        continue
    checked += 1
    text = source_tree.read(path)
    for number, line in enumerate(text.splitlines(), 1):
        where = "%s:%d" % (path, number)
        include = re.match(r'\s*(?:#\s*include|import)\s*["<]([^">]+)[">]', line)
        if include:
            target = include.group(1)
            if RPC_INCLUDE.search(target):
                if user != "control":
                    problems.append("%s: %s: gRPC and Protobuf belong to control alone" % (where, target))
            elif target.startswith("squall/") and not may_use(user, (target.split("/") + [""])[1]):
                problems.append("%s: %s may not include %s" % (where, user, target))
        if path.endswith("BUILD"):
            for label in re.findall(r'"((?:@|//)[^"]*)"', line.split("#")[0]):
                problem = label_problem(user, label)
                if problem:
                    problems.append("%s: %s: %s" % (where, label, problem))
source_tree.finish(problems, checked)
