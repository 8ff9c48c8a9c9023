"""The configuration that all replicas of a fleet share, and its clients."""

import hashlib

from fleet_clients import Client

CONFIGURATION = """\
[listener.certificates]
address = "127.0.0.1:0"
authenticate = ["mtls"]
proxy_protocol_from = ["127.0.0.0/8"]
limits.connection_lifetime = "{connection_lifetime}"
[listener.certificates.tls]
certificate = "replaced by a variable of each replica"
private_key = "replaced by a variable of each replica"
client_ca = "{client_ca}"
[listener.tokens]
address = "127.0.0.1:0"
authenticate = ["token"]
proxy_protocol_from = ["127.0.0.0/8"]
limits.connection_lifetime = "{connection_lifetime}"
[listener.tokens.tls]
certificate = "replaced by a variable of each replica"
private_key = "replaced by a variable of each replica"
{clients}
[key.main]
file = "{key_file}"
identity_file = "{identity_file}"
[route.jobs]
endpoint = "https://127.0.0.1:{jobs}/"
ca_file = "{endpoint_ca}"
hosts = ["jobs.example"]
known_actions = [{actions}]
timeouts.pool_idle = "{pool_idle}"
[route.reports]
endpoint = "https://127.0.0.1:{reports}/"
ca_file = "{endpoint_ca}"
hosts = ["reports.example"]
known_actions = [{actions}]
timeouts.pool_idle = "{pool_idle}"
[route.either]
endpoint = "https://127.0.0.1:{reports}/"
ca_file = "{endpoint_ca}"
hosts = ["either.example"]
known_actions = [{actions}]
timeouts.pool_idle = "{pool_idle}"
[[route.either.fallback]]
endpoint = "https://127.0.0.1:{jobs}/"
ca_file = "{endpoint_ca}"
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
level = "info,countersign::exchange=off"
[rates]
store = "{store}"
[process]
workers = {workers}
drain_delay = "{drain_delay}"
"""
# longer than the pauses between the calls of a connection, so that each is told to leave
DRAIN_DELAY = "3s"
# so that connections spread again soon after a replica has come back
CONNECTION_LIFETIME = "10s"

LISTENERS = ["certificates", "tokens"]
ACTIONS = ["CreateJob", "GetStatus", "CancelJob"]


def clients(authority):
    """Four clients of the same two routes: two with certificates and two with tokens; two call at twice their rate, one
    below it, and one has none. A fifth calls a route with a fallback, and a sixth calls beyond its quota."""
    return [
        with_certificate(authority, "greedy", "URI:spiffe://example.org/greedy", load=40, connections=8, rate=20),
        with_certificate(authority, "modest", "DNS:modest.example", load=15, connections=3, rate=20),
        with_token("eager", load=20, connections=4, rate=10),
        with_token("free", load=25, connections=5),
        with_token("regional", load=10, connections=3, hosts=("either.example",)),
        with_token("capped", load=10, connections=2, quota=100),
    ]


def with_certificate(authority, name, alternative_name, **settings):
    kind, _, value = alternative_name.partition(":")
    key = {"URI": "spiffe", "DNS": "dns"}[kind]
    return Client(
        name, listener="certificates", identity=f'{key} = "{value}"',
        certificate=authority.for_client(name, alternative_name), **settings,
    )


def with_token(name, **settings):
    token = f"token-of-{name}"
    digest = hashlib.sha256(token.encode()).hexdigest()
    return Client(name, listener="tokens", identity=f'token_sha256 = "{digest}"', token=token, **settings)


def table(client):
    """Its table in the configuration. Its share is everything: how clients share limits is for other tests."""
    rate = f'rate = "{client.rate}/s"\n' if client.rate else ""
    quota = f'quota = "{client.quota}/d"\n' if client.quota else ""
    return f'[client.{client.name}]\n{client.identity}\nshare = "100%"\nallow = ["*:*"]\n{rate}{quota}'


class Configuration:
    """The file. `change` makes it another one, as people do while it is used."""

    def __init__(self, directory, workers, clients, **values):
        self.file = directory / "countersign.toml"
        self._values = values | {
            "workers": workers, "clients": "".join(map(table, clients)), "drain_delay": DRAIN_DELAY,
            "connection_lifetime": CONNECTION_LIFETIME,
        }
        self._generation = 0
        self.change()

    def change(self):
        """Another list of Actions that metrics name; nothing that a client would notice."""
        self._generation += 1
        actions = ACTIONS[: 2 + self._generation % 2]
        text = CONFIGURATION.format(actions=", ".join(f'"{action}"' for action in actions), **self._values)
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.rename(self.file)
