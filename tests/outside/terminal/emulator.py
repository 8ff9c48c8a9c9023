"""A program in a real pseudo-terminal, whose screen a terminal emulator that we did not write (pyte) keeps."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading

import pyte
from waiting import eventually

TIMEOUT = 60  # seconds

# keys as an xterm sends them
UP, DOWN, RIGHT, LEFT = b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D"
TAB, BACK_TAB, ESCAPE = b"\t", b"\x1b[Z", b"\x1b"
CONTROL_C, CONTROL_L, CONTROL_Z = b"\x03", b"\x0c", b"\x1a"

ENTER_ALTERNATE, LEAVE_ALTERNATE = b"\x1b[?1049h", b"\x1b[?1049l"
HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"


class Terminal:
    """A child that has the terminal as its controlling one. `out` and `err` take the place of its streams."""

    def __init__(self, command, environment, columns, lines, out=None, err=None):
        self.ours, self.theirs = pty.openpty()
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self._lock = threading.Lock()
        self.written = b""
        self._set_size(columns, lines)
        self.settings = termios.tcgetattr(self.theirs)
        self.child = subprocess.Popen(
            command, env=environment, stdin=self.theirs, stdout=out or self.theirs, stderr=err or self.theirs,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with contextlib.suppress(OSError):
            while piece := os.read(self.ours, 65536):
                with self._lock:
                    self.written += piece
                    self._stream.feed(piece)

    def _set_size(self, columns, lines):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns, lines):
        """As a window manager does it: the kernel sends SIGWINCH."""
        with self._lock:
            self.screen.resize(lines, columns)
        self._set_size(columns, lines)

    def lines(self):
        with self._lock:
            return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines())

    def colours(self):
        """The colours that cells of the screen have, but for the terminal's own."""
        with self._lock:
            cells = [cell for row in self.screen.buffer.values() for cell in row.values()]
        return {colour for cell in cells for colour in (cell.fg, cell.bg)} - {"default"}

    def press(self, *keys):
        for key in keys:
            os.write(self.ours, key.encode() if isinstance(key, str) else key)

    def wait_for(self, *texts, without=()):
        """Waits until the screen shows all of these texts and none of those."""
        def shows():
            shown = self.text()
            return all(text in shown for text in texts) and not any(text in shown for text in without)

        eventually(shows, lambda: f"not shown: {texts} without {without}\n{self.text()}\n{self.child.poll()}")
        return self.text()

    def end(self):
        """Waits for the child's end, and returns its exit code."""
        return self.child.wait(TIMEOUT)

    def is_restored(self):
        """Whether the terminal is as it was before: its settings, the screen, the cursor."""
        if ENTER_ALTERNATE in self.written:
            if self.written.rfind(ENTER_ALTERNATE) > self.written.rfind(LEAVE_ALTERNATE):
                return False
        if self.written.rfind(HIDE_CURSOR) > self.written.rfind(SHOW_CURSOR):
            return False
        return termios.tcgetattr(self.theirs) == self.settings

    def close(self):
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()
        for descriptor in (self.theirs, self.ours):
            with contextlib.suppress(OSError):
                os.close(descriptor)
