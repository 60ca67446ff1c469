"""Pictures in a store: a citation leads to the picture, as long as its document is there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.filestore.mounted import mounted
from tests.formats.test_pictures import jpeg, png

PICTURES = {"embeddingModel": "models/gemini-embedding-2"}


def test_the_picture_of_a_citation_can_be_had_again(tmp_path: Path) -> None:
    """By the SDK, after the raw file is gone; a text and a deleted picture have no media."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = (await server.call("POST", "/v1beta/fileSearchStores", PICTURES))["name"]
            for name, content, kind in (("arch", png(), "png"), ("dome", jpeg(), "jpeg")):
                file = await server.new_file(content, name, mime_type=f"image/{kind}")
                await server.import_file(store, file, subject=f"the {name}")
                server.clock.now += 1
            text = await server.add(store, "A text of the spire.")

            (chunk,) = (await server.ask("spire", store))["groundingMetadata"]["groundingChunks"]
            assert "mediaId" not in chunk["retrievedContext"]
            (chunk,) = (await server.ask("arch", store))["groundingMetadata"]["groundingChunks"]
            media_id = chunk["retrievedContext"]["mediaId"]
            assert media_id.startswith(f"{store}/media/")
            server.clock.now += 49 * 3600
            await server.new_file("the next upload frees what has expired")
            assert await server.sdk.file_search_stores.download_media(media_id=media_id) == png()
            response = await server.http.get(f"/v1beta/{media_id}?alt=media")
            assert response.headers["content-type"] == "image/png"
            assert response.content == png()

            body = {
                "model": "gemini-any",
                "input": "dome",
                "tools": [{"type": "file_search", "file_search_store_names": [store]}],
            }
            interaction = await server.call("POST", "/v1beta/interactions", body)
            (citation,) = interaction["steps"][0]["content"][0]["annotations"]
            assert (await server.http.get(f"/v1beta/{citation['media_id']}")).content == jpeg()

            await server.call("DELETE", f"/v1beta/{media_id.replace('media', 'documents')}?force=1")
            for gone in (media_id, text.replace("documents", "media"), f"{store}/media/none"):
                assert (await server.refused("GET", f"/v1beta/{gone}"))["code"] == 404
            await server.call("DELETE", f"/v1beta/{store}?force=true")
            assert server.store.one("SELECT 1 FROM pieces WHERE owner LIKE 'media/%'") is None

    asyncio.run(story())
