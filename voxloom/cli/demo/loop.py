"""The demo's phases, in the order of the flow."""

from collections.abc import Mapping, Sequence
from typing import Any

from voxloom.cli import importing, runview
from voxloom.cli.corpus import read_manifest
from voxloom.cli.demo import score
from voxloom.cli.demo.chain import Chain
from voxloom.cli.demo.corpus import Clip, DemoCorpus
from voxloom.cli.demo.place import Place
from voxloom.cli.demo.report import Report
from voxloom.cli.model_view import DECODERS
from voxloom.cli.models import by_decoder, describe_errors, served_decoder
from voxloom.cli.output import Meter, audio_time, percent, say, size, when
from voxloom.cli.sending import send_take
from voxloom.errors import NotReady, VoxloomError
from voxloom.v1 import ingest_pb2, optimizer_pb2, recorder_pb2

CORPUS = "an4"
STREAMED = 10
SHOWN = 8
_SPLITS = ("train", "val", "test")


class Demo:
    """One walk through the loop; every phase finds what an earlier walk has done and goes on from there."""

    def __init__(self, place: Place, corpus: DemoCorpus, report: Report) -> None:
        self._place = place
        self._corpus = corpus
        self._report = report
        self._chain = Chain(place)

    def require_empty(self) -> None:
        """NotReady if recordings or a dataset are there: the example corpus would be mixed into them."""
        policy = self._chain.policy()
        if policy.latest_dataset or policy.new_utterances:
            raise NotReady(
                f"the services hold {policy.new_utterances} new utterances"
                + (f" and the dataset {policy.latest_dataset}" if policy.latest_dataset else "")
                + f"; the demo would mix {CORPUS} into them. Run it on an empty installation: "
                "COMPOSE_PROJECT_NAME=voxloom-demo, and ports that are free (.env.example)"
            )
        say("they are empty")

    def run(self, retrain: bool) -> None:
        """Everything once; with `retrain` also the second turn of the loop."""
        with self._report.phase(
            f"importing {CORPUS}, without {len(self._corpus.held_back)} takes to record later"
        ):
            self._import()
        model = self._turn(other_than="")
        self._report.add(model=_figures(model))
        with self._report.phase(
            f"transcribing {len(self._corpus.test)} test utterances of speakers never heard"
        ):
            self._transcribe(model)
        with self._report.phase(f"recording the {len(self._corpus.held_back)} takes that were held back"):
            waits = self._record(model.dataset)
        if retrain and not waits:
            newer = self._turn(other_than=model.dataset)
            self._report.add(retrained=_figures(newer))
        self._report.add(files=self._files())
        self._report.finish()
        self._tell_files()

    def _import(self) -> None:
        held_back = {clip.name for clip in self._corpus.held_back}
        corpus = read_manifest(self._corpus.manifest, keep=lambda row: row["path"] not in held_back)
        spec = ingest_pb2.ImportSpec(corpus=CORPUS, language=score.LANGUAGE, keep_published_split=True)
        with self._chain.client("ingest") as ingest:
            job = importing.watch(ingest, importing.send_corpus(ingest, corpus, spec), "importing")
        importing.report(job)
        self._report.add(imported=job.accepted_utterances, refused=dict(job.refused_by_reason))

    def _turn(self, other_than: str) -> optimizer_pb2.Model:
        """Dataset, training, gate, swap: nothing here is asked for, it all happens by itself."""
        with self._report.phase("a dataset is made by itself"):
            dataset = self._chain.dataset(other_than)
            counts = ", ".join(f"{name} {dataset.splits[name].utterances}" for name in _SPLITS)
            say(f"{dataset.id}: {counts} utterances, {audio_time(dataset.splits['train'].hours)} to train on")
        with self._report.phase("a training starts by itself, from scratch"):
            run_id = self._train(dataset.id)
        with self._report.phase("the result is exported, quantised, measured and judged"):
            model = self._chain.model_of(run_id)
            self._tell_model(model)
        if model.decision == "promoted":
            with self._report.phase("inference swaps to it"):
                serving = self._chain.serving(model.id)
                say(f"{serving.model} is served since {when(serving.since)}")
        elif not other_than:
            raise VoxloomError(
                f"the first model {model.id} was rejected: {'; '.join(model.reasons)}; give it longer with "
                "--minutes N, and a fresh folder with --data DIR"
            )
        return model

    def _train(self, dataset: str) -> str:
        run = self._chain.run_on(dataset)
        say(f"{run.id} with recipe {run.recipe}: {run.recipe_reason}")
        with self._chain.client("trainer") as trainer:
            run = runview.watch(trainer, run.id)
        runview.tell_end(run)
        self._report.add(
            run=run.id,
            recipe=run.recipe,
            epochs=run.latest.epoch,
            best_val_wer=run.best_val_wer,
            val_wer_lm=run.val_wer_lm if run.HasField("val_wer_lm") else None,
        )
        return run.id

    def _tell_model(self, model: optimizer_pb2.Model) -> None:
        say(f"{model.id}: {model.decision}", "green" if model.decision == "promoted" else "yellow")
        for reason in model.reasons:
            say(f"  {reason}")
        say(f"{model.served_file}, {size(model.served_bytes)}; {describe_errors(model.test)}")
        say(f"of these words, {results(by_decoder(model), served_decoder(model))}")

    def _transcribe(self, model: optimizer_pb2.Model) -> None:
        with self._chain.client("inference") as inference:
            _, streamed = score.stream_all(inference, self._corpus.test[:STREAMED])
            heard, whole = score.recognize_all(inference, self._corpus.test)
        score.show(score.sample(heard, SHOWN))
        decoder = DECODERS.get(served_decoder(model), "greedy")
        say(f"Recognize, {decoder}: {_sentence(whole)}", "green")
        say(f"StreamingRecognize, the first {streamed.utterances}: {_sentence(streamed)}")
        speed = f"real-time factor {whole.real_time_factor:.3f}"
        say(f"{whole.audio_s:.0f} s of speech in {whole.wall_s:.1f} s, {speed}")
        score.save(heard, self._place.folder / "demo-transcripts.tsv")
        self._report.add(test=whole.as_dict(), test_streamed=streamed.as_dict(), gate_test_wer=model.test.wer)

    def _record(self, dataset: str) -> int:
        """Through the recorder, as if they were spoken now; returns how many more the policy waits for."""
        stored = self._upload(self._corpus.held_back)
        policy = self._chain.policy()
        lacking = max(0, policy.needed_utterances - policy.new_utterances)
        waits = lacking if policy.latest_dataset == dataset else 0
        say(f"{stored} takes stored. {policy.summary}")
        self._report.add(recorded=stored, policy={"summary": policy.summary, "waits_for": waits})
        return waits

    def _upload(self, clips: Sequence[Clip]) -> int:
        with self._chain.client("recorder") as recorder, Meter("recording") as meter:
            for number, clip in enumerate(clips, start=1):
                take = recorder_pb2.Take(prompt=clip.text, speaker=clip.speaker, language=score.LANGUAGE)
                send_take(recorder, take, clip.path.read_bytes())
                meter.update(number, len(clips))
        return len(clips)

    def _files(self) -> dict[str, str]:
        root = self._place.folder.absolute()
        return {
            "data": str(root),
            "transcripts": str(root / "demo-transcripts.tsv"),
            "report": str(root / "demo-report.json"),
            "log": self._place.log,
        }

    def _tell_files(self) -> None:
        for name, path in self._files().items():
            say(f"{name:<12} {path}")
        say(f"Go on with it: {self._place.go_on}")


def results(rates: Mapping[str, float], served: str) -> str:
    """Greedy and with the language model, always both, and which of them is served."""
    told = [
        f"{name} {percent(rates[decoder])} wrong{' (served)' * (decoder == served)}"
        for decoder, name in DECODERS.items()
        if decoder in rates
    ]
    return ", ".join(told) + "; there is no language model" * ("beam" not in rates)


def _figures(model: optimizer_pb2.Model) -> dict[str, Any]:
    rates = by_decoder(model)
    return {
        "model": model.id,
        "dataset": model.dataset,
        "decision": model.decision,
        "reasons": list(model.reasons),
        "test_wer": model.test.wer,
        "test_wer_greedy": rates.get("greedy"),
        "test_wer_lm": rates.get("beam"),  # null without a language model
        "decoder": served_decoder(model),
        "real_time_factor": model.real_time_factor,
        "served_bytes": model.served_bytes,
    }


def _sentence(found: score.Score) -> str:
    return (
        f"WER {percent(found.wer)} (95 %: {100 * found.wer_low:.1f} to {100 * found.wer_high:.1f}), "
        f"{found.substitutions} sub, {found.deletions} del, {found.insertions} ins of "
        f"{found.reference_words} words"
    )
