"""`countersign demo`: what it shows is true, and what it invites to works."""

import contextlib
import re
import signal
import socket
import subprocess
import urllib.parse
import xml.etree.ElementTree as ElementTree

import pytest
from botocore.auth import SigV2Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from importexport import KEY_ID, SECRET
from verifying_upstream import AUTHENTICATION

TIMEOUT = 60  # seconds
USUAL_PORT = 8021
CURL = r"^\s+(curl .*)$"


@pytest.fixture(scope="module")
def once(countersign_bin):
    done = subprocess.run(
        [countersign_bin, "demo", "--once"], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def demo(start_countersign):
    """A demonstration that serves on, from the moment at which its first invitation is printed."""
    process = start_countersign("demo")
    process.first = process.wait_for(CURL)[1]
    return process


def sides(shown):
    """The three sides of the request: what the client sent, what the endpoint received, what came back."""
    sent, rest = re.split(r"(?m)^(?=2\. )", shown)
    received, answer = re.split(r"(?m)^(?=3\. )", rest)
    return sent, received, answer


def form_sent(sent):
    (form,) = re.findall(r"(?m)^\s+(Action=\S+)$", sent)
    return dict(urllib.parse.parse_qsl(form, strict_parsing=True))


def test_the_clients_request_has_no_key_and_no_signature(once):
    sent, _, _ = sides(once)
    assert re.search(r"(?m)^\s+POST / HTTP/1\.1$", sent)
    form = form_sent(sent)
    assert form["Action"] and not form.keys() & AUTHENTICATION
    assert KEY_ID not in sent and not re.search(r"(?mi)^\s*(authorization|x-amz-\S+)\s*:", sent)


def test_what_the_endpoint_received_verifies_by_botocore_too(once):
    sent, received, _ = sides(once)
    parameters = dict(re.findall(r"(?m)^  [ +] (\w+)\s+(\S+)$", received))
    assert parameters.keys() == form_sent(sent).keys() | AUTHENTICATION
    assert form_sent(sent).items() < parameters.items() and parameters["AWSAccessKeyId"] == KEY_ID
    url = re.search(r"https://\S+", received)[0]
    request = AWSRequest(method="POST", url=url)
    _, signature = SigV2Auth(Credentials(KEY_ID, SECRET)).calc_signature(request, parameters)
    assert parameters["Signature"] == signature
    assert "verified" in received


def test_the_answer_came_in_pieces_and_is_a_job(once):
    sent, _, answer = sides(once)
    assert f"<JobId>{form_sent(sent)['JobId']}</JobId>" in answer
    times = [int(time) for time in re.findall(r"(?m)^\s+after\s+(\d+) ms", answer)]
    assert len(times) >= 2 and times == sorted(times) and times[0] < times[-1]


def test_no_secret_is_shown_and_nothing_is_left_behind(once):
    assert SECRET not in once
    (directory,) = re.findall(r"(/\S+)/main\.age", once)
    with pytest.raises(FileNotFoundError):
        open(f"{directory}/main.age")


def test_the_invitations_can_be_pasted_and_it_ends_when_interrupted(demo):
    def paste(line):
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == 0, done.stderr
        return ElementTree.fromstring(done.stdout).tag.rpartition("}")[2]

    assert paste(demo.first).endswith("Response")
    # what comes after the invitations shows that all of them are printed
    demo.wait_for(r"^endpoint: \w+, the signature verified, status 200$")
    lines = list(demo.output)
    invitations = [(lines[at - 1], found[1]) for at, line in enumerate(lines) if (found := re.match(CURL, line))]
    assert len(invitations) >= 2
    refused = 0
    for comment, line in invitations:
        wanted_refusal = "refused" in comment
        assert (paste(line) == "ErrorResponse") is wanted_refusal, line
        refused += wanted_refusal
    assert refused < len(invitations)

    demo.child.send_signal(signal.SIGINT)
    assert demo.child.wait(TIMEOUT) == 0


def test_when_its_port_is_taken_it_says_so_and_takes_another(start_countersign):
    with socket.socket() as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # should somebody else have it, it is taken just as well
        with contextlib.suppress(OSError):
            ours.bind(("127.0.0.1", USUAL_PORT))
            ours.listen()
        demo = start_countersign("demo")
        demo.wait_for(rf"\b{USUAL_PORT}\b.*\bin use\b")
        url = re.search(r"http://127\.0\.0\.1:(\d+)/", demo.wait_for(CURL)[1])
        assert int(url[1]) != USUAL_PORT
        done = subprocess.run(
            ["bash", "-c", demo.wait_for(CURL)[1]], capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        assert "Response" in done.stdout
        assert demo.stop() == 0
