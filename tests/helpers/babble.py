"""An untrained network with something to say: its mean is taken off, so that there is text to compare."""

import torch

from services.trainer.model import Recogniser
from services.trainer.recipes import named
from voxloom.audio import Samples
from voxloom.features import fbank
from voxloom.tokenizer import Tokenizer


def babbling(tokenizer: Tokenizer, speech: Samples, recipe: str = "smoke") -> Recogniser:
    """`speech`: what its mean is taken of."""
    torch.manual_seed(3)
    model = Recogniser(named(recipe).model, len(tokenizer)).eval()
    log_mel_BTF = torch.from_numpy(fbank(speech))[None]
    with torch.no_grad():
        log_probs_BSV, _ = model(log_mel_BTF, torch.tensor([log_mel_BTF.shape[1]]))
        model.head.bias -= log_probs_BSV[0].mean(0)
    return model
