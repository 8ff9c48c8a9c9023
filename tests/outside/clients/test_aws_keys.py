"""Keys where AWS's own tools find them, from endpoints on the loopback interface: STS, container, instance, single
sign-on.

What is signed with them is verified with botocore's implementation. Needs a program with the feature `aws`.
"""

import datetime
import hashlib
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from importexport import KEY_ID, PLACEHOLDER_ID, PLACEHOLDER_SECRET, SECRET
from verifying_upstream import make_tls, verifying_upstream
from waiting import eventually

TOKEN = "IQoJb3JpZ2luX2VjEXAMPLETOKEN+/="
ROLE = "arn:aws:iam::123456789012:role/countersign"
PATIENCE = 60  # seconds


def later(**difference):
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(**difference)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


class Cloud:
    """All of AWS's endpoints at one address; keeps what it was asked. `tls` is a server's context; without one it is in
    the clear."""

    def __init__(self, tls=None):
        self.asked = []
        self.expires = {"hours": 6}
        self.away = False
        cloud = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                form = dict(urllib.parse.parse_qsl(body)) if self.command == "POST" else {}
                path = urllib.parse.urlsplit(self.path).path
                cloud.asked.append((self.command, form.get("Action", path), dict(self.headers), form))
                status, answer = (500, "away") if cloud.away else cloud.answer(self.command, path, self.headers, form)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
                self.end_headers()
                self.wfile.write(answer.encode())

            do_GET = do_POST = do_PUT = do

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if tls:
            # the handshake is for the connection's own thread
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = self.url.replace("http:", "https:")
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method, path, headers, form):
        key = {"AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "Expiration": later(**self.expires)}
        match method, form.get("Action", path):
            case "PUT", "/latest/api/token":
                return 200, "the-metadata-token"
            case "GET", "/latest/meta-data/iam/security-credentials/":
                return self.with_token(headers, "the-role")
            case "GET", "/latest/meta-data/iam/security-credentials/the-role":
                document = {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": later(), "Token": TOKEN, **key}
                return self.with_token(headers, json.dumps(document))
            case "GET", "/container":
                if headers["Authorization"] != "the-container-token":
                    return 401, "{}"
                return 200, json.dumps({"Token": TOKEN, "RoleArn": ROLE, **key})
            case "GET", "/federation/credentials":
                if headers["x-amz-sso_bearer_token"] != "the-sso-token":
                    return 401, "{}"
                end = int(time.time()) + 3600
                given = {"accessKeyId": KEY_ID, "secretAccessKey": SECRET, "sessionToken": TOKEN}
                given["expiration"] = end * 1000
                return 200, json.dumps({"roleCredentials": given})
            case "POST", "AssumeRole" | "AssumeRoleWithWebIdentity" as action:
                if form["RoleArn"] != ROLE:
                    code = "<Code>AccessDenied</Code><Message>not authorized to assume it</Message>"
                    return 403, f"<ErrorResponse><Error><Type>Sender</Type>{code}</Error></ErrorResponse>"
                fields = "".join(f"<{name}>{text}</{name}>" for name, text in {**key, "SessionToken": TOKEN}.items())
                user = f"<AssumedRoleUser><Arn>{ROLE}/x</Arn><AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser>"
                result = f"<{action}Result><Credentials>{fields}</Credentials>{user}</{action}Result>"
                namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
                return 200, f'<{action}Response xmlns="{namespace}">{result}</{action}Response>'
        return 404, ""

    @staticmethod
    def with_token(headers, document):
        return (200, document) if headers["x-aws-ec2-metadata-token"] == "the-metadata-token" else (401, "")

    def calls(self):
        return [call for _, call, _, _ in self.asked]


@pytest.fixture
def cloud():
    cloud = Cloud()
    yield cloud
    cloud.close()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    with verifying_upstream(tmp_path_factory.mktemp("upstream"), KEY_ID, SECRET, TOKEN) as endpoint:
        yield endpoint
    assert endpoint.complaints == []


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """As `endpoint`, for the key without a token."""
    with verifying_upstream(tmp_path_factory.mktemp("upstream"), KEY_ID, SECRET) as endpoint:
        yield endpoint
    assert endpoint.complaints == []


@pytest.fixture
def run(proxy, tmp_path):
    """Starts a proxy with a key of the kind `aws`. Its variables are `variables`, and files of AWS's that are not
    there."""

    def run(endpoint, lines, **variables):
        elsewhere = {
            "HOME": str(tmp_path),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        }
        key = f'[key.main]\nkind = "aws"\n{lines}\n[admin]\naddress = "127.0.0.1:0"\n'
        return proxy(endpoint.url(), endpoint.ca_file, key=key, environment={**elsewhere, **variables})

    return run


def get(url, body=None):
    """Status and text of an answer."""
    try:
        with urllib.request.urlopen(url, body, PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def call(proxy):
    return get(proxy.url, b"Action=ListJobs&Version=2010-06-03")[0]


def ready(proxy):
    address = json.loads(proxy.process.wait_for(r'"message":"admin listening"').string)["address"]
    return get(f"http://{address}/readyz")


def test_keys_of_the_environment_with_and_without_a_token(run, endpoint, lasting):
    key = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    assert call(run(endpoint, 'source = "environment"', **key, AWS_SESSION_TOKEN=TOKEN)) == 200
    assert call(run(lasting, 'source = "environment"', **key)) == 200


def test_a_key_of_a_profile(run, lasting, tmp_path):
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id = {PLACEHOLDER_ID}\naws_secret_access_key = {PLACEHOLDER_SECRET}\n"
        f"[ops]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
    )
    assert call(run(lasting, 'source = "profile"\nprofile = "ops"')) == 200
    assert call(run(lasting, 'source = "profile"', AWS_PROFILE="ops")) == 200


def test_a_program_of_a_profile_sees_neither_our_order_nor_our_variables(run, endpoint, tmp_path):
    key = {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "SessionToken": TOKEN}
    key["Expiration"] = later(hours=1)
    (tmp_path / "key.json").write_text(json.dumps(key))
    (tmp_path / "config").write_text(
        f"[profile ops]\ncredential_process = /bin/sh -c 'env > {tmp_path}/seen; cat {tmp_path}/key.json'\n"
    )
    assert call(run(endpoint, 'source = "profile"\nprofile = "ops"', MARKER="1")) == 200
    seen = {line.partition("=")[0] for line in (tmp_path / "seen").read_text().splitlines()}
    assert "HOME" in seen and not [name for name in seen if name == "MARKER" or name.startswith("COUNTERSIGN")]


def test_a_role_of_a_profile_is_assumed_with_the_key_of_another(run, endpoint, cloud, tmp_path):
    (tmp_path / "credentials").write_text(
        f"[base]\naws_access_key_id = {PLACEHOLDER_ID}\naws_secret_access_key = {PLACEHOLDER_SECRET}\n"
    )
    profile = f"[profile ops]\nrole_arn = {ROLE}\nsource_profile = base\nregion = eu-central-1\n"
    (tmp_path / "config").write_text(profile)
    assert call(run(endpoint, 'source = "profile"\nprofile = "ops"', AWS_ENDPOINT_URL_STS=cloud.url)) == 200
    assert cloud.calls() == ["AssumeRole"]
    assert f"Credential={PLACEHOLDER_ID}/" in signature_of(cloud.asked[0])


def test_a_configured_role_is_assumed_with_what_the_source_gives(run, endpoint, cloud):
    proxy = run(
        endpoint, f'source = "environment"\nrole = "{ROLE}"\nregion = "eu-central-1"', AWS_ENDPOINT_URL_STS=cloud.url,
        AWS_ACCESS_KEY_ID=PLACEHOLDER_ID, AWS_SECRET_ACCESS_KEY=PLACEHOLDER_SECRET,
    )  # fmt: skip
    assert call(proxy) == 200
    assert cloud.calls() == ["AssumeRole"]
    assert cloud.asked[0][3]["RoleSessionName"] == "countersign"
    assert f"Credential={PLACEHOLDER_ID}/" in signature_of(cloud.asked[0])
    assert "/eu-central-1/sts/" in signature_of(cloud.asked[0])


def signature_of(asked):
    return {name.lower(): text for name, text in asked[2].items()}["authorization"]


def test_a_web_identity_is_exchanged_and_its_token_read_anew(run, endpoint, cloud, tmp_path):
    (tmp_path / "token").write_text("first.identity.token")
    cloud.expires = {"seconds": 20}
    proxy = run(
        endpoint, 'source = "web-identity"', AWS_REGION="eu-central-1", AWS_ENDPOINT_URL_STS=cloud.url,
        AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"), AWS_ROLE_ARN=ROLE,
    )  # fmt: skip
    assert call(proxy) == 200
    assert cloud.asked[0][3]["WebIdentityToken"] == "first.identity.token"
    (tmp_path / "token").write_text("second.identity.token")
    eventually(lambda: cloud.asked[-1][3]["WebIdentityToken"] == "second.identity.token", proxy.process.transcript)


def test_a_container_key_with_the_token_of_a_file(run, endpoint, cloud, tmp_path):
    (tmp_path / "token").write_text("the-container-token")
    proxy = run(
        endpoint, 'source = "container"', AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{cloud.url}/container",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(tmp_path / "token"),
    )  # fmt: skip
    assert call(proxy) == 200
    assert cloud.calls() == ["/container"]


def on_an_instance(run, endpoint, cloud):
    return run(
        endpoint, 'source = "instance"\ntimeout = "10s"', AWS_EC2_METADATA_SERVICE_ENDPOINT=cloud.url,
        AWS_EC2_METADATA_DISABLED="false",
    )  # fmt: skip


def test_the_key_of_an_instance_is_asked_for_with_a_metadata_token(run, endpoint, cloud):
    assert call(on_an_instance(run, endpoint, cloud)) == 200
    assert cloud.calls()[0] == "/latest/api/token"


def test_a_key_is_renewed_ahead_of_its_end(run, endpoint, cloud):
    cloud.expires = {"seconds": 30}
    proxy = on_an_instance(run, endpoint, cloud)
    loads = "/latest/meta-data/iam/security-credentials/the-role"
    cloud.expires = {"hours": 6}
    eventually(lambda: cloud.calls().count(loads) == 2, proxy.process.transcript)
    assert call(proxy) == 200


def test_a_source_that_is_away_is_not_ready_and_answers_503_until_it_is_back(run, endpoint, cloud):
    cloud.away = True
    proxy = on_an_instance(run, endpoint, cloud)
    assert call(proxy) == 503
    status, text = ready(proxy)
    assert status == 503 and "main" in text
    cloud.away = False
    eventually(lambda: call(proxy) == 200, proxy.process.transcript)
    assert ready(proxy)[0] == 200


def test_single_sign_on_with_a_token_that_the_aws_cli_has_left(run, endpoint, cloud, tmp_path):
    (tmp_path / "config").write_text(
        "[profile ops]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = countersign\n"
        "[sso-session work]\nsso_region = eu-central-1\nsso_start_url = https://example.awsapps.com/start\n"
    )
    cache = tmp_path / ".aws/sso/cache"
    cache.mkdir(parents=True)
    (cache / f"{hashlib.sha1(b'work').hexdigest()}.json").write_text(
        json.dumps({"accessToken": "the-sso-token", "expiresAt": later(hours=8), "region": "eu-central-1",
                    "startUrl": "https://example.awsapps.com/start"})
    )  # fmt: skip
    assert call(run(endpoint, 'source = "profile"\nprofile = "ops"', AWS_ENDPOINT_URL_SSO=cloud.url)) == 200
    assert cloud.calls() == ["/federation/credentials"]


def test_the_default_chain_takes_the_first_source_that_has_a_key(run, endpoint, cloud, tmp_path):
    proxy = run(
        endpoint, 'source = "default"', AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{cloud.url}/container",
        AWS_CONTAINER_AUTHORIZATION_TOKEN="the-container-token", AWS_REGION="eu-central-1",
    )  # fmt: skip
    assert call(proxy) == 200


@pytest.fixture
def secure_cloud(tmp_path):
    """The same over TLS, with an authority that nobody knows: `ca_file`."""
    ca_file, tls = make_tls(tmp_path)
    cloud = Cloud(tls)
    cloud.ca_file = str(ca_file)
    yield cloud
    cloud.close()


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_over_tls_an_authority_of_ones_own_is_trusted_by_a_variable(run, endpoint, secure_cloud, tmp_path, variable):
    (tmp_path / "token").write_text("identity.token")
    proxy = run(
        endpoint, 'source = "web-identity"\nregion = "eu-central-1"', AWS_ENDPOINT_URL_STS=secure_cloud.url,
        AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"), AWS_ROLE_ARN=ROLE, **{variable: secure_cloud.ca_file},
    )  # fmt: skip
    assert call(proxy) == 200
    assert secure_cloud.calls() == ["AssumeRoleWithWebIdentity"]


def test_a_container_endpoint_may_have_tls(run, endpoint, secure_cloud):
    proxy = run(
        endpoint, 'source = "container"', AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{secure_cloud.url}/container",
        AWS_CONTAINER_AUTHORIZATION_TOKEN="the-container-token", AWS_CA_BUNDLE=secure_cloud.ca_file,
    )  # fmt: skip
    assert call(proxy) == 200
    assert secure_cloud.calls() == ["/container"]


def test_an_endpoint_that_is_not_trusted_is_told_nothing(refusal, secure_cloud, tmp_path):
    (tmp_path / "token").write_text("identity.token")
    web_identity = {
        "AWS_ENDPOINT_URL_STS": secure_cloud.url, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ROLE_ARN": ROLE,
    }  # fmt: skip
    lines = 'source = "web-identity"\nregion = "eu-central-1"'
    assert "UnknownIssuer" in refusal(lines, **web_identity)
    (tmp_path / "empty.pem").write_text("")
    for bundle, part in [
        ("empty.pem", "has no certificate of an authority"),
        ("absent.pem", "is not a readable file of PEM certificates"),
    ]:
        text = refusal(lines, **web_identity, AWS_CA_BUNDLE=str(tmp_path / bundle))
        assert f"{bundle}, which AWS_CA_BUNDLE names, " in text and part in text, text
    assert secure_cloud.calls() == []


# a key that every source but the named one would find
ELSEWHERE = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-central-1"}


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ('source = "profile"', "the profile is in none of the files"),
        ('source = "profile"\nprofile = "absent"', "the profile is in none of the files"),
        ('source = "web-identity"', "start countersign with AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN"),
        ('source = "container"', "start countersign with AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        ('source = "instance"', "it cannot be reached, or the instance has no role"),
        ('source = "environment"\nrole = "arn:aws:iam::123456789012:role/other"', "not authorized to assume it"),
    ],
)
def test_no_other_source_is_asked_in_place_of_the_named_one(refusal, cloud, lines, part):
    assert part in refusal(lines, **ELSEWHERE, AWS_ENDPOINT_URL_STS=cloud.url)


@pytest.fixture
def refusal(start_countersign, tmp_path):
    """What `keys test` says of a key of the kind `aws` that cannot be had."""

    def test(lines, **variables):
        configuration = tmp_path / "countersign.toml"
        configuration.write_text(
            f'[listener.local]\naddress = "127.0.0.1:0"\nany_local = true\n[key.main]\nkind = "aws"\n{lines}\n'
            '[route.main]\nendpoint = "https://127.0.0.1:1/"\n'
        )
        checked = start_countersign(
            "keys", "test", "--config", configuration,
            environment={
                "HOME": str(tmp_path), "AWS_CONFIG_FILE": str(tmp_path / "config"),
                "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "AWS_EC2_METADATA_DISABLED": "true",
                **variables,
            },
        )  # fmt: skip
        assert checked.child.wait(PATIENCE) != 0
        checked.stop()
        return " ".join(checked.transcript().split())

    return test


@pytest.mark.parametrize("file", ["config", "credentials"])
def test_profiles_that_others_can_write_are_not_read(countersign_bin, lasting, tmp_path, file):
    """A profile may name a program to run."""
    path = tmp_path / file
    path.write_text(f"[profile ops]\ncredential_process = /bin/sh -c 'touch {tmp_path}/ran'\n")
    path.chmod(0o666)
    configuration = tmp_path / "countersign.toml"
    configuration.write_text(f"""\
[listener.local]
any_local = true
[route.main]
endpoint = "{lasting.url()}"
ca_file = "{lasting.ca_file}"
[key.main]
kind = "aws"
source = "profile"
profile = "ops"
""")
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    done = subprocess.run([countersign_bin, "check", "--config", configuration], capture_output=True, text=True,
                          timeout=PATIENCE, check=False, env={**os.environ, **files})
    assert done.returncode == 77, done.stderr
    assert f"{path} can be written by others (mode 0666): chmod go-w {path}" in done.stderr
    assert not (tmp_path / "ran").exists()
