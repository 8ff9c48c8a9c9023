"""The audit's lines in the daemons that keep logs: a real rsyslogd and a real systemd-journald, each alone in a mount
namespace."""

import json
import os
import shutil
import subprocess

import pytest
from waiting import eventually

TIMEOUT = 60  # seconds
FORM = "Action=ListJobs&Version=2010-06-03"

# both daemons listen at paths of the whole machine, which only a namespace makes ours
JOURNALD = """
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
mount --bind {place}/journald.conf /etc/systemd/journald.conf
touch {place}/ready
while :; do
    /lib/systemd/systemd-journald &
    echo $! >{place}/pid.new && mv {place}/pid.new {place}/pid
    wait $! || true
    until [ -e {place}/again ]; do sleep 0.1; done
    rm {place}/again
done
"""

RSYSLOGD = """
mkdir {place}/dev
mount -t tmpfs tmpfs {place}/dev
for node in null zero full random urandom; do
    touch {place}/dev/$node
    mount --bind /dev/$node {place}/dev/$node
done
mount --rbind {place}/dev /dev
touch {place}/ready
while :; do
    /usr/sbin/rsyslogd -n -f {place}/rsyslog.conf -i {place}/rsyslogd.pid &
    echo $! >{place}/pid.new && mv {place}/pid.new {place}/pid
    wait $! || true
    until [ -e {place}/again ]; do sleep 0.1; done
    rm {place}/again
done
"""


class Daemon:
    """A logging daemon that can be stopped and started again, in a mount namespace with what listens at its socket."""

    def __init__(self, place, script, socket):
        assert os.geteuid() == 0, "this test mounts: run it as root, in a container if need be"
        self.place, self.socket = place, socket
        self.namespace = subprocess.Popen(
            ["unshare", "--mount", "--propagation=private", "bash", "-c", "set -e\n" + script.format(place=place)],
            stdin=subprocess.DEVNULL,
        )
        self.wait_until_it_listens()

    def wait_until_it_listens(self):
        def listens():
            pid = self.pid()
            entries = pid and self.inside("cat", "/proc/net/unix").stdout.splitlines()
            return pid and any(line.endswith(f" {self.socket}") for line in entries)

        eventually(listens, lambda: f"nobody listens at {self.socket}")

    def pid(self):
        try:
            pid = int((self.place / "pid").read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid

    def enter(self, *command):
        return ["nsenter", f"--target={self.namespace.pid}", "--mount", *map(str, command)]

    def inside(self, *command):
        return subprocess.run(self.enter(*command), capture_output=True, text=True, timeout=TIMEOUT, check=False)

    def stop(self):
        pid = self.pid()
        os.kill(pid, 15)
        eventually(lambda: not self.pid(), lambda: f"{pid} does not end")

    def start(self):
        (self.place / "again").touch()
        self.wait_until_it_listens()

    def end(self):
        self.namespace.kill()
        self.namespace.wait()
        if pid := self.pid():
            os.kill(pid, 15)
            eventually(lambda: not self.pid(), lambda: f"{pid} does not end")


class Journal(Daemon):
    target = "journald"

    def __init__(self, place):
        (place / "journald.conf").write_text(
            "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nForwardToSyslog=no\nForwardToWall=no\n"
        )
        super().__init__(place, JOURNALD, "/run/systemd/journal/socket")

    def entries(self):
        """What journald has of us: the message, and who it says has sent it."""
        done = self.inside("journalctl", "--directory=/run/log/journal", "--identifier=countersign-audit",
                           "--output=json", "--all", "--no-pager")
        fields = [json.loads(line) for line in done.stdout.splitlines()]
        assert all(field["PRIORITY"] == "6" and field["_TRANSPORT"] == "journal" for field in fields)
        return [(field["MESSAGE"], int(field["_PID"])) for field in fields]


class Syslog(Daemon):
    target = "syslog"

    def __init__(self, place):
        (place / "rsyslog.conf").write_text(f"""\
global(workDirectory="{place}" maxMessageSize="64k")
module(load="imuxsock" SysSock.Use="on" SysSock.Name="/dev/log")
template(name="whole" type="string"
         string="%syslogfacility-text% %syslogseverity-text% %programname% %procid% %msg:2:$%\\n")
action(type="omfile" file="{place}/messages" template="whole")
""")
        super().__init__(place, RSYSLOGD, "/dev/log")

    def entries(self):
        try:
            lines = (self.place / "messages").read_text().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            facility, severity, program, pid, message = line.split(" ", 4)
            if program == "countersign-audit":
                # facility 13, "log audit", which rsyslog calls by its older name
                assert (facility, severity) in (("audit", "info"), ("logaudit", "info")), line
                found.append((message, int(pid)))
        return found


@pytest.fixture(params=[Journal, Syslog], ids=["journald", "rsyslogd"])
def daemon(request, tmp_path):
    for program in ("nsenter", "unshare", "/lib/systemd/systemd-journald", "journalctl", "/usr/sbin/rsyslogd"):
        assert shutil.which(program), f"{program} is not here: tests/run installs it"
    daemon = request.param(tmp_path)
    yield daemon
    daemon.end()


@pytest.fixture
def audited(daemon, start_countersign, seal, sandbox):
    """A proxy beside the daemon, and a function that posts a form to it: status, and the request's id."""
    configuration = daemon.place / "countersign.toml"
    configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "{sandbox}/"
audit_values = ["JobId", "Note"]
{seal()}
[audit]
target = "{daemon.target}"
[log]
format = "json"
""")
    process = start_countersign("run", "--config", configuration, through=daemon.enter())
    address = json.loads(process.wait_for(r'"message":"listening\b').string)["address"]

    def post(form):
        done = subprocess.run(
            ["curl", "--silent", "--dump-header", "-", "--output", os.devnull, "--data", "@-", f"http://{address}/"],
            input=form, capture_output=True, text=True, timeout=TIMEOUT, check=False,
        )
        status, *fields = done.stdout.splitlines()
        fields = dict(field.split(": ", 1) for field in fields if ": " in field)
        return int(status.split()[1]), fields["countersign-request-id"]

    yield process, post
    assert process.stop() == 0


def test_every_line_arrives_whole_and_once(daemon, audited):
    process, post = audited
    # lines with everything that frames could stumble over, and the longest there are
    notes = [
        "", "%22%5C%0A%0D%00%1B", "%C3%A9%E2%82%AC%F0%9F%98%80", "MESSAGE%3Dforged%0APRIORITY%3D0", "%3C0%3Eforged%3A",
    ]
    forms = [FORM, "Action=CancelJob&JobId=x&Version=2010-06-01", "A=%zz"]
    forms += [f"{FORM}&Note={note}" for note in notes]
    forms += [FORM + "".join(f"&Name.{'%22' * 50}.{number}=x" for number in range(90)) + "&Note=" + "%01" * 250]
    ids = [post(form)[1] for form in forms]
    eventually(lambda: len(daemon.entries()) >= len(forms), lambda: f"{daemon.entries()}\n{process.transcript()}")
    entries = daemon.entries()
    lines = [json.loads(message) for message, _ in entries]
    assert [line["request_id"] for line in lines] == ids
    assert {pid for _, pid in entries} == {process.child.pid}
    assert [line["action"] for line in lines[:3]] == ["ListJobs", "CancelJob", None]
    assert [line["values"].get("Note") for line in lines[3:8]] == [
        "", '"\\\n\r\x00\x1b', "é€😀", "MESSAGE=forged\nPRIORITY=0", "<0>forged:"
    ]
    assert lines[8]["parameters_omitted"] > 0
    assert len(entries[8][0]) > 5000


def test_while_the_daemon_is_gone_calls_are_refused_and_it_is_found_again(daemon, audited):
    process, post = audited
    assert post(FORM)[0] == 200
    eventually(lambda: len(daemon.entries()) == 1, process.transcript)
    daemon.stop()
    # the first line finds out, and waits
    assert post(FORM)[0] == 200
    process.wait_for("the audit cannot be written")
    assert post(FORM)[0] == 503
    daemon.start()
    process.wait_for("the audit is written again")
    assert post(FORM)[0] == 200
    # the first, the one that waited, that of the refused call, and the last: none is lost
    eventually(lambda: len(daemon.entries()) >= 3, process.transcript)
    outcomes = [json.loads(message)["status"] for message, _ in daemon.entries()]
    assert outcomes.count(200) == 3, outcomes
