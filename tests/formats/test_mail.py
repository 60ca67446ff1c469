"""Mail in all its files, saved pages, notebooks."""

from __future__ import annotations

import base64
import json
import struct
from email.message import EmailMessage

import pytest

from objlib.formats import Reading, Unreadable, outlook, read
from tests.formats.compound import Tree, compound

EML, MBOX, MHT, MSG = (
    "message/rfc822",
    "application/mbox",
    "multipart/related",
    "application/vnd.ms-outlook",
)
NOTEBOOK = "application/x-ipynb+json"


def letter(text: str = "Grüße aus Łódź, zqebody.") -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Über Brücken"
    message["From"] = "Ada Łęcka <ada@example.org>"
    message["To"] = "bo@example.org"
    message["Date"] = "Thu, 04 Mar 2021 05:06:07 +0000"
    message.set_content(text)
    return message


def text_of(content: bytes, kind: str = EML) -> str:
    return "\n\n".join(page.text for page in read(content, kind).pages)


HEAD = (
    "Subject: Über Brücken\nFrom: Ada Łęcka <ada@example.org>\nTo: bo@example.org\n"
    "Date: Thu, 04 Mar 2021 05:06:07 +0000"
)


def test_a_message_is_decoded() -> None:
    """Headers and text, from whatever they are encoded in."""
    plain = letter()
    assert text_of(plain.as_bytes()) == f"{HEAD}\n\nGrüße aus Łódź, zqebody."
    del plain["MIME-Version"]
    coded = letter("x")
    coded.set_content("Grüße, zqebody.", charset="iso-8859-1", cte="base64")
    assert text_of(coded.as_bytes()).endswith("\n\nGrüße, zqebody.")


def test_the_mail_of_apple_is_read() -> None:
    """It has a size before it and a property list behind it."""
    content = letter("zqebody").as_bytes()
    assert text_of(b"%d\n" % len(content) + content).startswith(HEAD)


def test_of_two_forms_of_a_text_one_is_read() -> None:
    """The plain one; the page, where the plain one says nothing."""
    both = letter("zqeplain and more")
    both.add_alternative("<p>zqehtml</p>", subtype="html")
    assert text_of(both.as_bytes()).endswith("zqeplain and more")
    html = letter("\n")
    html.add_alternative("<h1>zqe</h1>html", subtype="html")
    assert text_of(html.as_bytes()).endswith("zqe\n\nhtml")


def test_what_is_attached_is_named_and_missing() -> None:
    """Texts and messages that are attached are read."""
    outer = letter("zqeouter text")
    outer.add_attachment(b"\0\1", maintype="application", subtype="pdf", filename="Plan ä.pdf")
    outer.add_attachment("zqenote", filename="note.txt")
    outer.add_attachment(letter("zqeinner"))
    reading = read(outer.as_bytes(), EML)
    text = reading.pages[0].text
    assert "Attachments: Plan ä.pdf\n" in text
    assert all(word in text for word in ("zqeouter", "note.txt:\nzqenote", "zqeinner"))
    assert reading.missing == ("the text in 1 attachment: Plan ä.pdf",)


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: =?utf-8?q?a?=\nContent-Type: text/plain; charset=nonsense\n\nzqebody \xe9\xe8",
        b"Subject: caf\xe9\nContent-Type: text/plain; charset=us-ascii\n\nzqebody \xfc",
        b"From: <<<>\nTo: ,;:@\nDate: never\n\nzqebody",
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nzqebody",
        b"Subject: x\nContent-Type: multipart/mixed\n\nzqebody",
        b"From who Thu\nSubject: x\n\nzqebody",
        b"Subject: x\nContent-Transfer-Encoding: base64\n\nenFlYm9keQ",
    ],
    ids="charset eight-bit headers cut boundary from base64".split(),
)
def test_a_message_that_is_not_quite_right_is_read(content: bytes) -> None:
    """What can be understood is."""
    assert "zqebody" in text_of(content)


def test_messages_nested_without_end_are_cut() -> None:
    """Twenty deep is enough."""
    message = letter("zqecore")
    for _ in range(30):
        outer = letter("x")
        outer.set_content(message)
        message = outer
    reading = read(message.as_bytes(), EML)
    assert reading.missing


def test_each_message_of_a_mailbox_is_read() -> None:
    """A line of a text that begins with "From" begins none."""
    one = b"From a@x Thu Mar  4 05:06:07 2021\n" + letter(">From here on zqeone").as_bytes()
    two = b"From b@x Thu Mar  4 05:06:07 2021\n" + letter("zqetwo\nFrom there").as_bytes()
    pages = read(one + b"\n" + two, MBOX).pages
    assert [page.text.rpartition("\n\n")[2] for page in pages] == [
        "From here on zqeone",
        "zqetwo\nFrom there",
    ]
    with pytest.raises(Unreadable):
        read(b"no mailbox", MBOX)


def test_a_saved_page_is_read() -> None:
    """Without its pictures and its style."""
    page = EmailMessage()
    page["Subject"] = "x"
    page.set_content(
        "<style>no</style><h1>Łódź</h1>zqebody", subtype="html", cte="quoted-printable"
    )
    page.make_related()
    page.add_related(b"\0", maintype="image", subtype="png")
    assert text_of(page.as_bytes(), MHT) == "Łódź\n\nzqebody"


# Outlook


def properties(**texts: str) -> Tree:
    """Streams of a message: "p0037" -> text."""
    return {f"__substg1.0_{key[1:]}001F": said.encode("utf-16-le") for key, said in texts.items()}


def outlook_message(**texts: str) -> Tree:
    ticks = 132_593_079_670_000_000  # 2021-03-04 05:06:07
    times = bytes(32) + struct.pack("<HHIQ", 0x40, 0x0039, 6, ticks)
    return {"__properties_version1.0": times, **properties(**texts)}


def test_a_message_of_outlook_is_read() -> None:
    """Headers, text, names of what is attached; a message that is attached is read."""
    inner = {"__properties_version1.0": b"", **properties(p0037="Within", p1000="zqeinner")}
    tree = outlook_message(
        p0037="Über Brücken", p0C1A="Ada", p5D01="ada@x", p0E04="Bo", p1000="zqebody\r\nŁódź"
    )
    tree["__attach_version1.0_#00000000"] = properties(p3707="Plan.pdf")
    tree["__attach_version1.0_#00000001"] = {"__substg1.0_3701000D": inner}
    reading = read(compound(tree), MSG)
    assert reading.pages[0].text.split("\n\n") == [
        "Subject: Über Brücken\nFrom: Ada <ada@x>\nTo: Bo\nDate: 2021-03-04 05:06 UTC\n"
        "Attachments: Plan.pdf",
        "zqebody\nŁódź",
        "Subject: Within",
        "zqeinner",
    ]
    assert reading.missing == ("the text in 1 attachment: Plan.pdf",)


def test_a_message_of_outlook_without_plain_text_is_read() -> None:
    """From its page."""
    tree = outlook_message(p0037="x")
    tree["__substg1.0_10130102"] = b'<meta charset="iso-8859-2"><p>' + "Łódź".encode("iso8859_2")
    assert text_of(compound(tree), MSG).endswith("Łódź")
    with pytest.raises(Unreadable, match="no message of Outlook"):
        read(compound({"WordDocument": b"x"}), MSG)


def test_compressed_rich_text_is_unpacked() -> None:
    """The example of [MS-OXRTFCP], section 4.1.1."""
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af3"
        "2068656c090020627705b06c647d0a800fa0"
    )
    assert outlook.decompressed(packed) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


# Notebooks


def notebook(*cells: dict[str, object]) -> Reading:
    return read(json.dumps({"cells": cells}).encode(), NOTEBOOK)


def test_a_notebook_is_read_with_what_came_of_it() -> None:
    """Texts, tables, errors; pictures are counted, not sent."""
    picture = base64.b64encode(bytes(100_000)).decode()
    reading = notebook(
        {"cell_type": "markdown", "source": ["# Łódź\n", "zqe"], "attachments": {"a.png": {}}},
        {
            "cell_type": "code",
            "source": "plot()",
            "outputs": [
                {"output_type": "stream", "text": ["zqestream\n"]},
                {"output_type": "display_data", "data": {"image/png": picture}},
                {
                    "output_type": "execute_result",
                    "data": {"text/html": ["<b>zqe</b>table"], "text/plain": "no"},
                },
                {"output_type": "error", "ename": "ZqeError", "evalue": "why"},
            ],
        },
    )
    assert reading.pages[0].text.split("\n\n") == [
        "# Łódź\nzqe",
        "plot()",
        "zqestream",
        "zqetable",
        "ZqeError: why",
    ]
    assert reading.missing == ("the text in 2 pictures",)


def test_a_notebook_of_the_third_format_is_read() -> None:
    """Its cells lay in sheets, and their source was called input."""
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": "zqeold", "outputs": []}]}]}
    assert read(json.dumps(old).encode(), NOTEBOOK).pages[0].text == "zqeold"


def test_words_of_json_can_be_found() -> None:
    """Escapes are the characters that they stand for; a backslash before one keeps it."""
    source = json.dumps({"a": "Камни \U0001f9f1", "b": "c:\\u0041"})
    assert source.isascii()
    text = read(source.encode(), "application/json").pages[0].text
    assert '"Камни \U0001f9f1"' in text
    assert r"c:\\u0041" in text
