"""A keystone and the heat-api-cfn before it, from their packages: two processes on free ports, with SQLite."""

import base64
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = pathlib.Path(os.environ.get("COUNTERSIGN_OPENSTACK", HERE.parents[1] / "target/openstack"))
TIMEOUT = 120  # seconds; importing OpenStack takes a while on a busy machine
STOP_TIMEOUT = 10
PASSWORD = "of-a-keystone-that-lives-for-a-minute"

KEYSTONE = """\
[DEFAULT]
log_file = {directory}/keystone.log
[database]
connection = sqlite:///{directory}/keystone.db
[fernet_tokens]
key_repository = {directory}/tokens
[fernet_receipts]
key_repository = {directory}/receipts
[credential]
key_repository = {directory}/credentials
"""

HEAT = """\
[DEFAULT]
log_file = {directory}/heat.log
transport_url = fake://
[paste_deploy]
api_paste_config = {packages}/etc/heat/api-paste.ini
[oslo_policy]
policy_file = {directory}/policy.yaml
[ec2authtoken]
{account}
[keystone_authtoken]
{account}
interface = internal
"""

ACCOUNT = """\
auth_type = v3password
auth_url = {keystone}/v3
username = admin
password = {password}
project_name = admin
user_domain_id = default
project_domain_id = default"""


class OpenStack:
    """Both servers, from construction until `close`. `url` is heat-api-cfn's."""

    def __init__(self, directory, key_id, secret):
        assert (PACKAGES / "stamp").is_file(), f"tests/clouds/run installs OpenStack into {PACKAGES}"
        self._directory = pathlib.Path(directory)
        self._children = []
        # bound before the servers are there: each is told the port of the other
        keystone, heat = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self._keystone = "http://{}:{}".format(*keystone.getsockname())
        self.authority = "{}:{}".format(*heat.getsockname())
        self.url = f"http://{self.authority}/v1/"
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self.close)
            self._set_up_keystone()
            self._serve(keystone, "keystone.wsgi.api")
            self._make_key(key_id, secret)
            self._serve(heat, "heat_cfn", self._configure_heat())
            on_failure.pop_all()

    def close(self):
        for child in self._children:
            child.terminate()
        for child in self._children:
            child.wait(STOP_TIMEOUT)

    def log(self, name):
        return (self._directory / f"{name}.log").read_text()

    def _set_up_keystone(self):
        (self._directory / "keystone.conf").write_text(KEYSTONE.format(directory=self._directory))
        for name in ("tokens", "receipts", "credentials"):
            (self._directory / name).mkdir(0o700)
            for number in ("0", "1"):
                key = self._directory / name / number
                key.write_text(base64.urlsafe_b64encode(os.urandom(32)).decode())
                key.chmod(0o600)
        self._manage("db_sync")
        self._manage("bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-region-id", "RegionOne",
                     "--bootstrap-public-url", self._keystone, "--bootstrap-internal-url", self._keystone)

    def _manage(self, *arguments):
        command = [PACKAGES / "bin/keystone-manage", "--config-file", self._directory / "keystone.conf", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == 0, done.stderr

    def _serve(self, listener, module, *arguments):
        variables = {"OS_KEYSTONE_CONFIG_DIR": str(self._directory), "OS_KEYSTONE_CONFIG_FILES": "keystone.conf"}
        with listener, (self._directory / f"{module}.out").open("wb") as output:
            self._children.append(subprocess.Popen(
                [PACKAGES / "bin/python", HERE / "wsgi_server.py", module, str(listener.fileno()), *arguments],
                env={**os.environ, **variables}, pass_fds=[listener.fileno()], stdout=output, stderr=output,
            ))

    def _make_key(self, key_id, secret):
        """An EC2 key of our choice for the project of the administrator."""
        domain = {"id": "default"}
        user = {"name": "admin", "domain": domain, "password": PASSWORD}
        token, made = self._post("/v3/auth/tokens", {"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": domain}},
        }})
        self._post("/v3/credentials", {"credential": {
            "type": "ec2", "project_id": made["token"]["project"]["id"], "user_id": made["token"]["user"]["id"],
            "blob": json.dumps({"access": key_id, "secret": secret}),
        }}, token)

    def _post(self, path, body, token=None):
        fields = {"Content-Type": "application/json", **({"X-Auth-Token": token} if token else {})}
        request = urllib.request.Request(self._keystone + path, json.dumps(body).encode(), fields)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return response.headers["X-Subject-Token"], json.load(response)

    def _configure_heat(self):
        account = ACCOUNT.format(keystone=self._keystone, password=PASSWORD)
        configuration = self._directory / "heat.conf"
        configuration.write_text(HEAT.format(directory=self._directory, packages=PACKAGES, account=account))
        (self._directory / "policy.yaml").write_text('"cloudformation:ListStacks": "@"\n')
        return configuration
