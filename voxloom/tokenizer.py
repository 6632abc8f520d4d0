"""Characters to token ids and back; tokens.txt as sherpa-onnx reads it."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from voxloom.errors import BadInput

BLANK = "<blk>"
SPACE = "▁"
_MAX_SYMBOLS = 100_000
_SAMPLE_RATE_HZ = 16000
_HOP = 160  # samples a feature frame
_SUBSAMPLING = 4


class CharTokenizer:
    """One token a character. Token 0 is the CTC blank; the space is written `▁`."""

    def __init__(self, symbols: Sequence[str]) -> None:
        _check_symbols(symbols)
        self.symbols = tuple(symbols)
        self._characters = tuple(" " if symbol == SPACE else symbol for symbol in symbols)
        self._ids = {character: index for index, character in enumerate(self._characters) if index}

    @classmethod
    def from_alphabet(cls, alphabet: str) -> "CharTokenizer":
        """One token for each different character, in code-point order: the same set gives the same ids."""
        return cls(
            [BLANK, *(SPACE if character == " " else character for character in sorted(set(alphabet)))]
        )

    @classmethod
    def from_tokens_txt(cls, text: str) -> "CharTokenizer":
        """Lines `symbol id` with ids 0, 1, 2 ... in order; BadInput names the first line that is not."""
        lines = text.removesuffix("\n").split("\n")
        return cls([_parse_line(line, expected_id) for expected_id, line in enumerate(lines)])

    def to_tokens_txt(self) -> str:
        return "".join(f"{symbol} {index}\n" for index, symbol in enumerate(self.symbols))

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> list[int]:
        """BadInput lists the characters that the alphabet lacks."""
        unknown = sorted(set(text) - self._ids.keys())
        if unknown:
            raise BadInput(
                f"text holds {len(unknown)} characters outside the alphabet: {_list(unknown)}; "
                "normalise the text, or build a dataset whose training part has them"
            )
        return [self._ids[character] for character in text]

    def spells(self, text: str) -> bool:
        """Whether `encode` takes it."""
        return self._ids.keys() >= set(text)

    def decode(self, ids: Iterable[int]) -> str:
        """Blanks are left out; repeats are kept: collapse them before."""
        return "".join(self.character(index) for index in ids if index)

    def character(self, index: int) -> str:
        if not 0 < index < len(self.symbols):
            raise BadInput(f"token id {index} is not a character; expected 1 to {len(self.symbols) - 1}")
        return self._characters[index]


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
        raise BadInput(f"{len(symbols)} tokens are not an alphabet; expected 2 to {_MAX_SYMBOLS}")
    if len(set(symbols)) != len(symbols):
        raise BadInput(f"tokens occur twice: {_list(sorted({s for s in symbols if symbols.count(s) > 1}))}")
    wrong = [symbol for symbol in symbols[1:] if len(symbol) != 1 or not _is_visible(symbol)]
    if wrong:
        raise BadInput(f"tokens must be single characters, the space written {SPACE}; found {_list(wrong)}")


def _is_visible(character: str) -> bool:
    return not character.isspace() and (character >= " ") and not 0xD800 <= ord(character) <= 0xDFFF


def _list(characters: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(f"{c!r} (U+{ord(c):04X})" if len(c) == 1 else repr(c[:20]) for c in characters[:most])
    return shown + (", ..." if len(characters) > most else "")
