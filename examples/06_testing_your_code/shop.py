"""A shop: what its API enqueues, and the handlers that its workers run."""

from pydantic import BaseModel

from supaqueue import Context, Fail, Queue, Registry

registry = Registry()


class Order(BaseModel):
    number: int
    euros: int


def place(queue: Queue, order: Order) -> None:
    """The API calls this, perhaps twice."""
    queue.enqueue("charge", order, idempotency_key=f"order-{order.number}")


def charge_card(euros: int, key: str) -> str:
    raise NotImplementedError("the bank is not called in tests")


@registry.task("charge")
def charge(order: Order, context: Context) -> str | Fail:
    if order.euros <= 0:
        return Fail("nothing to pay")
    return charge_card(order.euros, key=context.job_id)
