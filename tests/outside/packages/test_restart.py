"""The installed service and systemd's watchdog: what happens when a worker, or the process, is stuck."""

import pytest
import steps
from machine import boot

# so that the test does not wait for the half minute of the unit
SOONER = """
mkdir -p /etc/systemd/system/countersign.service.d
printf '[Service]\\nWatchdogSec=2\\nTimeoutAbortSec=2\\n' >/etc/systemd/system/countersign.service.d/sooner.conf
systemctl daemon-reload
"""

# Holds the thread `worker-1` as a debugger does, until the process ends: there is no debugger here, but there is perl.
HOLD_A_WORKER = r"""
pid=$(show countersign.service MainPID)
for task in /proc/$pid/task/*; do
    if [ "$(cat $task/comm)" = worker-1 ]; then thread=${task##*/}; fi
done
case $(uname -m) in x86_64) number=101 ;; *) number=117 ;; esac
cat >/hold <<'PERL'
my ($number, $thread) = map { $_ + 0 } @ARGV;
for my $request (0x4206, 0x4207) { syscall($number, $request, $thread, 0, 0) == 0 or die "ptrace: $!"; }
waitpid($thread, 0x40000000);
print "held\n";
close STDOUT;
# until it is killed with its process, which would else stay until this one ends
waitpid($thread, 0x40000000);
PERL
perl /hold "$number" "$thread" >/held &
await 'grep held /held'
"""

RESTARTED = """
await '[ "$(show countersign.service NRestarts)" = {times} ] && [ $(show countersign.service ActiveState) = active ]'
show countersign.service NRestarts
"""


@pytest.fixture(scope="module")
def said(root, deb, tmp_path_factory):
    return boot(root, tmp_path_factory.mktemp("restart"), {"new.deb": deb("countersign")}, {
        "install": "dpkg --install /given/new.deb",
        "sooner": SOONER,
        "key": steps.PUT_KEY,
        "endpoint": steps.CHOOSE_ENDPOINT,
        "enable": "systemctl enable --now countersign",
        "sandbox": steps.SANDBOX,
        "fed": "show countersign.service WatchdogUSec; first=$(show countersign.service WatchdogTimestampMonotonic)\n"
               "await '[ $(show countersign.service WatchdogTimestampMonotonic) -gt $((first + 4000000)) ]'\n"
               "show countersign.service NRestarts",
        "a worker is held": HOLD_A_WORKER,
        "the process is restarted": RESTARTED.format(times=1),
        "call": f"{steps.READY} && {steps.CALL}",
        "the process is stopped": "kill -STOP $(show countersign.service MainPID)\n" + RESTARTED.format(times=2),
        "call again": f"{steps.READY} && {steps.CALL}",
        "journal": "journalctl --no-pager --output=cat --unit=countersign",
    })


def test_systemd_keeps_a_service_whose_workers_turn(said):
    assert said["install"].code == said["enable"].code == 0
    assert said["fed"].well() == ["2s", "0"]


def test_a_worker_that_is_stuck_has_systemd_start_the_service_again(said):
    assert said["a worker is held"].code == 0, said["a worker is held"].text
    assert said["the process is restarted"].well() == ["1"]
    assert "<ListJobsResponse" in said["call"].text
    journal = said["journal"].text
    assert "a worker does not turn" in journal and "Watchdog timeout" in journal
    assert journal.index("a worker does not turn") < journal.index("Watchdog timeout")


def test_a_process_that_is_stopped_is_started_again(said):
    assert said["the process is stopped"].well() == ["2"]
    assert "<ListJobsResponse" in said["call again"].text
