"""Models: listed, described, counted with, embedded with; and names of which there is no model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from google.genai import errors, types

from tests.filestore.mounted import asking, mounted


def test_the_models_are_listed_a_page_at_a_time_and_each_can_be_asked_for(tmp_path: Path) -> None:
    """LangChain and LlamaIndex look there first, for limits and methods."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            names = [m.name async for m in await server.sdk.models.list(config={"page_size": 3})]
            assert len(names) == len(set(names)) > 6
            for name in names:
                model = await server.sdk.models.get(model=name or "")
                assert model.name == name
                assert (model.input_token_limit or 0) > 0 and (model.output_token_limit or 0) > 0
            model = await server.sdk.models.get(model="gemini-99-flash")
            assert "generateContent" in (model.supported_actions or [])

    asyncio.run(story())


@pytest.mark.parametrize("name", ["m", "any", "gpt-9", "gemini-", "Gemini-3.5-flash"])
def test_a_name_that_is_no_models_is_refused(tmp_path: Path, name: str) -> None:
    """With 404, wherever it is used; a client that spells its model wrongly shall learn it here."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            path = f"/v1beta/models/{name}"
            assert (await server.refused("GET", path))["code"] == 404
            for method in ("generateContent", "streamGenerateContent"):
                error = await server.refused("POST", f"{path}:{method}", asking("q"))
                assert (error["code"], error["status"]) == (404, "NOT_FOUND")
                assert "ListModels" in error["message"]
            for method in ("countTokens", "embedContent", "batchEmbedContents"):
                assert (await server.refused("POST", f"{path}:{method}", {}))["code"] == 404

    asyncio.run(story())


def test_a_model_that_embeds_answers_no_question_and_the_other_way_round(tmp_path: Path) -> None:
    """Each knows its own methods."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            path = "/v1beta/models/gemini-embedding-001:generateContent"
            assert (await server.refused("POST", path, asking("q")))["code"] == 404
            with pytest.raises(errors.ClientError, match="not supported for batchEmbedContents"):
                await server.sdk.models.embed_content(model="gemini-3.5-flash", contents="x")

    asyncio.run(story())


def test_tokens_are_counted_as_the_usage_of_an_answer_counts_them(tmp_path: Path) -> None:
    """The question before it is asked; turns and instructions add up."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            counted = await server.sdk.models.count_tokens(
                model="gemini-3.5-flash", contents="Why do arches stand?"
            )
            answer = await server.sdk.models.generate_content(
                model="gemini-3.5-flash", contents="Why do arches stand?"
            )
            assert answer.usage_metadata is not None
            assert counted.total_tokens == answer.usage_metadata.prompt_token_count == 4
            turn = {"role": "user", "parts": [{"text": "one two"}]}
            whole = {"contents": [turn, turn], "systemInstruction": {"parts": [{"text": "three"}]}}
            path = "/v1beta/models/gemini-3.5-flash:countTokens"
            said = await server.call("POST", path, {"generateContentRequest": whole})
            assert said["totalTokens"] == 5

    asyncio.run(story())


def test_texts_that_share_words_are_near_one_another(tmp_path: Path) -> None:
    """Vectors of unit length, of the size that was asked for, the same for the same text."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            texts: list[types.ContentUnion] = ["Arches stand.", "Arches fall.", "Bees hum.", "…"]
            answer = await server.sdk.models.embed_content(
                model="gemini-embedding-001", contents=texts, config={"output_dimensionality": 768}
            )
            vectors = [embedding.values or [] for embedding in answer.embeddings or []]
            assert [len(vector) for vector in vectors] == [768] * 4
            assert all(sum(x * x for x in vector) == pytest.approx(1.0) for vector in vectors)

            def near(one: int, other: int) -> float:
                return sum(x * y for x, y in zip(vectors[one], vectors[other], strict=True))

            assert near(0, 1) > near(0, 2)
            path = "/v1beta/models/gemini-embedding-001:embedContent"
            body = {"content": {"parts": [{"text": "Arches stand."}]}}
            single = await server.call("POST", path, {**body, "outputDimensionality": 768})
            assert single["embedding"]["values"] == vectors[0]
            assert len((await server.call("POST", path, body))["embedding"]["values"]) == 3072
            refused: list[dict[str, Any]] = [{}, {**body, "outputDimensionality": 0}]
            for wrong in [*refused, {"content": {"parts": []}}]:
                assert (await server.refused("POST", path, wrong))["code"] == 400

    asyncio.run(story())
