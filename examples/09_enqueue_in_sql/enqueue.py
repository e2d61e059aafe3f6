"""Insert and update orders; nothing here enqueues, the triggers in orders.sql do.

SUPABASE_DB_URL is needed, for the table; an application would insert over the API.
"""

import os
from pathlib import Path

import psycopg

from supaqueue import Queue


def results(queue: Queue, task_type: str) -> list[object]:
    found = [job.job_id for job in queue.list(task_type=task_type)]
    return [queue.wait(job_id, timeout=10).result for job_id in found]


with psycopg.connect(os.environ["SUPABASE_DB_URL"]) as database, Queue() as queue:
    database.execute(Path(__file__).with_name("orders.sql").read_bytes())
    database.commit()

    database.execute("insert into shop.orders (total) values (7)")
    database.rollback()
    print("rolled back:", len(results(queue, "send_invoice")), "invoices to send")

    database.execute("insert into shop.orders (total) values (9)")
    database.commit()
    print("committed:", *results(queue, "send_invoice"))

    for total in (10, 11, 12):
        database.execute("update shop.orders set total = %s", [total])
        database.commit()
    print("updated 3 times at once:", *results(queue, "export_order"))
