"""Transcripts that a run's model doubts, as text and as a part of its page: nothing is left out by itself."""

from collections.abc import Iterable, Mapping

from voxloom.cli.html import text
from voxloom.cli.output import say
from voxloom.cli.run_marks import marked, player
from voxloom.errors import NotFound
from voxloom.run_report import Suspect, Suspects

_MOST_IDS = 5  # in an example of a command


def there(suspects: Suspects | None, run: str) -> Suspects:
    """NotFound for a run without: it has not ended, or an earlier release trained it."""
    if suspects is None:
        raise NotFound(
            f"run {run} has no list of suspect transcripts; it is made when a training ends, "
            "and not by earlier releases"
        )
    return suspects


def tell_count(suspects: Suspects | None, run: str) -> None:
    """One line, where there is something to look at."""
    if suspects and suspects.found:
        count = f"{suspects.found} of {suspects.scored} transcripts of train and val may be wrong"
        say(f"{count}: voxloom runs show {run} --suspects", "yellow")


def show_suspects(suspects: Suspects, run: str) -> None:
    say(f"transcripts of run {run} that may be wrong", "bold")
    for line in _summary(suspects):
        say(line)
    for each in suspects.suspects:
        say()
        say(f"{each.utterance}: score {each.score:.1f}; {_about(each)}")
        say(f"  transcript {each.reference}")
        say(f"  heard      {each.heard or '(nothing)'}")
    if suspects.suspects:
        say()
        for line in _what_to_do(suspects, run):
            say(line)


def section(suspects: Suspects | None, run: str, clips: Mapping[str, bytes]) -> Iterable[str]:
    """HTML; `clips` are WAV files by utterance."""
    if suspects is None:
        return
    yield "<h2>Transcripts that may be wrong</h2>"
    yield from (f"<p>{text(line)}</p>" for line in _summary(suspects))
    if suspects.suspects:
        yield from (f"<p>{text(line)}</p>" for line in _what_to_do(suspects, run))
    for each in suspects.suspects:
        yield f'<div class="worst"><p>{text(each.reference)}</p>'
        heard = marked(each.reference, each.heard) if each.heard else "(nothing)"
        yield f"<p>heard: {heard}</p>"
        yield f'<p class="dim">{text(f"{each.utterance}, score {each.score:.1f}; {_about(each)}")}</p>'
        yield from player(each.utterance, clips)
        yield "</div>"


def _summary(suspects: Suspects) -> Iterable[str]:
    yield f"{suspects.found} of {suspects.scored} transcripts of train and val are suspect: {suspects.rule}."
    if suspects.found > len(suspects.suspects):
        yield f"Listed are the {len(suspects.suspects)} with the highest scores."
    if suspects.not_scored:
        reasons = (f"{count} {reason.replace('_', ' ')}" for reason, count in suspects.not_scored.items())
        yield f"Not scored: {', '.join(reasons)}."


def _about(suspect: Suspect) -> str:
    where = f"{suspect.split}, {suspect.source}, speaker {suspect.speaker}, {suspect.duration_s:.1f} s"
    return f"{where}, {suspect.audio_key}"


def _what_to_do(suspects: Suspects, run: str) -> Iterable[str]:
    """What a person decides after listening."""
    ids = [each.utterance for each in suspects.suspects[:_MOST_IDS]]
    yield f"Nothing is left out by itself. Listen first: voxloom runs listen {run} --suspects {len(ids)}"
    named = " ".join(f"--utterance {each}" for each in ids)
    yield f"To take wrong ones out of the store and of all later datasets: voxloom forget {named}"
    yield (
        "To mend one instead: after that voxloom forget --undo with the same ids, then correct the corpus "
        "and import it again, or record the sentence again."
    )
