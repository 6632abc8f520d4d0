"""Who looks at the pages, and what they may call.

Without an API key (on loopback only: `Config` refuses another bind) whoever sits at this machine may do all.
With one, the key opens everything, and the secret of an invited speaker what concerns their own takes."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from google.protobuf.message import Message

from services.recorder.labels import named_speaker
from services.recorder.web.methods import Method
from voxloom.errors import BadInput, Forbidden, Unauthenticated
from voxloom.rpc import blocking

COOKIE = "voxloom_studio"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# What an invited speaker may call, and where the request says whose takes it is about (None: nobody's).
_OWN: dict[str, str | None] = {
    "recorder/UploadTake": "take.speaker",
    "recorder/CheckTake": "take.speaker",
    "recorder/DeleteRecording": "speaker",
    "recorder/ListPromptLists": None,
    "recorder/ListPrompts": "speaker",
    "recorder/NextPrompts": "speaker",
    "recorder/MarkPrompt": "speaker",
    "recorder/GetProgress": "speaker",
    "recorder/ListTakes": "speaker",
    "recorder/ReadTake": "speaker",
    "recorder/ChooseTake": "speaker",
    "recorder/CorrectTake": "speaker",
    "inference/GetServingModel": None,
    "inference/StreamingRecognize": None,
}

SpeakerOf = Callable[[str], str | None]


@dataclass(frozen=True)
class Caller:
    speaker: str = ""  # an id; empty: an admin

    def check(self, method: Method, message: Message) -> None:
        """Forbidden unless the caller may send this; an empty speaker becomes the caller's own."""
        if not self.speaker:
            return
        if method.name not in _OWN:
            raise Forbidden(f"{method.name} needs the studio's key; ask whoever runs it")
        if (where := _OWN[method.name]) is not None:
            self._check_speaker(message, where)

    def check_speaker(self, speaker: str) -> None:
        if self.speaker and (not speaker or named_speaker(speaker) != self.speaker):
            raise Forbidden("the takes of others need the studio's key; ask whoever runs it")

    def _check_speaker(self, message: Message, where: str) -> None:
        *outer, field = where.split(".")
        for name in outer:
            if not message.HasField(name):
                return  # a chunk of audio after the first message
            message = getattr(message, name)
        if not getattr(message, field):
            setattr(message, field, self.speaker)
        self.check_speaker(getattr(message, field))


class Callers:
    """Knows callers by a cookie that pages cannot read and other sites cannot send."""

    def __init__(self, keys: Sequence[str], speaker_of: SpeakerOf, name_of: Callable[[str], str]) -> None:
        """`speaker_of`: the id that a secret belongs to; `name_of`: of an id. Both may wait for the store."""
        self._keys = keys
        self._speaker_of = speaker_of
        self._name_of = name_of

    @property
    def open(self) -> bool:
        return not self._keys

    async def of(self, request: web.Request) -> Caller:
        """Unauthenticated for somebody who has to bring a key first."""
        self.check_site(request)
        cookie = request.cookies.get(COOKIE, "")
        if self.open or any(hmac.compare_digest(cookie, _pass(key)) for key in self._keys):
            return Caller()
        if cookie and (speaker := await blocking(self._speaker_of, cookie)):
            return Caller(speaker)
        raise Unauthenticated(
            "the studio wants a key: the API key of this installation, or the secret of your invitation"
        )

    async def name(self, caller: Caller) -> str:
        """As the speaker was registered; empty for an admin."""
        return await blocking(self._name_of, caller.speaker) if caller.speaker else ""

    async def admit(self, request: web.Request, key: str) -> str:
        """The cookie for a key or a speaker's secret; Unauthenticated for anything else."""
        self.check_site(request)
        given = key.strip().encode()
        for known in self._keys:
            if hmac.compare_digest(given, known.encode()):
                return _pass(known)
        if await blocking(self._speaker_of, key.strip()):
            return key.strip()
        raise Unauthenticated("this key opens nothing here; look for blanks, or ask for a new invitation")

    def check_site(self, request: web.Request) -> None:
        """Refuses what another web site makes a browser send, and names of this host that are not its own."""
        if self.open and _host(request.host) not in _LOOPBACK:
            raise Forbidden(
                f"this studio answers on localhost only, not as {request.host[:100]!r}; "
                "to reach it from elsewhere set VOXLOOM_API_KEY and VOXLOOM_GRPC_HOST"
            )
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
            raise Forbidden(f"a page of {origin[:100]} may not call the studio at {request.host[:100]}")
        if request.method != "GET" and request.content_type != "application/json":
            raise BadInput(f"content type {request.content_type!r}; send application/json")


def _host(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def _pass(key: str) -> str:
    """What the browser keeps in place of the key itself."""
    return hmac.new(key.encode(), b"voxloom studio", hashlib.sha256).hexdigest()
