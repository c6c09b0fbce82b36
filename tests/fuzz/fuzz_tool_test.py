#!/usr/bin/env python3
"""tools/fuzz reads what libFuzzer and Bazel print, and sees every kind of end. Its argument is the tool."""

import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
TOOL = os.path.abspath(sys.argv.pop(1))
loader = importlib.machinery.SourceFileLoader("fuzz", TOOL)
fuzz = importlib.util.module_from_spec(importlib.util.spec_from_loader("fuzz", loader))
loader.exec_module(fuzz)

# As clang 14's libFuzzer writes it.
QUIET = """INFO: Running with entropic power schedule (0xFF, 100).
INFO: Seed: 3486327668
INFO:       20 files found in /x/corpus
INFO: seed corpus: files: 20 min: 1b max: 46b total: 352b rss: 41Mb
#21\tINITED cov: 190 ft: 301 corp: 18/320b exec/s: 0 rss: 42Mb
#4096\tpulse  cov: 233 ft: 590 corp: 90/1924b lim: 46 exec/s: 2048 rss: 50Mb
#5000\tNEW    cov: 234 ft: 595 corp: 91/1930b lim: 46 exec/s: 2500 rss: 50Mb L: 6/46 MS: 1 EraseBytes-
#5591770\tDONE   cov: 236 ft: 720 corp: 160/9Kb lim: 4096 exec/s: 18577 rss: 499Mb
Done 5591770 runs in 301 second(s)
stat::number_of_executed_units: 5591770
stat::average_exec_per_sec:     18577
stat::new_units_added:          812
"""

CRASH = """#2\tINITED cov: 4 ft: 5 corp: 1/1b exec/s: 0 rss: 30Mb
=================================================================
==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602 at pc 0x1 bp 0x2 sp 0x3
SUMMARY: AddressSanitizer: heap-buffer-overflow web/etag.cc:9:3 in squall::F(int)
MS: 1 InsertByte-; base unit: adc83b19e793491b1c6ea0fd8b46cd9f32e592fc
artifact_prefix='/x/'; Test unit written to /x/crash-0eb8e4ed029b774d80f2b66408203801cb982a60
stat::number_of_executed_units: 313
"""

UNDEFINED = """#2\tINITED cov: 4 ft: 5 corp: 1/1b exec/s: 0 rss: 30Mb
web/etag.cc:9:3: runtime error: signed integer overflow: 1 + 2147483647 cannot be an 'int'
SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior web/etag.cc:9:3 in
"""

TIMEOUT = """#2\tINITED cov: 4 ft: 5 corp: 1/1b exec/s: 0 rss: 30Mb
ALARM: working on the last Unit for 26 seconds
artifact_prefix='/x/'; Test unit written to /x/timeout-0eb8
SUMMARY: libFuzzer: timeout
"""

QUERY = """<?xml version="1.1" encoding="UTF-8" standalone="no"?>
<query version="2">
  <rule class="cc_test" location="/x/web/BUILD:2:1" name="//web:path_fuzz_test">
    <string name="name" value="path_fuzz_test"/>
    <list name="srcs"><label value="//web:path_fuzz_test.cc"/></list>
    <list name="data">
      <label value="//web:testdata/path_corpus/nul"/>
      <label value="//web:testdata/path_corpus/above"/>
    </list>
  </rule>
  <rule class="cc_test" location="/x/httpserver/BUILD:2:1" name="//httpserver:a_fuzz_test">
    <list name="data"><label value="//httpserver:testdata/a"/></list>
  </rule>
</query>
"""


def program(folder, text):
    """A program that stands for a fuzz target."""
    path = os.path.join(folder, "program")
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


class FuzzToolTest(unittest.TestCase):
    def test_reads_the_last_numbers(self):
        self.assertEqual(fuzz.numbers_of(QUIET), (5591770, 236, 720, 160))
        # A line without coverage, and a log that was cut before the final statistics.
        cut = QUIET[:QUIET.index("Done")] + "#5591771\tRELOAD corp: 161/9Kb\n"
        self.assertEqual(fuzz.numbers_of(cut), (5591771, 236, 720, 161))
        self.assertEqual(fuzz.numbers_of(CRASH), (313, 4, 5, 1))
        self.assertEqual(fuzz.numbers_of("no fuzzer\n"), (None, None, None, None))

    def test_names_the_finding(self):
        self.assertIsNone(fuzz.finding_of(QUIET, 0))
        self.assertEqual(
            fuzz.finding_of(CRASH, 77),
            "AddressSanitizer: heap-buffer-overflow web/etag.cc:9:3 in squall::F(int) "
            "(/x/crash-0eb8e4ed029b774d80f2b66408203801cb982a60)")
        self.assertIn("signed integer overflow", fuzz.finding_of(UNDEFINED, 77))
        self.assertEqual(fuzz.finding_of(TIMEOUT, 70), "libFuzzer: timeout (/x/timeout-0eb8)")
        self.assertEqual(fuzz.finding_of("", -9), "ended by signal 9")
        self.assertEqual(fuzz.finding_of("", 1), "exit status 1")

    def test_a_run_without_executions_is_no_success(self):
        self.assertFalse(fuzz.result_of("//a:b", QUIET, 0).broken)
        self.assertTrue(fuzz.result_of("//a:b", "", 0).broken)

    def test_exit_status(self):
        quiet = fuzz.result_of("//a:b", QUIET, 0)
        found = fuzz.result_of("//a:b", CRASH, 77)
        broken = fuzz.result_of("//a:b", "", 0)
        self.assertEqual(fuzz.exit_status([quiet, quiet]), 0)
        self.assertEqual(fuzz.exit_status([quiet, found]), 1)
        self.assertEqual(fuzz.exit_status([found, broken]), 2)

    def test_row(self):
        self.assertEqual(fuzz.row(fuzz.result_of("//a:b", QUIET, 0)),
                         "| `//a:b` | 5,591,770 | 236 | 720 | 160 | none |")
        self.assertIn("| did not run", fuzz.row(fuzz.result_of("//a:b", "", 0)))

    def test_reads_the_targets(self):
        self.assertEqual(fuzz.targets_of(QUERY), [
            ("//httpserver:a_fuzz_test", ["httpserver/testdata/a"]),
            ("//web:path_fuzz_test", ["web/testdata/path_corpus/above", "web/testdata/path_corpus/nul"]),
        ])

    def test_runs_over_a_copy_of_the_corpus(self):
        with tempfile.TemporaryDirectory() as folder:
            seed = os.path.join(folder, "seed")
            with open(seed, "w", encoding="utf-8") as file:
                file.write("x")
            # Writes into the corpus that it is given, as libFuzzer does.
            runs = program(folder, 'for last; do :; done; echo y > "$last/new"\n'
                                   'cat "$last/seed" >/dev/null || exit 3\n'
                                   'printf "#9\\tDONE cov: 1 ft: 2 corp: 2/3b\\n"\n')
            result = fuzz.fuzz(fuzz.Target("//a/b:c", [seed]), runs, 1, folder)
            self.assertEqual(result, ("//a/b:c", (9, 1, 2, 2), None, False))
            self.assertEqual(sorted(os.listdir(folder)), ["a_b-c", "program", "seed"])
            with open(os.path.join(folder, "a_b-c", "log"), encoding="utf-8") as log:
                self.assertIn("DONE", log.read())

    def test_a_program_that_fails_is_a_finding(self):
        with tempfile.TemporaryDirectory() as folder:
            for text, finding in [("exit 77", "exit status 77"), ("kill -6 $$", "ended by signal 6")]:
                result = fuzz.fuzz(fuzz.Target("//a:b", []), program(folder, text), 1, folder)
                self.assertEqual(result.finding, finding)


if __name__ == "__main__":
    unittest.main()
