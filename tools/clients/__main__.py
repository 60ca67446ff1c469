"""`make clients`: each client in an environment of its own, each flow against a new emulator.

The environments are in `build/clients` and are made where they are missing; delete that folder to
get newer clients. What a run said is in `build/clients/results.json`, and its table is in
`docs/emulator.md`, between two comments.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from objlib.filestore.testing import emulator

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "clients"
FLOWS_DIR = Path(__file__).parent / "flows"
PAGE = ROOT / "docs" / "emulator.md"
INSTALL_TIMEOUT_S, RUN_TIMEOUT_S = 300, 90
FLOWS = (
    "create store",
    "upload",
    "import",
    "ask",
    "cite",
    "filter",
    "JSON",
    "delete",
    "models",
    "count tokens",
    "embed",
)
SENTENCE = "Arches stand by their keystone."
BEGIN, END = "<!-- clients: begin -->", "<!-- clients: end -->"


@dataclass(frozen=True, slots=True)
class Client:
    """A client and the environment that it runs in."""

    #: As the table names it; the version of the first package goes behind it.
    name: str
    #: The folder of the environment below `build/clients`.
    env: str
    #: What is installed; the first one is the client.
    packages: tuple[str, ...]
    #: The script with its flows, and its arguments.
    script: tuple[str, ...]

    @property
    def is_node(self) -> bool:
        """True for a client that runs in Node.js."""
        return self.script[0].endswith(".mjs")


_GENAI = ("google_genai.py", "sync"), ("google_genai.py", "async")
CLIENTS = (
    Client("google-genai, newest", "newest-plain", ("google-genai",), _GENAI[0]),
    Client("the same, asynchronous", "newest-plain", ("google-genai",), _GENAI[1]),
    Client("the same with aiohttp", "newest", ("google-genai", "aiohttp"), _GENAI[1]),
    Client("google-genai, oldest", "oldest-plain", ("google-genai==1.49.0",), _GENAI[0]),
    Client("the same, asynchronous", "oldest-plain", ("google-genai==1.49.0",), _GENAI[1]),
    Client("the same with aiohttp", "oldest", ("google-genai==1.49.0", "aiohttp"), _GENAI[1]),
    Client("@google/genai", "npm-genai", ("@google/genai",), ("google_genai.mjs",)),
    Client("LangChain", "langchain", ("langchain-google-genai",), ("langchain.py",)),
    Client(
        "LlamaIndex",
        "llamaindex",
        ("llama-index-llms-google-genai", "llama-index-embeddings-google-genai"),
        ("llamaindex.py",),
    ),
    Client("pydantic-ai", "pydantic-ai", ("pydantic-ai-slim[google]",), ("pydantic_ai_agent.py",)),
    Client("LiteLLM", "litellm", ("litellm",), ("litellm_flows.py",)),
    Client("AI SDK", "npm-ai", ("@ai-sdk/google", "ai", "zod"), ("ai_sdk.mjs",)),
)


@dataclass(frozen=True, slots=True)
class Ran:
    """A client's flows with their results: flow -> (yes or no, reason)."""

    name: str
    version: str
    results: dict[str, tuple[str, str]]


def prepare(client: Client) -> str:
    """Make the environment of a client where it is missing; the client's version."""
    folder = BUILD / client.env
    if client.is_node:
        package = folder / "node_modules" / client.packages[0] / "package.json"
        if not package.exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "package.json").write_text('{"private": true}\n', "utf-8")
            _run(
                ["npm", "install", "--silent", "--no-audit", "--no-fund", *client.packages], folder
            )
        return str(json.loads(package.read_text("utf-8"))["version"])
    python = folder / "bin" / "python"
    name = re.split(r"[=\[]", client.packages[0])[0]
    ask = [str(python), "-c", f"import importlib.metadata as m; print(m.version({name!r}))"]
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(folder)], ROOT)
    if (found := subprocess.run(ask, capture_output=True, text=True, check=False)).returncode != 0:
        quiet = ["-qq", "--disable-pip-version-check"]
        _run([str(python), "-m", "pip", "install", *quiet, *client.packages], ROOT)
        found = subprocess.run(ask, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, timeout=INSTALL_TIMEOUT_S)


def run(client: Client) -> Ran:
    """Run the flows of a client against an emulator that nobody else uses."""
    version = prepare(client)
    folder = BUILD / client.env
    with emulator() as url:
        environment = {
            **os.environ,
            "EMULATOR_URL": url,
            "EMULATOR_STORE": _filled_store(url),
            "NO_PROXY": "*",
            "PYTHONWARNINGS": "ignore",
        }
        script, *arguments = client.script
        if client.is_node:  # packages are looked for beside the script
            copy = folder / script
            copy.write_bytes((FLOWS_DIR / script).read_bytes())
            command = ["node", str(copy), *arguments]
        else:
            python = folder / "bin" / "python"
            command = [str(python), str(FLOWS_DIR / script), *arguments]
        try:
            ended = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=RUN_TIMEOUT_S,
            )
            said, trouble = ended.stdout, ended.stderr
        except subprocess.TimeoutExpired as late:
            said = (late.stdout or b"").decode()
            trouble = f"not done within {RUN_TIMEOUT_S} s"
    results = {}
    for line in said.splitlines():
        if line.startswith('{"flow"'):
            told = json.loads(line)
            results[told["flow"]] = (told["result"], told.get("note", ""))
    if not results:
        results = {"ask": ("no", trouble.strip().rpartition("\n")[2][:160])}
    return Ran(client.name, version, results)


def _filled_store(url: str) -> str:
    """Return the name of a store with one document, for clients that only ask."""
    made = httpx2.post(f"{url}/v1beta/fileSearchStores", json={"displayName": "filled"})
    store = str(made.json()["name"])
    headers = {"Content-Type": "text/plain", "X-Goog-Upload-File-Name": "arches.txt"}
    upload = f"{url}/upload/v1beta/{store}:uploadToFileSearchStore"
    httpx2.post(upload, content=SENTENCE, headers=headers).raise_for_status()
    return store


def table(ran: list[Ran], day: str) -> str:
    """Return the results as a table; what failed is below it, with its reason."""
    lines = [
        f"`make clients` on {day}:",
        "",
        "| client | version | " + " | ".join(FLOWS) + " |",
        "| --- | --- |" + " --- |" * len(FLOWS),
    ]
    reasons: list[str] = []
    for one in ran:
        cells = [one.results.get(flow, ("–", ""))[0] for flow in FLOWS]
        lines.append(f"| {one.name} | {one.version} | " + " | ".join(cells) + " |")
        reasons += [
            f"- {one.name} {one.version}, {flow}: {reason}"
            for flow, (result, reason) in one.results.items()
            if result == "no"
        ]
    return "\n".join([*lines, *(["", *reasons] if reasons else [])])


def main() -> None:
    """Run every client and write the page."""
    wanted = set(sys.argv[1:])
    ran = []
    for client in CLIENTS:
        if not wanted or client.env in wanted:
            ran.append(run(client))
            print(ran[-1], flush=True)
    written = table(ran, f"{datetime.now(UTC):%-d %B %Y}")
    print(written)
    if not wanted:
        page = PAGE.read_text("utf-8")
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{written}\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
