"""The annotation that replaces the pods changes exactly with what a running countersign refuses to change."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from charts import GATEWAY, configuration, documents, the
from deploy.conftest import countersign, keys, run_fixture  # noqa: F401

SECRET = GATEWAY / "ci/secret-values.yaml"
# of tokens that nobody has
TOKENS = ["0d81fc19a25422d45732c4ad71af527eedfbe8ef5a5f7a703b2c2a0b04402bb9", "0" * 63 + "1"]
BASE = ["tls=null", "config.listener.gateway.danger_cleartext_tokens=true",
        'config.listener.gateway.authenticate=["token"]', "config.listener.gateway.service_account=null",
        f'config.client.reporting={{"token_sha256":"{TOKENS[0]}","allow":["importexport:List*"]}}']
ROUTE = "config.route.importexport"

# What is changed, and whether it takes new pods.
CHANGES = [
    (['config.client.reporting.allow=["importexport:Get*"]'], False),
    ([f'config.client.second={{"token_sha256":"{TOKENS[1]}"}}'], False),
    (['config.listener.gateway.hosts=["signer.internal"]'], False),
    (['config.listener.gateway.routes=["importexport"]'], False),
    (['config.listener.gateway.limits.connections=64'], False),
    ([f'{ROUTE}.limits={{"in_flight":8}}'], False),
    ([f'{ROUTE}.timeouts={{"connect":"3s"}}'], False),
    ([f'{ROUTE}.endpoint="https://importexport.eu.example/"'], False),
    ([f'{ROUTE}.fallback=[{{"endpoint":"https://importexport.eu.example/"}}]'], False),
    ([f'{ROUTE}.probe="Action=ListJobs&Version=2010-06-04"'], False),
    (['config.route.second={"endpoint":"https://sns.amazonaws.com/","path":"/sns"}'], False),
    (['config.log.level="debug"'], False),
    (['config.process.drain="20s"'], False),
    (['config.process.drain_delay="5s"'], False),
    (['config.process.bodies="2 MiB"'], False),
    (['config.trace={"forward":true,"sample_ratio":0.5}'], False),
    (["config.process.workers=3"], True),
    (["config.process.danger_unconfined=true"], True),
    (["config.process.danger_writable_files=true"], True),
    (['config.log.format="human"'], True),
    (["config.admin.status=false"], True),
    (['config.admin.address="0.0.0.0:9022"'], True),
    (['config.audit={"target":"stdout"}'], True),
    (['config.trace={"endpoint":"http://127.0.0.1:4318"}'], True),
    (['config.listener.gateway.address="0.0.0.0:9021"'], True),
    (['config.listener.second={"address":"127.0.0.1:9020","any_local":true}'], True),
    ([f'{ROUTE}.endpoint="https://importexport.amazonaws.com:8443/"'], True),
    ([f'{ROUTE}.fallback=[{{"endpoint":"https://importexport.eu.example:8443/"}}]'], True),
    ([f'{ROUTE}.fallback=[{{"endpoint":"https://importexport.eu.example/",'
      '"ca_file":"/run/secrets/authority/ca.pem"}]'], True),
    ([f'{ROUTE}.connect="127.0.0.1:9443"'], True),
    ([f'{ROUTE}.egress="http://proxy.example:3128"'], True),
    ([f'{ROUTE}.connect="unix:/run/envoy.sock"'], True),
    ([f'{ROUTE}.egress_ca_file="/run/secrets/authority/ca.pem"', f'{ROUTE}.egress="https://proxy.example:443"'], True),
    (['config.key.second={"file":"/run/secrets/elsewhere/main.age","identity_file":"/run/secrets/elsewhere/identity"}',
      f'{ROUTE}.key="main"'], True),
    (['config.key.printed={"kind":"process","command":["/bin/true"]}', f'{ROUTE}.key="main"'], True),
]


def changed(settings):
    return documents(GATEWAY, SECRET, settings=[*BASE, *settings])


def digest(among):
    return the("Deployment", among)["spec"]["template"]["metadata"]["annotations"]["countersign/restart"]


def text_in(among, place):
    """The configuration with the mounts below a folder of this test."""
    return configuration(among).replace('"/run/secrets/', f'"{place}/')


@pytest.fixture(scope="module")
def place(tmp_path_factory, keys, run, countersign):  # noqa: F811
    """A folder with what the mounts of the pod and the changes name."""
    directory = tmp_path_factory.mktemp("restart")
    for name in ("config", "countersign", "elsewhere", "authority"):
        (directory / name).mkdir(mode=0o700)
    for name in ("countersign", "elsewhere"):
        for entry, content in keys.items():
            path = directory / name / entry
            path.write_bytes(content)
            path.chmod(0o600)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
               "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "30"]
    subprocess.run(command, cwd=directory / "authority", check=True, capture_output=True)
    return directory


class Running:
    """A countersign in a network of its own, so that the ports of the pod are free; it reads what the test writes."""

    def __init__(self, program, place, text):
        # in a folder of its own, as in the pod: what lies below it can be read
        self.file, self.log = place / "config/countersign.toml", place / "log"
        self.file.write_text(text)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN")}
        script = 'ip link set lo up && exec "$0" "$@"'
        command = ["unshare", "--net", "sh", "-c", script, program, "run", "--config", self.file]
        self.log_file = self.log.open("wb")
        self.process = subprocess.Popen([str(word) for word in command], stdout=self.log_file, stderr=self.log_file,
                                        stdin=subprocess.DEVNULL, env=environment)
        self.await_line(0, r"ready|serving|listening")

    def await_line(self, since, pattern):
        """The rest of the log after `since`, once a line matches."""
        deadline = time.monotonic() + 60
        while not re.search(pattern, text := self.log.read_text(errors="replace")[since:]):
            assert self.process.poll() is None, text
            assert time.monotonic() < deadline, f"no {pattern}: {text}"
            time.sleep(0.05)
        return text

    def takes(self, text):
        """Whether it takes this configuration while it runs. What else could be wrong with it is a failure."""
        since = self.log.stat().st_size
        self.file.write_text(text)
        self.process.send_signal(signal.SIGHUP)
        said = self.await_line(since, r"is in use|a restart is needed|cannot be used|not changed|refused|no setting")
        assert "a restart is needed" in said or "is in use" in said, said
        return "a restart is needed" not in said

    def end(self):
        self.process.kill()
        self.process.wait()
        self.log_file.close()


def test_pods_are_replaced_exactly_for_what_a_running_countersign_refuses_to_change(place, countersign):  # noqa: F811
    base = changed([])
    running = Running(countersign, place, text_in(base, place))
    try:
        wrong = []
        for settings, replaces in CHANGES:
            among = changed(settings)
            assert configuration(among) != configuration(base), settings
            taken = running.takes(text_in(among, place))
            if taken == replaces:
                wrong.append(f"a running countersign {'takes' if taken else 'refuses'} {settings}")
            if (digest(among) != digest(base)) != replaces:
                wrong.append(f"the annotation has {'changed' if not replaces else 'not changed'} with {settings}")
            running.takes(text_in(base, place))
        assert not wrong, "\n".join(wrong)
    finally:
        running.end()


def test_text_and_values_of_one_meaning_have_one_annotation():
    among = changed([])
    same = json.dumps(configuration(among))
    assert digest(documents(GATEWAY, SECRET, settings=["tls=null", f"configText={same}"])) == digest(among)
