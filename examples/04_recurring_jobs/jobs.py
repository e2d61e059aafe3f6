"""A job every minute, and one on working days at seven in Berlin. Run it: supaqueue worker jobs:registry"""

from supaqueue import Context, Registry
from supaqueue.schedule import tick_of

registry = Registry()


@registry.task("write_report")
async def write_report(name: str, context: Context) -> str:
    # The job's id has the tick in it, however late the job runs and however often it is tried.
    return f"{name} report, for second {tick_of(context.job_id):%S} of a minute"


# However many workers run this, and whichever of them die, each tick gets one job.
registry.schedule("minutely report", "* * * * *", task_type="write_report", payload="minutely")
registry.schedule(
    "morning report",
    "0 7 * * 1-5",
    time_zone="Europe/Berlin",  # at seven by that clock, in summer and in winter
    missed="last",  # if no worker was there at seven: as soon as there is one
    task_type="write_report",
    payload="morning",
)
