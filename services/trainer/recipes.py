"""Training recipes: every number that shapes a run, chosen from the data. No torch here."""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from voxloom.errors import BadInput
from voxloom.tokenizer import single_pieces

MOST_PIECES = 10_000
_PIECES_FROM_H, _MORE_PIECES_FROM_H = 50.0, 1000.0
_MANY_CHARACTERS = 150  # of writings whose characters are syllables or words


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the network in `model.py`."""

    width: int = 144  # D, channels of the encoder
    blocks: int = 6
    heads: int = 4
    feed_forward: int = 4  # expansion of the feed-forward layers
    kernel: int = 15  # frames of 40 ms that the depthwise convolution sees
    front_channels: int = 32  # channels of the two subsampling convolutions
    dropout: float = 0.1
    intermediate_block: int = 3  # the extra CTC loss sits after this block; 0 turns it off
    # Most frames are blank. A network that does not begin with that belief learns it from long clips first,
    # and short ones then pull at it: AN4 leaves the blank plateau after 7 epochs instead of more than 20.
    blank_bias: float = 3.0
    skip: float = 0.1  # probability that the last block's residuals are left out in training
    left_frames: int = 64  # of 40 ms, before its chunk, that a frame of a chunk attends to


@dataclass(frozen=True)
class Recipe:
    """One way to train. Durations are of audio unless the name says otherwise."""

    name: str
    model: ModelConfig = field(default_factory=ModelConfig)
    epochs: int = 100  # at most; a wall-clock budget or early stopping may end a run before
    batch_s: float = 30.0  # seconds of padded audio in a batch
    max_utterance_s: float = 35.0
    learning_rate: float = 1e-3
    warmup_steps: int = 300
    weight_decay: float = 1e-2
    gradient_clip: float = 1.0
    intermediate_weight: float = 0.3  # share of the intermediate CTC loss
    # Of CR-CTC's loss, between two masked views of a batch; 0: one view, as under a budget too short for two.
    consistency_weight: float = 0.2
    chunk_probability: float = 0.4  # that a batch is heard in chunks instead of whole
    chunk_frames: tuple[int, int] = (8, 32)  # of 40 ms; drawn at random
    ema_decay: float = 0.998
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    # While validation CER is above this, clips come one by one, unmasked and whole: from the first step
    # on masks keep small data on CTC's blank plateau, and how long that lasts depends on the data.
    easy_above_cer: float = 0.35
    frequency_masks: int = 2
    frequency_mask_bins: int = 20
    time_masks: int = 4
    time_mask_frames: int = 25
    time_mask_fraction: float = 0.1  # no mask longer than this share of the batch's length
    own_share: float = 0.4  # of an epoch's audio that own recordings make up, by repeating them ...
    own_repeats: int = 4  # ... at most so often
    noise_probability: float = 0.2
    noise_snr_db: tuple[float, float] = (5.0, 30.0)
    room_probability: float = 0.1
    tempo: float = 0.1  # a clip is heard up to this much faster or slower, at the same pitch
    tract: float = 0.08  # its formants are moved by up to this much
    concatenate: float = 0.2  # probability that a clip is followed by another one, and that by another
    concatenated_s: float = 20.0  # at most
    patience_epochs: int = 25  # without a better val WER; then the run cools down and ends
    bfloat16: bool = True  # matrix products, where the processor has instructions for them
    max_lost_fraction: float = 0.1  # refuses a dataset that lost more than this to faults
    pieces: int = 0  # of words, characters included, that it writes, at most; 0: it writes characters

    @property
    def units(self) -> str:
        return f"{self.pieces} pieces" if self.pieces else "characters"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


_OFF_BEFORE = {  # what the first release did not have: its runs go on without
    "consistency_weight": 0.0,
    "chunk_probability": 0.0,
    "own_share": 0.0,
    "room_probability": 0.0,
    "tempo": 0.0,
    "tract": 0.0,
    "concatenate": 0.0,
    "bfloat16": False,
}


def recipe_from_dict(values: dict[str, Any]) -> Recipe:
    """The inverse of `Recipe.to_dict`, for the copy kept in run.json; unknown fields are refused."""
    if "mask_below_cer" in values:
        values = {**_OFF_BEFORE, **values, "model": {"skip": 0.0, **values["model"]}}
        values["easy_above_cer"] = values.pop("mask_below_cer")
    model = ModelConfig(**values["model"])
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Recipe(**{**values, **lists, "model": model})


RECIPES = {
    recipe.name: recipe
    for recipe in (
        # A few seconds of training: proves the plumbing, recognises nothing.
        Recipe(
            name="smoke",
            model=ModelConfig(
                width=32, blocks=2, heads=2, intermediate_block=1, front_channels=8, blank_bias=0.0
            ),
            epochs=2,
            noise_probability=0.0,
            bfloat16=False,  # the same gradient, to float32, from a batch that is whole or split
            easy_above_cer=9.0,
            warmup_steps=10,
        ),
        Recipe(
            name="tiny",
            model=ModelConfig(width=96, blocks=5, front_channels=24),
            epochs=120,
            patience_epochs=50,
        ),
        Recipe(
            name="small",
            model=ModelConfig(width=192, blocks=10, heads=4, intermediate_block=5, front_channels=64),
            epochs=80,
            batch_s=150.0,
            learning_rate=1.5e-3,
            warmup_steps=1000,
            ema_decay=0.999,
        ),
        Recipe(
            name="base",
            model=ModelConfig(width=256, blocks=12, heads=4, intermediate_block=6, front_channels=64),
            epochs=60,
            batch_s=300.0,
            learning_rate=1e-3,
            warmup_steps=3000,
            ema_decay=0.9995,
        ),
        Recipe(
            name="large",
            model=ModelConfig(width=512, blocks=16, heads=8, intermediate_block=8, front_channels=96),
            epochs=40,
            batch_s=600.0,
            learning_rate=7e-4,
            warmup_steps=8000,
            ema_decay=0.9998,
        ),
    )
}


def choose(
    train_hours: float, alphabet: str, name: str = "", pieces: int | None = None
) -> tuple[Recipe, str]:
    """The recipe and its units for this much data in this alphabet, or those that were asked for; and, in one
    sentence, why. BadInput for a recipe that there is not, and for pieces that cannot hold the alphabet."""
    recipe, why = (named(name), f"recipe '{name}' was asked for") if name else _by_hours(train_hours)
    count, why_units = _units(train_hours, alphabet) if pieces is None else _asked(pieces, alphabet)
    return replace(recipe, pieces=count), f"{why}; {why_units}"


def _by_hours(train_hours: float) -> tuple[Recipe, str]:
    for name, limit_h in (("tiny", 5.0), ("small", 50.0), ("base", 1000.0)):
        if train_hours < limit_h:
            return RECIPES[name], (
                f"{train_hours:.2f} hours of training data are under {limit_h:g} hours: recipe '{name}'"
            )
    return RECIPES["large"], f"{train_hours:.1f} hours of training data: recipe 'large'"


def _units(train_hours: float, alphabet: str) -> tuple[int, str]:
    """docs/adr/0029 tells where the limits are from."""
    if len(alphabet) > _MANY_CHARACTERS:
        return 0, f"characters, of which its writing has {len(alphabet)}"
    if train_hours < _PIECES_FROM_H:
        return 0, f"characters, as under {_PIECES_FROM_H:g} hours"
    if train_hours < _MORE_PIECES_FROM_H:
        return 500, f"500 pieces of words, as under {_MORE_PIECES_FROM_H:g} hours"
    return 1000, f"1000 pieces of words, as from {_MORE_PIECES_FROM_H:g} hours on"


def _asked(pieces: int, alphabet: str) -> tuple[int, str]:
    singles = len(single_pieces(alphabet))
    if pieces and not singles < pieces <= MOST_PIECES:
        raise BadInput(
            f"{pieces} pieces were asked for; expected {singles + 1} to {MOST_PIECES}, for each of the "
            f"{len(alphabet)} characters of the dataset is one, in a word and at its beginning; or 0 for "
            "characters alone"
        )
    return pieces, f"{pieces} pieces of words were asked for" if pieces else "characters were asked for"


def named(name: str) -> Recipe:
    """The recipe of that name; BadInput lists those there are."""
    if name not in RECIPES:
        raise BadInput(f"recipe {name!r} is unknown; there are {', '.join(RECIPES)}")
    return RECIPES[name]


def override(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """The recipe with some fields changed; BadInput names a field that does not exist."""
    known = {f.name for f in fields(Recipe)}
    if unknown := sorted(set(changes) - known):
        raise BadInput(
            f"recipe fields {', '.join(unknown)} do not exist; there are {', '.join(sorted(known))}"
        )
    return replace(recipe, **changes)
