"""Reads the memory of a running process, and says where in it a secret left a trace.

Needs root: countersign does not let its own user read it.
"""

import contextlib
import hmac
import os
import pathlib
import re
import struct

# a fragment of a secret this long gives away what the rest could be tried for
FRAGMENT = 12
CHUNK = 1 << 20
LIBRARY = re.compile(r"\.so(\.\d+)*( \(deleted\))?$")
ZEROS = bytes(CHUNK + 64)


def family(pid):
    """A process and those it started, and theirs."""
    yield pid
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            for child in children.read_text().split():
                yield from family(int(child))


# of VmFlags in /proc/PID/smaps (proc_pid_smaps(5)), those that say how memory is kept
GUARDS = {"lo": "locked", "dd": "not dumped", "dc": "not inherited"}


def mappings(pid):
    """Every mapping that the process itself can read: what it is, its first address and the one behind its last. The
    program and its libraries are left out where they are what the file has: the process has written nothing there."""
    area, written = None, False
    program = os.readlink(f"/proc/{pid}/exe")
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        field, *rest = line.split(maxsplit=5)
        if not field.endswith(":"):
            area, written = (field, rest), False
        elif field in ("Anonymous:", "Swap:"):
            # a page of a private file mapping that was written to is the process's own
            written = written or rest[0] != "0"
        elif field == "VmFlags:":
            addresses, (rights, _, _, _, *path) = area
            is_code = path and (path[0] == program or LIBRARY.search(path[0]))
            if is_code and rights[1:] in ("-xp", "--p") and not written:
                continue
            flags = line.split()[1:]
            guards = ", ".join(word for flag, word in GUARDS.items() if flag in flags)
            name = f"{path[0] if path else 'anonymous'} {rights}" + (f" ({guards})" if guards else "")
            # the kernel's own pages are no memory of the process
            if rights.startswith("r") and not name.startswith(("[vvar", "[vsyscall]")):
                start, end = (int(address, 16) for address in addresses.split("-"))
                yield name, start, end


class Memory:
    """What could be read of the memory of processes, read once."""

    def __init__(self, pids):
        self.parts = []
        self.unreadable = []
        for pid in pids:
            # a program of a key store may have ended since it was listed
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                self._read(pid)
        scanned = sum(len(data) for _, data in self.parts)
        assert scanned > 1 << 20, f"only {scanned} bytes of memory could be read"

    def _read(self, pid):
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for name, start, end in mappings(pid):
                try:
                    self._add(name, memory, start, end)
                except OSError:
                    self.unreadable.append(name)

    def _add(self, name, memory, start, end):
        # overlapping, lest something lies across the edge; nothing at all is most of it
        for at in range(start, end, CHUNK):
            memory.seek(at)
            data = memory.read(min(CHUNK + 64, end - at))
            if data != ZEROS[: len(data)]:
                self.parts.append((name, data))

    def find(self, needles):
        """`needles` by name, each a list of byte strings; what was found, in words."""
        found = set()
        pieces = {name: common_pieces(fragments) for name, fragments in needles.items()}
        for mapping, data in self.parts:
            for name, fragments in needles.items():
                if any(piece in data for piece in pieces[name]) and any(fragment in data for fragment in fragments):
                    found.add(f"{name} in {mapping}")
        return sorted(found)


def common_pieces(fragments):
    """Fewer and shorter strings, of which each fragment has one. Fragments overlap where they are windows of a secret:
    a window that begins elsewhere has the same pieces, and these are searched once."""
    half = FRAGMENT // 2
    pieces = set()
    for fragment in fragments:
        inside = {fragment[at : at + half] for at in range(len(fragment) - half + 1)}
        if not inside & pieces:
            pieces.add(fragment[-half:])
    return pieces


MASKS = {"plain": 0, "ipad": 0x36, "opad": 0x5C}
# what dialects make of a secret before it is a key
FORMS = {"": lambda secret: secret, ", AWS4 before it": b"AWS4".__add__, ", & behind it": lambda secret: secret + b"&"}


def traces(name, secret):
    """Any part of a secret, plain and as HMAC (RFC 2104) makes a key of it."""
    windows = [secret[at : at + FRAGMENT] for at in range(len(secret) - FRAGMENT + 1)]
    return {
        f"{name}, {how}": [bytes(byte ^ mask for byte in window) for window in windows] for how, mask in MASKS.items()
    }


def keyed_states(name, secret, forms=FORMS):
    """The states of SHA-256 and SHA-1 after the padded key: with them one signs without knowing the secret. Dialects
    put something before or behind it."""
    found = {}
    for form, key in ((form, make(secret)) for form, make in forms.items()):
        for how, mask in {"inner": 0x36, "outer": 0x5C}.items():
            block = bytes(byte ^ mask for byte in key.ljust(64, b"\0"))
            a, b, c, d, e, f, g, h = sha256_block(block)
            # in order, and as the instructions of x86 want them
            orders = [(a, b, c, d), (e, f, g, h), (f, e, b, a), (h, g, d, c)]
            found[f"{name}{form}, SHA-256 {how}"] = [pack(words) for words in orders]
            a, b, c, d, _ = sha1_block(block)
            found[f"{name}{form}, SHA-1 {how}"] = [pack(words) for words in [(a, b, c, d), (d, c, b, a)]]
    return found


def day_keys(name, secret, date, region, service):
    """What AWS Signature Version 4 makes of a secret on one day, step by step, plain and as HMAC makes a key of it; and
    the states after these keys. With those of the last one, one signs."""
    between, last, key = {}, {}, b"AWS4" + secret
    for step, word in enumerate((date, region, service, "aws4_request"), 1):
        key = hmac.digest(key, word.encode(), "sha256")
        title = f"the key of {date} after step {step} from {name}"
        # in halves: it is no text, of which a part gives away the rest
        for how, mask in MASKS.items():
            between[f"{title}, {how}"] = [bytes(byte ^ mask for byte in half) for half in (key[:16], key[16:])]
        (last if step == 4 else between).update(keyed_states(title, key, {"": FORMS[""]}))
    return between, last


def pack(words):
    return struct.pack("<4I", *words)


def rotated(word, left):
    return (word << left | word >> (32 - left)) & 0xFFFFFFFF


def sha256_block(block):
    """The state of SHA-256 (FIPS 180-4) after one block; hashlib does not tell."""
    primes = [n for n in range(2, 312) if all(n % divisor for divisor in range(2, n))]
    constants = [root(prime, 3) for prime in primes[:64]]
    start = [root(prime, 2) for prime in primes[:8]]
    w = list(struct.unpack(">16I", block))
    for at in range(16, 64):
        s0 = rotated(w[at - 15], 25) ^ rotated(w[at - 15], 14) ^ w[at - 15] >> 3
        s1 = rotated(w[at - 2], 15) ^ rotated(w[at - 2], 13) ^ w[at - 2] >> 10
        w.append(w[at - 16] + s0 + w[at - 7] + s1 & 0xFFFFFFFF)
    a, b, c, d, e, f, g, h = start
    for constant, word in zip(constants, w, strict=True):
        s1 = rotated(e, 26) ^ rotated(e, 21) ^ rotated(e, 7)
        first = h + s1 + (e & f ^ ~e & g) + constant + word
        s0 = rotated(a, 30) ^ rotated(a, 19) ^ rotated(a, 10)
        second = s0 + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = first + second & 0xFFFFFFFF, a, b, c, d + first & 0xFFFFFFFF, e, f, g
    return [old + new & 0xFFFFFFFF for old, new in zip(start, [a, b, c, d, e, f, g, h], strict=True)]


def root(number, degree):
    """The first 32 bits of the fraction of a root."""
    scaled = number << 32 * degree
    low, high = 0, scaled
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= scaled else (low, middle - 1)
    return low & 0xFFFFFFFF


def sha1_block(block):
    """The same of SHA-1."""
    start = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0]
    w = list(struct.unpack(">16I", block))
    for at in range(16, 80):
        w.append(rotated(w[at - 3] ^ w[at - 8] ^ w[at - 14] ^ w[at - 16], 1))
    a, b, c, d, e = start
    for at, word in enumerate(w):
        choice, constant = [
            (b & c | ~b & d, 0x5A827999), (b ^ c ^ d, 0x6ED9EBA1), (b & c | b & d | c & d, 0x8F1BBCDC),
            (b ^ c ^ d, 0xCA62C1D6),
        ][at // 20]
        a, b, c, d, e = rotated(a, 5) + choice + e + constant + word & 0xFFFFFFFF, a, rotated(b, 30), c, d
    return [old + new & 0xFFFFFFFF for old, new in zip(start, [a, b, c, d, e], strict=True)]
