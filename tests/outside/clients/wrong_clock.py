"""A process whose clock is wrong, made so by libfaketime."""

import glob

# set by the time of a file, read again at every call; the monotonic clock stays what it is, as on a host whose clock is
# set
PRELOAD = "/usr/$LIB/faketime/libfaketimeMT.so.1"
# what a countersign needs that is to read that file
UNCONFINED = "\n[process]\nworkers = 2\ndanger_unconfined = true\n"


class WrongClock:
    """The time of a process, some seconds off the host's; may be set while it runs."""

    def __init__(self, directory, seconds):
        assert glob.glob(PRELOAD.replace("$LIB", "lib*/*")), "libfaketime is not installed: apt-get install faketime"
        self.file = directory / "time"
        self.set(seconds)
        self.environment = {
            "LD_PRELOAD": PRELOAD,
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.rename(self.file)
