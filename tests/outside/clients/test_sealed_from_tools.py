"""`countersign keys seal` with what AWS's own command line prints for a new key, in one pipe as the documents show it.

The command line that is here may be of version 1, which has neither `configure export-credentials` nor YAML: what
version 2 prints for them is written down from its documentation.
"""

import http.server
import json
import os
import pathlib
import shlex
import subprocess
import threading
import time

import pytest
from importexport import KEY_ID, PLACEHOLDER_ID, PLACEHOLDER_SECRET, SECRET

TIMEOUT = 120  # seconds
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLETOKEN+/="
END = "2035-01-01T00:00:00Z"
FIELDS = f"<AccessKeyId>{KEY_ID}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
TEMPORARY = f"<Credentials>{FIELDS}<SessionToken>{TOKEN}</SessionToken><Expiration>{END}</Expiration></Credentials>"


class Cloud(http.server.BaseHTTPRequestHandler):
    """IAM, STS, single sign-on and Cognito."""

    status = "Active"

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        target = self.headers.get("X-Amz-Target", "")
        if "GetCredentialsForIdentity" in target:
            end = int(time.time()) + 3600
            key = {"AccessKeyId": KEY_ID, "SecretKey": SECRET, "SessionToken": TOKEN, "Expiration": end}
            answer = json.dumps({"IdentityId": "eu-central-1:0", "Credentials": key})
        elif self.path.startswith("/federation/credentials"):
            key = {"accessKeyId": KEY_ID, "secretAccessKey": SECRET, "sessionToken": TOKEN}
            answer = json.dumps({"roleCredentials": {**key, "expiration": (int(time.time()) + 3600) * 1000}})
        elif "Action=CreateAccessKey" in body:
            inner = f"<AccessKey><UserName>u</UserName>{FIELDS}<Status>{self.status}</Status></AccessKey>"
            answer = self.document("CreateAccessKey", inner, "https://iam.amazonaws.com/doc/2010-05-08/")
        else:
            action = body.split("Action=")[1].split("&")[0]
            answer = self.document(action, TEMPORARY, "https://sts.amazonaws.com/doc/2011-06-15/")
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    do_GET = do_POST = do

    @staticmethod
    def document(action, inner, namespace):
        return f'<{action}Response xmlns="{namespace}"><{action}Result>{inner}</{action}Result></{action}Response>'

    def log_message(self, *_):
        pass


@pytest.fixture
def pipe(countersign_bin, tmp_path):
    """Runs `aws ... | countersign keys seal` in a shell, and returns what was told and what was sealed."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = f"{pathlib.Path(countersign_bin).resolve().parent}:{os.environ['PATH']}"
    environment = {
        "PATH": path, "HOME": str(tmp_path), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": PLACEHOLDER_ID, "AWS_SECRET_ACCESS_KEY": PLACEHOLDER_SECRET, "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "",
    }  # fmt: skip
    environment |= {name: value for name, value in os.environ.items() if name.startswith("PYENV")}

    def run(command, expected=0):
        done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True,
                              cwd=tmp_path, env=environment, timeout=TIMEOUT, check=False)  # fmt: skip
        assert done.returncode == expected, done.stdout + done.stderr
        told = done.stdout + done.stderr
        assert SECRET not in told and TOKEN not in told
        return told

    run("countersign keys new-identity -o identity")

    def seal(command, expected=0):
        (tmp_path / "main.age").unlink(missing_ok=True)
        told = run(f"{command} | countersign keys seal -o main.age -i identity", expected)
        if expected:
            assert not (tmp_path / "main.age").exists()
            return told, None
        command = ["age", "-d", "-i", "identity", "main.age"]
        opened = subprocess.run(command, capture_output=True, cwd=tmp_path, check=True)
        return told, json.loads(opened.stdout)

    yield seal
    server.shutdown()
    server.server_close()


TEMPORARY_KEYS = {
    "aws sts assume-role --role-arn arn:aws:iam::123456789012:role/r --role-session-name session":
        "`aws sts assume-role`",
    "aws sts get-session-token": "`aws sts assume-role` and the like",
    "aws sts get-federation-token --name federated": "`aws sts assume-role` and the like",
    "aws sts assume-role-with-web-identity --role-arn arn:aws:iam::123456789012:role/r --role-session-name session"
    " --web-identity-token token": "`aws sts assume-role` and the like",
    "aws sso get-role-credentials --role-name r --account-id 123456789012 --access-token t":
        "`aws sso get-role-credentials`",
    "aws cognito-identity get-credentials-for-identity --identity-id"
    " eu-central-1:12345678-1234-1234-1234-123456789012": "`aws cognito-identity",
}  # fmt: skip


@pytest.mark.parametrize("command", TEMPORARY_KEYS, ids=lambda command: " ".join(command.split()[1:3]))
def test_a_temporary_key_is_sealed_with_its_token_and_its_end(pipe, command):
    told, key = pipe(command)
    assert f"read what {TEMPORARY_KEYS[command]}" in told and "a temporary key with its session token" in told
    assert (key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"]) == (KEY_ID, SECRET, TOKEN)
    assert key["Version"] == 1 and key["Expiration"] > "2026"


def test_a_new_key_of_a_user_is_sealed_and_one_that_is_switched_off_is_not(pipe, monkeypatch):
    told, key = pipe("aws iam create-access-key --user-name u")
    assert "read what `aws iam create-access-key`" in told and "a key without an end" in told
    assert key == {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET}
    monkeypatch.setattr(Cloud, "status", "Inactive")
    told, _ = pipe("aws iam create-access-key --user-name u", expected=65)
    assert "Status says that the key cannot be used" in told


def test_what_configure_export_credentials_prints_is_taken_as_it_is(pipe):
    document = {
        "Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "SessionToken": TOKEN, "Expiration": END,
    }  # fmt: skip
    told, key = pipe(f"echo {shlex.quote(json.dumps(document, indent=4))}")
    assert "read what" not in told and key == document


def test_shell_variables_and_yaml_are_refused(pipe):
    shell = f"export AWS_ACCESS_KEY_ID={KEY_ID}\nexport AWS_SECRET_ACCESS_KEY={SECRET}\n"
    yaml = f"AccessKey:\n  AccessKeyId: {KEY_ID}\n  SecretAccessKey: {SECRET}\n  Status: Active\n"
    for text, told in [(shell, "variables for a shell"), (yaml, "does not hold JSON")]:
        assert told in pipe(f"printf {shlex.quote(text)}", expected=65)[0]


@pytest.mark.parametrize("form", ["text", "table"])
def test_another_output_than_json_is_refused(pipe, form):
    told, _ = pipe(f"aws iam create-access-key --user-name u --output {form}", expected=65)
    assert "does not hold JSON" in told or "cannot be used" in told
