"""Questions to stores: what is found, how it is grounded, what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from google.genai import errors, types

from tests.filestore.mounted import Mounted, asking, mounted, texts_of

KENNEDY = (
    "And so, my fellow Americans: ask not what your country can do for you -- "
    "ask what you can do for your country."
)


async def found(server: Mounted, question: str, store: str, **search: object) -> list[str]:
    """The passages that an answer from a store is grounded in."""
    return texts_of(await server.ask(question, store, **search))


def test_an_answer_quotes_its_passages_and_says_where_in_bytes(tmp_path: Path) -> None:
    """Through the SDK: title, text, store and metadata of the chunk; segments cut the text out."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            file = await server.new_file("Ένα τόξο στέκεται. Кирпич лежит на арке.", "arches")
            await server.import_file(store, file, course="Ä & B", year=1934, tags=["x", "y"])
            await server.add(store, "Beeswax melts at 62 degrees.")

            search = types.FileSearch(file_search_store_names=[store], top_k=3)
            answer = await server.sdk.models.generate_content(
                model="gemini-any",
                contents="Кирпич и арка, τόξο?",
                config=types.GenerateContentConfig(tools=[types.Tool(file_search=search)]),
            )

            assert answer.candidates and answer.candidates[0].grounding_metadata
            grounding = answer.candidates[0].grounding_metadata
            assert grounding.grounding_chunks and len(grounding.grounding_chunks) == 1
            context = grounding.grounding_chunks[0].retrieved_context
            assert context is not None and context.custom_metadata is not None
            assert (context.title, context.file_search_store) == ("arches", store)
            assert context.text == "Ένα τόξο στέκεται. Кирпич лежит на арке."
            assert [entry.key for entry in context.custom_metadata] == ["course", "year", "tags"]
            text = (answer.text or "").encode("utf-8")
            assert grounding.grounding_supports
            for support in grounding.grounding_supports:
                segment = support.segment
                assert segment is not None and segment.text
                cut = text[segment.start_index or 0 : segment.end_index]
                assert cut.decode("utf-8") == segment.text
                assert support.grounding_chunk_indices == [0]
            assert answer.usage_metadata and answer.usage_metadata.total_token_count

    asyncio.run(story())


def test_words_that_say_nothing_alone_find_their_sentence_together(tmp_path: Path) -> None:
    """Many texts speak of the country, one of what you can do for it."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for n in range(12):
                await server.add(store, f"Our country, dear country, is a country of {n} rivers.")
            await server.add(store, KENNEDY)
            question = "What did he say about what you can do for your country?"
            assert (await found(server, question, store))[0] == KENNEDY

    asyncio.run(story())


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("The nations assembled here.", "assembling nation"),
        ("La educación es un derecho.", "educacion"),
        ("联 合 国 大 会 通 过 并 颁 布《世 界 人 权 宣 言》", "世界人权宣言"),
        ("人人有权享有主张和发表意见的自由", "发表意见"),
        ("すべての人は教育を受ける権利を有する。", "教育を受ける"),
        ("มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกัน", "อิสระ"),
        ("Όλοι οι άνθρωποι γεννιούνται ελεύθεροι", "ΕΛΕΎΘΕΡΟΙ ΆΝΘΡΩΠΟΙ"),
        ("सभी मनुष्यों को गौरव और अधिकारों के मामले में", "अधिकारों"),
        ("모든 인간은 태어날 때부터 자유로우며", "인간은 자유로우며"),
        ("كل الناس يولدون أحرارا", "الناس أحرارا"),
    ],
)
def test_every_script_is_found(tmp_path: Path, text: str, question: str) -> None:
    """With inflected words, without diacritics, and where no spaces are written."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "Beeswax melts. 蜂蜡 กาก κερί शहद")
            await server.add(store, text)
            assert await found(server, question, store) == [text]

    asyncio.run(story())


def test_nothing_found_is_said_and_not_grounded(tmp_path: Path) -> None:
    """No grounding is a normal answer, not an error."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "Arches stand.")
            for question in ("zebra", "", "?! — …", '" OR NEAR( * ^ : {', "a" * 32_768):
                candidate = await server.ask(question, store)
                assert "groundingMetadata" not in candidate, question
                assert candidate["content"]["parts"][0]["text"]

    asyncio.run(story())


@pytest.mark.parametrize("question", ['arches"', "arches*", "arches OR", "NOT arches", "(arches"])
def test_the_syntax_of_the_index_means_nothing_in_a_question(tmp_path: Path, question: str) -> None:
    """Quotes, stars and operators are punctuation and words like any other."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "Arches stand.")
            assert await found(server, question, store) == ["Arches stand."]

    asyncio.run(story())


def test_a_filter_finds_the_one_document_among_thousands_of_better_passages(tmp_path: Path) -> None:
    """A filter narrows what is searched; it does not thin out the first so many hits."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            crowd = "\n\n".join("Arches arches arches stand. " * 30 for _ in range(4_000))
            await server.add(store, crowd, year=1)
            await server.add(store, f"An arch. Arches, {'say the old masters and ' * 30}.", year=2)
            (only,) = await found(server, "arches", store, metadataFilter="year = 2")
            assert only.startswith("An arch")

    asyncio.run(story())


def test_only_the_stores_asked_for_answer(tmp_path: Path) -> None:
    """Two of three stores are searched; top_k counts over both."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            stores = [await server.new_store() for _ in range(3)]
            for store in stores:
                await server.add(store, f"Arches of {store[-12:]}.")
            both = texts_of(await server.ask("arches", *stores[:2]))
            assert sorted(both) == sorted(f"Arches of {store[-12:]}." for store in stores[:2])
            assert len(texts_of(await server.ask("arches", *stores, topK=1))) == 1

    asyncio.run(story())


def test_five_passages_unless_asked_otherwise(tmp_path: Path) -> None:
    """Fewer or more on demand."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for n in range(8):
                await server.add(store, f"Arch number {n}.")
            assert len(await found(server, "arch", store)) == 5
            assert len(await found(server, "arch", store, topK=2)) == 2
            assert len(await found(server, "arch", store, topK=7)) == 7

    asyncio.run(story())


def test_pending_and_deleted_documents_are_not_found(tmp_path: Path) -> None:
    """Search sees what is active at this moment."""

    async def story() -> None:
        async with mounted(tmp_path, indexing_delay_s=10.0) as server:
            store = await server.new_store()
            name = await server.add(store, "Arches stand.")
            assert await found(server, "arches", store) == []
            server.clock.now += 10
            assert await found(server, "arches", store) == ["Arches stand."]
            await server.call("DELETE", f"/v1beta/{name}?force=True")
            assert await found(server, "arches", store) == []

    asyncio.run(story())


@pytest.mark.parametrize(
    ("stores", "search", "code"),
    [
        ([], {}, 400),
        (["fileSearchStores/gone"], {}, 404),
        (["{store}"] * 6, {}, 400),
        (["{store}"], {"topK": -1}, 400),
        (["{store}"], {"topK": 10**18}, 400),
        (["{store}"], {"metadataFilter": "year >"}, 400),
        (["{store}"], {"metadataFilter": "(" * 200}, 400),
        (["{store}"], {"unheardOf": 1}, 400),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(
    tmp_path: Path, stores: list[str], search: dict[str, object], code: int
) -> None:
    """With the code that the service uses."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            named = [name.format(store=store) for name in stores]
            path = "/v1beta/models/gemini-m:generateContent"
            error = await server.refused("POST", path, asking("arches", *named, **search))
            assert error["code"] == code

    asyncio.run(story())


def test_without_the_tool_the_answer_is_polite_and_plain(tmp_path: Path) -> None:
    """Nothing is searched, and that is no error."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            answer = await server.sdk.models.generate_content(model="gemini-m", contents="Hello?")
            assert answer.candidates and answer.candidates[0].grounding_metadata is None
            assert answer.text

    asyncio.run(story())


def test_the_sdk_raises_a_client_error_for_a_bad_filter(tmp_path: Path) -> None:
    """The message says where the filter goes wrong."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            search = types.FileSearch(file_search_store_names=[store], metadata_filter='a = "b')
            with pytest.raises(errors.ClientError, match="position 4"):
                await server.sdk.models.generate_content(
                    model="gemini-m",
                    contents="x",
                    config=types.GenerateContentConfig(tools=[types.Tool(file_search=search)]),
                )

    asyncio.run(story())


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("what is the keystone", ["The keystone is the last stone."]),
        ("peacefull use of Antartica", ["The peaceful use of Antarctica is agreed."]),
        ("Was ist die Würde des Menschen?", ["Die Würde des Menschen ist unantastbar."]),
        ("what is the zymurgy", []),
    ],
)
def test_words_that_say_nothing_find_nothing(
    tmp_path: Path, question: str, expected: list[str]
) -> None:
    """Not in any language; and a word that is nearly right is taken for the right one."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for text in (
                "The keystone is the last stone.",
                "What is the bee? The bee is the maker of honey.",
                "The peaceful use of Antarctica is agreed.",
                "Die Würde des Menschen ist unantastbar.",
                "Die mens is vry. Was die man daar? Die die.",
            ):
                await server.add(store, text)
            assert (await found(server, question, store))[: max(1, len(expected))] == expected
            if "keystone" in question:
                assert len(await found(server, question, store)) == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("question", "listed", "quoted"),
    [
        ("who won the football match of the old town last week", 0, 0),
        ("an old football", 2, 2),
        ("where is the old lighthouse keeper", 3, 0),
        ("the tall lighthouse of the old town", 1, 1),
        ("lighthouse storm winter keeper salt rope lamp stair " * 3 + "glass of 1841", 1, 0),
    ],
)
def test_a_passage_with_few_of_the_words_is_no_answer(
    tmp_path: Path, question: str, listed: int, quoted: int
) -> None:
    """With a word or two of a long question it is not listed; with two fifths of it, quoted."""
    texts = (
        "The old mill turns.",
        "Old is the bridge.",
        "Glass, lamp, stair and rope of the tower.",
    )

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for text in (*texts, "The tall lighthouse of the town."):
                await server.add(store, text)
            grounding = (await server.ask(question, store)).get("groundingMetadata", {})
            assert len(grounding.get("groundingChunks", [])) == listed
            assert len(grounding.get("groundingSupports", [])) == quoted

    asyncio.run(story())


@pytest.mark.parametrize(
    "question", ["arches " * 4_500, "😀😀", "the", "კაცი ბუნება", "\u200b", "a" * 32_000]
)
def test_odd_questions_are_answered(tmp_path: Path, question: str) -> None:
    """Thirty kilobytes, nothing but emoji, one stop word, a script that no file has."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "Arches stand.")
            expected = ["Arches stand."] if "arches" in question else []
            assert await found(server, question, store) == expected

    asyncio.run(story())
