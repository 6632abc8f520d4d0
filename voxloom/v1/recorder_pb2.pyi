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

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_ACCEPTED: _ClassVar[Verdict]
    VERDICT_REJECTED: _ClassVar[Verdict]
    VERDICT_OPEN: _ClassVar[Verdict]

class ExportFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPORT_FORMAT_UNSPECIFIED: _ClassVar[ExportFormat]
    EXPORT_FORMAT_CSV: _ClassVar[ExportFormat]
    EXPORT_FORMAT_JSONL: _ClassVar[ExportFormat]
    EXPORT_FORMAT_LJSPEECH: _ClassVar[ExportFormat]

class PromptOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMPT_ORDER_UNSPECIFIED: _ClassVar[PromptOrder]
    PROMPT_ORDER_USEFUL: _ClassVar[PromptOrder]

class PromptMark(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMPT_MARK_UNSPECIFIED: _ClassVar[PromptMark]
    PROMPT_MARK_SKIP: _ClassVar[PromptMark]
    PROMPT_MARK_FLAG: _ClassVar[PromptMark]
FAULT_POLICY_UNSPECIFIED: FaultPolicy
FAULT_POLICY_REFUSE_ALL: FaultPolicy
FAULT_POLICY_ACCEPT_ALL: FaultPolicy
VERDICT_UNSPECIFIED: Verdict
VERDICT_ACCEPTED: Verdict
VERDICT_REJECTED: Verdict
VERDICT_OPEN: Verdict
EXPORT_FORMAT_UNSPECIFIED: ExportFormat
EXPORT_FORMAT_CSV: ExportFormat
EXPORT_FORMAT_JSONL: ExportFormat
EXPORT_FORMAT_LJSPEECH: ExportFormat
PROMPT_ORDER_UNSPECIFIED: PromptOrder
PROMPT_ORDER_USEFUL: PromptOrder
PROMPT_MARK_UNSPECIFIED: PromptMark
PROMPT_MARK_SKIP: PromptMark
PROMPT_MARK_FLAG: PromptMark

class Take(_message.Message):
    __slots__ = ("prompt", "speaker", "language", "format", "audio_bytes", "prompt_list", "prompt_id", "faults", "listen")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LIST_FIELD_NUMBER: _ClassVar[int]
    PROMPT_ID_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    LISTEN_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    speaker: str
    language: str
    format: _audio_pb2.AudioFormat
    audio_bytes: int
    prompt_list: str
    prompt_id: str
    faults: FaultPolicy
    listen: bool
    def __init__(self, prompt: _Optional[str] = ..., speaker: _Optional[str] = ..., language: _Optional[str] = ..., format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ..., audio_bytes: _Optional[int] = ..., prompt_list: _Optional[str] = ..., prompt_id: _Optional[str] = ..., faults: _Optional[_Union[FaultPolicy, str]] = ..., listen: bool = ...) -> None: ...

class UploadTakeRequest(_message.Message):
    __slots__ = ("take", "audio")
    TAKE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    take: Take
    audio: bytes
    def __init__(self, take: _Optional[_Union[Take, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class UploadTakeResponse(_message.Message):
    __slots__ = ("utterance", "speaker", "record_key", "checks", "already_stored", "findings", "quality", "hearing")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    RECORD_KEY_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    ALREADY_STORED_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    HEARING_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    record_key: str
    checks: _audio_pb2.AudioChecks
    already_stored: bool
    findings: _containers.RepeatedCompositeFieldContainer[TakeFinding]
    quality: TakeQuality
    hearing: Hearing
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ..., record_key: _Optional[str] = ..., checks: _Optional[_Union[_audio_pb2.AudioChecks, _Mapping]] = ..., already_stored: bool = ..., findings: _Optional[_Iterable[_Union[TakeFinding, _Mapping]]] = ..., quality: _Optional[_Union[TakeQuality, _Mapping]] = ..., hearing: _Optional[_Union[Hearing, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("findings", "checks", "quality", "hearing")
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    HEARING_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[TakeFinding]
    checks: _audio_pb2.AudioChecks
    quality: TakeQuality
    hearing: Hearing
    def __init__(self, findings: _Optional[_Iterable[_Union[TakeFinding, _Mapping]]] = ..., checks: _Optional[_Union[_audio_pb2.AudioChecks, _Mapping]] = ..., quality: _Optional[_Union[TakeQuality, _Mapping]] = ..., hearing: _Optional[_Union[Hearing, _Mapping]] = ...) -> None: ...

class Hearing(_message.Message):
    __slots__ = ("model", "text", "words", "wer")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    WER_FIELD_NUMBER: _ClassVar[int]
    model: str
    text: str
    words: _containers.RepeatedCompositeFieldContainer[WordPair]
    wer: float
    def __init__(self, model: _Optional[str] = ..., text: _Optional[str] = ..., words: _Optional[_Iterable[_Union[WordPair, _Mapping]]] = ..., wer: _Optional[float] = ...) -> None: ...

class WordPair(_message.Message):
    __slots__ = ("prompt", "heard")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    heard: str
    def __init__(self, prompt: _Optional[str] = ..., heard: _Optional[str] = ...) -> None: ...

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

class Speaker(_message.Message):
    __slots__ = ("id", "name", "language", "licence", "consent", "consented_at", "invited", "takes", "minutes", "consent_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    CONSENTED_AT_FIELD_NUMBER: _ClassVar[int]
    INVITED_FIELD_NUMBER: _ClassVar[int]
    TAKES_FIELD_NUMBER: _ClassVar[int]
    MINUTES_FIELD_NUMBER: _ClassVar[int]
    CONSENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    language: str
    licence: str
    consent: str
    consented_at: str
    invited: bool
    takes: int
    minutes: float
    consent_version: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., language: _Optional[str] = ..., licence: _Optional[str] = ..., consent: _Optional[str] = ..., consented_at: _Optional[str] = ..., invited: bool = ..., takes: _Optional[int] = ..., minutes: _Optional[float] = ..., consent_version: _Optional[str] = ...) -> None: ...

class ConsentText(_message.Message):
    __slots__ = ("language", "version", "text", "set_at", "current")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SET_AT_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    language: str
    version: str
    text: str
    set_at: str
    current: bool
    def __init__(self, language: _Optional[str] = ..., version: _Optional[str] = ..., text: _Optional[str] = ..., set_at: _Optional[str] = ..., current: bool = ...) -> None: ...

class SetConsentTextRequest(_message.Message):
    __slots__ = ("language", "text")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    language: str
    text: str
    def __init__(self, language: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class GetConsentTextRequest(_message.Message):
    __slots__ = ("language",)
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    language: str
    def __init__(self, language: _Optional[str] = ...) -> None: ...

class ListConsentTextsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListConsentTextsResponse(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedCompositeFieldContainer[ConsentText]
    def __init__(self, texts: _Optional[_Iterable[_Union[ConsentText, _Mapping]]] = ...) -> None: ...

class RegisterSpeakerRequest(_message.Message):
    __slots__ = ("name", "language", "licence", "consent")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    language: str
    licence: str
    consent: str
    def __init__(self, name: _Optional[str] = ..., language: _Optional[str] = ..., licence: _Optional[str] = ..., consent: _Optional[str] = ...) -> None: ...

class ListSpeakersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSpeakersResponse(_message.Message):
    __slots__ = ("speakers",)
    SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    speakers: _containers.RepeatedCompositeFieldContainer[Speaker]
    def __init__(self, speakers: _Optional[_Iterable[_Union[Speaker, _Mapping]]] = ...) -> None: ...

class InviteSpeakerRequest(_message.Message):
    __slots__ = ("speaker",)
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    speaker: str
    def __init__(self, speaker: _Optional[str] = ...) -> None: ...

class InviteSpeakerResponse(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class TakeInfo(_message.Message):
    __slots__ = ("utterance", "speaker", "speaker_name", "text", "language", "created_at", "prompt_list", "prompt_id", "checks", "quality", "accepted_anyway", "verdict", "reason", "best", "chosen")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LIST_FIELD_NUMBER: _ClassVar[int]
    PROMPT_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_ANYWAY_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    speaker_name: str
    text: str
    language: str
    created_at: str
    prompt_list: str
    prompt_id: str
    checks: _audio_pb2.AudioChecks
    quality: TakeQuality
    accepted_anyway: _containers.RepeatedScalarFieldContainer[str]
    verdict: Verdict
    reason: str
    best: bool
    chosen: bool
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ..., speaker_name: _Optional[str] = ..., text: _Optional[str] = ..., language: _Optional[str] = ..., created_at: _Optional[str] = ..., prompt_list: _Optional[str] = ..., prompt_id: _Optional[str] = ..., checks: _Optional[_Union[_audio_pb2.AudioChecks, _Mapping]] = ..., quality: _Optional[_Union[TakeQuality, _Mapping]] = ..., accepted_anyway: _Optional[_Iterable[str]] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., reason: _Optional[str] = ..., best: bool = ..., chosen: bool = ...) -> None: ...

class ListTakesRequest(_message.Message):
    __slots__ = ("speaker", "prompt_list", "prompt_id", "search", "verdict", "check", "after", "limit")
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LIST_FIELD_NUMBER: _ClassVar[int]
    PROMPT_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    speaker: str
    prompt_list: str
    prompt_id: str
    search: str
    verdict: Verdict
    check: str
    after: str
    limit: int
    def __init__(self, speaker: _Optional[str] = ..., prompt_list: _Optional[str] = ..., prompt_id: _Optional[str] = ..., search: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., check: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListTakesResponse(_message.Message):
    __slots__ = ("takes", "total", "minutes", "next")
    TAKES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    MINUTES_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    takes: _containers.RepeatedCompositeFieldContainer[TakeInfo]
    total: int
    minutes: float
    next: str
    def __init__(self, takes: _Optional[_Iterable[_Union[TakeInfo, _Mapping]]] = ..., total: _Optional[int] = ..., minutes: _Optional[float] = ..., next: _Optional[str] = ...) -> None: ...

class ReadTakeRequest(_message.Message):
    __slots__ = ("utterance", "speaker")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ...) -> None: ...

class ReadTakeResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class TakeName(_message.Message):
    __slots__ = ("utterance", "speaker")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ...) -> None: ...

class ReviewTakesRequest(_message.Message):
    __slots__ = ("takes", "verdict", "reason")
    TAKES_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    takes: _containers.RepeatedCompositeFieldContainer[TakeName]
    verdict: Verdict
    reason: str
    def __init__(self, takes: _Optional[_Iterable[_Union[TakeName, _Mapping]]] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class ReviewTakesResponse(_message.Message):
    __slots__ = ("changed",)
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    changed: int
    def __init__(self, changed: _Optional[int] = ...) -> None: ...

class ChooseTakeRequest(_message.Message):
    __slots__ = ("utterance", "speaker", "undo")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    UNDO_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    undo: bool
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ..., undo: bool = ...) -> None: ...

class ChooseTakeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CorrectTakeRequest(_message.Message):
    __slots__ = ("utterance", "speaker", "text")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    utterance: str
    speaker: str
    text: str
    def __init__(self, utterance: _Optional[str] = ..., speaker: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class ExportTakesRequest(_message.Message):
    __slots__ = ("takes", "format")
    TAKES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    takes: ListTakesRequest
    format: ExportFormat
    def __init__(self, takes: _Optional[_Union[ListTakesRequest, _Mapping]] = ..., format: _Optional[_Union[ExportFormat, str]] = ...) -> None: ...

class ExportTakesResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

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
    __slots__ = ("list", "format", "refused", "examples", "replaced", "added", "removed", "refused_lines")
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
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_LINES_FIELD_NUMBER: _ClassVar[int]
    list: PromptList
    format: str
    refused: _containers.ScalarMap[str, int]
    examples: _containers.ScalarMap[str, str]
    replaced: bool
    added: int
    removed: int
    refused_lines: _containers.RepeatedCompositeFieldContainer[RefusedLine]
    def __init__(self, list: _Optional[_Union[PromptList, _Mapping]] = ..., format: _Optional[str] = ..., refused: _Optional[_Mapping[str, int]] = ..., examples: _Optional[_Mapping[str, str]] = ..., replaced: bool = ..., added: _Optional[int] = ..., removed: _Optional[int] = ..., refused_lines: _Optional[_Iterable[_Union[RefusedLine, _Mapping]]] = ...) -> None: ...

class RefusedLine(_message.Message):
    __slots__ = ("reason", "where")
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    where: str
    def __init__(self, reason: _Optional[str] = ..., where: _Optional[str] = ...) -> None: ...

class RemovePromptListRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RemovePromptListResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Prompt(_message.Message):
    __slots__ = ("id", "text", "takes", "recorded", "skipped", "flagged", "because")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TAKES_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    FLAGGED_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    id: str
    text: str
    takes: int
    recorded: bool
    skipped: str
    flagged: str
    because: str
    def __init__(self, id: _Optional[str] = ..., text: _Optional[str] = ..., takes: _Optional[int] = ..., recorded: bool = ..., skipped: _Optional[str] = ..., flagged: _Optional[str] = ..., because: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("list", "speaker", "count", "order")
    LIST_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    list: str
    speaker: str
    count: int
    order: PromptOrder
    def __init__(self, list: _Optional[str] = ..., speaker: _Optional[str] = ..., count: _Optional[int] = ..., order: _Optional[_Union[PromptOrder, str]] = ...) -> None: ...

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
    __slots__ = ("prompts", "recorded", "skipped", "flagged", "takes", "minutes", "characters", "characters_covered", "missing_characters", "sounds", "sounds_covered", "sounds_by")
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    FLAGGED_FIELD_NUMBER: _ClassVar[int]
    TAKES_FIELD_NUMBER: _ClassVar[int]
    MINUTES_FIELD_NUMBER: _ClassVar[int]
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    CHARACTERS_COVERED_FIELD_NUMBER: _ClassVar[int]
    MISSING_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    SOUNDS_FIELD_NUMBER: _ClassVar[int]
    SOUNDS_COVERED_FIELD_NUMBER: _ClassVar[int]
    SOUNDS_BY_FIELD_NUMBER: _ClassVar[int]
    prompts: int
    recorded: int
    skipped: int
    flagged: int
    takes: int
    minutes: float
    characters: int
    characters_covered: int
    missing_characters: _containers.RepeatedScalarFieldContainer[str]
    sounds: int
    sounds_covered: int
    sounds_by: str
    def __init__(self, prompts: _Optional[int] = ..., recorded: _Optional[int] = ..., skipped: _Optional[int] = ..., flagged: _Optional[int] = ..., takes: _Optional[int] = ..., minutes: _Optional[float] = ..., characters: _Optional[int] = ..., characters_covered: _Optional[int] = ..., missing_characters: _Optional[_Iterable[str]] = ..., sounds: _Optional[int] = ..., sounds_covered: _Optional[int] = ..., sounds_by: _Optional[str] = ...) -> None: ...
