//! Streams of requests made from a number: mostly valid, now and then not, and the same for the same number.

/// Pseudorandom numbers (splitmix64), so that a seed alone repeats a finding.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(end).unwrap()).unwrap()
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn one_of<'t, T: ?Sized>(&mut self, list: &[&'t T]) -> &'t T {
        list[self.below(list.len())]
    }
}

/// Listed more than once: more likely.
const METHODS: [&str; 10] = ["POST", "POST", "POST", "POST", "POST", "POST", "GET", "HEAD", "OPTIONS", "M-SEARCH"];
const TARGETS: [&str; 8] =
    ["/", "/", "/", "/queue/1", "/a/b?x=1&y=%20", "/stream", "http://a.example/", "http://a.example:8021/stream?x=1"];
const ODD_TARGETS: [&str; 10] =
    ["*", "/a#b", "//", "/%zz", "/\u{e9}", "/a|b", "a.example:443", "http://a.example", "https://a.example/x", "a/b"];
const VERSIONS: [&str; 6] = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"];
const ODD_VERSIONS: [&str; 5] = ["HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/0.9", "HTTP/1.1 "];
const FIELDS: [&str; 20] = [
    "X-A: 1",
    "x-a: 2",
    "X-Empty:",
    "Accept:   */*  ",
    "X-Tab:\tvalue\t",
    "X-Bytes: \u{e9}\u{fffd}",
    "Cookie: a=b; c",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: Keep-Alive, X-A",
    "Connection: upgrade",
    "Connection: TE, close",
    "Upgrade: h2c",
    "Expect: 100-continue",
    "Expect: 100-Continue",
    "TE: trailers",
    "Trailer: X-Sum",
    "Keep-Alive: timeout=5",
    "!#$%&'*+-.^_`|~: token",
    "Via: 1.1 other",
];
const ODD_FIELDS: [&str; 12] = [
    "Content_Length: 3",
    "Transfer Encoding: chunked",
    "X-Folded: a\r\n b",
    "X-Space : a",
    ": nameless",
    "no colon",
    "X-Control: a\u{1}b",
    "X-Cr: a\rb",
    "X-Lf: a\nContent-Length: 7",
    "Expect: something-else",
    "Proxy-Connection: close",
    "Content-Length:",
];
const BODIES: [&str; 7] = [
    "",
    "a",
    "Action=ListJobs",
    "Action=GetStatus&JobId=JOBID&Version=2010-06-03",
    "\r\n\r\n",
    "POST /inner HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
    "0\r\n\r\n",
];
/// What a mutation puts in.
const INSERTED: [&str; 12] =
    ["\r", "\n", "\0", " ", ":", ",", "\t", "\r\n", "\r\n\r\n", "chunked", "0\r\n\r\n", "Content-Length: 1\r\n"];

/// The stream of this number.
pub(super) fn stream(dice: &mut Dice) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..=dice.below(4) {
        if dice.once_in(20) {
            stream.extend_from_slice(b"\r\n");
        }
        add_message(dice, &mut stream);
    }
    if dice.once_in(5) {
        for _ in 0..=dice.below(3) {
            mutate(dice, &mut stream);
        }
    }
    if dice.once_in(10) {
        let end = dice.below(stream.len() + 1);
        stream.truncate(end);
    }
    stream
}

fn add_message(dice: &mut Dice, stream: &mut Vec<u8>) {
    let method = if dice.once_in(60) { "CONNECT" } else { dice.one_of(&METHODS) };
    let target = if dice.once_in(25) { dice.one_of(&ODD_TARGETS) } else { dice.one_of(&TARGETS) };
    let version = if dice.once_in(50) { dice.one_of(&ODD_VERSIONS) } else { dice.one_of(&VERSIONS) };
    let mut fields: Vec<String> = (0..dice.below(5)).map(|_| dice.one_of(&FIELDS).to_owned()).collect();
    if dice.once_in(30) {
        fields.push(dice.one_of(&ODD_FIELDS).to_owned());
    }
    for _ in 0..dice.one_of(&[&1, &1, &1, &1, &1, &1, &0, &2]).to_owned() {
        fields.push("Host: a.example".to_owned());
    }
    let body = body(dice);
    let body = frame(dice, version, body, &mut fields);
    stream.extend_from_slice(format!("{method} {target} {version}\r\n").as_bytes());
    while !fields.is_empty() {
        let field = fields.swap_remove(dice.below(fields.len()));
        stream.extend_from_slice(field.as_bytes());
        stream.extend_from_slice(b"\r\n");
    }
    stream.extend_from_slice(b"\r\n");
    stream.extend_from_slice(&body);
}

fn body(dice: &mut Dice) -> Vec<u8> {
    let body = dice.one_of(&BODIES).as_bytes();
    // longer than what is read at once
    if dice.once_in(40) { body.repeat(1 + 20_000 / body.len().max(1)) } else { body.to_vec() }
}

/// Says in `fields` where the body ends, and gives it as it is sent.
fn frame(dice: &mut Dice, version: &str, body: Vec<u8>, fields: &mut Vec<String>) -> Vec<u8> {
    let length = body.len();
    let mut say = |field: String| fields.push(field);
    if dice.once_in(25) {
        match dice.below(8) {
            0 => say(format!("Content-Length: {length}\r\nTransfer-Encoding: chunked")),
            1 => say(format!("Content-Length: {length}\r\nContent-Length: {length}")),
            2 => say(format!("Content-Length: {length}\r\nContent-Length: {}", length + 1)),
            3 => say(format!("Content-Length: +{length}")),
            4 => say(format!("Content-Length: {length}, {length}")),
            5 => say("Transfer-Encoding: gzip, chunked".to_owned()),
            6 => say("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked".to_owned()),
            _ => say("Transfer-Encoding: identity".to_owned()),
        }
        return if dice.once_in(2) { chunks(dice, &body) } else { body };
    }
    match dice.below(8) {
        0 => Vec::new(),
        1..4 if version != "HTTP/1.0" => {
            say(["Transfer-Encoding: chunked", "transfer-encoding: Chunked"][dice.below(2)].to_owned());
            chunks(dice, &body)
        }
        _ => {
            say(format!("Content-Length: {}{length}", dice.one_of(&["", "", "", "00"])));
            body
        }
    }
}

fn chunks(dice: &mut Dice, mut body: &[u8]) -> Vec<u8> {
    let mut chunks = Vec::new();
    while !body.is_empty() {
        let (chunk, rest) = body.split_at(1 + dice.below(body.len()));
        let zeros = dice.one_of(&["", "", "0", "000"]);
        let size = if dice.once_in(2) { format!("{:x}", chunk.len()) } else { format!("{:X}", chunk.len()) };
        let extension = if dice.once_in(6) { dice.one_of(&[";a", ";a=b", ";a=\"b c\"", " ;a", "\t", ";"]) } else { "" };
        chunks.extend_from_slice(format!("{zeros}{size}{extension}\r\n").as_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(if dice.once_in(80) { b"\n" } else { b"\r\n" });
        body = rest;
    }
    chunks.extend_from_slice(b"0\r\n");
    if dice.once_in(6) {
        let trailers =
            ["X-Sum: 1\r\n", "X-Sum: 1\r\nContent-Length: 3\r\n", "X-Empty:\r\n", " X-Sum: 1\r\n", "none\r\n"];
        chunks.extend_from_slice(dice.one_of(&trailers).as_bytes());
    }
    chunks.extend_from_slice(b"\r\n");
    chunks
}

fn mutate(dice: &mut Dice, stream: &mut Vec<u8>) {
    if stream.is_empty() {
        return;
    }
    let at = dice.below(stream.len());
    let inserted = dice.one_of(&INSERTED).as_bytes();
    match dice.below(4) {
        0 => stream[at] = inserted[0],
        1 => drop(stream.remove(at)),
        2 => drop(stream.splice(at..at, inserted.iter().copied())),
        _ => {
            let end = (at + 1 + dice.below(40)).min(stream.len());
            let again = stream[at..end].to_vec();
            stream.splice(end..end, again);
        }
    }
}
