"""What a stack remembers between commands: its ports and its processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from supaqueue.devstack.files import write_private
from supaqueue.devstack.processes import Identity
from supaqueue.errors import DevStackError


@dataclass
class State:
    """Ports and processes by program name; kept in one file that is replaced as a whole."""

    path: Path
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, Identity] = field(default_factory=dict)

    def save(self) -> None:
        """Write the file."""
        processes = {name: asdict(identity) for name, identity in self.processes.items()}
        write_private(self.path, json.dumps({"ports": self.ports, "processes": processes}, indent=2))


def load_state(path: Path) -> State:
    """The state kept at `path`; an empty one if there is none.

    Raises:
        DevStackError: the file belongs to another user.
    """
    try:
        content = json.loads(path.read_text())
        processes = {name: Identity(**value) for name, value in content["processes"].items()}
        return State(path, content["ports"], processes)
    except PermissionError:
        raise DevStackError(
            f"{path} belongs to another user: run this as the one who made the stack"
        ) from None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return State(path)  # leftover processes are also found without it
