"""/status in every state: it fits its schema, names the cause, and says no more than metrics and log do."""

import json
import re
import threading

import pytest
from jsonschema import Draft202012Validator
from staged_proxy import FORM, SCHEMA, request
from verifying_upstream import Answer, Handler
from waiting import eventually

# a route to an address that accepts no connection
DEAD = """\
[route.dead]
endpoint = "http://{}/"
key = "main"
path = "/dead"
limits.failures = 2
"""
SECRET_VALUE = "value-that-nobody-may-see"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def strict(schema):
    """The schema as it is for us: readers must take members that they do not know, and we document all."""
    if isinstance(schema, dict):
        schema = {name: strict(part) for name, part in schema.items()}
        if "properties" in schema:
            schema["additionalProperties"] = False
            assert sorted(schema["required"]) == sorted(schema["properties"]), schema["properties"].keys()
        return schema
    return [strict(part) for part in schema] if isinstance(schema, list) else schema


@pytest.fixture(scope="session")
def fits():
    """Fails unless a report fits the schema, and returns it."""
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    validators = [Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER),
                  Draft202012Validator(strict(schema))]

    def check(report):
        for validator in validators:
            errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(report)]
            assert not errors, errors
        return report

    return check


def test_a_proxy_that_is_well_is_ok_and_counts_its_calls(stage, fits):
    proxy = stage()
    assert [proxy.call("importexport") for _ in range(3)] == [200] * 3
    assert proxy.call("importexport", form="Action=CreateJob&Version=2010-06-03") == 403
    report = fits(eventually(lambda: full(proxy, 4), proxy.process.transcript))
    assert (report["state"], report["reasons"]) == ("ok", [])
    [route] = report["routes"]
    assert route["breaker"] == {"state": "closed", "reason": None, "outages": 0}
    assert (route["exchanges"]["answered_2xx"], route["exchanges"]["refused"]) == (3, 1)
    assert (route["traffic"]["exchanges"], route["traffic"]["refused"]) == (4, 1)
    assert 0 < route["traffic"]["latency"]["median_seconds"] <= route["traffic"]["latency"]["p99_seconds"]
    assert abs(route["clock_offset_seconds"]) < 5
    assert report["keys"][0]["id"].startswith("AKIA")
    assert (report["configuration"]["generation"], report["configuration"]["refused_at"]) == (1, None)
    [refusal] = report["refusals"]
    assert (refusal["client"], refusal["route"], refusal["action"]) == ("reporting", "importexport", "CreateJob")
    assert (refusal["code"], refusal["status"], refusal["times"]) == ("AccessDenied", 403, 1)
    # by its ID the log has it
    proxy.process.wait_for(rf'"request_id":"{re.escape(refusal["request_id"])}"')


def full(proxy, exchanges):
    """The report, once so many exchanges are counted."""
    report = proxy.report()
    counted = sum(sum(route["exchanges"].values()) for route in report["routes"])
    return report if counted == exchanges else None


def test_an_expired_key_is_the_reason_and_the_last_error_says_what_to_do(stage, fits, seal):
    proxy = stage(key=seal(expires="2026-01-01T00:00:00Z"))
    assert proxy.call("importexport") == 503
    report = fits(eventually(lambda: full(proxy, 1), proxy.process.transcript))
    assert report["state"] == "not_ready"
    assert report["reasons"] == [{"state": "not_ready", "text": "key.main: the key has expired"}]
    [key] = report["keys"]
    assert (key["state"], key["trouble"]) == ("unusable", "the key has expired")
    assert (key["expires_at"], key["expires_in_seconds"] < 0) == ("2026-01-01T00:00:00Z", True)
    error = report["routes"][0]["last_error"]
    assert error["cause"] == "The route's key has expired, and its store gave no newer one."
    assert error["remedy"].startswith("Renew the key in its store.")


def test_an_endpoint_that_is_down_is_named_with_the_error_that_took_it_down(stage, fits, dead_end):
    proxy = stage(DEAD.format(dead_end))
    for _ in range(4):
        proxy.call("dead")
    report = fits(eventually(lambda: full(proxy, 4), proxy.process.transcript))
    assert report["state"] == "degraded"
    [reason] = report["reasons"]
    assert reason["text"].startswith("route.dead: the endpoint is down: no connection"), reason
    dead, good = report["routes"]
    assert (dead["name"], dead["breaker"]["state"], dead["breaker"]["outages"]) == ("dead", "open", 1)
    assert (good["breaker"]["state"], good["last_error"]) == ("closed", None)
    # not that of the calls which the breaker refuses: they would hide it
    error = dead["last_error"]
    assert error["code"] == "ProxyUpstreamUnreachable" and "refused" in error["error"], error
    assert error["remedy"] == "Look at the endpoint, its port, and firewalls on the way."
    assert dead["exchanges"]["unavailable"] == dead["traffic"]["failed"] == 4


def test_clocks_that_are_apart_are_a_reason_with_what_to_do(stage, fits, monkeypatch):
    proxy = stage()
    # far from any day on which this runs
    monkeypatch.setattr(Handler, "date_time_string", lambda *_: "Tue, 01 Jan 2030 00:00:00 GMT")
    proxy.call("importexport")
    report = fits(proxy.await_state("degraded"))
    assert abs(report["routes"][0]["clock_offset_seconds"]) > 86400
    [reason] = report["reasons"]
    assert reason["text"].startswith("route.importexport: the endpoint's clock is "), reason
    assert reason["text"].endswith("this host's: set this host's clock"), reason


def test_a_refused_signature_is_the_last_error_of_its_route(stage, fits, upstream):
    proxy = stage()
    refusal = b"<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>"
    with upstream.answering(lambda received: Answer(refusal, status=403)):
        assert proxy.call("importexport") == 403
    report = fits(eventually(lambda: full(proxy, 1), proxy.process.transcript))
    error = report["routes"][0]["last_error"]
    assert (error["cause"], error["reason"]) == ("The endpoint refuses the signature.", "key_id"), error
    assert error["remedy"] and report["refusals"] == []


def test_a_configuration_that_is_refused_is_a_reason_until_it_is_mended(stage, fits, upstream):
    proxy = stage()
    good = proxy.configuration.read_text()
    proxy.configuration.write_text(good + "nonsense = true\n")
    report = fits(proxy.await_state("degraded"))
    assert report["reasons"][0]["text"].startswith("configuration: the one that was read last is refused")
    assert report["configuration"]["refused_at"] and report["configuration"]["generation"] == 1
    assert "nonsense" not in json.dumps(report), "no content of a file"
    proxy.configuration.write_text(f"""\
{good}
[route.second]
endpoint = "{upstream.url()}"
ca_file = "{upstream.ca_file}"
path = "/second"
key = "main"
""")
    report = fits(proxy.await_state("ok"))
    assert (report["configuration"]["generation"], report["configuration"]["refused_at"]) == (2, None)
    assert [route["name"] for route in report["routes"]] == ["importexport", "second"]


def test_a_proxy_that_drains_says_so_while_its_last_exchange_goes_on(stage, fits, upstream):
    proxy = stage()
    held, go_on = threading.Event(), threading.Event()

    def answer(received):
        held.set()
        go_on.wait(30)
        return Answer()

    with upstream.answering(answer):
        call = threading.Thread(target=proxy.call, args=("importexport",))
        call.start()
        try:
            assert held.wait(30)
            assert proxy.report()["routes"][0]["in_flight"] == 1
            proxy.process.ask_to_stop()
            report = fits(proxy.await_state("draining"))
        finally:
            go_on.set()
            call.join()
    assert report["reasons"][0] == {"state": "draining", "text": "the process is draining"}


def test_totals_go_on_after_a_reload(stage, fits):
    proxy = stage()
    assert [proxy.call("importexport") for _ in range(2)] == [200] * 2
    eventually(lambda: full(proxy, 2), proxy.process.transcript)
    text = proxy.configuration.read_text()
    proxy.configuration.write_text(text.replace('path = "/importexport"',
                                                'path = "/importexport"\nknown_actions = ["ListJobs", "Other"]'))
    eventually(lambda: proxy.report()["configuration"]["generation"] == 2, proxy.process.transcript)
    assert proxy.call("importexport") == 200
    fits(eventually(lambda: full(proxy, 3), proxy.process.transcript))


def test_a_flood_of_one_client_leaves_the_refusals_of_others(stage, fits):
    proxy = stage()
    assert proxy.call("importexport", client="billing", form="Action=ListJobs&Action=Twice") == 400
    assert proxy.call("importexport", client=None) == 403
    for number in range(120):
        assert proxy.call("importexport", form=f"Action=Denied{number}&Version=2010-06-03") == 403
    report = fits(eventually(lambda: full(proxy, 122), proxy.process.transcript))
    assert len(report["refusals"]) == 50
    clients = [refusal["client"] for refusal in report["refusals"]]
    assert (clients.count("billing"), clients.count(None), clients.count("reporting")) == (1, 1, 48)
    # a worker may write the record of the last but one a moment after another worker that of the last
    assert {refusal["action"] for refusal in report["refusals"][:2]} == {"Denied118", "Denied119"}


def numbers_in(metrics, name, **labels):
    """The values of a metric's series that have these labels."""
    found = []
    for line in metrics.splitlines():
        series, _, value = line.rpartition(" ")
        if series.split("{")[0] == name and all(f'{label}="{given}"' in series for label, given in labels.items()):
            found.append(float(value))
    return found


def test_the_report_says_no_more_than_metrics_and_log_and_nothing_else_than_the_metrics(stage, fits, dead_end):
    proxy = stage(DEAD.format(dead_end))
    secret_form = f"{FORM}&Manifest={SECRET_VALUE}&Token{SECRET_VALUE}=1"
    proxy.call("importexport", form=secret_form)
    parent = f"00-{TRACE}-{'b' * 16}-01"
    proxy.call("importexport", form=f"Action=CreateJob&Manifest={SECRET_VALUE}", traceparent=parent)
    proxy.call("importexport", client="nobody", form=secret_form)
    proxy.call("importexport", form=f"Action=ListJobs&A={SECRET_VALUE}&A={SECRET_VALUE}")
    for _ in range(2):
        proxy.call("dead", client="billing", form=secret_form)
    report = fits(eventually(lambda: full(proxy, 6), proxy.process.transcript))
    text = json.dumps(report)
    _, _, page = request(proxy.admin, "/")
    _, _, metrics = request(proxy.admin, "/metrics")
    for shown in (text, page):
        assert SECRET_VALUE not in shown
        assert "-token" not in shown and "Bearer" not in shown
        assert not re.search(r"[0-9a-f]{64}", shown.replace(report["configuration"]["sha256"] or "", "")), "a digest"
    # the same numbers
    for route in report["routes"]:
        for outcome, count in route["exchanges"].items():
            told = numbers_in(metrics, "countersign_exchanges_total", route=route["name"], outcome=outcome)
            assert sum(told) == count, (route["name"], outcome)
        assert numbers_in(metrics, "countersign_endpoint_outages_total", route=route["name"]) == [
            route["breaker"]["outages"]]
    for client in report["clients"]:
        for outcome, count in client["exchanges"].items():
            told = numbers_in(metrics, "countersign_client_exchanges_total", client=client["name"], outcome=outcome)
            assert sum(told) == count, (client["name"], outcome)
    billing, reporting = report["clients"]
    assert (billing["exchanges"]["unavailable"], sum(reporting["exchanges"].values())) == (2, 3)
    # every text of what went wrong is in the log or in the list of errors that the manual has
    log = proxy.process.transcript()
    for refusal in report["refusals"]:
        line = json.loads(proxy.process.wait_for(rf'"request_id":"{refusal["request_id"]}"').string)
        for member in ("peer", "client", "route", "action", "code", "reason", "status", "trace_id"):
            assert line.get(member) == refusal[member], member
    assert [refusal["trace_id"] for refusal in report["refusals"]].count(TRACE) == 1 and TRACE in page
    assert json.dumps(report["routes"][0]["last_error"]["error"]) in log


def test_head_and_body_of_the_page_and_the_report_let_nobody_keep_or_embed_them(stage):
    proxy = stage()
    for path in ("/", "/status", "/readyz", "/metrics"):
        status, head, _ = request(proxy.admin, path)
        assert status == 200
        assert head["Cache-Control"] == "no-store" and head["X-Frame-Options"] == "DENY"
        assert head["X-Content-Type-Options"] == "nosniff" and head["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "default-src 'none'" in head["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in head["Content-Security-Policy"]
        assert "unsafe" not in head["Content-Security-Policy"]


def test_without_the_page_there_is_no_report_either(stage):
    proxy = stage(admin="status = false")
    for path in ("/", "/status"):
        assert request(proxy.admin, path)[0] == 404
    assert request(proxy.admin, "/readyz")[0] == 200


PAGE_SAYS = {
    "typed": ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
    "refreshed": ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 200),
    "a link elsewhere":
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
    "a frame elsewhere":
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
    "a fetch elsewhere":
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"}, 403),
    "a script elsewhere":
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403),
    "an origin": ({"Origin": "https://attacker.example"}, 403),
    "another name": ({"Host": "attacker.example", "Sec-Fetch-Site": "same-origin"}, 403),
}


@pytest.mark.parametrize("case", PAGE_SAYS)
def test_the_page_answers_those_who_look_at_it_and_itself(stage, case):
    headers, expected = PAGE_SAYS[case]
    assert request(stage().admin, "/", headers=headers)[0] == expected
