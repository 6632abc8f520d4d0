"""What is stored at one moment as the rows of a dataset; what is left out has a counted reason."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum

from services.ingest.refusals import MAX_EXAMPLES, ReportLine
from services.ingest.split import Placed, leaks, overlapping_test_sentences, place
from voxloom import keys
from voxloom.errors import BadInput, NewerSchema, NotFound
from voxloom.manifest import SPLITS, DatasetRecord, RawUtterance, SplitName, SplitSummary, Utterance
from voxloom.storage import ObjectStore, list_all, read_model
from voxloom.text import NORMALIZER_VERSION, normalize
from voxloom.threads import ordered_map
from voxloom.tokenizer import ctc_frames_needed, encoder_frames

BUILDER_VERSION = 1  # of what a dataset with the same rows looks like
_READERS = 8  # small reads, mostly waits


class Drop(StrEnum):
    """Why a stored utterance is not in the dataset. `import_...` reasons come from the import reports."""

    RECORD_UNREADABLE = "record_unreadable"
    AUDIO_MISSING = "audio_missing"
    AUDIO_DAMAGED = "audio_damaged"  # not what its record says
    NO_TEXT = "no_text"
    TOO_LONG_FOR_CTC = "too_long_for_ctc"  # more characters than output frames
    DUPLICATE_AUDIO = "duplicate_audio"
    DUPLICATE_UTTERANCE = "duplicate_utterance"
    SENTENCE_IN_VAL_OR_TEST = "sentence_in_val_or_test"


@dataclass
class Dropped:
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, example: str) -> None:
        self.counts[str(reason)] += 1
        examples = self.examples.setdefault(str(reason), [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(example)


@dataclass(frozen=True)
class Snapshot:
    rows: list[Utterance]  # sorted by id
    stored: int  # utterances looked at
    dropped: Dropped
    overlapping_test_sentences: int

    @property
    def dataset(self) -> str:
        """The id: a hash of the content, so that building twice changes nothing."""
        digest = hashlib.sha256(f"{BUILDER_VERSION} {NORMALIZER_VERSION}\n".encode())
        for row in self.rows:
            digest.update(row.model_dump_json().encode() + b"\n")
        return f"d-{digest.hexdigest()[:12]}"

    def of(self, split: SplitName) -> list[Utterance]:
        return [row for row in self.rows if row.split == split]

    def record(self, shards: dict[SplitName, list[str]], created_at: str, trace: str) -> DatasetRecord:
        dropped = sum(self.dropped.counts.values())
        considered = len(self.rows) + dropped
        return DatasetRecord(
            dataset=self.dataset,
            created_at=created_at,
            considered=considered,
            splits={split: _summarise(self.of(split), shards[split]) for split in SPLITS},
            utterances_by_source=dict(sorted(Counter(row.source for row in self.rows).items())),
            dropped_by_reason=dict(sorted(self.dropped.counts.items())),
            dropped_examples=dict(sorted(self.dropped.examples.items())),
            dropped_fraction=dropped / max(considered, 1),
            overlapping_test_sentences=self.overlapping_test_sentences,
            alphabet="".join(sorted({character for row in self.of("train") for character in row.text})),
            languages=sorted({row.language for row in self.rows}),
            normalizer_version=NORMALIZER_VERSION,
            trace=trace,
        )


def take_snapshot(
    store: ObjectStore,
    refused: Iterable[ReportLine],
    damaged: frozenset[str] = frozenset(),
    check: Callable[[], None] = lambda: None,
) -> Snapshot:
    """Reads every record. `refused`: lines of import reports; `damaged`: ids of audio found to be so."""
    dropped = Dropped()
    raws, ids = _read_records(store, dropped, check)
    usable = [(raw, text) for raw in raws if (text := _usable_text(raw, damaged, dropped))]
    placed = place(_first_of_each(usable, dropped))
    leaking = leaks(placed)
    for each in placed:
        if each.raw.utterance in leaking:
            dropped.add(Drop.SENTENCE_IN_VAL_OR_TEST, each.raw.utterance)
    kept = [each for each in placed if each.raw.utterance not in leaking]
    for line in refused:
        if line.utterance and line.utterance not in ids:
            dropped.add(f"import_{line.reason}", f"{line.corpus}: {line.path}")
    rows = sorted((_row(each) for each in kept), key=lambda row: row.utterance)
    return Snapshot(rows, len(ids), dropped, overlapping_test_sentences(kept))


def count_stored(store: ObjectStore) -> int:
    """How many utterances are stored, by listing alone."""
    return sum(info.key.endswith(".json") for info in list_all(store, keys.RAW))


def _read_records(
    store: ObjectStore, dropped: Dropped, check: Callable[[], None]
) -> tuple[list[RawUtterance], set[str]]:
    """Records that can be read and have audio, by key, and the ids of all; one just deleted is not there."""
    names = [info.key for info in list_all(store, keys.RAW)]
    audio = {name for name in names if name.endswith(".wav")}
    raws: list[RawUtterance] = []
    ids: set[str] = set()
    stems = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    with closing(ordered_map(lambda stem: (stem, _read(store, stem)), stems, _READERS)) as found:
        for stem, raw in found:
            check()
            if raw is None:
                continue
            utterance = stem.rpartition("/")[2]
            ids.add(utterance)
            if isinstance(raw, BadInput):
                dropped.add(Drop.RECORD_UNREADABLE, utterance)
            elif f"{stem}.wav" not in audio:
                dropped.add(Drop.AUDIO_MISSING, utterance)
            else:
                raws.append(raw)
    return raws, ids


def _read(store: ObjectStore, stem: str) -> RawUtterance | BadInput | None:
    try:
        raw = read_model(store, f"{stem}.json", RawUtterance)
        if keys.raw_record(raw.source, raw.speaker, raw.utterance) != f"{stem}.json":
            return BadInput(f"{stem}.json says it is {raw.source}/{raw.speaker}/{raw.utterance}")
        return raw
    except NewerSchema:
        raise  # left out it could be what keeps a sentence of test out of train: a newer release has to build
    except BadInput as error:
        return error
    except NotFound:
        return None


def _usable_text(raw: RawUtterance, damaged: frozenset[str], dropped: Dropped) -> str:
    """The normalised text, or "" for an utterance that is dropped."""
    text = normalize(raw.text, raw.language)
    if raw.utterance in damaged:
        dropped.add(Drop.AUDIO_DAMAGED, raw.utterance)
    elif not text:
        dropped.add(Drop.NO_TEXT, raw.utterance)
    elif encoder_frames(raw.levels.duration_s) < ctc_frames_needed([ord(character) for character in text]):
        dropped.add(Drop.TOO_LONG_FOR_CTC, raw.utterance)
    else:
        return text
    return ""


def _first_of_each(
    found: Sequence[tuple[RawUtterance, str]], dropped: Dropped
) -> list[tuple[RawUtterance, str]]:
    """Of equal audio the one stored first stays, so that what came later moves nothing."""
    audio: set[str] = set()
    ids: set[str] = set()
    kept = []
    for raw, text in sorted(found, key=lambda pair: (pair[0].created_at, pair[0].source, pair[0].utterance)):
        if raw.audio_sha256 in audio:
            dropped.add(Drop.DUPLICATE_AUDIO, raw.utterance)
        elif raw.utterance in ids:
            dropped.add(Drop.DUPLICATE_UTTERANCE, raw.utterance)
        else:
            kept.append((raw, text))
            audio.add(raw.audio_sha256)
            ids.add(raw.utterance)
    return kept


def _row(each: Placed) -> Utterance:
    raw = each.raw
    return Utterance(
        utterance=raw.utterance,
        audio_key=keys.raw_audio(raw.source, raw.speaker, raw.utterance),
        text=each.text,
        speaker=raw.speaker,
        language=raw.language,
        source=raw.source,
        corpus=raw.corpus,
        duration_s=raw.levels.duration_s,
        audio_sha256=raw.audio_sha256,
        split=each.split,
    )


def _summarise(rows: Sequence[Utterance], shards: list[str]) -> SplitSummary:
    return SplitSummary(
        utterances=len(rows),
        speakers=len({(row.source, row.speaker) for row in rows}),
        hours=sum(row.duration_s for row in rows) / 3600,
        shards=shards,
    )
