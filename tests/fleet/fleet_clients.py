"""Clients of a fleet. Each has an identity, a rate that it is allowed, and a load that it makes over several
connections."""

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import ssl
import time
import urllib.parse

from counting_clients import ACTIONS, PATIENCE, Caller, request
from fleet_accounts import BARE, is_reading
from fleet_certificates import FLEET_NAME
from ledger import Outcome
from tls_connection import NothingSent, TlsConnection

# between attempts for which nothing was sent
BACK_OFF = 0.05


@dataclasses.dataclass(frozen=True)
class Client:
    """One identity, and what it does."""

    name: str
    # calls a second that it makes, over so many connections
    load: float
    connections: int
    # which listener knows it
    listener: str
    # lines of its table in the configuration, and what it sends to be known
    identity: str
    token: str = ""
    certificate: object = None
    # calls a second that all replicas together let through; None: as many as come
    rate: int | None = None
    # calls a day
    quota: int | None = None
    # the routes that it calls, in turn
    hosts: tuple = ("jobs.example", "reports.example")

    def context(self, authority):
        context = ssl.create_default_context(cafile=authority)
        if self.certificate:
            context.load_cert_chain(self.certificate.certificate, self.certificate.private_key)
        return context


class FleetCaller(Caller):
    """One connection of a client: calls at its share of the client's load, one after the other.

    A call is sent again when nothing of it was sent, because no connection could be made, or when it only reads.
    """

    def __init__(self, client, number, address, context, accounts, random):
        super().__init__(f"{client.name}{number}", address, client.hosts[number % len(client.hosts)], accounts, random)
        self._client, self._context = client, context
        self._pause = client.connections / client.load
        self._connected = 0.0

    async def run(self, stop):
        due = time.monotonic() + self._random.random() * self._pause
        while not stop.is_set():
            await asyncio.sleep(due - time.monotonic())
            await self._make_call(due)
            # uneven, so that calls of several connections meet now and then; never longer than twice the pause
            due = max(due + self._random.uniform(0, 2) * self._pause, time.monotonic())
        self._drop()

    async def _make_call(self, due):
        self._calls += 1
        call_id = f"{self._name}-{self._calls}"
        action = self._random.choice(ACTIONS)
        call = self._ledger.begin(call_id, action, self._client.name, due)
        message = with_token(request(self._host, action, call_id, 0), self._client.token)
        outcome, detail = await self._attempts(call_id, call, message)
        self._ledger.end(call_id, outcome, detail)
        if self._connection and outcome is Outcome.ANSWERED:
            call.waited = call.ended - due - took(self._connection)

    async def _attempts(self, call_id, call, message):
        """The outcome of the last attempt."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    await self._connect(call)
                    try:
                        await self._connection.send(message)
                        return await self._answer(call_id, self._connection)
                    except (EOFError, OSError) as error:
                        self._drop()
                        if not is_reading(call.action):
                            return Outcome.LOST, repr(error)
                        call.repeated += 1
        except TimeoutError:
            self._drop()
            return Outcome.LOST, "no answer in time"

    async def _connect(self, call):
        if self._connection and self._connection.ended():
            self._drop()
        while not self._connection:
            try:
                self._connection = await TlsConnection.open(self._address, self._context, FLEET_NAME)
                self._connected = time.monotonic()
            except NothingSent:
                call.reconnected += 1
                await asyncio.sleep(BACK_OFF)
        call.replica, call.connected = self._connection.peer_name, self._connected


class BareCaller:
    """Calls an endpoint through the balancer and past all replicas, with a key of its own: how long the way is for
    calls that are not countersign's."""

    def __init__(self, key, address, context, host, accounts, per_second):
        self._key, self._address, self._context, self._host = key, address, context, host
        self._accounts, self._pause = accounts, 1 / per_second

    async def run(self, stop):
        connection, number, due = None, 0, time.monotonic()
        while not stop.is_set():
            await asyncio.sleep(due - time.monotonic())
            number += 1
            try:
                if connection is None or connection.ended():
                    connection = await TlsConnection.open(self._address, self._context, "localhost")
                async with asyncio.timeout(PATIENCE):
                    await connection.send(self._message(f"{BARE}-{number}"))
                    _, fields = await connection.read_head()
                    await connection.read_body(fields)
                self._accounts.bare[self._accounts.phase].append(time.monotonic() - due - took(connection))
            except (NothingSent, EOFError, OSError):
                connection = None  # the endpoint is away
            due = max(due + self._pause, time.monotonic())

    def _message(self, call_id):
        key_id, secret = self._key
        parameters = {
            "AWSAccessKeyId": key_id, "Action": "GetStatus", "JobId": call_id, "SignatureMethod": "HmacSHA256",
            "SignatureVersion": "2", "Version": "2010-06-03",
        }
        canonical = urllib.parse.urlencode(sorted(parameters.items()), quote_via=urllib.parse.quote)
        mac = hmac.new(secret.encode(), f"POST\n{self._host}\n/\n{canonical}".encode(), hashlib.sha256).digest()
        body = f"{canonical}&Signature={urllib.parse.quote(base64.b64encode(mac), safe='')}"
        return (
            f"POST / HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


def with_token(message, token):
    if not token:
        return message
    return message.replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {token}\r\n\r\n".encode(), 1)


def took(connection):
    """The seconds that the endpoint itself took for the last response."""
    return float(connection.fields.get(b"x-took", 0))
