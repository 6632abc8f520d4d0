import io
import json
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloom.errors import BadInput
from voxloom.manifest import COLUMNS, Utterance, read_csv, read_jsonl, write_csv, write_jsonl
from voxloom.text import normalize

quick = settings(max_examples=40, deadline=None, database=None, derandomize=True)


def utterance(**changes: object) -> Utterance:
    values = {
        "utterance": "u1",
        "audio_key": "raw/user_recorded/ann/u1.wav",
        "text": "turn on the light",
        "speaker": "ann",
        "language": "en",
        "source": "user_recorded",
        "corpus": "own",
        "duration_s": 2.5,
        "audio_sha256": "0" * 64,
        "split": "train",
    }
    return Utterance.model_validate(values | changes)


def as_file(*utterances: Utterance) -> io.BytesIO:
    return io.BytesIO(b"".join(write_csv(utterances)))


def csv_with(old: str, new: str) -> io.BytesIO:
    text = as_file(utterance()).getvalue().decode()
    assert old in text
    return io.BytesIO(text.replace(old, new).encode())


@quick
@given(
    st.lists(
        st.builds(
            utterance,
            text=st.text().map(lambda text: normalize(text, "en")),
            speaker=st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=30),
            duration_s=st.floats(0, 1e5),
            split=st.sampled_from(["train", "val", "test"]),
        ),
        max_size=5,
    )
)
def test_csv_comes_back_as_it_was(utterances: list[Utterance]) -> None:
    written = b"".join(write_csv(utterances))
    assert list(read_csv(io.BytesIO(written))) == utterances
    assert list(
        read_csv(written.splitlines(keepends=True) if b"\r" not in written else io.BytesIO(written))
    ) == (utterances)


def test_the_header_names_the_columns_in_order() -> None:
    header, row = as_file(utterance(text='say "stop", now')).getvalue().decode().splitlines()
    assert header == ",".join(COLUMNS)
    assert row.startswith('u1,raw/user_recorded/ann/u1.wav,"say ""stop"", now",ann,en,')


def test_columns_are_found_by_name_and_further_ones_left_alone() -> None:
    row = utterance().model_dump()
    columns = ["note", *reversed(COLUMNS)]
    text = ",".join(columns) + "\r\n" + ",".join(str(row.get(column, "x")) for column in columns) + "\r\n\r\n"
    assert list(read_csv(io.BytesIO(b"\xef\xbb\xbf" + text.encode()))) == [utterance()]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("turn on", '"turn on', "line 2, column text: quotes"),
        ("turn on", 'turn" on', "line 2, column text: found|line 2, column text: quotes"),
        ("text,", "te\rxt,", "header .* lacks or repeats text"),
        (",2.5,", ",abc,", "line 2, column duration_s: found 'abc'"),
        (",2.5,", ",nan,", "line 2, column duration_s"),
        (",2.5,", ",inf,", "line 2, column duration_s"),
        (",2.5,", ",-1,", "line 2, column duration_s"),
        (",train", ",dev", "line 2, column split: found 'dev'"),
        ("light", "li\0ght", "line 2, column text: .*NUL"),
        ("light", "x" * 9000, "line 2, column text: .* over 8192"),
        ("light", "x" * 70000, "line 2 is longer than 65536"),
        (",train", "", "line 2 has 9 fields; expected 10"),
        (",train", ",train,x", "line 2 has 11 fields"),
        ("text,", "sentence,", "header .* lacks or repeats text"),
        ("text,", "text,text,", "header .* lacks or repeats text"),
        ("utterance,", "utterance;", "header .* lacks or repeats utterance"),
        ("light", "li\rght", "line 2, column text: .*line break"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(old: str, new: str, said: str) -> None:
    if new == 'turn" on':  # a quote inside a bare field is a character like any other
        assert [each.text for each in read_csv(csv_with(old, new))] == ['turn" on the light']
        return
    with pytest.raises(BadInput, match=said):
        list(read_csv(csv_with(old, new)))


def test_a_quote_left_open_does_not_swallow_the_lines_after_it() -> None:
    text = as_file(utterance(), utterance(utterance="u2"), utterance(utterance="u3")).getvalue().decode()
    lines = text.splitlines()
    lines[2] = lines[2].replace("turn", '"turn')
    rows = read_csv(line.encode() + b"\n" for line in lines)
    assert next(rows).utterance == "u1"
    with pytest.raises(BadInput, match="line 3, column text"):
        next(rows)


def test_bytes_that_are_no_utf8_and_no_manifest_at_all() -> None:
    with pytest.raises(BadInput, match="line 2 is not UTF-8"):
        list(read_csv(io.BytesIO(as_file(utterance()).getvalue().replace(b"light", b"l\xffght"))))
    with pytest.raises(BadInput, match="header"):
        list(read_csv(io.BytesIO(b"")))
    with pytest.raises(BadInput, match="line 1 is longer"):
        list(read_csv(io.BytesIO(b"\0" * 10_000_000)))


def test_a_text_that_would_break_the_line_is_not_written() -> None:
    for text in ("two\nlines", "carriage\rreturn", "nul\0"):
        with pytest.raises(BadInput, match="utterance 'u1' holds a line break or NUL"):
            as_file(utterance(text=text))


def test_writing_and_reading_many_stays_in_bounded_memory() -> None:
    one = utterance()
    tracemalloc.start()
    blocks = write_csv(one for _ in range(2_000))
    assert sum(1 for _ in read_csv(_lines_of(blocks))) == 2_000
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def _lines_of(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from lines


def test_jsonl_is_read_by_the_tools_it_is_for() -> None:
    (line,) = b"".join(write_jsonl([utterance(text="café")])).decode().splitlines()
    entry = json.loads(line)
    assert (entry["key"], entry["text"]) == ("raw/user_recorded/ann/u1.wav", "café")
    assert (entry["audio_filepath"], entry["duration"]) == (entry["key"], 2.5)
    (clip,) = read_jsonl(io.BytesIO(line.encode()))
    assert (clip.path, clip.text, clip.duration_s) == (entry["key"], "café", 2.5)
    assert (clip.speaker, clip.language, clip.split) == ("ann", "en", "train")


def test_jsonl_of_others() -> None:
    lines = [
        b'{"key": "/audio/1.wav", "text": "one"}\n',
        b"\n",
        b'{"audio_filepath": "2.wav", "duration": 1.5, "text": "two", "lang": "x"}\r\n',
    ]
    first, second = read_jsonl(lines)
    assert (first.path, first.text, first.duration_s) == ("/audio/1.wav", "one", None)
    assert (second.path, second.duration_s) == ("2.wav", 1.5)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"not json", "line 1 is not JSON"),
        (b'["a"]', "line 1 is a JSON list"),
        (b'{"key": "a.wav"}', "line 1, column text"),
        (b'{"text": "a"}', "line 1, column path"),
        (b'{"key": "a.wav", "text": 5}', "line 1, column text: found '5'"),
        (b'{"key": "a.wav", "text": "x", "duration": NaN}', "line 1, column duration_s"),
        (b'{"key": "a.wav", "text": "\\ud800"}', "line 1 is not JSON"),
        (b'{"key": "a.wav", "text": "x", "split": "dev"}', "line 1, column split"),
        (b'{"a":' * 10_000, "line 1 is not JSON"),
        (b'{"key": "' + b"x" * 70_000, "line 1 is longer"),
        (b"\xff\xfe", "line 1 is not UTF-8"),
    ],
)
def test_jsonl_that_is_wrong_is_named_by_line(line: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        list(read_jsonl([line]))
