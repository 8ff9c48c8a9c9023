"""A name server's part in DNS rebinding, and a witness: one port that is now the hostile site's and now the proxy's.

What begins with a page's path is answered by the hostile site, as if its name still led there. All else goes on to the
proxy, byte for byte, and both directions are kept.
"""

import socket
import threading

from acceptor import Acceptor

PATIENCE = 60  # seconds


class Conversation:
    """A connection to the proxy: what was asked and answered."""

    def __init__(self, peer):
        self.peer = peer  # as the proxy's log names the client
        self.asked, self.answered = b"", b""
        self.answers_ended = False

    @property
    def line(self):
        return self.asked.partition(b"\r\n")[0].decode("latin-1")

    def field(self, name):
        """A field of the first request's head, or None."""
        for line in self.asked.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]:
            found, _, value = line.partition(":")
            if found.lower() == name.lower():
                return value.strip()
        return None

    def __repr__(self):
        return f"<{self.asked!r} -> {self.answered!r}>"


class Tap(Acceptor):
    """Listens from construction until `close`; `proxy` is told later, when it listens too."""

    def __init__(self, site):
        self.proxy = None
        self.conversations = []
        self._site = site
        self._news = threading.Condition()
        super().__init__(PATIENCE)
        self.open()

    def _serve(self, client):
        """A connection that is opened ahead of need, and never used, is no conversation."""
        try:
            with client:
                first = client.recv(65536)
                if first.startswith(b"GET /attack/"):
                    body = self._site.page(first.split(b" ")[1].decode())
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
                                   b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
                elif first:
                    self._relay(client, first)
        except OSError:
            pass

    def _relay(self, client, first):
        with socket.create_connection(self.proxy, PATIENCE) as onward:
            conversation = Conversation("{}:{}".format(*onward.getsockname()))
            self._note(conversation, asked=first)
            with self._news:
                self.conversations.append(conversation)
                self._news.notify_all()
            onward.sendall(first)
            back = threading.Thread(target=self._back, args=(conversation, onward, client), daemon=True)
            back.start()
            try:
                while more := client.recv(65536):
                    self._note(conversation, asked=more)
                    onward.sendall(more)
                onward.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # either has closed
            back.join(PATIENCE)

    def _back(self, conversation, onward, client):
        try:
            while more := onward.recv(65536):
                self._note(conversation, answered=more)
                client.sendall(more)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        with self._news:
            conversation.answers_ended = True
            self._news.notify_all()

    def _note(self, conversation, asked=b"", answered=b""):
        with self._news:
            conversation.asked += asked
            conversation.answered += answered
            self._news.notify_all()

    def wait_for(self, what, since=0):
        """The first conversation of which `what` is true, once the proxy has said all it will."""
        found = []

        def ready():
            found[:] = [one for one in self.conversations[since:] if what(one)]
            return found and found[0].answers_ended

        with self._news:
            assert self._news.wait_for(ready, PATIENCE), f"it never came: {self.conversations[since:]}"
        return found[0]
