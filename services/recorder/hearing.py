"""What the model in production hears in a take, laid beside the prompt."""

import logging
from dataclasses import dataclass

from services.recorder.labels import Labels
from services.recorder.misheard import Usual
from services.recorder.served import Models
from voxloom import rpc
from voxloom.audio import SAMPLE_RATE_HZ, Samples, to_pcm16
from voxloom.client import Client, Form
from voxloom.errors import VoxloomError
from voxloom.peers import Peers
from voxloom.text import normalize
from voxloom.v1.inference_pb2_grpc import InferenceServiceStub
from voxloom.wer import align, word_edits

TIMEOUT_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hearing:
    model: str
    prompt: str  # both normalised
    text: str
    usual: Usual | None  # how the model errs on this speaker, where that is known

    @property
    def words(self) -> list[tuple[str, str]]:
        """(of the prompt, heard), position by position; empty where one has none."""
        return [(said, got) for _, said, got in align(self.prompt, self.text)]

    @property
    def wer(self) -> float:
        return word_edits(self.prompt, self.text).rate


class Listener:
    """Can be called from many threads."""

    def __init__(self, peers: Peers, models: Models) -> None:
        self._peers = peers
        self._models = models

    def hear(self, samples: Samples, labels: Labels) -> Hearing | None:
        """`samples`: 16 kHz mono. None where no model is served, or none that knows the language, and when
        inference does not answer in five seconds: a take does not wait for it."""
        try:
            stub = InferenceServiceStub(self._peers.channel("inference"))  # type: ignore[no-untyped-call]
            found = Client(stub, rpc.friendly).recognize(
                to_pcm16(samples).tobytes(), Form("pcm16", SAMPLE_RATE_HZ), timeout_s=TIMEOUT_S
            )
        except VoxloomError as error:
            _log.debug("nobody listened to the take: %s", error)
            return None
        model = self._models.get(found.model)
        if model is not None and not model.knows(labels.language):
            return None
        prompt, text = (normalize(each, labels.language) for each in (labels.text, found.text))
        return Hearing(found.model, prompt, text, model.usual(labels.speaker) if model else None)
