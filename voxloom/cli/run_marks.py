"""An utterance in a web page: what was heard marked where it is wrong, and its sound."""

import base64
from collections.abc import Iterable, Mapping

from voxloom.cli.html import text
from voxloom.wer import align


def marked(reference: str, hypothesis: str) -> str:
    """What was heard as HTML: wrong words underlined, words left out struck through."""
    parts = []
    for op, said, heard in align(reference, hypothesis):
        if op == "equal":
            parts.append(text(heard))
        if op in ("delete", "substitute"):
            parts.append(f"<del>{text(said)}</del>")
        if op in ("insert", "substitute"):
            parts.append(f"<ins>{text(heard)}</ins>")
    return " ".join(parts) or "(nothing)"


def player(utterance: str, clips: Mapping[str, bytes]) -> Iterable[str]:
    """Plays the WAV file in the page; nothing without one."""
    if utterance in clips:
        source = f"data:audio/wav;base64,{base64.b64encode(clips[utterance]).decode()}"
        label = text(f"audio of {utterance}")
        yield f'<audio controls preload="none" aria-label="{label}" src="{source}"></audio>'
