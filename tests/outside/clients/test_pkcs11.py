"""Keys in a PKCS#11 token: SoftHSM for the token, the built program for the rest, botocore to verify."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import urllib.request
import uuid

import pytest
import softhsm
from importexport import KEY_ID, SECRET
from softhsm import LABEL, PIN, shim, token  # noqa: F401 (fixtures)
from verifying_upstream import verifying_upstream
from waiting import eventually

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PATIENCE = 60  # seconds
SESSION_HANDLE_INVALID, USER_NOT_LOGGED_IN, FUNCTION_FAILED = "b3", "101", "6"


def document(secret=SECRET):
    return json.dumps({"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": secret})


def post(proxy, form="Action=ListJobs&Version=2010-06-03"):
    connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=PATIENCE)
    try:
        connection.request("POST", "/", form, FORM)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.fixture
def imported(token, countersign_bin):
    done = token.import_key(countersign_bin, document())
    assert done.returncode == 0, done.stderr
    assert f"imported {KEY_ID}" in done.stdout
    return token


@pytest.fixture
def proxy_to(start_countersign, tmp_path):
    """Starts a proxy to an endpoint, with these lines of its route and the key of a token; its agent is a child of
    it."""

    def start(token, endpoint, route, key):
        configuration = tmp_path / "countersign.toml"
        configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
level = "debug"
[process]
workers = 2
{key}
[route.main]
endpoint = "{endpoint}"
{route}
""")
        return Served(start_countersign("run", "--config", configuration, environment=token.environment))

    return start


@pytest.fixture
def serve(proxy_to, upstream):
    """Starts a proxy to the endpoint that verifies, or to another one."""
    verifying = upstream

    def start(token, key=None, upstream=verifying):
        return proxy_to(token, upstream.url(), f'ca_file = "{upstream.ca_file}"', key or token.table(KEY_ID))

    return start


class Served:
    def __init__(self, process):
        self.process = process
        address = json.loads(process.wait_for(r'"message":"listening\b').string)["address"]
        self.host, _, port = address.rpartition(":")
        self.port = int(port)
        self.admin = json.loads(process.wait_for(r'"message":"admin listening"').string)["address"]

    @property
    def agent(self):
        """The process of the key."""
        children = pathlib.Path(f"/proc/{self.process.child.pid}/task/{self.process.child.pid}/children")
        [child] = children.read_text().split()
        return int(child)

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.admin}/readyz", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def check(token, countersign, tmp_path, key=None):
    configuration = tmp_path / "check.toml"
    configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "https://importexport.amazonaws.com"
key = "main"
{key or token.table(KEY_ID)}
""")
    return token.call([countersign, "check", "--config", configuration])


def test_the_sample_configuration_passes_check(imported, countersign_bin, tmp_path):
    # a copy: a checkout may belong to another user, whose files are not trusted
    sample = shutil.copy(pathlib.Path(__file__).parents[3] / "config" / "pkcs11.toml", tmp_path)
    # where the library and the PIN are is this machine's; all else is the sample's
    imported.environment["COUNTERSIGN__KEY__MAIN__MODULE"] = softhsm.module()
    imported.environment["COUNTERSIGN__KEY__MAIN__PIN_FILE"] = str(imported.pin_file)
    done = imported.call([countersign_bin, "check", "--config", sample])
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"id: {KEY_ID}" in done.stdout and done.stdout.endswith("ok\n")


def test_an_imported_key_signs_and_an_independent_implementation_agrees(imported, serve, upstream):
    proxy = serve(imported)
    before = len(upstream.received)
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        form = "Action=GetStatus&JobId=J{}&Version=2010-06-03"
        answers = list(clients.map(lambda n: post(proxy, form.format(n)), range(200)))
    assert {status for status, _ in answers} == {200}
    assert len(upstream.received) - before == 200 and upstream.complaints == []
    assert proxy.ready()[0] == 200
    # one login for all of it: of the program that imported, and of the agent
    assert imported.logins == 2


def test_hmac_sha1_is_computed_in_the_token_too(imported, countersign_bin, tmp_path):
    configuration = tmp_path / "sign.toml"
    configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "https://importexport.amazonaws.com"
profile.signature_method = "HmacSHA1"
{imported.table(KEY_ID)}
""")
    time_and_key = ["--timestamp", "2011-06-20T22:30:59.556Z"]
    in_token = imported.call([countersign_bin, "sign", "--config", configuration, "--route", "main", *time_and_key],
                             given="Action=ListJobs")
    imported.environment["AWS_SECRET_ACCESS_KEY"] = SECRET
    in_memory = imported.call([countersign_bin, "sign", "--endpoint", "https://importexport.amazonaws.com",
                               "--access-key-id", KEY_ID, "--method", "HmacSHA1", *time_and_key],
                              given="Action=ListJobs")
    assert in_token.returncode == 0, in_token.stderr
    assert in_token.stdout == in_memory.stdout and "HmacSHA1" in in_token.stdout


def test_the_imported_object_signs_and_does_nothing_else(imported):
    listed = imported.pkcs11_tool("--login", "--pin", PIN, "--list-objects")
    assert "Secret Key Object" in listed.stdout and "main" in listed.stdout, listed.stdout
    [usage] = re.findall(r"Usage:\s+(.*)", listed.stdout)
    # older versions of the tool do not show `sign` for a secret key, and show `none` then
    assert usage.strip() in ("none", "sign"), listed.stdout
    assert re.search(r"Access:.*sensitive", listed.stdout), listed.stdout
    read = imported.pkcs11_tool("--login", "--pin", PIN, "--read-object", "--type", "secrkey", "--label", "main")
    assert SECRET not in read.stdout + read.stderr
    # to whoever has no PIN, it is not there
    assert "Secret Key Object" not in imported.pkcs11_tool("--list-objects").stdout


@pytest.mark.parametrize("attributes", ["object=main", "object=main;id=%02", "object=other;id=%01"])
def test_an_import_replaces_no_key(imported, countersign_bin, attributes):
    again = imported.import_key(countersign_bin, document(), attributes)
    assert again.returncode == 78
    assert "already has a secret key with" in again.stderr


def test_a_sealed_key_is_imported_and_a_temporary_one_is_not(token, countersign_bin, tmp_path):
    identity, sealed = tmp_path / "identity", tmp_path / "main.age"
    for command, given in [(["new-identity", "--out", identity], ""),
                           (["seal", "--identity", identity, "--out", sealed], document())]:
        assert token.call([countersign_bin, "keys", *command], given=given).returncode == 0
    done = token.import_key(countersign_bin, None, "object=main", "--sealed", sealed, "--identity", identity)
    assert done.returncode == 0, done.stderr
    temporary = json.dumps({**json.loads(document()), "SessionToken": "token"})
    refused = token.import_key(countersign_bin, temporary, "object=temporary")
    assert refused.returncode == 65 and "temporary" in refused.stderr


def test_a_wrong_pin_is_tried_once_whatever_is_asked_afterwards(imported, countersign_bin, tmp_path):
    imported.write_pin("654321")
    before = imported.logins
    # two keys of one token, with the same PIN
    tables = imported.table(KEY_ID) + imported.table(KEY_ID, name="second")
    checked = check(imported, countersign_bin, tmp_path, tables)
    assert checked.returncode == 77, checked.stderr
    assert "refuses the PIN" in checked.stderr and "is not tried again" in checked.stderr
    assert "654321" not in checked.stderr
    assert imported.logins - before == 1
    assert imported.wrong_pin_entered
    # the right one is still welcome
    imported.write_pin(PIN)
    assert check(imported, countersign_bin, tmp_path).returncode == 0


def test_a_wrong_pin_after_a_loss_is_tried_once_and_then_never_again(imported, serve):
    proxy = serve(imported, imported.table(KEY_ID, more="sessions = 1"))
    assert post(proxy)[0] == 200
    before = imported.logins
    imported.write_pin("654321")
    # the token is taken out, with which the login ends, and put back
    imported.tell_shim("absent")
    assert post(proxy)[0] == 503
    imported.untell_shim("absent")
    eventually(lambda: post(proxy)[0] == 503 and imported.logins > before, "no other login")
    assert {post(proxy)[0] for _ in range(20)} == {503}
    # what asks the stores again, at once
    proxy.process.child.send_signal(signal.SIGHUP)
    proxy.process.wait_for("no usable key.*refuses the PIN")
    assert imported.logins - before == 1
    assert proxy.ready()[0] == 503


def test_two_keys_with_one_label_are_refused_and_the_id_tells_them_apart(imported, countersign_bin, tmp_path):
    made = ["--keygen", "--key-type", "AES:32", "--label", "main", "--id", "02"]
    done = imported.pkcs11_tool("--login", "--pin", PIN, *made)
    assert done.returncode == 0, done.stderr
    checked = check(imported, countersign_bin, tmp_path)
    assert checked.returncode == 78 and "2 secret keys with label `main`" in checked.stderr, checked.stderr
    assert check(imported, countersign_bin, tmp_path, imported.table(KEY_ID, "id=%01")).returncode == 0


def test_a_key_that_is_not_there_is_refused(imported, countersign_bin, tmp_path):
    checked = check(imported, countersign_bin, tmp_path, imported.table(KEY_ID, "object=other"))
    assert checked.returncode == 78 and "no secret key with label `other`" in checked.stderr, checked.stderr


def test_a_key_whose_secret_can_be_read_is_refused_unless_that_is_accepted(token, countersign_bin, tmp_path):
    done = token.pkcs11_tool("--login", "--pin", PIN, "--keygen", "--key-type", "GENERIC:32", "--label", "main",
                             "--extractable", "--usage-sign")
    assert done.returncode == 0, done.stderr
    checked = check(token, countersign_bin, tmp_path)
    assert checked.returncode == 78 and "danger_readable_secret" in checked.stderr, checked.stderr
    accepted = token.table(KEY_ID, more="danger_readable_secret = true")
    checked = check(token, countersign_bin, tmp_path, accepted)
    assert checked.returncode == 0 and "DANGER danger_readable_secret" in checked.stdout, checked


@pytest.mark.parametrize("value", [SESSION_HANDLE_INVALID, USER_NOT_LOGGED_IN])
def test_a_session_that_is_lost_is_made_good_within_the_request(imported, serve, value):
    proxy = serve(imported)
    assert post(proxy)[0] == 200
    imported.tell_shim("lose", value)
    assert post(proxy)[0] == 200
    assert not (imported.directory / "lose").exists()


def test_a_token_that_fails_is_an_internal_failure_and_not_sent(imported, serve, upstream):
    proxy = serve(imported)
    before = len(upstream.received)
    imported.tell_shim("lose", FUNCTION_FAILED)
    status, body = post(proxy)
    assert status == 500 and "InternalFailure" in body and "was not sent" in body
    assert len(upstream.received) == before
    assert post(proxy)[0] == 200


def test_a_token_that_is_taken_out_is_not_ready_and_is_used_again_when_it_is_back(imported, serve):
    proxy = serve(imported)
    assert post(proxy)[0] == 200
    imported.tell_shim("absent")
    status, body = post(proxy)
    assert status == 503 and "ServiceUnavailable" in body
    code, text = proxy.ready()
    assert code == 503 and "key.main" in text
    imported.untell_shim("absent")
    eventually(lambda: post(proxy)[0] == 200, "it does not sign again")
    assert proxy.ready()[0] == 200


def test_a_token_that_hangs_costs_its_callers_no_more_than_the_deadline(imported, serve):
    proxy = serve(imported, imported.table(KEY_ID, more='deadline = "2s"\nqueue = 4\nsessions = 1'))
    assert post(proxy)[0] == 200
    imported.tell_shim("stall")
    with concurrent.futures.ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda _: post(proxy), range(12)))
    assert {status for status, _ in answers} == {503}
    said = {text for _, body in answers for text in ("2000 ms", "may queue") if text in body}
    assert said == {"2000 ms", "may queue"}
    imported.untell_shim("stall")
    eventually(lambda: post(proxy)[0] == 200, "it does not sign again")


def test_a_request_too_long_for_the_device_is_refused_and_the_connection_lives(imported, serve):
    proxy = serve(imported, imported.table(KEY_ID, more='max_message = "256 B"'))
    connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=PATIENCE)
    statuses = []
    for form in [f"Action=ListJobs&Marker={'x' * 300}", "Action=L"]:
        connection.request("POST", "/", form, FORM)
        answer = connection.getresponse()
        statuses.append((answer.status, b"ProxyRequestTooLarge" in answer.read()))
    connection.close()
    assert statuses == [(413, True), (200, False)]


def test_an_agent_that_is_killed_is_told_by_503_and_readiness(imported, serve):
    proxy = serve(imported)
    assert post(proxy)[0] == 200
    os.kill(proxy.agent, signal.SIGKILL)
    eventually(lambda: proxy.ready()[0] == 503, "it stays ready")
    status, body = post(proxy)
    assert status == 503 and "was not sent" in body
    assert "key.main" in proxy.ready()[1]


def test_the_agent_ends_with_the_proxy(imported, serve):
    proxy = serve(imported)
    agent = proxy.agent
    proxy.process.child.kill()
    proxy.process.child.wait()
    eventually(lambda: not pathlib.Path(f"/proc/{agent}/exe").exists(), "the agent does not end")


def memory(pid):
    """Everything a process has that can be written to."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as content:
        for line in maps:
            place, rights = line.split()[:2]
            if rights.startswith("rw"):
                start, end = (int(number, 16) for number in place.split("-"))
                try:
                    content.seek(start)
                    yield content.read(end - start)
                except OSError:
                    continue


def traces(secret):
    """The secret's halves, as they are and as HMAC (RFC 2104) keeps them."""
    for half in (secret[:20], secret[20:]):
        for mask in (0, 0x36, 0x5C):
            yield bytes(byte ^ mask for byte in half.encode())


def test_the_secret_is_in_the_memory_of_neither_process(token, countersign_bin, serve, tmp_path_factory):
    # never a secret before, so that nothing but this key can have left it
    secret = (uuid.uuid4().hex + uuid.uuid4().hex)[:40]
    assert token.import_key(countersign_bin, document(secret)).returncode == 0
    with verifying_upstream(tmp_path_factory.mktemp("upstream"), KEY_ID, secret) as endpoint:
        proxy = serve(token, upstream=endpoint)
        assert {post(proxy)[0] for _ in range(20)} == {200}
    for pid, is_there in ((proxy.process.child.pid, KEY_ID), (proxy.agent, LABEL)):
        content = list(memory(pid))
        assert any(is_there.encode() in part for part in content), "the scan sees nothing"
        assert sum(map(len, content)) > 1 << 20
        found = [needle for needle in traces(secret) if any(needle in part for part in content)]
        assert found == []


def test_a_module_that_others_can_write_or_replace_is_not_loaded(imported, countersign_bin, tmp_path):
    loose = tmp_path / "modules"
    loose.mkdir(mode=0o755)
    module = loose / "module.so"
    shutil.copy(imported.shim, module)
    table = imported.table(KEY_ID).replace(str(imported.shim), str(module))
    before = imported.logins
    for path, mode, words in [
        (module, 0o777, "module.so can be written by others (mode 0777): chmod go-w"),
        (loose, 0o777, "everybody may replace files in"),
    ]:
        path.chmod(mode)
        done = check(imported, countersign_bin, tmp_path, table)
        assert done.returncode == 77 and words in done.stderr, done.stderr
        path.chmod(0o755)
    assert imported.logins == before, "nothing was loaded"
    assert check(imported, countersign_bin, tmp_path, table).returncode == 0
