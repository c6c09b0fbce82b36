#!/usr/bin/env python3
"""Alerts, dashboard and document speak of the metrics that a server has, and of no others."""

import json
import re
import shutil
import subprocess
import unittest

import harness
import status_listener

RULES = "deploy/prometheus/squall.rules.yml"
RULE_TESTS = "deploy/prometheus/squall.rules.test.yml"
DASHBOARD = "deploy/grafana/squall.json"
DOCUMENT = "docs/metrics.md"
NAME = re.compile(r"(?<![\w:])squall_[a-z0-9_]+")
SELECTOR = re.compile(r"(squall_[a-z0-9_]+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|!=|!~|=)"([^"]*)"')
# Which values they have depends on where it runs, or on what happens.
OPEN_LABELS = {"job", "instance", "slot", "row", "le", "path", "code", "health", "version"}


def read(path):
    with open(path) as file:
        return file.read()


def expressions(node):
    """Every query of the dashboard."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "query") and isinstance(value, str) and value != "prometheus":
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


class MetricNames(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with harness.Server("--status_address=127.0.0.1:0", workers=1) as server:
            server.get()
            status = status_listener.StatusListener(server)
            # For what is counted, or sampled, after the first moment.
            status.get("/healthz")
            harness.wait_until(lambda: status.metrics()["squall_worker_health"].samples,
                               "the master has looked at its worker")
            cls.families = status.metrics()
        cls.samples = {}
        for name, family in cls.families.items():
            cls.samples[name] = family
            if family.type == "histogram":
                del cls.samples[name]
                cls.samples.update({name + suffix: family for suffix in ("_bucket", "_sum", "_count")})

    def check_queries(self, queries, where):
        self.assertGreater(len(queries), 10, where)
        for query in queries:
            for name in NAME.findall(query):
                self.assertIn(name, self.samples, "%s: %s" % (where, query))
            for name, matchers in SELECTOR.findall(query):
                labels = {}
                for key in self.samples[name].samples:
                    for label, value in key:
                        labels.setdefault(label, set()).add(value)
                for label, operator, value in MATCHER.findall(matchers):
                    if label in OPEN_LABELS:
                        continue
                    self.assertIn(label, labels, "%s: %s" % (where, query))
                    values = value.split("|") if "~" in operator else [value]
                    self.assertLessEqual(set(values), labels[label], "%s: %s" % (where, query))

    def test_the_rules(self):
        text = re.sub(r"^\s*#.*$", "", read(RULES), flags=re.M)
        queries = re.findall(r"^ *expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)", text, re.M)
        queries = [block or line for block, line in queries]
        self.assertEqual(len(queries), text.count("expr:"))
        self.check_queries(queries, RULES)
        alerts = re.findall(r"- alert: (\w+)", text)
        self.assertEqual(len(alerts), len(set(alerts)))
        for alert in re.findall(r"alertname: (\w+)", read(RULE_TESTS)):
            self.assertIn(alert, alerts)
        for recorded in set(re.findall(r"\bsquall:[a-z0-9_:]+", text)):
            self.assertIn("- record: %s\n" % recorded, text)

    @unittest.skipUnless(shutil.which("promtool"),
                         "there is no promtool; Debian has it in the package prometheus")
    def test_promtool_takes_the_rules(self):
        for command in (["check", "rules", RULES], ["test", "rules", RULE_TESTS]):
            found = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
            self.assertEqual(found.returncode, 0, found.stdout + found.stderr)

    def test_the_dashboard(self):
        dashboard = json.loads(read(DASHBOARD))
        self.check_queries(list(expressions(dashboard)), DASHBOARD)
        panels = dashboard["panels"]
        self.assertEqual(len(panels), len({panel["id"] for panel in panels}))
        taken = set()
        for panel in panels:
            self.assertTrue(panel["title"])
            if panel["type"] != "row":
                self.assertTrue(panel["targets"], panel["title"])
                self.assertEqual(panel["datasource"]["uid"], "${datasource}", panel["title"])
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                     for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, "%s lies over another panel" % panel["title"])
            taken |= cells

    def test_the_document_has_each_with_its_type_and_labels(self):
        rows = re.findall(r"^\| `(squall_\w+)` \| (\w+) \| ([^|]*?) ?\| .+ \|$", read(DOCUMENT), re.M)
        documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
        self.assertEqual(len(documented), len(rows), "a name stands there twice")
        self.assertEqual(set(documented), set(self.families))
        for name, family in self.families.items():
            kind, labels = documented[name]
            self.assertEqual(kind, family.type, name)
            for key in family.samples:
                self.assertEqual({label for label, _ in key}, labels, name)

    def test_no_other_name_is_used(self):
        # A histogram's own name stands in the document alone.
        known = set(self.samples) | set(self.families)
        for path in (RULES, RULE_TESTS, DASHBOARD, DOCUMENT):
            self.assertEqual(set(NAME.findall(read(path))) - known, set(), path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
