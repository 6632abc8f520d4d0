"""Texts for language models: counted is what a training takes, and only what it can take is stored."""

import io
from pathlib import Path

import pytest
from trainer_maker import make_dataset

from services.trainer import texts
from services.trainer.sentences import gather
from voxloom import keys
from voxloom.errors import BadInput, Exhausted, NotFound
from voxloom.storage import FolderStore, exists
from voxloom.tokenizer import CharTokenizer

TEXT = "Abc, cab!\nabc cab\nab c\nzebra é é\n\nba ba\n"


def add(store: FolderStore, text: str | bytes, name: str = "more") -> texts.TextRecord:
    return texts.add(store, name, io.BytesIO(text if isinstance(text, bytes) else text.encode()))


def test_a_text_is_counted_as_the_next_training_takes_it(tmp_path: Path) -> None:
    store, dataset, _ = make_dataset(tmp_path, 3)
    record = add(store, TEXT)
    assert store.get("texts/more.txt") == TEXT.encode()
    (_, taken) = gather(store, dataset, CharTokenizer.from_alphabet(dataset.alphabet)).sources
    assert taken.name == "texts/more.txt"
    assert (record.sentences, record.words, record.sha256) == (taken.sentences, taken.words, taken.sha256)
    assert (record.sentences, record.words) == (3, 6)
    assert record.left_out == taken.left_out
    assert record.left_out == {"held out to measure with": 1, "a character that the model cannot write": 1}
    assert record.foreign == {"é": 2, "z": 1, "e": 1, "r": 1}
    assert record.dataset == dataset.dataset
    assert texts.list_texts(store) == [record]


def test_without_a_dataset_no_letter_is_foreign(folder_store: FolderStore) -> None:
    record = add(folder_store, "Žluťoučký kůň\nein Satz\n")
    assert (record.sentences, record.words, record.left_out, record.foreign) == (2, 4, {}, {})
    assert record.dataset == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"one\n" * 300_000 + b"caf\xe9 two\n", "line 300001"),
        ("zwei\n".encode("utf-16"), "line 1"),
        (b"one\ncut \xc3", "not UTF-8 in line 2"),
        (b"\n \n...\n", "no line that can be used"),
        (b"", "it is empty"),
        (b"x" * 3000, "1 longer than 2000 bytes"),
    ],
)
def test_what_no_model_can_be_made_of_is_not_stored(
    folder_store: FolderStore, text: bytes, says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        add(folder_store, text)
    assert texts.list_texts(folder_store) == []


def test_a_text_of_any_name_and_size_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_BYTES", 10)
    with pytest.raises(BadInput, match="name of a text"):
        texts.Incoming("../production")
    with texts.Incoming("more") as text:
        text.write(b"x" * 10)
        with pytest.raises(Exhausted, match="text more has more than"):
            text.write(b"x")
    assert text.file.closed


def test_a_text_is_replaced_changed_by_other_hands_and_removed(folder_store: FolderStore) -> None:
    store = folder_store
    add(store, "one two\n")
    again = add(store, "one two three\n")
    assert texts.list_texts(store) == [again]
    store.put("texts/more.txt", b"something else")
    store.put("texts/by-hand.txt", b"a b")
    store.put("texts/readme.md", b"a b")
    found = texts.list_texts(store)
    assert [(each.name, each.bytes, each.etag) for each in found] == [("by-hand", 3, ""), ("more", 14, "")]
    for name in ("by-hand", "more"):
        texts.remove(store, name)
        assert not exists(store, keys.text(name))
    assert not exists(store, keys.text_record("more"))
    with pytest.raises(NotFound, match="no text 'more'"):
        texts.remove(store, "more")


def test_other_texts_leave_less_room(folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.trainer.sentences.MAX_WORDS", 4)
    add(folder_store, "a b c\n", "first")
    second = add(folder_store, "d e\nf g\nh\n", "second")
    assert (second.words, second.left_out) == (2, {"over 4 words of text": 2})
    with pytest.raises(BadInput, match="2 over 4 words"):
        add(folder_store, "i\nj\n", "third")
    assert add(folder_store, "d e\nf\n", "second").words == 2  # its own words are no longer counted
