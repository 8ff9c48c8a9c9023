"""Pseudo-random forms through the proxy, in every spelling that clients have for them.

What arrives is verified by botocore and compared with what Python's urllib reads in the client's bytes: nothing is
lost, and nothing added but the authentication parameters.
"""

import concurrent.futures
import http.client
import json
import random
import select
import ssl
import urllib.parse

import pytest
from botocore.auth import SigV2Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from importexport import KEY_ID, PLACEHOLDER_ID, SECRET
from verifying_upstream import SECURITY_TOKEN, Answer, verifying_upstream

SEED = 20110620
FORMS = 400
CLIENTS = 8

# what URL libraries disagree about, and characters of one to four bytes; as text, before any escaping
PIECES = [*"abzAZ019-_.~ +*%&=;/:@!'(),?#$<>\"\\|^`{}[]", "%20", "%2B", "%zz", "é", "ß", "e\u0301", "漢", "\u00a0",
          "\u2028", "\ufeff", "😀", "\U0010fffd"]
VALUE_PIECES = [*PIECES, "\n", "\r\n", "\t", "\0", "\x7f", "\x1b"]
CLIENTS_OWN = {
    "AWSAccessKeyId": PLACEHOLDER_ID,
    "Signature": "AAAA+/==",
    "SignatureMethod": "HmacSHA1",
    "SignatureVersion": "1",
    "Timestamp": "1999-01-01T00:00:00Z",
    SECURITY_TOKEN: "placeholder",
    "Expires": "2038-01-19T03:14:07Z",
    "X-Amz-Signature": "0",
}

# names are printable ASCII; values may be any text
NAME_PIECES = [piece for piece in PIECES if piece.isascii()]

# what must be escaped, or would mean something else; `=` only in names
MEANINGFUL = {"name": set(b"&=+%"), "value": set(b"&+%\r\n")}


def text(rng, pieces, shortest, longest):
    return "".join(rng.choices(pieces, k=rng.randint(shortest, longest)))


def parameters(rng):
    """Names that no reader takes for one another, so that a form has one reading only."""
    found, folded = {}, {"action", "version"}
    wanted = rng.choice([0, 1, 3, 12, 40])
    while len(found) < wanted:
        name = text(rng, NAME_PIECES, 1, 12)
        if (spelling := name.lower().translate({ord(mark): None for mark in "_- "})) not in folded:
            folded.add(spelling)
            found[name] = text(rng, VALUE_PIECES, 0, rng.choice([0, 3, 12, 60]))
    return found


def spelled(rng, part, kind, eagerness):
    """The bytes of a name or value, each escaped in one of the ways clients have."""
    out = bytearray()
    for byte in part.encode():
        if byte == 0x20:
            out += rng.choice([b"+", b"%20", b" "])
        elif byte in MEANINGFUL[kind] or rng.random() < eagerness:
            out += (b"%%%02x" if rng.random() < 0.5 else b"%%%02X") % byte
        else:
            out.append(byte)
    return bytes(out)


def form(number):
    """A form's bytes; every number gives always the same."""
    rng = random.Random(SEED * 1000 + number)
    pairs = {"Action": rng.choice(["ListJobs", "CreateJob", "GetStatus"]), "Version": "2010-06-03", **parameters(rng)}
    if number % 40 == 7:
        pairs |= {f"Attribute.{index}.Value": text(rng, VALUE_PIECES, 0, 8) for index in range(500 - len(pairs))}
    if number % 40 == 11:
        pairs["Manifest"] = text(rng, VALUE_PIECES, 20_000, 20_000)
    if number % 3 == 0:
        pairs |= dict(rng.sample(list(CLIENTS_OWN.items()), rng.randint(1, len(CLIENTS_OWN))))
    items = list(pairs.items())
    rng.shuffle(items)
    # none but what must be, some, or all, as some libraries do
    eagerness = rng.choice([0, 0.3, 1])
    segments = []
    for name, value in items:
        segment = spelled(rng, name, "name", eagerness)
        if value or rng.random() < 0.5:
            segment += b"=" + spelled(rng, value, "value", eagerness)
        segments.append(segment)
    # two separators in a row separate nothing
    return rng.choice([b"&", b"&", b"&&"]).join(segments)


def expected(body):
    """What urllib reads, without what a client says of itself.

    Byte by byte, and UTF-8 only afterwards, since some bytes of a character may be escaped and others not.
    """
    read = urllib.parse.parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    read = [tuple(part.encode("latin-1").decode() for part in pair) for pair in read]
    assert len(read) == len(dict(read))
    return {name: value for name, value in read if name not in CLIENTS_OWN}


def echo(received):
    return Answer(json.dumps(received.pairs).encode(), headers={"Content-Type": "application/json"})


@pytest.fixture(scope="module")
def echoing(upstream):
    with upstream.answering(echo):
        yield upstream


@pytest.fixture(scope="module")
def to_upstream(proxy, echoing):
    return proxy(echoing.url(), echoing.ca_file)


def post(connection, body, media_type="application/x-www-form-urlencoded"):
    connection.request("POST", "/", body, {"Content-Type": media_type})
    answer = connection.getresponse()
    return answer.status, answer.read()


def arrives_whole(connection, body):
    """Posts a form and compares what arrived."""
    status, answer = post(connection, body)
    assert status == 200, (body, answer)
    pairs = json.loads(answer)
    arrived = dict(pairs)
    assert len(arrived) == len(pairs)
    assert {name: arrived.pop(name) for name in ("AWSAccessKeyId", "SignatureVersion", "SignatureMethod")} == {
        "AWSAccessKeyId": KEY_ID,
        "SignatureVersion": "2",
        "SignatureMethod": "HmacSHA256",
    }
    assert arrived.pop("Timestamp") and arrived.pop("Signature")
    assert arrived == expected(body), body


def test_every_form_arrives_whole_on_one_connection(to_upstream):
    connection = http.client.HTTPConnection(to_upstream.host, to_upstream.port, timeout=60)
    connection.connect()
    socket = connection.sock
    for number in range(FORMS):
        arrives_whole(connection, form(number))
    # http.client would have opened another one silently
    assert connection.sock is socket
    connection.close()


def test_every_form_arrives_whole_on_many_connections_at_once(to_upstream):
    def client(first):
        connection = http.client.HTTPConnection(to_upstream.host, to_upstream.port, timeout=60)
        for number in range(first, FORMS, CLIENTS):
            arrives_whole(connection, form(number))
        connection.close()

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(client, first) for first in range(CLIENTS)]:
            done.result(timeout=60)


def test_connections_to_the_endpoint_are_used_again(to_upstream, echoing):
    connection = http.client.HTTPConnection(to_upstream.host, to_upstream.port, timeout=60)
    arrives_whole(connection, form(1))
    before = echoing.connections
    for number in range(20):
        arrives_whole(connection, form(number))
    connection.close()
    # each of the proxy's threads keeps its own, and one connection stays with one thread
    assert echoing.connections == before


def test_the_forms_are_what_they_are_said_to_be():
    """The generator itself: a suite that tests only tame forms proves nothing."""
    forms = [form(number) for number in range(FORMS)]
    assert len(set(forms)) > FORMS - 10
    everything = b"&".join(forms)
    for spelling in (b"+", b"%20", b" ", b"%2b", b"%2B", "é".encode(), b"%c3%a9", b"%C3%A9", b"~", b"%7e", b"*",
                     b"%2A", b"(", b"%28", b"'", b"%27", b";", b"%3b", b"&&", b"\0", b"%00", "😀".encode()):
        assert spelling in everything, spelling
    counts = [len(expected(body)) for body in forms]
    assert min(counts) == 2 and max(counts) >= 490
    assert max(map(len, forms)) > 50_000
    assert any(list(expected(body)) != sorted(expected(body)) for body in forms)
    assert any("" in expected(body).values() for body in forms)
    assert sum(PLACEHOLDER_ID.encode() in body for body in forms) > 20


def test_the_endpoint_itself_is_not_easily_satisfied(tmp_path):
    """Without the proxy: what botocore signed is accepted, and every single change to it is not."""
    with verifying_upstream(tmp_path, KEY_ID, SECRET) as upstream:
        trust = ssl.create_default_context(cafile=upstream.ca_file)
        connection = http.client.HTTPSConnection("127.0.0.1", upstream.port, timeout=60, context=trust)
        request = AWSRequest(method="POST", url=upstream.url(), data={"Action": "ListJobs", "x": "a b+~"})
        SigV2Auth(Credentials(KEY_ID, SECRET)).add_auth(request)
        signature = request.data.pop("Signature")
        right = sorted(request.data.items())

        def status(pairs, signature=signature):
            encoded = urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote, safe="~")
            return post(connection, f"{encoded}&Signature={urllib.parse.quote(signature, safe='')}".encode())[0]

        assert status(right) == 200 and upstream.complaints == []
        changes = [
            [*right[:-1], ("x", "a b+-")],
            [*right, ("y", "")],
            [*right, right[-1]],
            right[::-1],
            *([pair for pair in right if pair[0] != name] for name in request.data),
            *([(name, value if name != old else value + "0") for name, value in right] for old in request.data),
        ]
        for pairs in changes:
            assert status(pairs) == 403, pairs
        assert status(right, signature[::-1]) == 403
        assert len(upstream.complaints) == len(changes) + 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"Action=A&x=%zz", "MalformedQueryString"),
        (b"Action=A&x=%2", "MalformedQueryString"),
        (b"Action=A&x=%", "MalformedQueryString"),
        (b"Action=A&x=%ff", "MalformedQueryString"),
        (b"Action=A&x=\xff", "MalformedQueryString"),
        (b"Action=A&x=%ED%A0%80", "MalformedQueryString"),
        (b"Action=A&x=%C0%80", "MalformedQueryString"),
        (b"Action=A&x=1&x=1", "InvalidQueryParameter"),
        (b"Action=A&x=1&%78=2", "InvalidQueryParameter"),
        (b"Action=A&a+b=1&a%20b=2", "InvalidQueryParameter"),
        (b"Action=A&Action=B", "InvalidQueryParameter"),
        (b"Action=A&awsaccesskeyid=x", "InvalidQueryParameter"),
        (b"Action=A&x%0A=1", "InvalidQueryParameter"),
        (b"x=1", "MissingAction"),
        (b"", "MissingAction"),
        (b"Action=", "MissingAction"),
        (b"Signature=A&Timestamp=B", "MissingAction"),
        (b"&".join(b"x%d=" % n for n in range(1000)) + b"&Action=A", "InvalidQueryParameter"),
    ],
)
def test_what_two_parsers_could_read_in_two_ways_is_refused_and_the_connection_kept(to_upstream, echoing, body, code):
    connection = http.client.HTTPConnection(to_upstream.host, to_upstream.port, timeout=60)
    before = len(echoing.received)
    status, answer = post(connection, body)
    assert (status, f"<Code>{code}</Code>" in answer.decode()) == (400, True), answer
    assert len(echoing.received) == before
    socket = connection.sock
    arrives_whole(connection, b"Action=ListJobs")
    assert connection.sock is socket is not None
    connection.close()


def test_a_client_that_reads_nothing_before_it_has_written_all_sees_that_its_body_is_too_large(to_upstream, echoing):
    before = len(echoing.received)
    piece = b"Action=CreateJob".ljust(64 * 1024, b"&")
    connection = http.client.HTTPConnection(to_upstream.host, to_upstream.port, timeout=60)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Type", "application/x-www-form-urlencoded")
    connection.putheader("Content-Length", str(5 * len(piece)))
    connection.endheaders()
    # the refusal is here before the body is sent; who hangs up now has it answered by a reset
    assert select.select([connection.sock], [], [], 20)[0]
    for _ in range(5):
        connection.send(piece)
    answer = connection.getresponse()
    assert answer.status == 413 and b"<Code>ProxyRequestTooLarge</Code>" in answer.read()
    connection.close()
    assert len(echoing.received) == before


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize(
    "path", ["/", "", "/services/Cloud", "/services/Cloud/", "/a%2Fb/%7euser;v=1/", "/onca/xml/~!$&'()*+,;=:@"]
)
def test_host_and_path_of_the_endpoint_are_sent_as_they_are_signed(proxy, echoing, host, path):
    to_path = proxy(echoing.url(host, path), echoing.ca_file)
    connection = http.client.HTTPConnection(to_path.host, to_path.port, timeout=60)
    arrives_whole(connection, form(3))
    connection.close()
    arrived = echoing.received[-1]
    assert (arrived.headers["Host"], arrived.path) == (f"{host}:{echoing.port}", path or "/")


def test_nothing_in_the_clients_head_arrives(to_upstream, echoing):
    connection = http.client.HTTPConnection(to_upstream.host, to_upstream.port, timeout=60)
    head = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "Authorization": "AWS4-HMAC-SHA256 Credential=marker",
        "Cookie": "session=marker",
        "Proxy-Authorization": "Basic marker",
        "User-Agent": "marker",
        "Via": "1.1 marker",
        "X-Amz-Date": "marker",
        "X-Amz-Security-Token": "marker",
        "X-Forwarded-For": "marker",
    }
    connection.request("POST", "/", b"Action=ListJobs", head)
    assert connection.getresponse().status == 200
    connection.close()
    arrived = echoing.received[-1].headers
    assert {name.lower() for name in arrived.keys()} == {"host", "content-type", "content-length", "via", "user-agent"}
    assert arrived["Via"] == "1.1 countersign" and "marker" not in str(arrived)
