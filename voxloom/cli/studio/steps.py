"""What a session asks for, and what it is answered."""

from dataclasses import dataclass

from voxloom.v1 import recorder_pb2 as pb


@dataclass(frozen=True)
class Fetch:
    """Ask for the next prompt and the progress."""


@dataclass(frozen=True)
class Check:
    prompt: pb.Prompt
    pcm: bytes


@dataclass(frozen=True)
class Store:
    prompt: pb.Prompt
    pcm: bytes
    anyway: bool  # whatever the checks say


@dataclass(frozen=True)
class Mark:
    prompt: pb.Prompt
    skip: bool  # else flag
    reason: str


@dataclass(frozen=True)
class Play:
    pcm: bytes


@dataclass(frozen=True)
class Quit:
    pass


@dataclass(frozen=True)
class Fetched:
    prompt: pb.Prompt | None  # None: every prompt is read or skipped
    progress: pb.Progress


@dataclass(frozen=True)
class Refused:
    """Nothing can be made of the take; nothing overrules that."""

    message: str


@dataclass(frozen=True)
class Failed:
    """The recorder did not answer, or not as expected."""

    message: str


Call = Fetch | Check | Store | Mark
Do = Call | Play | Quit
Answer = Fetched | pb.CheckTakeResponse | pb.UploadTakeResponse | pb.MarkPromptResponse | Refused | Failed
