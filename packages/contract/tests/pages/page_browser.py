"""A headless Chromium for tests of pages, over its DevTools pipe: standard library alone.

Any test that is given the fixture `open_page` opens a file, acts as a person does, and asks what the page shows::

    from page_browser import browser, open_page  # noqa: F401  (in conftest.py, with this folder on the Python path)

    def test_report(open_page, tmp_path):
        page = open_page(tmp_path / "report.html", width=390, dark=True)
        page.click("th button")
        assert page.js("document.querySelector('th').ariaSort") == "descending"
        page.check()          # no console error, nothing wider than the window
        page.screenshot(tmp_path / "report.png")

Tests skip where there is no Chromium: `CHROMIUM` names it, otherwise it is looked for on the path.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
TIMEOUT_S = 30.0
KEYS = {
    "Escape": 27,
    "Tab": 9,
    "Enter": 13,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "End": 35,
}
LOADED = """Promise.all([...document.images].map(image => {
  image.loading = 'eager';
  return image.complete ? null : new Promise(done => { image.onload = image.onerror = done; });
}))"""
WIDTHS = """(() => {
  const limit = document.documentElement.clientWidth, page = document.documentElement.scrollWidth;
  const wide = page <= limit ? [] : [...document.body.querySelectorAll('*')].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width && box.right > limit + 1;
  });
  return {page, limit, wide: wide.slice(0, 5).map(e => `${e.tagName}.${e.getAttribute('class')}`)};
})()"""


def find_chromium() -> str | None:
    """Find the browser."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """A running Chromium."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="page-browser-")
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()
        # The browser reads commands from descriptor 3 and answers on 4: moved there from numbers that cannot collide.
        low, high = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (to_child, from_child))
        null = os.open(os.devnull, os.O_RDWR)
        moves = [(os.POSIX_SPAWN_DUP2, a, b) for a, b in ((null, 0), (null, 1), (null, 2), (low, 3), (high, 4))]
        command = [program, *FLAGS, f"--user-data-dir={self._profile}", "about:blank"]
        self._pid = os.posix_spawn(program, command, os.environ, file_actions=moves, setpgroup=0)
        for fd in (to_child, from_child, low, high, null):
            os.close(fd)
        self._buffer, self._number = b"", 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; what the browser reports meanwhile is kept in `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        message |= {"sessionId": session} if session else {}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + TIMEOUT_S
        while True:
            answer = self._next(end, method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, event: str, session: str) -> None:
        """Wait until the browser has reported an event."""
        end = time.monotonic() + TIMEOUT_S
        while not any(e.get("method") == event and e.get("sessionId") == session for e in self.events):
            self.events.append(self._next(end, event))

    def close(self) -> None:
        """End the browser."""
        try:
            self.call("Browser.close")
        except (RuntimeError, TimeoutError, OSError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _next(self, end: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], max(end - time.monotonic(), 0))[0]:
                raise TimeoutError(f"Chromium did not answer {what} within {TIMEOUT_S:g} s.")
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise RuntimeError(f"Chromium ended during {what}.")
            self._buffer += chunk
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)


class OpenPage:
    """A page in a tab of its own."""

    def __init__(
        self,
        browser: Browser,
        path: Path,
        *,
        width: int = 1400,
        height: int = 900,
        dark: bool = False,
        scripts: bool = True,
    ) -> None:
        self._browser = browser
        # A context of its own: what a page remembers does not reach the next test.
        self._context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        self._call("Emulation.setScriptExecutionDisabled", value=not scripts)
        mobile = width < 600
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self.goto(path)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def goto(self, path: Path | str) -> None:
        """Open a file or an address."""
        self._forget_load()
        url = path if isinstance(path, str) else path.resolve().as_uri()
        failed = self._call("Page.navigate", url=url).get("errorText")
        assert not failed, f"{url}: {failed}"
        self._browser.wait_for("Page.loadEventFired", self._session)

    def _forget_load(self) -> None:
        self._browser.events = [e for e in self._browser.events if e.get("method") != "Page.loadEventFired"]

    def js(self, expression: str) -> Any:
        """Evaluate JavaScript and give its value."""
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description", expression))
        return found["result"].get("value")

    def place(self, selector: str) -> tuple[float, float]:
        """Middle of the first element of a selector, scrolled into view."""
        # What a page does when it is scrolled is over before the pointer comes.
        found = self.js(
            f"(async () => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);"
            "const b = e.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        assert found, f"The page has no {selector}."
        return found[0], found[1]

    def hover(self, selector: str) -> None:
        """Move the pointer over an element."""
        x, y = self.place(selector)
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        """Click an element."""
        x, y = self.place(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = "none" if kind == "mouseMoved" else "left"
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def follow(self, selector: str) -> None:
        """Click a link and wait for the page that it leads to."""
        self._forget_load()
        self.click(selector)
        self._browser.wait_for("Page.loadEventFired", self._session)

    def tap(self, selector: str) -> None:
        """Tap an element as on a phone."""
        x, y = self.place(selector)
        self._call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self._call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, *keys: str) -> None:
        """Press keys, letters or names such as `Tab`."""
        for key in keys:
            code = KEYS.get(key) or ord(key.upper())
            text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
            for kind in ("keyDown", "keyUp"):
                more = text if kind == "keyDown" else {}
                self._call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **more)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._call("Input.insertText", text=text)

    def screenshot(self, path: Path, *, whole: bool = True, print_media: bool = False) -> Path:
        """Write a picture of the page, of all of it or of what the window shows."""
        if print_media:
            self._call("Emulation.setEmulatedMedia", media="print")
        clip = {}
        if whole:
            self.js(LOADED)
            size = self._call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}
        data = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **clip)["data"]
        path.write_bytes(base64.b64decode(data))
        return path

    def errors(self) -> list[str]:
        """Errors and warnings of the console, exceptions, and what the page tried to load from elsewhere."""
        found = []
        for event in self._browser.events:
            if event.get("sessionId") != self._session:
                continue
            params = event["params"]
            match event["method"]:
                case "Runtime.exceptionThrown":
                    details = params["exceptionDetails"]
                    found.append(details.get("exception", {}).get("description") or details["text"])
                case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                    found.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
                case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                    found.append(params["entry"]["text"])
                case "Network.requestWillBeSent" if not params["request"]["url"].startswith(
                    ("file:", "data:", "about:")
                ):
                    found.append(f"request to {params['request']['url'][:80]}")
        return found

    def check(self) -> None:
        """Fail where the console holds errors, or the page is wider than its window."""
        self.js("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        assert not self.errors(), self.errors()
        found = self.js(WIDTHS)
        assert found["page"] <= found["limit"], f"{found['page']} px wide in {found['limit']} px: {found['wide']}"

    def close(self) -> None:
        """Close the tab and forget what the page stored."""
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium for all tests of a process."""
    program = find_chromium()
    if program is None:
        pytest.skip(f"No Chromium: none of {', '.join(NAMES)} is on the path, and CHROMIUM is not set.")
    started = Browser(program)
    yield started
    started.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., OpenPage]]:
    """Open pages; they are closed after the test."""
    opened: list[OpenPage] = []

    def open_one(path: Path, **options: Any) -> OpenPage:
        opened.append(OpenPage(browser, path, **options))
        return opened[-1]

    yield open_one
    for page in opened:
        page.close()
