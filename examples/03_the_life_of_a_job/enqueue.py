"""Watch jobs being tried again, running out of time, failing, and running again once their cause is gone."""

from pathlib import Path

from supaqueue import Queue

MAIL_SERVER = Path("mail_server_is_up")


def main() -> None:
    with Queue() as queue:
        pages = queue.wait(queue.enqueue("import_pages", 5).job_id, timeout=30)
        print(pages.status, pages.result, f"({pages.tasks[0].progress_message})")

        thought = queue.wait(queue.enqueue("think", timeout=0.3, max_attempts=1).job_id, timeout=30)
        print(thought.status, thought.error)

        # While a queue is paused, jobs wait in it.
        queue.pause("default", duration=3600, reason="the mail server is being moved")
        MAIL_SERVER.unlink(missing_ok=True)
        invoices = [queue.enqueue("send_invoice", number, max_attempts=1).job_id for number in (1, 2, 3)]
        print([job.status for job in queue.get_many(invoices) if job])
        queue.resume("default")
        print([job.status for job in queue.wait_many(invoices, timeout=30)])

        # What has failed stays until it is replayed or dropped.
        dead = list(queue.dead_letters.list(task_type="send_invoice"))
        print(len(dead), "dead letters:", {letter.error["message"] for letter in dead})
        MAIL_SERVER.touch()
        queue.dead_letters.replay(dead, per_second=10)
        jobs = queue.wait_many(invoices, timeout=30)
        print([job.result for job in jobs])
        print(queue.dead_letters.drop(queue.dead_letters.list(task_type="think"))[0].answer)
        MAIL_SERVER.unlink()


main()
