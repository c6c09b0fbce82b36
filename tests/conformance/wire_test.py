#!/usr/bin/env python3
"""Runs the wire cases against fixture_server and compares the failures with wire_failures.txt.

The cases and their runner are in the directory `shared` beside the workspace, or where SQUALL_SHARED
says (bazel test --test_env=SQUALL_SHARED=DIR). Without them the test says so and passes.

A case that fails and is not listed is a regression. A case that is listed and passes must be taken
off the list, so that it cannot break unseen afterwards.
"""

import os
import subprocess
import sys


def main():
    fixture, listed = sys.argv[1:3]
    link = os.path.join(os.environ["TEST_SRCDIR"], os.environ["TEST_WORKSPACE"], "WORKSPACE")
    workspace = os.path.dirname(os.path.realpath(link))
    shared = os.environ.get("SQUALL_SHARED") or os.path.join(workspace, "..", "shared")
    runner = os.path.join(shared, "tornado", "run_wire.py")
    if not os.path.exists(runner):
        print("skipped: no %s; set SQUALL_SHARED to the directory that has tornado/run_wire.py" % runner)
        return 0

    with open(listed) as file:
        known = {line.strip() for line in file if line.strip() and not line.startswith("#")}
    run = subprocess.run([sys.executable, runner, "--fixture", os.path.abspath(fixture)],
                         stdout=subprocess.PIPE, text=True, check=False)
    lines = run.stdout.splitlines()
    print(run.stdout)
    if not lines or not lines[-1].endswith(" failed"):
        print("the runner did not come to its end")
        return 1
    failed = {line.split()[1] for line in lines if line.startswith("FAIL ")}
    died = [line for line in lines if "the fixture died" in line]
    for name in sorted(failed - known):
        print("REGRESSION: %s failed" % name)
    for name in sorted(known - failed):
        print("FIXED: %s passes, take it off %s" % (name, listed))
    return 1 if failed != known or died else 0


if __name__ == "__main__":
    sys.exit(main())
