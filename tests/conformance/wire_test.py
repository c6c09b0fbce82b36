#!/usr/bin/env python3
"""Runs the wire cases against fixture_server and compares the failures with wire_failures.txt.

The cases and their runner are in the directory `shared` beside the workspace, or where SQUALL_SHARED
says (bazel test --test_env=SQUALL_SHARED=DIR). Without them the test says so and passes. web_cases.json
has more cases of the same form, about what Tornado's tests and RFC 9110 ask of the web framework.

A case that fails and is not listed is a regression. A case that is listed and passes must be taken
off the list, so that it cannot break unseen afterwards.
"""

import os
import subprocess
import sys


def run(runner, fixture, *cases):
    """What the runner prints, or None when it did not come to its end."""
    done = subprocess.run([sys.executable, runner, "--fixture", os.path.abspath(fixture)] + list(cases),
                          stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout)
    lines = done.stdout.splitlines()
    return lines if lines and lines[-1].endswith(" failed") else None


def main():
    fixture, listed, more_cases = sys.argv[1:4]
    link = os.path.join(os.environ["TEST_SRCDIR"], os.environ["TEST_WORKSPACE"], "WORKSPACE")
    workspace = os.path.dirname(os.path.realpath(link))
    shared = os.environ.get("SQUALL_SHARED") or os.path.join(workspace, "..", "shared")
    runner = os.path.join(shared, "tornado", "run_wire.py")
    if not os.path.exists(runner):
        print("skipped: no %s; set SQUALL_SHARED to the directory that has tornado/run_wire.py" % runner)
        return 0

    with open(listed) as file:
        known = {line.strip() for line in file if line.strip() and not line.startswith("#")}
    shared_cases = run(runner, fixture)
    web_cases = run(runner, fixture, "--cases", os.path.abspath(more_cases))
    if shared_cases is None or web_cases is None:
        print("the runner did not come to its end")
        return 1
    lines = shared_cases + web_cases
    failed = {line.split()[1] for line in lines if line.startswith("FAIL ")}
    died = [line for line in lines if "the fixture died" in line]
    for name in sorted(failed - known):
        print("REGRESSION: %s failed" % name)
    for name in sorted(known - failed):
        print("FIXED: %s passes, take it off %s" % (name, listed))
    return 1 if failed != known or died else 0


if __name__ == "__main__":
    sys.exit(main())
