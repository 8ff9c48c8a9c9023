"""A headless Chromium, driven over the DevTools protocol: JSON messages, each ended by a NUL, over a pair of pipes.

No driver program, no port that others could find, and nothing to install but the browser.
"""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

PATIENCE = 60  # seconds, for anything the browser is asked to do

SWITCHES = [
    "--headless=new",
    "--no-sandbox",  # the tests may run as root, in a container
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--remote-debugging-pipe",
]

# the browser expects its pipes as descriptors 3 and 4, which may be anything here
LAUNCH = 'exec "${@:3}" 3<&"$1" 4>&"$2"'


class Chromium:
    """The browser, from construction until `close`. `directory` is its profile, new and empty."""

    def __init__(self, directory, *switches):
        its_in, self._out = os.pipe()
        self._in, its_out = os.pipe()
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (its_in, its_out)]
        self._log = pathlib.Path(directory) / "stderr"
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                ["bash", "-c", LAUNCH, "launch", *map(str, theirs), "chromium", *SWITCHES,
                 f"--user-data-dir={directory}", *switches, "about:blank"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=theirs, start_new_session=True,
                env={**os.environ, "HOME": str(directory)},
            )
        for fd in (its_in, its_out, *theirs):
            os.close(fd)
        self._ids = itertools.count(1)
        self._answers, self._events = {}, []
        self._ended = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        rest = b""
        while chunk := os.read(self._in, 65536):
            *messages, rest = (rest + chunk).split(b"\0")
            with self._news:
                for message in map(json.loads, messages):
                    if "id" in message:
                        self._answers[message["id"]] = message
                    else:
                        self._events.append((message["method"], message.get("sessionId")))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _wait(self, ready, what):
        deadline = time.monotonic() + PATIENCE
        with self._news:
            if not self._news.wait_for(lambda: self._ended or ready(), deadline - time.monotonic()):
                raise AssertionError(f"Chromium did not answer: {what}")
            if not ready():
                raise AssertionError(f"Chromium ended: {what}\n{self._log.read_text(errors='replace')}")

    def call(self, method, session=None, **parameters):
        """Calls a method of the protocol and returns its result."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        self._wait(lambda: number in self._answers, method)
        answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    @contextlib.contextmanager
    def page(self, url):
        """A tab of its own, in which `url` has been asked for."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        try:
            session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self.call("Page.enable", session)
            page = Page(self, session)
            page.go(url)
            yield page
        finally:
            self.call("Target.closeTarget", targetId=target)

    def close(self):
        try:
            with contextlib.suppress(OSError, AssertionError):
                self.call("Browser.close")
            self._child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        os.close(self._out)
        self._reader.join(PATIENCE)
        os.close(self._in)


class Page:
    """A tab."""

    def __init__(self, browser, session):
        self._browser, self._session = browser, session

    def call(self, method, **parameters):
        """Calls a method of the protocol for this tab."""
        return self._browser.call(method, self._session, **parameters)

    def go(self, url):
        """Asks for another address, as a user who types it."""
        navigated = self.call("Page.navigate", url=url)
        assert not navigated.get("errorText"), f"{url}: {navigated['errorText']}"

    def value(self, expression, as_user=False):
        """What an expression comes to in the page; a promise is waited for. `as_user`: as if a user had clicked."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True,
                         userGesture=as_user)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")
