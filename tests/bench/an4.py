"""The trainer on AN4, from scratch: python tests/bench/an4.py --minutes 60 --seeds 1 2 3

Trains a recipe on the training speakers of a corpus (examples/an4, or a folder with such a manifest.tsv) but
for one in twelve, who are the validation set, and prints for each seed the word error rate on the corpus' own
test speakers:

  greedy     the best frame by frame
  lm         beam search with a language model of the training transcripts only, its weights found on val
  sclite     what NIST's scorer (Debian's sctk) counts in both, if it is installed; they have to agree

Published on AN4: ESPnet 7.6 without and 7.4 with a language model, deepspeech.pytorch 9.6, Kaldi's best 5.95.
"""

import argparse
import csv
import hashlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from services.trainer.averaging import choose_weights
from services.trainer.checkpoint import Checkpoints
from services.trainer.clips import Clip, Clips
from services.trainer.data import Features, training_data
from services.trainer.evaluate import decoders
from services.trainer.language_model import build, list_heard
from services.trainer.metrics import MetricsLog
from services.trainer.process import stopwatch
from services.trainer.recipes import Recipe, named, override
from services.trainer.sentences import Sentences
from services.trainer.train import Hooks, State, Task, new_state, train
from services.trainer.tuning import Heard, tune
from services.trainer.units import learn
from voxloom import audio
from voxloom.cpus import cpu_count
from voxloom.lm import read_arpa
from voxloom.manifest import Utterance
from voxloom.storage import FolderStore
from voxloom.text import normalize
from voxloom.tokenizer import CharTokenizer
from voxloom.wer import total, word_edits

ROOT = Path(__file__).parents[2]
Texts = list[tuple[str, str]]  # reference and hypothesis


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", nargs="?", type=Path, default=ROOT / "examples" / "an4")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--minutes", type=float, default=0.0, help="of training; 0: all epochs of the recipe")
    parser.add_argument("--recipe", default="tiny")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=NUMBER", help="changes to the recipe")
    parser.add_argument("--threads", type=int, default=cpu_count())
    parser.add_argument("--folder", type=Path, help="for checkpoints: the same command goes on from there")
    args = parser.parse_args()
    recipe = override(named(args.recipe), {name: float(value) for name, value in pairs(args.set)})
    torch.set_num_threads(1)
    splits = {split: read(args.corpus, split) for split in ("train", "val", "test")}
    print(", ".join(f"{name} {len(clips.clips)} utterances" for name, clips in splits.items()))
    with tempfile.TemporaryDirectory() as scratch:
        store = FolderStore(args.folder or Path(scratch))
        found = [one(splits, recipe, seed, args.minutes, args.threads, store) for seed in args.seeds]
    for name in found[0]:
        rates = [each[name] for each in found]
        print(f"{name:<8} mean of {len(rates)}: {statistics.mean(rates):.2f} % WER")
    return 0


def pairs(changes: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (change.partition("=") for change in changes)]


def one(
    splits: dict[str, Clips], recipe: Recipe, seed: int, minutes: float, threads: int, store: FolderStore
) -> dict[str, float]:
    """WER in percent by decoder."""
    task = task_of(splits, recipe, seed, minutes, threads)
    state, wer = trained(task, store)
    print(
        f"seed {seed}: {state.at.epoch} epochs in {state.at.trained_s / 60:.1f} min, val {100 * wer:.1f} %, "
        f"best epochs {', '.join(f'{each.epoch} ({100 * each.wer:.1f} %)' for each in state.at.best)}"
    )
    return {name: rate(texts, f"{name} of seed {seed}") for name, texts in heard(task, state, splits).items()}


def task_of(splits: dict[str, Clips], recipe: Recipe, seed: int, minutes: float, threads: int) -> Task:
    texts = Counter(clip.row.text for clip in splits["train"].clips)
    alphabet, pieces = "".join(sorted(set("".join(texts)))), int(recipe.pieces)
    tokenizer = learn(texts, alphabet, pieces) if pieces else CharTokenizer.from_alphabet(alphabet)
    data, _ = training_data(splits["train"], tokenizer, recipe, seed)
    return Task(recipe, seed, minutes * 60, data, Features(splits["val"], recipe), tokenizer, threads=threads)


def trained(task: Task, store: FolderStore) -> tuple[State, float]:
    """The state with the weights that would be exported as its average, and their WER on val."""
    checkpoints = Checkpoints(store, f"r-seed-{task.seed}")
    state = new_state(task)
    checkpoints.restore(state)
    log = MetricsLog(store, checkpoints.run, state.at.step, lambda line: None)

    def keep(at: State, wer: float, cer: float) -> None:
        checkpoints.save_best(at, wer, cer)
        print(f"  epoch {at.at.epoch}: val {100 * wer:.1f} %", end="\r", file=sys.stderr, flush=True)

    hooks = Hooks(log=log, save=checkpoints.save, save_best=keep, should_stop=lambda: False, lap=stopwatch())
    state = train(task, state, hooks)
    return state, choose_weights(checkpoints, state, task.val, task.tokenizer)


def heard(task: Task, state: State, splits: dict[str, Clips]) -> dict[str, Texts]:
    val = list_heard(state.average, task.val)
    counts = Counter(clip.row.text for clip in splits["train"].clips)
    arpa, _ = build(Sentences(dict(counts), []), [each.reference for each in val])
    weights = tune(val, task.tokenizer, read_arpa(arpa), task.threads)
    print(f"  language model: {weights}")
    test: list[Heard] = list_heard(state.average, Features(splits["test"], task.recipe))
    return {
        name: [(each.reference, decode(each.log_probs_SV)) for each in test]
        for name, decode in decoders(task.tokenizer, arpa, weights).items()
    }


def rate(texts: Texts, name: str) -> float:
    edits = total(word_edits(*each) for each in texts)
    told = f"  {name}: {100 * edits.rate:.2f} % WER, {edits.errors} errors in {edits.reference} words"
    if (referee := sclite(texts)) is not None:
        told += f"; sclite counts {referee}"
        assert referee == edits.errors, told
    print(told)
    return 100 * edits.rate


def sclite(texts: Texts) -> int | None:
    """Word errors by NIST's scorer; None where it is not installed."""
    if not (command := shutil.which("sclite") or shutil.which("sctk")):
        return None
    with tempfile.TemporaryDirectory() as folder:
        for name, index in (("ref", 0), ("hyp", 1)):
            lines = (f"{each[index]} (s-{number:05d})\n" for number, each in enumerate(texts))
            (Path(folder) / name).write_text("".join(lines))
        prefix = [command] if command.endswith("sclite") else [command, "sclite"]
        options = [
            "-r",
            f"{folder}/ref",
            "trn",
            "-h",
            f"{folder}/hyp",
            "trn",
            "-i",
            "rm",
            "-o",
            "dtl",
            "stdout",
        ]
        out = subprocess.run([*prefix, *options], check=True, capture_output=True, text=True).stdout
    found = re.search(r"Percent Total Error\s*=\s*[\d.]+%\s*\(\s*(\d+)\)", out)
    assert found, out
    return int(found[1])


def read(corpus: Path, split: str) -> Clips:
    """The corpus' own train and test; val is one in twelve of the speakers of train."""
    clips: list[Clip] = []
    samples: list[np.ndarray] = []
    start = 0
    with (corpus / "manifest.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if split_of(row["speaker"], row["split"]) != split:
                continue
            pcm = np.rint(audio.decode((corpus / row["path"]).read_bytes()).samples * 32767).astype(np.int16)
            clips.append(Clip(utterance(row, len(pcm)), start, len(pcm)))
            samples.append(pcm)
            start += len(pcm)
    return Clips(clips, [np.concatenate(samples)])


def split_of(speaker: str, published: str) -> str:
    held_out = int(hashlib.sha256(speaker.encode()).hexdigest(), 16) % 12 == 0
    return "val" if published == "train" and held_out else published


def utterance(row: dict[str, str], num_samples: int) -> Utterance:
    return Utterance(
        utterance=Path(row["path"]).stem,
        audio_key=row["path"],
        text=normalize(row["text"], "en"),
        speaker=row["speaker"],
        language="en",
        source="imported",
        corpus="an4",
        duration_s=num_samples / audio.SAMPLE_RATE_HZ,
        audio_sha256="",
        split=split_of(row["speaker"], row["split"]),
    )


if __name__ == "__main__":
    raise SystemExit(main())
