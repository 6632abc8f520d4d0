"""Values to messages."""

from services.recorder.checked import Checked, StoredTake
from services.recorder.checks import Finding
from services.recorder.hearing import Hearing
from services.recorder.prompt_lists import PromptList
from services.recorder.prompting import Imported, PromptState, Standing
from voxloom.manifest import AudioLevels, TakeQuality
from voxloom.v1 import audio_pb2
from voxloom.v1 import recorder_pb2 as pb


def stored_take(take: StoredTake) -> pb.UploadTakeResponse:
    return pb.UploadTakeResponse(
        utterance=take.record.utterance,
        speaker=take.record.speaker,
        record_key=take.record_key,
        checks=levels(take.record.levels),
        already_stored=take.already_stored,
        findings=map(_finding, take.findings),
        quality=quality(take.record.quality),
        hearing=_hearing(take.hearing),
    )


def checked_take(checked: Checked) -> pb.CheckTakeResponse:
    return pb.CheckTakeResponse(
        findings=map(_finding, checked.findings),
        checks=levels(checked.heard.levels),
        quality=quality(checked.heard.quality),
        hearing=_hearing(checked.hearing),
    )


def quality(found: TakeQuality | None) -> pb.TakeQuality | None:
    """None of a take that an earlier release stored."""
    names = {each.name for each in pb.TakeQuality.DESCRIPTOR.fields}
    return pb.TakeQuality(**found.model_dump(include=names)) if found else None


def levels(found: AudioLevels) -> audio_pb2.AudioChecks:
    return audio_pb2.AudioChecks(**found.model_dump())


def _finding(finding: Finding) -> pb.TakeFinding:
    return pb.TakeFinding(check=finding.check, message=finding.message, hint=finding.is_hint)


def _hearing(found: Hearing | None) -> pb.Hearing | None:
    if found is None:
        return None
    words = (pb.WordPair(prompt=said, heard=heard) for said, heard in found.words)
    return pb.Hearing(model=found.model, text=found.text, words=words, wer=found.wer)


def prompt_list(prompts: PromptList) -> pb.PromptList:
    return pb.PromptList(
        name=prompts.name,
        language=prompts.language,
        prompts=len(prompts.prompts),
        origin=prompts.origin,
        built_in=prompts.built_in,
        created_at=prompts.created_at,
    )


def imported(outcome: Imported) -> pb.ImportPromptsResponse:
    return pb.ImportPromptsResponse(
        list=prompt_list(outcome.prompts),
        format=outcome.found.format,
        refused=dict(outcome.found.refused),
        examples=outcome.found.examples,
        replaced=outcome.replaced is not None,
        added=outcome.added,
        removed=outcome.removed,
        refused_lines=(pb.RefusedLine(reason=why, where=where) for why, where in outcome.found.lines),
    )


def prompt(state: PromptState) -> pb.Prompt:
    return pb.Prompt(
        id=state.prompt.id,
        text=state.prompt.text,
        takes=state.takes,
        recorded=state.recorded,
        skipped=state.skipped,
        flagged=state.flagged,
        because=state.because,
    )


def progress(standing: Standing) -> pb.Progress:
    return pb.Progress(
        prompts=len(standing.states),
        recorded=sum(state.recorded for state in standing.states),
        skipped=sum(bool(state.skipped) for state in standing.states),
        flagged=sum(bool(state.flagged) for state in standing.states),
        takes=standing.takes,
        minutes=standing.seconds / 60,
        characters=len(standing.covered.characters),
        characters_covered=len(standing.covered.said),
        missing_characters=standing.missing,
        sounds=standing.covered.sounds,
        sounds_covered=standing.covered.sounds_said,
        sounds_by=standing.covered.sounds_by,
    )
