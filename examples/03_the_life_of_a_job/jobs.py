"""Retries, timeouts, progress and dead letters. Run it: supaqueue worker jobs:registry"""

import asyncio
from pathlib import Path

from supaqueue import Backoff, Context, Registry

registry = Registry()
MAIL_SERVER = Path("mail_server_is_up")


@registry.task("import_pages", max_attempts=4, backoff=Backoff(delay=0.2, factor=2, max_delay=5))
async def import_pages(pages: int, context: Context) -> str:
    """Goes on from where the attempt before it came to."""
    begin = context.checkpoint or 0
    assert isinstance(begin, int)
    for page in range(begin + 1, pages + 1):
        if page == 3 and context.attempt == 1:
            raise ConnectionError("the line was cut")
        context.progress(100 * page / pages, f"page {page} of {pages}", checkpoint=page)
    return f"attempt {context.attempt} imported the pages after {begin}"


@registry.task("think", max_attempts=1, timeout=0.3)
async def think(context: Context) -> None:
    """Thinks for longer than it may."""
    await asyncio.sleep(3600)


@registry.task("send_invoice", max_attempts=1)
def send_invoice(number: int) -> str:
    """Fails for as long as there is no mail server."""
    if not MAIL_SERVER.exists():
        raise ConnectionError("no mail server")
    return f"invoice {number} sent"
