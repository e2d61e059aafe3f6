"""Tests of the shop, without a server. Run them: pytest

The fixtures `supaqueue_queue` and `supaqueue_database` come with the package. The queue is in memory, and
its clock stands still until it is moved.
"""

import shop
from shop import Order, place

from supaqueue.testing import assert_enqueued, assert_not_enqueued, run_until_empty


def test_an_order_is_charged_once(supaqueue_queue):
    place(supaqueue_queue, Order(number=7, euros=20))
    place(supaqueue_queue, Order(number=7, euros=20))
    assert_enqueued(supaqueue_queue, "charge", payload=Order(number=7, euros=20), count=1)
    assert_not_enqueued(supaqueue_queue, "refund")


def test_the_receipt_is_the_result(supaqueue_queue, monkeypatch):
    monkeypatch.setattr(shop, "charge_card", lambda euros, key: f"paid {euros}")
    place(supaqueue_queue, Order(number=7, euros=20))
    (job,) = run_until_empty(shop.registry, supaqueue_queue).jobs
    assert (job.status, job.result) == ("completed", "paid 20")


def test_the_bank_is_asked_again_with_the_same_key(supaqueue_queue, supaqueue_database, monkeypatch):
    keys = []

    def charge_card(euros, key):
        keys.append(key)
        if len(keys) < 3:
            raise ConnectionError("the bank is closed")
        return "paid"

    monkeypatch.setattr(shop, "charge_card", charge_card)
    place(supaqueue_queue, Order(number=7, euros=20))
    begun = supaqueue_database.clock.now()
    summary = run_until_empty(shop.registry, supaqueue_queue)  # moves the clock from retry to retry
    assert (summary.runs, summary.retried, summary.completed) == (3, 2, 1)
    assert len(set(keys)) == 1
    assert supaqueue_database.clock.now() > begun


def test_what_costs_nothing_is_a_dead_letter(supaqueue_queue):
    place(supaqueue_queue, Order(number=8, euros=0))
    summary = run_until_empty(shop.registry, supaqueue_queue)
    assert summary.failed == 1
    assert summary.jobs[0].error["message"] == "nothing to pay"
