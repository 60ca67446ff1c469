"""pydantic-ai: an agent with the native tool FileSearchTool."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic_ai import Agent, FileSearchTool
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider
from told import MODEL, QUESTION, SENTENCE, STORE, URL, flow, must

model = GoogleModel(MODEL, provider=GoogleProvider(api_key="any", base_url=URL))
search = NativeTool(FileSearchTool(file_store_ids=[STORE]))


class Reason(BaseModel):
    """An answer in a shape."""

    reason: str


def cite() -> None:
    """Find the text in what the tool returned."""
    messages = Agent(model, capabilities=[search]).run_sync(QUESTION).all_messages()
    returned = [
        part for m in messages for part in m.parts if type(part).__name__ == "NativeToolReturnPart"
    ]
    must(SENTENCE in str(returned), messages)


def structure() -> None:
    """Ask for an answer in a shape."""
    from pydantic_ai import NativeOutput

    agent = Agent(model, output_type=NativeOutput(Reason), capabilities=[search])
    must(SENTENCE in agent.run_sync(QUESTION).output.reason)


flow(
    "ask",
    lambda: must(SENTENCE in Agent(model, capabilities=[search]).run_sync(QUESTION).output),
)
flow("cite", cite)
flow("JSON", structure)
