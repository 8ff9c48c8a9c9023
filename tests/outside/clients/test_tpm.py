"""A key in a TPM: swtpm for the chip, tpm2-abrmd to share it, tpm2-pkcs11 for the library, the built program for the
rest.

A TPM is not SoftHSM: a key is bound to one MAC, messages are short, and signatures take milliseconds.
"""

import contextlib
import os
import pathlib
import random
import socket
import subprocess
import time

import pytest
from importexport import KEY_ID, SECRET

PIN = "123456"
TIME = "2011-06-20T22:30:59.556Z"
PATIENCE = 60  # seconds
LIBRARIES = [f"/usr/lib/{place}/pkcs11/libtpm2_pkcs11.so" for place in ("x86_64-linux-gnu", "aarch64-linux-gnu")]


def library():
    found = [path for path in LIBRARIES if pathlib.Path(path).is_file()]
    assert found, "tpm2-pkcs11 is not installed (Debian package libtpm2-pkcs11-1)"
    return found[0]


def wait_until(happened, process, what):
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen"
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return True


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        return True
    return False


def start_swtpm(stack, directory):
    """The chip, and its port; that of its control channel is the next one."""
    state = directory / "state"
    state.mkdir()
    for _ in range(20):
        port = random.randrange(20000, 32000)
        command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--server", f"type=tcp,port={port}",
                   "--ctrl", f"type=tcp,port={port + 1}", "--flags", "not-need-init,startup-clear"]
        process = stack.enter_context(running(command, {}, directory / "swtpm.log"))
        # not by connecting to the first: one connection is all that it serves there
        if wait_until(lambda port=port: listens(port + 1), process, "swtpm"):
            return port
    raise AssertionError((directory / "swtpm.log").read_text())


@contextlib.contextmanager
def running(command, environment, log):
    with open(log, "wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def tpm(tmp_path_factory):
    """The environment in which programs find a TPM that holds the key `main`."""
    directory = tmp_path_factory.mktemp("tpm")
    with contextlib.ExitStack() as stack:
        port = start_swtpm(stack, directory)
        bus = directory / "bus"
        daemon = stack.enter_context(running(
            ["dbus-daemon", "--session", "--nofork", f"--address=unix:path={bus}"], {}, directory / "dbus.log"))
        assert wait_until(bus.exists, daemon, "the bus"), (directory / "dbus.log").read_text()
        (directory / "store").mkdir()
        environment = {
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}",
            "TPM2TOOLS_TCTI": "tabrmd:bus_type=session",
            "TPM2_PKCS11_TCTI": "tabrmd:bus_type=session",
            "TPM2_PKCS11_STORE": str(directory / "store"),
        }

        def call(*command):
            return subprocess.run([str(word) for word in command], env={**os.environ, **environment},
                                  capture_output=True, text=True, timeout=PATIENCE, check=False)

        broker = stack.enter_context(running(
            ["tpm2-abrmd", "--session", "--allow-root", f"--tcti=swtpm:host=127.0.0.1,port={port}"], environment,
            directory / "abrmd.log"))
        ready = wait_until(lambda: call("tpm2_getrandom", "--hex", "8").returncode == 0, broker, "the broker")
        assert ready, (directory / "abrmd.log").read_text()
        secret = directory / "secret"
        secret.write_text(SECRET)
        for_aws_v4 = directory / "for-aws-v4"
        for_aws_v4.write_text(f"AWS4{SECRET}")
        for words in (["init"], ["addtoken", "--pid=1", "--sopin=87654321", f"--userpin={PIN}", "--label=countersign"],
                      ["import", "--label=countersign", f"--userpin={PIN}", "--key-label=main",
                       "--algorithm=hmac:sha256", f"--privkey={secret}"],
                      # as docs/how-to/hsm.md says it for aws-v4
                      ["import", "--label=countersign", f"--userpin={PIN}", "--key-label=main.aws-v4",
                       "--algorithm=hmac:sha256", f"--privkey={for_aws_v4}"]):
            done = call("tpm2_ptool", *words, f"--path={directory / 'store'}")
            assert done.returncode == 0, done.stderr
        yield environment


@pytest.fixture
def sign(tpm, countersign_bin, tmp_path):
    """`countersign sign`, or another command, with the key in the TPM."""

    def sign(form, pin=PIN, method="HmacSHA256", command=("sign", "--route", "main", "--timestamp", TIME), key="main",
             profile=None):
        pin_file = tmp_path / "pin"
        pin_file.write_text(pin)
        pin_file.chmod(0o600)
        names = ", ".join(f'"{name}"' for name in tpm)
        configuration = tmp_path / "countersign.toml"
        configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "https://importexport.amazonaws.com"
{profile or f'profile.signature_method = "{method}"'}
[key.main]
kind = "pkcs11"
module = "{library()}"
uri = "pkcs11:token=countersign;object={key}"
pin_file = "{pin_file}"
access_key_id = "{KEY_ID}"
sessions = 1
max_message = "1 KiB"
environment = [{names}]
""")
        return subprocess.run([countersign_bin, *command, "--config", configuration], env={**os.environ, **tpm},
                              input=form, capture_output=True, text=True, timeout=PATIENCE, check=False)

    return sign


def test_a_key_in_a_tpm_signs_as_the_secret_does(sign, countersign_bin):
    in_tpm = sign("Action=ListJobs")
    assert in_tpm.returncode == 0, in_tpm.stderr
    command = [countersign_bin, "sign", "--endpoint", "https://importexport.amazonaws.com", "--access-key-id", KEY_ID,
               "--timestamp", TIME]
    in_memory = subprocess.run(command, env={**os.environ, "AWS_SECRET_ACCESS_KEY": SECRET}, input="Action=ListJobs",
                               capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert in_tpm.stdout == in_memory.stdout


def test_a_key_for_aws_v4_that_another_tool_put_into_a_tpm_signs_as_the_secret_does_and_forms_of_any_length(
    sign, countersign_bin
):
    form = f"Action=ListUsers&Version=2010-05-08&Marker={'x' * 5000}"
    region, service = "us-east-1", "iam"
    profile = f'profile = {{ dialect = "aws-v4", region = "{region}", service = "{service}" }}'
    command = ["sign", "--headers", "--timestamp", TIME]
    in_tpm = sign(form, command=[*command, "--route", "main"], key="main.aws-v4", profile=profile)
    assert in_tpm.returncode == 0, in_tpm.stderr
    given = ["--dialect", "aws-v4", "--region", region, "--service", service, "--access-key-id", KEY_ID,
             "--endpoint", "https://importexport.amazonaws.com"]
    in_memory = subprocess.run([countersign_bin, *command, *given], env={**os.environ, "AWS_SECRET_ACCESS_KEY": SECRET},
                               input=form, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert in_tpm.stdout == in_memory.stdout and "Signature=" in in_tpm.stdout


def test_a_message_longer_than_a_tpm_takes_is_not_tried(sign):
    assert sign(f"Action=ListJobs&Marker={'x' * 700}").returncode == 0
    refused = sign(f"Action=ListJobs&Marker={'x' * 1100}")
    assert refused.returncode == 69 and "too long for the device" in refused.stderr


def test_a_mac_that_the_key_is_not_for_is_a_failure_that_says_so(sign):
    refused = sign("Action=ListJobs", method="HmacSHA1")
    assert refused.returncode == 69 and "does not compute HmacSHA1" in refused.stderr, refused.stderr
    checked = sign("", method="HmacSHA1", command=["check"])
    assert checked.returncode == 78, checked.stderr
    assert "key.main: it does not compute HmacSHA1, which `profile.signature_method` of route.main" in checked.stderr


def test_a_wrong_pin_is_refused_and_the_right_one_is_welcome_after_it(sign):
    refused = sign("Action=ListJobs", pin="654321")
    assert refused.returncode == 77 and "refuses the PIN" in refused.stderr, refused.stderr
    assert sign("Action=ListJobs").returncode == 0
