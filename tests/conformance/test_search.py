"""Sections 2.5 to 2.7: questions, filters, interactions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.genai import errors, types
from google.genai.interactions import Interaction

from tests.conformance.service import MODEL, Service, contexts, metadata_of, waited_for

#: Subject -> text, author, year, tags.
TEXTS = {
    "arches": ("Arches stand because stones press on each other.", "Vitruvius", 25, ["stone"]),
    "bees": ("Bees make wax from honey. Größe: acht Millimeter.", "Robert Graves", 1934, ["wax"]),
    "clocks": ("Clocks tick by their escapement.", "Huygens", 1656, ["brass", "steel"]),
}


@pytest.fixture(scope="module")
def texts(service: Service) -> Iterator[tuple[str, dict[str, str]]]:
    """A store with three texts that search knows: its name, and title -> subject."""
    store = service.new_store()
    subjects: dict[str, str] = {}
    for subject, (content, author, year, tags) in TEXTS.items():
        document = service.add(store, content, author=author, year=year, tags=tags)
        service.cites(f"What is said of {subject}?", store, document)
        subjects[str(document.display_name)] = subject
    yield store, subjects


Texts = tuple[str, dict[str, str]]


@pytest.mark.fact("2.5", "OP")
def test_a_citation_has_the_title_text_and_store(service: Service, texts: Texts) -> None:
    """The title is the document's display name, for an import the file's id."""
    store, subjects = texts
    best = contexts(service.ask("Why do arches stand?", [store]))[0]
    assert subjects[str(best.title)] == "arches"
    assert "stones press" in (best.text or "")
    assert best.file_search_store == store


@pytest.mark.fact("2.5", "OP")
def test_a_citation_never_names_the_document(service: Service, texts: Texts) -> None:
    """`documentName` was never filled."""
    assert contexts(service.ask("Why do arches stand?", [texts[0]]))[0].document_name is None


@pytest.mark.fact("2.5", "GUIDE")
def test_metadata_is_echoed_in_a_citation(service: Service, texts: Texts) -> None:
    """So that a key of one's own leads back to the source."""
    best = contexts(service.ask("Why do clocks tick?", [texts[0]]))[0]
    echoed = {entry.key: entry for entry in best.custom_metadata or []}
    assert echoed["author"].string_value == "Huygens"
    assert echoed["year"].numeric_value == 1656
    assert echoed["tags"].string_list_value is not None
    assert echoed["tags"].string_list_value.values == ["brass", "steel"]


@pytest.mark.fact("2.5", "SDK")
def test_supports_count_bytes(service: Service, texts: Texts) -> None:
    """A segment cut out of the answer's UTF-8 by its indices is the segment's text."""
    answer = service.ask("How large are bees, in Millimeter?", [texts[0]])
    assert answer.content and answer.content.parts and answer.grounding_metadata
    whole = (answer.content.parts[0].text or "").encode()
    supports = answer.grounding_metadata.grounding_supports or []
    assert supports
    for support in supports:
        assert support.segment
        cut = whole[support.segment.start_index or 0 : support.segment.end_index]
        assert cut.decode() == support.segment.text
        for index in support.grounding_chunk_indices or []:
            assert 0 <= index < len(contexts(answer))


@pytest.mark.fact("2.5", "gh py#1847")
def test_queries_are_not_shown(service: Service, texts: Texts) -> None:
    """`retrievalQueries` and `retrievalMetadata` stay empty."""
    grounding = service.ask("Why do arches stand?", [texts[0]]).grounding_metadata
    assert grounding
    assert not grounding.retrieval_queries
    assert grounding.retrieval_metadata is None


@pytest.mark.fact("2.5", "OP")
@pytest.mark.parametrize("top_k", [None, 1, 20])
def test_top_k_may_be_left_out_or_be_twenty(
    service: Service, texts: Texts, top_k: int | None
) -> None:
    """With one, the best is among what is cited."""
    search = {} if top_k is None else {"top_k": top_k}
    titles = service.titles("Why do bees make wax?", texts[0], **search)
    assert "bees" in [texts[1][title] for title in titles]


@pytest.mark.fact("2.5", "gh py#2074")
def test_at_most_five_stores_are_searched(service: Service, texts: Texts) -> None:
    """Five are; six are 400."""
    others = [service.new_store() for _ in range(4)]
    assert contexts(service.ask("Why do arches stand?", [texts[0], *others]))
    with pytest.raises(errors.ClientError, match="400"):
        service.ask("Why do arches stand?", [texts[0], *others, service.new_store()])


@pytest.mark.fact("2.5", "?")
def test_the_tool_needs_the_name_of_a_store(service: Service) -> None:
    """None given is 400."""
    with pytest.raises(errors.ClientError, match="400"):
        service.ask("Why do arches stand?", [])


@pytest.mark.fact("2.5", "?")
def test_a_store_that_does_not_exist_is_an_error(service: Service) -> None:
    """Not an answer without citations."""
    with pytest.raises(errors.ClientError) as refused:
        service.ask("Why do arches stand?", ["fileSearchStores/none-000000000000"])
    assert refused.value.code in (400, 403, 404)


@pytest.mark.fact("2.5", "OP")
def test_no_grounding_is_a_normal_answer(service: Service) -> None:
    """An empty store, nothing to cite."""
    answer = service.ask("Why do arches stand?", [service.new_store()])
    assert not contexts(answer)
    assert answer.content and answer.content.parts and answer.content.parts[0].text


@pytest.mark.fact("2.5, 4", "GUIDE")
def test_what_was_retrieved_is_counted(service: Service, texts: Texts) -> None:
    """As tokens of the tool's use."""
    tool = types.Tool(file_search=types.FileSearch(file_search_store_names=[texts[0]]))
    answer = service.sdk.models.generate_content(
        model=MODEL,
        contents="Why do arches stand?",
        config=types.GenerateContentConfig(tools=[tool]),
    )
    assert answer.usage_metadata
    assert (answer.usage_metadata.tool_use_prompt_token_count or 0) > 0
    assert answer.candidates
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP


@pytest.mark.fact("2.5", "3P")
def test_an_answer_can_be_streamed(service: Service, texts: Texts) -> None:
    """The citations arrive in one of its parts."""
    tool = types.Tool(file_search=types.FileSearch(file_search_store_names=[texts[0]]))
    parts = list(
        service.sdk.models.generate_content_stream(
            model=MODEL,
            contents="Why do arches stand?",
            config=types.GenerateContentConfig(tools=[tool]),
        )
    )
    found = [c for part in parts for one in part.candidates or [] for c in contexts(one)]
    assert texts[1][str(found[0].title)] == "arches"


# Filters


@pytest.mark.fact("2.6", "GUIDE, ?")
@pytest.mark.parametrize(
    ("metadata_filter", "subjects"),
    [
        ('author="Robert Graves"', {"bees"}),
        ('author = "Robert Graves"', {"bees"}),
        ('author="robert"', set()),
        ("year>=1934 AND year<1940", {"bees"}),
        ("year < 1700", {"arches", "clocks"}),
        ("year=25", {"arches"}),
        ("year!=25", {"bees", "clocks"}),
        ('author="Huygens" OR author="Vitruvius"', {"arches", "clocks"}),
        ('(author="Huygens" OR year=25) AND year>100', {"clocks"}),
        ('NOT author="Huygens"', {"arches", "bees"}),
        ('tags:"steel"', {"clocks"}),
        ('tags:"gold"', set()),
        ('publisher="x"', set()),
        ('year="x"', set()),
    ],
)
def test_a_filter_chooses_documents(
    service: Service, texts: Texts, metadata_filter: str, subjects: set[str]
) -> None:
    """By the grammar of AIP-160; an unknown key or another type gives nothing and no error."""
    store, names = texts
    question = "What is said of arches, of bees, of clocks?"
    titles = service.titles(question, store, top_k=20, metadata_filter=metadata_filter)
    assert {names[title] for title in titles} == subjects


@pytest.mark.fact("2.6", "?")
@pytest.mark.parametrize("value", ['a "quoted" word', "back\\slash", "it's"])
def test_quotes_in_a_value_are_escaped_by_a_backslash(service: Service, value: str) -> None:
    """In double quotes."""
    store = service.new_store()
    document = service.add(store, "Domes stand like arches.", title=value)
    service.cites("Why do domes stand?", store, document)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    titles = service.titles("Why do domes stand?", store, metadata_filter=f'title="{escaped}"')
    assert set(titles) == {document.display_name}


# Interactions


@pytest.mark.fact("2.7", "GUIDE, RUN")
def test_an_interaction_cites_files(service: Service, texts: Texts) -> None:
    """Annotations of its text, with bytes, source and metadata."""
    store, subjects = texts
    answer = service.sdk.interactions.create(
        model=MODEL,
        input="Why do clocks tick?",
        tools=[{"type": "file_search", "file_search_store_names": [store], "top_k": 3}],
        store=False,
    )
    assert isinstance(answer, Interaction)
    shown = answer.model_dump(mode="json")
    assert shown["status"] == "completed"
    contents = [
        content
        for step in shown["steps"]
        if step["type"] == "model_output"
        for content in step["content"]
    ]
    text = "".join(content["text"] for content in contents)
    citations = [one for content in contents for one in content["annotations"] or []]
    assert subjects[citations[0]["file_name"]] == "clocks"
    assert citations[0]["custom_metadata"]["author"] == "Huygens"
    cut = text.encode()[citations[0]["start_index"] or 0 : citations[0]["end_index"]].decode()
    assert cut in text
    assert cut


@pytest.mark.fact("2.7", "RUN")
def test_an_interaction_takes_a_filter(service: Service, texts: Texts) -> None:
    """The same grammar."""
    store, subjects = texts
    answer = service.sdk.interactions.create(
        model=MODEL,
        input=[{"type": "text", "text": "Why do clocks tick?"}],
        tools=[
            {
                "type": "file_search",
                "file_search_store_names": [store],
                "metadata_filter": 'author="Vitruvius"',
            }
        ],
        store=False,
    )
    assert isinstance(answer, Interaction)
    files = {
        one["file_name"]
        for step in answer.model_dump(mode="json")["steps"]
        for content in step.get("content") or []
        for one in content.get("annotations") or []
    }
    assert {subjects[name] for name in files} <= {"arches"}


@pytest.mark.fact("1.6", "OP")
def test_both_of_two_equal_documents_are_searched(service: Service) -> None:
    """Nothing is deduplicated, in search neither."""
    store = service.new_store()
    word = service.word()
    file = service.new_file(f"The {word} is an arch.")
    for number in range(2):
        service.sdk.file_search_stores.import_file(
            file_search_store_name=store,
            file_name=file.name or "",
            config=types.ImportFileConfig(custom_metadata=metadata_of({"copy": number})),
        )

    def both() -> bool | None:
        cited = contexts(service.ask(f"What is the {word}?", [store], top_k=20))
        copies = {
            entry.numeric_value for context in cited for entry in context.custom_metadata or []
        }
        return True if copies == {0.0, 1.0} else None

    assert waited_for(both)


@pytest.mark.fact("2.7", "SDK _gaos/types/interactions/interactionsseevent.py")
def test_an_interaction_is_streamed(service: Service, texts: Texts) -> None:
    """Created, a step with its text and citations in deltas, completed."""
    store, subjects = texts
    stream: Any = service.sdk.interactions.create(
        model=MODEL,
        input="Why do clocks tick?",
        tools=[{"type": "file_search", "file_search_store_names": [store], "top_k": 3}],
        store=False,
        stream=True,
    )
    events = [event.model_dump(mode="json") for event in stream]
    kinds = [event["event_type"] for event in events]
    assert kinds[0] == "interaction.created"
    assert kinds[-1] == "interaction.completed"
    assert kinds.index("step.start") < kinds.index("step.delta") < kinds.index("step.stop")
    deltas = [event["delta"] for event in events if event["event_type"] == "step.delta"]
    assert "".join(delta["text"] for delta in deltas if delta["type"] == "text")
    cited = [
        one["file_name"]
        for delta in deltas
        if delta["type"] == "text_annotation_delta"
        for one in delta["annotations"] or []
    ]
    assert subjects[cited[0]] == "clocks"
    assert events[-1]["interaction"]["status"] == "completed"
