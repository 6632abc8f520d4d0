"""Torch to ONNX, in sherpa-onnx's CTC contract, proven equal before anything is handed over."""

import io
import warnings
from datetime import UTC, datetime

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from services.trainer.language_model import Outcome
from services.trainer.model import SUBSAMPLING, Recogniser, count_parameters
from services.trainer.runs import RunRecord
from voxloom import keys, lm
from voxloom.bundle import Export, hash_bytes
from voxloom.engine import Engine
from voxloom.errors import VoxloomError
from voxloom.features import FEATURE_VERSION, NUM_MEL, Features
from voxloom.manifest import DatasetRecord
from voxloom.storage import ObjectStore, write_model
from voxloom.tokenizer import Tokenizer

OPSET = 18
MAX_DIFFERENCE = 1e-3  # of log probabilities, torch against onnxruntime
_METADATA = {
    "model_type": "zipformer2_ctc",
    "version": "1",
    "model_author": "voxloom",
    "comment": "conformer",
}


class _Contract(nn.Module):
    """Names the inputs and outputs as sherpa-onnx's `zipformer_ctc` expects them, by position."""

    def __init__(self, model: Recogniser) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        log_probs, log_probs_len = self.model(x, x_lens)
        return log_probs, log_probs_len


def to_onnx(model: Recogniser) -> bytes:
    """x (N, T, 80) float32 and x_lens (N) int64 -> log_probs (N, T', V), log_probs_len (N); V static."""
    contract = _Contract(model).eval()
    x, x_lens = torch.zeros(2, 200, NUM_MEL), torch.tensor([200, 120])
    batch, time = torch.export.Dim("N", min=1), torch.export.Dim("T", min=9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about itself
        program = torch.onnx.export(
            contract,
            (x, x_lens),
            input_names=["x", "x_lens"],
            output_names=["log_probs", "log_probs_len"],
            dynamic_shapes={"x": {0: batch, 1: time}, "x_lens": {0: batch}},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto
    _forget_the_making(graph)
    onnx.helper.set_model_props(graph, _METADATA)
    stream = io.BytesIO()
    onnx.save(graph, stream)
    return stream.getvalue()


def _forget_the_making(model: onnx.ModelProto) -> None:
    """Drops the exporter's notes: stack traces with the paths of this machine, most of a small file."""
    model.graph.ClearField("metadata_props")
    for noted in (*model.graph.node, *model.graph.value_info):
        noted.ClearField("metadata_props")


@torch.inference_mode()
def largest_difference(model: Recogniser, graph: bytes, features: list[Features]) -> float:
    """Largest difference of log probabilities: each clip alone in torch, all as one ONNX batch."""
    model.eval()
    together = Engine(graph).log_probs(features)
    worst = 0.0
    for log_mel_TF, log_probs_SV in zip(features, together, strict=True):
        alone_BSV, _ = model(torch.from_numpy(log_mel_TF)[None], torch.tensor([len(log_mel_TF)]))
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
    """Writes graph, tokens, language model and, last, export.json; VoxloomError when ONNX does not say what
    torch says."""
    language = language or Outcome()
    graph, tokens = to_onnx(model), tokenizer.to_tokens_txt().encode()
    difference = largest_difference(model, graph, probe)
    if not difference <= MAX_DIFFERENCE:
        raise VoxloomError(
            f"the exported graph differs from torch by {difference:.2g}, allowed is {MAX_DIFFERENCE:g}; "
            "nothing is handed over"
        )
    files = {"model.onnx": graph, "tokens.txt": tokens}
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
