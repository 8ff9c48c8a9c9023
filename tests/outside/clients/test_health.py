"""`countersign health`: what it says of a process, and that it says so in time, whatever answers."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading

import jsonschema
import pytest
from free_ports import free_port
from waiting import eventually

SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "docs/reference/schemas/health.schema.json"
TIMEOUT = 60  # seconds


@pytest.fixture
def health(countersign_bin):
    """Runs the command; gives its exit code, standard output and standard error."""

    def run(*arguments, environment=None):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
        done = subprocess.run(
            [countersign_bin, "health", *map(str, arguments)], env={**kept, **(environment or {})},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False,
        )
        assert done.returncode in (0, 1, 2), done
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def document(health):
    """The same as JSON, which keeps to its schema and is all of standard output."""
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    def run(*arguments, **options):
        code, out, _ = health("--format", "json", *arguments, **options)
        document = json.loads(out)
        jsonschema.validate(document, schema)
        assert code == document["exit_code"] == (0 if document["healthy"] else 1)
        return document

    return run


@pytest.fixture
def serve(start_countersign, seal, tmp_path):
    """A running proxy: its configuration, its admin addresses, its process."""

    def start(address='"127.0.0.1:0"', key=None, name="countersign"):
        configuration = tmp_path / f"{name}.toml"
        configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "http://127.0.0.1:1/"
{key or seal()}
[admin]
address = {address}
[log]
format = "json"
""")
        process = start_countersign("run", "--config", configuration)
        process.wait_for(r'"message":"(key loaded|no usable key)')
        told = [json.loads(line) for line in process.log + process.output if '"message":"admin listening' in line]
        return configuration, [line["address"] for line in told], process

    return start


@pytest.fixture
def answering():
    """A program that is not countersign: it sends these bytes to whoever connects, and keeps the connection open."""
    with contextlib.ExitStack() as stack:

        def start(answer):
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            kept = []

            def serve():
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = server.accept()
                        kept.append(connection)
                        connection.recv(65536)
                        connection.sendall(answer)

            threading.Thread(target=serve, daemon=True).start()
            stack.callback(lambda: [connection.close() for connection in kept])
            stack.callback(server.shutdown, socket.SHUT_RDWR)
            return f"http://127.0.0.1:{server.getsockname()[1]}"

        yield start


def test_a_process_that_serves_is_ready_and_alive(serve, health, document):
    configuration, (address,), _ = serve(f'"127.0.0.1:{free_port()}"')
    for arguments in [("--config", configuration), ("--admin", f"http://{address}"), ("--admin", address)]:
        assert health(*arguments) == (0, f"ready: http://{address}\n", "")
        assert health("--live", *arguments) == (0, f"alive: http://{address}\n", "")
    told = document("--config", configuration)
    assert (told["probe"], told["status"], told["admin"]) == ("ready", 200, f"http://{address}")
    assert document("--live", "--admin", address)["probe"] == "live"


def test_the_variable_says_where_to_ask_without_a_configuration_file(serve, health):
    _, (address,), _ = serve()
    assert health(environment={"COUNTERSIGN__ADMIN__ADDRESS": address})[0] == 0


@pytest.fixture
def absent_key(tmp_path):
    return f'[key.main]\nkind = "file"\nfile = "{tmp_path}/absent.json"\n'


def test_a_process_without_a_usable_key_is_alive_and_not_ready(serve, health, document, absent_key):
    configuration, (address,), _ = serve(f'"127.0.0.1:{free_port()}"', key=absent_key)
    code, out, err = health("--config", configuration)
    assert (code, out) == (1, "") and err.startswith("countersign: not ready: key.main"), err
    assert document("--admin", address)["status"] == 503
    assert health("--live", "--config", configuration)[0] == 0


def test_a_process_that_drains_is_alive_and_not_ready(serve, health):
    _, (address,), process = serve()
    host, _, port = next(
        json.loads(line)["address"] for line in process.log if '"message":"listening"' in line
    ).rpartition(":")
    # a request that never ends keeps the drain going
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n"
                           b"Content-Type: application/x-www-form-urlencoded\r\n\r\nA")
        os.kill(process.child.pid, signal.SIGTERM)
        process.wait_for(r'"message":"draining')
        process._asked = True  # a second signal would end the drain
        code, _, err = health("--admin", address)
        assert code == 1 and "the process is draining" in err
        assert health("--live", "--admin", address)[0] == 0


def test_a_wildcard_address_is_asked_on_loopback(serve, health):
    port = free_port()
    configuration, _, _ = serve(f'"0.0.0.0:{port}"')
    assert health("--config", configuration) == (0, f"ready: http://127.0.0.1:{port}\n", "")


def test_a_wildcard_address_of_ipv6_is_asked_on_loopback(serve, health):
    port = free_port()
    configuration, _, _ = serve(f'"[::]:{port}"')
    assert health("--config", configuration) == (0, f"ready: http://[::1]:{port}\n", "")


def test_a_unix_socket_is_asked(serve, health, tmp_path):
    path = tmp_path / "admin.socket"
    configuration, _, _ = serve(f'"unix:{path}"')
    assert health("--config", configuration) == (0, f"ready: unix:{path}\n", "")
    assert health("--admin", f"unix:{path}")[0] == 0


def test_the_next_of_several_addresses_is_asked_when_one_does_not_answer(serve, health, tmp_path, answering):
    path = tmp_path / "admin.socket"
    configuration, _, _ = serve(f'"unix:{path}"')
    silent = answering(b"").removeprefix("http://")
    other = tmp_path / "other.toml"
    other.write_text(configuration.read_text().replace(f'"unix:{path}"', f'["{silent}", "unix:{path}"]'))
    assert health("--timeout", "2s", "--config", other) == (0, f"ready: unix:{path}\n", "")


def test_a_spoilt_configuration_does_not_make_a_service_unhealthy(serve, health):
    configuration, _, process = serve(f'"127.0.0.1:{free_port()}"')
    whole = configuration.read_text()
    for spoilt in [whole.replace("endpoint", "endpiont"), whole + "[log\n", whole + 'format = "json']:
        configuration.write_text(spoilt)
        assert health("--config", configuration)[0] == 0, spoilt
    process.wait_for("the configuration was read again and is not used")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the configuration has no [admin]"),
        ('[admin]\naddress = "127.0.0.1:0"\n', "has port 0"),
        ("[admin]\naddress = 8022\n", "admin.address"),
        (None, "cannot be read"),
    ],
)
def test_a_configuration_that_does_not_say_where_to_ask_is_told_of(health, document, tmp_path, text, reason):
    configuration = tmp_path / "countersign.toml"
    if text is not None:
        configuration.write_text(text)
    code, out, err = health("--config", configuration)
    assert (code, out) == (1, "") and reason in err, err
    assert any(reason in told for told in document("--config", configuration)["reasons"])


def test_without_an_admin_listener_it_succeeds_only_where_that_is_wanted(health, document, tmp_path):
    configuration = tmp_path / "countersign.toml"
    configuration.write_text("")
    code, out, _ = health("--live", "--if-configured", "--config", configuration)
    assert (code, out) == (0, "alive: not asked: the configuration has no [admin]\n")
    assert document("--if-configured", "--config", configuration)["admin"] is None
    # where one is configured, it has to answer
    configuration.write_text(f'[admin]\naddress = "127.0.0.1:{free_port()}"\n')
    assert health("--live", "--if-configured", "--config", configuration)[0] == 1


def test_nobody_there_is_told_of(health, document, tmp_path):
    code, _, err = health("--admin", f"http://127.0.0.1:{free_port()}")
    assert code == 1 and "nobody listens there" in err, err
    code, _, err = health("--live", "--admin", f"unix:{tmp_path}/no.socket")
    assert code == 1 and err.startswith("countersign: not alive: ") and "no such socket" in err, err
    assert document("--admin", f"unix:{tmp_path}/no.socket")["status"] is None


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Type: text/plain\r\n\r\nre"])
def test_a_black_hole_is_given_up_in_time(health, answering, answer):
    code, _, err = health("--timeout", "300ms", "--admin", answering(answer))
    assert code == 1 and "no complete response within 300ms" in err, err


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nOK",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Type: text/html\r\n\r\nready\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_another_program_on_the_port_is_not_healthy(health, answering, answer):
    code, out, err = health("--timeout", "5s", "--admin", answering(answer))
    assert (code, out) == (1, "") and err.startswith("countersign: not ready: http") or "another program" in err, err


def test_what_another_program_answers_does_not_change_the_terminal(health, document, answering):
    body = b"not ready:\n\x1b[2J\x1b]0;title\x07\xc2\x9b31m\n"
    head = b"HTTP/1.1 503 X\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    url = answering(head + body)
    _, _, err = health("--admin", url)
    assert "\\u{1b}[2J" in err and not [c for c in err if ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160], repr(err)
    _, out, _ = health("--format", "json", "--admin", url)
    assert not [c for c in out if ord(c) < 32 and c != "\n"], repr(out)


def test_a_terminal_that_is_gone_or_full_does_not_make_it_fail_otherwise(serve, countersign_bin):
    _, (address,), _ = serve()
    command = [countersign_bin, "health", "--admin", address]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=None, timeout=TIMEOUT, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "http://127.0.0.1:1/readyz", "http://127.0.0.1", "unix:x"])
def test_a_url_that_is_no_admin_listener_is_refused(health, url):
    code, _, err = health("--admin", url)
    assert code == 2 and "--admin" in err
