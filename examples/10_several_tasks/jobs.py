"""Tasks that hand their results on. Run it: supaqueue worker jobs:registry"""

from supaqueue import Context, Registry

registry = Registry()

WORDS = ["to be", "or not", "to be"]


@registry.task("fetch")
async def fetch() -> list[str]:
    """The first task: nothing comes before it."""
    return WORDS


@registry.task("count")
def count(line: int, context: Context) -> int:
    """One of many side by side, each with the result of the one before."""
    lines = context.results["fetch"]
    if line >= len(lines):
        raise IndexError(f"there is no line {line}")
    return len(lines[line].split())


@registry.task("add_up")
def add_up(context: Context) -> dict[str, int]:
    """Runs once all of them are completed; under "continue" without those that failed."""
    return {"lines": len(context.results), "words": sum(context.results.values())}
