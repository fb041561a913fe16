"""Steps that tests of the verbs take, and what they look at."""

from pathlib import Path

from tests import processes
from tests.processes import Ended
from tests.world import PASSWORD, World

GIVEN = f"{PASSWORD}\n".encode()


def flags(world: World, **more: str) -> list[str]:
    keys = world.keys | more
    return [f"--{name.replace('_', '-')}={value}" for name, value in keys.items()]


def one_line(ended: Ended, code: int) -> str:
    """The one line that says why it ended so."""
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    (line,) = ended.err.splitlines()
    assert line.startswith("wxbind: ")
    return line


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def account(folder: Path, *words: str, given: bytes = b"") -> Ended:
    return await processes.run("account", *words, folder=folder, given=given)
