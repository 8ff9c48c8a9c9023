"""A client's TLS connection that knows what was sent: a handshake that fails has sent no request."""

import asyncio
import ssl

from counting_clients import Connection


class NothingSent(Exception):
    """No connection was made, so that the request that it was for may be sent on another one."""


class TlsConnection(Connection):
    """TLS over the connection of the chaos test. Its own reading of the socket gives out what came before a reset."""

    def __init__(self, connected):
        super().__init__(connected)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = None
        # of the last response
        self.fields = {}

    @classmethod
    async def open(cls, address, context, name):
        try:
            connection = await super().open(address)
        except OSError as error:
            raise NothingSent(repr(error)) from error
        try:
            await connection._shake(context, name)
        except (EOFError, OSError) as error:
            connection.close()
            raise NothingSent(repr(error)) from error
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def peer_name(self):
        """The common name in the other side's certificate."""
        subject = dict(field for fields in self._tls.getpeercert()["subject"] for field in fields)
        return subject["commonName"]

    def ended(self):
        """Whether the other side has closed the connection: every pool looks before it uses a connection again."""
        try:
            while piece := self._socket.recv(65536):
                self._incoming.write(piece)
            return True
        except BlockingIOError:
            pass
        except OSError:
            return True
        try:
            self._tls.read(1)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            pass
        return True

    async def send(self, data):
        self._tls.write(data)
        await super().send(self._outgoing.read())

    async def read_head(self):
        status, self.fields = await super().read_head()
        return status, self.fields

    async def _shake(self, context, name):
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await super().send(self._outgoing.read())
                if not await self._receive():
                    raise EOFError("closed by the other side") from None
        await super().send(self._outgoing.read())

    async def _more(self):
        while True:
            try:
                piece = self._tls.read(65536)
            except ssl.SSLWantReadError:
                if not await self._receive():
                    return False
            except ssl.SSLZeroReturnError:
                return False
            else:
                self._buffer += piece
                return bool(piece)

    async def _receive(self):
        """Takes what the socket has for TLS; false at its end."""
        piece = await asyncio.get_running_loop().sock_recv(self._socket, 65536)
        self._incoming.write(piece)
        return bool(piece)
