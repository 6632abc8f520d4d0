"""Files of prompts as others write them, and as somebody hostile would."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recorder import prompt_files
from services.recorder.labels import check_prompt
from services.recorder.prompt_files import prompt_id, read_prompts
from voxloom import keys
from voxloom.corpora.sentences import sentence_key
from voxloom.errors import BadInput

COMMON_VOICE = (
    b"sentence_id\tsentence\tsentence_domain\tsource\tis_used\tclips_count\n"
    b"9fa1b2\tLa maison est grande.\tgeneral\tmoi\t1\t3\n"
    b'77c0d4\tIl a dit "oui" hier.\t\tmoi\t1\t0\n'
    b"broken line\n"
)
MIMIC = b"The birch canoe slid.\t21\t1\nGlue the sheet.\t15\t2\n"
MIMIC_OLD = b"1\t21\tThe birch canoe slid.\n2\t15\tGlue the sheet.\n"
PIPER = {
    "English (US)_en-US/0_99.txt": b"0\tThe birch canoe slid.\n1\tGlue the sheet.\n",
    "English (US)_en-US/100_199.txt": b"It is easy.\nA rare dish.\n",
    "Deutsch_de-DE/0_99.txt": "0\tDie Kälte kam früh.\n".encode(),
}


def texts(files: dict[str, bytes], language: str = "") -> list[str]:
    return [prompt.text for prompt in read_prompts(files, language).prompts]


@pytest.mark.parametrize(
    ("name", "data", "format_", "expected", "ids"),
    [
        ("a.txt", b"\xef\xbb\xbfgo left\r\n\r\n stop \n", "txt", ["go left", "stop"], None),
        ("a.txt", "向左走\nซ้ายมือ\nमेरा नाम\nمی‌خواهم\n".encode(), "txt", 4, None),
        ("a.txt", b"p1\tgo left\np/2\tstop\n", "txt", ["go left", "stop"], ["p1", keys.slug("p/2")]),
        ("a.csv", b'id,text\n7,go left\n8,"stop, now"\n', "table", ["go left", "stop, now"], ["7", "8"]),
        ("a.csv", b"Prompt;who\ngo left;x\n", "table", ["go left"], None),
        ("a.csv", 'go left\n"stop, now"\n'.encode("utf-16"), "csv", ["go left", "stop, now"], None),
        ("validated_sentences.tsv", COMMON_VOICE, "table", 2, ["9fa1b2", "77c0d4"]),
        ("english_corpus.csv", MIMIC, "mimic", ["The birch canoe slid.", "Glue the sheet."], None),
        ("english_corpus.csv", MIMIC_OLD, "mimic", ["The birch canoe slid.", "Glue the sheet."], None),
    ],
)
def test_each_format_is_known_by_its_columns(
    name: str, data: bytes, format_: str, expected: list[str] | int, ids: list[str] | None
) -> None:
    found = read_prompts({name: data})
    assert found.format == format_
    got = [prompt.text for prompt in found.prompts]
    assert (len(got) if isinstance(expected, int) else got) == expected
    assert [prompt.id for prompt in found.prompts] == (ids or [prompt_id(text) for text in got])


def test_common_voice_rows_keep_quotes_and_a_broken_one_is_counted() -> None:
    found = read_prompts({"validated_sentences.tsv": COMMON_VOICE}, "fr")
    assert found.prompts[1].text == 'Il a dit "oui" hier.'
    assert dict(found.refused) == {"bad_row": 1}
    assert "validated_sentences.tsv:4" in found.examples["bad_row"]


def test_of_pipers_folder_one_language_is_read_with_the_groups_in_the_ids() -> None:
    found = read_prompts(PIPER, "en-US")
    assert (found.format, found.language) == ("piper", "en-US")
    assert [each.id for each in found.prompts] == ["0_99-0", "0_99-1", "100_199-1", "100_199-2"]
    assert texts(PIPER, "de-DE") == ["Die Kälte kam früh."]
    for wanted in ("", "fr"):
        with pytest.raises(BadInput, match=r"de-DE, en-US.*choose one: --language"):
            read_prompts(PIPER, wanted)


def test_the_same_sentence_keeps_its_id_wherever_it_stands() -> None:
    first = read_prompts({"a.txt": b"one fish\ntwo fish\n"}).prompts
    later = read_prompts({"b.txt": b"red fish\nTwo fish.\none fish\n"}).prompts
    assert {first[0].id, first[1].id} == {later[2].id, later[1].id}


def test_what_is_left_out_is_counted_with_an_example() -> None:
    lines = [b"go left", b"Go left!", b"1 2 3", b"a" * 2000, b"bell \x07 rings", b"x\ty\tz", b"nul\x00l"]
    found = read_prompts({"a.txt": b"\n".join(lines)})
    assert [each.text for each in found.prompts] == ["go left"]
    assert dict(found.refused) == {"duplicate": 1, "not_readable": 4, "bad_row": 1}
    assert "a.txt:3" in found.examples["not_readable"]
    assert all(example.isprintable() for example in found.examples.values())
    assert [why for why, _ in found.lines] == ["duplicate", *["not_readable"] * 3, "bad_row", "not_readable"]
    assert [where.split(":")[1].split()[0] for _, where in found.lines] == ["2", "3", "4", "5", "6", "7"]


def test_a_hundred_refused_lines_are_told() -> None:
    found = read_prompts({"a.txt": b"go left\n" + b"123\n" * 150})
    assert (len(found.lines), found.refused["not_readable"]) == (100, 150)


def test_too_many_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_files, "MAX_PROMPTS", 2)
    found = read_prompts({"a.txt": b"one\ntwo\nthree\nfour\n"})
    assert (len(found.prompts), dict(found.refused)) == (2, {"too_many": 2})


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.txt", b"", "no line at all"),
        ("a.txt", b"\n \n1\n", "1 not_readable.*a.txt:3"),
        ("a.txt", b"go\ncaf\xe9\n", "not utf-8 in line 2.*iconv"),
        ("a.csv", b"go, left\n", "name a column text"),
        ("a.csv", b'text\n"never closed\n', "unbalanced quotes"),
        ("a.txt", "go".encode("utf-16")[:-1], "not utf-16"),
        ("a.txt", b"PK\x03\x04" + bytes(range(256)) * 9, "not utf-8"),
    ],
)
def test_files_without_a_prompt_are_refused_with_the_reason(name: str, data: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_prompts({name: data})


@settings(max_examples=200)
@given(
    data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8"))),
    name=st.sampled_from(["a.txt", "a.csv", "a.tsv", "x/../../_en/b.txt", "English_en/b.txt"]),
)
def test_whatever_is_sent_gives_prompts_with_safe_unique_ids_or_bad_input(data: bytes, name: str) -> None:
    try:
        found = read_prompts({name: data})
    except BadInput:
        return
    ids = [prompt.id for prompt in found.prompts]
    assert len(set(ids)) == len(ids) == len({sentence_key(prompt.text) for prompt in found.prompts})
    for prompt in found.prompts:
        assert keys.check_id(prompt.id)
        assert check_prompt(prompt.text) == prompt.text
