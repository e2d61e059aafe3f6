"""What a handler may say of its task instead of returning a result. Run it: supaqueue worker jobs:registry"""

from supaqueue import Cancel, Context, Fail, Registry, Retry, Snooze

registry = Registry()


@registry.task("fetch_report")
def fetch_report(number: int, context: Context) -> str | Retry | Fail | Cancel | Snooze:
    """A sync handler runs in a thread."""
    if number < 0:
        return Fail("there are no such reports")  # never again: a dead letter
    if number == 0:
        return Cancel("nobody wants it any more")
    if number == 1 and context.attempt == 1:
        return Retry(after=0.5, reason="the printer was busy")  # costs an attempt
    if number == 2 and context.attempt == 1:
        raise ConnectionError("the network was down")  # like Retry, after the job's own delay
    return f"report {number}, attempt {context.attempt}"
