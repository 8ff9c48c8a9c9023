"""What takes long says so: with a moving line on a terminal, a plain line elsewhere, in the log of the service; and
never among the result."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading

import pytest
from emulator import CONTROL_C
from importexport import KEY_ID, SECRET
from token_issuer import ISSUER
from waiting import eventually

PLUGIN = pathlib.Path(__file__).parents[1] / "age_plugin" / "age-plugin-example"
KEY = json.dumps({"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET})
TIMEOUT = 60  # seconds


class SlowStore:
    """A program that gives its key when it is let go: it reads from a FIFO."""

    def __init__(self, directory):
        self.fifo = directory / "key.fifo"
        os.mkfifo(self.fifo)
        self.table = f'[key.main]\nkind = "process"\ncommand = ["/bin/cat", "{self.fifo}"]\ntimeout = "5m"\n'

    def let_go(self):
        # waits until a program reads, and then until it has ended: the next one gets a key of its own
        self.fifo.write_text(KEY)
        eventually(lambda: not self.is_asked(), "the program goes on reading")

    def is_asked(self):
        """Whether a program reads at the moment."""
        with contextlib.suppress(OSError):
            os.close(os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK))
            return True
        return False


def key_in_a_file(directory):
    """The table of a key that is there at once."""
    key = directory / "key.json"
    key.touch(mode=0o600)
    key.write_text(KEY)
    return f'[key.main]\nkind = "file"\nfile = "{key}"\n'


@pytest.fixture
def store(tmp_path):
    return SlowStore(tmp_path)


@pytest.fixture
def black_hole():
    """The port of a program that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    kept.append(server.accept()[0])

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], lambda: [connection.close() for connection in kept]
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def configured(tmp_path):
    def write(key, route='endpoint = "http://127.0.0.1:1/"', listener="any_local = true", more=""):
        path = tmp_path / "countersign.toml"
        path.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
{listener}
[route.main]
{route}
{key}
[log]
format = "json"
{more}
""")
        return path

    return write


@pytest.fixture
def piped(countersign_bin):
    """Starts `countersign ARGUMENT...` with a pipe for each stream."""
    started = []

    def start(*arguments, **environment):
        command = [countersign_bin, *map(str, arguments)]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, env={**os.environ, **environment}, **streams))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_key_store_that_is_slow_has_a_moving_line_on_a_terminal_and_nothing_of_it_stays(terminal, configured, store):
    shown = terminal("keys", "test", "--config", configured(store.table))
    shown.wait_for("s: waiting for key.main", "/bin/cat")
    # it moves: the time goes on
    shown.wait_for("2 s: waiting for key.main")
    store.let_go()
    assert shown.end() == 0
    eventually(lambda: "signs for" in shown.text(), shown.text)
    assert "waiting" not in shown.text() and shown.is_restored()
    assert shown.lines()[0].startswith("key main: ")


def test_a_slow_store_is_told_of_once_by_a_plain_line_where_there_is_no_terminal(piped, configured, store):
    process = piped("keys", "test", "--config", configured(store.table))
    line = process.stderr.readline()
    assert line.startswith("countersign: still waiting for key.main (") and line.endswith("after 5 s\n"), line
    store.let_go()
    out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, err) == (0, "") and "waiting" not in out, (out, err)


def test_nothing_is_told_of_what_does_not_take_long(piped, configured, store, terminal):
    process = piped("keys", "test", "--config", configured(store.table))
    store.let_go()
    assert process.communicate(timeout=TIMEOUT)[1] == ""
    shown = terminal("keys", "new-identity", "--out", store.fifo.parent / "identity")
    assert shown.end() == 0
    assert b"waiting" not in shown.written and b"\x1b" not in shown.written


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"CI": "true"}])
def test_no_line_moves_on_a_dumb_terminal_or_in_ci(terminal, configured, store, variables):
    shown = terminal("keys", "test", "--config", configured(store.table), columns=200, environment=variables)
    shown.wait_for("countersign: still waiting for key.main", "after 5 s")
    store.let_go()
    assert shown.end() == 0
    assert b"\x1b" not in shown.written and shown.written.count(b"waiting") == 1


def test_the_document_of_a_command_is_all_of_standard_output_while_a_line_moves(terminal, configured, store, tmp_path):
    with (tmp_path / "out").open("wb") as out:
        shown = terminal("check", "--format", "json", "--config", configured(store.table), out=out)
        shown.wait_for("s: waiting for key.main")
        store.let_go()
        assert shown.end() == 0
    assert json.loads((tmp_path / "out").read_text())["result"] in ("ok", "warned")
    eventually(lambda: "waiting" not in shown.text(), shown.text)


def test_an_endpoint_that_does_not_answer_is_waited_for_by_name(terminal, piped, configured, store, black_hole):
    port, hang_up = black_hole
    configuration = configured(store.table, f'endpoint = "https://127.0.0.1:{port}/"')
    threading.Thread(target=store.let_go, daemon=True).start()
    shown = terminal("check", "--online", "--config", configuration)
    shown.wait_for("s: waiting for the endpoint of route.main")
    hang_up()
    assert shown.end() == 69
    eventually(lambda: "NOT REACHABLE" in shown.text(), shown.text)
    assert "waiting" not in shown.text()
    threading.Thread(target=store.let_go, daemon=True).start()
    process = piped("check", "--online", "--config", configuration)
    assert process.stderr.readline() == "countersign: still waiting for the endpoint of route.main after 5 s\n"
    hang_up()
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 69


def test_a_probe_that_is_not_answered_is_waited_for_by_name(terminal, configured, tmp_path, black_hole):
    port, hang_up = black_hole
    route = f'endpoint = "http://127.0.0.1:{port}/"\nprobe = "Action=ListJobs&Version=2010-06-03"'
    shown = terminal("check", "--online", "--config", configured(key_in_a_file(tmp_path), route))
    shown.wait_for("s: waiting for the probe of route.main")
    hang_up()
    assert shown.end() == 69


def test_a_device_that_waits_to_be_touched_is_told_of(terminal, countersign_bin, tmp_path):
    programs, sealed, identity = tmp_path / "programs", tmp_path / "main.age", tmp_path / "identity"
    programs.mkdir(mode=0o755)
    shutil.copy(PLUGIN, programs)
    identity.write_text(f"{bech32('AGE-PLUGIN-EXAMPLE-', b'plugin').upper()}\n")
    identity.chmod(0o600)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(
        [countersign_bin, "keys", "seal", "--recipient", bech32("age1example", b"plugin"), "--out", sealed], input=KEY,
        text=True, env={**os.environ, **environment}, capture_output=True, timeout=TIMEOUT, check=False,
    )
    assert done.returncode == 0, done.stderr
    (programs / "behaviour").write_text("hang")
    shown = terminal("keys", "inspect", sealed, "--identity", identity, columns=240, environment=environment)
    shown.wait_for(f"waiting for {sealed}, which an age plugin opens: its device may want to be touched")
    shown.press(CONTROL_C)
    shown.end()
    assert shown.is_restored()
    listed = terminal("keys", "list", tmp_path, "--identity", identity, columns=240, environment=environment)
    listed.wait_for("its device may want to be touched (1 of 1)")


def bech32(prefix, data):
    """A text as age writes identities and recipients (BIP 173), without the limit on its length."""
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    prefix = prefix.lower()
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]

    def polymod(all_values):
        check = 1
        for value in all_values:
            top = check >> 25
            check = (check & 0x1FFFFFF) << 5 ^ value
            for nth, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
                check ^= generator if top >> nth & 1 else 0
        return check

    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    rest = polymod(expanded + values + [0] * 6) ^ 1
    checksum = [rest >> 5 * (5 - nth) & 31 for nth in range(6)]
    return prefix + "1" + "".join(letters[value] for value in values + checksum)


def waits(process):
    """What the log of a service says it waits for."""
    parsed = [json.loads(line) for line in process.log if line.startswith("{")]
    return [line for line in parsed if line.get("message", "").startswith("still waiting for ")]


def test_a_start_that_waits_for_a_key_says_so_in_the_log_at_intervals(start_countersign, configured, store):
    process = start_countersign("run", "--config", configured(store.table))
    eventually(lambda: len(waits(process)) >= 2, process.transcript)
    first, second = waits(process)[:2]
    assert first["message"].startswith("still waiting for key.main (") and first["level"] == "WARN", first
    assert 5 <= first["seconds"] < second["seconds"]
    # the log is a log: nothing else is written, before its thread runs and after
    store.let_go()
    process.wait_for('"message":"listening"')
    assert [line for line in process.log + process.output if not line.startswith("{")] == []
    count = len(waits(process))
    assert process.stop() == 0 and len(waits(process)) == count


def test_a_start_on_a_terminal_writes_log_lines_and_nothing_that_moves(terminal, configured, store):
    configuration = configured(store.table).read_text().replace('format = "json"', 'format = "human"')
    store.fifo.with_name("human.toml").write_text(configuration)
    shown = terminal("run", "--config", store.fifo.with_name("human.toml"), columns=200, environment={"NO_COLOR": "1"})
    shown.wait_for(" WARN still waiting for key.main (", "s seconds=5")
    store.let_go()
    shown.wait_for("INFO listening")
    assert b"\x1b" not in shown.written and b"\r" not in shown.written.replace(b"\r\n", b"")
    shown.press(CONTROL_C)
    assert shown.end() == 0


def test_a_service_whose_key_store_does_not_answer_says_so_in_the_log(start_countersign, configured, store):
    threading.Thread(target=store.let_go, daemon=True).start()
    process = start_countersign("run", "--config", configured(store.table))
    process.wait_for('"message":"listening"')
    assert waits(process) == []
    os.kill(process.child.pid, signal.SIGHUP)
    eventually(lambda: waits(process), process.transcript)
    assert waits(process)[0]["message"].startswith("still waiting for key.main (")
    store.let_go()


def test_a_service_whose_token_keys_do_not_come_says_so_in_the_log(start_countersign, configured, store, black_hole):
    port, _ = black_hole
    listener = f"""authenticate = ["service-account"]
[listener.local.service_account]
issuer = "{ISSUER}"
audience = "countersign"
algorithm = "RS256"
jwks_url = "http://127.0.0.1:{port}/keys"
"""
    client = '[client.a]\nservice_account = ["apps/a"]\nallow = ["main:*"]\n'
    threading.Thread(target=store.let_go, daemon=True).start()
    process = start_countersign("run", "--config", configured(store.table, listener=listener, more=client))
    eventually(lambda: waits(process), process.transcript)
    told = waits(process)[0]["message"]
    assert told.startswith("still waiting for the token keys of listener.local (http://127.0.0.1")


def test_a_service_whose_probe_is_not_answered_says_so_in_the_log(start_countersign, configured, tmp_path, black_hole):
    port, hang_up = black_hole
    route = f'endpoint = "http://127.0.0.1:{port}/"\nprobe = "Action=ListJobs&Version=2010-06-03"'
    process = start_countersign("run", "--config", configured(key_in_a_file(tmp_path), route))
    eventually(lambda: waits(process), process.transcript)
    assert "the probe of route.main" in " ".join(line["message"] for line in waits(process))
    hang_up()
