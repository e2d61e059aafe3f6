"""What a workflow's run does. Run the worker: supaqueue worker jobs:registry"""

from typing import Any

from pydantic import BaseModel

from supaqueue import Context, Registry

registry = Registry()


class WorkflowRun(BaseModel):
    org: str
    workflow: str
    inputs: dict[str, Any]


@registry.task("run_workflow")
def run_workflow(run: WorkflowRun, context: Context) -> str:
    return f"{run.workflow} of {run.org} with {len(run.inputs)} inputs"
