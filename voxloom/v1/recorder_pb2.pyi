from voxloom.v1 import audio_pb2 as _audio_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FaultPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAULT_POLICY_UNSPECIFIED: _ClassVar[FaultPolicy]
    FAULT_POLICY_REFUSE_ALL: _ClassVar[FaultPolicy]
    FAULT_POLICY_ACCEPT_ALL: _ClassVar[FaultPolicy]

class PromptMark(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMPT_MARK_UNSPECIFIED: _ClassVar[PromptMark]
    PROMPT_MARK_SKIP: _ClassVar[PromptMark]
    PROMPT_MARK_FLAG: _ClassVar[PromptMark]
FAULT_POLICY_UNSPECIFIED: FaultPolicy
FAULT_POLICY_REFUSE_ALL: FaultPolicy
FAULT_POLICY_ACCEPT_ALL: FaultPolicy
PROMPT_MARK_UNSPECIFIED: PromptMark
PROMPT_MARK_SKIP: PromptMark
PROMPT_MARK_FLAG: PromptMark

class Take(_message.Message):
    __slots__ = ("prompt", "speaker", "language", "format", "audio_bytes", "prompt_list", "prompt_id", "faults")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LIST_FIELD_NUMBER: _ClassVar[int]
    PROMPT_ID_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    speaker: str
    language: str
    format: _audio_pb2.AudioFormat
    audio_bytes: int
    prompt_list: str
    prompt_id: str
    faults: FaultPolicy
    def __init__(self, prompt: _Optional[str] = ..., speaker: _Optional[str] = ..., language: _Optional[str] = ..., format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ..., audio_bytes: _Optional[int] = ..., prompt_list: _Optional[str] = ..., prompt_id: _Optional[str] = ..., faults: _Optional[_Union[FaultPolicy, str]] = ...) -> None: ...

class UploadTakeRequest(_message.Message):
    __slots__ = ("take", "audio")
    TAKE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    take: Take
    audio: bytes
    def __init__(self, take: _Optional[_Union[Take, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class UploadTakeResponse(_message.Message):
    __slots__ = ("utterance", "speaker", "record_key", "checks", "already_stored", "findings", "quality")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    RECORD_KEY_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    ALREADY_STORED_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    record_key: str
    checks: _audio_pb2.AudioChecks
    already_stored: bool
    findings: _containers.RepeatedCompositeFieldContainer[TakeFinding]
    quality: TakeQuality
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ..., record_key: _Optional[str] = ..., checks: _Optional[_Union[_audio_pb2.AudioChecks, _Mapping]] = ..., already_stored: bool = ..., findings: _Optional[_Iterable[_Union[TakeFinding, _Mapping]]] = ..., quality: _Optional[_Union[TakeQuality, _Mapping]] = ...) -> None: ...

class TakeFinding(_message.Message):
    __slots__ = ("check", "message", "hint")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    check: str
    message: str
    hint: bool
    def __init__(self, check: _Optional[str] = ..., message: _Optional[str] = ..., hint: bool = ...) -> None: ...

class TakeQuality(_message.Message):
    __slots__ = ("loudness_lufs", "snr_db", "leading_silence_s", "trailing_silence_s", "dc_offset", "speech_s", "letters_per_s")
    LOUDNESS_LUFS_FIELD_NUMBER: _ClassVar[int]
    SNR_DB_FIELD_NUMBER: _ClassVar[int]
    LEADING_SILENCE_S_FIELD_NUMBER: _ClassVar[int]
    TRAILING_SILENCE_S_FIELD_NUMBER: _ClassVar[int]
    DC_OFFSET_FIELD_NUMBER: _ClassVar[int]
    SPEECH_S_FIELD_NUMBER: _ClassVar[int]
    LETTERS_PER_S_FIELD_NUMBER: _ClassVar[int]
    loudness_lufs: float
    snr_db: float
    leading_silence_s: float
    trailing_silence_s: float
    dc_offset: float
    speech_s: float
    letters_per_s: float
    def __init__(self, loudness_lufs: _Optional[float] = ..., snr_db: _Optional[float] = ..., leading_silence_s: _Optional[float] = ..., trailing_silence_s: _Optional[float] = ..., dc_offset: _Optional[float] = ..., speech_s: _Optional[float] = ..., letters_per_s: _Optional[float] = ...) -> None: ...

class CheckTakeResponse(_message.Message):
    __slots__ = ("findings", "checks", "quality")
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[TakeFinding]
    checks: _audio_pb2.AudioChecks
    quality: TakeQuality
    def __init__(self, findings: _Optional[_Iterable[_Union[TakeFinding, _Mapping]]] = ..., checks: _Optional[_Union[_audio_pb2.AudioChecks, _Mapping]] = ..., quality: _Optional[_Union[TakeQuality, _Mapping]] = ...) -> None: ...

class DeleteRecordingRequest(_message.Message):
    __slots__ = ("utterance", "speaker")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ...) -> None: ...

class DeleteRecordingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PromptList(_message.Message):
    __slots__ = ("name", "language", "prompts", "origin", "built_in", "created_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    BUILT_IN_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    language: str
    prompts: int
    origin: str
    built_in: bool
    created_at: str
    def __init__(self, name: _Optional[str] = ..., language: _Optional[str] = ..., prompts: _Optional[int] = ..., origin: _Optional[str] = ..., built_in: bool = ..., created_at: _Optional[str] = ...) -> None: ...

class ListPromptListsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPromptListsResponse(_message.Message):
    __slots__ = ("lists",)
    LISTS_FIELD_NUMBER: _ClassVar[int]
    lists: _containers.RepeatedCompositeFieldContainer[PromptList]
    def __init__(self, lists: _Optional[_Iterable[_Union[PromptList, _Mapping]]] = ...) -> None: ...

class PromptListHead(_message.Message):
    __slots__ = ("name", "language")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    language: str
    def __init__(self, name: _Optional[str] = ..., language: _Optional[str] = ...) -> None: ...

class PromptFilePart(_message.Message):
    __slots__ = ("path", "data")
    PATH_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    path: str
    data: bytes
    def __init__(self, path: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class ImportPromptsRequest(_message.Message):
    __slots__ = ("list", "file")
    LIST_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    list: PromptListHead
    file: PromptFilePart
    def __init__(self, list: _Optional[_Union[PromptListHead, _Mapping]] = ..., file: _Optional[_Union[PromptFilePart, _Mapping]] = ...) -> None: ...

class ImportPromptsResponse(_message.Message):
    __slots__ = ("list", "format", "refused", "examples", "replaced")
    class RefusedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ExamplesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LIST_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    list: PromptList
    format: str
    refused: _containers.ScalarMap[str, int]
    examples: _containers.ScalarMap[str, str]
    replaced: bool
    def __init__(self, list: _Optional[_Union[PromptList, _Mapping]] = ..., format: _Optional[str] = ..., refused: _Optional[_Mapping[str, int]] = ..., examples: _Optional[_Mapping[str, str]] = ..., replaced: bool = ...) -> None: ...

class RemovePromptListRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RemovePromptListResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Prompt(_message.Message):
    __slots__ = ("id", "text", "takes", "recorded", "skipped", "flagged")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TAKES_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    FLAGGED_FIELD_NUMBER: _ClassVar[int]
    id: str
    text: str
    takes: int
    recorded: bool
    skipped: str
    flagged: str
    def __init__(self, id: _Optional[str] = ..., text: _Optional[str] = ..., takes: _Optional[int] = ..., recorded: bool = ..., skipped: _Optional[str] = ..., flagged: _Optional[str] = ...) -> None: ...

class ListPromptsRequest(_message.Message):
    __slots__ = ("list", "speaker", "after", "limit")
    LIST_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    list: str
    speaker: str
    after: str
    limit: int
    def __init__(self, list: _Optional[str] = ..., speaker: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListPromptsResponse(_message.Message):
    __slots__ = ("prompts", "language", "last")
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    prompts: _containers.RepeatedCompositeFieldContainer[Prompt]
    language: str
    last: bool
    def __init__(self, prompts: _Optional[_Iterable[_Union[Prompt, _Mapping]]] = ..., language: _Optional[str] = ..., last: bool = ...) -> None: ...

class NextPromptsRequest(_message.Message):
    __slots__ = ("list", "speaker", "count")
    LIST_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    list: str
    speaker: str
    count: int
    def __init__(self, list: _Optional[str] = ..., speaker: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class NextPromptsResponse(_message.Message):
    __slots__ = ("prompts", "language")
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    prompts: _containers.RepeatedCompositeFieldContainer[Prompt]
    language: str
    def __init__(self, prompts: _Optional[_Iterable[_Union[Prompt, _Mapping]]] = ..., language: _Optional[str] = ...) -> None: ...

class MarkPromptRequest(_message.Message):
    __slots__ = ("list", "speaker", "prompt_id", "mark", "reason", "undo")
    LIST_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    PROMPT_ID_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    UNDO_FIELD_NUMBER: _ClassVar[int]
    list: str
    speaker: str
    prompt_id: str
    mark: PromptMark
    reason: str
    undo: bool
    def __init__(self, list: _Optional[str] = ..., speaker: _Optional[str] = ..., prompt_id: _Optional[str] = ..., mark: _Optional[_Union[PromptMark, str]] = ..., reason: _Optional[str] = ..., undo: bool = ...) -> None: ...

class MarkPromptResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetProgressRequest(_message.Message):
    __slots__ = ("list", "speaker")
    LIST_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    list: str
    speaker: str
    def __init__(self, list: _Optional[str] = ..., speaker: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("prompts", "recorded", "skipped", "flagged", "takes", "minutes", "characters", "characters_covered", "missing_characters")
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    FLAGGED_FIELD_NUMBER: _ClassVar[int]
    TAKES_FIELD_NUMBER: _ClassVar[int]
    MINUTES_FIELD_NUMBER: _ClassVar[int]
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    CHARACTERS_COVERED_FIELD_NUMBER: _ClassVar[int]
    MISSING_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    prompts: int
    recorded: int
    skipped: int
    flagged: int
    takes: int
    minutes: float
    characters: int
    characters_covered: int
    missing_characters: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, prompts: _Optional[int] = ..., recorded: _Optional[int] = ..., skipped: _Optional[int] = ..., flagged: _Optional[int] = ..., takes: _Optional[int] = ..., minutes: _Optional[float] = ..., characters: _Optional[int] = ..., characters_covered: _Optional[int] = ..., missing_characters: _Optional[_Iterable[str]] = ...) -> None: ...
