"""Which of the encodings from before UTF-8 a text is in.

A text is decoded in each encoding, and of each result the likelihood is taken: how probable are
these letters beyond ASCII, next to these neighbours, in a language that was written so? The
likeliest wins. A letter's probability falls with its rank among the letters of its language, as
Zipf's law has it; what is no letter of the language is improbable, a capital within a word more
so, a letter of another script beside a Latin one even more.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

#: So many bytes beyond ASCII tell an encoding.
EVIDENCE_BYTES = 2_000

_WESTERN = (
    "éèàêçôîùâûœëïæ",  # French
    "üäößé",  # German
    "óáíéñú¿¡ü",  # Spanish
    "ãçáéíóêúõâàô",  # Portuguese
    "èàùòìé",  # Italian
    "ëéïöü",  # Dutch
    "äåöé",  # Swedish, Finnish
    "øåæé",  # Danish, Norwegian
    "áíðéóþúöæý",  # Icelandic
    "àéèóòíçúï·",  # Catalan
    "£é",  # English
    "ñéêëèôúíáóàùûîâöüäåøæçãõòìïœ",  # other languages, such as Breton, Afrikaans, Quechua
)
_CENTRAL = (
    "ąłęóżśćńź",  # Polish
    "íáěéýřčžšůúťóňď",  # Czech
    "áíčžýéšúľťôňóäďĺŕ",  # Slovak
    "éáőöóüúíű",  # Hungarian
    "čšžćđ",  # Croatian, Slovenian
    "ăîâţşșț",  # Romanian
    "üäöß",  # German
)
_TURKISH = ("ıüşçğöâîû",)
_BALTIC = ("ėųšįžąūčę", "āīšēūņļžķģč", "äõüöšž")  # Lithuanian, Latvian, Estonian
_VIETNAMESE = ("đôêưâơăàáèéùúóíãõ\u0301\u0300\u0323\u0309\u0303",)
_CYRILLIC = (
    "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",  # Russian
    "аиоетнрсвлкдпмзъугябчцжшщхфюйь",  # Bulgarian
    "оанивітерсклдумпязьбгйчхжцюєїшфщґ’",  # Ukrainian
    "аіноецрклствдзыуямпйбгжчшўьэхюёф",  # Belarusian
    "аиоенртјсувкдмпзглбчжшхцћђњљфџ",  # Serbian
    "аоиетнрвсдклпмујзгбчшцжњќхѓфљџѕ",  # Macedonian
)
_GREEK = ("αοιετσνηυρπκμλςωδγχάίόέήύώθφβξζψϊϋΐΰ",)
_HEBREW = ("יוהלאתרבמנשעדחקפםגזסכצטןףךץ",)
_ARABIC = ("اليمنتورهبدعةسفكحقأجشصطخضزثذغىإءئظآؤ،", "ايرندهمتوبسشزكلفقخگپعچحجطصژضغثذظآئ،")
_THAI = ("านรกอเงมยลวดทสต่้ปบัคหแีจพชขใไะิ์ืุูโำึผซธณศภถ็ญฉฐฝษฎฏฑฒฬฮๆ",)
_RUSSIAN_ONLY = _CYRILLIC[:1]

#: Encoding -> alphabets of the languages that were written in it. The likelier encodings first: of
#: two that read a text alike the first is taken.
_ENCODINGS: dict[str, tuple[str, ...]] = {
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "cp1251": _CYRILLIC,
    "iso8859_2": _CENTRAL,
    "cp1254": _TURKISH,
    "cp1253": _GREEK,
    "iso8859_7": _GREEK,
    "koi8_r": _RUSSIAN_ONLY,
    "koi8_u": _CYRILLIC[2:3],
    "cp1257": _BALTIC,
    "iso8859_15": _WESTERN,
    "cp866": _CYRILLIC[:4],
    "iso8859_5": _CYRILLIC,
    "cp1255": _HEBREW,
    "cp1256": _ARABIC,
    "cp874": _THAI,
    "mac_roman": _WESTERN,
    "cp850": _WESTERN,
    "cp852": _CENTRAL,
    "mac_latin2": _CENTRAL,
    "mac_cyrillic": _CYRILLIC[:4],
    "mac_turkish": _TURKISH,
    "cp857": _TURKISH,
    "cp1258": _VIETNAMESE,
    "iso8859_6": _ARABIC,
    "cp855": _CYRILLIC,
}
_CHINESE = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过"
    "发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本"
    "前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很"
    "最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度"
    "门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电"
    "，。、：；“”？！《》（）"
)
_TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過"
    "發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本"
    "前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很"
    "最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度"
    "門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電"
    "，。、：；「」？！《》（）"
)
_JAPANESE = (
    "のにはをたがでてとしれさいるなもっかりらこうすくあまきよつそどけえみわろせめやおだちょんばじ"
    "ントスルリイアラクレシロマタフジコテカサニメキドバムチパプグウオエデダナビ、。「」ー・"
    "日一国人年大十二本中長出三時行見月分後前生五間上東四今金九入学高円子外八六下来気小七山話女北午"
    "百書先名川千水半男西電校語土木聞食車何南万毎白天母火右読友左休父雨"
)
_KOREAN = (
    "이다는에의가을고하로지사기한를리도은자서나시어대인해있정라아것그들일스주수과전부보장으게구상"
    "제여비조원만성동문와우소신오마면용미생공위때야연경치선학계전진유실민안중세모된할적었습니"
)
#: The same for encodings in which two bytes are a character.
_WIDE_ENCODINGS: dict[str, str] = {
    "gb18030": _CHINESE,
    "big5hkscs": _TRADITIONAL,
    "cp932": _JAPANESE,
    "euc_jp": _JAPANESE,
    "cp949": _KOREAN,
    "johab": _KOREAN,
}

_TYPOGRAPHY = "“”„‘’‚–—…«»€§°•№\xad\xa0"
_P_NO_BREAK_SPACE = 0.15
#: Each encoding is as much less likely than the one before it, whatever is in the text.
_LESS_LIKELY = 0.15
#: Most texts with one or two letters beyond ASCII are Western ones.
_NOT_WESTERN = 1.0
_P_TYPOGRAPHY, _P_OTHER_LETTER, _P_SYMBOL, _P_NONE = 4e-3, 2e-4, 3e-5, 1e-8
_P_IN_ITS_PLACE = 0.05
_CAPITAL, _CAPITAL_WITHIN, _MIXED, _QUOTE_WITHIN = 0.08, 0.002, 1e-3, 0.02
#: The common characters of a language are so much of its texts; the rest is spread over thousands.
_P_COMMON, _OTHERS = 0.65, 6_000
#: Of a real text more are, of one that was decoded wrongly one in fifty.
_COMMON_SHARE = 0.35


def encoding_of(lines: Iterable[bytes]) -> str:
    """Return Python's name of the likeliest encoding of a text that is not UTF-8."""
    sample = _evidence(lines)
    scores = {
        name: _likelihood(sample, name) - _LESS_LIKELY * place - _NOT_WESTERN * (place > 0)
        for place, name in enumerate((*_ENCODINGS, *_WIDE_ENCODINGS))
    }
    return max(scores, key=scores.__getitem__)


def is_likely_asian(text: str) -> bool:
    """Return True if the characters beyond ASCII are common ones of an East Asian language."""
    beyond = [char for char in text if char > "\x7f"]
    shares = (
        sum(char in _common(encoding) for char in beyond) / (len(beyond) or 1)
        for encoding in _WIDE_ENCODINGS
    )
    return max(shares) >= _COMMON_SHARE


def _evidence(lines: Iterable[bytes]) -> bytes:
    """The lines with bytes beyond ASCII, until there are enough."""
    found, count = [], 0
    for line in lines:
        if line.isascii():
            continue
        found.append(line.rstrip(b"\r\n")[: 4 * EVIDENCE_BYTES])
        count += len(found[-1]) - sum(byte < 0x80 for byte in found[-1])
        if count >= EVIDENCE_BYTES:
            break
    return b"\n".join(found)


def _likelihood(sample: bytes, encoding: str) -> float:
    text = sample.decode(encoding, errors="replace")
    if encoding in _WIDE_ENCODINGS:
        common = _common(encoding)
        return sum(common.get(char) or _rare(char) for char in text if char > "\x7f")
    beyond = [(char, before, after) for before, char, after in _neighbours(text) if char > "\x7f"]
    return max(
        sum(_letter(_alphabet(letters), *place) for place in beyond)
        for letters in _ENCODINGS[encoding]
    )


def _neighbours(text: str) -> zip[tuple[str, str, str]]:
    return zip(f" {text}", text, f"{text[1:]} ", strict=False)


@dataclass(frozen=True, slots=True)
class _Alphabet:
    probabilities: dict[str, float]
    is_latin: bool


@cache
def _alphabet(letters: str) -> _Alphabet:
    weights = [1 / (rank + 2) for rank in range(len(letters))]
    total = sum(weights)
    found = {letter: weight / total for letter, weight in zip(letters, weights, strict=True)}
    return _Alphabet(found, "LATIN" in unicodedata.name(letters[0]) or letters[0] in "£¿")


@cache
def _common(encoding: str) -> dict[str, float]:
    characters = dict.fromkeys(_WIDE_ENCODINGS[encoding])
    weights = [1 / (rank + 15) for rank in range(len(characters))]
    scale = _P_COMMON / sum(weights)
    return {
        char: math.log(weight * scale) for char, weight in zip(characters, weights, strict=True)
    }


@cache
def _rare(char: str) -> float:
    name = unicodedata.name(char, "")
    if name.startswith(("CJK UNIFIED", "HANGUL SYLLABLE", "HIRAGANA", "KATAKANA")):
        return math.log((1 - _P_COMMON) / _OTHERS)
    if name.startswith(("FULLWIDTH", "IDEOGRAPHIC", "LEFT", "RIGHT")):
        return math.log(1e-4)
    return math.log(_P_SYMBOL if name else _P_NONE) - 4


def _letter(alphabet: _Alphabet, char: str, before: str, after: str) -> float:
    """The logarithm of the probability of a character beyond ASCII between its neighbours."""
    lower = char.lower()
    probability = alphabet.probabilities.get(lower)
    if probability is None:
        probability = _other(char)
        within = before.isalpha() and after.isalpha()
        if char in _TYPOGRAPHY:
            is_odd = within and char not in "’–\xad\xa0"
            if _is_in_its_place(char, before, after):
                probability = _P_IN_ITS_PLACE
        else:
            is_odd = not char.isalpha() and (before + after).strip().isalpha()
        if is_odd:
            probability *= _QUOTE_WITHIN
    if char.isalpha():
        if char != lower:
            follows_capital = before.isupper() or not before.isalpha()
            probability *= _CAPITAL if follows_capital else _CAPITAL_WITHIN
        elif before.isupper() and after.isupper():
            probability *= _CAPITAL_WITHIN
        ascii_beside = _is_ascii_letter(before) or _is_ascii_letter(after)
        if ascii_beside and not _is_latin(char):
            probability *= _MIXED
    return math.log(probability)


def _is_in_its_place(char: str, before: str, after: str) -> bool:
    """Return True for a quotation mark that opens or closes a word, and dots that end one."""
    if char in "“‘«„":
        return not before.isalnum() and after.isalnum()
    return char in "”’»…" and not before.isspace() and not after.isalnum()


def _is_ascii_letter(char: str) -> bool:
    return char.isascii() and char.isalpha()


@cache
def _is_latin(char: str) -> bool:
    return unicodedata.name(char, "LATIN").startswith(("LATIN", "MASCULINE", "FEMININE"))


@cache
def _other(char: str) -> float:
    if char in _TYPOGRAPHY:
        return _P_NO_BREAK_SPACE if char == "\xa0" else _P_TYPOGRAPHY
    if char.isalpha():
        return _P_OTHER_LETTER
    is_nothing = char == "\ufffd" or unicodedata.category(char) in ("Cc", "Co", "Cn")
    return _P_NONE if is_nothing else _P_SYMBOL
