"""What both queues run. Run Supabase's worker: supaqueue worker jobs:registry"""

from typing import Any

from pydantic import BaseModel

from supaqueue import Context, Registry

registry = Registry()


class Line(BaseModel):
    item: str
    quantity: int
    price: float


class Invoice(BaseModel):
    number: int
    lines: list[Line]


@registry.task("invoice")
async def invoice(invoice: Invoice, context: Context) -> dict[str, Any]:
    total = round(sum(line.quantity * line.price for line in invoice.lines), 2)
    # In a shadow run nothing is sent: that it would have been is noted beside the result.
    await context.effect(send, invoice.number, total)
    return {"number": invoice.number, "total": total, "lines": len(invoice.lines)}


async def send(number: int, total: float) -> None:
    print(f"invoice {number} over {total}")
