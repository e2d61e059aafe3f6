"""An API that answers 201 only once the job of a run is stored. Run it: uvicorn app:app

While the old queue is being left, SUPABASE_QUEUE_DUAL_WRITE=true and LEGACY_FOLDER are set as well, and the
one line in `open_queue` is all that differs.
"""

import logging
import os
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from records import runs
from runs import Run, RunGone

from supaqueue import Queue, enqueue_or_undo
from supaqueue.errors import CallError, QueueUnavailable

log = logging.getLogger("uvicorn.error")
UNAVAILABLE = JSONResponse({"code": QueueUnavailable.code}, 503, {"Retry-After": "5"})
BUDGET_SECONDS = 2.0  # how long a caller is kept waiting for a queue that gives no answer


def open_queue() -> Queue:
    if os.environ.get("SUPABASE_QUEUE_DUAL_WRITE") == "true":
        from dual_write import two_queues

        return two_queues(BUDGET_SECONDS)
    return Queue(budget_seconds=BUDGET_SECONDS)


app = FastAPI()
queue = open_queue()


@app.post("/v1/orgs/{org}/workflows/{workflow}/runs", status_code=201)
def start_run(org: str, workflow: str, inputs: dict[str, Any]) -> Run:
    job = queue.new_job("run_workflow", {"org": org, "workflow": workflow, "inputs": inputs}, tenant=org)
    runs.add(job.job_id, org, workflow)  # as `enqueue_unknown`; should this process die now: records.py
    with enqueue_or_undo(queue, undo=runs.remove) as guarded:
        guarded.enqueue(job)
        runs.confirm([job.job_id])
    return Run(job.job_id, org, workflow, "queued")


@app.get("/v1/orgs/{org}/workflows/{workflow}/runs/{run_id}")
def show_run(org: str, workflow: str, run_id: str) -> dict[str, Any]:
    run = runs.get(org, workflow, run_id)
    job = queue.get(run_id)
    if job is None:
        return {"run_id": run_id, "status": run.status}
    return {"run_id": run_id, "status": job.status, "result": job.result}


@app.exception_handler(CallError)
def queue_is_unavailable(request: Request, error: CallError) -> JSONResponse:
    log.warning("%s", error)
    return UNAVAILABLE


@app.exception_handler(RunGone)
def run_is_gone(request: Request, error: RunGone) -> JSONResponse:
    if request.method == "POST":  # settled before it was confirmed: its job was taken back, too
        return UNAVAILABLE
    return JSONResponse({"code": "RUN_NOT_FOUND"}, 404)
