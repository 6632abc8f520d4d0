from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "production")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    PRODUCTION_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    production: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., production: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class PromoteModelRequest(_message.Message):
    __slots__ = ("model", "force")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    model: str
    force: bool
    def __init__(self, model: _Optional[str] = ..., force: bool = ...) -> None: ...

class PromoteModelResponse(_message.Message):
    __slots__ = ("model", "previous")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    model: str
    previous: str
    def __init__(self, model: _Optional[str] = ..., previous: _Optional[str] = ...) -> None: ...

class RollbackModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RollbackModelResponse(_message.Message):
    __slots__ = ("model", "previous")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    model: str
    previous: str
    def __init__(self, model: _Optional[str] = ..., previous: _Optional[str] = ...) -> None: ...

class PinModelRequest(_message.Message):
    __slots__ = ("model", "why")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    model: str
    why: str
    def __init__(self, model: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class PinModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class UnpinModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UnpinModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class WordErrors(_message.Message):
    __slots__ = ("substitutions", "deletions", "insertions", "reference_words", "utterances", "wer", "wer_low", "wer_high")
    SUBSTITUTIONS_FIELD_NUMBER: _ClassVar[int]
    DELETIONS_FIELD_NUMBER: _ClassVar[int]
    INSERTIONS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_WORDS_FIELD_NUMBER: _ClassVar[int]
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    WER_FIELD_NUMBER: _ClassVar[int]
    WER_LOW_FIELD_NUMBER: _ClassVar[int]
    WER_HIGH_FIELD_NUMBER: _ClassVar[int]
    substitutions: int
    deletions: int
    insertions: int
    reference_words: int
    utterances: int
    wer: float
    wer_low: float
    wer_high: float
    def __init__(self, substitutions: _Optional[int] = ..., deletions: _Optional[int] = ..., insertions: _Optional[int] = ..., reference_words: _Optional[int] = ..., utterances: _Optional[int] = ..., wer: _Optional[float] = ..., wer_low: _Optional[float] = ..., wer_high: _Optional[float] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("id", "run", "dataset", "created_at", "decision", "reasons", "production", "served_file", "served_bytes", "test", "real_time_factor", "bundle_json", "decision_json", "withdrawn_utterances", "pinned", "pinned_at", "pinned_why")
    ID_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    PRODUCTION_FIELD_NUMBER: _ClassVar[int]
    SERVED_FILE_FIELD_NUMBER: _ClassVar[int]
    SERVED_BYTES_FIELD_NUMBER: _ClassVar[int]
    TEST_FIELD_NUMBER: _ClassVar[int]
    REAL_TIME_FACTOR_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_JSON_FIELD_NUMBER: _ClassVar[int]
    DECISION_JSON_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    PINNED_AT_FIELD_NUMBER: _ClassVar[int]
    PINNED_WHY_FIELD_NUMBER: _ClassVar[int]
    id: str
    run: str
    dataset: str
    created_at: str
    decision: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    production: bool
    served_file: str
    served_bytes: int
    test: WordErrors
    real_time_factor: float
    bundle_json: str
    decision_json: str
    withdrawn_utterances: int
    pinned: bool
    pinned_at: str
    pinned_why: str
    def __init__(self, id: _Optional[str] = ..., run: _Optional[str] = ..., dataset: _Optional[str] = ..., created_at: _Optional[str] = ..., decision: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., production: bool = ..., served_file: _Optional[str] = ..., served_bytes: _Optional[int] = ..., test: _Optional[_Union[WordErrors, _Mapping]] = ..., real_time_factor: _Optional[float] = ..., bundle_json: _Optional[str] = ..., decision_json: _Optional[str] = ..., withdrawn_utterances: _Optional[int] = ..., pinned: bool = ..., pinned_at: _Optional[str] = ..., pinned_why: _Optional[str] = ...) -> None: ...
