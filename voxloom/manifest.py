"""Utterance and dataset records, and the CSV and JSONL manifests made of them."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voxloom.errors import BadInput
from voxloom.mix import Mix
from voxloom.record import Part, Record

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


class AudioLevels(Part):
    """What `audio.measure` found."""

    duration_s: float
    peak_dbfs: float
    rms_dbfs: float
    clipped_fraction: float  # 0 to 1
    source_sample_rate_hz: int
    source_channels: int


class VoiceMeasures(Part):
    """How a take sounds; what a sudden sound changes."""

    high_pitch: float  # share of its loud frames with a pitch over 450 Hz
    no_pitch: float  # share of its loudest frames without one
    loudest_db: float  # its loudest frame, against loud speech
    mid_band_db: float  # from 1.8 to 2.6 kHz in the 11th loudest frame there, against loud speech


class TakeQuality(Part):
    """What the recorder measured of a live take, beside its levels."""

    loudness_lufs: float  # ITU-R BS.1770
    snr_db: float  # estimated from the pauses
    leading_silence_s: float
    trailing_silence_s: float
    first_level_db: float  # of the first and last 20 ms, against loud speech of the take
    last_level_db: float
    dc_offset: float  # -1 to 1
    high_band_db: float  # the largest share above 4.2 kHz in a loud frame
    speech_s: float  # from the first word to the last
    letters_per_s: float  # in that time
    voice: VoiceMeasures | None = None  # None in records of a release before it


class RawUtterance(Record):
    """raw/<source>/<speaker>/<utterance>.json, beside the WAV of the same name."""

    utterance: str
    source: str  # one of keys.SOURCES
    corpus: str  # "own" for live recordings, else the corpus' name
    speaker: str  # a key segment
    speaker_name: str = ""  # as it was given
    text: str  # as it was given; normalised when a dataset is built
    language: str = "en"
    published_split: SplitName | None = None  # kept by wish of the importer, else None
    audio_sha256: str  # of the stored WAV
    levels: AudioLevels
    created_at: str  # ISO 8601, UTC
    origin: str = ""  # path in the imported corpus
    # In the corpus' own words: votes and accents of Common Voice, engine and voice of synthetic speech
    details: dict[str, str] = Field(default_factory=dict)
    fingerprint: str = ""  # of the audio, `voxloom.fingerprint`; "" in records of a release before it
    prompt_list: str = ""  # the prompt that was read, where it came from a list
    prompt_id: str = ""
    quality: TakeQuality | None = None  # None unless recorded live by a release that measures it
    accepted_anyway: list[str] = Field(default_factory=list)  # checks that failed and were overruled
    corrected_from: str = ""  # the utterance that had the same audio and other words


class Utterance(BaseModel):
    """One row of a manifest, in column order."""

    model_config = ConfigDict(frozen=True)
    utterance: str
    audio_key: str
    text: str  # normalised
    speaker: str
    language: str
    source: str
    corpus: str
    duration_s: float = Field(ge=0, allow_inf_nan=False)
    audio_sha256: str
    split: SplitName


class ShardRow(Record, Utterance):
    """<utterance>.json in a shard: a row of the manifest as a document of its own."""


class ListedClip(BaseModel):
    """One line of somebody's JSONL manifest; what it does not say is None."""

    model_config = ConfigDict(frozen=True)
    path: str  # as written: `key` (A-Hackers) or `audio_filepath` (NeMo)
    text: str
    duration_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    speaker: str | None = None
    language: str | None = None
    split: SplitName | None = None


class SplitSummary(Part):
    utterances: int = 0
    speakers: int = 0
    hours: float = 0.0
    shards: list[str] = Field(default_factory=list)  # keys, in order


class CorpusSummary(Part):
    """What one corpus gives to a dataset."""

    source: str
    utterances: dict[SplitName, int]
    speakers: int
    hours: float


class Counts(Part):
    utterances: int
    speakers: int
    hours: float


class Sidecar(Part):
    """A document beside dataset.json; its sha256 is of the time when the dataset was built."""

    key: str
    sha256: str


class Shortfall(Part):
    wanted: int  # the mix' `min` of a source
    found: int  # usable utterances of all splits


LEFT_OUT_BY_DESIGN = frozenset(
    {
        "sentence_in_val_or_test",
        "speaker_in_val_or_test",
        "duplicate_audio",
        "duplicate_utterance",
        "near_duplicate_audio",
        "not_in_mix",
        "rejected_in_review",
        "better_take_of_prompt",
    }
)


class DatasetRecord(Record):
    """manifests/<dataset>/dataset.json: immutable, written last."""

    dataset: str
    created_at: str
    considered: int  # raw utterances looked at, kept or dropped
    splits: dict[SplitName, SplitSummary]
    utterances_by_source: dict[str, int]
    dropped_by_reason: dict[str, int]
    dropped_examples: dict[str, list[str]]  # reason -> up to 20 utterance ids
    dropped_fraction: float
    overlapping_test_sentences: int  # test sentences that also occur in train (published splits only)
    alphabet: str  # every character of the normalised training texts, sorted, the space included
    languages: list[str]
    normalizer_version: int
    trace: str = ""
    # Of releases since 0.2; without them an older release made the dataset
    dropped_by_source: dict[str, dict[str, int]] = Field(default_factory=dict)  # source -> reason -> count
    max_dropped_fraction: float | None = None  # of each source, faults alone: what the build was allowed
    mix: Mix | None = None  # None: everything
    mix_shortfalls: dict[str, Shortfall] = Field(default_factory=dict)  # by the mix' name of the source
    corpora: dict[str, CorpusSummary] = Field(default_factory=dict)
    test_sets: dict[str, Counts] = Field(default_factory=dict)  # published test parts that are kept
    lineage: Sidecar | None = None
    report: Sidecar | None = None
    # For a comparison: never the newest, not trained on by itself, its models never promoted (docs/adr/0024)
    experiment: bool = False

    @property
    def lost_fraction(self) -> float:
        """Share of the clips that a fault cost, 0 to 1: what is left out by design (Law 7) is no loss."""
        lost = sum(
            count for reason, count in self.dropped_by_reason.items() if reason not in LEFT_OUT_BY_DESIGN
        )
        return lost / max(self.considered, 1)


COLUMNS = tuple(Utterance.model_fields)
_MAX_LINE_BYTES = 65536
_BLOCK_BYTES = 65536
_MAX_FIELD = 8192  # characters
_V = TypeVar("_V", bound=BaseModel)


def write_csv(utterances: Iterable[Utterance]) -> Iterator[bytes]:
    """A manifest in blocks, for `ObjectStore.put_stream`: a header, then one line an utterance, UTF-8."""
    return in_blocks(line.encode() for line in _csv_rows(utterances))


def read_csv(source: BinaryIO | Iterable[bytes]) -> Iterator[Utterance]:
    """A manifest line by line in bounded memory; BadInput names the line and the column that is wrong.

    Columns are found by the names in the header, in any order; further columns are left alone.
    """
    lines = _lines(source, "CSV")
    header = _header(*next(lines, ("CSV", "")))
    for where, line in lines:
        if line:
            yield _valid(Utterance, dict(zip(header, _row(where, line, header), strict=True)), where)


def write_jsonl(utterances: Iterable[Utterance]) -> Iterator[bytes]:
    """One JSON object a line that several trainers read: `key` and `text` (A-Hackers), `audio_filepath`,
    `duration` and `text` (NeMo), and our own columns."""
    lines = (json.dumps(_jsonl_entry(each), ensure_ascii=False) + "\n" for each in utterances)
    return in_blocks(line.encode() for line in lines)


def read_jsonl(source: BinaryIO | Iterable[bytes]) -> Iterator[ListedClip]:
    """Lines of {"key", "text"} or {"audio_filepath", "duration", "text"}; BadInput names line and field."""
    for where, line in _lines(source, "JSONL"):
        if line.strip():
            yield _valid(ListedClip, _jsonl_object(where, line), where)


def _csv_rows(utterances: Iterable[Utterance]) -> Iterator[str]:
    yield _csv_line(COLUMNS)
    for utterance in utterances:
        line = _csv_line([getattr(utterance, column) for column in COLUMNS])
        if any(character in line[:-1] for character in "\n\r\0"):
            raise BadInput(f"utterance {utterance.utterance!r} holds a line break or NUL; normalise its text")
        yield line


def _csv_line(fields: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(fields)
    return out.getvalue()


def in_blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines for `ObjectStore.put_stream`, some 64 KiB at a time."""
    block = bytearray()
    for line in lines:
        block += line
        if len(block) >= _BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def _jsonl_entry(utterance: Utterance) -> dict[str, Any]:
    own = utterance.model_dump(exclude={"audio_key", "duration_s"})
    where = utterance.audio_key
    return {"key": where, "audio_filepath": where, "duration": utterance.duration_s, **own}


def _lines(source: BinaryIO | Iterable[bytes], what: str) -> Iterator[tuple[str, str]]:
    """("CSV line 7", its text) of each line; of a file no line is read further than the limit."""
    readline = getattr(source, "readline", None)
    raw = iter(source) if readline is None else iter(lambda: readline(_MAX_LINE_BYTES + 1), b"")
    for number, line in enumerate(raw, 1):
        where = f"{what} line {number}"
        if len(line) > _MAX_LINE_BYTES:
            raise BadInput(f"{where} is longer than {_MAX_LINE_BYTES} bytes; expected one utterance a line")
        try:
            yield where, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise BadInput(f"{where} is not UTF-8 (byte {error.start}); save the file as UTF-8") from error


def _header(where: str, line: str) -> list[str]:
    names = _split(where, line, ())
    missing = [column for column in COLUMNS if names.count(column) != 1]
    if missing:
        raise BadInput(
            f"CSV header {line[:200]!r} lacks or repeats {', '.join(missing)}; expected {','.join(COLUMNS)}"
        )
    return names


def _row(where: str, line: str, header: Sequence[str]) -> list[str]:
    fields = _split(where, line, header)
    if len(fields) != len(header):
        raise BadInput(f"{where} has {len(fields)} fields; expected {len(header)} as in the header")
    for name, field in zip(header, fields, strict=True):
        if len(field) > _MAX_FIELD or "\0" in field:
            raise BadInput(f"{where}, column {name}: a NUL, a line break or over {_MAX_FIELD} characters")
    return fields


def _split(where: str, line: str, header: Sequence[str]) -> list[str]:
    """Each line by itself, so that a quote left open spoils one line and not all the lines after it."""
    line = line.replace("\r", "\0")  # no line break for csv; `_row` refuses both
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        at = len(next(csv.reader([line]), [])) - 1
        name = header[at] if 0 <= at < len(header) else f"number {at + 1}"
        raise BadInput(f'{where}, column {name}: quotes are not balanced ({error}); write " as ""') from error


def _jsonl_object(where: str, line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
        json.dumps(entry, ensure_ascii=False).encode()  # refuses halves of surrogate pairs
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where} is not JSON ({error}); expected one object a line") from error
    if not isinstance(entry, dict):
        raise BadInput(f"{where} is a JSON {type(entry).__name__}; expected an object")
    path, duration = entry.get("key", entry.get("audio_filepath")), entry.get("duration")
    known = {name: entry.get(name) for name in ("text", "speaker", "language", "split")}
    return {**known, "path": path, "duration_s": duration}


def _valid(model: type[_V], values: dict[str, Any], where: str) -> _V:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        column = ".".join(map(str, fault["loc"])) or "row"
        found = str(fault["input"])[:60]
        raise BadInput(f"{where}, column {column}: found {found!r}; {fault['msg']}") from error
