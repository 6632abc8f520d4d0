"""How well long recordings are cut that have a text without times: python tests/bench/cutting.py

Utterances whose texts are known (examples/an4, or any corpus that `voxloom import` reads) are put behind
each other, the silence at their ends replaced by pauses of known length, to recordings of some minutes with
one text each. `voxloom cut` cuts them, in a process of its own. For each length of pause is printed:

  pauses     between utterances: drawn evenly from two thirds to four thirds of --pauses
  pieces     that the command wrote
  texts      of pieces that are exactly what is said in them
  right      of these pieces, those that also begin and end in the pauses around what is said
  words      of what is said in the pieces that their texts have right: 1 - word error rate
  kept       of the audio that is in pieces; the rest is listed in left-out.csv
  real time  how many times faster than listening the whole command is, reading and writing included
  memory     the most that the process ever held
  no text    the same recordings cut without their texts, and how many pieces end inside of an utterance, at
             a comma say; with --vad-model FILE (a silero_vad.onnx) also how many where Silero hears speech

A 3.3 hour recording: --minutes 200 --number 1. A reader's sentences: the folder or manifest of any corpus.
"""

import argparse
import csv
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import soundfile
from child import measured
from joined import Span, recordings, utterances

from voxloom.audio import Samples
from voxloom.corpora.activity import Activity
from voxloom.corpora.silero import detector
from voxloom.wer import Edits, word_edits

ROOT = Path(__file__).parents[2]
Made = list[tuple[Path, list[Span]]]  # recordings, and what is said in each
SLACK_S = 0.1  # between what is taken for the end of a voice here and there


@dataclass
class Score:
    pieces: int = 0
    texts: int = 0  # right
    right: int = 0
    kept_s: float = 0.0
    words: Edits = field(default_factory=Edits)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", nargs="?", type=Path, default=ROOT / "examples" / "an4")
    parser.add_argument("--pauses", type=float, nargs="+", default=[0.15, 0.3, 0.6], help="seconds")
    parser.add_argument("--minutes", type=float, default=5.0, help="of each recording")
    parser.add_argument("--number", type=int, default=0, help="recordings; 0: as the corpus has, once")
    parser.add_argument("--vad-model", type=Path)
    args = parser.parse_args()
    for pause_s in args.pauses:
        with tempfile.TemporaryDirectory(prefix="voxloom-bench-") as work:
            corpus = utterances(args.corpus, repeated=args.number > 0)
            found = recordings(corpus, pause_s, 60 * args.minutes, Path(work))
            made = list(islice(found, args.number or None))
            with_text(made, pause_s, Path(work))
            without_text(made, args.vad_model, Path(work))
    return 0


def with_text(made: Made, pause_s: float, work: Path) -> None:
    """One command for all recordings."""
    _, seconds, peak_mb = measured(cut, [path for path, _ in made], work / "cut")
    score, total_s = Score(), sum(soundfile.info(path).duration for path, _ in made)
    found = pieces_of(work / "cut")
    for path, truth in made:
        for piece in found.get(path.name, []):
            judge(score, piece, truth)
    said = sum(len(truth) for _, truth in made)
    print(
        f"pauses of {pause_s / 1.5:.2f} to {pause_s / 0.75:.2f} s; {len(made)} recordings, {said} utterances"
    )
    print(f"  pieces     {score.pieces}; left out: {left_out(work / 'cut')}")
    print(f"  texts      {score.texts}, {share(score.texts, score.pieces)}")
    print(f"  right      {score.right}, {share(score.right, score.pieces)}")
    print(f"  words      {share(score.words.reference - score.words.errors, score.words.reference)}")
    print(f"  kept       {share(score.kept_s, total_s)} of {total_s / 60:.1f} minutes")
    print(f"  real time  {total_s / seconds:.0f} times faster, {seconds:.1f} s")
    print(f"  memory     {peak_mb:.0f} MB", flush=True)


def without_text(made: Made, model: Path | None, work: Path) -> None:
    paths = [path for path, _ in made]
    for path in paths:
        path.with_suffix(".txt").unlink()
    _, seconds, peak_mb = measured(cut, paths, work / "plain")
    found = pieces_of(work / "plain")
    ends = sum(map(len, found.values()))
    inside = sum(is_inside(piece.end_s, truth) for path, truth in made for piece in found.get(path.name, []))
    print(
        f"  no text    {ends} pieces; left out: {left_out(work / 'plain')}; {seconds:.1f} s, {peak_mb:.0f} MB"
    )
    print(f"             {inside} of their ends lie inside of an utterance", flush=True)
    if model:
        hear = detector(model)
        in_speech = sum(ends_in_speech(path, found.get(path.name, []), hear) for path in paths)
        print(f"             at {in_speech} of their ends Silero hears speech", flush=True)


def is_inside(time_s: float, truth: list[Span]) -> bool:
    return any(each.start_s + SLACK_S < time_s < each.end_s - SLACK_S for each in truth)


def ends_in_speech(path: Path, pieces: list[Span], hear: Callable[[Iterable[Samples]], Activity]) -> int:
    heard = hear([soundfile.read(path, dtype="float32")[0]])
    frames = [min(int(piece.end_s / heard.hop_s), len(heard.speech) - 1) for piece in pieces]
    return int(heard.speech[frames].sum())


def left_out(folder: Path) -> str:
    reasons = Counter(row["reason"] for row in rows_of(folder / "left-out.csv"))
    return ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items())) or "nothing"


def cut(paths: list[Path], out: Path) -> None:
    """`voxloom cut`, in this process."""
    from voxloom.cli import app

    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        app(["cut", *map(str, paths), "--out", str(out)], standalone_mode=False)


def pieces_of(folder: Path) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for row in rows_of(folder / "manifest.csv"):
        piece = Span(float(row["start_s"]), float(row["end_s"]), row["text"])
        found.setdefault(row["recording"], []).append(piece)
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def judge(score: Score, piece: Span, truth: list[Span]) -> None:
    """What is said in a piece is every utterance whose middle lies in it."""
    inside = [k for k, (a, b, _) in enumerate(truth) if piece.start_s < (a + b) / 2 < piece.end_s]
    said = " ".join(truth[k].text for k in inside)
    score.pieces += 1
    score.kept_s += piece.end_s - piece.start_s
    score.words += word_edits(said, piece.text)
    score.texts += said == piece.text
    score.right += said == piece.text and bool(inside) and has_edges(piece, truth, inside[0], inside[-1])


def has_edges(piece: Span, truth: list[Span], first: int, last: int) -> bool:
    """Whether it holds these utterances whole, and nothing of those beside them."""
    before_s = truth[first - 1].end_s if first else 0.0
    after_s = truth[last + 1].start_s if last + 1 < len(truth) else piece.end_s
    begins = before_s - SLACK_S <= piece.start_s <= truth[first].start_s + SLACK_S
    return begins and truth[last].end_s - SLACK_S <= piece.end_s <= after_s + SLACK_S


def share(part: float, whole: float) -> str:
    return f"{100 * part / max(whole, 1e-9):.1f} %"


if __name__ == "__main__":
    raise SystemExit(main())
