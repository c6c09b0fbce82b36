"""Chromium without a window, driven by its debugging protocol over a pair of pipes.

    with browser.Page("http://127.0.0.1:9090/") as page:
        page.wait_for("document.title.startsWith('2/2')")
        page.screenshot("idle.png")

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import select
import subprocess
import tempfile
import time

import harness

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-extensions", "--disable-background-networking",
         "--hide-scrollbars", "--remote-debugging-pipe"]


class Page:
    def __init__(self, url, width=1200, height=900):
        self.profile = tempfile.TemporaryDirectory(prefix="squall-chromium-",
                                                   ignore_cleanup_errors=True)
        # Above what the redirections of the shell write to.
        theirs, self.to = os.pipe()
        self.back, theirs_too = os.pipe()
        commands, answers = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs, theirs_too))
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec "$@" 3<&%d 4>&%d' % (commands, answers), "bash", "chromium", *FLAGS,
             "--user-data-dir=" + self.profile.name, "--window-size=%d,%d" % (width, height),
             "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(commands, answers))
        for fd in (theirs, theirs_too, commands, answers):
            os.close(fd)
        self.last_id = 0
        self.buffer = b""
        self.events = []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Accessibility", "Network"):
            self.call(domain + ".enable")
        self.call("Page.navigate", url=url)

    def _receive(self, deadline):
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.back], [], [], left)[0]:
                raise AssertionError("Chromium does not answer")
            octets = os.read(self.back, 1 << 20)
            if not octets:
                raise AssertionError("Chromium has ended")
            self.buffer += octets
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        octets = json.dumps(message).encode() + b"\0"
        while octets:
            octets = octets[os.write(self.to, octets):]
        deadline = time.monotonic() + harness.PATIENCE
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self.last_id:
                if "error" in answer:
                    raise AssertionError("%s: %s" % (method, answer["error"]))
                return answer["result"]
            self.events.append(answer)

    def evaluate(self, expression):
        """The value of the expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError("%s: %s" % (expression, result["exceptionDetails"]))
        return result["result"].get("value")

    def wait_for(self, expression, what=None):
        return harness.wait_until(lambda: self.evaluate(expression), what or expression)

    def press(self, key, code=None, text=None):
        parameters = {"key": key, "code": code or key}
        parameters["windowsVirtualKeyCode"] = {"Tab": 9, "Enter": 13, " ": 32}.get(key, 0)
        self.call("Input.dispatchKeyEvent", type="keyDown", **({"text": text} if text else {}),
                  **parameters)
        self.call("Input.dispatchKeyEvent", type="keyUp", **parameters)

    def dark(self, dark=True):
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def complaints(self):
        """What a person would see in red in the console: errors, refusals by the policy."""
        self.evaluate("1")
        return [event["params"] for event in self.events
                if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded") and
                (event["method"] == "Runtime.exceptionThrown" or
                 event["params"]["entry"]["level"] == "error")]

    def requested(self):
        """Every URL that the page asked for."""
        return {event["params"]["request"]["url"] for event in self.events
                if event.get("method") == "Network.requestWillBeSent"}

    def screenshot(self, name):
        """Keeps a picture where Bazel keeps what tests leave."""
        directory = os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR")
        if directory:
            picture = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
            with open(os.path.join(directory, name), "wb") as file:
                file.write(base64.b64decode(picture))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        os.close(self.to)
        os.close(self.back)
        self.profile.cleanup()
