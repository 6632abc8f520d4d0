"""Which sentence is said by which voice and how: a pure function of the seed.

Texts (T) and voices (V) stand in an order that the seed shuffles. Clip i says text i mod T with voice
i + i // lcm(T, V) mod V: V clips in a row have V voices, T clips T texts, and T x V clips are all pairs, each
once; then the pairs come again, said in another manner. So a larger count is the smaller one and more.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from voxloom.errors import BadInput
from voxloom.synthesis.engine import Settings, Voice

_T = TypeVar("_T")


@dataclass(frozen=True)
class Clip:
    text: str
    voice: Voice
    settings: Settings


def plan(
    texts: Sequence[str], voices: Sequence[Voice], manners: Sequence[Settings], count: int, seed: int
) -> Iterator[Clip]:
    """`count` different clips, spread evenly; BadInput when there are not so many. No text may come twice."""
    possible = len(texts) * len(voices) * len(manners)
    if not 0 < count <= possible:
        raise BadInput(
            f"{count} clips cannot be made: {len(texts)} sentences, {len(voices)} voices and "
            f"{len(manners)} manners of speaking give {possible}; ask for fewer, or give "
            "more sentences with --text"
        )
    return _clips(_shuffled(texts, seed), _shuffled(voices, seed), manners, count, seed)


def _clips(
    texts: list[str], voices: list[Voice], manners: Sequence[Settings], count: int, seed: int
) -> Iterator[Clip]:
    block = math.lcm(len(texts), len(voices))
    for index in range(count):
        lap, place = divmod(index, len(texts) * len(voices))
        text = texts[place % len(texts)]
        voice = voices[(place + place // block) % len(voices)]
        first = _point(seed, f"{text}\0{voice.name}") % len(manners)
        yield Clip(text, voice, manners[(first + lap) % len(manners)])


def _shuffled(items: Iterable[_T], seed: int) -> list[_T]:
    """By hashes, and not by `random`, whose order may change from one Python to the next."""
    return sorted(items, key=lambda item: _point(seed, repr(item)))


def _point(seed: int, what: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{what}".encode(errors="surrogatepass")).digest()[:8])
