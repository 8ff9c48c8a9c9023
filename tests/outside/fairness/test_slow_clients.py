"""Clients that move their bytes slowly or not at all: what becomes of them, and of the calls of others meanwhile."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time

from attackers import answered, call, connections, head, trickling_readers
from fair_stage import eventually
from fair_stage import stage as start
from probers import assert_served


def slow_readers(stage, at_least=1):
    """The lines of the log on responses that were cut, once there are so many."""
    lines = [line for line in stage.log() if line.get("reason") == "client.slow"]
    return lines if len(lines) >= at_least else None


def read_all(client):
    """How much comes until the end of the connection, and how it ends."""
    received = 0
    while True:
        try:
            piece = client.recv(1 << 20)
        except ConnectionError:
            return received, "reset"
        if not piece:
            return received, "closed"
        received += len(piece)


def test_readers_below_the_minimum_rate_are_cut_and_leave_their_places_to_others(stage):
    """64 bytes twice a second, of 8 MB each, by one client."""
    with trickling_readers(stage, "greedy", 300):
        assert_served(stage, "300 trickling readers")
        lines = eventually("the end of all that had a place", lambda: slow_readers(stage, 128))
    assert {line["client"] for line in lines} == {"greedy"}
    assert "slower than 1 KiB/s" in lines[0]["error"] and lines[0]["outcome"] == "abandoned"


def test_readers_above_the_minimum_rate_go_on_and_hold_no_more_than_the_share_of_their_client(stage):
    """32 KiB/s, for longer than the grace: a tenth of that, on a busy machine, is still above the minimum."""
    with trickling_readers(stage, "greedy", 300, piece=16384, receive_buffer=65536):
        assert_served(stage, "300 readers of 32 KiB/s")
        time.sleep(25)  # what is shown is that the grace of 20 seconds does not run out
        assert_served(stage, "300 readers of 32 KiB/s")
        assert slow_readers(stage) is None


def test_a_reader_of_nothing_is_reset_after_the_grace_and_never_sees_a_whole_response(countersign_bin, tmp_path):
    limits = {"near": 'limits.rate_grace = "2s"'}
    with start(countersign_bin, tmp_path, listeners=limits) as stage:
        with connections(stage.near, 3, call(stage.near, "greedy", b"Action=Big"), receive_buffer=4096) as sockets:
            eventually("three lines", lambda: slow_readers(stage, 3))
            for client in sockets:
                received, end = read_all(client)
                assert end == "reset" and received < 4_000_000


def test_a_reader_of_nothing_over_tls_is_cut_after_the_same_grace(countersign_bin, tmp_path):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o600)
    encrypted = f"""
[listener.encrypted]
address = "127.0.0.1:0"
authenticate = ["token"]
routes = ["one"]
tls.certificate = "{certificate}"
tls.private_key = "{key}"
limits.rate_grace = "2s"
limits.idle_timeout = "10m"
"""
    with start(countersign_bin, tmp_path, more=encrypted) as stage:
        address = stage.address("listening", "encrypted")
        context = ssl.create_default_context(cafile=certificate)
        with socket.create_connection(address) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(call(address, "greedy", b"Action=Big"))
            begun = time.monotonic()
            assert eventually("the line", lambda: slow_readers(stage))[0]["listener"] == "encrypted"
            assert time.monotonic() - begun < 60, "far less than the idle timeout"


def test_a_steady_reader_of_10_kib_a_second_gets_its_whole_response(stage):
    """800 KB, in eighty seconds, with the defaults: the kernel tells late what was read, and that is allowed for."""
    with connections(stage.near, 1, call(stage.near, "greedy", b"Action=Middle")) as (client,):
        begun, received, expected = time.monotonic(), 0, None
        while expected is None or received < expected:
            piece = client.recv(1024)
            assert piece, f"cut after {received} bytes and {time.monotonic() - begun} seconds"
            if expected is None:
                expected = len(piece.partition(b"\r\n\r\n")[0]) + 4 + 800_000
            received += len(piece)
            time.sleep(max(0.0, begun + received / 10_240 - time.monotonic()))


QUICK = 'limits.minimum_rate = "4 KiB/s"\nlimits.rate_grace = "5s"'


def read_steadily(connect, sent, rate, results, seconds=25):
    """Reads so many bytes a second, as far as the machine lets it, and notes how that ends."""
    with connect() as client:
        client.sendall(sent)
        begun, received, end = time.monotonic(), 0, None
        while (elapsed := time.monotonic() - begun) < seconds and end is None:
            try:
                piece = client.recv(min(2048, max(1, rate // 8)))
                end = None if piece else "closed"
            except OSError as error:
                piece, end = b"", repr(error)
            received += len(piece)
            time.sleep(max(0.0, begun + received / rate - time.monotonic()))
    results.append((rate, end, received, round(elapsed)))


def unix_connection(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    client.connect(str(path))
    return client


def all_read_steadily(connect, sent, rates):
    """How each of the readers ends, all at once."""
    results = []
    readers = [threading.Thread(target=read_steadily, args=(connect, sent, rate, results)) for rate in rates]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return sorted(results)


def test_steady_readers_of_twice_the_minimum_rate_and_more_are_not_cut_on_a_unix_socket(countersign_bin, tmp_path):
    """The kernel says that a Unix socket takes more only when 156 KiB have been read, which takes them one to
    four times the grace."""
    path = tmp_path / "socket"
    near_by = f"""
[listener.local]
address = "unix:{path}"
any_local = true
routes = ["one"]
{QUICK}
"""
    with start(countersign_bin, tmp_path, more=near_by) as stage:
        eventually("the socket", path.exists)
        sent = call(("localhost", 80), "greedy", b"Action=Big")
        results = all_read_steadily(lambda: unix_connection(path), sent, [1024, 8 << 10, 16 << 10, 32 << 10])
        assert [end for _, end, _, _ in results] == [None] * 4, results
        # who reads a quarter of the minimum rate still has the kernel's bytes to read when it is cut
        assert len(slow_readers(stage)) == 1, results


def small_connection(address):
    """One whose kernel holds little of what is not read, and so tells often what was read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    client.connect(address)
    return client


def test_steady_readers_of_twice_the_minimum_rate_and_more_are_not_cut_on_tcp(countersign_bin, tmp_path):
    """Where their kernel tells of it: with the ordinary buffer of loopback, it does so each 128 KiB."""
    with start(countersign_bin, tmp_path, listeners={"near": QUICK}) as stage:
        sent = call(stage.near, "greedy", b"Action=Big")
        results = all_read_steadily(lambda: small_connection(stage.near), sent, [8 << 10, 16 << 10, 32 << 10])
        assert [end for _, end, _, _ in results] == [None] * 3, results


def test_a_body_below_the_minimum_rate_is_refused_as_too_slow(countersign_bin, tmp_path):
    limits = {"near": 'limits.rate_grace = "2s"\nlimits.body_timeout = "10m"'}
    with start(countersign_bin, tmp_path, listeners=limits) as stage:
        with connections(stage.near, 1, head(stage.near, "greedy", 100_000)) as (client,):
            over = threading.Event()

            def send():
                while not over.wait(0.25):
                    with contextlib.suppress(OSError):
                        client.sendall(b"x" * 64)

            sender = threading.Thread(target=send)
            sender.start()
            refusal = client.recv(4096)
            over.set()
            sender.join()
        assert refusal.startswith(b"HTTP/1.1 408 ") and b"<Code>RequestTimeout</Code>" in refusal
        lines = eventually("the line", lambda: [line for line in stage.log() if line.get("reason") == "body.slow"])
        assert "slower than 1 KiB/s" in lines[0]["error"]


def chunked_head(address, client):
    return head(address, client, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")


def test_a_chunk_that_announces_more_than_the_limit_is_refused_at_once(countersign_bin, tmp_path):
    patient = {"near": 'limits.rate_grace = "10m"\nlimits.body_timeout = "10m"'}
    with start(countersign_bin, tmp_path, listeners=patient) as stage:
        for size in (b"1000001", b"ffffffff", b"7fffffffffffffff"):
            with connections(stage.near, 1, chunked_head(stage.near, "greedy") + size + b"\r\n") as (client,):
                assert client.recv(4096).startswith(b"HTTP/1.1 413 "), size


def test_chunks_of_one_byte_do_not_make_a_slow_body_look_fast(countersign_bin, tmp_path):
    """300 bytes of data a second, below the minimum, in 1,800 bytes of chunks, above it."""
    limits = {"near": 'limits.rate_grace = "2s"\nlimits.body_timeout = "10m"'}
    with start(countersign_bin, tmp_path, listeners=limits) as stage:
        with connections(stage.near, 1, chunked_head(stage.near, "greedy")) as (client,):
            over = threading.Event()

            def send():
                while not over.wait(0.1):
                    with contextlib.suppress(OSError):
                        client.sendall(b"1\r\nx\r\n" * 30)

            sender = threading.Thread(target=send)
            sender.start()
            try:
                refusal = client.recv(4096)
            finally:
                over.set()
                sender.join()
        assert refusal.startswith(b"HTTP/1.1 408 ")


def test_an_endpoint_that_is_slow_is_not_the_fault_of_its_client(countersign_bin, tmp_path):
    with start(countersign_bin, tmp_path, listeners={"near": 'limits.rate_grace = "1s"'}) as stage:
        with connections(stage.near, 1, call(stage.near, "greedy", b"Action=Slow")) as sockets:
            eventually("the call", lambda: stage.held() == 1)
            time.sleep(3)  # what is shown is that nothing happens
            assert stage.held() == 1 and not answered(sockets)
