"""No copy of a secret is left in the running service: its memory is read, as an attacker with root or a core file
would."""

import contextlib
import ctypes
import datetime
import errno
import mmap
import os
import pathlib
import re
import resource
import secrets
import shutil
import signal
import string
import subprocess
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import root
from confined import ALLOW, Filter, refuse
from process_memory import Memory, day_keys, family, keyed_states, mappings, traces
from stores import STORES, InToken

SERVICE_UID = 65532
PATIENCE = 60  # seconds; for a debug build on a busy machine


class Key:
    """An access key that was never one before, as long as AWS's."""

    def __init__(self, id):
        alphabet = string.ascii_letters + string.digits + "+/"
        self.id = id
        self.secret = "".join(secrets.choice(alphabet) for _ in range(40))
        self.token = "".join(secrets.choice(alphabet) for _ in range(700))

    def document(self):
        return {
            "Version": 1, "AccessKeyId": self.id, "SecretAccessKey": self.secret, "SessionToken": self.token,
            "Expiration": "2999-01-01T00:00:00Z",
        }

    def secrets(self):
        return traces(f"the secret of {self.id}", self.secret.encode())

    def states(self):
        return keyed_states(f"the state of {self.id}", self.secret.encode())

    def day_keys(self, region, service):
        """The keys of today and, should it be about midnight, of tomorrow."""
        now = datetime.datetime.now(datetime.timezone.utc)
        between, last = {}, {}
        for day in (now, now + datetime.timedelta(hours=1)):
            found = day_keys(f"the secret of {self.id}", self.secret.encode(), f"{day:%Y%m%d}", region, service)
            between, last = between | found[0], last | found[1]
        return between, last

    def tokens(self):
        pieces = [self.token[at : at + 24].encode() for at in range(0, len(self.token) - 24, 24)]
        return {f"the session token of {self.id}": pieces}


class Endpoint(BaseHTTPRequestHandler):
    """Answers every call."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def become_the_service(limit):
    """In a child, before its program begins."""
    limit()
    os.setgroups([])
    os.setgid(SERVICE_UID)
    os.setuid(SERVICE_UID)


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture
def place():
    """A directory of the user that the service runs as. Needs root, as does reading the memory of others."""
    if os.geteuid() != 0:
        pytest.fail("this test reads the memory of a process that does not let its own user: run it as root")
    with tempfile.TemporaryDirectory(prefix="countersign-memory-") as directory:
        yield pathlib.Path(directory)


def without_memfd_secret():
    calls = Filter(ALLOW)
    calls.rule(refuse(errno.EPERM), "memfd_secret")
    calls.load()


def without_any():
    without_memfd_secret()
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))


def with_little():
    # the least that a kernel before 5.16 gives
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (64 * 1024, 64 * 1024))


# how the memory is kept, and what makes it so before the program starts
KINDS = {"memfd_secret": lambda: None, "locked": without_memfd_secret, "unlocked": without_any}


class Service:
    """`countersign run` with one key, as an ordinary user."""

    def __init__(self, place, endpoint, store, kind, route=""):
        configuration = place / "countersign.toml"
        configuration.write_text(
            f'[listener.local]\naddress = "127.0.0.1:0"\nany_local = true\n[route.main]\nendpoint = "{endpoint}"\n'
            f'{route}\n[log]\nformat = "json"\n[process]\nworkers = 2\n[key.main]\n{store.table()}\n'
        )
        give_away(place)
        self.log = place / "log"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(
                [place / "countersign", "run", "--config", configuration], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env={**os.environ, **store.environment},
                preexec_fn=lambda: become_the_service({**KINDS, "little": with_little}[kind]),
            )  # fmt: skip
        self.address = self.wait_for(r'"message":"listening".*"address":"([^"]+)"')[1]

    def wait_for(self, pattern):
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.log.read_text())):
            assert self.child.poll() is None and time.monotonic() < deadline, f"{pattern}:\n{self.log.read_text()}"
            time.sleep(0.02)
        return match

    def call(self, times):
        """Calls on new connections, so that every worker has signed."""
        for number in range(times):
            body = f"Action=ListJobs&Version=2010-06-01&Marker={number}".encode()
            with urllib.request.urlopen(f"http://{self.address}/", body, PATIENCE) as answer:
                assert answer.status == 200

    def status(self, name):
        return int(re.search(rf"^{name}:\s+(\d+)", (self.proc / "status").read_text(), re.M)[1])

    @property
    def proc(self):
        return pathlib.Path(f"/proc/{self.child.pid}")

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(PATIENCE)
        finally:
            self.child.kill()
            self.child.wait()


def give_away(place):
    for path in [place, *place.rglob("*")]:
        os.chown(path, SERVICE_UID, SERVICE_UID)


@pytest.fixture
def start(place, endpoint):
    program = shutil.copy(os.environ["COUNTERSIGN_BIN"], place / "countersign")
    with contextlib.ExitStack() as services:

        def start(store, kind, key, route=""):
            (place / "store").mkdir()
            give_away(place)
            kept = store(program, place / "store", SERVICE_UID)
            services.callback(kept.close)
            kept.publish(key.document())
            service = Service(place, endpoint, kept, kind, route)
            services.callback(service.stop)
            return service, kept

        yield start


def test_the_search_finds_what_is_there():
    key = Key("AKIAIOSFODNN7EXAMPLE")
    needles = key.secrets() | key.states() | key.tokens()
    found = {line.split(" in ")[0] for line in Memory([os.getpid()]).find(needles)}
    assert found == set(needles)


def test_the_search_looks_into_a_library_that_was_written_to_and_closed_again(tmp_path):
    """Not into one that is what its file has: the process has put nothing there."""
    library = tmp_path / "example.so"
    library.write_bytes(b"x" * mmap.PAGESIZE)
    needle = secrets.token_bytes(16)
    with library.open("r+b") as file, mmap.mmap(file.fileno(), mmap.PAGESIZE, access=mmap.ACCESS_COPY) as memory:
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for content in (b"", needle):
            memory[: len(content)] = content
            assert root.LIBC.mprotect(ctypes.c_void_p(start), mmap.PAGESIZE, mmap.PROT_READ) == 0
            is_searched = str(library) in "".join(name for name, *_ in mappings(os.getpid()))
            found = [line for line in Memory([os.getpid()]).find({"it": [needle]}) if str(library) in line]
            assert (is_searched, bool(found)) == (bool(content), bool(content))
            assert root.LIBC.mprotect(ctypes.c_void_p(start), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE) == 0


def present(service, needles):
    return Memory(family(service.child.pid)).find(needles)


def lasting(service, needles, kind=None):
    """What stays in memory: a load that happens to be under way has the secret for a moment, which is no fault. With
    the kind of memory, what stays elsewhere than where it is kept."""
    found = outside_of_its_place(present(service, needles), kind)
    for _ in range(2):
        if found:
            time.sleep(1)
            again = present(service, needles)
            found = [line for line in found if line in again]
    return found


def outside_of_its_place(found, kind):
    """memfd_secret cannot be read: there it must not be found at all."""
    is_readable = kind not in (None, "memfd_secret")
    return [line for line in found if not (is_readable and line.endswith("not dumped, not inherited)"))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("store", STORES)
def test_a_loaded_key_leaves_no_trace_nor_does_the_one_before(start, place, store, kind):
    first, second = Key("AKIAIOSFODNN7EXAMPLE"), Key("AKIAI44QH8DHBEXAMPLE")
    service, kept = start(STORES[store], kind, first)
    service.wait_for(rf'"message":"key loaded".*"key_id":"{first.id}".*"memory":"{kind}"')
    assert present(service, {"id": [first.id.encode()]}), "this is not the memory of the service"
    assert lasting(service, first.secrets()) == []
    # session tokens are with requests too, once there are any
    assert lasting(service, first.tokens(), kind) == []

    service.call(20)
    assert lasting(service, first.states(), kind) == []

    kept.publish(second.document())
    service.child.send_signal(signal.SIGHUP)
    service.wait_for(rf'"message":"a changed key is in use".*"key_id":"{second.id}".*"memory":"{kind}"')
    service.call(20)
    assert lasting(service, first.secrets() | second.secrets()) == []
    assert lasting(service, first.states()) == []
    assert lasting(service, second.states(), kind) == []


@pytest.mark.parametrize("kind", ["memfd_secret", "locked"])
def test_a_route_of_aws_v4_leaves_neither_the_secret_nor_what_its_key_of_the_day_is_made_of(start, kind):
    first, second = Key("AKIAIOSFODNN7EXAMPLE"), Key("AKIAI44QH8DHBEXAMPLE")
    region, iam = "eu-central-1", "iam"
    route = f'profile = {{ dialect = "aws-v4", region = "{region}", service = "{iam}" }}'
    service, kept = start(STORES["file"], kind, first, route)
    service.call(20)
    between, last = first.day_keys(region, iam)
    assert lasting(service, first.secrets() | between) == []
    assert lasting(service, first.states() | last, kind) == []
    states = present(service, first.states() | last)
    # where the memory can be read, the key of the day is seen where it is kept
    assert kind == "memfd_secret" or any("after step 4" in line for line in states), states

    kept.publish(second.document())
    service.child.send_signal(signal.SIGHUP)
    service.wait_for(rf'"message":"a changed key is in use".*"key_id":"{second.id}"')
    service.call(20)
    # the keys of the day end with the key that they came from
    assert lasting(service, first.secrets() | first.states() | between | last) == []
    between, last = second.day_keys(region, iam)
    assert lasting(service, second.secrets() | between) == []
    assert lasting(service, second.states() | last, kind) == []


def test_a_route_of_alibaba_rpc_leaves_no_trace_of_the_secret(start):
    key = Key("AKIAIOSFODNN7EXAMPLE")
    service, _ = start(STORES["file"], "locked", key, 'profile.dialect = "alibaba-rpc"')
    service.call(20)
    # `&` behind the secret, and anything before it, are traces of the secret as well
    assert lasting(service, key.secrets()) == []
    assert lasting(service, key.states(), "locked") == []


def test_a_key_in_a_token_is_not_even_for_a_moment_in_the_process_that_faces_the_network(start):
    key = Key("AKIAIOSFODNN7EXAMPLE")
    service, _ = start(InToken, "memfd_secret", key)
    service.call(20)
    memory = Memory([service.child.pid])
    assert memory.find({"id": [key.id.encode()]}), "this is not the memory of the service"
    assert memory.find(key.secrets() | key.states()) == []


def test_memory_of_its_own_is_locked_and_nobody_reads_it(start):
    service, _ = start(STORES["sealed"], "memfd_secret", Key("AKIAIOSFODNN7EXAMPLE"))
    assert service.status("VmLck") > 0
    memory = Memory(family(service.child.pid))
    # one mapping, for the keyed state and the session token
    found = [name for name in memory.unreadable if "secretmem" in name]
    assert found == ["/secretmem (deleted) rw-s (locked, not dumped, not inherited)"]


def secret_mappings(pid):
    return [(start, end) for name, start, end in mappings(pid) if "secretmem" in name]


def test_root_takes_a_descriptor_that_is_open_and_maps_it(place):
    """The attack that the next test makes, on a process that keeps its descriptor: it works."""
    theirs, ours = os.pipe()
    child = os.fork()
    if child == 0:
        descriptor = root.call(root.MEMFD_SECRET, 0)
        os.ftruncate(descriptor, 4096)
        memory = mmap.mmap(descriptor, 4096)
        memory[:6] = b"secret"
        os.write(ours, b"!")
        signal.pause()
    try:
        os.read(theirs, 1)
        found = [root.mapped(taken, 4096) for name, taken in root.taken_descriptors(child) if "secretmem" in name]
        assert found and all(memory.startswith(b"secret") for memory in found)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(theirs)
        os.close(ours)


@pytest.mark.parametrize("store", ["sealed", "process"])
def test_root_finds_no_descriptor_of_the_keyed_states_to_map_and_no_way_to_read_them(start, store):
    service, _ = start(STORES[store], "memfd_secret", Key("AKIAIOSFODNN7EXAMPLE"))
    service.call(4)
    assert secret_mappings(service.child.pid), "there is something to attack"
    for pid in family(service.child.pid):
        names = [name for name, _ in root.taken_descriptors(pid)]
        assert names and not [name for name in names if "secretmem" in name], names
        for begin, end in secret_mappings(pid):
            with pytest.raises(OSError):
                os.open(f"/proc/{pid}/map_files/{begin:x}-{end:x}", os.O_RDWR)
            for reader in root.READERS:
                with pytest.raises(OSError):
                    reader(pid, begin)
    # and they do read other memory
    other = next(begin for name, begin, _ in mappings(service.child.pid) if name.startswith("[heap]"))
    assert all(reader(service.child.pid, other) is not None for reader in root.READERS)
    service.call(1)


def test_where_little_memory_may_be_locked_a_smaller_mapping_serves(start):
    key = Key("AKIAIOSFODNN7EXAMPLE")
    service, _ = start(STORES["sealed"], "little", key)
    service.wait_for(rf'"message":"key loaded".*"key_id":"{key.id}".*"memory":"memfd_secret"')
    service.call(1)
    assert [end - begin for begin, end in secret_mappings(service.child.pid)] == [64 * 1024]


def test_where_memory_cannot_be_locked_the_service_says_so_and_serves(start):
    service, _ = start(STORES["sealed"], "unlocked", Key("AKIAIOSFODNN7EXAMPLE"))
    service.wait_for(r'"level":"WARN".*"message":"the key is in memory that may be swapped[^"]*RLIMIT_MEMLOCK')
    service.call(1)


@pytest.mark.parametrize("name", ["mem", "maps", "environ"])
def test_its_own_user_cannot_read_it(start, name):
    service, _ = start(STORES["sealed"], "memfd_secret", Key("AKIAIOSFODNN7EXAMPLE"))
    reader = subprocess.run(
        ["dd", f"if={service.proc / name}", "of=/dev/null", "count=1"], user=SERVICE_UID, group=SERVICE_UID,
        extra_groups=[], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert reader.returncode != 0 and "Permission denied" in reader.stderr, reader.stderr
