"""The files of the source tree, for checks that must see a new file without being told of it.

A check is a test of tests/checks/BUILD and a program that can be run by hand. Under Bazel it runs
outside the sandbox, beside a link to WORKSPACE that leads to the real tree.
"""

import os
import subprocess
import sys

# Each may use only what stands before it (DESIGN: packages). examples and tests use all of them.
PACKAGE_LINE = ["base", "ioloop", "netutil", "process", "httpserver", "web", "control"]

CPP = (".h", ".cc")
CONSUMER = "tests/consumer/"  # another workspace, with another workspace's rules


def root():
    """The absolute path of the source tree."""
    if "TEST_SRCDIR" in os.environ:
        link = os.path.join(os.environ["TEST_SRCDIR"], os.environ["TEST_WORKSPACE"], "WORKSPACE")
        return os.path.dirname(os.path.realpath(link))
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def files(suffixes=("",)):
    """Paths, relative to root(), of the files that belong to the project and end with a suffix."""
    top = root()
    # Files that git knows or would add. An export of the tree has no git: then all there is.
    git = None
    if os.path.exists(os.path.join(top, ".git")):
        try:
            git = subprocess.run(
                ["git", "-c", "safe.directory=*", "-C", top, "ls-files", "-coz", "--exclude-standard"],
                capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pass
    if git and git.returncode == 0:
        found = git.stdout.split("\0")
    else:
        found = []
        for folder, folders, names in os.walk(top):
            folders[:] = [f for f in folders
                          if f != ".git" and f != "__pycache__" and not f.startswith("bazel-")]
            found += [os.path.relpath(os.path.join(folder, name), top) for name in names]
    found = sorted({f for f in found
                    if f.endswith(tuple(suffixes)) and os.path.isfile(os.path.join(top, f))})
    if not found:
        sys.exit("no %s files found under %s: the check would check nothing" % (suffixes, top))
    return found


def read(path):
    """The text of a file of the tree."""
    with open(os.path.join(root(), path), encoding="utf-8", errors="replace") as file:
        return file.read()


def is_build_file(path):
    return os.path.basename(path) in ("BUILD", "WORKSPACE") or path.endswith(".bzl")


def finish(problems, checked):
    """Ends the check: prints the problems, or how many files were found good."""
    for problem in problems:
        print(problem)
    if problems:
        sys.exit("%d problem(s)" % len(problems))
    print("%d checked, none wrong" % checked)
    sys.exit(0)
