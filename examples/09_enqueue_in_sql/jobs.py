"""What the worker can do. Run it: supaqueue worker jobs:registry"""

from typing import Any

from supaqueue import Registry

registry = Registry()


@registry.task("send_invoice")
async def send_invoice(row: dict[str, Any]) -> str:
    return f"invoice {row['order']} sent"


@registry.task("export_order")
async def export_order(row: dict[str, Any]) -> str:
    return f"total {row['total']} exported"
