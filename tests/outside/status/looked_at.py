"""The page of the admin listener in a browser: how it is opened, looked at and photographed."""

import base64
import contextlib
import os
import pathlib

from waiting import eventually

# names that the browser finds here: that of another page, and one that it had turned round to the admin listener
ATTACKER, REBOUND = "attacker.example", "rebound.example"
DESK, PHONE = (1280, 900), (360, 740)


@contextlib.contextmanager
def opened(chromium, url, size=DESK, scheme="light", script=True):
    """A tab with the page, as a user who typed its address."""
    with chromium.page("about:blank") as page:
        page.call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1,
                  mobile=size == PHONE)
        page.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme},
                            {"name": "prefers-reduced-motion", "value": "reduce"}])
        page.call("Emulation.setScriptExecutionDisabled", value=not script)
        page.call("Emulation.setScrollbarsHidden", hidden=True)
        page.go(url)
        eventually(lambda: page.value("document.readyState") == "complete", f"{url} does not load")
        yield page


def text_of(page, selector="body"):
    """The text that is shown there."""
    return page.value(f"document.querySelector({selector!r}).innerText")


def axe(page):
    """What axe-core complains about: WCAG 2.0, 2.1 and 2.2, levels A and AA."""
    modules = pathlib.Path(os.environ["COUNTERSIGN_NODE_MODULES"])
    page.value((modules / "axe-core/axe.min.js").read_text() + ";0")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    options = {"runOnly": {"type": "tag", "values": tags}}
    found = page.value(f"axe.run(document, {options!r}).then((found) => found.violations.map((violation) => "
                       "violation.id + ': ' + violation.nodes.map((node) => node.html + ' ' + node.failureSummary)))")
    passed = page.value(f"axe.run(document, {options!r}).then((found) => found.passes.length)")
    assert passed > 15, "axe-core has looked at the page"
    return found


def photograph(page, path, height=None):
    """The page as it looks, from its top."""
    width, whole = page.value("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height or whole, whole), "scale": 1}
    shot = page.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
    pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))
