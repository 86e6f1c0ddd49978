"""A headless Chromium, driven by its DevTools protocol: pages are loaded, read, clicked, typed into."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

SECONDS = 20.0  # for any one thing that is waited for
NAVIGATIONS = 5  # while a text is waited for
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--no-proxy-server", "--remote-debugging-port=0", "about:blank",
)  # fmt: skip


class GoneError(Exception):
    """What was asked about is no more: the page has been left meanwhile, mostly."""


class Page:
    """One tab. `said` collects what its console complained of."""

    def __init__(self, browser: Browser, target: str) -> None:
        self._browser = browser
        attached = browser.do("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: Any) -> Any:
        return self._browser.do(method, session=self.session, **parameters)

    def go(self, url: str, *, prompt: str | None = None) -> None:
        """Load a page; answer the question that it begins with, if it does."""
        if prompt is None:
            self.do("Page.navigate", url=url)
            return
        self._browser.tell("Page.navigate", session=self.session, url=url)
        self._browser.event("Page.javascriptDialogOpening", self.session)
        self.do("Page.handleJavaScriptDialog", accept=True, promptText=prompt)

    def text(self, selector: str, pattern: str) -> str:
        """The text of an element, as soon as `pattern` is in it."""
        script = f"""new Promise((done, fail) => {{
            const began = Date.now();
            const look = () => {{
                const found = document.querySelector({json.dumps(selector)});
                const text = found ? found.innerText : "";
                if (RegExp({json.dumps(pattern)}).test(text)) done(text);
                else if (Date.now() - began > {SECONDS * 500}) fail(Error(text));
                else setTimeout(look, 10);
            }};
            look();
        }})"""
        for _ in range(NAVIGATIONS):
            with suppress(GoneError):
                return str(self.run(script))
        raise AssertionError(f"the page goes from one address to the next; no {selector}")

    def run(self, script: str) -> Any:
        """The value of an expression, or of its promise."""
        told = self.do(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True,
            userGesture=True,
        )  # fmt: skip
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def type(self, text: str) -> None:
        """Type into what has the focus, and press Enter."""
        self.do("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self.do(
                "Input.dispatchKeyEvent",
                type=kind,
                key="Enter",
                text="\r",
                windowsVirtualKeyCode=13,
            )

    @property
    def complaints(self) -> list[str]:
        """Exceptions, console.error, and loads that went wrong."""
        self.run("1")  # what came before it has come
        return [
            json.dumps(event["params"])[:500]
            for event in self._browser.events
            if event.get("sessionId") == self.session and _is_complaint(event)
        ]


def _is_complaint(event: dict[str, Any]) -> bool:
    method, told = event["method"], event["params"]
    return (
        method == "Runtime.exceptionThrown"
        or (method == "Log.entryAdded" and told["entry"]["level"] == "error")
        or (method == "Runtime.consoleAPICalled" and told["type"] in {"error", "assert"})
    )


class Browser:
    """The browser's own connection, which carries the sessions of all pages."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def page(self) -> Page:
        """A new tab."""
        return Page(self, self.do("Target.createTarget", url="about:blank")["targetId"])

    def opened(self, pattern: str) -> Page:
        """The tab that a page has opened at an address."""
        while True:
            for target in self.do("Target.getTargets")["targetInfos"]:
                if target["type"] == "page" and re.search(pattern, target["url"]):
                    return Page(self, target["targetId"])

    def tell(self, method: str, *, session: str | None = None, **parameters: Any) -> int:
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters}
        self._connection.send(json.dumps(order | ({"sessionId": session} if session else {})))
        return self._number

    def do(self, method: str, *, session: str | None = None, **parameters: Any) -> Any:
        number = self.tell(method, session=session, **parameters)
        while True:
            told = self._next()
            if told.get("id") == number:
                if "error" in told:
                    raise GoneError(f"{method}: {told['error']['message']}")
                return told["result"]

    def event(self, method: str, session: str) -> None:
        while not any(e["method"] == method and e["sessionId"] == session for e in self.events):
            self._next()

    def _next(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._connection.recv(SECONDS))
        if "method" in told and "sessionId" in told:
            self.events.append(told)
        return told


@contextmanager
def browser(program: str, folder: Path, options: Sequence[str] = ()) -> Iterator[Browser]:
    """Run Chromium with a profile of its own, until the block ends."""
    process = subprocess.Popen(
        [program, f"--user-data-dir={folder}", *options, *OPTIONS],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        address = next(
            found[1]
            for line in process.stderr
            if (found := re.search(r"listening on (ws:\S+)", line))
        )
        with connect(address, proxy=None, max_size=None) as connection:
            one = Browser(connection)
            yield one
            one.do("Browser.close")
        process.wait(SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
