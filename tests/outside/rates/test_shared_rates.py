"""Rates and quotas that replicas share through a real Valkey or Redis server, which is killed, paused and started.

Rates are judged by the store's clock, with bounds for a busy machine."""

import asyncio
import contextlib
import itertools
import re
import subprocess
import time

import pytest
from fleet_certificates import Authority
from free_ports import free_port
from rate_replicas import FORM, TOKEN, configuration, hammer
from waiting import eventually

RATE = 40  # calls in a second
LIMITS = f'rate = "{RATE}/s"\nburst = 4'
WINDOW = 5  # seconds
MOST_WINDOWS = 6  # of which one has to be undisturbed by whatever else this machine does


def ask(store, *command):
    """What the store answers to a command, by the client that comes with the server."""
    done = subprocess.run(["redis-cli", "-p", str(store.port), *command], capture_output=True, text=True, check=True)
    return done.stdout.split()


def time_of(store):
    seconds, micros = ask(store, "TIME")
    return int(seconds) + int(micros) / 1e6


def share(replicas):
    for replica in replicas:
        eventually(lambda: replica.metric("countersign_rate_store_up") == 1, replica.process.transcript)


def passed_in_window(store, replicas, also=frozenset()):
    """How many calls pass in a second of the store, while every replica is called without a pause."""
    begun = time_of(store)
    end = time.monotonic() + WINDOW
    counts = hammer(replicas, lambda: time.monotonic() > end)
    elapsed = time_of(store) - begun
    assert set(counts) <= {(200, None), (400, "Throttling"), *also}, counts
    return counts[200, None] / elapsed, sum(counts.values()) / elapsed


@pytest.mark.parametrize("count", [2, 4, 8])
def test_all_replicas_together_give_a_client_its_rate(store, gateway, count):
    # with "local", calls that the store let wait in vain on a busy machine would pass; so they get 503
    replicas = gateway(count, LIMITS, f'store = "{store.url}"\nwhen_unavailable = "refuse"')
    share(replicas)
    # the burst of the beginning is no part of the rate
    hammer(replicas, itertools.chain([False] * 50 * count, itertools.repeat(True)).__next__, threads=1)
    rates = []
    while not rates or (max(rates) < RATE * 0.9 and len(rates) < MOST_WINDOWS):
        rate, _ = passed_in_window(store, replicas, also={(503, "ServiceUnavailable")})
        assert rate <= RATE * 1.1, (rate, rates)
        rates.append(rate)
    print(f"{count} replicas: {rates} calls in a second of {RATE}")
    assert max(rates) >= RATE * 0.9, rates


@pytest.mark.parametrize(("limits", "code", "told"), [
    ('rate = "1/m"\nburst = 1', "Throttling", r'"rate";r=0;t=([1-9]|[1-5][0-9]|60)'),
    ('quota = "6/d"', "ProxyQuotaExceeded", r'"quota";r=0;t=[1-9][0-9]*'),
])
def test_a_client_that_used_up_its_limit_at_one_replica_is_told_by_the_other_that_nothing_is_left(
        store, gateway, limits, code, told):
    replicas = gateway(2, limits, f'store = "{store.url}"')
    share(replicas)
    for replica in replicas:
        eventually(lambda: replica.call()[1] == code, replica.process.transcript)
    assert [bool(re.fullmatch(told, one)) for one in replicas[1].told] == [True], replicas[1].told


def leases(store):
    """How often the store was asked for tokens: `HSET` is in that script alone."""
    told = [line for line in ask(store, "INFO", "commandstats") if line.startswith("cmdstat_hset:")]
    return int(re.search(r"calls=(\d+)", told[0])[1]) if told else 0


def test_the_store_is_asked_once_for_several_calls_of_a_client_within_its_rate(store, gateway):
    replicas = gateway(1, 'rate = "10000/s"', f'store = "{store.url}"')
    share(replicas)
    calls = 400

    def asked():
        before = leases(store)
        assert {replicas[0].call()[0] for _ in range(calls)} == {200}
        return leases(store) - before

    asked()
    assert asked() <= calls / 4


def test_a_store_that_is_killed_leaves_each_replica_its_own_rate_and_is_used_again_when_it_is_back(store, gateway):
    replicas = gateway(2, LIMITS, f'store = "{store.url}"')
    share(replicas)
    store.kill()
    for replica in replicas:
        eventually(lambda: replica.metric("countersign_rate_store_up") == 0, replica.process.transcript)
        status, text = replica.get("/readyz")
        assert status == 200 and "rates: the store cannot be asked" in text, text
        replica.call()
    end = time.monotonic() + WINDOW
    counts = hammer(replicas, lambda: time.monotonic() > end)
    assert set(counts) <= {(200, None), (400, "Throttling")}, counts
    alone = counts[200, None] / WINDOW
    assert alone <= 2 * RATE * 1.2 + 4, counts
    asyncio.run(store.start())
    share(replicas)
    rate, demand = passed_in_window(store, replicas)
    assert rate <= RATE * 1.1 + 4, (rate, demand)
    for replica in replicas:
        eventually(lambda: replica.log("the store of rates is back"), replica.process.transcript)
        assert len(replica.log("the store of rates is away")) == 1, replica.process.transcript()
        assert replica.metric("countersign_rate_store_outages_total") >= 1
        eventually(lambda: "rates" not in replica.get("/readyz")[1], replica.process.transcript)


def test_a_store_that_is_paused_has_calls_refused_where_the_configuration_says_so(store, gateway):
    replicas = gateway(1, LIMITS, f'store = "{store.url}"\nwhen_unavailable = "refuse"')
    share(replicas)
    assert eventually(lambda: replicas[0].call()[0] == 200, replicas[0].process.transcript)
    store.pause()
    refused = eventually(lambda: (answer := replicas[0].call())[0] == 503 and answer, replicas[0].process.transcript)
    assert refused[1] == "ServiceUnavailable" and refused[2], refused
    eventually(lambda: "rates: the store cannot be asked" in replicas[0].get("/readyz")[1], "not degraded")
    store.resume()
    eventually(lambda: replicas[0].call()[0] == 200, replicas[0].process.transcript)


def test_all_replicas_together_give_a_client_its_quota_and_no_call_more(store, gateway):
    # with "local", calls that the store let wait in vain on a busy machine would pass, and be counted later
    replicas = gateway(2, 'quota = "30/d"', f'store = "{store.url}"\nwhen_unavailable = "refuse"')
    share(replicas)
    answers = [replica.call() for _ in range(40) for replica in replicas]
    passed = sum(status == 200 for status, _, _ in answers)
    # a token that one replica holds comes back within a second
    def rest():
        return sum(replica.call()[0] == 200 for replica in replicas)
    deadline = time.monotonic() + 60
    while passed < 30 and time.monotonic() < deadline:
        passed += rest()
    assert passed + rest() == 30
    over = eventually(lambda: (answer := replicas[0].call())[0] == 400 and answer, replicas[0].process.transcript)
    assert over[1] == "ProxyQuotaExceeded" and 1 <= int(over[2]) <= 86_401


def test_the_store_learns_neither_names_nor_anything_of_a_call(store, gateway):
    replicas = gateway(1, LIMITS + '\nquota = "1000/d"', f'store = "{store.url}"')
    share(replicas)
    assert replicas[0].call()[0] == 200
    keys = eventually(lambda: ask(store, "KEYS", "*"), "the store holds nothing")
    assert all(key.startswith("countersign:") and "reporting" not in key for key in keys), keys
    hashes = [key for key in keys if ask(store, "TYPE", key) == ["hash"]]
    held = " ".join(value for key in hashes for value in ask(store, "HGETALL", key))
    for secret in ["reporting", "marker-of-a-value", TOKEN, "GetStatus"]:
        assert secret not in held and secret not in FORM.decode().replace("marker-of-a-value", "").replace(
            "GetStatus", ""), held
    assert {int(ask(store, "TTL", key)[0]) > 0 for key in keys} == {True}, "keys expire by themselves"


def test_check_online_says_what_is_wrong_with_the_password(store, countersign_bin, seal, endpoint, tmp_path):
    ask(store, "CONFIG", "SET", "requirepass", "right-password")
    password = tmp_path / "password"
    password.write_text("wrong-password\n")
    password.chmod(0o600)
    file = tmp_path / "countersign.toml"
    rates = f'store = "{store.url}"\npassword_file = "{password}"'
    file.write_text(configuration(endpoint.port, seal(), LIMITS, rates))
    command = [countersign_bin, "check", "--online", "--config", file]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "WARNING online rates.store: the store of rates cannot be used" in told.stdout, told
    assert "WRONGPASS" in told.stdout and "wrong-password" not in told.stdout + told.stderr, told
    password.write_text("right-password\n")
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "online rates.store: the store of rates can be used" in told.stdout, told


@contextlib.contextmanager
def store_with_tls(directory, authority, asks_clients="no"):
    """A server that only speaks TLS, in which one user of ours may do what replicas ask for, and nothing else."""
    made, port = authority.for_replica("store"), free_port()
    users = directory / "users.acl"
    rights = "+select +@scripting +time +hmget +hset +pexpire +zadd +zremrangebyscore +expire +zcard +zrange"
    users.write_text(f"user default off\nuser countersign on >marker-password ~countersign:* {rights}\n")
    command = [
        "redis-server", "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "", "--aclfile", users,
        "--tls-cert-file", made.certificate, "--tls-key-file", made.private_key, "--tls-auth-clients",
        asks_clients,
        "--tls-ca-cert-file", authority.certificate,
    ]
    server = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, cwd=directory)
    try:
        yield f"valkeys://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_a_store_with_tls_is_known_by_its_certificate_and_knows_us_by_an_acl_user(gateway, tmp_path):
    authority = Authority(tmp_path)
    password = tmp_path / "password"
    password.write_text("marker-password\n")
    password.chmod(0o600)
    with store_with_tls(tmp_path, authority) as url:
        lines = f'store = "{url}"\nca_file = "{authority.certificate}"\nuser = "countersign"\n'
        lines += f'password_file = "{password}"\n'
        # the certificate is for fleet.example, and not for 127.0.0.1
        stranger, = gateway(1, LIMITS, lines)
        eventually(lambda: stranger.log("the store of rates is away"), stranger.process.transcript)
        assert "not valid for name" in stranger.log("the store of rates is away")[0], stranger.process.transcript()
        replicas = gateway(2, LIMITS, lines + 'server_name = "fleet.example"')
        share(replicas)
        eventually(lambda: replicas[0].metric("countersign_rate_store_replicas") == 2, replicas[0].process.transcript)
        assert replicas[0].call()[0] == 200
        logs = "".join(line for replica in [stranger, *replicas] for line in replica.process.log)
        assert "marker-password" not in logs


def test_a_store_that_asks_for_a_client_certificate_is_shown_one(gateway, countersign_bin, tmp_path):
    authority = Authority(tmp_path)
    password = tmp_path / "password"
    password.write_text("marker-password\n")
    password.chmod(0o600)
    shown = authority.for_client("shown", "DNS:replica.example")
    with store_with_tls(tmp_path, authority, asks_clients="yes") as url:
        lines = f'store = "{url}"\nca_file = "{authority.certificate}"\nserver_name = "fleet.example"\n'
        lines += f'user = "countersign"\npassword_file = "{password}"\n'
        stranger, = gateway(1, LIMITS, lines)
        eventually(lambda: stranger.log("the store of rates is away"), stranger.process.transcript)
        lines += f'client_certificate = "{shown.certificate}"\nclient_key = "{shown.private_key}"\n'
        replicas = gateway(2, LIMITS, lines)
        share(replicas)
        eventually(lambda: replicas[0].metric("countersign_rate_store_replicas") == 2, replicas[0].process.transcript)
        assert replicas[0].call()[0] == 200
        assert stranger.metric("countersign_rate_store_up") == 0
        file = tmp_path / "countersign.toml"
        told = subprocess.run([countersign_bin, "check", "--online", "--config", file], capture_output=True, text=True,
                              check=False)
        assert "online rates.store: the store of rates can be used" in told.stdout, told
        shown.private_key.chmod(0o644)
        told = subprocess.run([countersign_bin, "check", "--config", file], capture_output=True, text=True, check=False)
        assert told.returncode != 0 and str(shown.private_key) in told.stderr, told
