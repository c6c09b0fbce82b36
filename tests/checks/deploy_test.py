#!/usr/bin/env python3
"""The files of deploy/ are well-formed, and name only flags and paths that there are."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import source_tree

try:
    import yaml
except ImportError:
    yaml = None

SYSTEMD = unittest.skipUnless(shutil.which("systemd-analyze"),
                              "systemd-analyze is not installed (Debian package systemd)")


def read(name):
    return source_tree.read("deploy/" + name)


class UnitsTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        for path in glob.glob(os.path.join(source_tree.root(), "deploy", "squall.*")):
            text = read(os.path.basename(path))
            # Programs and pages that are installed where the units are.
            text = re.sub(r"^Documentation=.*\n", "", text, flags=re.M)
            text = text.replace("/usr/bin/squall-server", "/bin/true")
            with open(os.path.join(self.directory, os.path.basename(path)), "w") as file:
                file.write(text)

    def analyze(self, *arguments):
        names = ["squall.service", "squall.socket"] if arguments[0] == "verify" else ["squall.service"]
        return subprocess.run(["systemd-analyze", *arguments, *(os.path.join(self.directory, name) for name in names)],
                              capture_output=True, text=True, check=False)

    @SYSTEMD
    def test_systemd_has_nothing_to_say(self):
        result = self.analyze("verify")
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    @SYSTEMD
    def test_the_service_has_few_rights(self):
        # The level is 1.5 of 10 (lower is better).
        result = self.analyze("security", "--offline=true", "--threshold=20", "--no-pager")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


class YamlTest(unittest.TestCase):
    @unittest.skipUnless(yaml, "Python has no module yaml (Debian package python3-yaml)")
    def test_manifests(self):
        documents = list(yaml.safe_load_all(read("kubernetes.yaml")))
        self.assertEqual([document["kind"] for document in documents], ["Deployment", "Service"])
        pod = documents[0]["spec"]["template"]["spec"]
        container = pod["containers"][0]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            self.assertIn(probe, container)
        pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
        # grace and kill_after by default.
        self.assertGreater(pod["terminationGracePeriodSeconds"], pause + 30 + 5)


class NamesTest(unittest.TestCase):
    def test_flags_of_the_server(self):
        known = set(re.findall(r"ABSL_FLAG\([^,]+, (\w+),",
                               source_tree.read("examples/server/server_flags.cc")))
        used = []
        for name, pattern in (("squall.service", r"^Exec\w+=/usr/bin/squall-server (.*)$"),
                              ("Containerfile", r"^CMD (.*)$"), ("kubernetes.yaml", r"args: (.*)$")):
            for words in re.findall(pattern, read(name), re.M):
                used += [(name, flag.replace("-", "_")) for flag in re.findall(r"--([\w-]+)", words)]
        self.assertGreater(len(used), 5)
        self.assertEqual([use for use in used if use[1] not in known], [])

    def test_paths_of_probes(self):
        text = read("kubernetes.yaml")
        known = re.findall(r'constexpr char k\w+\[\] = "(/\w+)";',
                           source_tree.read("control/status/status_server.cc"))
        used = re.findall(r"httpGet: {path: (/\w*), port: status}", text)
        self.assertEqual(len(used), 3)
        self.assertLessEqual(set(used), set(known))
        port = re.search(r"{name: status, containerPort: (\d+)}", text)[1]
        self.assertIn("--status_address=0.0.0.0:" + port, text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
