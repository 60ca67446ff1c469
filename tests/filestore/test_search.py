"""generateContent: what is found, what is quoted, and how the answer is grounded."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from google.genai import types

from tests.filestore.mounted import asking, mounted, texts_of

MODEL = "/v1beta/models/gemini-2.5-flash"


def test_the_sdk_is_answered_with_a_grounded_quotation(tmp_path: Path) -> None:
    """Text, title, store and metadata of the passage come along, and the tokens are counted."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            text = (
                "Stone is heavy. An arch stands because its stones press on each other. So be it."
            )
            file = await server.new_file(text, "mine")
            await server.import_file(store, file, year=1934, speaker="Kennedy", tags=["a", "b"])

            answer = await server.sdk.models.generate_content(
                model="gemini-2.5-flash",
                contents="Why does an arch stand?",
                config=types.GenerateContentConfig(
                    tools=[
                        types.Tool(file_search=types.FileSearch(file_search_store_names=[store]))
                    ]
                ),
            )

            quoted = "An arch stands because its stones press on each other."
            assert answer.text == quoted
            assert answer.candidates is not None
            grounding = answer.candidates[0].grounding_metadata
            assert grounding is not None
            assert grounding.grounding_chunks is not None
            (chunk,) = grounding.grounding_chunks
            context = chunk.retrieved_context
            assert context is not None
            assert (context.title, context.text) == ("mine", text)
            assert context.file_search_store == store
            metadata = {m.key: m for m in context.custom_metadata or []}
            assert metadata["year"].numeric_value == 1934
            assert metadata["speaker"].string_value == "Kennedy"
            assert metadata["tags"].string_list_value is not None
            assert metadata["tags"].string_list_value.values == ["a", "b"]
            assert grounding.grounding_supports is not None
            (support,) = grounding.grounding_supports
            assert support.grounding_chunk_indices == [0]
            assert answer.usage_metadata is not None
            assert answer.usage_metadata.tool_use_prompt_token_count
            assert answer.model_version == "gemini-2.5-flash"

    asyncio.run(story())


def test_supports_are_byte_offsets_into_the_answer(tmp_path: Path) -> None:
    """With text beyond ASCII as well, each segment is where it says it is."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for text in ("Бог мосты любит — да.", "Ärger über мосты bleibt.", "哲学 мосты 😀 end."):
                await server.add(store, text)

            candidate = await server.ask("мосты", store)

            said = candidate["content"]["parts"][0]["text"].encode()
            supports = candidate["groundingMetadata"]["groundingSupports"]
            assert len(supports) == 3
            for support in supports:
                segment = support["segment"]
                part = said[segment.get("startIndex", 0) : segment["endIndex"]]
                assert part.decode() == segment["text"]
                (chunk,) = support["groundingChunkIndices"]
                assert segment["text"] in texts_of(candidate)[chunk]
            assert "startIndex" not in supports[0]["segment"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Η ψυχή είναι αθάνατη.", "τι είναι η ψυχη"),
        ("حرية الإنسان في المدينة", "المدينة"),
        ("ብርሃን በጨለማ ይበራል።", "በጨለማ"),
        ("आत्मा अमर है। शरीर नश्वर है।", "शरीर"),
        ("ปลาทูอยู่ในน้ำเค็ม", "ปลาทู"),
        ("道可道，非常道。名可名，非常名。", "非常道"),
        ("東京タワーは高い塔です。", "東京タワー"),
        ("La révolution n'est pas finie.", "REVOLUTION"),
        ("Straßenbahn fährt nicht.", "STRASSENBAHN"),
    ],
)
def test_texts_are_found_in_their_own_script(tmp_path: Path, text: str, question: str) -> None:
    """With spaces between words or without, in either case, with or without accents."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "Something else entirely is written here.")
            await server.add(store, text)
            assert texts_of(await server.ask(question, store)) == [text]

    asyncio.run(story())


def test_the_passage_that_says_most_comes_first(tmp_path: Path) -> None:
    """Rare words count for more than frequent ones."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for text in ("Bees and honey.", "Bees and wax.", "Bees, honey and caesium.", "Stones."):
                await server.add(store, text)
            found = texts_of(await server.ask("caesium honey bees", store))
            assert found[:2] == ["Bees, honey and caesium.", "Bees and honey."]
            assert "Stones." not in found

    asyncio.run(story())


def test_at_most_top_k_passages_are_found(tmp_path: Path) -> None:
    """Five unless asked."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for number in range(8):
                await server.add(store, f"Arches stand, said number {number}.")
            assert len(texts_of(await server.ask("arches", store))) == 5
            assert len(texts_of(await server.ask("arches", store, topK=2))) == 2
            assert len(texts_of(await server.ask("arches", store, top_k=20))) == 8
            for wrong in (0, -1, 101):
                error = await server.refused(
                    "POST", f"{MODEL}:generateContent", asking("arches", store, topK=wrong)
                )
                assert "topK" in error["message"]

    asyncio.run(story())


def test_a_filter_decides_which_documents_are_searched(tmp_path: Path) -> None:
    """By all three kinds of metadata; what matches nothing is an empty result."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "Arches of 1934.", year=1934, author="Graves", tags=["rome"])
            await server.add(store, "Arches of 1960.", year=1960, author="Rand", tags=["ny", "x"])
            for metadata_filter, expected in (
                ("year<1940", ["Arches of 1934."]),
                ('author="Rand"', ["Arches of 1960."]),
                ('tags:"ny"', ["Arches of 1960."]),
                ('year>1900 AND NOT author="Rand"', ["Arches of 1934."]),
                ('colour="red"', []),
            ):
                candidate = await server.ask("arches", store, metadataFilter=metadata_filter)
                assert texts_of(candidate) == expected, metadata_filter
            error = await server.refused(
                "POST", f"{MODEL}:generateContent", asking("x", store, metadataFilter="year=")
            )
            assert "position 5" in error["message"]

    asyncio.run(story())


def test_a_filter_finds_the_one_document_behind_thousands_of_better_passages(
    tmp_path: Path,
) -> None:
    """However far down the ranking the only accepted passage stands."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            body = {
                "fileName": await server.new_file("Arch arch arch. " * 15_000),
                "chunkingConfig": {"whiteSpaceConfig": {"maxTokensPerChunk": 21}},
            }
            await server.call("POST", f"/v1beta/{store}:importFile", body)
            await server.add(store, "One arch " + "and so many other words " * 30, kind="one")
            assert server.store.one("SELECT COUNT(*) > 2100 FROM chunks") == (1,)
            candidate = await server.ask("arch", store, metadataFilter='kind="one"')
            assert [text[:8] for text in texts_of(candidate)] == ["One arch"]

    asyncio.run(story())


def test_only_the_stores_asked_for_are_searched(tmp_path: Path) -> None:
    """Up to five of them; each passage says where it is from."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            stores = [await server.new_store(f"s{n}") for n in range(6)]
            for number, store in enumerate(stores):
                await server.add(store, f"Arches, said number {number}.")
            candidate = await server.ask("arches", *stores[1:3])
            chunks = candidate["groundingMetadata"]["groundingChunks"]
            found = {chunk["retrievedContext"]["fileSearchStore"] for chunk in chunks}
            assert found == set(stores[1:3])
            assert len(texts_of(await server.ask("arches", *stores[:5]))) == 5
            for names, status in (
                (stores, "INVALID_ARGUMENT"),
                ([], "INVALID_ARGUMENT"),
                (["fileSearchStores/none"], "NOT_FOUND"),
            ):
                error = await server.refused(
                    "POST", f"{MODEL}:generateContent", asking("arches", *names)
                )
                assert error["status"] == status

    asyncio.run(story())


def test_a_question_nothing_answers_has_no_grounding(tmp_path: Path) -> None:
    """It is an answer all the same."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "Arches stand.")
            for question in ("zebras", "?!", "", '") OR terms : (', "NEAR(a b) ^x* -y"):
                candidate = await server.ask(question, store)
                assert "groundingMetadata" not in candidate
                assert candidate["content"]["parts"][0]["text"].startswith("Nothing")
                assert candidate["finishReason"] == "STOP"

    asyncio.run(story())


def test_without_the_tool_nothing_is_searched(tmp_path: Path) -> None:
    """The answer says how to search."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            for body in (
                {"contents": [{"parts": [{"text": "hello"}]}]},
                {"contents": [{"parts": [{"text": "hello"}]}], "tools": [{"googleSearch": {}}]},
            ):
                answer = await server.call("POST", f"{MODEL}:generateContent", body)
                (candidate,) = answer["candidates"]
                assert "fileSearch" in candidate["content"]["parts"][0]["text"]
                assert "groundingMetadata" not in candidate

    asyncio.run(story())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"contents": []},
        {"contents": "hello"},
        {"contents": [{"parts": [{"text": "x" * 33_000}]}]},
        {"contents": [{"parts": [{"text": "x"}]}], "tools": ["fileSearch"]},
        {"contents": [{"parts": [{"text": "x"}]}], "tools": [{"fileSearch": None}]},
        {"contents": [{"parts": [{"text": "x"}]}], "tools": [{"fileSearch": {"stores": []}}]},
    ],
)
def test_a_question_that_is_none_is_refused(tmp_path: Path, body: dict[str, Any]) -> None:
    """400, with Google's shape."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            error = await server.refused("POST", f"{MODEL}:generateContent", body)
            assert error["status"] == "INVALID_ARGUMENT"

    asyncio.run(story())


def test_a_question_of_thousands_of_words_is_answered(tmp_path: Path) -> None:
    """The search engine's own limits do not show."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            text = "Arches stand, " + " ".join(f"w{n:x}" for n in range(100))
            await server.add(store, text)
            question = " ".join(f"w{n:x}" for n in range(6_000)) + " arches"
            assert len(question) < 32_768
            assert texts_of(await server.ask(question, store)) == [text]

    asyncio.run(story())


def test_the_last_turn_is_the_question(tmp_path: Path) -> None:
    """All its parts; earlier turns are history."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for word in ("arches", "bees", "caesium"):
                await server.add(store, f"This is about {word}.")
            body = asking("arches", store)
            parts = [{"text": "bees"}, {"inlineData": {}}, {"text": "caesium"}]
            body["contents"] += [
                {"role": "model", "parts": [{"text": "Yes."}]},
                {"role": "user", "parts": parts},
            ]
            answer = await server.call("POST", f"{MODEL}:generateContent", body)
            found = set(texts_of(answer["candidates"][0]))
            assert found == {"This is about bees.", "This is about caesium."}

    asyncio.run(story())


def test_a_streamed_answer_is_the_answer(tmp_path: Path) -> None:
    """It comes as one server-sent event, grounding included, or as a list without `alt=sse`."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "Arches stand.")
            search = types.FileSearch(file_search_store_names=[store])
            stream = await server.sdk.models.generate_content_stream(
                model="gemini-2.5-flash",
                contents="arches",
                config=types.GenerateContentConfig(tools=[types.Tool(file_search=search)]),
            )
            (answer,) = [part async for part in stream]
            assert answer.text == "Arches stand."
            assert answer.candidates and answer.candidates[0].grounding_metadata

            body = asking("arches", store)
            path = f"{MODEL}:streamGenerateContent"
            (listed,) = await server.call("POST", path, body)
            event = await server.http.post(f"{path}?alt=sse", json=body)
            assert event.headers["content-type"].startswith("text/event-stream")
            streamed = json.loads(event.text.removeprefix("data: "))
            assert listed["candidates"] == streamed["candidates"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        (
            "Why Arches Stand\n\nAn arch presses outwards. It needs a wall.",
            "An arch presses outwards.",
        ),
        (
            "# Why the arch stands, the arch and nothing else\nAn arch presses outwards.",
            "An arch presses outwards.",
        ),
        (
            "Why the arch stands\n===================\nAn arch presses outwards.",
            "An arch presses outwards.",
        ),
        (
            "[objlib:1]\ntitle: Why the arch stands\npath: a/arch.txt\n[/objlib]\n\n"
            "An arch presses outwards.",
            "An arch presses outwards.",
        ),
        (
            "* * *\n\nThe arch, stands\n\nEvery wall leans. No arch is ever asleep (they say).\n",
            "No arch is ever asleep (they say).",
        ),
        (
            "He said: “The arch never sleeps.” It was late.",
            "He said: “The arch never sleeps.”",
        ),
        ("Why the arch stands", "Why the arch stands"),
    ],
)
def test_a_sentence_is_quoted_rather_than_a_heading(tmp_path: Path, text: str, quoted: str) -> None:
    """A heading names the subject and says nothing of it; it is quoted when there is no more."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, text)
            candidate = await server.ask("arch", store)
            assert candidate["content"]["parts"][0]["text"] == quoted

    asyncio.run(story())


def test_a_long_sentence_is_quoted_in_part(tmp_path: Path) -> None:
    """Four hundred characters at most, ending in an ellipsis."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "The arch " + "and another thing " * 100)
            said = (await server.ask("arch", store))["content"]["parts"][0]["text"]
            assert len(said) <= 400
            assert said.startswith("The arch and") and said.endswith("…")

    asyncio.run(story())


def test_the_same_sentence_is_quoted_once(tmp_path: Path) -> None:
    """Two documents that say the same are one part of the answer."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "The arch never sleeps.")
            await server.add(store, "The arch never sleeps.")
            candidate = await server.ask("arch", store)
            assert candidate["content"]["parts"][0]["text"] == "The arch never sleeps."
            assert len(texts_of(candidate)) == 2

    asyncio.run(story())


def test_words_that_say_nothing_make_no_pairs(tmp_path: Path) -> None:
    """A passage that repeats the asker's phrases does not outrank the one that is asked for."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(
                store, "What did the others do, and what did the rest say about it? " * 3
            )
            await server.add(
                store, "Something is said of Chernobyl, and of much else besides. " * 3
            )
            for number in range(20):
                await server.add(store, f"Nothing of this kind is in text {number}.")
            texts = texts_of(await server.ask("What did the man say about Chernobyl?", store))
            assert texts[0].startswith("Something is said of Chernobyl")

    asyncio.run(story())


@pytest.mark.parametrize("other", ["googleSearch", "google_search", "urlContext"])
def test_file_search_is_refused_beside_a_tool_it_does_not_go_with(
    tmp_path: Path, other: str
) -> None:
    """In one entry or in two; a client that combines them fails at the service too."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            body = asking("arches", store)
            for tools in ([{**body["tools"][0], other: {}}], [*body["tools"], {other: {}}]):
                wanted = {**body, "tools": tools}
                error = await server.refused("POST", f"{MODEL}:generateContent", wanted)
                assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
                assert "fileSearch" in error["message"]

    asyncio.run(story())
