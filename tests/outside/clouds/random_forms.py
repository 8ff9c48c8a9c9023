"""Pseudo-random forms, the same in every run, made of what the dialects' implementations disagree about."""

import random

SEED = 20110620
LONGEST = 12  # pieces in a name or value
MOST = 12  # parameters beside those that every form has
VALUES = [*"abzAZ019-_.~ +*%&=;/:@!'(),?#$<>\"\\|^`{}[]", "%20", "%2B", "é", "ß", "e\u0301", "漢", "\u00a0", "\u2028",
          "😀", "\n", "\r\n", "\t", "\0"]
# which CloudStack refuses
CONTROLS = "\t\0"
NAMES = [piece for piece in VALUES if piece.isascii() and piece.isprintable()]
PLAIN_NAMES = [*"abzAZ019."]


def text(rng, pieces, shortest):
    return "".join(rng.choices(pieces, k=rng.randint(shortest, LONGEST)))


def compared(name):
    """As the most lenient server compares names."""
    return "".join(character for character in name.lower() if character not in "_- ")


def forms(count, always, names=NAMES, without="", seed=SEED):
    """`count` forms, as lists of pairs. `always` is in each of them; no value has a character of `without`."""
    rng = random.Random(seed)
    values = [piece for piece in VALUES if not set(piece) & set(without)]
    for _ in range(count):
        pairs, taken = list(always.items()), set(map(compared, always))
        for _ in range(rng.randint(0, MOST)):
            name = text(rng, names, 1)
            if compared(name) not in taken:
                taken.add(compared(name))
                pairs.append((name, text(rng, values, 0)))
        rng.shuffle(pairs)
        yield pairs
