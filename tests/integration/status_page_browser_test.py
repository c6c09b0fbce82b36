#!/usr/bin/env python3
"""The status page in Chromium: live, by keyboard alone, in light and in dark, with names for all
that a screen reader meets, and nothing refused by its own policy."""

import contextlib
import os
import shutil
import signal
import unittest

import browser
import harness
import status_listener

LISTEN = "--status_address=127.0.0.1:0"

# The least contrast of any text with what is behind it, and that text (WCAG 2.1, 1.4.3).
CONTRAST = """(() => {
  const parse = (color) => {
    const part = color.match(/[\\d.]+/g).map(Number);
    return part.length === 3 ? [...part, 1] : part;
  };
  const light = (color) => {
    const part = color.slice(0, 3).map((value) => {
      value /= 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const color = parse(getComputedStyle(element).backgroundColor);
      if (color[3] === 1) return color;
    }
    return [255, 255, 255, 1];
  };
  let worst = [21, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const pair = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort();
    const contrast = (pair[1] + 0.05) / (pair[0] + 0.05);
    if (contrast < worst[0]) worst = [contrast, walker.currentNode.data.trim()];
  }
  return worst;
})()"""


@unittest.skipUnless(shutil.which("chromium"),
                     "there is no Chromium; Debian has it in the package chromium")
class StatusPage(unittest.TestCase):
    def check(self, page, picture):
        """Readable in both schemes."""
        for dark in (False, True):
            page.dark(dark)
            contrast, text = page.evaluate(CONTRAST)
            self.assertGreaterEqual(contrast, 4.5, text)
            page.screenshot(picture + ("-dark.png" if dark else ".png"))
        page.dark(False)

    def test_it_is_live(self):
        with harness.Server(LISTEN, workers=2, own_group=True) as server:
            status = status_listener.StatusListener(server)
            with browser.Page(status.url) as page:
                page.wait_for("document.title === '2/2 serving – squall'")
                self.assertEqual(page.evaluate("byId('state').textContent"), "serving")
                self.assertEqual(page.evaluate("document.querySelectorAll('#workers li').length"), 2)
                page.wait_for("lines[4][0].points.some((point) => point !== null)")
                self.check(page, "idle")

                with contextlib.closing(server.connection()) as slow, \
                        harness.Load(server, connections=8) as load:
                    slow.request("GET", "/?sleep=8&token=secret")
                    page.wait_for("lines[0][0].points.filter((point) => point > 0).length >= 3",
                                  "requests a second are drawn")
                    page.wait_for("document.body.innerText.includes('in a request for')")
                    self.assertNotIn("secret", page.evaluate("document.documentElement.outerHTML"))
                    self.check(page, "load")
                    load.finish()

                os.kill(server.first_workers[0], signal.SIGKILL)
                page.wait_for("document.body.textContent.includes('killed by signal 9')")
                self.assertEqual(server.admin.run("resize", "1", "--wait").returncode, 0)
                page.wait_for("document.querySelectorAll('#workers li').length === 1")
                # What the kernel sends has no name of ours in it.
                origin = status.url.rstrip("/")
                self.assertLessEqual(page.requested(),
                                     {origin + "/", origin + "/stream", "data:,", "about:blank"})
                self.assertEqual(page.complaints(), [])

    def test_a_slot_that_fails_is_seen(self):
        with harness.Server(LISTEN, "--breaker_deaths=0", workers=3, own_group=True) as server:
            status = status_listener.StatusListener(server)
            with browser.Page(status.url) as page:
                page.wait_for("document.title === '3/3 serving – squall'")
                os.kill(server.first_workers[1], signal.SIGKILL)
                page.wait_for("document.title === '2/3 serving – squall'")
                page.wait_for("document.querySelectorAll('#workers details.bad').length === 1")
                self.assertIn("next start in", page.evaluate(
                    "document.querySelector('#workers details.bad').innerText"))
                page.evaluate("document.querySelector('#workers details.bad').open = true")
                self.check(page, "failed")
                # The control process goes, and the page finds the next one by itself.
                workers = {worker["pid"] for worker in server.admin.workers().values()
                           if "pid" in worker}
                for pid in set(harness.descendants(server.pid)) - workers:
                    os.kill(pid, signal.SIGKILL)
                page.wait_for("!byId('lost').hidden", "the page says that nobody answers")
                page.screenshot("lost.png")
                page.wait_for("byId('lost').hidden", "the page is live again")

    def test_the_keyboard_is_enough(self):
        with harness.Server(LISTEN, workers=2) as server:
            with browser.Page(status_listener.StatusListener(server).url) as page:
                page.wait_for("document.title === '2/2 serving – squall'")
                page.press("Tab")
                self.assertEqual(page.evaluate("document.activeElement.id"), "pause")
                page.press("Tab")
                self.assertEqual(page.evaluate("document.activeElement.tagName"), "SUMMARY")
                page.press("Enter", text="\r")
                self.assertTrue(page.evaluate("document.activeElement.parentElement.open"))
                # The next events leave it open and in focus.
                points = page.evaluate("lines[0][0].points.length")
                page.wait_for("lines[0][0].points.length > %d" % (points + 1))
                self.assertTrue(page.evaluate("document.activeElement.parentElement.open"))
                self.assertNotEqual(
                    page.evaluate("getComputedStyle(document.activeElement).outlineStyle"), "none")
                page.screenshot("focus.png")
                page.evaluate("byId('pause').focus()")
                page.press(" ", "Space", " ")
                page.wait_for("byId('pause').getAttribute('aria-pressed') === 'true'")
                self.assertEqual(page.evaluate("byId('pause').textContent"), "Go on")
                page.press(" ", "Space", " ")
                page.wait_for("source !== null && source.readyState === EventSource.OPEN")

    def test_all_has_a_name(self):
        with harness.Server(LISTEN, workers=2) as server:
            with browser.Page(status_listener.StatusListener(server).url, width=360) as page:
                page.wait_for("document.title === '2/2 serving – squall'")
                nodes = page.call("Accessibility.getFullAXTree")["nodes"]
                seen = set()
                for node in nodes:
                    role = node.get("role", {}).get("value")
                    if node.get("ignored") or role not in ("button", "link", "image", "img",
                                                           "heading", "DisclosureTriangle", "list",
                                                           "region"):
                        continue
                    seen.add(role)
                    self.assertTrue(node.get("name", {}).get("value"), node)
                self.assertLessEqual({"button", "link", "heading"}, seen)
                self.assertTrue(seen & {"image", "img"}, seen)
                self.assertEqual(page.evaluate("document.documentElement.lang"), "en")
                # A telephone needs no scrolling to the side.
                self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 500)
                page.screenshot("narrow.png")


if __name__ == "__main__":
    unittest.main(verbosity=2)
