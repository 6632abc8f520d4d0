"""Texts to token ids and back, as characters or as pieces of words; tokens.txt as sherpa-onnx reads it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from voxloom.errors import BadInput

BLANK = "<blk>"
SPACE = "▁"
_MAX_SYMBOLS = 100_000
_MAX_PIECE = 64  # characters
_SAMPLE_RATE_HZ = 16000
_HOP = 160  # samples a feature frame
_SUBSAMPLING = 4


class Tokenizer(ABC):
    """Texts to token ids and back. Token 0 is the CTC blank, and `▁` stands for a space.

    `tokens.txt` is all there is to a tokenizer: two of the same symbols give the same ids for every text.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        _check_symbols(symbols)
        self.symbols = tuple(symbols)
        self._texts = tuple(symbol.replace(SPACE, " ") for symbol in symbols)
        self._ids = {text: index for index, text in enumerate(self._texts) if index}
        self._characters = set(self._ids)  # that it spells
        self.longest = max(map(len, self._ids))  # characters of one token
        self.before_word = ""  # what the first token of each word begins with

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """BadInput lists the characters that the alphabet lacks."""

    def to_tokens_txt(self) -> str:
        return "".join(f"{symbol} {index}\n" for index, symbol in enumerate(self.symbols))

    def __len__(self) -> int:
        return len(self.symbols)

    def spells(self, text: str) -> bool:
        """Whether `encode` takes it."""
        return self._characters >= set(text)

    def decode(self, ids: Iterable[int]) -> str:
        """Blanks are left out; repeats are kept: collapse them before."""
        text = "".join(self.text_of(index) for index in ids if index)
        return text.removeprefix(self.before_word)

    def text_of(self, index: int) -> str:
        """What the token writes, spaces as spaces."""
        if not 0 < index < len(self.symbols):
            raise BadInput(f"token id {index} writes nothing; expected 1 to {len(self.symbols) - 1}")
        return self._texts[index]

    def id_of(self, text: str) -> int:
        """The inverse of `text_of`; 0 where no token writes just this."""
        return self._ids.get(text, 0)

    def _refuse_unknown(self, text: str) -> None:
        if unknown := sorted(set(text) - self._characters):
            raise BadInput(
                f"text holds {len(unknown)} characters outside the alphabet: {_list(unknown)}; "
                "normalise the text, or build a dataset whose training part has them"
            )


class CharTokenizer(Tokenizer):
    """One token a character."""

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__(symbols)
        if long := [symbol for symbol in symbols[1:] if len(symbol) != 1]:
            raise BadInput(f"tokens of an alphabet must be single characters; found {_list(long)}")

    @classmethod
    def from_alphabet(cls, alphabet: str) -> "CharTokenizer":
        """One token for each different character, in code-point order: the same set gives the same ids."""
        return cls(
            [BLANK, *(SPACE if character == " " else character for character in sorted(set(alphabet)))]
        )

    def encode(self, text: str) -> list[int]:
        self._refuse_unknown(text)
        return [self._ids[character] for character in text]


class PieceTokenizer(Tokenizer):
    """One token a piece of a word, by byte pair encoding (Sennrich 2016, arXiv 1508.07909) over characters.

    Where the alphabet has a space, the first token of each word begins with `▁`, and no other does; so
    nothing stands between two texts, and `encode(" ")` is empty. Every character is a token, at the beginning
    of a word (`▁x`) and in it (`x`): what the alphabet spells has tokens. Pieces come before them, in the
    order in which they were learned, and that is the order in which a word is put together.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__(symbols)
        letters = set("".join(self._ids)) - {" "}
        self.before_word = " " if any(text.startswith(" ") for text in self._ids) else ""
        firsts = {" " + letter for letter in letters} if self.before_word else set()
        if missing := sorted((letters | firsts) - self._ids.keys()):
            raise BadInput(f"characters of pieces are no tokens: {_list(missing)}")
        if " " in self._ids:
            raise BadInput(f"{SPACE} is a token by itself; expected it before pieces of words only")
        self._characters = letters | set(self.before_word)
        self._put_together = lru_cache(maxsize=1 << 16)(self._merge)

    @classmethod
    def from_pieces(cls, pieces: Sequence[str], alphabet: str) -> "PieceTokenizer":
        """Of pieces of two and more characters in the order of their learning, `▁` before a word."""
        return cls([BLANK, *pieces, *single_pieces(alphabet)])

    def encode(self, text: str) -> list[int]:
        self._refuse_unknown(text)
        words = text.split(" ") if self.before_word else [text]
        return [token for word in words if word for token in self._put_together(word)]

    def _merge(self, word: str) -> tuple[int, ...]:
        """Joins the neighbours whose piece was learned first, the leftmost first, until there are none."""
        parts = [self.before_word + word[0], *word[1:]]
        while True:
            found = [(self.id_of(left + right), place) for place, (left, right) in enumerate(pairwise(parts))]
            token, place = min((each for each in found if each[0]), default=(0, 0))
            if not token:
                return tuple(self._ids[part] for part in parts)
            parts[place : place + 2] = [self._texts[token]]


def single_pieces(alphabet: str) -> list[str]:
    """What pieces are made of: every character at the beginning of a word and in it, spaces aside."""
    letters = sorted(set(alphabet) - {" "})
    return [*([SPACE + letter for letter in letters] if " " in alphabet else []), *letters]


def read_tokens_txt(text: str) -> Tokenizer:
    """Lines `symbol id` with ids 0, 1, 2 ... in order; BadInput names the first line that is not."""
    lines = text.removesuffix("\n").split("\n")
    symbols = [_parse_line(line, expected_id) for expected_id, line in enumerate(lines)]
    return (PieceTokenizer if any(len(symbol) > 1 for symbol in symbols[1:]) else CharTokenizer)(symbols)


def ctc_frames_needed(ids: Sequence[int]) -> int:
    """Output frames that CTC needs for a text: one a token, and a blank between equal neighbours.

    With fewer frames the loss is infinite.
    """
    return len(ids) + sum(left == right for left, right in pairwise(ids))


def encoder_frames(duration_s: float) -> int:
    """What is left for CTC of a clip: one feature frame each 10 ms, then a quarter of them."""
    frames = (round(duration_s * _SAMPLE_RATE_HZ) + _HOP // 2) // _HOP
    return -(-frames // _SUBSAMPLING)


def is_feasible(text: str, duration_s: float) -> bool:
    """Whether CTC can align the characters of a normalised text with a clip of this length."""
    return encoder_frames(duration_s) >= ctc_frames_needed([ord(character) for character in text])


def _parse_line(line: str, expected_id: int) -> str:
    symbol, _, index = line.rpartition(" ")
    if index != str(expected_id) or not symbol:
        raise BadInput(
            f"tokens.txt line {expected_id + 1} is {line[:60]!r}; "
            f"expected a symbol, one space and {expected_id}"
        )
    return symbol


def _check_symbols(symbols: Sequence[str]) -> None:
    if not symbols or symbols[0] != BLANK:
        raise BadInput(f"the first token is {symbols[0] if symbols else None!r}; expected {BLANK}")
    if not 2 <= len(symbols) <= _MAX_SYMBOLS:
        raise BadInput(f"{len(symbols)} tokens are no vocabulary; expected 2 to {_MAX_SYMBOLS}")
    if len(set(symbols)) != len(symbols):
        raise BadInput(f"tokens occur twice: {_list(sorted({s for s in symbols if symbols.count(s) > 1}))}")
    if wrong := [symbol for symbol in symbols[1:] if not _is_symbol(symbol)]:
        raise BadInput(
            f"tokens must be visible characters, the space written {SPACE} and only in front; "
            f"found {_list(wrong)}"
        )


def _is_symbol(symbol: str) -> bool:
    return 0 < len(symbol) <= _MAX_PIECE and SPACE not in symbol[1:] and all(map(_is_visible, symbol))


def _is_visible(character: str) -> bool:
    return not character.isspace() and (character >= " ") and not 0xD800 <= ord(character) <= 0xDFFF


def _list(characters: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(f"{c!r} (U+{ord(c):04X})" if len(c) == 1 else repr(c[:20]) for c in characters[:most])
    return shown + (", ..." if len(characters) > most else "")
