"""Values to messages."""

from services.recorder.prompt_lists import PromptList
from services.recorder.prompting import Imported, PromptState, Standing
from services.recorder.takes import StoredTake
from voxloom.v1 import audio_pb2
from voxloom.v1 import recorder_pb2 as pb


def stored_take(take: StoredTake) -> pb.UploadTakeResponse:
    return pb.UploadTakeResponse(
        utterance=take.record.utterance,
        speaker=take.record.speaker,
        record_key=take.record_key,
        checks=audio_pb2.AudioChecks(**take.record.levels.model_dump()),
        already_stored=take.already_stored,
    )


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
        replaced=outcome.replaced,
    )


def prompt(state: PromptState) -> pb.Prompt:
    return pb.Prompt(
        id=state.prompt.id,
        text=state.prompt.text,
        takes=state.takes,
        recorded=state.recorded,
        skipped=state.skipped,
        flagged=state.flagged,
        why=state.why,
    )


def progress(standing: Standing) -> pb.Progress:
    return pb.Progress(
        prompts=len(standing.states),
        recorded=sum(state.recorded for state in standing.states),
        skipped=sum(bool(state.skipped) for state in standing.states),
        flagged=sum(bool(state.flagged) for state in standing.states),
        takes=standing.takes,
        minutes=standing.seconds / 60,
        characters=len(standing.characters),
        characters_covered=len(standing.said),
        missing_characters=standing.missing,
    )
