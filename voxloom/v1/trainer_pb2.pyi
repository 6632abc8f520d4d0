from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunFile(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_FILE_UNSPECIFIED: _ClassVar[RunFile]
    RUN_FILE_UTTERANCES: _ClassVar[RunFile]
    RUN_FILE_TENSORBOARD: _ClassVar[RunFile]
    RUN_FILE_AUDIO: _ClassVar[RunFile]

class RunState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATE_UNSPECIFIED: _ClassVar[RunState]
    RUN_STATE_ACCEPTED: _ClassVar[RunState]
    RUN_STATE_RUNNING: _ClassVar[RunState]
    RUN_STATE_DONE: _ClassVar[RunState]
    RUN_STATE_FAILED: _ClassVar[RunState]
RUN_FILE_UNSPECIFIED: RunFile
RUN_FILE_UTTERANCES: RunFile
RUN_FILE_TENSORBOARD: RunFile
RUN_FILE_AUDIO: RunFile
RUN_STATE_UNSPECIFIED: RunState
RUN_STATE_ACCEPTED: RunState
RUN_STATE_RUNNING: RunState
RUN_STATE_DONE: RunState
RUN_STATE_FAILED: RunState

class StartRunRequest(_message.Message):
    __slots__ = ("dataset", "recipe", "seed", "budget_minutes", "pieces")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    BUDGET_MINUTES_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    recipe: str
    seed: int
    budget_minutes: float
    pieces: int
    def __init__(self, dataset: _Optional[str] = ..., recipe: _Optional[str] = ..., seed: _Optional[int] = ..., budget_minutes: _Optional[float] = ..., pieces: _Optional[int] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs",)
    RUNS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: str
    def __init__(self, run: _Optional[str] = ...) -> None: ...

class WatchRunRequest(_message.Message):
    __slots__ = ("run", "past_only")
    RUN_FIELD_NUMBER: _ClassVar[int]
    PAST_ONLY_FIELD_NUMBER: _ClassVar[int]
    run: str
    past_only: bool
    def __init__(self, run: _Optional[str] = ..., past_only: bool = ...) -> None: ...

class GetRunReportRequest(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: str
    def __init__(self, run: _Optional[str] = ...) -> None: ...

class GetRunReportResponse(_message.Message):
    __slots__ = ("summary_json", "suspects_json")
    SUMMARY_JSON_FIELD_NUMBER: _ClassVar[int]
    SUSPECTS_JSON_FIELD_NUMBER: _ClassVar[int]
    summary_json: str
    suspects_json: str
    def __init__(self, summary_json: _Optional[str] = ..., suspects_json: _Optional[str] = ...) -> None: ...

class ReadRunFileRequest(_message.Message):
    __slots__ = ("run", "file", "utterance")
    RUN_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    run: str
    file: RunFile
    utterance: str
    def __init__(self, run: _Optional[str] = ..., file: _Optional[_Union[RunFile, str]] = ..., utterance: _Optional[str] = ...) -> None: ...

class ReadRunFileResponse(_message.Message):
    __slots__ = ("key", "data")
    KEY_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    key: str
    data: bytes
    def __init__(self, key: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("id", "dataset", "recipe", "recipe_reason", "state", "created_at", "error", "latest", "best_val_wer", "record_json", "withdrawn_utterances", "pieces", "val_wer_lm", "decoding")
    ID_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    RECIPE_REASON_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    BEST_VAL_WER_FIELD_NUMBER: _ClassVar[int]
    RECORD_JSON_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    VAL_WER_LM_FIELD_NUMBER: _ClassVar[int]
    DECODING_FIELD_NUMBER: _ClassVar[int]
    id: str
    dataset: str
    recipe: str
    recipe_reason: str
    state: RunState
    created_at: str
    error: str
    latest: RunMetrics
    best_val_wer: float
    record_json: str
    withdrawn_utterances: int
    pieces: int
    val_wer_lm: float
    decoding: str
    def __init__(self, id: _Optional[str] = ..., dataset: _Optional[str] = ..., recipe: _Optional[str] = ..., recipe_reason: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., created_at: _Optional[str] = ..., error: _Optional[str] = ..., latest: _Optional[_Union[RunMetrics, _Mapping]] = ..., best_val_wer: _Optional[float] = ..., record_json: _Optional[str] = ..., withdrawn_utterances: _Optional[int] = ..., pieces: _Optional[int] = ..., val_wer_lm: _Optional[float] = ..., decoding: _Optional[str] = ...) -> None: ...

class RunMetrics(_message.Message):
    __slots__ = ("step", "epoch", "epochs", "steps_total", "loss", "learning_rate", "gradient_norm", "audio_s_per_s", "eta_s", "val_wer", "val_cer", "example_reference", "example_hypothesis", "message", "trained_s", "val_by_source", "examples")
    class ValBySourceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: SourceErrors
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[SourceErrors, _Mapping]] = ...) -> None: ...
    STEP_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    STEPS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_NORM_FIELD_NUMBER: _ClassVar[int]
    AUDIO_S_PER_S_FIELD_NUMBER: _ClassVar[int]
    ETA_S_FIELD_NUMBER: _ClassVar[int]
    VAL_WER_FIELD_NUMBER: _ClassVar[int]
    VAL_CER_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_HYPOTHESIS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TRAINED_S_FIELD_NUMBER: _ClassVar[int]
    VAL_BY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    step: int
    epoch: int
    epochs: int
    steps_total: int
    loss: float
    learning_rate: float
    gradient_norm: float
    audio_s_per_s: float
    eta_s: float
    val_wer: float
    val_cer: float
    example_reference: str
    example_hypothesis: str
    message: str
    trained_s: float
    val_by_source: _containers.MessageMap[str, SourceErrors]
    examples: _containers.RepeatedCompositeFieldContainer[RunExample]
    def __init__(self, step: _Optional[int] = ..., epoch: _Optional[int] = ..., epochs: _Optional[int] = ..., steps_total: _Optional[int] = ..., loss: _Optional[float] = ..., learning_rate: _Optional[float] = ..., gradient_norm: _Optional[float] = ..., audio_s_per_s: _Optional[float] = ..., eta_s: _Optional[float] = ..., val_wer: _Optional[float] = ..., val_cer: _Optional[float] = ..., example_reference: _Optional[str] = ..., example_hypothesis: _Optional[str] = ..., message: _Optional[str] = ..., trained_s: _Optional[float] = ..., val_by_source: _Optional[_Mapping[str, SourceErrors]] = ..., examples: _Optional[_Iterable[_Union[RunExample, _Mapping]]] = ...) -> None: ...

class SourceErrors(_message.Message):
    __slots__ = ("wer", "cer", "utterances")
    WER_FIELD_NUMBER: _ClassVar[int]
    CER_FIELD_NUMBER: _ClassVar[int]
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    wer: float
    cer: float
    utterances: int
    def __init__(self, wer: _Optional[float] = ..., cer: _Optional[float] = ..., utterances: _Optional[int] = ...) -> None: ...

class RunExample(_message.Message):
    __slots__ = ("reference", "hypothesis")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    HYPOTHESIS_FIELD_NUMBER: _ClassVar[int]
    reference: str
    hypothesis: str
    def __init__(self, reference: _Optional[str] = ..., hypothesis: _Optional[str] = ...) -> None: ...

class RunUpdate(_message.Message):
    __slots__ = ("run", "metrics")
    RUN_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    run: Run
    metrics: RunMetrics
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ..., metrics: _Optional[_Union[RunMetrics, _Mapping]] = ...) -> None: ...

class AddTextRequest(_message.Message):
    __slots__ = ("name", "data")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    name: str
    data: bytes
    def __init__(self, name: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class ListTextsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListTextsResponse(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedCompositeFieldContainer[Text]
    def __init__(self, texts: _Optional[_Iterable[_Union[Text, _Mapping]]] = ...) -> None: ...

class RemoveTextRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RemoveTextResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Text(_message.Message):
    __slots__ = ("name", "bytes", "checked", "added_at", "sha256", "sentences", "words", "left_out", "foreign_characters", "dataset")
    class LeftOutEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ForeignCharactersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CHECKED_FIELD_NUMBER: _ClassVar[int]
    ADDED_AT_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    FOREIGN_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    name: str
    bytes: int
    checked: bool
    added_at: str
    sha256: str
    sentences: int
    words: int
    left_out: _containers.ScalarMap[str, int]
    foreign_characters: _containers.ScalarMap[str, int]
    dataset: str
    def __init__(self, name: _Optional[str] = ..., bytes: _Optional[int] = ..., checked: bool = ..., added_at: _Optional[str] = ..., sha256: _Optional[str] = ..., sentences: _Optional[int] = ..., words: _Optional[int] = ..., left_out: _Optional[_Mapping[str, int]] = ..., foreign_characters: _Optional[_Mapping[str, int]] = ..., dataset: _Optional[str] = ...) -> None: ...
