"""Headless Chromium driven through its debugging pipe, with the standard library alone."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = """--headless --no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic
--no-first-run --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars
--remote-debugging-pipe""".split()


def find_chrome() -> str | None:
    """Path of a Chromium or Chrome: the environment's CEPHALON_CHROME, or one on the PATH."""
    given = os.environ.get("CEPHALON_CHROME")
    if given:
        return given if shutil.which(given) else None
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page of one browser; `with Browser(path) as browser:`."""

    def __init__(self, chrome: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="cephalon-chrome-")
        to_chrome, self._write = os.pipe()
        self._read, from_chrome = os.pipe()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._serial, self._buffer, self._session = 0, b"", ""

        def wire() -> None:  # in the child, before it becomes the browser: commands come in on 3, answers leave on 4
            a, b = os.dup(to_chrome), os.dup(from_chrome)
            os.dup2(a, 3)
            os.dup2(b, 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        self._process = subprocess.Popen(
            [chrome, *FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=wire,  # noqa: PLW1509
            close_fds=False, start_new_session=True,
        )  # fmt: skip
        os.close(to_chrome)
        os.close(from_chrome)

    def __enter__(self) -> Browser:
        try:
            target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
            self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            os.close(self._write)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        os.close(self._read)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its answer; events met on the way are kept."""
        self._serial += 1
        message: dict[str, Any] = {"id": self._serial, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        deadline = time.monotonic() + 60
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._serial:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._event(answer)

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise TimeoutError("the browser did not answer within 60 s")
            got = os.read(self._read, 1 << 20)
            if not got:
                raise RuntimeError("the browser ended")
            self._buffer += got
        line, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(line)

    def _event(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"][:200])

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression; a promise is awaited."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"].get("exception", {}).get("description")))
        return result["result"].get("value")

    def window(self, width: int, height: int, *, dark: bool = False, phone: bool = False, scale: float = 1) -> None:
        """Choose the size and the colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call(
            "Emulation.setEmulatedMedia", features=[scheme, {"name": "prefers-reduced-motion", "value": "reduce"}]
        )

    def open(self, page: Path, fragment: str = "", *, wait_for: str = "ready") -> None:
        """Open a local page in a fresh document and wait until its viewer says `wait_for`."""
        self.problems.clear()
        self.requests.clear()
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=page.resolve().as_uri() + (f"#{fragment}" if fragment else ""))
        deadline = time.monotonic() + 60
        said = None
        while time.monotonic() < deadline:
            said = self.evaluate("document.readyState === 'complete' && document.documentElement.dataset.viewer || ''")
            if said == wait_for:
                return
            if said == "error":
                break
            time.sleep(0.05)
        note = self.evaluate("(document.getElementById('stage-note') || {}).textContent")
        raise AssertionError(f"the viewer says {said!r} ({note}); {self.problems}")

    def go(self, fragment: str) -> None:
        """Change the part after # and wait until the picture is drawn."""
        wanted = json.dumps("#" + fragment)
        self.evaluate(
            "new Promise((done) => {"
            " addEventListener('hashchange', () => done(true), { once: true });"
            f" if (location.hash === {wanted}) done(false); else location.hash = {wanted}; }})"
        )
        self.settle()

    def settle(self) -> None:
        """Wait for a few frames."""
        frames = "await new Promise((done) => requestAnimationFrame(done));" * 4
        self.evaluate(f"(async () => {{ {frames} }})()")

    def screenshot(self, selector: str | None = None, *, full: bool = False) -> bytes:
        """PNG of the window, of the whole page, or of one element."""
        options: dict[str, Any] = {}
        if selector is not None:
            box = f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            box += " return [b.x + scrollX, b.y + scrollY, b.width, b.height]; })()"
            x, y, width, height = self.evaluate(box)
            options = {
                "clip": {"x": x, "y": y, "width": width, "height": height, "scale": 1},
                "captureBeyondViewport": True,
            }
        elif full:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
            options = {"clip": clip, "captureBeyondViewport": True}
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", **options)["data"])
