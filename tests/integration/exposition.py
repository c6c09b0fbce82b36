"""Reads Prometheus' text format 0.0.4 and is strict about it.

    families = exposition.parse(text)          # name -> Family, or ValueError with the line
    families["squall_pool_workers"].samples    # {(("state", "ready"),): 2.0, ...}

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(r"# HELP (%s) (.+)" % NAME)
TYPE = re.compile(r"# TYPE (%s) (counter|gauge|histogram|summary|untyped)" % NAME)
SAMPLE = re.compile(r"(%s)(?:\{(.*)\})? (\S+)" % NAME)
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
# What promtool's linter wants of names, see https://prometheus.io/docs/practices/naming/
OTHER_UNITS = re.compile(r"_(milliseconds|microseconds|minutes|hours|kilobytes|megabytes|percent)\b")


class Family:
    """One metric with its help, its type, and its samples by suffix and labels."""

    def __init__(self, name, text):
        self.name = name
        self.help = text
        self.type = None
        self.samples = {}  # labels -> value; for a histogram those of _bucket
        self.sum = self.count = None

    def value(self, **labels):
        """The sum of the samples that have these labels."""
        wanted = set(labels.items())
        return sum(value for key, value in self.samples.items() if wanted <= set(key))


def _labels(text):
    labels, at = [], 0
    while text is not None and at < len(text):
        match = LABEL.match(text, at)
        if not match:
            raise ValueError("labels {%s}" % text)
        labels.append((match[1], match[2]))
        at = match.end()
    if len({name for name, _ in labels}) != len(labels):
        raise ValueError("a label twice in {%s}" % text)
    return tuple(sorted(labels))


def _add(family, name, labels, value):
    suffix = name[len(family.name):]
    if family.type == "histogram":
        if suffix == "_sum":
            family.sum = value
            return
        if suffix == "_count":
            family.count = value
            return
        if suffix != "_bucket":
            raise ValueError("%s in the histogram %s" % (name, family.name))
    elif suffix:
        raise ValueError("%s in the family %s" % (name, family.name))
    if labels in family.samples:
        raise ValueError("%s%s comes twice" % (name, labels))
    family.samples[labels] = value


def _check(family):
    if family.type == "counter" and not family.name.endswith("_total"):
        raise ValueError("the counter %s does not end in _total" % family.name)
    if family.type != "counter" and family.name.endswith("_total"):
        raise ValueError("%s ends in _total and is a %s" % (family.name, family.type))
    if OTHER_UNITS.search(family.name):
        raise ValueError("%s is not in a base unit" % family.name)
    if family.type == "counter" and any(not value >= 0 for value in family.samples.values()):
        raise ValueError("the counter %s is negative" % family.name)
    if family.type == "histogram":
        bounds = sorted((float(dict(labels)["le"]), value)
                        for labels, value in family.samples.items())
        if bounds[-1] != (math.inf, family.count) or family.sum is None:
            raise ValueError("the histogram %s has no end" % family.name)
        if any(a[1] > b[1] for a, b in zip(bounds, bounds[1:])):
            raise ValueError("the histogram %s is not cumulative" % family.name)


def parse(text):
    """The families by name. ValueError: what is wrong with which line."""
    if not text.endswith("\n"):
        raise ValueError("the last line does not end")
    families, family = {}, None
    for line in text[:-1].split("\n"):
        if match := HELP.fullmatch(line):
            if match[1] in families:
                raise ValueError("two families: " + line)
            family = families[match[1]] = Family(match[1], match[2])
        elif match := TYPE.fullmatch(line):
            if family is None or family.name != match[1] or family.type is not None:
                raise ValueError("not behind its HELP: " + line)
            family.type = match[2]
        elif match := SAMPLE.fullmatch(line):
            if family is None or family.type is None or not match[1].startswith(family.name):
                raise ValueError("in no family: " + line)
            _add(family, match[1], _labels(match[2]), float(match[3]))
        else:
            raise ValueError("no line of the format: " + line)
    for family in families.values():
        _check(family)
    return families


def counters(families):
    """(family, labels) -> value of everything that may only grow."""
    result = {}
    for family in families.values():
        if family.type in ("counter", "histogram"):
            result.update({(family.name, labels): value
                           for labels, value in family.samples.items()})
        if family.type == "histogram":
            result[family.name, "count"] = family.count
            result[family.name, "sum"] = family.sum
    return result
