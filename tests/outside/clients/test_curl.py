"""curl against the proxy: its ways to send a form, to frame it, and to read an answer."""

import json
import os
import subprocess
import threading
import urllib.parse

import pytest
from importexport import KEY_ID
from verifying_upstream import Answer
from written_fields import forgeable

FORM = "Content-Type: application/x-www-form-urlencoded"
BODY_LIMIT = 256 * 1024  # the default of a route
TIMEOUT = 60  # seconds

# what curl is asked to say of a transfer, on standard error and by itself
REPORT = "%{stderr}%{json}\n"


class Result:
    """What became of a run of curl: exit code, standard output, one report for each URL, and what `-v` said."""

    def __init__(self, done):
        self.code, self.output = done.returncode, done.stdout
        lines = done.stderr.decode().splitlines()
        self.reports = [json.loads(line) for line in lines if line.startswith('{"')]
        self.said = "\n".join(line for line in lines if not line.startswith('{"'))

    @property
    def statuses(self):
        return [report["http_code"] for report in self.reports]

    @property
    def echoed(self):
        """The parameters that arrived."""
        return dict(json.loads(self.output))


def command(*arguments):
    # first of all -q: no ~/.curlrc
    return ["curl", "-q", "--silent", "--show-error", "--max-time", str(TIMEOUT), "--write-out", REPORT,
            *map(str, arguments)]


def curl(*arguments, given=b""):
    done = subprocess.run(command(*arguments), input=given, capture_output=True, timeout=TIMEOUT + 5, check=False)
    return Result(done)


def echo(received):
    return Answer(json.dumps(received.pairs).encode(), headers={"Content-Type": "application/json"})


@pytest.fixture(scope="module")
def url(proxy, upstream):
    with upstream.answering(echo):
        yield proxy(upstream.url(), upstream.ca_file).url


def form_of(length):
    """A form of exactly so many bytes, which repeats nothing a lost piece could hide in."""
    head = "Action=CreateJob&Manifest="
    return (head + "".join(f"{n:08d}" for n in range(length // 8)))[:length].encode()


def manifest_of(form):
    return form.decode().partition("Manifest=")[2]


def refusal(result, status, code):
    """curl has seen the whole answer, and nothing it would call an error."""
    assert (result.code, result.statuses) == (0, [status]), result.said
    assert f"<Code>{code}</Code>" in result.output.decode()


def test_data_is_sent_as_a_form(url):
    result = curl("-d", "Action=GetStatus", "-d", "JobId=JOB+ID", "-d", "Version=2010-06-03", url)
    assert (result.code, result.statuses) == (0, [200])
    echoed = result.echoed
    assert echoed["AWSAccessKeyId"] == KEY_ID
    assert (echoed["Action"], echoed["JobId"], echoed["Version"]) == ("GetStatus", "JOB ID", "2010-06-03")


def test_data_urlencode_arrives_as_it_was_typed(url, tmp_path):
    manifest = "manifestVersion: 2.0\nname: Jané & <Söhne> 漢 😀\r\n\t100% + ~*'();=\n"
    (tmp_path / "manifest").write_bytes(manifest.encode())
    result = curl("-d", "Action=CreateJob", "--data-urlencode", f"Manifest@{tmp_path / 'manifest'}",
                  "--data-urlencode", "x=a b+c&d=é", url)
    assert result.statuses == [200]
    assert (result.echoed["Manifest"], result.echoed["x"]) == (manifest, "a b+c&d=é")


def test_a_file_of_binary_data_is_sent_unchanged(url, tmp_path):
    form = b"Action=CreateJob&raw=\xc3\xa9 \t\x00;'&escaped=%C3%A9+%0A"
    (tmp_path / "form").write_bytes(form)
    result = curl("--data-binary", f"@{tmp_path / 'form'}", url)
    assert result.statuses == [200]
    assert (result.echoed["raw"], result.echoed["escaped"]) == ("é \t\0;'", "é \n")


def test_a_file_that_ends_with_a_raw_line_break_is_refused(url, tmp_path):
    (tmp_path / "form").write_bytes(b"Action=CreateJob&x=a\n")
    assert curl("--data-binary", f"@{tmp_path / 'form'}", url).statuses == [400]
    assert curl("--data", f"@{tmp_path / 'form'}", url).statuses == [200], "curl strips it here"


@pytest.mark.parametrize("length", [40, 200 * 1024, BODY_LIMIT])
def test_a_chunked_form_arrives_whole_with_a_length(url, upstream, length):
    form = form_of(length)
    result = curl("-v", "-H", FORM, "-H", "Transfer-Encoding: chunked", "--data-binary", "@-", url, given=form)
    assert result.statuses == [200] and "> Transfer-Encoding: chunked" in result.said
    assert result.echoed["Manifest"] == manifest_of(form)
    arrived = upstream.received[-1]
    assert "Transfer-Encoding" not in arrived.headers and arrived.headers["Content-Length"] == str(len(arrived.body))


def test_an_upload_from_a_pipe_arrives_whole(url):
    form = form_of(100_000)
    result = curl("-v", "-X", "POST", "-H", FORM, "-T", "-", url, given=form)
    assert result.statuses == [200] and "> Transfer-Encoding: chunked" in result.said
    assert result.echoed["Manifest"] == manifest_of(form)


def test_an_upload_of_a_file_arrives_whole(url, tmp_path):
    form = form_of(100_000)
    (tmp_path / "form").write_bytes(form)
    # left to itself, curl puts the file's name behind the URL's last slash
    result = curl("-X", "POST", "-H", FORM, "-T", tmp_path / "form", "--request-target", "/", url)
    assert result.statuses == [200] and result.echoed["Manifest"] == manifest_of(form)


def test_a_client_that_expects_it_is_told_to_continue(url):
    form = form_of(200 * 1024)
    result = curl("-v", "-H", "Expect: 100-continue", "--expect100-timeout", TIMEOUT, "--data-binary", "@-", url,
                  given=form)
    assert result.statuses == [200] and "< HTTP/1.1 100 Continue" in result.said
    # it did not just give up waiting
    assert result.reports[0]["time_total"] < TIMEOUT / 2
    assert result.echoed["Manifest"] == manifest_of(form)


def test_a_client_that_waits_to_continue_is_refused_before_it_sends_too_much(url):
    result = curl("-v", "-H", "Expect: 100-continue", "--expect100-timeout", TIMEOUT, "--data-binary", "@-", url,
                  given=form_of(BODY_LIMIT + 1))
    refusal(result, 413, "ProxyRequestTooLarge")
    assert "100 Continue" not in result.said and result.reports[0]["size_upload"] == 0


@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
@pytest.mark.parametrize("length", [BODY_LIMIT + 1, 1024 * 1024, 20 * 1024 * 1024])
def test_a_body_that_is_too_large_is_refused_and_the_answer_is_seen(url, upstream, tmp_path, framing, length):
    (tmp_path / "form").write_bytes(form_of(length))
    before = len(upstream.received)
    # by default curl waits before it sends so much; many clients do not
    head = ["-H", FORM, "-H", "Expect:"] + (["-H", "Transfer-Encoding: chunked"] if framing == "chunked" else [])
    refusal(curl(*head, "--data-binary", f"@{tmp_path / 'form'}", url), 413, "ProxyRequestTooLarge")
    assert len(upstream.received) == before


def test_http_1_0_gets_an_answer_without_chunks(url, upstream):
    pieces = [b"one ", b"two ", b"three"]
    with upstream.answering(lambda received: Answer(pieces)):
        result = curl("-v", "--http1.0", "-d", "Action=ListJobs", url)
    assert (result.code, result.statuses) == (0, [200])
    assert result.output == b"one two three" and "transfer-encoding" not in result.said.lower()


def test_http_2_is_not_spoken(url, upstream):
    before = len(upstream.received)
    result = curl("--http2-prior-knowledge", "-d", "Action=ListJobs", url)
    assert result.code != 0 and result.output == b""
    assert len(upstream.received) == before


def test_an_offer_to_upgrade_is_not_taken(url):
    result = curl("-v", "--http2", "-d", "Action=ListJobs", url)
    assert "> Upgrade: h2c" in result.said
    assert (result.code, result.statuses, result.reports[0]["http_version"]) == (0, [200], "1.1")


def test_parameters_in_the_url_are_refused(url):
    result = curl("-v", "-G", "-d", "Action=ListJobs", url)
    refusal(result, 405, "ProxyMethodNotAllowed")
    assert "< allow: POST" in result.said
    refusal(curl("-d", "Action=ListJobs", url + "?x=1"), 400, "InvalidQueryParameter")


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["-X", "PUT", "-d", "Action=A"], 405, "ProxyMethodNotAllowed"),
        (["-F", "Action=A"], 415, "ProxyUnsupportedMediaType"),
        (["-H", "Content-Type: application/json", "-d", '{"Action": "A"}'], 415, "ProxyUnsupportedMediaType"),
        (["-H", "Content-Encoding: gzip", "-d", "Action=A"], 415, "ProxyUnsupportedMediaType"),
        (["-H", "Content-Type:", "-d", "Action=A"], 415, "ProxyUnsupportedMediaType"),
        (["-H", "Origin: https://example.com", "-d", "Action=A"], 403, "AccessDenied"),
        (["-H", "Sec-Fetch-Site: none", "-d", "Action=A"], 403, "AccessDenied"),
        (["-H", "Host: attacker.example", "-d", "Action=A"], 403, "AccessDenied"),
        (["-H", "Host;", "-d", "Action=A"], 403, "AccessDenied"),
        (["-H", "Host:", "-d", "Action=A"], 400, "ProxyMalformedRequest"),
        (["-H", "Via: 1.1 countersign", "-d", "Action=A"], 508, "ProxyLoopDetected"),
        (["-d", "x=1"], 400, "MissingAction"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_is_not_a_plain_form_is_refused(url, upstream, arguments, status, code):
    before = len(upstream.received)
    refusal(curl(*arguments, url), status, code)
    assert len(upstream.received) == before


def test_a_forward_proxys_request_is_refused(url, upstream):
    before = len(upstream.received)
    refusal(curl("--proxy", url, "-d", "Action=A", "http://importexport.amazonaws.com/"), 403, "AccessDenied")
    # curl's CONNECT fails; nothing is tunnelled
    assert curl("--proxy", url, "-d", "Action=A", "https://importexport.amazonaws.com/").code != 0
    assert len(upstream.received) == before


def test_two_urls_share_a_connection(url):
    result = curl("-d", "Action=ListJobs", url, url + "/")
    assert result.statuses == [200, 200]
    assert [report["num_connects"] for report in result.reports] == [1, 0]


def test_after_a_refused_form_the_connection_goes_on(url):
    result = curl("-d", "x=1", url, "--next", "-q", "-s", "-w", REPORT, "-d", "Action=ListJobs", url)
    assert result.statuses == [400, 200]
    assert [report["num_connects"] for report in result.reports] == [1, 0]


def test_after_a_body_that_was_not_read_the_connection_does_not_go_on(url, tmp_path):
    (tmp_path / "form").write_bytes(form_of(BODY_LIMIT + 1))
    result = curl("-H", "Expect:", "--data-binary", f"@{tmp_path / 'form'}", url,
                  "--next", "-q", "-s", "-w", REPORT, "-d", "Action=ListJobs", url)
    assert result.statuses == [413, 200]
    assert [report["num_connects"] for report in result.reports] == [1, 1]


def test_an_answer_is_passed_on_piece_by_piece(url, upstream):
    seen = [threading.Event() for _ in range(3)]

    def pieces():
        # the next piece is made only when curl has printed the one before
        for number, event in enumerate(seen):
            yield b"<piece>%d</piece>\n" % number
            assert event.wait(TIMEOUT)

    with upstream.answering(lambda received: Answer(pieces())):
        child = subprocess.Popen(
            command("-N", "-d", "Action=ListJobs", url), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            for number, event in enumerate(seen):
                assert os.read(child.stdout.fileno(), 4096) == b"<piece>%d</piece>\n" % number
                event.set()
            assert child.stdout.read() == b"" and child.wait(TIMEOUT) == 0
        finally:
            child.kill()
            child.wait()
            child.stdout.close()


def test_an_answer_that_breaks_off_is_seen_to_break_off(url, upstream):
    def pieces():
        yield b"<half>"
        raise ConnectionAbortedError

    with upstream.answering(lambda received: Answer(pieces())):
        result = curl("-d", "Action=ListJobs", url)
    # 18: "partial file"; 56: the connection was reset
    assert result.code in (18, 56) and result.statuses == [200]


@pytest.mark.parametrize("status", [200, 302, 400, 403, 500, 503])
def test_status_and_fields_of_the_answer_are_passed_on(url, upstream, status):
    given = Answer(
        b"<x/>", status, {"X-Amzn-RequestId": "r", "Location": "https://example.com/", "Set-Cookie": "a=b",
                          "Access-Control-Allow-Origin": "*", "Alt-Svc": 'h3=":443"',
                          **dict.fromkeys(sorted(forgeable()), "forged")}
    )
    before = len(upstream.received)
    with upstream.answering(lambda received: given):
        result = curl("-v", "-d", "Action=ListJobs", url)
    assert (result.statuses, result.output, len(upstream.received) - before) == ([status], b"<x/>", 1)
    fields = {line[2:].partition(":")[0].lower() for line in result.said.splitlines() if line.startswith("< ")}
    assert {"x-amzn-requestid", "location", "content-type", "countersign-request-id"} < fields
    assert not fields & ({"access-control-allow-origin", "alt-svc"} | forgeable() - {"countersign-request-id"})
    assert "forged" not in result.said


def test_a_large_answer_arrives_whole(url, upstream):
    body = b"".join(b"%015d\n" % n for n in range(1024 * 1024))
    with upstream.answering(lambda received: Answer(body)):
        result = curl("-d", "Action=ListJobs", url)
    assert result.code == 0 and result.output == body


def test_signed_by_hand_with_placeholders_it_is_signed_anew(url):
    own = urllib.parse.urlencode({"AWSAccessKeyId": "AKIAI44QH8DHBEXAMPLE", "Signature": "x", "SignatureVersion": "1"})
    result = curl("-d", own, "-d", "Action=ListJobs", url)
    assert result.statuses == [200]
    assert (result.echoed["AWSAccessKeyId"], result.echoed["SignatureVersion"]) == (KEY_ID, "2")
