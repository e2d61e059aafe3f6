"""What the worker can do. Run it: supaqueue worker jobs:registry"""

from supaqueue import Fail, Registry

registry = Registry()


@registry.task("send_invoice")
async def send_invoice(order: int) -> int | Fail:
    return Fail("there is no such order") if order < 0 else order * 100
