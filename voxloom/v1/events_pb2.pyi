import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventHeader(_message.Message):
    __slots__ = ("id", "time", "source", "subject", "trace")
    ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    id: str
    time: _timestamp_pb2.Timestamp
    source: str
    subject: str
    trace: str
    def __init__(self, id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., source: _Optional[str] = ..., subject: _Optional[str] = ..., trace: _Optional[str] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("header", "recording_stored", "recording_deleted", "corpus_imported", "dataset_ready", "model_trained", "model_promoted", "model_rejected", "model_serving", "stage_failed", "import_chunk_ready")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    RECORDING_STORED_FIELD_NUMBER: _ClassVar[int]
    RECORDING_DELETED_FIELD_NUMBER: _ClassVar[int]
    CORPUS_IMPORTED_FIELD_NUMBER: _ClassVar[int]
    DATASET_READY_FIELD_NUMBER: _ClassVar[int]
    MODEL_TRAINED_FIELD_NUMBER: _ClassVar[int]
    MODEL_PROMOTED_FIELD_NUMBER: _ClassVar[int]
    MODEL_REJECTED_FIELD_NUMBER: _ClassVar[int]
    MODEL_SERVING_FIELD_NUMBER: _ClassVar[int]
    STAGE_FAILED_FIELD_NUMBER: _ClassVar[int]
    IMPORT_CHUNK_READY_FIELD_NUMBER: _ClassVar[int]
    header: EventHeader
    recording_stored: RecordingStored
    recording_deleted: RecordingDeleted
    corpus_imported: CorpusImported
    dataset_ready: DatasetReady
    model_trained: ModelTrained
    model_promoted: ModelPromoted
    model_rejected: ModelRejected
    model_serving: ModelServing
    stage_failed: StageFailed
    import_chunk_ready: ImportChunkReady
    def __init__(self, header: _Optional[_Union[EventHeader, _Mapping]] = ..., recording_stored: _Optional[_Union[RecordingStored, _Mapping]] = ..., recording_deleted: _Optional[_Union[RecordingDeleted, _Mapping]] = ..., corpus_imported: _Optional[_Union[CorpusImported, _Mapping]] = ..., dataset_ready: _Optional[_Union[DatasetReady, _Mapping]] = ..., model_trained: _Optional[_Union[ModelTrained, _Mapping]] = ..., model_promoted: _Optional[_Union[ModelPromoted, _Mapping]] = ..., model_rejected: _Optional[_Union[ModelRejected, _Mapping]] = ..., model_serving: _Optional[_Union[ModelServing, _Mapping]] = ..., stage_failed: _Optional[_Union[StageFailed, _Mapping]] = ..., import_chunk_ready: _Optional[_Union[ImportChunkReady, _Mapping]] = ...) -> None: ...

class RecordingStored(_message.Message):
    __slots__ = ("utterance", "speaker", "record_key", "duration_s")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    RECORD_KEY_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    record_key: str
    duration_s: float
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ..., record_key: _Optional[str] = ..., duration_s: _Optional[float] = ...) -> None: ...

class RecordingDeleted(_message.Message):
    __slots__ = ("utterance", "speaker")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ...) -> None: ...

class CorpusImported(_message.Message):
    __slots__ = ("corpus", "job", "utterances", "refused", "duration_s")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    job: str
    utterances: int
    refused: int
    duration_s: float
    def __init__(self, corpus: _Optional[str] = ..., job: _Optional[str] = ..., utterances: _Optional[int] = ..., refused: _Optional[int] = ..., duration_s: _Optional[float] = ...) -> None: ...

class ImportChunkReady(_message.Message):
    __slots__ = ("job", "chunk", "clips")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    CLIPS_FIELD_NUMBER: _ClassVar[int]
    job: str
    chunk: str
    clips: int
    def __init__(self, job: _Optional[str] = ..., chunk: _Optional[str] = ..., clips: _Optional[int] = ...) -> None: ...

class DatasetReady(_message.Message):
    __slots__ = ("dataset", "train_utterances", "val_utterances", "test_utterances", "train_hours")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    TRAIN_UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    VAL_UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    TEST_UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    TRAIN_HOURS_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    train_utterances: int
    val_utterances: int
    test_utterances: int
    train_hours: float
    def __init__(self, dataset: _Optional[str] = ..., train_utterances: _Optional[int] = ..., val_utterances: _Optional[int] = ..., test_utterances: _Optional[int] = ..., train_hours: _Optional[float] = ...) -> None: ...

class ModelTrained(_message.Message):
    __slots__ = ("run", "dataset", "export_prefix", "val_wer")
    RUN_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    EXPORT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    VAL_WER_FIELD_NUMBER: _ClassVar[int]
    run: str
    dataset: str
    export_prefix: str
    val_wer: float
    def __init__(self, run: _Optional[str] = ..., dataset: _Optional[str] = ..., export_prefix: _Optional[str] = ..., val_wer: _Optional[float] = ...) -> None: ...

class ModelPromoted(_message.Message):
    __slots__ = ("model", "previous", "reasons")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    previous: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model: _Optional[str] = ..., previous: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class ModelRejected(_message.Message):
    __slots__ = ("model", "production", "reasons")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PRODUCTION_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    production: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model: _Optional[str] = ..., production: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class ModelServing(_message.Message):
    __slots__ = ("model", "instance", "load_s")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    LOAD_S_FIELD_NUMBER: _ClassVar[int]
    model: str
    instance: str
    load_s: float
    def __init__(self, model: _Optional[str] = ..., instance: _Optional[str] = ..., load_s: _Optional[float] = ...) -> None: ...

class StageFailed(_message.Message):
    __slots__ = ("stage", "job", "error", "attempts")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    stage: str
    job: str
    error: str
    attempts: int
    def __init__(self, stage: _Optional[str] = ..., job: _Optional[str] = ..., error: _Optional[str] = ..., attempts: _Optional[int] = ...) -> None: ...
