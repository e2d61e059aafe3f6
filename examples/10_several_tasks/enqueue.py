"""Enqueue a job that fans out and in, and the same with a part that fails, under each policy."""

import asyncio

from supaqueue import AsyncQueue, NewTask, sequence


def counted(lines: int) -> tuple[NewTask, ...]:
    """fetch, then all counts side by side, then add_up."""
    counts = [NewTask("count", line, name=f"line {line}", max_attempts=1) for line in range(lines)]
    return sequence(NewTask("fetch"), counts, NewTask("add_up"))


async def main() -> None:
    async with AsyncQueue() as queue:
        enqueued = await queue.enqueue("count_words", tasks=counted(3), on_failure="fail")
        job = await queue.wait(enqueued.job_id, timeout=20)
        print(job.status, job.result)

        # There are three lines: the fourth count fails.
        for on_failure in ("skip", "continue"):
            enqueued = await queue.enqueue("count_words", tasks=counted(4), on_failure=on_failure)
            job = await queue.wait(enqueued.job_id, timeout=20)
            print(on_failure, job.status, job.result, job.error)
            last = [task async for task in queue.list_tasks(job.job_id)][-1]
            print(last.name, "skipped" if last.skipped else last.status)

        # A dead letter that is replayed opens what was skipped for it.
        [letter] = [
            one async for one in queue.dead_letters.list(task_type="count") if one.job_id != job.job_id
        ]
        await queue.dead_letters.replay([letter])
        tasks = [task async for task in queue.list_tasks(letter.job_id)]
        print({task.name: task.status for task in tasks if task.status == "blocked"})


asyncio.run(main())
