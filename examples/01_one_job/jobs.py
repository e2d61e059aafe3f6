"""What the worker can do. Run it: supaqueue worker jobs:registry"""

from pydantic import BaseModel

from supaqueue import Context, Registry

registry = Registry()


class Greeting(BaseModel):
    name: str


@registry.task("greet")
async def greet(greeting: Greeting, context: Context) -> str:
    return f"Hello {greeting.name}, attempt {context.attempt}"
