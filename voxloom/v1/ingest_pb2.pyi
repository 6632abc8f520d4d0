from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CorpusFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CORPUS_FORMAT_UNSPECIFIED: _ClassVar[CorpusFormat]
    CORPUS_FORMAT_FOLDER: _ClassVar[CorpusFormat]
    CORPUS_FORMAT_CSV: _ClassVar[CorpusFormat]
    CORPUS_FORMAT_JSONL: _ClassVar[CorpusFormat]
    CORPUS_FORMAT_COMMONVOICE: _ClassVar[CorpusFormat]

class CorpusSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CORPUS_SOURCE_UNSPECIFIED: _ClassVar[CorpusSource]
    CORPUS_SOURCE_IMPORTED: _ClassVar[CorpusSource]
    CORPUS_SOURCE_COMMONVOICE: _ClassVar[CorpusSource]
    CORPUS_SOURCE_TTS: _ClassVar[CorpusSource]

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_ACCEPTED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_DONE: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
CORPUS_FORMAT_UNSPECIFIED: CorpusFormat
CORPUS_FORMAT_FOLDER: CorpusFormat
CORPUS_FORMAT_CSV: CorpusFormat
CORPUS_FORMAT_JSONL: CorpusFormat
CORPUS_FORMAT_COMMONVOICE: CorpusFormat
CORPUS_SOURCE_UNSPECIFIED: CorpusSource
CORPUS_SOURCE_IMPORTED: CorpusSource
CORPUS_SOURCE_COMMONVOICE: CorpusSource
CORPUS_SOURCE_TTS: CorpusSource
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_ACCEPTED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_DONE: JobState
JOB_STATE_FAILED: JobState

class Selection(_message.Message):
    __slots__ = ("max_clips", "max_hours", "max_test_clips", "min_up_votes", "max_down_votes", "max_speakers", "max_clips_per_speaker", "genders", "ages", "accents", "unbalanced", "seed")
    MAX_CLIPS_FIELD_NUMBER: _ClassVar[int]
    MAX_HOURS_FIELD_NUMBER: _ClassVar[int]
    MAX_TEST_CLIPS_FIELD_NUMBER: _ClassVar[int]
    MIN_UP_VOTES_FIELD_NUMBER: _ClassVar[int]
    MAX_DOWN_VOTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    MAX_CLIPS_PER_SPEAKER_FIELD_NUMBER: _ClassVar[int]
    GENDERS_FIELD_NUMBER: _ClassVar[int]
    AGES_FIELD_NUMBER: _ClassVar[int]
    ACCENTS_FIELD_NUMBER: _ClassVar[int]
    UNBALANCED_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    max_clips: int
    max_hours: float
    max_test_clips: int
    min_up_votes: int
    max_down_votes: int
    max_speakers: int
    max_clips_per_speaker: int
    genders: _containers.RepeatedScalarFieldContainer[str]
    ages: _containers.RepeatedScalarFieldContainer[str]
    accents: _containers.RepeatedScalarFieldContainer[str]
    unbalanced: bool
    seed: int
    def __init__(self, max_clips: _Optional[int] = ..., max_hours: _Optional[float] = ..., max_test_clips: _Optional[int] = ..., min_up_votes: _Optional[int] = ..., max_down_votes: _Optional[int] = ..., max_speakers: _Optional[int] = ..., max_clips_per_speaker: _Optional[int] = ..., genders: _Optional[_Iterable[str]] = ..., ages: _Optional[_Iterable[str]] = ..., accents: _Optional[_Iterable[str]] = ..., unbalanced: bool = ..., seed: _Optional[int] = ...) -> None: ...

class ImportSpec(_message.Message):
    __slots__ = ("corpus", "format", "language", "keep_published_split", "max_refused_fraction", "source", "selection", "origin")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    KEEP_PUBLISHED_SPLIT_FIELD_NUMBER: _ClassVar[int]
    MAX_REFUSED_FRACTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    format: CorpusFormat
    language: str
    keep_published_split: bool
    max_refused_fraction: float
    source: CorpusSource
    selection: Selection
    origin: str
    def __init__(self, corpus: _Optional[str] = ..., format: _Optional[_Union[CorpusFormat, str]] = ..., language: _Optional[str] = ..., keep_published_split: bool = ..., max_refused_fraction: _Optional[float] = ..., source: _Optional[_Union[CorpusSource, str]] = ..., selection: _Optional[_Union[Selection, _Mapping]] = ..., origin: _Optional[str] = ...) -> None: ...

class ImportCorpusRequest(_message.Message):
    __slots__ = ("spec", "tar")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    TAR_FIELD_NUMBER: _ClassVar[int]
    spec: ImportSpec
    tar: bytes
    def __init__(self, spec: _Optional[_Union[ImportSpec, _Mapping]] = ..., tar: _Optional[bytes] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("id", "kind", "state", "done", "total", "message", "error", "attempts", "dataset", "accepted_utterances", "refused_utterances", "refused_by_reason", "not_selected_by_reason", "deleted_utterances", "marked")
    class RefusedByReasonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class NotSelectedByReasonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_BY_REASON_FIELD_NUMBER: _ClassVar[int]
    NOT_SELECTED_BY_REASON_FIELD_NUMBER: _ClassVar[int]
    DELETED_UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    MARKED_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    state: JobState
    done: int
    total: int
    message: str
    error: str
    attempts: int
    dataset: str
    accepted_utterances: int
    refused_utterances: int
    refused_by_reason: _containers.ScalarMap[str, int]
    not_selected_by_reason: _containers.ScalarMap[str, int]
    deleted_utterances: int
    marked: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., message: _Optional[str] = ..., error: _Optional[str] = ..., attempts: _Optional[int] = ..., dataset: _Optional[str] = ..., accepted_utterances: _Optional[int] = ..., refused_utterances: _Optional[int] = ..., refused_by_reason: _Optional[_Mapping[str, int]] = ..., not_selected_by_reason: _Optional[_Mapping[str, int]] = ..., deleted_utterances: _Optional[int] = ..., marked: _Optional[_Iterable[str]] = ...) -> None: ...

class MixShare(_message.Message):
    __slots__ = ("min", "max", "max_hours", "corpora", "languages", "fraction")
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    MAX_HOURS_FIELD_NUMBER: _ClassVar[int]
    CORPORA_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    min: int
    max: int
    max_hours: float
    corpora: _containers.RepeatedScalarFieldContainer[str]
    languages: _containers.RepeatedScalarFieldContainer[str]
    fraction: float
    def __init__(self, min: _Optional[int] = ..., max: _Optional[int] = ..., max_hours: _Optional[float] = ..., corpora: _Optional[_Iterable[str]] = ..., languages: _Optional[_Iterable[str]] = ..., fraction: _Optional[float] = ...) -> None: ...

class Mix(_message.Message):
    __slots__ = ("name", "sources", "seed")
    class SourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: MixShare
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[MixShare, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    name: str
    sources: _containers.MessageMap[str, MixShare]
    seed: int
    def __init__(self, name: _Optional[str] = ..., sources: _Optional[_Mapping[str, MixShare]] = ..., seed: _Optional[int] = ...) -> None: ...

class BuildDatasetRequest(_message.Message):
    __slots__ = ("mix", "max_dropped", "experiment")
    MIX_FIELD_NUMBER: _ClassVar[int]
    MAX_DROPPED_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    mix: Mix
    max_dropped: float
    experiment: bool
    def __init__(self, mix: _Optional[_Union[Mix, _Mapping]] = ..., max_dropped: _Optional[float] = ..., experiment: bool = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("id", "kind")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets",)
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    def __init__(self, datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    def __init__(self, dataset: _Optional[str] = ...) -> None: ...

class GetDatasetReportRequest(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    def __init__(self, dataset: _Optional[str] = ...) -> None: ...

class GetDatasetReportResponse(_message.Message):
    __slots__ = ("dataset", "report_json")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    REPORT_JSON_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    report_json: str
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ..., report_json: _Optional[str] = ...) -> None: ...

class SplitCounts(_message.Message):
    __slots__ = ("utterances", "speakers", "hours")
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    HOURS_FIELD_NUMBER: _ClassVar[int]
    utterances: int
    speakers: int
    hours: float
    def __init__(self, utterances: _Optional[int] = ..., speakers: _Optional[int] = ..., hours: _Optional[float] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ("id", "created_at", "splits", "utterances_by_source", "dropped_by_reason", "overlapping_test_sentences", "record_json", "withdrawn_utterances", "experiment")
    class SplitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: SplitCounts
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[SplitCounts, _Mapping]] = ...) -> None: ...
    class UtterancesBySourceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class DroppedByReasonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    UTTERANCES_BY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    DROPPED_BY_REASON_FIELD_NUMBER: _ClassVar[int]
    OVERLAPPING_TEST_SENTENCES_FIELD_NUMBER: _ClassVar[int]
    RECORD_JSON_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    created_at: str
    splits: _containers.MessageMap[str, SplitCounts]
    utterances_by_source: _containers.ScalarMap[str, int]
    dropped_by_reason: _containers.ScalarMap[str, int]
    overlapping_test_sentences: int
    record_json: str
    withdrawn_utterances: int
    experiment: bool
    def __init__(self, id: _Optional[str] = ..., created_at: _Optional[str] = ..., splits: _Optional[_Mapping[str, SplitCounts]] = ..., utterances_by_source: _Optional[_Mapping[str, int]] = ..., dropped_by_reason: _Optional[_Mapping[str, int]] = ..., overlapping_test_sentences: _Optional[int] = ..., record_json: _Optional[str] = ..., withdrawn_utterances: _Optional[int] = ..., experiment: bool = ...) -> None: ...

class ReadManifestRequest(_message.Message):
    __slots__ = ("dataset", "split")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    split: str
    def __init__(self, dataset: _Optional[str] = ..., split: _Optional[str] = ...) -> None: ...

class ReadManifestResponse(_message.Message):
    __slots__ = ("csv",)
    CSV_FIELD_NUMBER: _ClassVar[int]
    csv: bytes
    def __init__(self, csv: _Optional[bytes] = ...) -> None: ...

class ReadShardsRequest(_message.Message):
    __slots__ = ("dataset", "split")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    split: str
    def __init__(self, dataset: _Optional[str] = ..., split: _Optional[str] = ...) -> None: ...

class ReadShardsResponse(_message.Message):
    __slots__ = ("shard", "tar")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    TAR_FIELD_NUMBER: _ClassVar[int]
    shard: str
    tar: bytes
    def __init__(self, shard: _Optional[str] = ..., tar: _Optional[bytes] = ...) -> None: ...

class ForgetRequest(_message.Message):
    __slots__ = ("utterances", "speakers", "dry_run", "undo")
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    UNDO_FIELD_NUMBER: _ClassVar[int]
    utterances: _containers.RepeatedScalarFieldContainer[str]
    speakers: _containers.RepeatedScalarFieldContainer[str]
    dry_run: bool
    undo: bool
    def __init__(self, utterances: _Optional[_Iterable[str]] = ..., speakers: _Optional[_Iterable[str]] = ..., dry_run: bool = ..., undo: bool = ...) -> None: ...

class ForgetResponse(_message.Message):
    __slots__ = ("job", "speakers")
    class Speaker(_message.Message):
        __slots__ = ("source", "speaker", "utterances")
        SOURCE_FIELD_NUMBER: _ClassVar[int]
        SPEAKER_FIELD_NUMBER: _ClassVar[int]
        UTTERANCES_FIELD_NUMBER: _ClassVar[int]
        source: str
        speaker: str
        utterances: int
        def __init__(self, source: _Optional[str] = ..., speaker: _Optional[str] = ..., utterances: _Optional[int] = ...) -> None: ...
    JOB_FIELD_NUMBER: _ClassVar[int]
    SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    job: Job
    speakers: _containers.RepeatedCompositeFieldContainer[ForgetResponse.Speaker]
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ..., speakers: _Optional[_Iterable[_Union[ForgetResponse.Speaker, _Mapping]]] = ...) -> None: ...

class GetRetrainPolicyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RetrainPolicy(_message.Message):
    __slots__ = ("latest_dataset", "new_utterances", "needed_utterances", "summary")
    LATEST_DATASET_FIELD_NUMBER: _ClassVar[int]
    NEW_UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    NEEDED_UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    latest_dataset: str
    new_utterances: int
    needed_utterances: int
    summary: str
    def __init__(self, latest_dataset: _Optional[str] = ..., new_utterances: _Optional[int] = ..., needed_utterances: _Optional[int] = ..., summary: _Optional[str] = ...) -> None: ...
