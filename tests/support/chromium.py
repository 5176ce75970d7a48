"""A headless Chromium without network access, controlled over its debugging protocol."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import websocket
from patience import PATIENCE, wait_until
from places import FIXTURES

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    """Path of the browser, None if it is not installed."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


class Box(NamedTuple):
    """The place of an element in the window, in CSS px."""

    left: float
    top: float
    right: float
    bottom: float


class Page:
    """One tab; `events` has every event since the last `open`."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
        self._number = 0
        self.events: list[dict[str, Any]] = []
        self._scripts = True
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        if method == "Emulation.setScriptExecutionDisabled":
            self._scripts = not parameters["value"]
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; also works with page scripts disabled."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        """What is written in each visible element, with ordinary spaces."""
        texts = self.run(
            f"[...document.querySelectorAll({selector!r})].filter((node) => node.checkVisibility())"
            ".map((node) => node.textContent)"
        )
        return [" ".join(text.split()) for text in texts]

    def boxes(self, selector: str) -> list[Box]:
        """The places of all visible elements in the window, in CSS px."""
        found = self.run(
            f"[...document.querySelectorAll({selector!r})].filter((node) => node.checkVisibility()).map((node) => {{"
            "const { left, top, right, bottom } = node.getBoundingClientRect(); return [left, top, right, bottom]; })"
        )
        return [Box(*box) for box in found]

    def box(self, selector: str) -> Box:
        """The place of the first visible element."""
        return self.boxes(selector)[0]

    def styles(self, selector: str, *names: str) -> list[list[str]]:
        """Computed properties of all visible elements."""
        return self.run(
            f"[...document.querySelectorAll({selector!r})].filter((node) => node.checkVisibility())"
            f".map((node) => {list(names)}.map((name) => getComputedStyle(node)[name]))"
        )

    def wait(self, condition: str | Callable[[], Any]) -> Any:
        """Evaluate a condition until it is true."""
        if isinstance(condition, str):
            return wait_until(lambda: self._now(condition), condition, look=0.05)
        return wait_until(condition, look=0.05)

    def _now(self, condition: str) -> Any:
        """The value of a condition; None while the browser leaves the page."""
        try:
            return self.run(condition)
        except RuntimeError as error:
            if "navigated" in str(error):
                return None
            raise

    def open(self, url: str) -> None:
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait(lambda: any(event["method"] == "Page.loadEventFired" for event in self._drained()))
        here = f"location.href.split('#')[0] === {json.dumps(url.split('#')[0])}"
        self.wait(f"{here} && document.readyState === 'complete'")  # the event may be that of the page before
        if self._scripts:
            self.wait("!document.getElementById('evidence-page') || document.documentElement.matches('.ready')")

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def reset(self) -> None:
        """Undo what a test has emulated: scripts run, and the page is on a bright screen with a mouse."""
        self.scripts(True)
        self.emulate()

    def scripts(self, allowed: bool) -> None:
        """Let pages run scripts, or not, from the next `open` on."""
        self.call("Emulation.setScriptExecutionDisabled", value=not allowed)

    def emulate(self, media: str = "", scheme: str = "light") -> None:
        """Show the page on that medium (`print`), with that colour scheme."""
        scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme_feature])

    def move(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def printed_pages(self) -> int:
        """Number of A4 pages on paper."""
        found = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
        return len(re.findall(rb"/Type\s*/Page\b(?!s)", base64.b64decode(found["data"])))

    def close(self) -> None:
        self._socket.close()

    def _drained(self) -> list[dict[str, Any]]:
        self.run("1")  # reading any response also reads pending events
        return self.events


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A new browser with one tab; stops only its own process. Skips the test where no browser is installed."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no browser")
    process = subprocess.Popen(
        [executable, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    page = None
    try:
        port = _port(profile / "DevToolsActivePort", process)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
            tabs = json.load(answer)
        page = Page(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))
        yield page
    finally:
        if page is not None:
            page.close()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    def lines() -> list[str]:
        if process.poll() is not None:
            raise RuntimeError(f"Chromium ended with {process.returncode} before it listened.")
        return file.read_text().split() if file.exists() else []

    return int(wait_until(lines, "Chromium listens", look=0.05)[0])


def serious_findings(page: Page) -> list[str]:
    """What axe-core finds serious or critical on the open page: rule and elements."""
    page.run((FIXTURES / "axe-core" / "axe.min.js").read_text(encoding="utf-8") + "; 1")
    return page.run(
        "axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations"
        ".filter((v) => ['serious', 'critical'].includes(v.impact))"
        ".map((v) => v.id + ': ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')))"
    )
