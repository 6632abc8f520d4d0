import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloom.errors import BadInput
from voxloom.text import normalize
from voxloom.tokenizer import CharTokenizer, PieceTokenizer, ctc_frames_needed, read_tokens_txt

quick = settings(max_examples=60, deadline=None, database=None, derandomize=True)
TEXTS = st.lists(st.text().map(lambda text: normalize(text, "en")), min_size=1).filter(any)


@quick
@given(TEXTS)
def test_any_normalised_text_comes_back_also_through_tokens_txt(texts: list[str]) -> None:
    tokenizer = CharTokenizer.from_alphabet("".join(texts) + " ")
    again = read_tokens_txt(tokenizer.to_tokens_txt())
    assert again.symbols == tokenizer.symbols
    for text in texts:
        assert again.decode(tokenizer.encode(text)) == text


def test_the_ids_do_not_depend_on_the_order_of_the_alphabet() -> None:
    assert CharTokenizer.from_alphabet("ab c").symbols == ("<blk>", "▁", "a", "b", "c")
    assert CharTokenizer.from_alphabet("c bbaa").symbols == CharTokenizer.from_alphabet("ab c").symbols


def test_tokens_txt_is_what_sherpa_onnx_reads() -> None:
    tokenizer = CharTokenizer.from_alphabet("a 'é\u0301")
    assert tokenizer.to_tokens_txt() == "<blk> 0\n▁ 1\n' 2\na 3\né 4\n\u0301 5\n"


def test_unknown_characters_are_listed() -> None:
    with pytest.raises(BadInput, match=r"2 characters .*'x' \(U\+0078\), 'é' \(U\+00E9\)"):
        CharTokenizer.from_alphabet("abc").encode("abxé")


def test_blanks_are_left_out_and_ids_outside_refused() -> None:
    tokenizer = CharTokenizer.from_alphabet("ab ")
    assert tokenizer.decode([0, 2, 0, 0, 1, 3, 3]) == "a bb"
    for wrong in (4, -1):
        with pytest.raises(BadInput, match="expected 1 to 3"):
            tokenizer.decode([wrong])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1"),
        ("<blk> 0\n", "2 to"),
        ("a 0\n<blk> 1\n", "first token"),
        ("<blk> 0\na 2\n", "line 2"),
        ("<blk> 0\na 01\n", "line 2"),
        ("<blk> 0\n\n", "line 2"),
        ("<blk> 0\na\n", "line 2"),
        ("<blk> 0\na 1\na 2\n", "twice"),
        ("<blk> 0\nab 1\n", "pieces are no tokens: 'a'"),
        ("<blk> 0\n\u00a0 1\n", "visible characters"),
        ("<blk> 0\n▁ab 1\n▁a 2\na 3\nb 4\n", "no tokens: ' b'"),
        ("<blk> 0\n▁a 1\na 2\n▁ 3\n", "by itself"),
        ("<blk> 0\na▁ 1\na 2\n", "only in front"),
        ("<blk> 0\n▁▁ 1\na 2\n", "only in front"),
        ("<blk> 0\n▁a b 1\na 2\n", "visible characters"),
        (f"<blk> 0\n{'a' * 65} 1\na 2\n", "visible characters"),
        ("<blk> 0\r\na 1\r\n", "line 1"),
        ("<blk> 0\n\x07 1\n", "visible characters"),
    ],
)
def test_tokens_txt_that_is_not_ours_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read_tokens_txt(text)


def test_words_are_put_together_in_the_order_in_which_pieces_were_learned() -> None:
    tokenizer = PieceTokenizer.from_pieces(["he", "▁th", "re"], " ehrt")
    tokens = [
        "<blk> 0",
        "he 1",
        "▁th 2",
        "re 3",
        "▁e 4",
        "▁h 5",
        "▁r 6",
        "▁t 7",
        "e 8",
        "h 9",
        "r 10",
        "t 11",
    ]
    assert tokenizer.to_tokens_txt().split("\n") == [*tokens, ""]

    def spelled(text: str) -> list[str]:
        return [tokenizer.symbols[index] for index in tokenizer.encode(text)]

    assert spelled("the there") == ["▁t", "he", "▁t", "he", "re"]  # `he` was learned before `▁th`
    assert spelled("three he") == ["▁th", "re", "e", "▁h", "e"]


@quick
@given(st.lists(st.text("abcé'", min_size=1, max_size=8), max_size=5), st.booleans())
def test_pieces_give_back_every_text(words: list[str], marked: bool) -> None:
    alphabet = "abcé'" + " " * marked
    tokenizer = PieceTokenizer.from_pieces(["ab", "abc", *(["▁éa"] if marked else []), "'a"], alphabet)
    text = " ".join(words) if marked else "".join(words)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.spells(text)
    assert len(ids) <= len(text)
    again = read_tokens_txt(tokenizer.to_tokens_txt())
    assert isinstance(again, PieceTokenizer)
    assert again.encode(text) == ids


def test_between_two_texts_of_pieces_there_is_nothing() -> None:
    marked, unmarked = (PieceTokenizer.from_pieces(["ab"], alphabet) for alphabet in (" ab", "ab"))
    assert marked.encode(" ") == marked.encode("") == unmarked.encode("") == []
    assert marked.encode("ab") + marked.encode("b") == marked.encode("ab b")
    assert (marked.spells(" "), unmarked.spells(" ")) == (True, False)
    with pytest.raises(BadInput, match=r"outside the alphabet: ' '"):
        unmarked.encode("a b")


@pytest.mark.parametrize(("text", "frames"), [("", 0), ("abc", 3), ("aab", 4), ("aaa", 5), ("hello", 6)])
def test_frames_that_ctc_needs(text: str, frames: int) -> None:
    assert ctc_frames_needed(CharTokenizer.from_alphabet("abchelo").encode(text)) == frames
