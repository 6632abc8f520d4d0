"""Makes the secrets of an installation in a folder, once; those that are there stay. Standard library only.

    python deploy/make_secrets.py FOLDER

To change one: delete its file, run this again, and start all containers anew.
"""

import base64
import hashlib
import json
import os
import secrets
import sys
from pathlib import Path

USER = "voxloom"
PRIVATE, PUBLIC = 0o440, 0o444  # the broker runs as another user: it is given a salted hash, no secret


def main(folder: Path) -> None:
    password = keep(folder / "rabbitmq_password")
    keep(folder / "s3_secret_key")
    keep(folder / "api_key")
    write(folder / "bus_url", f"amqp://{USER}:{password}@rabbitmq:5672/", PRIVATE)
    write(folder / "rabbitmq.json", json.dumps(broker_users(password), indent=2), PUBLIC)
    print(f"the secrets of this installation are in {folder}")


def keep(path: Path) -> str:
    """The secret in the file, made if there is none: 256 bits as hexadecimal, which needs no quoting."""
    if not path.exists() or not path.read_text().strip():
        write(path, secrets.token_hex(32), PRIVATE)
    return path.read_text().strip()


def broker_users(password: str) -> dict[str, object]:
    """RabbitMQ reads these definitions at each start, so that a new password takes effect."""
    user = {
        "name": USER,
        "password_hash": rabbitmq_hash(password),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ["administrator"],
    }
    everything = {"user": USER, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    return {"users": [user], "vhosts": [{"name": "/"}], "permissions": [everything]}


def rabbitmq_hash(password: str) -> str:
    """base64(salt + sha256(salt + password)), as https://www.rabbitmq.com/docs/passwords says."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def write(path: Path, text: str, mode: int) -> None:
    """Whole or not at all."""
    part = path.with_name(f".{path.name}.new")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    part.replace(path)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except OSError as error:
        sys.exit(
            f"the secrets cannot be kept: {error}. Their volume must belong to user {os.getuid()} and have "
            "room; if another program made it, remove it: docker volume rm voxloom_secrets"
        )
