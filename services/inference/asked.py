"""What the protocols of others let a caller ask for by name: a model and a language."""

from services.inference.models import Models, ServedModel
from voxloom.errors import BadInput, NotFound

# What names the model in production, whichever that is; many clients of OpenAI say whisper-1, always.
PRODUCTION = frozenset(("", "production", "whisper-1"))


def model_named(models: Models, name: str) -> ServedModel:
    """The model in production, for who wants to know of it; NotFound under another name, Unavailable while
    there is none."""
    model = models.current()
    if name in PRODUCTION or name == model.id:
        return model
    raise NotFound(
        f"model {name[:100]!r} is not served here; {model.id} is: ask for that, for 'production', or for none"
    )


async def model_for(models: Models, name: str) -> ServedModel:
    """The model for a call that begins now, any of the store; Unavailable, NotFound and NotReady as in
    `Models`."""
    return models.current() if name in PRODUCTION else await models.named(name)


def check_language(model: ServedModel, tag: str) -> None:
    """BadInput for another language than the model's; en-US and en_GB are en, and no tag is any."""
    known = model.record.languages
    if tag and known and _primary(tag) not in map(_primary, known):
        raise BadInput(
            f"language {tag[:40]!r} is not what {model.id} was trained on, which is {', '.join(known)}; "
            "ask for that, or for none"
        )


def _primary(tag: str) -> str:
    """The language of a tag like en-US (RFC 5646)."""
    return tag.strip().lower().replace("_", "-").partition("-")[0]
