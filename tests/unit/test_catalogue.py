"""The list of all takes: filtered, paged, and as fresh as it says."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from takes_world import Studio, record

from services.recorder import take_messages
from services.recorder.catalogue import FRESH_S, PATIENCE_S
from services.recorder.take_index import Asked, TakeIndex
from voxloom import keys
from voxloom.errors import BadInput, Unavailable
from voxloom.manifest import RawUtterance
from voxloom.reviews import Review, Reviews
from voxloom.storage import ObjectInfo
from voxloom.v1 import recorder_pb2 as pb


@pytest.fixture
def studio(tmp_path: Path, quick_disk: None) -> Iterator[Studio]:
    studio = Studio(tmp_path)
    yield studio
    studio.close()


def eventually(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.01)


records = st.lists(
    st.builds(
        lambda number, **fields: record(number, **fields),
        number=st.integers(0, 10**6),
        speaker=st.sampled_from(["ada", "bob"]),
        text=st.sampled_from(["The birch canoe", "Glue the sheet", "ΣΟΦΟΣ birch", "Straße 'n' glue"]),
        created_at=st.sampled_from(["2026-01", "2026-02", "2026-03"]),
        prompt_list=st.sampled_from(["", "fish"]),
        accepted_anyway=st.sampled_from([[], ["noisy"], ["too_fast", "clipped"]]),
    ),
    max_size=12,
    unique_by=lambda each: each.utterance,
)
questions = st.builds(
    Asked,
    speakers=st.sampled_from([(), ("ada",), ("ada", "nobody")]),
    prompt_list=st.sampled_from(["", "fish"]),
    words=st.sampled_from([(), ("glue",), ("birch", "the"), ("σοφοσ",), ("strasse",), ("%",)]),
    verdict=st.sampled_from(["", "open", "accepted", "rejected"]),
    check=st.sampled_from(["", "any", "noisy", "clip"]),
)


def fits(take: RawUtterance, verdict: str, asked: Asked) -> bool:
    folded = take.text.casefold()
    return (
        (not asked.speakers or take.speaker in asked.speakers)
        and asked.prompt_list in ("", take.prompt_list)
        and all(word in folded for word in asked.words)
        and asked.verdict in ("", verdict or "open")
        and (
            not asked.check
            or asked.check in take.accepted_anyway
            or (asked.check == "any" and take.accepted_anyway != [])
        )
    )


@settings(max_examples=60, deadline=None)
@given(records, questions, st.integers(1, 5), st.data())
def test_pages_of_any_size_are_what_fits_the_newest_first(
    takes: list[RawUtterance], asked: Asked, size: int, data: Any
) -> None:
    verdicts = {each.utterance: data.draw(st.sampled_from(["", "accepted", "rejected"])) for each in takes}
    index = TakeIndex()
    try:
        for each in takes:
            index.put(f"{each.speaker}/{each.utterance}", "1", each)
        for speaker in ("ada", "bob"):
            own = {each.utterance: verdicts[each.utterance] for each in takes if each.speaker == speaker}
            judged = {key: Review(verdict=verdict, at="") for key, verdict in own.items() if verdict}
            index.put_reviews(speaker, "1", Reviews(speaker=speaker, takes=judged))
        found, after = [], None
        while page := index.page(asked, after, size):
            found += [each.record.utterance for each in page]
            after = take_messages.place(take_messages.after(page[-1].place))
        number, minutes = index.total(asked)
    finally:
        index.close()
    wanted = [each for each in takes if fits(each, verdicts[each.utterance], asked)]
    wanted.sort(key=lambda each: (each.speaker, each.utterance))
    wanted.sort(key=lambda each: each.created_at, reverse=True)
    assert found == [each.utterance for each in wanted]
    assert (number, minutes) == (len(wanted), pytest.approx(3.0 * len(wanted) / 60))


def test_what_this_recorder_does_is_listed_at_once(studio: Studio) -> None:
    assert studio.listed() == []
    first, second = studio.read("one fish"), studio.read("two fish")
    assert set(studio.listed()) == {first.utterance, second.utterance}
    studio.reviewing.review([("Ada", first.utterance)], "rejected", "a dog")
    assert studio.listed(verdict="rejected") == [first.utterance]
    studio.takes.delete("Ada", first.utterance)
    assert (studio.listed(), studio.listed(verdict="rejected")) == ([second.utterance], [])


def test_what_others_do_is_listed_within_seconds_and_after_a_minute_at_once(studio: Studio) -> None:
    one, two, three = record(1), record(2), record(3)
    studio.put(one)
    assert studio.listed() == [one.utterance]
    studio.put(two)
    studio.now_s += FRESH_S - 0.5
    assert studio.listed() == [one.utterance]
    studio.now_s += 1
    studio.listed()  # has the store looked at behind its back
    eventually(lambda: studio.listed() == [two.utterance, one.utterance])
    studio.store.delete(keys.raw_record("user_recorded", "ada", one.utterance))
    studio.put(three, two.model_copy(update={"text": "changed by a release"}))
    studio.now_s += PATIENCE_S + 1
    assert studio.listed() == [three.utterance, two.utterance]
    assert studio.listed(words=("changed",)) == [two.utterance]


def test_reviews_by_others_come_and_go(studio: Studio) -> None:
    studio.put(record(1))
    assert studio.listed(verdict="open") == [record(1).utterance]
    other = Studio(studio.store._root)  # another recorder on the same store
    other.reviewing.review([("ada", record(1).utterance)], "rejected", "noise")
    other.close()
    studio.now_s += PATIENCE_S + 1
    assert studio.listed(verdict="rejected") == [record(1).utterance]
    studio.store.delete(keys.reviews("ada"))
    studio.now_s += PATIENCE_S + 1
    assert studio.listed(verdict="rejected") == []


def test_a_record_that_cannot_be_read_hides_no_other(studio: Studio) -> None:
    studio.put(record(1))
    bad = keys.raw_record("user_recorded", "ada", "u-bad")
    studio.store.put(bad, b"{")
    assert studio.listed() == [record(1).utterance]
    studio.store.put(bad, record(2, utterance="u-bad").model_dump_json().encode())
    studio.now_s += PATIENCE_S + 1
    assert studio.listed() == ["u-bad", record(1).utterance]


class Busy:
    """A real store in which things happen while it is listed."""

    def __init__(self, store: Any, meanwhile: Callable[[], None]) -> None:
        self._store = store
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def list_page(self, prefix: str, **options: Any) -> list[ObjectInfo]:
        found: list[ObjectInfo] = self._store.list_page(prefix, **options)
        if prefix == keys.REVIEWS:
            self._meanwhile()  # takes are listed by now
        return found


def test_what_is_done_while_the_store_is_listed_is_not_undone_by_the_listing(studio: Studio) -> None:
    old = studio.read("one fish")
    todo = [
        lambda: studio.takes.delete("Ada", old.utterance),
        lambda: studio.reviewing.review([("Ada", studio.read("two fish").utterance)], "accepted", ""),
    ]

    def meanwhile() -> None:
        while todo:
            todo.pop()()

    studio.use(Busy(studio.store, meanwhile))  # type: ignore[arg-type]
    assert len(studio.listed()) == 1
    assert len(studio.listed(verdict="accepted")) == 1
    assert studio.listed(words=("one",)) == []


def test_a_recorder_that_stops_says_so(studio: Studio) -> None:
    studio.listed()
    studio.catalogue.close()
    with pytest.raises(Unavailable, match="is stopping"):
        studio.listed()


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (pb.ListTakesRequest(limit=1001), "limit is 1001"),
        (pb.ListTakesRequest(limit=-1), "limit is -1"),
        (pb.ListTakesRequest(search="x" * 201), "201 characters"),
        (pb.ListTakesRequest(verdict=9), "verdict 9"),  # type: ignore[arg-type]
        (pb.ListTakesRequest(prompt_list="../x"), "not allowed"),
        (pb.ListTakesRequest(check="a b"), "not allowed"),
        (pb.ListTakesRequest(after="nonsense"), "`next` of an earlier page"),
        (pb.ListTakesRequest(after="WzFd"), "`next` of an earlier page"),
    ],
)
def test_what_cannot_be_asked_is_refused(request_: pb.ListTakesRequest, says: str) -> None:
    def read() -> None:
        take_messages.limit(request_)
        take_messages.asked(request_)
        take_messages.place(request_.after)

    with pytest.raises(BadInput, match=says):
        read()
