"""The trained network as files: ONNX in sherpa-onnx's CTC contracts, whole and streaming, and PyTorch's own;
proven equal before anything is handed over."""

from datetime import UTC, datetime

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from services.trainer.frozen import Contract, to_graph, to_program, to_pt2
from services.trainer.language_model import Outcome
from services.trainer.model import SUBSAMPLING, Recogniser, count_parameters
from services.trainer.runs import RunRecord
from services.trainer.streaming_export import CHUNK, streaming_graph
from voxloom import keys, lm
from voxloom.bundle import PROGRAM, STREAMING, Export, hash_bytes
from voxloom.decode import LogProbs
from voxloom.engine import Engine
from voxloom.errors import VoxloomError
from voxloom.features import FEATURE_VERSION, NUM_MEL, Features
from voxloom.manifest import DatasetRecord
from voxloom.storage import ObjectStore, write_model
from voxloom.streaming_engine import StreamingEngine
from voxloom.tokenizer import Tokenizer

MAX_DIFFERENCE = 1e-3  # of log probabilities, torch against onnxruntime
_METADATA = {
    "model_type": "zipformer2_ctc",
    "version": "1",
    "model_author": "voxloom",
    "comment": "conformer",
}


_BATCH, _TIME = torch.export.Dim("N", min=1), torch.export.Dim("T", min=9)
CONTRACT = Contract(
    inputs=("x", "x_lens"),
    outputs=("log_probs", "log_probs_len"),
    dynamic_shapes={"x": {0: _BATCH, 1: _TIME}, "x_lens": {0: _BATCH}},
)


class _Named(nn.Module):
    """Names the inputs and outputs as sherpa-onnx's `zipformer_ctc` expects them, by position."""

    def __init__(self, model: Recogniser) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        log_probs, log_probs_len = self.model(x, x_lens)
        return log_probs, log_probs_len


def whole_program(model: Recogniser) -> ExportedProgram:
    """x (N, T, 80) float32 and x_lens (N) int64 -> log_probs (N, T', V), log_probs_len (N); V static."""
    example = (torch.zeros(2, 200, NUM_MEL), torch.tensor([200, 120]))
    return to_program(_Named(model).eval(), example, CONTRACT)


def to_onnx(model: Recogniser) -> bytes:
    """The same as an ONNX file."""
    return to_graph(whole_program(model), CONTRACT, _METADATA)


def frozen(model: Recogniser, probe: list[Features]) -> dict[str, bytes]:
    """The model as files, each of which gave on the probe clips what torch gives; VoxloomError if one did
    not."""
    program = whole_program(model)
    files = {
        "model.onnx": to_graph(program, CONTRACT, _METADATA),
        STREAMING: streaming_graph(model),
        PROGRAM: to_pt2(program),
    }
    for name, measure in (("model.onnx", largest_difference), (STREAMING, largest_difference_streaming)):
        difference = measure(model, files[name], probe)
        if not difference <= MAX_DIFFERENCE:
            raise VoxloomError(
                f"the exported {name} differs from torch by {difference:.2g}, allowed is {MAX_DIFFERENCE:g}; "
                "nothing is handed over"
            )
    return files


@torch.inference_mode()
def largest_difference(model: Recogniser, graph: bytes, features: list[Features]) -> float:
    """Largest difference of log probabilities: each clip alone in torch, all as one ONNX batch."""
    model.eval()
    return _worst(model, features, Engine(graph).log_probs(features), None)


@torch.inference_mode()
def largest_difference_streaming(model: Recogniser, graph: bytes, features: list[Features]) -> float:
    """The same: the whole clip in torch, chunk by chunk with caches in ONNX."""
    model.eval()
    return _worst(model, features, StreamingEngine(graph).log_probs(features), CHUNK)


def _worst(model: Recogniser, features: list[Features], found: list[LogProbs], chunk: int | None) -> float:
    worst = 0.0
    for log_mel_TF, log_probs_SV in zip(features, found, strict=True):
        alone_BSV, _ = model(torch.from_numpy(log_mel_TF)[None], torch.tensor([len(log_mel_TF)]), chunk)
        worst = max(worst, float(np.abs(alone_BSV[0].numpy() - log_probs_SV).max()))
    return worst


def export(
    store: ObjectStore,
    run: RunRecord,
    dataset: DatasetRecord,
    model: Recogniser,
    tokenizer: Tokenizer,
    probe: list[Features],
    val_wer: float,
    language: Outcome | None = None,
) -> Export:
    """Writes graphs, program, tokens, language model and, last, export.json; VoxloomError when one of them
    does not say what torch says."""
    language = language or Outcome()
    files = frozen(model, probe) | {"tokens.txt": tokenizer.to_tokens_txt().encode()}
    if language.arpa:
        files[lm.FILE] = language.arpa
    for name, data in files.items():
        store.put(keys.export_file(run.run, name), data)
    record = Export(
        run=run.run,
        model=run.model,
        dataset=run.dataset,
        files={name: hash_bytes(data) for name, data in files.items()},
        languages=dataset.languages,
        normalizer_version=dataset.normalizer_version,  # the model writes what it was taught
        feature_version=FEATURE_VERSION,
        subsampling=SUBSAMPLING,
        parameters=count_parameters(model),
        recipe=run.recipe["name"],
        val_wer=val_wer,
        val_wer_lm=language.val_wer_lm,
        decoding=language.decoding,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        trace=run.trace,
    )
    write_model(store, keys.export_file(run.run, "export.json"), record)
    return record
